import type { RecordBatch } from 'apache-arrow';
import type { Dialect } from '../sql/dialect.ts';

/** Values for the markers of a statement, by name: `:name` on Databricks, `$name` on DuckDB; Spark's server takes none. */
export type Values = Readonly<Record<string, string | number | bigint | boolean | null>>;

/** A place where SQL runs; the only input and output of the pipeline. */
export interface Engine extends AsyncDisposable {
  readonly dialect: Dialect;
  /** Runs one statement and gives the number of rows it changed, where the engine says so. */
  execute(statement: string): Promise<number>;
  /** Runs one statement and streams its rows; at least one batch comes, for the schema. */
  query(statement: string, values?: Values): AsyncIterable<RecordBatch>;
  /** Runs the work in one transaction: all of it or nothing stays. */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

/** All rows of a small result as objects: for the pipeline's own state, never for logs. */
export async function rows<T extends Record<string, unknown>>(
  engine: Engine,
  statement: string,
  values?: Values,
): Promise<T[]> {
  const found: T[] = [];
  for await (const batch of engine.query(statement, values)) for (const row of batch) found.push(row.toJSON() as T);
  return found;
}
