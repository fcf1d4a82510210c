import { writeFile } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { decode, decodeToNdjson } from './bronze/decode.ts';
import type { Expectation } from './bronze/expectations.ts';
import { type BatchSize, grouped, inspect, isOdd, type ListedFile, type NewFile, slices } from './bronze/files.ts';
import type { FileGroup } from './bronze/read.ts';
import { flowNames } from './bronze/sniff.ts';
import { rows } from './engine/engine.ts';
import { EngineError, messageOf, UserError } from './errors.ts';
import { accounted, counts, refuseBatch, taken, unmetBy } from './intake.ts';
import type { Journal, StageResult } from './journal.ts';
import { type Landing, landingOf } from './landing.ts';
import { changedFiles, type Entry, entry, knownHashes, ledgerStatements } from './ledger.ts';
import { arrivalStatements, type Batch, settlement, storedByFile } from './plan.ts';
import { quarantinedFiles, stillThere, storedRecords } from './quarantine.ts';
import { scratch } from './scratch.ts';
import type { BronzeStage } from './stage.ts';

/** What a source's stage has to take in. */
export interface Intake {
  readonly stage: BronzeStage;
  readonly listed: readonly ListedFile[];
  /** A flow log's fields where its files have no header, as AWS writes a format. */
  readonly format: string | undefined;
  /** Whether to take in again what is in quarantine: its files if they are still there, else the text that was kept. */
  readonly replay: boolean;
  readonly size: BatchSize;
  readonly expected: readonly Expectation[];
}

/** What went wrong is neither the file's fault nor the record's: the disk is full, or something cannot be written. */
const ofDisk = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE'].includes(String(error.code));

/** Takes a source's new files into bronze, batch by batch; files that were taken in before under any name add nothing. */
export async function ingest(journal: Journal, intake: Intake, result: StageResult): Promise<void> {
  const { stage, listed, size } = intake;
  const { source } = stage;
  const counts = journal.result.files;
  const changed = await changedFiles(journal.engine, source.source, listed);
  const refused = await quarantinedFiles(journal.engine, source.source);
  const held = intake.replay ? await stillThere(refused) : { there: [], gone: [] };
  const again = new Set(held.there.map((file) => file.path));
  const todo = [...changed.filter((file) => !again.has(file.path)), ...held.there];
  counts.unchanged += listed.filter((file) => !again.has(file.path)).length - (todo.length - held.there.length);
  if (todo.length + held.gone.length === 0) return;
  journal.tell({ kind: 'stage', name: stage.name, total: todo.length, unit: 'files' });
  let done = 0;
  const progress = (files: number): void => {
    done += files;
    journal.tell({ kind: 'progress', name: stage.name, done });
  };
  const header = intake.format === undefined ? undefined : flowNames(intake.format.replace(/[${}]/g, ''));
  await using landing = await landingOf(journal.engine);
  const intoBronze = taker(journal, landing, intake, { result, header, refusedBefore: new Set(refused), progress });

  for (const slice of slices(todo, size)) {
    const inspected = await inspect(slice);
    const unreadable = inspected.flatMap((file) => ('error' in file ? [failed(journal, file, file.error)] : []));
    await note(journal, stage, unreadable);
    progress(unreadable.length);
    let left = inspected.flatMap((file) => ('error' in file ? [] : [file]));
    // Of files with the same content one goes in; the others are copies of it then, and if it failed the next one is tried.
    while (left.length > 0) {
      const { fresh, copies, twins } = await sorted(journal, stage, left, again);
      const empty = fresh.filter((file) => file.shape.kind === 'empty');
      counts.unchanged += copies.length;
      counts.new += empty.length;
      await note(journal, stage, [...copies.map((f) => entry(f, 'copy')), ...empty.map((f) => entry(f, 'ok'))]);
      progress(copies.length + empty.length);
      const odd = fresh.filter((file) => isOdd(file, source.content));
      const sound = fresh.filter((file) => !odd.includes(file) && !empty.includes(file));
      const byPath = new Map(fresh.map((file) => [file.path, file]));
      for (const group of grouped(sound, header, size)) await intoBronze.group(group, byPath);
      for (const file of odd) await intoBronze.decoded(file);
      left = twins;
    }
  }
  // The names of a flow log's fields went with the file.
  if (source.content === 'json') for (const file of held.gone) await intoBronze.stored(file);
}

