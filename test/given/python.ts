import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { messageOf } from '../../src/errors.ts';
import { checkPython } from '../../src/spark/install.ts';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('../../.spark/job', import.meta.url));
const PATIENCE = 240_000;

/** A Python that has the packages, kept in `.spark` for the next time, or why there is none. */
export async function pythonWith(...packages: readonly string[]): Promise<{ python: string } | { reason: string }> {
  const python = join(folder, 'bin', 'python');
  const whole = join(folder, `${packages.join(' ')}.installed`);
  if (existsSync(whole)) return { python };
  try {
    const base = await checkPython();
    await rm(folder, { recursive: true, force: true });
    await run(base, ['-m', 'venv', folder]);
    const options = ['--quiet', '--disable-pip-version-check', '--timeout', '15', '--retries', '1'];
    await run(python, ['-m', 'pip', 'install', ...options, ...packages], { timeout: PATIENCE });
    await writeFile(whole, '');
    return { python };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    return { reason: `no Python with ${packages.join(', ')}: ${messageOf(error).trim().split('\n')[0]}` };
  }
}
