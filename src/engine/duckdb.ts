import { mkdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import type { DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { RecordBatch } from 'apache-arrow';
import { BusyError, EngineError, UserError } from '../errors.ts';
import { duckdb } from '../sql/duckdb.ts';
import { type Engine, rows, TABLES, type Values } from './engine.ts';
import { announce, holderOf } from './lock.ts';
import { type Native, native } from './native.ts';

export interface DuckDBOptions {
  /** Path of the database file, or ':memory:'. */
  readonly path: string;
  /** What DuckDB may keep in memory before it spills to disk, e.g. '2GB'. */
  readonly memory?: string;
  readonly threads?: number;
  readonly readOnly?: boolean;
  /** How long to wait, in milliseconds, while another process holds the file. */
  readonly wait?: number;
}

const first = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const OF_DATA = /^(Invalid Input|Conversion|Out of Range|Invalid unicode|IO) Error/;
const OF_DISK = /No space left on device|Disk quota exceeded|Read-only file system|Could not (write|truncate)|fsync/i;
const FULL = /No space left on device|Disk quota exceeded|failed to offload data block|max_temp_directory_size/i;
const HINTS: readonly (readonly [RegExp, string])[] = [
  [FULL, 'The disk is full: make room, then run again; what was committed is whole.'],
  [
    /Read-only file system|Permission denied/i,
    'The lakehouse cannot be written there: check the folder and its rights.',
  ],
];

const refusal = (message: string, statement: string, cause: unknown): EngineError => {
  const hint = HINTS.find(([pattern]) => pattern.test(message))?.[1];
  return new EngineError(hint ? `${hint} (${message})` : message, {
    statement,
    cause,
    ofData: OF_DATA.test(message) && !OF_DISK.test(message) && !FULL.test(message),
  });
};

const CHECK_MS = 200;

async function busy(path: string, message: string, readOnly: boolean): Promise<BusyError> {
  const holder = await holderOf(path);
  const pid = /PID (\d+)/.exec(message)?.[1];
  const here = holder && (pid === undefined || Number(pid) === holder.pid);
  const who = here
    ? `is being written by process ${holder.pid} on ${holder.host} since ${holder.since}`
    : `is being read by process ${pid ?? 'unknown'}`;
  return new BusyError(
    `The lakehouse ${path} ${who}. ${readOnly ? 'It can be read when no process writes' : 'One process writes at a time, while none reads'}: try again later, or wait with --wait 60s.`,
  );
}

async function openFile({ DuckDBInstance }: Native, options: DuckDBOptions): Promise<DuckDBInstance> {
  const { path, memory, threads, readOnly = false, wait = 0 } = options;
  const inMemory = path === ':memory:';
  if (!inMemory && !readOnly) {
    await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
      throw new UserError(`Cannot make the folder of the lakehouse ${path}: ${first(error)}`);
    });
  }
  const until = Date.now() + wait;
  for (;;) {
    try {
      return await DuckDBInstance.create(path, {
        storage_compatibility_version: 'latest',
        memory_limit: memory ?? '2GB',
        threads: String(threads ?? availableParallelism()),
        autoinstall_known_extensions: 'false',
        autoload_known_extensions: 'false',
        ...(readOnly ? { access_mode: 'READ_ONLY' } : {}),
        ...(inMemory ? {} : { temp_directory: spill(path) }),
      });
    } catch (error) {
      const message = first(error);
      if (!message.includes('Could not set lock')) throw new UserError(`Cannot open the lakehouse ${path}: ${message}`);
      if (Date.now() >= until) throw await busy(path, message, readOnly);
      await pause(Math.min(CHECK_MS, Math.max(1, until - Date.now())));
    }
  }
}

const spill = (path: string): string => `${path}.tmp`;

/** Opens an embedded DuckDB; throws a `BusyError` that names the process when another one holds the file. */
export async function openDuckDB(options: DuckDBOptions): Promise<Engine> {
  const loaded = await native();
  const instance = await openFile(loaded, options);
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  if (options.readOnly || options.path === ':memory:')
    return new DuckDBEngine(loaded, instance, connection, () => undefined);
  await rm(spill(options.path), { recursive: true, force: true });
  const release = await announce(options.path).catch((error: unknown) => {
    connection.closeSync();
    instance.closeSync();
    throw new UserError(`Cannot write beside the lakehouse ${options.path}: ${first(error)}`);
  });
  return new DuckDBEngine(loaded, instance, connection, release);
}

class DuckDBEngine implements Engine {
  readonly dialect = duckdb;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;
  readonly #native: Native;
  readonly #release: () => void;
  readonly #atWork = new Set<Promise<unknown>>();
  #closed = false;

  constructor(loaded: Native, instance: DuckDBInstance, connection: DuckDBConnection, release: () => void) {
    this.#native = loaded;
    this.#instance = instance;
    this.#connection = connection;
    this.#release = release;
  }

  /** DuckDB's binding crashes the process when a connection is closed under a statement: closing waits for those at work. */
  #working<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new EngineError('The lakehouse is closed'));
    const promise = work();
    this.#atWork.add(promise);
    const done = () => this.#atWork.delete(promise);
    promise.then(done, done);
    return promise;
  }

  async execute(statement: string): Promise<number> {
    try {
      return (await this.#working(() => this.#connection.run(statement))).rowsChanged;
    } catch (error) {
      throw refusal(first(error), statement, error);
    }
  }

  async *query(statement: string, values: Values = {}): AsyncGenerator<RecordBatch> {
    const { BIGINT, recordBatches } = this.#native;
    const wide = Object.entries(values).filter(([, value]) => typeof value === 'bigint');
    const types = Object.fromEntries(wide.map(([name]) => [name, BIGINT]));
    try {
      const batches = recordBatches(await this.#working(() => this.#connection.stream(statement, values, types)));
      for (;;) {
        const next = await this.#working(() => batches.next());
        if (next.done) return;
        yield next.value;
      }
    } catch (error) {
      throw refusal(await this.#cause(statement, error), statement, error);
    }
  }

  /** A stream that fails midway ends without its message; running the statement again under EXPLAIN ANALYZE brings it out. */
  async #cause(statement: string, error: unknown): Promise<string> {
    if (!first(error).startsWith('DuckDB stopped after')) return first(error);
    return this.#connection.run(`EXPLAIN ANALYZE ${statement}`).then(() => first(error), first);
  }

  async tables(): Promise<string[]> {
    const found = await rows<{ name: string }>(this, TABLES);
    return found.map(({ name }) => name);
  }

  async schemas(): Promise<string[]> {
    const found = await rows<{ name: string }>(this, 'SELECT schema_name AS name FROM information_schema.schemata');
    return found.map(({ name }) => name);
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.execute('BEGIN TRANSACTION');
    try {
      const result = await work();
      await this.execute('COMMIT');
      return result;
    } catch (error) {
      await this.#connection.run('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.allSettled(this.#atWork);
    this.#connection.closeSync();
    this.#instance.closeSync();
    this.#release();
  }
}
