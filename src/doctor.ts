import { constants } from 'node:fs';
import { access, statfs } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, resolve } from 'node:path';
import { listFiles } from './bronze/files.ts';
import { DatabricksEngine } from './engine/databricks.ts';
import { type Engine, rows } from './engine/engine.ts';
import { messageOf, UserError } from './errors.ts';
import { checkGrants } from './grants.ts';
import type { Manifest } from './manifest.ts';
import { placeOf, remoteFiles, remoteFolder } from './place.ts';
import { call, identifier, type Sql, spell, sql } from './sql/sql.ts';
import { version } from './version.ts';

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What is there. */
  readonly found: string;
  /** What to do about it, where it is not ok. */
  readonly advice?: string;
}

/** What was found; `ok` where a run has what it needs. */
export interface Diagnosis {
  readonly ok: boolean;
  readonly target: string | null;
  readonly engine: string;
  readonly checks: readonly Check[];
}

type Look = () => Promise<Omit<Check, 'name'>>;

const GIGA = 1 << 30;
const LEAST_FREE = GIGA;
const MOST_SKEW_MS = 60_000;
/** What the statements were tested on. */
const TESTED = { duckdb: /^v1\.5\./, spark: /^4\.1\./ } as const;

const gigas = (bytes: number): string => `${(bytes / GIGA).toFixed(1)} GB`;

/** Looks at one thing; an error is a finding, whose message says what to do. */
async function looked(name: string, look: Look): Promise<Check> {
  try {
    return { name, ...(await look()) };
  } catch (error) {
    return { name, ok: false, found: 'failed', advice: messageOf(error) };
  }
}

const textOf = async (engine: Engine, statement: Sql): Promise<string> => {
  const [row] = await rows<Record<string, unknown>>(engine, spell(statement, engine.dialect));
  return String(Object.values(row ?? {})[0] ?? '');
};

/** The folder of a file, or the nearest one above it that exists, can be written. */
async function writable(path: string): Promise<string> {
  for (let folder = dirname(path); ; folder = dirname(folder)) {
    const code = await access(folder, constants.W_OK).then(
      () => undefined,
      (error: NodeJS.ErrnoException) => error.code,
    );
    if (code === undefined) return folder;
    if (code !== 'ENOENT' || folder === dirname(folder))
      throw new UserError(`${folder} cannot be written (${code}): check its rights, or name another engine.path.`);
  }
}

const bytesOfSize = (size: string): number => {
  const [, amount = '0', unit = ''] = /^([\d.]+) ?([KMG])/.exec(size) ?? [];
  return Number(amount) * (unit === 'G' ? GIGA : unit === 'M' ? 1 << 20 : 1 << 10);
};

function ofDuckDB(engine: Manifest['engine'] & { type: 'duckdb' }, folder: string): [string, Look][] {
  const disk: Look = async () => {
    if (engine.path === ':memory:') return { ok: true, found: 'in memory: nothing stays' };
    const place = await writable(resolve(folder, engine.path));
    const { bavail, bsize } = await statfs(place);
    const free = bavail * bsize;
    const found = `${place} can be written, ${gigas(free)} free`;
    return free >= LEAST_FREE
      ? { ok: true, found }
      : { ok: false, found, advice: 'Make room: less than 1 GB is left.' };
  };
  const memory: Look = async () => {
    const limit = bytesOfSize(engine.memory ?? '2GB');
    const there = Math.min(process.constrainedMemory() || Number.POSITIVE_INFINITY, totalmem());
    const found = `${gigas(limit)} of ${gigas(there)} may be used`;
    return limit < there
      ? { ok: true, found }
      : { ok: false, found, advice: 'Set engine.memory to less than this machine has: "1GB".' };
  };
  return [
    ['disk', disk],
    ['memory', memory],
  ];
}

/** Whether the clocks of this machine and of the engine agree: incremental runs compare times of both. */
const clock =
  (engine: Engine): Look =>
  async () => {
    const before = Date.now();
    const now = Number(
      await textOf(engine, sql`SELECT ${call((f) => f.millisOfTimestamp(sql`current_timestamp`))} AS now`),
    );
    const skew = now < before ? before - now : Math.max(0, now - Date.now());
    const found = skew < 1000 ? 'agree within a second' : `${Math.round(skew / 1000)} seconds apart`;
    return skew <= MOST_SKEW_MS
      ? { ok: true, found }
      : { ok: false, found, advice: "Set this machine's clock (NTP): sign-in and links to results depend on it." };
  };

const versionOf =
  (statement: Sql, engine: Engine, tested: RegExp | undefined, wanted: string): Look =>
  async () => {
    const found = await textOf(engine, statement);
    return tested === undefined || tested.test(found)
      ? { ok: true, found }
      : { ok: false, found, advice: `The statements are tested on ${wanted}: use that version.` };
  };

const zone =
  (engine: Engine): Look =>
  async () => {
    const found = await textOf(engine, sql`SELECT current_timezone() AS zone`);
    return /^(Etc\/)?UTC$/.test(found)
      ? { ok: true, found }
      : {
          ok: false,
          found,
          advice: 'The session is to be in UTC, and the server changed that: allow sessions to set their time zone.',
        };
  };

const delta =
  (engine: Engine): Look =>
  async () => {
    const [row] = await rows<{ value: string }>(engine, 'SET spark.sql.extensions');
    const ok = row?.value.includes('DeltaSparkSessionExtension') ?? false;
    return ok
      ? { ok, found: 'there' }
      : { ok, found: 'missing', advice: 'Start Spark with Delta Lake, as "npm run spark" does.' };
  };

