import { fixedFolder } from './bronze/files.ts';
import { secondsOf } from './engine/environment.ts';
import { UserError } from './errors.ts';
import type { SourceSettings } from './manifest.ts';
import type { Dialect } from './sql/dialect.ts';

/** Where a source's records come from; `lookback` is in milliseconds. */
export type Place =
  | { readonly kind: 'files'; readonly paths: readonly string[] }
  | { readonly kind: 'table'; readonly table: string; readonly lookback: number };

const LOOKBACK = '24h';

/** Where a source's records come from, by its settings. */
export const placeOf = ({ path = [], table, lookback = LOOKBACK }: SourceSettings): Place =>
  table === undefined
    ? { kind: 'files', paths: [path].flat() }
    : { kind: 'table', table, lookback: secondsOf(lookback) * 1000 };

const REMOTE = /^(s3|s3a|gs|abfss|r2):\/\/[^/]+/;
/** A path in a volume of Unity Catalog: its catalog, schema and name. */
export const VOLUME = /^\/Volumes\/([^/]+)\/([^/]+)\/([^/]+)(\/|$)/;

/** The folder of a path that a warehouse reads, without its wildcards; throws a `UserError` for a path of this machine. */
export function remoteFolder(source: string, path: string): string {
  if (REMOTE.test(path) || VOLUME.test(path)) return fixedFolder(path.endsWith('/') ? `${path}*` : path);
  throw new UserError(
    `bronze.${source}.path "${path}" is a place on this machine, where no warehouse reads: give an address such as s3://bucket/AWSLogs/ or /Volumes/catalog/schema/volume/.`,
  );
}

/** What a warehouse lists and which names of files it takes, all where nothing is said; throws a `UserError` for a path that it cannot read as it is meant. */
export function remoteFiles(source: string, path: string): { readonly folder: string; readonly names?: string } {
  const folder = remoteFolder(source, path);
  const wrong = (what: string): UserError =>
    new UserError(
      `bronze.${source}.path "${path}": ${what} A warehouse takes a folder ("${folder}/"), files of a name below it ("${folder}/**/*.json.gz"), or a glob without "**".`,
    );
  if (/\.parquet$/i.test(path)) throw wrong('Parquet is no text: make a table of it, and give "table" instead.');
  const [head = '', tail, ...more] = path.split('/**');
  if (tail === undefined) return { folder: path };
  if (more.length > 0 || /[*?[{]/.test(head) || tail.slice(1).includes('/'))
    throw wrong('"**" may stand once, before the name of the files, and after no other wildcard.');
  return tail.length > 1 && tail !== '/*' ? { folder: `${head}/`, names: tail.slice(1) } : { folder: `${head}/` };
}

/** The patterns of the files that this process lists itself; undefined where the engine reads the source. Throws a `UserError` for a place that the engine cannot read. */
export function filesHere(
  source: string,
  settings: SourceSettings,
  dialect: Pick<Dialect, 'files'>,
): readonly string[] | undefined {
  const place = placeOf(settings);
  if (place.kind === 'table' && dialect.files === 'read')
    throw new UserError(
      `bronze.${source}.table "${place.table}": tables are read on Databricks and Spark; on DuckDB give "path", the files of an export.`,
    );
  if (place.kind === 'table') return undefined;
  if (dialect.files !== 'arrive') return place.paths;
  for (const path of place.paths) remoteFiles(source, path);
  return undefined;
}
