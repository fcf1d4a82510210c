import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { UserError } from '../errors.ts';

const run = promisify(execFile);

/** What is installed, and from which versions on it runs. */
export const versions = { spark: '4.1.1', delta: '4.3.1', scala: '2.13', java: 17, python: [3, 10] } as const;

/** Delta's release for this line of Spark, as Maven names it. */
export const deltaPackage = `io.delta:delta-spark_${versions.spark.replace(/\.\d+$/, '')}_${versions.scala}:${versions.delta}`;

const JAVA_HINT = `Spark needs Java ${versions.java} or newer: install a JDK, for example openjdk-${versions.java}-jdk-headless, or set JAVA_HOME.`;
const PYTHON_HINT = `Spark needs Python ${versions.python.join('.')} or newer with venv and pip: install it, or name one in the variable PYTHON.`;

const javaTool = (tool: string): string => {
  const home = process.env.JAVA_HOME;
  return home ? join(home, 'bin', tool) : tool;
};

/** Path of the JDK's tool for keys; it comes with every Java. */
export const keytool = (): string => javaTool('keytool');

const outputOf = async (command: string, args: readonly string[], hint: string): Promise<string> => {
  const found = await run(command, [...args]).catch((error: NodeJS.ErrnoException & { stderr?: string }) => {
    const why = error.code === 'ENOENT' ? `there is no ${command}` : (error.stderr ?? '').trim() || error.message;
    throw new UserError(`${hint} (${why})`);
  });
  return `${found.stdout}\n${found.stderr}`;
};

/** Throws a `UserError` that says what to install where Java is missing or too old. */
export async function checkJava(): Promise<void> {
  const said = await outputOf(javaTool('java'), ['-version'], JAVA_HINT);
  const version = /version "(?:1\.)?(\d+)/.exec(said)?.[1];
  if (Number(version) < versions.java) throw new UserError(`${JAVA_HINT} (This one is Java ${version}.)`);
}

/** The Python to make the environment with; throws a `UserError` that says what to install where it is missing or too old. */
export async function checkPython(): Promise<string> {
  const python = process.env.PYTHON ?? 'python3';
  const said = await outputOf(python, ['-c', 'import sys, venv, ensurepip; print(*sys.version_info[:2])'], PYTHON_HINT);
  const [major = 0, minor = 0] = said.trim().split(' ').map(Number);
  const [least, leastMinor] = versions.python;
  if (major < least || (major === least && minor < leastMinor))
    throw new UserError(`${PYTHON_HINT} (This one is Python ${major}.${minor}.)`);
  return python;
}

/** Runs a program with its output going to `log`. */
const shown = (command: string, args: readonly string[], log: (text: string) => void): Promise<void> =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let last = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        last = `${last}${chunk}`.slice(-2000);
        log(String(chunk));
      });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new UserError(`${command} ${args.join(' ')} failed:\n${last.trim()}`));
    });
  });

async function sparkIn(venv: string): Promise<string | undefined> {
  const libraries = join(venv, 'lib');
  if (!existsSync(libraries)) return undefined;
  for (const python of await readdir(libraries)) {
    const home = join(libraries, python, 'site-packages', 'pyspark');
    if (existsSync(join(home, 'bin', 'spark-submit'))) return home;
  }
  return undefined;
}

/** Path of PySpark of the pinned version in `folder`; installs it there on first use. */
export async function installSpark(folder: string, log: (text: string) => void): Promise<string> {
  const venv = join(folder, 'venv');
  const mark = join(venv, `pyspark-${versions.spark}`);
  const there = await sparkIn(venv);
  if (there && existsSync(mark)) return there;
  const python = await checkPython();
  log(`Installing PySpark ${versions.spark} in ${venv}: about half a minute and 550 MB, once.\n`);
  await mkdir(folder, { recursive: true });
  await rm(venv, { recursive: true, force: true });
  await shown(python, ['-m', 'venv', venv], log);
  await shown(
    join(venv, 'bin', 'python'),
    ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', `pyspark[pipelines]==${versions.spark}`],
    log,
  );
  const home = await sparkIn(venv);
  if (!home) throw new UserError(`pip installed no PySpark in ${venv}`);
  await writeFile(`${mark}.new`, '');
  await rename(`${mark}.new`, mark);
  return home;
}
