import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, expect } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { rows } from '../../src/engine/engine.ts';
import { type Lakehouse, open } from '../../src/index.ts';
import { holdsEvents } from '../../src/silver/class.ts';
import { linesOf } from './rows.ts';

const root = await mkdtemp(join(tmpdir(), 'ocsf-medallion-test-'));
afterAll(() => rm(root, { recursive: true, force: true }));
let folders = 0;

/** A new folder that goes away after the test file. */
export async function folder(): Promise<string> {
  const path = join(root, String(++folders));
  await mkdir(path);
  return path;
}

/** Writes files into a folder, those named `.gz` compressed; gives their paths. */
export async function write(place: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<string[]> {
  const paths: string[] = [];
  for (const [name, content] of Object.entries(files)) {
    const path = join(place, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, name.endsWith('.gz') && typeof content === 'string' ? gzipSync(content) : content);
    paths.push(path);
  }
  return paths;
}

/** What a manifest says otherwise. */
export interface Parts {
  readonly engine?: object;
  readonly bronze?: object;
  readonly silver?: 'all' | readonly string[];
  readonly gold?: object;
  readonly targets?: object;
}

/** Where each source's files lie in a folder, unless a test says otherwise. */
export const everySource = {
  databricks_audit: { path: 'databricks_audit/**/*', optional: true },
  cloudtrail: { path: 'cloudtrail/**/*', optional: true },
  vpc_flow: { path: 'vpc_flow/**/*', optional: true },
};
export const nothingOfGold = { detections: [], summaries: [] };

/** Writes `pipelines.json` into a folder. */
export async function manifest(place: string, parts: Parts = {}): Promise<string> {
  const [path = ''] = await write(place, {
    'pipelines.json': JSON.stringify({
      engine: { type: 'duckdb', path: 'lakehouse.duckdb', threads: 2 },
      bronze: everySource,
      silver: 'all',
      gold: { detections: 'all', summaries: 'all' },
      ...parts,
    }),
  });
  return path;
}

/** A lakehouse over files, after its first run. */
export async function lakehouse(
  files: Readonly<Record<string, string | Uint8Array>>,
  parts: Parts = {},
): Promise<Lakehouse> {
  const place = await folder();
  await write(place, files);
  const lake = await open(await manifest(place, parts));
  const result = await lake.run();
  expect(result.stages.filter((stage) => stage.error !== undefined)).toEqual([]);
  return lake;
}

/** A silver row or finding as OCSF JSON. */
export type Event = Readonly<Record<string, unknown>>;

/** Every event of a table; fails where one is not valid OCSF or lint finds fault with it. */
export async function events(lake: Lakehouse, table: string): Promise<Event[]> {
  const texts = await linesOf(lake.query(`SELECT * FROM ${table} ORDER BY time NULLS LAST, metadata.uid NULLS LAST`));
  for (const text of texts) expect(validateEvent(parseJson(text), { lint: true }), text).toEqual([]);
  return texts.map((text) => JSON.parse(text));
}

/** Names of the silver tables. */
export const silverTables = async (lake: Lakehouse): Promise<string[]> =>
  (await tables(lake, ['silver'])).filter(holdsEvents);

/** Every event of every silver table, each valid and without fault. */
export async function everyEvent(lake: Lakehouse): Promise<Event[]> {
  const found: Event[] = [];
  for (const name of await silverTables(lake)) found.push(...(await events(lake, name)));
  return found;
}

/** What one statement gives. */
export const ask = <T extends Record<string, unknown>>(lake: Lakehouse, statement: string): Promise<T[]> =>
  rows<T>(lake.engine, statement);

/** One value that a statement gives, as a number. */
export async function count(lake: Lakehouse, statement: string): Promise<number> {
  const [row] = await ask(lake, statement);
  return Number(Object.values(row ?? {})[0]);
}

/** Names of the tables (no views) of some schemas. */
async function tables(lake: Lakehouse, schemas: readonly string[]): Promise<string[]> {
  const found = await ask<{ name: string }>(
    lake,
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND table_schema IN (${schemas.map((s) => `'${s}'`).join(', ')}) ORDER BY name NULLS LAST`,
  );
  return found.map(({ name }) => name);
}

/** For each table of the schemas: its rows and a digest of their content in no particular order. */
export async function digests(
  lake: Lakehouse,
  schemas: readonly string[] = ['silver', 'gold'],
): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await tables(lake, schemas)) {
    const [row] = await ask<{ n: bigint; digest: string | null }>(
      lake,
      `SELECT count(*) AS n, md5(string_agg(line, chr(10) ORDER BY line)) AS digest
       FROM (SELECT CAST(to_json(t) AS VARCHAR) AS line FROM ${name} AS t)`,
    );
    found[name] = `${row?.n} ${row?.digest ?? ''}`;
  }
  return found;
}
