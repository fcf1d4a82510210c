import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { glob, isDynamicPattern } from 'tinyglobby';
import { UserError } from '../errors.ts';
import type { FileGroup } from './read.ts';
import { type Shape, sniff } from './sniff.ts';

/** A file that a source's paths name. Times in milliseconds since 1970. */
export interface ListedFile {
  readonly path: string;
  readonly size: number;
  readonly mtime: number;
}

/** How many files are looked at together. */
const AT_ONCE = 16;

/** Runs the work over the items, so many at a time, keeping the order. */
async function each<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < items.length; i = next++) results[i] = await work(items[i] as T);
  };
  await Promise.all(Array.from({ length: Math.min(AT_ONCE, items.length) }, lane));
  return results;
}

/** The folder above the first wildcard of a pattern. */
export const fixedFolder = (pattern: string): string => {
  const parts = pattern.split('/');
  const wild = parts.findIndex((part) => isDynamicPattern(part));
  return parts.slice(0, wild === -1 ? -1 : wild).join('/') || (pattern.startsWith('/') ? '/' : '.');
};

/** The files that the patterns name, in order; throws a `UserError` where there is none and `optional` does not allow it. */
export async function listFiles(
  source: string,
  patterns: readonly string[],
  optional: boolean,
  folder: string,
): Promise<ListedFile[]> {
  const found = new Map<string, ListedFile>();
  for (const pattern of patterns) {
    const paths = isDynamicPattern(pattern)
      ? await glob([pattern], { cwd: folder, absolute: true, dot: false, onlyFiles: true, expandDirectories: false })
      : [resolve(folder, pattern)];
    const files = await each(paths, async (path) => {
      const info = await stat(path).catch(() => undefined);
      return info?.isFile() ? { path, size: info.size, mtime: Math.floor(info.mtimeMs) } : undefined;
    });
    const present = files.filter((file) => file !== undefined);
    if (present.length === 0 && !optional) throw await nothingFound(source, pattern, folder);
    for (const file of present) found.set(file.path, file);
  }
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function nothingFound(source: string, pattern: string, folder: string): Promise<UserError> {
  const where = `bronze.${source}.path "${pattern}" (in ${folder})`;
  if (!isDynamicPattern(pattern))
    return new UserError(
      `${where}: there is no such file. Give a file, or a glob such as "${dirname(pattern)}/**/*.json.gz".`,
    );
  const base = resolve(folder, fixedFolder(pattern));
  const exists = await stat(base).then(
    (info) => info.isDirectory(),
    () => false,
  );
  return new UserError(
    exists
      ? `${where}: no file matches. The folder ${base} is there; compare its file names with the glob, or set "optional": true if files may come later.`
      : `${where}: no file matches, for there is no folder ${base}.`,
  );
}

/** The SHA-256 of a file's bytes, streamed. */
export async function contentHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/** A new file with what was found in its first bytes. */
export interface NewFile extends ListedFile {
  readonly contentHash: string;
  readonly shape: Shape;
  readonly gzip: boolean;
  readonly inflatedBytes: number;
}

/** A file that could not be looked at. */
export interface UnreadableFile extends ListedFile {
  readonly error: string;
}

/** Hashes and sniffs files. */
export const inspect = (files: readonly ListedFile[]): Promise<(NewFile | UnreadableFile)[]> =>
  each(files, async (file) => {
    try {
      const [hash, sniffed] = [await contentHash(file.path), await sniff(file.path, file.size)];
      return { ...file, contentHash: hash, ...sniffed };
    } catch (error) {
      return { ...file, error: error instanceof Error ? error.message : String(error) };
    }
  });

/** How much one transaction takes in at most, if one file is not larger: text in bytes, and files. */
export interface BatchSize {
  readonly bytes: number;
  readonly files: number;
}

export const batchSize: BatchSize = { bytes: 256 << 20, files: 2_000 };

/** Files in pieces that are looked at together before any of them is read. */
export function* slices(files: readonly ListedFile[], size: BatchSize): Generator<ListedFile[]> {
  let slice: ListedFile[] = [];
  let bytes = 0;
  for (const file of files) {
    if (slice.length > 0 && (slice.length >= size.files || bytes + file.size > size.bytes)) {
      yield slice;
      slice = [];
      bytes = 0;
    }
    slice.push(file);
    bytes += file.size;
  }
  if (slice.length > 0) yield slice;
}

/** A JSON document larger than this is streamed by the decoder, for DuckDB would hold it whole. */
const DOCUMENT_BYTES = 64 << 20;
const GLOB = /[*?[\]{}\\]/;

/** Whether a file has to go through the decoder. */
export const isOdd = (file: NewFile, content: 'json' | 'text'): boolean =>
  GLOB.test(file.path) ||
  file.shape.kind === 'odd' ||
  (file.shape.kind === 'json' && file.shape.layout === 'document' && file.inflatedBytes > DOCUMENT_BYTES) ||
  (file.shape.kind === 'text' && content !== 'text');

/** Groups files that one statement can read alike, no group larger than a batch may be. */
export function grouped(
  files: readonly NewFile[],
  format: readonly string[] | undefined,
  size: BatchSize = batchSize,
): FileGroup[] {
  const open = new Map<string, { group: FileGroup & { files: string[] }; bytes: number }>();
  const done: FileGroup[] = [];
  for (const file of files) {
    const { shape, gzip } = file;
    if (shape.kind !== 'json' && shape.kind !== 'text' && shape.kind !== 'parquet') continue;
    const header = shape.kind === 'text' ? (shape.header ?? format) : undefined;
    const key = JSON.stringify([shape.kind === 'json' ? shape.layout : shape.kind, gzip, header]);
    let at = open.get(key);
    if (at && (at.bytes + file.inflatedBytes > size.bytes || at.group.files.length >= size.files)) {
      done.push(at.group);
      at = undefined;
    }
    if (!at) {
      const group =
        shape.kind === 'json'
          ? { layout: shape.layout, gzip, files: [] as string[], largest: 0, header: format }
          : shape.kind === 'parquet'
            ? { layout: 'parquet' as const, files: [] as string[] }
            : { layout: 'text' as const, gzip, files: [] as string[], header };
      at = { group, bytes: 0 };
      open.set(key, at);
    }
    at.group.files.push(file.path);
    at.bytes += file.inflatedBytes;
    if ('largest' in at.group)
      at = Object.assign(at, {
        group: Object.assign(at.group, { largest: Math.max(at.group.largest, file.inflatedBytes) }),
      });
  }
  return [...done, ...[...open.values()].map(({ group }) => group)];
}
