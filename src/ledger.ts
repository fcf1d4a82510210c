import type { ListedFile } from './bronze/files.ts';
import { type Engine, rows } from './engine/engine.ts';
import { type Batch, state } from './plan.ts';
import { rowsOfJson } from './sql/rows.ts';
import { list, type Sql, spell, sql } from './sql/sql.ts';

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

/** How many paths or hashes a statement takes: 4 MB of them or so. */
const AT_ONCE = 20_000;

function* parts<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let i = 0; i < items.length; i += size) yield items.slice(i, i + size);
}

/** Texts as a relation with one column, `text`. */
const relationOf = (texts: readonly string[]): Sql =>
  sql`(${rowsOfJson([{ name: 'text', type: 'text' }], JSON.stringify(texts.map((text) => ({ text }))))})`;

const identity = ({ path, size, mtime }: ListedFile): string => `${size} ${mtime} ${path}`;

/** Of the listed files those that the ledger does not know with this size and time, or knows as failed; files are not opened. */
export async function changedFiles(
  engine: Engine,
  source: string,
  listed: readonly ListedFile[],
): Promise<ListedFile[]> {
  const changed = new Set<string>();
  for (const some of parts(listed.map(identity), AT_ONCE)) {
    const found = await rows<{ text: string }>(
      engine,
      spell(
        sql`SELECT l.text FROM ${relationOf(some)} AS l ANTI JOIN (
  SELECT CAST(size AS STRING) || ' ' || CAST(mtime AS STRING) || ' ' || path AS text FROM ${state.files}
  WHERE source = ${source} AND status <> 'failed') AS f ON f.text = l.text`,
        engine.dialect,
      ),
    );
    for (const { text } of found) changed.add(text);
  }
  return listed.filter((file) => changed.has(identity(file)));
}

/** Which of these contents the source has taken in already, under any name. */
export async function knownHashes(engine: Engine, source: string, hashes: readonly string[]): Promise<Set<string>> {
  const known = new Set<string>();
  for (const some of parts(hashes, AT_ONCE)) {
    const found = await rows<{ text: string }>(
      engine,
      spell(
        sql`SELECT h.text FROM ${relationOf(some)} AS h SEMI JOIN (
  SELECT content_hash FROM ${state.files} WHERE source = ${source} AND status <> 'failed') AS f ON f.content_hash = h.text`,
        engine.dialect,
      ),
    );
    for (const { text } of found) known.add(text);
  }
  return known;
}

/** Statements that write a batch's entries, all of them in one, for with it the batch is there; what a former attempt at the same files left behind goes first. */
export function ledgerStatements(
  { dialect }: Pick<Engine, 'dialect'>,
  source: string,
  batch: Batch,
  entries: readonly Entry[],
): string[] {
  const paths = entries.map((e) => e.file.path);
  const failed = [...parts(paths, AT_ONCE)].map((some) =>
    spell(
      sql`DELETE FROM ${state.files} WHERE source = ${source} AND status = 'failed' AND path IN (${list(some)})`,
      dialect,
    ),
  );
  const written = entries.map(({ file: { path, size, mtime, contentHash = null }, error = null, ...figures }) => ({
    ...{ source, path, size, mtime, content_hash: contentHash, error },
    ...figures,
    ...{ batch: batch.id, run_id: batch.runId, ingested_at: batch.at.toISOString() },
  }));
  return [...failed, ...dialect.append(state.files, rowsOfJson(state.files.columns, JSON.stringify(written)))];
}
