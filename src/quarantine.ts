import { stat } from 'node:fs/promises';
import { type DecodeOptions, decodeBytes } from './bronze/decode.ts';
import type { ListedFile } from './bronze/files.ts';
import { type Engine, rows } from './engine/engine.ts';
import { state } from './plan.ts';
import { call, join, type Sql, spell, sql } from './sql/sql.ts';

/** A record that no table could take; `text` holds its first 64 kB, `at` is ISO 8601. */
export interface Quarantined {
  readonly source: string;
  readonly file: string;
  readonly position: number;
  readonly reason: string;
  readonly text: string;
  readonly run_id: string;
  readonly at: string;
}

/** What to look at in the quarantine; all of it where nothing is said. */
export interface QuarantineFilter {
  readonly source?: string;
  /** Only reasons that contain this text. */
  readonly reason?: string;
  readonly limit?: number;
}

/** What is in quarantine, by source, file and position; empty where there is no lakehouse yet. */
export async function quarantineOf(engine: Engine, filter: QuarantineFilter = {}): Promise<Quarantined[]> {
  if (!(await engine.tables()).includes(state.quarantine.name)) return [];
  const conditions: Sql[] = [sql`TRUE`];
  if (filter.source !== undefined) conditions.push(sql`source = ${filter.source}`);
  if (filter.reason !== undefined) conditions.push(sql`contains(reason, ${filter.reason})`);
  const found = await rows<Record<keyof Quarantined, string> & { position: bigint; millis: bigint }>(
    engine,
    spell(
      sql`SELECT source, file, position, reason, text, run_id, ${call((f) => f.millisOfTimestamp(sql`quarantined_at`))} AS millis
FROM ${state.quarantine} WHERE ${join(conditions, sql` AND `)}
ORDER BY source NULLS LAST, file NULLS LAST, position NULLS LAST, reason NULLS LAST, text NULLS LAST${
        filter.limit === undefined ? sql`` : sql` LIMIT ${filter.limit}`
      }`,
      engine.dialect,
    ),
  );
  return found.map(({ source, file, position, reason, text, run_id, millis }) => ({
    source,
    file,
    position: Number(position),
    reason,
    text,
    run_id,
    at: new Date(Number(millis)).toISOString(),
  }));
}

/** The files of a source with records in quarantine. */
export async function quarantinedFiles(engine: Engine, source: string): Promise<string[]> {
  const files = await rows<{ file: string }>(
    engine,
    spell(
      sql`SELECT DISTINCT file FROM ${state.quarantine} WHERE source = ${source} ORDER BY file NULLS LAST`,
      engine.dialect,
    ),
  );
  return files.map(({ file }) => file);
}

/** Which files can be read again, and which are gone. */
export async function stillThere(files: readonly string[]): Promise<{ there: ListedFile[]; gone: string[] }> {
  const there: ListedFile[] = [];
  const gone: string[] = [];
  for (const file of files) {
    const info = await stat(file).catch(() => undefined);
    if (info?.isFile()) there.push({ path: file, size: info.size, mtime: Math.floor(info.mtimeMs) });
    else gone.push(file);
  }
  return { there, gone };
}

/** The quarantined records of a file that is gone, as the decoder writes records; undefined where none can be read now either. */
export async function storedRecords(
  engine: Engine,
  source: string,
  file: string,
  options: DecodeOptions,
): Promise<string[] | undefined> {
  const kept = await rows<{ position: bigint; reason: string; text: string }>(
    engine,
    spell(
      sql`SELECT position, reason, text FROM ${state.quarantine} WHERE source = ${source} AND file = ${file} ORDER BY position NULLS LAST, text NULLS LAST`,
      engine.dialect,
    ),
  );
  let readable = 0;
  const lines: string[] = [];
  for (const { position, reason, text } of kept) {
    const bytes = Buffer.from(text);
    const records: string[] = [];
    let whole = true;
    for await (const item of decodeBytes(async function* (from) {
      yield bytes.subarray(from);
    }, options)) {
      if (item.ok) records.push(item.text);
      else whole = false;
    }
    const good = whole && records.length > 0;
    if (good) readable += 1;
    for (const raw of good ? records : [text])
      lines.push(`${JSON.stringify({ position: Number(position), raw, ...(good ? {} : { reason }) })}\n`);
  }
  return readable > 0 ? lines : undefined;
}