/** Whether what a source names can be read, file by file or address by address as the engine reads it. */
const places = (manifest: Manifest, engine: Engine): [string, Look][] =>
  Object.entries(manifest.bronze).flatMap(([source, settings]): [string, Look][] => {
    const place = placeOf(settings);
    const name = `bronze.${source}`;
    if (place.kind === 'table') return [[name, table(engine, place.table)]];
    if (engine.dialect.files === 'arrive')
      return place.paths.map((path): [string, Look] => [name, address(source, path, engine)]);
    const here: Look = async () => {
      const found = await listFiles(source, place.paths, settings.optional ?? false, manifest.folder);
      const [first] = found;
      if (first) await access(first.path, constants.R_OK);
      return { ok: true, found: `${found.length} files` };
    };
    return [[name, here]];
  });

const table =
  (engine: Engine, name: string): Look =>
  async () => {
    const found = await rows(
      engine,
      spell(sql`SELECT 1 AS one FROM ${identifier(...name.split('.'))} LIMIT 1`, engine.dialect),
    );
    return { ok: true, found: `${name} can be read${found.length === 0 ? ', and is empty' : ''}` };
  };

const address =
  (source: string, path: string, engine: Engine): Look =>
  async () => {
    remoteFiles(source, path);
    const folder = remoteFolder(source, path);
    const found = await rows(engine, spell(sql`LIST ${folder} LIMIT 1`, engine.dialect));
    return found.length > 0
      ? { ok: true, found: `${folder} can be read` }
      : { ok: false, found: `${folder} is empty`, advice: `Check bronze.${source}.path: nothing lies there yet.` };
  };

const warehouse =
  (engine: DatabricksEngine): Look =>
  async () => {
    const { name, type, serverless } = await engine.warehouse();
    const found = `${name}: ${serverless ? 'serverless' : type.toLowerCase()}`;
    return serverless || type === 'PRO'
      ? { ok: true, found }
      : {
          ok: false,
          found,
          advice:
            'Streaming tables and materialised views need a pro or serverless SQL warehouse: change its type, or take another one in engine.path.',
        };
  };

const catalog =
  (engine: Engine, name: string): Look =>
  async () => {
    const metastore = await textOf(engine, sql`SELECT current_metastore() AS metastore`);
    if (metastore === '')
      return {
        ok: false,
        found: 'none',
        advice: 'This workspace has no Unity Catalog: an account admin assigns it a metastore.',
      };
    const there = await textOf(
      engine,
      sql`SELECT count(*) AS n FROM system.information_schema.catalogs WHERE catalog_name = ${name}`,
    );
    return there === '1'
      ? { ok: true, found: `${name} in ${metastore}` }
      : {
          ok: false,
          found: `no catalog ${name} in ${metastore} that may be seen`,
          advice: `An admin makes it (CREATE CATALOG) and grants USE CATALOG; or engine.catalog is misspelt.`,
        };
  };

const grants =
  (manifest: Manifest, engine: Engine): Look =>
  async () => {
    const { missing, grants: needed, schemas } = await checkGrants(manifest, engine);
    if (missing.length + schemas.length === 0) return { ok: true, found: `all ${needed.length} there` };
    const lacking = [
      ...schemas.map((name) => `the schema ${name}`),
      ...missing.map((g) => `${g.privilege} on ${g.on.toLowerCase()} ${g.name}`),
    ];
    return {
      ok: false,
      found: `missing: ${lacking.join(', ')}`,
      advice: 'An owner of the catalog or an admin runs what "grants --check" prints.',
    };
  };

function ofEngine(manifest: Manifest, engine: Engine): [string, Look][] {
  const { engine: settings } = manifest;
  if (settings.type === 'duckdb')
    return [
      ['version', versionOf(sql`SELECT version() AS version`, engine, TESTED.duckdb, 'DuckDB 1.5')],
      ...places(manifest, engine),
    ];
  const common: [string, Look][] = [
    ['time zone', zone(engine)],
    ['clock', clock(engine)],
  ];
  if (settings.type === 'spark')
    return [
      ['version', versionOf(sql`SELECT version() AS version`, engine, TESTED.spark, 'Spark 4.1')],
      ['Delta Lake', delta(engine)],
      ...common,
      ...places(manifest, engine),
    ];
  return [
    ...(engine instanceof DatabricksEngine ? [['warehouse', warehouse(engine)] as [string, Look]] : []),
    ['version', versionOf(sql`SELECT current_version().dbsql_version AS version`, engine, undefined, '')],
    ['Unity Catalog', catalog(engine, settings.catalog)],
    ['grants', grants(manifest, engine)],
    ...common,
    ...places(manifest, engine),
  ];
}

/** Looks at everything that a run depends on, from this machine to the engine's grants; `connect` opens the engine. */
export async function diagnose(manifest: Manifest, connect: () => Promise<Engine>): Promise<Diagnosis> {
  const { engine: settings, folder, target } = manifest;
  const checks: Check[] = [{ name: 'ocsf-medallion', ok: true, found: `${version} on Node ${process.versions.node}` }];
  const look = async (all: readonly (readonly [string, Look])[]): Promise<void> => {
    for (const [name, one] of all) checks.push(await looked(name, one));
  };
  if (settings.type === 'duckdb') await look(ofDuckDB(settings, folder));
  const started = Date.now();
  let engine: Engine | undefined;
  await look([
    [
      'connection',
      async () => {
        engine = await connect();
        return { ok: true, found: `${settings.type}, in ${Date.now() - started} ms` };
      },
    ],
  ]);
  try {
    if (engine) await look(ofEngine(manifest, engine));
  } finally {
    await engine?.[Symbol.asyncDispose]();
  }
  return { ok: checks.every((check) => check.ok), target: target ?? null, engine: settings.type, checks };
}
