import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { decodeToNdjson } from './bronze/decode.ts';
import { type BatchSize, grouped, inspect, isOdd, type ListedFile, type NewFile, slices } from './bronze/files.ts';
import type { FileGroup } from './bronze/read.ts';
import { flowNames } from './bronze/sniff.ts';
import { EngineError, UserError } from './engine/engine.ts';
import { type Journal, message, type StageResult } from './journal.ts';
import { changedFiles, type Entry, entry, knownHashes, ledgerStatements } from './ledger.ts';
import { arrivalStatements, settlement } from './plan.ts';
import type { BronzeStage } from './stage.ts';

/** What a source's stage has to take in. */
export interface Intake {
  readonly stage: BronzeStage;
  readonly listed: readonly ListedFile[];
  /** A flow log's fields where its files have no header, as AWS writes a format. */
  readonly format: string | undefined;
  /** Paths to be read again, whatever the ledger says of them. */
  readonly again: ReadonlySet<string>;
  readonly size: BatchSize;
}

/** What went wrong is neither the file's fault nor the record's: the disk is full, or something cannot be written. */
const ofDisk = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE'].includes(String(error.code));

/** Takes a source's new files into bronze, batch by batch; files that were taken in before under any name add nothing. */
export async function ingest(journal: Journal, intake: Intake, result: StageResult): Promise<void> {
  const { stage, listed, again, size } = intake;
  const { source } = stage;
  const counts = journal.result.files;
  const changed = await changedFiles(journal.engine, source.source, listed);
  const todo = again.size === 0 ? changed : [...new Set([...changed, ...listed.filter((f) => again.has(f.path))])];
  counts.unchanged += listed.length - todo.length;
  if (todo.length === 0) return;
  journal.tell({ kind: 'stage', name: stage.name, total: todo.length, unit: 'files' });
  let done = 0;
  const progress = (files: number): void => {
    done += files;
    journal.tell({ kind: 'progress', name: stage.name, done });
  };
  const header = intake.format === undefined ? undefined : flowNames(intake.format.replace(/[${}]/g, ''));
  const intoBronze = taker(journal, stage, result, header, progress);

  for (const slice of slices(todo, size)) {
    const inspected = await inspect(slice);
    const hashes = inspected.flatMap((file) => ('error' in file ? [] : [file.contentHash]));
    const known = await knownHashes(journal.engine, source.source, hashes);
    const first = new Map<string, NewFile>();
    const copies: NewFile[] = [];
    const twins: NewFile[] = [];
    const notes: Entry[] = [];
    for (const file of inspected) {
      if ('error' in file) notes.push(failed(journal, file, file.error));
      else if (known.has(file.contentHash) && !again.has(file.path)) copies.push(file);
      else if (first.has(file.contentHash)) twins.push(file);
      else first.set(file.contentHash, file);
    }
    const fresh = [...first.values()];
    const empty = fresh.filter((file) => file.shape.kind === 'empty');
    notes.push(...copies.map((file) => entry(file, 'copy')), ...empty.map((file) => entry(file, 'ok')));
    counts.unchanged += copies.length;
    counts.new += empty.length;
    await note(journal, stage, notes);
    progress(notes.length);
    const odd = fresh.filter((file) => file.shape.kind === 'parquet' || isOdd(file, source.content));
    const sound = fresh.filter((file) => !odd.includes(file) && !empty.includes(file));
    const byPath = new Map(fresh.map((file) => [file.path, file]));
    for (const group of grouped(sound, header, size)) await intoBronze.group(group, byPath);
    for (const file of odd) await intoBronze.decoded(file);
    if (twins.length > 0) await settleTwins(journal, stage, twins);
    progress(twins.length);
  }
}

const failed = (journal: Journal, file: Entry['file'], error: string): Entry => {
  journal.result.files.failed += 1;
  journal.warn(`${file.path}: cannot be read: ${error}`);
  return entry(file, 'failed', error);
};

async function note(journal: Journal, stage: BronzeStage, entries: readonly Entry[]): Promise<void> {
  if (entries.length === 0) return;
  await journal.batch((batch) =>
    journal.execute(ledgerStatements(journal.engine, stage.source.source, batch, entries)),
  );
}

