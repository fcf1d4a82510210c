import type { RecordBatch } from 'apache-arrow';
import type { Dialect } from '../sql/dialect.ts';

/** Values for the markers of a statement, by name: `:name` on Databricks, `$name` on DuckDB; Spark's server takes none. */
export type Values = Readonly<Record<string, string | number | bigint | boolean | null>>;

/** A place where SQL runs; the only input and output of the pipeline. */
export interface Engine extends AsyncDisposable {
  readonly dialect: Dialect;
  /** Runs one statement and gives the number of rows it changed, where the engine says so. */
  execute(statement: string): Promise<number>;
  /** Runs one statement and streams its rows; at least one batch comes, for the schema. `flat` says that no column holds others. */
  query(statement: string, values?: Values, options?: { readonly flat?: boolean }): AsyncIterable<RecordBatch>;
  /** Names of the tables and views in the pipeline's schemas, in order: `silver.authentication`. */
  tables(): Promise<string[]>;
  /** Names of the schemas that are there. */
  schemas(): Promise<string[]>;
  /**
   * Runs the work in one transaction: all of it or nothing stays. Where the engine has none the statements just follow each
   * other, each whole by itself, and whoever writes them puts what says that the work is done last, so that a rerun does the rest.
   */
  transaction<T>(work: () => Promise<T>): Promise<T>;
}

/** The schemas of the pipeline's tables and views. */
export const SCHEMAS = ['bronze', 'silver', 'gold', 'pipeline'] as const;

/** Lists the tables and views where there is an information schema. */
export const TABLES = `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
WHERE table_schema IN (${SCHEMAS.map((schema) => `'${schema}'`).join(', ')}) ORDER BY name NULLS LAST`;

/** All rows of a small result without nested columns as objects: for the pipeline's own state, never for logs. */
export async function rows<T extends Record<string, unknown>>(
  engine: Engine,
  statement: string,
  values?: Values,
): Promise<T[]> {
  const found: T[] = [];
  for await (const batch of engine.query(statement, values, { flat: true }))
    for (const row of batch) found.push(row.toJSON() as T);
  return found;
}
