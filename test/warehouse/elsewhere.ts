import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Warehouse, WarehouseOptions } from './warehouse.ts';

/** A table of ten columns, four of them text. */
export const tableOf = (rows: number): string => `CREATE TABLE events AS SELECT
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
FROM range(${rows}) t(i)`;

/** A table of ten columns without text, as the figures of a summary by the hour are. */
export const figuresOf = (rows: number): string => `CREATE TABLE events AS SELECT
  TIMESTAMP '2026-01-01' + to_hours((i // 5000)::INTEGER) AS hour,
  (i % 40)::INTEGER AS account, (i % 900)::INTEGER AS interface, (i % 2)::INTEGER AS direction, (i % 3)::INTEGER AS action,
  (CASE WHEN i % 9 = 0 THEN 17 ELSE 6 END)::INTEGER AS protocol, (CASE WHEN i % 5 = 0 THEN NULL ELSE 443 END)::INTEGER AS port,
  CAST(hash(i) % 1000 AS INTEGER) AS flows, CAST(hash(i + 1) % 1000000 AS BIGINT) AS bytes, (i % 100)::INTEGER AS sources
FROM range(${rows}) t(i)`;

/** What a process has used of the processor, in microseconds. */
export interface Used {
  readonly user: number;
  readonly system: number;
}

/** A stand-in in another process. */
export interface Elsewhere extends Disposable {
  readonly engine: Warehouse['engine'];
  readonly environment: Warehouse['environment'];
  /** What it has used of the processor. */
  used(): Promise<Used>;
  /** The files of the results that it has given. */
  files(): Promise<Warehouse['files']>;
}

/** Starts a stand-in that gives the rows of a table so many times, as `events`, and once, as `one`. */
export async function elsewhere(options: WarehouseOptions, table: string, times: number): Promise<Elsewhere> {
  const child = fork(
    fileURLToPath(new URL('apart.ts', import.meta.url)),
    [JSON.stringify(options), table, String(times)],
    { execArgv: ['--import', 'tsx'] },
  );
  const told = async <T>(): Promise<T> => (await once(child, 'message'))[0];
  const asked = <T>(what: string): Promise<T> => {
    const answer = told<T>();
    child.send(what);
    return answer;
  };
  const started = await told<Pick<Warehouse, 'engine' | 'environment'>>();
  return {
    ...started,
    used: () => asked('used'),
    files: () => asked('files'),
    [Symbol.dispose]: () => child.disconnect(),
  };
}
