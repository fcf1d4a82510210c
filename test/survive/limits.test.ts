import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import { changedFiles } from '../../src/ledger.ts';
import { digest, lakehouse, manifestOf, temporary, value } from './given.ts';
import { fileOf, pool, sampleRecords } from './pool.ts';

const few = {
  silver: ['authentication', 'network_activity'],
  detections: ['failed_sign_in_burst'],
  summaries: ['sign_ins_hourly'],
};

/** A file system of a few megabytes; undefined where this process may not mount one. */
function smallDisk(path: string, megabytes: number): Disposable | undefined {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', path], { stdio: 'ignore' });
    return { [Symbol.dispose]: () => void execFileSync('umount', [path]) };
  } catch {
    return undefined;
  }
}

test('a full disk is a clear error, what was committed stays, and with room the run goes on', async (context) => {
  await using folder = await temporary();
  const disk = join(folder.path, 'disk');
  await mkdir(disk);
  using mounted = smallDisk(disk, 8);
  if (!mounted) {
    context.skip('this process may not mount a small file system');
    return;
  }
  const logs = join(folder.path, 'logs');
  await mkdir(join(logs, 'cloudtrail'), { recursive: true });
  await writeFile(
    join(logs, 'cloudtrail/a'),
    fileOf(
      'cloudtrail',
      'lines',
      pool.filter((r) => r.source === 'cloudtrail'),
    ),
  );
  const manifest = manifestOf(logs, { ...few, lakehouse: join(disk, 'l.duckdb') });
  {
    await using lake = await open(manifest);
    expect((await lake.run()).ok).toBe(true);
  }
  const before = await (async () => {
    await using lake = await open(manifest, { readOnly: true });
    return await digest(lake.engine);
  })();
  const trail = sampleRecords().filter((r) => r.source === 'cloudtrail');
  const noise = (i: number, k: number) =>
    Array.from({ length: 40 }, (_, n) =>
      (Math.imul(i + 7, 2654435761) ^ Math.imul(k * 40 + n + 1, 40503)).toString(36),
    ).join('');
  for (let k = 0; k < 12; k++)
    await writeFile(
      join(logs, `cloudtrail/big${k}`),
      trail
        .map((r, i) => r.text.replace(/"eventID":"[^"]*"/, `"eventID":"${k}-${i}","noise":"${noise(i, k)}"`))
        .join('\n'),
    );
  const failed = await (async () => {
    await using lake = await open(manifest);
    return await lake.run().then(
      (result) => result.stages.map((s) => s.error ?? '').join(' '),
      (error: Error) => error.message,
    );
  })();
  expect(failed).toMatch(/The disk is full: make room, then run again/);
  for (let k = 0; k < 12; k++) await writeFile(join(logs, `cloudtrail/big${k}`), '');
  execFileSync('mount', ['-o', 'remount,size=64m', disk]);
  await using lake = await open(manifest);
  expect((await lake.run()).ok).toBe(true);
  const after = await digest(lake.engine);
  expect(Number.parseInt(after['bronze.cloudtrail'] ?? '', 10)).toBeGreaterThanOrEqual(
    Number.parseInt(before['bronze.cloudtrail'] ?? '', 10),
  );
  expect(
    await value(
      lake,
      `SELECT count(*) FROM (SELECT uid, hash FROM bronze.cloudtrail GROUP BY ALL HAVING count(*) > 1)`,
    ),
  ).toBe('0');
}, 120_000);

test('a path that cannot be written is a clear error, nothing is lost, and what is there can be read', async (context) => {
  await using folder = await temporary();
  const disk = join(folder.path, 'disk');
  await mkdir(disk);
  using mounted = smallDisk(disk, 32);
  if (!mounted) {
    context.skip('this process may not mount a small file system');
    return;
  }
  await mkdir(join(folder.path, 'cloudtrail'));
  await writeFile(join(folder.path, 'cloudtrail/a'), fileOf('cloudtrail', 'lines', pool.slice(0, 3)));
  const lakehouseAt = (path: string) => manifestOf(folder.path, { ...few, lakehouse: join(disk, path) });
  {
    await using lake = await open(lakehouseAt('l.duckdb'));
    await lake.run();
  }
  execFileSync('mount', ['-o', 'remount,ro', disk]);
  await expect(open(lakehouseAt('l.duckdb'))).rejects.toThrow(/^Cannot .*l\.duckdb.*[Rr]ead-only/s);
  await expect(open(lakehouseAt('new/l.duckdb'))).rejects.toThrow(/^Cannot make the folder of the lakehouse /);
  {
    await using lake = await open(lakehouseAt('l.duckdb'), { readOnly: true });
    expect((await lake.status()).sources).toMatchObject([{}, { source: 'cloudtrail', stored: 3 }, {}]);
  }
  execFileSync('mount', ['-o', 'remount,rw', disk]);
  await using lake = await open(lakehouseAt('l.duckdb'));
  expect(await lake.run()).toMatchObject({ ok: true, files: { new: 0, unchanged: 1 } });
});

test('a ledger of a million files is compared with a listing in seconds', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await lake.run();
  await lake.engine.execute(`INSERT INTO pipeline.files SELECT 'cloudtrail', '/logs/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/05/' || i || '.json.gz',
    i, i, md5(i::VARCHAR), 'ok', NULL, 1, 1, 0, 0, 0, 1 + i // 1000, 'run', now() FROM range(1000000) AS r(i)`);
  const listed = Array.from({ length: 200_000 }, (_, i) => ({
    path: `/logs/AWSLogs/123456789012/CloudTrail/us-east-1/2026/11/05/${i}.json.gz`,
    size: i,
    mtime: i % 1000 === 0 ? -1 : i,
  }));
  const started = performance.now();
  expect(await changedFiles(lake.engine, 'cloudtrail', listed)).toHaveLength(200);
  expect(performance.now() - started).toBeLessThan(20_000);
  const idle = performance.now();
  await lake.run();
  expect(performance.now() - idle).toBeLessThan(10_000);
});
