import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Engine, rows } from '../../src/engine/engine.ts';
import { type Lakehouse, open } from '../../src/index.ts';

/** What differs between runs, or where several files hold the same record: it is no part of the promise. */
const NOT_PROMISED = new Set(['run_id', 'batch', 'ingested_at', 'file', 'position']);

/** Rows and a hash of them, in any order, of every bronze, silver and gold table and of what is in quarantine. */
export async function digest(engine: Engine): Promise<Record<string, string>> {
  const columns = await rows<{ name: string; columns: string }>(
    engine,
    `SELECT c.table_schema || '.' || c.table_name AS name, string_agg(c.column_name, chr(31) ORDER BY c.ordinal_position) AS columns
     FROM information_schema.columns AS c JOIN information_schema.tables AS t USING (table_schema, table_name)
     WHERE c.table_schema IN ('bronze', 'silver', 'gold') AND t.table_type = 'BASE TABLE' GROUP BY ALL ORDER BY name`,
  );
  const selects = columns.map(({ name, columns: all }) => {
    const kept = all.split('\x1f').filter((column) => !NOT_PROMISED.has(column));
    const [schema, table] = name.split('.');
    const select: string = `SELECT ${kept.map((c) => `"${c}"`).join(', ')} FROM "${schema}"."${table}"`;
    return [name, select] as const;
  });
  selects.push(['pipeline.quarantine', `SELECT DISTINCT source, text FROM pipeline.quarantine`]);
  const hashes = await rows<{ name: string; n: bigint; hash: string }>(
    engine,
    selects
      .map(
        ([name, select]) =>
          `SELECT '${name}' AS name, count(*) AS n, coalesce(md5(string_agg(h, '' ORDER BY h)), '') AS hash FROM (SELECT md5(CAST(to_json(t) AS VARCHAR)) AS h FROM (${select}) AS t)`,
      )
      .join(' UNION ALL '),
  );
  return Object.fromEntries(hashes.map(({ name, n, hash }) => [name, `${n} rows ${hash}`]));
}

/** A folder that goes when the test is over. */
export async function temporary(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'survive-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** A manifest over the three folders of logs below `folder`; stages as given, all of them otherwise. */
export function manifestOf(
  folder: string,
  more: {
    lakehouse?: string;
    silver?: readonly string[];
    detections?: readonly string[];
    summaries?: readonly string[];
  } = {},
): Record<string, unknown> {
  const source = (name: string) => ({ path: join(folder, name, '**/*'), optional: true });
  return {
    engine: { type: 'duckdb', path: more.lakehouse ?? ':memory:', threads: 1 },
    bronze: {
      databricks_audit: source('databricks_audit'),
      cloudtrail: source('cloudtrail'),
      vpc_flow: source('vpc_flow'),
    },
    silver: more.silver ?? 'all',
    gold: { detections: more.detections ?? 'all', summaries: more.summaries ?? 'all' },
  };
}

/** An open lakehouse over the logs below a folder. */
export const lakehouse = (folder: string, more: Parameters<typeof manifestOf>[1] = {}): Promise<Lakehouse> =>
  open(manifestOf(folder, more));

/** All rows of a statement. */
export const all = <T extends Record<string, unknown>>(lake: Lakehouse, statement: string): Promise<T[]> =>
  rows<T>(lake.engine, statement).then((found) => found.map((row) => ({ ...row })));

/** The first value of the first row, as text. */
export const value = async (lake: Lakehouse, statement: string): Promise<string> =>
  String(Object.values((await all(lake, statement))[0] ?? {})[0]);
