import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import type { RecordBatch } from 'apache-arrow';
import { duckdb } from '../sql/duckdb.ts';
import { recordBatches } from './arrow.ts';
import { type Engine, EngineError, UserError } from './engine.ts';

export interface DuckDBOptions {
  /** Path of the database file, or ':memory:'. */
  readonly path: string;
  /** What DuckDB may keep in memory before it spills to disk, e.g. '2GB'. */
  readonly memory?: string;
  readonly threads?: number;
  readonly readOnly?: boolean;
}

const first = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const OF_DATA = /^(Invalid Input|Conversion|Out of Range|Invalid unicode|IO) Error/;
const refusal = (message: string, statement: string, cause: unknown): EngineError =>
  new EngineError(message, { statement, cause, ofData: OF_DATA.test(message) });

async function openFile({ path, memory, threads, readOnly }: DuckDBOptions): Promise<DuckDBInstance> {
  if (path !== ':memory:' && !readOnly) {
    await mkdir(dirname(path), { recursive: true }).catch((error: unknown) => {
      throw new UserError(`Cannot make the folder of the lakehouse ${path}: ${first(error)}`);
    });
  }
  try {
    return await DuckDBInstance.create(path, {
      storage_compatibility_version: 'latest',
      memory_limit: memory ?? '2GB',
      threads: String(threads ?? availableParallelism()),
      autoinstall_known_extensions: 'false',
      autoload_known_extensions: 'false',
      ...(readOnly ? { access_mode: 'READ_ONLY' } : {}),
      ...(path === ':memory:' ? {} : { temp_directory: `${path}.tmp` }),
    });
  } catch (error) {
    const message = first(error);
    const holder = /PID (\d+)/.exec(message)?.[1];
    if (message.includes('Could not set lock'))
      throw new UserError(
        `The lakehouse ${path} is held by process ${holder ?? 'unknown'}; wait until it ends, or stop it. One process works on a DuckDB file at a time.`,
      );
    throw new UserError(`Cannot open the lakehouse ${path}: ${message}`);
  }
}

/** Opens an embedded DuckDB; throws a `UserError` that names the process when another one holds the file. */
export async function openDuckDB(options: DuckDBOptions): Promise<Engine> {
  const instance = await openFile(options);
  const connection = await instance.connect();
  await connection.run("SET TimeZone = 'UTC'");
  return new DuckDBEngine(instance, connection);
}

class DuckDBEngine implements Engine {
  readonly dialect = duckdb;
  readonly #instance: DuckDBInstance;
  readonly #connection: DuckDBConnection;

  constructor(instance: DuckDBInstance, connection: DuckDBConnection) {
    this.#instance = instance;
    this.#connection = connection;
  }

  async execute(statement: string): Promise<number> {
    try {
      return (await this.#connection.run(statement)).rowsChanged;
    } catch (error) {
      throw refusal(first(error), statement, error);
    }
  }

  async *query(statement: string): AsyncGenerator<RecordBatch> {
    try {
      yield* recordBatches(await this.#connection.stream(statement));
    } catch (error) {
      throw refusal(await this.#cause(statement, error), statement, error);
    }
  }

  /** A stream that fails midway ends without its message; running the statement again under EXPLAIN ANALYZE brings it out. */
  async #cause(statement: string, error: unknown): Promise<string> {
    if (!first(error).startsWith('DuckDB stopped after')) return first(error);
    return this.#connection.run(`EXPLAIN ANALYZE ${statement}`).then(() => first(error), first);
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
    this.#connection.closeSync();
    this.#instance.closeSync();
  }
}
