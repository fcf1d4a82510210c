import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { BusyError, open } from '../../src/index.ts';
import { manifestOf, temporary } from './given.ts';
import { fileOf, pool } from './pool.ts';

const few = { silver: ['authentication'], detections: ['failed_sign_in_burst'], summaries: ['sign_ins_hourly'] };

/** Another process that holds a DuckDB file until it is told to end. */
async function holding(lakehouse: string): Promise<ChildProcess> {
  const program = `import { openDuckDB } from ${JSON.stringify(join(process.cwd(), 'src/engine/duckdb.ts'))};
    const engine = await openDuckDB({ path: ${JSON.stringify(lakehouse)} });
    await engine.execute('CREATE TABLE IF NOT EXISTS t (a INT)');
    process.stdout.write('held');
    process.stdin.on('end', async () => { await engine[Symbol.asyncDispose](); process.exit(0); });
    process.stdin.resume();`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child.stdout ?? child, 'data');
  return child;
}

/** The command as a user runs it. */
async function command(...args: string[]): Promise<{ code: number; stderr: string; stdout: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/cli.ts', ...args]);
  let [stderr, stdout] = ['', ''];
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdout.on('data', (chunk) => (stdout += chunk));
  const [code] = (await once(child, 'exit')) as [number];
  return { code, stderr, stdout };
}

async function given(folder: string): Promise<{ lakehouse: string; manifest: string }> {
  const lakehouse = join(folder, 'l.duckdb');
  const manifest = join(folder, 'pipelines.json');
  await mkdir(join(folder, 'cloudtrail'));
  await writeFile(
    join(folder, 'cloudtrail/a'),
    fileOf(
      'cloudtrail',
      'lines',
      pool.filter((r) => r.source === 'cloudtrail'),
    ),
  );
  await writeFile(manifest, JSON.stringify(manifestOf(folder, { ...few, lakehouse })));
  return { lakehouse, manifest };
}

test('while one process writes, every other says which one it is and since when, and exits 1', async () => {
  await using folder = await temporary();
  const { lakehouse, manifest } = await given(folder.path);
  const holder = await holding(lakehouse);
  try {
    const { since } = JSON.parse(await readFile(`${lakehouse}.lock`, 'utf8')) as { since: string };
    for (const verb of [['run'], ['status'], ['query', 'SELECT 1'], ['quarantine']]) {
      const { code, stderr, stdout } = await command(...verb, '--manifest', manifest);
      expect(stderr).toContain(`is being written by process ${holder.pid} on ${hostname()} since ${since}`);
      expect(stderr).not.toContain('    at ');
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    }
  } finally {
    holder.stdin?.end();
    await once(holder, 'exit');
  }
});

test('--wait waits until the other process ends, and no longer than it is told', async () => {
  await using folder = await temporary();
  const { lakehouse, manifest } = await given(folder.path);
  const holder = await holding(lakehouse);
  const started = performance.now();
  await expect(open(manifest, { wait: 700 })).rejects.toThrow(BusyError);
  expect(performance.now() - started).toBeGreaterThan(650);
  const patient = command('run', '--wait', '60s', '--manifest', manifest);
  await pause(1500);
  holder.stdin?.end();
  expect(await patient).toMatchObject({ code: 0 });
});

test('what a killed process left behind is no obstacle', async () => {
  await using folder = await temporary();
  const { lakehouse, manifest } = await given(folder.path);
  const holder = await holding(lakehouse);
  holder.kill('SIGKILL');
  await once(holder, 'exit');
  expect(JSON.parse(await readFile(`${lakehouse}.lock`, 'utf8'))).toMatchObject({ pid: holder.pid });
  {
    await using lake = await open(manifest);
    expect((await lake.run()).ok).toBe(true);
    expect(JSON.parse(await readFile(`${lakehouse}.lock`, 'utf8'))).toMatchObject({ pid: process.pid });
  }
  await expect(readFile(`${lakehouse}.lock`)).rejects.toThrow('ENOENT');
  await writeFile(`${lakehouse}.lock`, 'no JSON at all');
  await using lake = await open(manifest);
  expect((await lake.run()).ok).toBe(true);
});

test('several processes read at once', async () => {
  await using folder = await temporary();
  const { manifest } = await given(folder.path);
  expect(await command('run', '--manifest', manifest)).toMatchObject({ code: 0 });
  await using lake = await open(manifest, { readOnly: true });
  expect((await lake.status()).runs).toHaveLength(1);
  const other = await command(
    'query',
    'SELECT count(*) AS n FROM bronze.cloudtrail',
    '--format',
    'csv',
    '--manifest',
    manifest,
  );
  expect(other).toMatchObject({ code: 0, stdout: expect.stringContaining('16') });
  const writer = await command('run', '--manifest', manifest);
  expect(writer).toMatchObject({ code: 1, stderr: expect.stringContaining('is being read by process') });
});

test('a path that cannot be written is a clear mistake', async () => {
  await using folder = await temporary();
  await writeFile(join(folder.path, 'file'), '');
  await expect(open(manifestOf(folder.path, { lakehouse: join(folder.path, 'file/l.duckdb') }))).rejects.toThrow(
    /Cannot make the folder of the lakehouse/,
  );
  await expect(open(manifestOf(folder.path, { lakehouse: '/proc/l.duckdb' }))).rejects.toThrow(
    /Cannot open the lakehouse \/proc\/l.duckdb/,
  );
});
