import { decodeBytes } from './bronze/decode.ts';
import type { Expectation } from './bronze/expectations.ts';
import { flowNames } from './bronze/sniff.ts';
import { arrivedOf, readDecoded, readTable, readTexts } from './bronze/texts.ts';
import { EngineError, messageOf } from './errors.ts';
import { failed, note } from './ingest.ts';
import { accounted, type ByFile, counts, refuseBatch, taken, unmetBy } from './intake.ts';
import type { Journal, StageResult } from './journal.ts';
import { type Entry, entry, knownHashes, ledgerStatements } from './ledger.ts';
import { remoteFiles } from './place.ts';
import { EVER, moveWatermarks, pieces, type Range, state, storedByFile } from './plan.ts';
import { quarantinedFiles, storedRecords } from './quarantine.ts';
import type { Shape } from './sql/functions.ts';
import { type Sql, sql } from './sql/sql.ts';
import type { BronzeStage } from './stage.ts';
import {
  arrival,
  arriveStatements,
  decodedRows,
  newFiles,
  tableHours,
  tableRows,
  textsOf,
  watermarkOf,
} from './streamed.ts';

/** What a stage has to take in that the engine reads itself. */
export interface Inflow {
  readonly stage: BronzeStage;
  readonly expected: readonly Expectation[];
  /** A flow log's fields where its files have no header, as AWS writes a format. */
  readonly format: string | undefined;
  /** Whether to take in again what is in quarantine. */
  readonly replay: boolean;
  readonly size: InflowSize;
}

/** What one batch takes at most, if one file or hour has not more: text in bytes, files, and rows of a table. */
export interface InflowSize {
  readonly bytes: number;
  readonly files: number;
  readonly rows: number;
}

export const inflowSize: InflowSize = { bytes: 2 ** 30, files: 10_000, rows: 2_000_000 };

const HOUR = 3_600_000;

/** A text larger than this is not decoded here: what Spark refuses of it goes to quarantine as it is. */
const MOST_DECODED = 64 << 20;
/** How many bytes of decoded records go over in one statement. */
const PIECE_BYTES = 8 << 20;

interface ArrivedFile {
  readonly path: string;
  readonly size: number;
  readonly mtime: number;
  readonly contentHash: string;
  readonly bytes: number;
}

/** Names of the fields of a flow log by AWS's way to write a format. */
const headerOf = (format: string | undefined): readonly string[] | undefined =>
  format === undefined ? undefined : flowNames(format.replace(/[${}]/g, ''));

/** One file in each batch under a path, and no batch larger than it may be. */
function* batches(files: readonly ArrivedFile[], size: InflowSize): Generator<ArrivedFile[]> {
  let batch: ArrivedFile[] = [];
  let bytes = 0;
  const paths = new Set<string>();
  for (const file of files) {
    const full = batch.length >= size.files || bytes + file.bytes > size.bytes || paths.has(file.path);
    if (batch.length > 0 && full) {
      yield batch;
      batch = [];
      bytes = 0;
      paths.clear();
    }
    batch.push(file);
    paths.add(file.path);
    bytes += file.bytes;
  }
  if (batch.length > 0) yield batch;
}

interface Reading {
  readonly entries: readonly Entry['file'][];
  /** Fills the batch's table. */
  readonly read: (steps: ReturnType<typeof arrival>) => Promise<void>;
  /** What follows the ledger's rows. */
  readonly last?: readonly string[];
  /** Whether some of the files had records in quarantine. */
  readonly leaves?: boolean;
  /** That nothing is read is no batch. */
  readonly idle?: boolean;
}

/** Takes what a reading finds into bronze, batch by batch, each whole once its rows of the ledger are there. */
class Taker {
  readonly #journal: Journal;
  readonly #inflow: Inflow;
  readonly #result: StageResult;

  constructor(journal: Journal, inflow: Inflow, result: StageResult) {
    this.#journal = journal;
    this.#inflow = inflow;
    this.#result = result;
  }

