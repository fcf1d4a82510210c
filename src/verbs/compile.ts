import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { WRITTEN } from '../compile.ts';
import { UserError } from '../errors.ts';
import { type CompiledFile, compile } from '../index.ts';
import { printable } from '../sink/printable.ts';
import type { LakehouseOptions } from './reading.ts';

interface Options extends LakehouseOptions {
  readonly out: string;
}

const absent = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
  return undefined;
};

/** Files that stand where compiled ones go, by their path below the folder: all of its SQL, and what has the name of a compiled file. */
async function standing(out: string, files: readonly CompiledFile[]): Promise<string[]> {
  const found = (await readdir(join(out, 'sql')).catch(absent)) ?? [];
  const names = new Set([...files.map(({ path }) => path), ...found.map((name) => `sql/${name}`)]);
  return [...names].sort();
}

/** Writes the SQL of a manifest into a folder and prints which files it wrote; what an earlier compile left there goes. */
export async function compileVerb({ out, manifest, target, json }: Options): Promise<void> {
  const files = await compile(manifest, target === undefined ? {} : { target });
  const stale: string[] = [];
  for (const path of await standing(out, files)) {
    const text = await readFile(join(out, path), 'utf8').catch(absent);
    if (text === undefined) continue;
    if (!text.slice(0, WRITTEN.length + 4).includes(WRITTEN))
      throw new UserError(
        `${join(out, path)} was not written by compile, and stays as it is: name an empty folder with --out, or one that compile wrote.`,
      );
    if (!files.some((file) => file.path === path)) stale.push(path);
  }
  for (const path of stale) await rm(join(out, path));
  for (const { path, content } of files) {
    await mkdir(dirname(join(out, path)), { recursive: true });
    await writeFile(join(out, path), content);
  }
  const written = files.map(({ path }) => path);
  if (json) process.stdout.write(`${JSON.stringify({ out, files: written, removed: stale })}\n`);
  else process.stdout.write(written.map((path) => `${printable(join(out, path))}\n`).join(''));
}
