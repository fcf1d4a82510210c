import { randomBytes } from 'node:crypto';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Writable } from 'node:stream';

/** Where written bytes go. A chunk is the receiver's to keep; `write` resolves when the next one may come. */
export interface Output {
  write(chunk: Uint8Array | string): Promise<void>;
  /** Makes what was written final. */
  close(): Promise<void>;
  /** Drops what was written, as far as it can be. */
  abort?(): Promise<void>;
  /** The reader has gone, so further writes do nothing. */
  readonly ended?: boolean;
  /** The file this becomes on `close`. */
  readonly path?: string;
}

/**
 * Writes beside `path` and renames on `close`, so the file appears whole or not at all, and an older one stays until then.
 * A symbolic link is followed; a device or pipe is written in place. Fails if the folder is missing.
 */
export async function fileOutput(path: string): Promise<Output> {
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) throw new Error(`${path} is a folder`);
  if (found && !found.isFile()) return streamOutput((await open(path, 'w')).createWriteStream(), true);
  const target = found ? await realpath(path) : path;
  const temporary = `${target}.${randomBytes(4).toString('hex')}.partial`;
  const handle = await open(temporary, 'wx', found?.mode).catch(async (cause: NodeJS.ErrnoException) => {
    const folder = dirname(target);
    throw new Error(`cannot write ${path}: ${cause.code === 'ENOENT' ? `no folder ${folder}` : cause.message}`, {
      cause,
    });
  });
  const discard = async (): Promise<void> => {
    await handle.close().catch(() => undefined);
    await rm(temporary, { force: true });
  };
  return {
    path: target,
    write: (chunk) => writeAll(handle, typeof chunk === 'string' ? Buffer.from(chunk) : chunk),
    async close() {
      try {
        await handle.sync();
        await handle.close();
        await rename(temporary, target);
      } catch (error) {
        await discard();
        throw error;
      }
    },
    abort: discard,
  };
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await handle.write(bytes, at)).bytesWritten;
}

/** Standard output, left open by `close`. */
export const stdoutOutput = (): Output => streamOutput(process.stdout);

const ignore = (): void => undefined;
const gone = new Set(['EPIPE', 'ERR_STREAM_DESTROYED', 'ERR_STREAM_WRITE_AFTER_END']);

/** A stream as output; a reader that goes away (`| head`) ends it quietly. It is left open unless `end` is set. */
export function streamOutput(stream: Writable, end = false): Output {
  let ended = false;
  if (!stream.listeners('error').includes(ignore)) stream.on('error', ignore);
  return {
    get ended() {
      return ended;
    },
    write: (chunk) =>
      new Promise((resolve, reject) => {
        if (ended) return resolve();
        stream.write(chunk, (error) => {
          if (!error) return resolve();
          if (!gone.has((error as NodeJS.ErrnoException).code ?? '')) return reject(error);
          ended = true;
          resolve();
        });
      }),
    close: () => new Promise((resolve) => (end ? stream.end(resolve) : resolve())),
    async abort() {
      if (end) stream.destroy();
    },
  };
}
