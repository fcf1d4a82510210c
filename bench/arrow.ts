import { cpus } from 'node:os';
import { DuckDBInstance, type DuckDBResult } from '@duckdb/node-api';
import { recordBatches } from '../src/engine/arrow.ts';

const ROWS = Number(process.argv[2] ?? 4_000_000);
const ROUNDS = 5;

const instance = await DuckDBInstance.create();
const connection = await instance.connect();
await connection.run(`CREATE TABLE events AS SELECT
  i AS id,
  hash(i) % 100000 AS actor_id,
  (i % 4096)::INTEGER AS severity,
  (i % 65536)::INTEGER AS port,
  random() AS score,
  TIMESTAMP '2026-01-01' + to_milliseconds(i) AS time,
  CASE WHEN i % 7 = 0 THEN NULL ELSE 'op' || (i % 300) END AS operation,
  'user' || (i % 5000) || '@example.com' AS actor,
  (i % 256) || '.' || (i % 199) || '.0.' || (i % 251) AS address,
  'arn:aws:iam::123456789012:role/service/' || (i % 900) AS resource
FROM range(${ROWS}) t(i)`);

const sources = {
  'ten columns': 'SELECT * FROM events',
  'six without text': 'SELECT * EXCLUDE (operation, actor, address, resource) FROM events',
};

async function chunks(result: DuckDBResult): Promise<number> {
  let rows = 0;
  for await (const chunk of result) rows += chunk.rowCount;
  return rows;
}

async function batches(result: DuckDBResult): Promise<number> {
  let rows = 0;
  for await (const batch of recordBatches(result)) rows += batch.numRows;
  return rows;
}

async function best(read: (result: DuckDBResult) => Promise<number>, sql: string): Promise<number> {
  let fastest = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    const rows = await read(await connection.stream(sql));
    fastest = Math.max(fastest, (rows / (performance.now() - start)) * 1000);
  }
  return fastest;
}

console.log(`${ROWS} rows, ${cpus().length} x ${cpus()[0]?.model}`);
for (const [name, sql] of Object.entries(sources)) {
  const plain = await best(chunks, sql);
  const arrow = await best(batches, sql);
  const million = (rate: number) => `${(rate / 1e6).toFixed(2)} M rows/s`;
  console.log(
    `${name}: chunks ${million(plain)}, record batches ${million(arrow)}, ratio ${(arrow / plain).toFixed(2)}`,
  );
}