/** Files with the content of another one of this run: copies if that one went in, failed if it failed. */
async function settleTwins(journal: Journal, stage: BronzeStage, twins: readonly NewFile[]): Promise<void> {
  const hashes = twins.map((file) => file.contentHash);
  const known = await knownHashes(journal.engine, stage.source.source, hashes);
  const entries = twins.map((file) =>
    known.has(file.contentHash)
      ? entry(file, 'copy')
      : failed(journal, file, 'it has the content of another file that could not be read'),
  );
  journal.result.files.unchanged += entries.filter((e) => e.status === 'copy').length;
  await note(journal, stage, entries);
}

function taker(
  journal: Journal,
  stage: BronzeStage,
  result: StageResult,
  header: readonly string[] | undefined,
  progress: (files: number) => void,
) {
  const { engine } = journal;

  /** One batch: records, quarantine and ledger rows appear together or not at all. */
  async function takeIn(group: FileGroup, byPath: ReadonlyMap<string, Entry['file']>): Promise<void> {
    const counts = async (statement: string): Promise<Map<string, number>> =>
      new Map(
        (await journal.rows<{ file: string; records: bigint }>(statement)).map((r) => [r.file, Number(r.records)]),
      );
    const entries = await journal.batch(async (batch) => {
      const steps = settlement(stage, group, batch, engine.dialect);
      await journal.execute(arrivalStatements(stage, group, batch, engine.dialect));
      const toDecode = await journal.rows<{ file: string }>(steps.toDecode);
      if (toDecode.length > 0)
        throw new EngineError(`must be decoded: ${toDecode.map((r) => r.file).join(', ')}`, { ofData: true });
      if (steps.needsNumbers) await journal.execute([steps.numberLines]);
      const read = await counts(steps.records);
      const quarantined = await counts(steps.quarantined);
      const ignored = await counts(steps.ignored);
      await journal.execute([steps.leaveQuarantine]);
      if (quarantined.size > 0) await journal.execute([steps.toQuarantine]);
      if (quarantined.size + ignored.size > 0) await journal.execute([steps.dropFaulty]);
      const before = await counts(steps.stored);
      await journal.execute([steps.suspects]);
      const [suspects] = await journal.rows<{ n: bigint }>(steps.countSuspects);
      if (Number(suspects?.n) > 0) await journal.execute([steps.dropDuplicates]);
      const stored = Number(suspects?.n) > 0 ? await counts(steps.stored) : before;
      const ledger = group.files.flatMap((path): Entry[] => {
        const file = byPath.get(path);
        return file === undefined
          ? []
          : [
              {
                file,
                status: 'ok',
                records: read.get(path) ?? 0,
                stored: stored.get(path) ?? 0,
                duplicates: (before.get(path) ?? 0) - (stored.get(path) ?? 0),
                quarantined: quarantined.get(path) ?? 0,
                ignored: ignored.get(path) ?? 0,
              },
            ];
      });
      await journal.execute(ledgerStatements(engine, stage.source.source, batch, ledger));
      return ledger;
    });
    journal.result.files.new += entries.length;
    for (const one of entries) {
      result.rows_in += one.records;
      result.rows_out += one.stored;
      result.rows_quarantined += one.quarantined;
    }
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
        if (file) await decoded(file);
      }
      await halves(
        files,
        files.files.filter((file) => !toDecode.includes(file)),
        byPath,
      );
    }
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
    const folder = await mkdtemp(joinPath(tmpdir(), 'ocsf-medallion-'));
    const ndjson = joinPath(folder, 'decoded.ndjson');
    try {
      await decodeToNdjson(file.path, ndjson, { kind: stage.source.content, ...(header ? { header } : {}) });
      const one: FileGroup = { layout: 'decoded', files: [file.path], decoded: ndjson };
      await takeIn(one, new Map([[file.path, file]]));
    } catch (error) {
      if (ofDisk(error)) throw new EngineError(`${message(error)}, while ${file.path} was decoded into ${folder}`);
      if (error instanceof UserError || (error instanceof EngineError && !error.ofData)) throw error;
      await note(journal, stage, [failed(journal, file, message(error))]);
    } finally {
      await rm(folder, { recursive: true, force: true });
      progress(1);
    }
  }

  return { takeIn, group, decoded };
}
