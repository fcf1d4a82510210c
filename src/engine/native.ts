import { messageOf, UserError } from '../errors.ts';
import { duckdbVersion } from '../version.ts';

const load = async () => {
  const { BIGINT, DuckDBInstance } = await import('@duckdb/node-api');
  const { recordBatches } = await import('./arrow.ts');
  return { BIGINT, DuckDBInstance, recordBatches };
};

/** What only DuckDB's native package has. */
export type Native = Awaited<ReturnType<typeof load>>;

/** Loads DuckDB, which queries on Spark and Databricks do without; throws a `UserError` that says what to install where it is missing. */
export async function native(): Promise<Native> {
  return load().catch((error: unknown) => {
    const [said = ''] = messageOf(error).split('\n');
    throw new UserError(
      `DuckDB is needed here and cannot be loaded: run "npm install @duckdb/node-api@${duckdbVersion}" in the folder of this program, on the kind of machine where it runs. (${said})`,
    );
  });
}
