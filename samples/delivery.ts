import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { copyFile, mkdir, stat, truncate } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { numberOf, random } from './random.ts';
import type { LogRecord, LogSource, SourceName } from './source.ts';

/** A record on its way, and what a reader should make of it. */
export interface Delivery extends LogRecord {
  readonly kind: 'usual' | 'malformed' | 'duplicate';
  readonly late: boolean;
  readonly story: boolean;
}

/** One file that was written; a damaged one counts no records, for they are copies of another file's. */
export interface WrittenFile {
  /** Relative to the output folder, with forward slashes. */
  readonly path: string;
  readonly source: SourceName;
  /** The workspace id or the region whose records it holds. */
  readonly stream: string;
  readonly records: number;
  readonly malformed: number;
  readonly duplicates: number;
  /** How many of its records are here for the first time, but hours after they happened. */
  readonly late: number;
  readonly story: number;
  readonly damaged: boolean;
  /** Bytes on disk. */
  readonly bytes: number;
}

interface OpenFile {
  readonly entry: { -readonly [Key in keyof WrittenFile]: WrittenFile[Key] };
  write(text: string): Promise<unknown> | undefined;
  close(): Promise<void>;
}

const batch = 256 * 1024;

async function openFile(
  path: string,
  { head, between, tail }: ReturnType<LogSource['frame']>,
): Promise<Pick<OpenFile, 'write'> & { close(): Promise<number> }> {
  await mkdir(dirname(path), { recursive: true });
  const file = createWriteStream(path);
  const compressor = path.endsWith('.gz') ? createGzip({ level: 6, chunkSize: 64 * 1024 }) : undefined;
  const sink: Writable = compressor ?? file;
  const written: Promise<unknown> = compressor ? pipeline(compressor, file) : once(file, 'close');
  written.catch(() => undefined);
  let pending = head;
  let separator = '';
  return {
    write(text) {
      pending += separator + text;
      separator = between;
      if (pending.length < batch) return undefined;
      const ready = sink.write(pending);
      pending = '';
      return ready ? undefined : Promise.race([once(sink, 'drain'), written]);
    },
    async close() {
      sink.end(pending + tail);
      await written;
      return (await stat(path)).size;
    },
  };
}

/** Writes one delivery after another into files, one for each stream, more where there are too many records for one. */
export function deliverer(source: LogSource, { out, seed, damaged }: { out: string; seed: number; damaged: number }) {
  const written: WrittenFile[] = [];
  const names = random(0, 0, 0);
  let compressedFiles = 0;

  /** Whether the next compressed file is one of those that also appear cut short: every 1/damaged-th is. */
  const isCutShort = (): boolean => {
    compressedFiles += 1;
    return Math.floor(compressedFiles * damaged) > Math.floor((compressedFiles - 1) * damaged);
  };

  async function open(stream: string, part: number, covers: Date, delivered: Date): Promise<OpenFile> {
    const pathOf = (copy: 0 | 1): string => {
      const suffix = names
        .seed(seed, delivered.getTime(), numberOf(`${source.name} ${stream} ${part} ${copy}`))
        .hex(16);
      return source.path({ stream, covers, delivered, suffix });
    };
    const path = pathOf(0);
    const file = await openFile(join(out, path), source.frame(stream));
    const none = { records: 0, malformed: 0, duplicates: 0, late: 0, story: 0, damaged: false, bytes: 0 };
    const entry = { path, source: source.name, stream, ...none };
    written.push(entry);
    return {
      entry,
      write: file.write,
      async close() {
        entry.bytes = await file.close();
        if (!path.endsWith('.gz') || !isCutShort()) return;
        const copy = pathOf(1);
        const bytes = Math.floor(entry.bytes * 0.6);
        await copyFile(join(out, path), join(out, copy));
        await truncate(join(out, copy), bytes);
        written.push({ ...entry, ...none, path: copy, damaged: true, bytes });
      },
    };
  }

  return {
    written,
    /** The records of events since `covers`, as files that arrive at `delivered`; gives how many records they were. */
    async deliver(covers: number, delivered: number, records: Iterable<Delivery>): Promise<number> {
      const files = new Map<string, OpenFile>();
      const parts = new Map<string, number>();
      let count = 0;
      for (const { stream, text, kind, late, story } of records) {
        let file = files.get(stream);
        if (file === undefined || file.entry.records >= source.recordsPerFile) {
          await file?.close();
          const part = parts.get(stream) ?? 0;
          parts.set(stream, part + 1);
          file = await open(stream, part, new Date(covers), new Date(delivered));
          files.set(stream, file);
        }
        const { entry } = file;
        count += 1;
        entry.records += 1;
        if (kind === 'malformed') entry.malformed += 1;
        if (kind === 'duplicate') entry.duplicates += 1;
        if (late) entry.late += 1;
        if (story && kind === 'usual') entry.story += 1;
        const behind = file.write(text);
        if (behind) await behind;
      }
      for (const file of files.values()) await file.close();
      return count;
    },
  };
}
