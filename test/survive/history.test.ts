import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import { all, lakehouse, manifestOf, temporary } from './given.ts';
import { fileOf, pool } from './pool.ts';

const few = { silver: ['authentication'], detections: ['failed_sign_in_burst'], summaries: ['sign_ins_hourly'] };

async function logs(folder: string): Promise<void> {
  await mkdir(join(folder, 'cloudtrail'));
  await writeFile(
    join(folder, 'cloudtrail/a'),
    fileOf(
      'cloudtrail',
      'lines',
      pool.filter((r) => r.source === 'cloudtrail'),
    ),
  );
}

test('with --log-format json every line on stderr is one JSON object with time, level and message', async () => {
  await using folder = await temporary();
  await logs(folder.path);
  const manifest = join(folder.path, 'pipelines.json');
  await writeFile(
    manifest,
    JSON.stringify(manifestOf(folder.path, { ...few, lakehouse: join(folder.path, 'l.duckdb') })),
  );
  const child = spawn(process.execPath, [
    '--import',
    'tsx',
    'src/cli.ts',
    'run',
    '--log-format',
    'json',
    '--json',
    '--manifest',
    manifest,
  ]);
  let [stderr, stdout] = ['', ''];
  child.stderr.on('data', (chunk) => (stderr += chunk));
  child.stdout.on('data', (chunk) => (stdout += chunk));
  await once(child, 'close');
  const lines = stderr
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  for (const line of lines) {
    expect(line).toMatchObject({ level: expect.any(String), msg: expect.any(String), name: 'ocsf-medallion' });
    expect(Number.isNaN(Date.parse(String(line.time)))).toBe(false);
  }
  expect(lines.at(0)).toMatchObject({ msg: 'run begins' });
  expect(lines.at(-1)).toMatchObject({ msg: 'run done', run_id: (JSON.parse(stdout) as { run_id: string }).run_id });
  expect(lines.find((l) => l.stage === 'bronze.cloudtrail' && l.msg === 'stage done')).toMatchObject({ rows_out: 16 });
});

test('the history says when, by what version, what went in and out, and what went wrong', async () => {
  await using folder = await temporary();
  await logs(folder.path);
  await using lake = await lakehouse(folder.path, few);
  await lake.run();
  const [run] = (await lake.status()).runs;
  expect(run).toMatchObject({ ok: true, version: expect.stringMatching(/^\d/), error: null });
  expect(run?.seconds).toBeGreaterThan(0);
  expect(
    await all(
      lake,
      `SELECT name, rows_in, rows_out, rows_quarantined FROM pipeline.stages WHERE name = 'bronze.cloudtrail'`,
    ),
  ).toEqual([{ name: 'bronze.cloudtrail', rows_in: 20n, rows_out: 16n, rows_quarantined: 4n }]);
  await lake.engine.execute('DROP TABLE gold.sign_ins_hourly');
  await lake.engine.execute('CREATE TABLE gold.sign_ins_hourly (wrong INTEGER)');
  const failed = await lake.run({ full: true });
  expect(failed.ok).toBe(false);
  expect((await lake.status()).runs[0]).toMatchObject({ ok: false, error: expect.stringContaining('Error') });
});

test('a run that was cut off is seen as such', async () => {
  await using folder = await temporary();
  await logs(folder.path);
  await using lake = await open(manifestOf(folder.path, few));
  await lake.run();
  await lake.engine.execute('UPDATE pipeline.runs SET ended_at = NULL, ok = NULL');
  expect((await lake.status()).runs).toMatchObject([{ ok: null, seconds: null }]);
});
