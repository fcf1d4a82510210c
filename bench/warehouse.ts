import { cpus } from 'node:os';
import { DuckDBInstance } from '@duckdb/node-api';
import { type RecordBatch, Schema } from 'apache-arrow';
import { recordBatches } from '../src/engine/arrow.ts';
import { databricksOptions, openDatabricks } from '../src/engine/databricks.ts';
import { batchesOfIpc } from '../src/engine/ipc.ts';
import { elsewhere, figuresOf, tableOf, type Used } from '../test/warehouse/elsewhere.ts';
import { batchMessage, remoteSchema, schemaMessage } from '../test/warehouse/ipc.ts';
import type { WarehouseOptions } from '../test/warehouse/warehouse.ts';

const ROWS = Number(process.argv[2] ?? 20_000_000);
const KEPT = 1_000_000;
const ROUNDS = 3;
/** Pages as large as the reader asks for, 16 MB; a file of some 9 MB. */
const WAYS: Readonly<Record<string, WarehouseOptions>> = {
  'inline batches': { batchesPerPage: 2 },
  'inline batches, LZ4': { batchesPerPage: 4, compress: true },
  files: { batchesPerPage: 8, filesFrom: 1 },
  'files, LZ4': { batchesPerPage: 8, filesFrom: 1, compress: true },
};

/** Reads every column of a batch, as a writer of Arrow files does. */
const touched = (batch: RecordBatch): number => batch.data.children.reduce((sum, child) => sum + child.byteLength, 0);

/** How fast the bytes of a result become batches, the network left aside: fields, names and types are read anew for each piece. */
async function fromBytes(table: string): Promise<number> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(table);
  const found: RecordBatch[] = [];
  for await (const batch of recordBatches(await connection.stream('SELECT * FROM events'))) found.push(batch);
  const schema = remoteSchema(found[0]?.schema ?? new Schema());
  const head = schemaMessage(schema);
  const pieces = found.map((batch) => batchMessage(schema, batch, 0));
  connection.closeSync();
  instance.closeSync();
  const start = performance.now();
  let rows = 0;
  while (rows < ROWS)
    for (const { bytes, rows: n } of pieces)
      for (const batch of batchesOfIpc([head, bytes], n)) rows += touched(batch) > 0 ? batch.numRows : 0;
  return rows / ((performance.now() - start) / 1000);
}

const seconds = ({ user, system }: Used, since: Used): number => (user + system - since.user - since.system) / 1e6;
const megabytes = (n: number): string => `${(n / (1 << 20)).toFixed(0)} MB`;
const million = (n: number): string => `${(n / 1e6).toFixed(2)} M`;

/** Events have four columns of text; figures have none. */
const TABLES: Readonly<Record<string, string>> = { events: tableOf(KEPT), figures: figuresOf(KEPT) };

console.log(`${million(ROWS)} rows × 10 columns, ${cpus().length} x ${cpus()[0]?.model}`);
for (const [kind, table] of Object.entries(TABLES))
  console.log(`IPC bytes of ${kind} to batches: ${million(await fromBytes(table))} rows/s`);
const ways = Object.entries(TABLES)
  .flatMap(([kind, table]) =>
    Object.entries(WAYS).map(([way, options]) => ({ name: `${kind}, ${way}`, table, options })),
  )
  .filter(({ name }) => name.includes(process.argv[3] ?? ''));
for (const { name, table, options } of ways) {
  using stand = await elsewhere(options, table, ROWS / KEPT);
  Object.assign(process.env, stand.environment);
  await using engine = await openDatabricks(databricksOptions(stand.engine, '.'));
  const before = process.memoryUsage.rss();
  let [fastest, bytes, highest, reader, server] = [0, 0, 0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const others = await stand.used();
    const [start, own] = [performance.now(), process.cpuUsage()];
    let rows = 0;
    bytes = 0;
    for await (const batch of engine.query('SELECT * FROM events')) {
      rows += batch.numRows;
      bytes += touched(batch);
      highest = Math.max(highest, process.memoryUsage.rss());
    }
    if (rows !== ROWS) throw new Error(`${rows} rows came`);
    fastest = Math.max(fastest, rows / ((performance.now() - start) / 1000));
    reader = Math.max(reader, rows / seconds(process.cpuUsage(), own));
    server = Math.max(server, rows / seconds(await stand.used(), others));
  }
  console.log(
    `${name}: ${million(fastest)} rows/s, ${million(reader)} rows per CPU second of the reader and ${million(server)} of the stand-in, ${(bytes / ROWS).toFixed(0)} bytes a row, memory ${megabytes(before)} before and at most ${megabytes(highest)}`,
  );
}
