import { join } from 'node:path';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { folder } from './lakehouse.ts';

/** The path of a Parquet file with the rows of a DuckDB query. */
export async function parquet(query: string): Promise<string> {
  const path = join(await folder(), 'rows.parquet');
  await using engine = await openDuckDB({ path: ':memory:', threads: 1 });
  await engine.execute(`COPY (${query}) TO '${path}' (FORMAT parquet)`);
  return path;
}