/** Which files are new, which copies of what went in before, and which have the content of another new one. */
async function sorted(
  journal: Journal,
  stage: BronzeStage,
  files: readonly NewFile[],
  again: ReadonlySet<string>,
): Promise<{ fresh: NewFile[]; copies: NewFile[]; twins: NewFile[] }> {
  const hashes = files.map((file) => file.contentHash);
  const known = await knownHashes(journal.engine, stage.source.source, hashes);
  const fresh = new Map<string, NewFile>();
  const copies: NewFile[] = [];
  const twins: NewFile[] = [];
  for (const file of files) {
    if (known.has(file.contentHash) && !again.has(file.path)) copies.push(file);
    else if (fresh.has(file.contentHash)) twins.push(file);
    else fresh.set(file.contentHash, file);
  }
  return { fresh: [...fresh.values()], copies, twins };
}

/** An entry of a file that could not be read, which the run says. */
export const failed = (journal: Journal, file: Entry['file'], error: string): Entry => {
  journal.result.files.failed += 1;
  journal.warn(`${file.path}: cannot be read: ${error}`);
  return entry(file, 'failed', error);
};

/** How the decoder splits a file; of a text source's file it may be JSON that the lines stand in. */
async function kindOf(file: NewFile, content: 'json' | 'text'): Promise<'json' | 'text'> {
  if (content === 'json' || file.shape.kind === 'json') return 'json';
  for await (const first of decode(file.path, { kind: 'text' })) return /^\s*[[{]/.test(first.text) ? 'json' : 'text';
  return 'text';
}

/** Writes entries of files that gave no records, as a batch of their own. */
export async function note(journal: Journal, stage: BronzeStage, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  await journal.batch((batch) =>
    journal.execute(ledgerStatements(journal.engine, stage.source.source, batch, entries)),
  );
}

interface Taking {
  readonly result: StageResult;
  /** Names of a flow log's fields where a file has none. */
  readonly header: readonly string[] | undefined;
  /** Files with records in quarantine before the run. */
  readonly refusedBefore: ReadonlySet<string>;
  readonly progress: (files: number) => void;
}

function taker(
  journal: Journal,
  landing: Landing,
  { stage, expected }: Intake,
  { result, header, refusedBefore, progress }: Taking,
) {
  const { engine } = journal;

  /** Reads a group of files where they land and sorts the records out: those that are refused and, but the first of each, those that are the same. */
  async function settle(group: FileGroup, batch: Batch) {
    const { dialect } = landing.engine;
    const ask = <T extends Record<string, unknown>>(statement: string): Promise<T[]> =>
      rows<T>(landing.engine, statement);
    const execute = async (statements: readonly string[]): Promise<void> => {
      for (const statement of statements) await landing.engine.execute(statement);
    };
    const steps = settlement(stage, group, batch, dialect);
    await execute(arrivalStatements(stage, group, batch, dialect, expected));
    const toDecode = await ask<{ file: string }>(steps.toDecode);
    if (toDecode.length > 0)
      throw new EngineError(`must be decoded: ${toDecode.map((r) => r.file).join(', ')}`, { ofData: true });
    if (steps.needsNumbers) await execute([steps.numberLines]);
    await execute([steps.newcomers]);
    const [newcomers] = await ask<{ n: bigint }>(steps.countNewcomers);
    if (Number(newcomers?.n) > 0) await execute([steps.rememberShapes]);
    await execute(expected.filter((e) => e.settled && e.otherwise !== 'warn').map(steps.refuse));
    await refuseBatch(landing.engine, steps, expected, result);
    const read = await counts(landing.engine, steps.records);
    const quarantined = await counts(landing.engine, steps.quarantined);
    const ignored = await counts(landing.engine, steps.ignored);
    const refused = quarantined.size === 0 ? [] : await ask<{ fault: string; records: bigint }>(steps.reasons);
    if (quarantined.size > 0) await execute(steps.toQuarantine);
    if (quarantined.size + ignored.size > 0) await execute([steps.dropFaulty]);
    const kept = await counts(landing.engine, storedByFile(stage, batch, dialect));
    await execute([steps.suspects]);
    const [suspects] = await ask<{ n: bigint }>(steps.countSuspects);
    if (Number(suspects?.n) > 0) await execute([steps.dropDuplicates]);
    const missed = await unmetBy(landing.engine, steps, expected, refused);
    return { read, kept, quarantined, ignored, missed };
  }

  /** One batch: records, quarantine and ledger rows appear together or not at all; the rows of the ledger say that it is there. */
  async function takeIn(group: FileGroup, byPath: ReadonlyMap<string, Entry['file']>): Promise<void> {
    const { entries, missed } = await journal.batch(async (batch) => {
      await landing.clear(stage);
      const { read, kept, quarantined, ignored, missed } = await settle(group, batch);
      await landing.carry(stage);
      await journal.execute(journal.unmetStatements(stage.name, missed));
      const stored = await counts(engine, storedByFile(stage, batch, engine.dialect));
      const ledger = group.files.flatMap((path): Entry[] => {
        const file = byPath.get(path);
        return file === undefined ? [] : [accounted(file, path, { read, kept, stored, quarantined, ignored })];
      });
      await journal.execute(ledgerStatements(engine, stage.source.source, batch, ledger));
      if (group.files.some((path) => refusedBefore.has(path))) await journal.leaveQuarantine(batch.id);
      return { entries: ledger, missed };
    });
    taken(journal, result, entries, missed);
  }

  /** Takes in a group of files; where the engine refuses it, looks for the file that is to blame. */
  async function group(files: FileGroup, byPath: ReadonlyMap<string, NewFile>): Promise<void> {
    try {
      await takeIn(files, byPath);
      progress(files.files.length);
    } catch (error) {
      if (!(error instanceof EngineError && error.ofData)) throw error;
      const named = files.files.filter((file) => error.message.includes(file));
      if (files.files.length > 1 && (named.length === 0 || named.length === files.files.length)) {
        await halves(files, files.files, byPath);
        return;
      }
      const toDecode = named.length > 0 ? named : files.files;
      for (const path of toDecode) {
        const file = byPath.get(path);
        if (file && files.layout === 'parquet') await refuse(file, error);
        else if (file) await decoded(file);
      }
      await halves(
        files,
        files.files.filter((file) => !toDecode.includes(file)),
        byPath,
      );
    }
  }

  /** No decoder can do better than the engine with Parquet. */
  async function refuse(file: NewFile, error: unknown): Promise<void> {
    await note(journal, stage, [failed(journal, file, messageOf(error))]);
    progress(1);
  }

  /** Goes on with halves, so that however many files are bad the good ones are read only a few times. */
  async function halves(
    files: FileGroup,
    paths: readonly string[],
    byPath: ReadonlyMap<string, NewFile>,
  ): Promise<void> {
    const half = Math.ceil(paths.length / 2);
    for (const part of [paths.slice(0, half), paths.slice(half)])
      if (part.length > 0) await group({ ...files, files: part } as FileGroup, byPath);
  }

  /** Takes in one damaged or odd file by way of the decoder; a file that even that cannot read has failed. */
  async function decoded(file: NewFile): Promise<void> {
    await using folder = await scratch();
    const ndjson = joinPath(folder.path, 'decoded.ndjson');
    try {
      await decodeToNdjson(file.path, ndjson, {
        kind: await kindOf(file, stage.source.content),
        ...(header ? { header } : {}),
      });
      const one: FileGroup = { layout: 'decoded', files: [file.path], decoded: ndjson, header };
      await takeIn(one, new Map([[file.path, file]]));
    } catch (error) {
      if (ofDisk(error))
        throw new EngineError(`${messageOf(error)}, while ${file.path} was decoded into ${folder.path}`);
      if (error instanceof UserError || (error instanceof EngineError && !error.ofData)) throw error;
      await note(journal, stage, [failed(journal, file, messageOf(error))]);
    }
    progress(1);
  }

  /** Takes in what the quarantine kept of a file that is gone. */
  async function stored(path: string): Promise<void> {
    const lines = await storedRecords(engine, stage.source.source, path, { kind: stage.source.content });
    if (!lines) return;
    await using folder = await scratch();
    const ndjson = joinPath(folder.path, 'stored.ndjson');
    await writeFile(ndjson, lines);
    const one: FileGroup = { layout: 'decoded', files: [path], decoded: ndjson };
    await takeIn(one, new Map([[path, { path, size: 0, mtime: 0 }]]));
  }

  return { group, decoded, stored };
}
