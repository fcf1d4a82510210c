import type { ListedFile } from './bronze/files.ts';
import { type Engine, rows } from './engine/engine.ts';
import { state } from './plan.ts';
import { call, identifier, join, list, literal, type Sql, spell, sql } from './sql/sql.ts';

/** What the ledger `pipeline.files` keeps of one reading of a file. */
export interface Entry {
  readonly file: ListedFile & { readonly contentHash?: string };
  readonly status: 'ok' | 'copy' | 'failed';
  readonly records: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly quarantined: number;
  readonly ignored: number;
  readonly error?: string;
}

/** An entry of a file that gave no records. */
export const entry = (file: Entry['file'], status: Entry['status'], error?: string): Entry => ({
  file,
  status,
  records: 0,
  stored: 0,
  duplicates: 0,
  quarantined: 0,
  ignored: 0,
  ...(error === undefined ? {} : { error }),
});

const AT_ONCE = 20_000;
const ROWS_AT_ONCE = 500;
const LISTED = 'listed';
const HASHES = 'hashes';

function* parts<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

/** Statements that fill a temporary table with texts: as JSON, for which an engine's parser needs a hundredth of the time of a VALUES list. */
const textsInto = (table: string, texts: readonly string[], spelled: (statement: Sql) => string): string[] => [
  spelled(sql`CREATE OR REPLACE TEMP TABLE ${identifier(table)} (${identifier('text')} STRING)`),
  ...[...parts(texts, AT_ONCE)].map((some) =>
    spelled(
      sql`INSERT INTO ${identifier(table)} SELECT ${call((f) => f.explode(f.listFromJson(literal(JSON.stringify(some)))))}`,
    ),
  ),
];

const identity = ({ path, size, mtime }: ListedFile): string => `${size} ${mtime} ${path}`;

/** Of the listed files those that the ledger does not know with this size and time, or knows as failed; files are not opened. */
export async function changedFiles(
  engine: Engine,
  source: string,
  listed: readonly ListedFile[],
): Promise<ListedFile[]> {
  const { dialect } = engine;
  if (listed.length === 0) return [];
  for (const statement of textsInto(LISTED, listed.map(identity), (s) => spell(s, dialect)))
    await engine.execute(statement);
  const found = await rows<{ text: string }>(
    engine,
    spell(
      sql`SELECT l.text FROM ${identifier(LISTED)} AS l ANTI JOIN (
  SELECT CAST(size AS STRING) || ' ' || CAST(mtime AS STRING) || ' ' || path AS text FROM ${state.files}
  WHERE source = ${source} AND status <> 'failed') AS f ON f.text = l.text`,
      dialect,
    ),
  );
  await engine.execute(spell(sql`DROP TABLE ${identifier(LISTED)}`, dialect));
  const changed = new Set(found.map((row) => row.text));
  return listed.filter((file) => changed.has(identity(file)));
}

/** Which of these contents the source has taken in already, under any name. */
export async function knownHashes(engine: Engine, source: string, hashes: readonly string[]): Promise<Set<string>> {
  const { dialect } = engine;
  if (hashes.length === 0) return new Set();
  for (const statement of textsInto(HASHES, hashes, (s) => spell(s, dialect))) await engine.execute(statement);
  const found = await rows<{ content_hash: string }>(
    engine,
    spell(
      sql`SELECT DISTINCT content_hash FROM ${state.files} WHERE source = ${source} AND status <> 'failed' AND content_hash IN (SELECT text FROM ${identifier(HASHES)})`,
      dialect,
    ),
  );
  await engine.execute(spell(sql`DROP TABLE ${identifier(HASHES)}`, dialect));
  return new Set(found.map((row) => row.content_hash));
}

/** Statements that write entries; what a former attempt at the same file left behind goes. */
export function ledgerStatements(
  engine: Pick<Engine, 'dialect'>,
  source: string,
  batch: { readonly id: number; readonly runId: string; readonly at: Date },
  entries: readonly Entry[],
): string[] {
  const spelled = (statement: Sql): string => spell(statement, engine.dialect);
  const at = call((f) => f.cast(literal(batch.at.toISOString()), 'timestamp'));
  return [...parts(entries, ROWS_AT_ONCE)].flatMap((some) => {
    const paths = list(some.map((e) => e.file.path));
    const values = some.map(
      ({ file, status, error, ...n }) =>
        sql`(${source}, ${file.path}, ${file.size}, ${file.mtime}, ${file.contentHash ?? null}, ${status}, ${error ?? null},
          ${n.records}, ${n.stored}, ${n.duplicates}, ${n.quarantined}, ${n.ignored}, ${batch.id}, ${batch.runId}, ${at})`,
    );
    return [
      spelled(sql`DELETE FROM ${state.files} WHERE source = ${source} AND status = 'failed' AND path IN (${paths})`),
      spelled(sql`INSERT INTO ${state.files} VALUES ${join(values, sql`, `)}`),
    ];
  });
}
