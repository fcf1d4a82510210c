import type { RecordBatch } from 'apache-arrow';
import type { Dialect } from '../sql/dialect.ts';

/** A place where SQL runs; the only input and output of the pipeline. */
export interface Engine extends AsyncDisposable {
  readonly dialect: Dialect;
  /** Runs one statement and gives the number of rows it changed, where the engine says so. */
  execute(statement: string): Promise<number>;
  /** Runs one statement and streams its rows; at least one batch comes, for the schema. */
  query(statement: string): AsyncIterable<RecordBatch>;
  /** Runs the work in one transaction: all of it or nothing stays. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

/** The engine refused a statement or could not be reached: what it said and on which engine. */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly statement: string | undefined;
  /** Whether the input's content is to blame, rather than the statement, the disk or the connection. */
  readonly ofData: boolean;
  constructor(message: string, more: { statement?: string; ofData?: boolean; cause?: unknown } = {}) {
    super(message, { cause: more.cause });
    this.statement = more.statement;
    this.ofData = more.ofData ?? false;
  }
}

/** The user's mistake: what is wrong, where, and what would be right; shown without a stack, exit code 2. */
export class UserError extends Error {
  override readonly name = 'UserError';
}

/** Another process works on the lakehouse: which one, since when, and what to do; exit code 1. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

/** All rows of a small result as objects: for the pipeline's own state, never for logs. */
export async function rows<T extends Record<string, unknown>>(engine: Engine, statement: string): Promise<T[]> {
  const found: T[] = [];
  for await (const batch of engine.query(statement)) for (const row of batch) found.push(row.toJSON() as T);
  return found;
}
