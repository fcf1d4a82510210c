import { type ChildProcess, spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';
import { bundle } from '../../bundle.ts';
import type { Done } from './command.ts';

const root = await mkdtemp(join(tmpdir(), 'ocsf-medallion-bundle-'));
afterAll(() => rm(root, { recursive: true, force: true }));
const built = join(root, 'built', 'ocsf-medallion.mjs');
let folders = 0;
let building: ReturnType<typeof bundle> | undefined;

/** Builds the bundle once, and gives what it imports from outside. */
export const outside = (): ReturnType<typeof bundle> => {
  building ??= bundle(built);
  return building;
};

/** A folder outside the repository with nothing in it but the bundle and, where told, packages beside it. */
export async function alone(
  ...packages: readonly string[]
): Promise<{ readonly place: string; readonly script: string }> {
  await outside();
  const place = join(root, String(++folders));
  const script = join(place, 'ocsf-medallion.mjs');
  await cp(built, script);
  if (packages.length > 0) await mkdir(join(place, 'node_modules'));
  for (const name of packages)
    await symlink(
      fileURLToPath(new URL(`../../node_modules/${name}`, import.meta.url)),
      join(place, 'node_modules', name),
    );
  return { place, script };
}

/** Runs a program in a folder, with nothing of this process's environment but the path and what is given. */
export const plainly = (
  place: string,
  [program = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  onStart: (child: ChildProcess) => void = () => undefined,
): Promise<Done> =>
  new Promise((resolve, reject) => {
    const { PATH = '' } = process.env;
    const child = spawn(program, args, { cwd: place, env: { PATH, HOME: place, ...environment } });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
    onStart(child);
  });
