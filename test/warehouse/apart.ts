import { Warehouse, type WarehouseOptions } from './warehouse.ts';

/** A stand-in in a process of its own, whose time and memory are not the reader's: what `elsewhere` starts. Ends when its parent does. */
const [options = '{}', statement = '', times = '1'] = process.argv.slice(2);
const stand: Warehouse = await Warehouse.start(JSON.parse(options) as WarehouseOptions);
await stand.run(statement);
stand.answer({ pattern: /FROM one/, sql: 'SELECT * FROM events' });
stand.answer({ pattern: /FROM events/, sql: 'SELECT * FROM events', times: Number(times) });
process.on('message', (asked) => process.send?.(asked === 'files' ? stand.files : process.cpuUsage()));
process.on('disconnect', () => process.exit());
process.send?.({ engine: stand.engine, environment: stand.environment });