  async take({ entries, read, last = [], leaves = false, idle = false }: Reading): Promise<void> {
    const { stage, expected } = this.#inflow;
    const { engine } = this.#journal;
    const journal = this.#journal;
    const steps = arrival(stage, journal.upcoming, expected, engine.dialect);
    await journal.execute([steps.clear]);
    await read(steps);
    if (idle && (await counts(engine, steps.records)).size === 0) return;
    const done = await journal.batch(async (batch) => {
      await journal.execute([...steps.rememberShapes, ...steps.refuse]);
      await refuseBatch(engine, steps, expected, this.#result);
      const found = {
        read: await counts(engine, steps.records),
        kept: await counts(engine, steps.kept),
        quarantined: await counts(engine, steps.quarantined),
        ignored: await counts(engine, steps.ignored),
      };
      const some = found.read.size > 0;
      const refused =
        found.quarantined.size === 0 ? [] : await journal.rows<{ fault: string; records: bigint }>(steps.reasons);
      if (found.quarantined.size > 0) await journal.execute(steps.toQuarantine);
      const [times] = some ? await journal.rows<{ least: bigint; most: bigint }>(steps.times) : [];
      if (times)
        await journal.execute(
          steps.intoBronze({ column: 'time', least: Number(times.least), most: Number(times.most) }),
        );
      const missed = some ? await unmetBy(engine, steps, expected, refused) : [];
      await journal.execute(journal.unmetStatements(stage.name, missed));
      const stored: ByFile = some ? await counts(engine, storedByFile(stage, batch, engine.dialect)) : new Map();
      const ledger = entries.map((file) => accounted(file, file.path, { ...found, stored }));
      await journal.execute([...ledgerStatements(engine, stage.source.source, batch, ledger), ...last]);
      if (leaves) await journal.leaveQuarantine(batch.id);
      return { ledger, missed };
    });
    taken(journal, this.#result, done.ledger, done.missed);
  }
}

/** What the decoder finds in a text, in pieces of JSON that a statement takes. */
async function* decodedPieces(bytes: Uint8Array, kind: 'json' | 'text', header: readonly string[] | undefined) {
  let piece: string[] = [];
  let size = 0;
  const items = decodeBytes(
    async function* (from) {
      yield bytes.subarray(from);
    },
    { kind, ...(header ? { header } : {}) },
  );
  for await (const item of items) {
    const names = item.ok && item.header ? { header: item.header } : {};
    const row = JSON.stringify({
      position: Number(item.position),
      raw: item.text,
      ...(item.ok ? names : { reason: item.reason }),
    });
    if (size + row.length > PIECE_BYTES && piece.length > 0) {
      yield `[${piece.join(',')}]`;
      piece = [];
      size = 0;
    }
    piece.push(row);
    size += row.length;
  }
  if (piece.length > 0) yield `[${piece.join(',')}]`;
}

/** Lets files arrive on a warehouse and takes in those that are new; nothing of them comes this way but what the warehouse cannot read. */
export async function inflowFiles(
  journal: Journal,
  inflow: Inflow & { readonly paths: readonly string[] },
  result: StageResult,
): Promise<void> {
  const { stage, paths, format, replay, size } = inflow;
  const { source } = stage;
  const { engine } = journal;
  const { dialect } = engine;
  const counted = journal.result.files;
  const arrived = arrivedOf(source, paths);
  for (const one of arrived) await journal.execute(arriveStatements(one, remoteFiles(source.source, one.path)));
  const header = headerOf(format);
  const taker = new Taker(journal, inflow, result);
  const refusedBefore = new Set(await quarantinedFiles(engine, source.source));
  const found = await journal.rows<
    Record<'path' | 'content_hash', string> & Record<'size' | 'mtime' | 'bytes', bigint>
  >(newFiles(arrived, replay, dialect));
  const listed = found.map((f) => ({
    path: f.path,
    size: Number(f.size),
    mtime: Number(f.mtime),
    contentHash: f.content_hash,
    bytes: Number(f.bytes ?? -1),
  }));
  const [all] = await journal.rows<{ n: bigint }>(
    sql`SELECT count(*) AS n FROM ${state.files} WHERE source = ${source.source} AND status <> 'failed'`,
  );
  counted.unchanged += Number(all?.n ?? 0);
  const unreadable = listed.filter((file) => file.bytes < 0);
  await note(
    journal,
    stage,
    unreadable.map((file) => failed(journal, file, 'no text: it is damaged, or may not be read; put it there anew')),
  );
  const readable = listed.filter((file) => file.bytes >= 0);
  const again = (file: ArrivedFile): boolean => replay && refusedBefore.has(file.path);
  const known = await knownHashes(
    engine,
    source.source,
    readable.map((file) => file.contentHash),
  );
  const seen = new Set<string>();
  const [copies, fresh]: [ArrivedFile[], ArrivedFile[]] = [[], []];
  for (const file of readable) {
    const twin = !again(file) && (known.has(file.contentHash) || seen.has(file.contentHash));
    (twin ? copies : fresh).push(file);
    seen.add(file.contentHash);
  }
  if (readable.length > 0) journal.tell({ kind: 'stage', name: stage.name, total: readable.length, unit: 'files' });
  let done = 0;
  const progress = (files: number): void => {
    done += files;
    journal.tell({ kind: 'progress', name: stage.name, done });
  };
  for (const batch of batches(fresh, size)) await takeIn(batch);
  // A copy is one only once what it is a copy of is there.
  await note(
    journal,
    stage,
    copies.map((file) => entry(file, 'copy')),
  );
  counted.unchanged += copies.length;
  if (copies.length > 0) progress(copies.length);
  if (replay) {
    const there = new Set(listed.map((file) => file.path));
    for (const path of refusedBefore) if (!there.has(path)) await storedAgain(journal, inflow, taker, path);
  }

  /** Takes in a batch; where the engine refuses what stands in it, looks for the file that is to blame. */
  async function takeIn(batch: readonly ArrivedFile[]): Promise<void> {
    try {
      await taker.take({
        entries: batch,
        read: async (steps) => {
          await journal.execute(steps.read(readTexts(source, textsOf(arrived, batch), header)));
          await decodeOdd(steps, batch);
        },
        leaves: batch.some((file) => refusedBefore.has(file.path)),
      });
      progress(batch.length);
    } catch (error) {
      if (!(error instanceof EngineError && error.ofData)) throw error;
      const [one, ...others] = batch;
      if (one && others.length === 0) {
        await note(journal, stage, [failed(journal, one, messageOf(error))]);
        progress(1);
        return;
      }
      const half = Math.ceil(batch.length / 2);
      await takeIn(batch.slice(0, half));
      await takeIn(batch.slice(half));
    }
  }

  /** Reads what Spark's parser refuses by way of the decoder, which finds the good records beside the bad. */
  async function decodeOdd(steps: ReturnType<typeof arrival>, batch: readonly ArrivedFile[]): Promise<void> {
    for (const { file } of await journal.rows<{ file: string }>(steps.toDecode)) {
      const one = batch.find(({ path }) => path === file);
      if (!one || one.bytes > MOST_DECODED) continue;
      const [read] = await journal.rows<{ text: string }>(
        sql`SELECT text FROM (${textsOf(arrived, [one])}) AS texts LIMIT 1`,
      );
      const bytes = Buffer.from(read?.text ?? '');
      const kind = source.content === 'json' || /^[\uFEFF\s]*[[{]/.test(read?.text ?? '') ? 'json' : 'text';
      await journal.execute([steps.forget(file)]);
      for await (const piece of decodedPieces(bytes, kind, header))
        await journal.execute(steps.read(readDecoded(source, file, decodedRows(piece), header)));
    }
    await journal.execute([steps.undecoded]);
  }
}

/** Takes in what the quarantine kept of a file that is gone, or of a table; the names of a flow log's fields went with the file. */
async function storedAgain(journal: Journal, { stage }: Inflow, taker: Taker, path: string): Promise<void> {
  const { source } = stage;
  if (source.content !== 'json') return;
  const lines = await storedRecords(journal.engine, source.source, path, { kind: 'json' });
  if (!lines) return;
  await taker.take({
    entries: [{ path, size: 0, mtime: 0 }],
    read: async (steps) => {
      await journal.execute(steps.read(readDecoded(source, path, decodedRows(`[${lines.join(',')}]`), undefined)));
    },
    leaves: true,
  });
}

/** Takes in the rows of a table that are new since the last run, or came late: those of the look-back are compared with bronze. */
export async function inflowTable(
  journal: Journal,
  inflow: Inflow & { readonly table: string; readonly lookback: number },
  result: StageResult,
): Promise<void> {
  const { stage, table, lookback, replay, size } = inflow;
  const { engine } = journal;
  const taker = new Taker(journal, inflow, result);
  const [mark] = await journal.rows<{ position: bigint | null }>(watermarkOf(stage, table, engine.dialect));
  const before = mark?.position === null || mark?.position === undefined ? undefined : Number(mark.position);
  const since = before === undefined ? EVER.from : before - lookback;
  const hours = await journal.rows<Record<'hour' | 'n' | 'newest', bigint>>(tableHours(table, since, engine.dialect));
  const newest = Math.max(before ?? EVER.from, ...hours.map((h) => Number(h.newest)));
  const byHour = new Map(hours.map((h) => [Number(h.hour), Number(h.n)]));
  const total = hours.reduce((sum, h) => sum + Number(h.n), 0);
  if (total > 0) journal.tell({ kind: 'stage', name: stage.name, total, unit: 'rows' });
  let done = 0;
  for (const piece of total === 0 ? [] : pieces({ from: since, until: EVER.until }, byHour, size.rows)) {
    const position = Math.min(piece.until - 1, newest);
    await taker.take({
      entries: [{ path: table, size: 0, mtime: position }],
      read: async (steps) => {
        await journal.execute(steps.readNew(table, reader(piece), piece.from, piece.until));
      },
      last: watermark(position),
      idle: true,
    });
    done += [...byHour].reduce(
      (sum, [hour, n]) => sum + (hour * HOUR >= piece.from && hour * HOUR < piece.until ? n : 0),
      0,
    );
    journal.tell({ kind: 'progress', name: stage.name, done });
  }
  if (replay && (await quarantinedFiles(engine, stage.source.source)).includes(table))
    await storedAgain(journal, inflow, taker, table);

  function reader(piece: Range): (wanted: Shape) => Sql {
    return readTable(stage.source, table, tableRows(table, piece.from, piece.until));
  }

  function watermark(position: number): string[] {
    return moveWatermarks([{ stage: stage.name, input: table, position }], engine.dialect);
  }
}
