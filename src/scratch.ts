import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from './engine/lock.ts';

const SCRATCH = 'ocsf-medallion-';
const HOUR = 3_600_000;

/** A folder that a run writes into and that goes with it. */
export async function scratch(): Promise<AsyncDisposable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), `${SCRATCH}${process.pid}-`));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

/** Removes the folders that killed runs left behind. */
export async function clearScratch(): Promise<void> {
  for (const name of await readdir(tmpdir()).catch(() => [])) {
    const pid = name.startsWith(SCRATCH) ? Number(name.slice(SCRATCH.length).split('-')[0]) : 0;
    if (!(pid > 0) || isAlive(pid)) continue;
    const info = await stat(join(tmpdir(), name)).catch(() => undefined);
    // A process of another container that shares this folder is not seen here: what is young may be its own.
    if (info && Date.now() - info.mtimeMs > HOUR) await rm(join(tmpdir(), name), { recursive: true, force: true });
  }
}
