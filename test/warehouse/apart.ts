import { type Warehouse as Stand, Warehouse, type WarehouseOptions } from '../test/warehouse/warehouse.ts';

/** A stand-in warehouse in a process of its own: its time is not the reader's. Ends when its parent does. */
const [options = '{}', statement = '', times = '1'] = process.argv.slice(2);
const stand: Stand = await Warehouse.start(JSON.parse(options) as WarehouseOptions);
await stand.run(statement);
stand.answer({ pattern: /FROM events/, sql: 'SELECT * FROM events', times: Number(times) });
process.send?.({ engine: stand.engine, environment: stand.environment });
process.on('disconnect', () => process.exit());
