import { fork } from 'node:child_process';
import { once } from 'node:events';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { DuckDBInstance } from '@duckdb/node-api';
import { type RecordBatch, Schema } from 'apache-arrow';
import { recordBatches } from '../src/engine/arrow.ts';
import { databricksOptions, openDatabricks } from '../src/engine/databricks.ts';
import { batchesOfIpc } from '../src/engine/ipc.ts';
import { batchMessage, remoteSchema, schemaMessage } from '../test/warehouse/ipc.ts';
import type { Warehouse, WarehouseOptions } from '../test/warehouse/warehouse.ts';

const ROWS = Number(process.argv[2] ?? 20_000_000);
const KEPT = 1_000_000;
const ROUNDS = 3;
const TABLE = `CREATE TABLE events AS SELECT
  i AS id,
  CAST(hash(i) % 100000 AS BIGINT) AS actor_id,
  (i % 4096)::INTEGER AS severity,
  (i % 65536)::INTEGER AS port,
  random() AS score,
  TIMESTAMP '2026-01-01' + to_milliseconds(i) AS time,
  CASE WHEN i % 7 = 0 THEN NULL ELSE 'op' || (i % 300) END AS operation,
  'user' || (i % 5000) || '@example.com' AS actor,
  (i % 256) || '.' || (i % 199) || '.0.' || (i % 251) AS address,
  'arn:aws:iam::123456789012:role/service/' || (i % 900) AS resource
FROM range(${KEPT}) t(i)`;
const WAYS: Readonly<Record<string, WarehouseOptions>> = {
  'inline batches': { batchesPerPage: 4 },
  'inline batches, LZ4': { batchesPerPage: 4, compress: true },
  files: { batchesPerPage: 8, filesFrom: 1 },
  'files, LZ4': { batchesPerPage: 8, filesFrom: 1, compress: true },
};

/** Reads every column of a batch, as a writer of Arrow files does. */
const touched = (batch: RecordBatch): number => batch.data.children.reduce((sum, child) => sum + child.byteLength, 0);

/** How fast the bytes of a result become batches, the network left aside: fields, names and types are read anew for each piece. */
async function fromBytes(): Promise<number> {
  const instance = await DuckDBInstance.create();
  const connection = await instance.connect();
  await connection.run(TABLE);
  const found: RecordBatch[] = [];
  for await (const batch of recordBatches(await connection.stream('SELECT * FROM events'))) found.push(batch);
  const schema = remoteSchema(found[0]?.schema ?? new Schema());
  const head = schemaMessage(schema);
  const pieces = found.map((batch) => batchMessage(schema, batch, 0));
  const start = performance.now();
  let rows = 0;
  while (rows < ROWS)
    for (const { bytes, rows: n } of pieces)
      for (const batch of batchesOfIpc([head, bytes], n)) rows += touched(batch) > 0 ? batch.numRows : 0;
  return rows / ((performance.now() - start) / 1000);
}

const million = (n: number): string => `${(n / 1e6).toFixed(2)} M`;
console.log(`${million(ROWS)} rows × 10 columns, ${cpus().length} x ${cpus()[0]?.model}`);
console.log(`IPC bytes to batches: ${million(await fromBytes())} rows/s`);
for (const [name, options] of Object.entries(WAYS)) {
  const server = fork(
    fileURLToPath(new URL('warehouse_server.ts', import.meta.url)),
    [JSON.stringify(options), TABLE, String(ROWS / KEPT)],
    { execArgv: ['--import', 'tsx'] },
  );
  const [told] = (await once(server, 'message')) as [Pick<Warehouse, 'engine' | 'environment'>];
  Object.assign(process.env, told.environment);
  await using engine = await openDatabricks(databricksOptions(told.engine, '.'));
  let [fastest, bytes, highest, processor] = [0, 0, 0, 0];
  for (let round = 0; round < ROUNDS; round++) {
    const [start, used] = [performance.now(), process.cpuUsage()];
    let rows = 0;
    bytes = 0;
    for await (const batch of engine.query('SELECT * FROM events')) {
      rows += batch.numRows;
      bytes += touched(batch);
      highest = Math.max(highest, process.memoryUsage.rss());
    }
    if (rows !== ROWS) throw new Error(`${rows} rows came`);
    const { user, system } = process.cpuUsage(used);
    const rate = rows / ((performance.now() - start) / 1000);
    if (rate > fastest) [fastest, processor] = [rate, rows / ((user + system) / 1e6)];
  }
  console.log(
    `${name}: ${million(fastest)} rows/s, ${million(processor)} rows per CPU second of the reader, ${(bytes / ROWS).toFixed(0)} bytes a row, at most ${(highest / (1 << 20)).toFixed(0)} MB in memory`,
  );
  server.disconnect();
}
