import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The repository. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/\/$/, '');

const execute = promisify(execFile);

/** Runs a program and gives what it printed; rejects with both streams in the message. */
export async function sh(cwd: string, program: string, ...args: string[]): Promise<{ stdout: string; stderr: string }> {
  try {
    return await execute(program, args, {
      cwd,
      maxBuffer: 1 << 28,
      env: { ...process.env, npm_config_update_notifier: 'false' },
    });
  } catch (error) {
    const { message, stdout = '' } = error as Error & { stdout?: string };
    throw new Error(`${message}\n${stdout.slice(-4000)}`, { cause: error });
  }
}

/** `package.json` as it stands. */
export const manifest = async (): Promise<{
  readonly files: readonly string[];
  readonly bin: Readonly<Record<string, string>>;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}> => JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

/** What the package is made of, in a temporary folder, built anew: `dist` in the repository is left alone. */
export async function staged(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-package-'));
  for (const path of [
    'package.json',
    'README.md',
    'LICENSE',
    ...(await manifest()).files.filter((f) => f !== 'dist'),
  ]) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await cp(join(root, path), join(folder, path), { recursive: true });
  }
  await sh(
    root,
    process.execPath,
    'node_modules/typescript/bin/tsc',
    '-p',
    'tsconfig.build.json',
    '--noCheck',
    '--outDir',
    join(folder, 'dist'),
  );
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

/** A folder with nothing but `node_modules`: the dependencies of this repository and, where given, more by name. */
export async function emptyFolder(more: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-user-'));
  const modules = join(folder, 'node_modules');
  await mkdir(modules);
  for (const name of await readdir(join(root, 'node_modules')))
    if (!name.startsWith('.')) await symlink(join(root, 'node_modules', name), join(modules, name));
  for (const [name, target] of Object.entries(more)) await symlink(target, join(modules, name));
  return folder;
}
