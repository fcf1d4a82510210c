import { unlinkSync } from 'node:fs';
import { mkdir, rm, unlink, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { all, digest, lakehouse, temporary, value } from './given.ts';
import { type Form, fileOf, pool } from './pool.ts';

const trail = pool.filter((record) => record.source === 'cloudtrail');
const some = (from: number, until: number) => trail.slice(from, until);
const broken = trail.filter((record) => record.broken);

async function put(folder: string, path: string, content: string | Buffer): Promise<string> {
  const file = join(folder, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
}
const trailFile = (folder: string, name: string, form: Form, records: readonly (typeof pool)[number][]) =>
  put(folder, `cloudtrail/${name}`, fileOf('cloudtrail', form, records));

const ledger =
  'SELECT status, records, stored, duplicates, quarantined, ignored FROM pipeline.files ORDER BY batch, path';
const few = {
  silver: ['authentication', 'network_activity'],
  detections: ['failed_sign_in_burst', 'rejected_flows_spike', 'port_scan'],
};

test('a file that is overwritten with more adds only what is new, and its broken records stay in quarantine once', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await trailFile(folder.path, 'a.json', 'lines', [...some(0, 3), ...broken]);
  await lake.run();
  await trailFile(folder.path, 'a.json', 'lines', [...some(0, 3), ...broken, ...some(3, 5)]);
  await lake.run();
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('5');
  expect(await value(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe('3');
  const [source] = (await lake.status()).sources.filter((s) => s.source === 'cloudtrail');
  expect(source).toMatchObject({ records: 14, stored: 5, duplicates: 3, quarantined: 6, in_quarantine: 3 });
});

test('one event that is pretty-printed, in a list, on a line and in a damaged file is one row', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const [one, other] = some(0, 2);
  if (!one || !other) throw new Error('the pool is empty');
  await trailFile(folder.path, '1', 'pretty', [one]);
  await lake.run();
  await trailFile(folder.path, '2', 'list', [one]);
  await trailFile(folder.path, '3', 'lines', [one, other]);
  await trailFile(folder.path, '4', 'gzip', [one, other]);
  await put(folder.path, 'cloudtrail/5', `{ "Records" : [ ${JSON.stringify(JSON.parse(one.text), null, 3)}, {"cut": `);
  await put(
    folder.path,
    'cloudtrail/6',
    `\uFEFF${one.text.replace('"MobileVersion":"No"', '"MobileVersion": "No"').replace('1.5', '1.50')}\n`,
  );
  await put(folder.path, 'cloudtrail/7', JSON.stringify({ detail: JSON.parse(one.text) }));
  await put(
    folder.path,
    'cloudtrail/8',
    JSON.stringify({ CloudTrailEvent: JSON.stringify(JSON.parse(one.text), null, 1) }),
  );
  await lake.run();
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('2');
});

test('a file with the content of one that vanished before it was read takes its place', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const first = await trailFile(folder.path, 'a.json', 'lines', some(0, 3));
  await trailFile(folder.path, 'b.json', 'lines', some(0, 3));
  let gone = false;
  const result = await lake.run({
    onEvent: (event) => {
      if (event.kind === 'progress' && !gone) unlinkSync(first);
      gone ||= event.kind === 'progress';
    },
  });
  expect(result).toMatchObject({ ok: false, files: { new: 1, failed: 1 } });
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('3');
  expect(await all(lake, 'SELECT status FROM pipeline.files ORDER BY path')).toEqual([
    { status: 'failed' },
    { status: 'ok' },
  ]);
});

test('a file that failed is tried again by every run, leaves one trace, and none once it could be read', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const file = await trailFile(folder.path, 'a.json', 'lines', some(0, 3));
  const vanish = { onEvent: (event: { kind: string }) => void (event.kind === 'progress' && rmSilently(file)) };
  await lake.run(vanish);
  await trailFile(folder.path, 'a.json', 'lines', some(0, 3));
  await lake.run(vanish);
  expect((await lake.status()).sources[1]).toMatchObject({ files: 1, failed_files: 1 });
  expect(await value(lake, 'SELECT count(*) FROM pipeline.files')).toBe('1');
  await trailFile(folder.path, 'a.json', 'lines', some(0, 3));
  expect((await lake.run()).ok).toBe(true);
  expect((await lake.status()).sources[1]).toMatchObject({ files: 1, failed_files: 0, stored: 3 });
});

const rmSilently = (file: string): void => {
  try {
    unlinkSync(file);
  } catch {
    // It is gone already.
  }
};

test('a renamed copy and a new time add nothing, and are looked at once', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const file = await trailFile(folder.path, 'a.json', 'lines', some(0, 3));
  await lake.run();
  const before = await digest(lake.engine);
  await utimes(file, new Date(), new Date(Date.now() + 60_000));
  await trailFile(folder.path, 'copy.json', 'lines', some(0, 3));
  expect((await lake.run()).files).toEqual({ new: 0, unchanged: 2, failed: 0 });
  const rows = await all(lake, ledger);
  expect(rows.map((row) => row.status)).toEqual(['ok', 'copy', 'copy']);
  await lake.run();
  expect(await all(lake, ledger)).toEqual(rows);
  expect(await digest(lake.engine)).toEqual(before);
});

test('the same content under two sources is read by both', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const flows = fileOf(
    'vpc_flow',
    'lines',
    pool.filter((record) => record.source === 'vpc_flow'),
  );
  await put(folder.path, 'vpc_flow/a', flows);
  await put(folder.path, 'cloudtrail/a', flows);
  await lake.run();
  expect(await all(lake, 'SELECT source, stored > 0 AS some FROM pipeline.files ORDER BY source')).toEqual([
    { source: 'cloudtrail', some: false },
    { source: 'vpc_flow', some: true },
  ]);
});

test('a table of findings that is made anew is filled anew by the rules that were not selected too', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await trailFile(folder.path, 'a', 'lines', trail);
  await put(
    folder.path,
    'vpc_flow/a',
    fileOf(
      'vpc_flow',
      'lines',
      pool.filter((r) => r.source === 'vpc_flow'),
    ),
  );
  await lake.run();
  const before = await digest(lake.engine);
  await lake.engine.execute(`UPDATE pipeline.definitions SET hash = 'old' WHERE stage = 'table gold.findings'`);
  await lake.run({ select: ['gold.failed_sign_in_burst'] });
  await lake.run();
  expect(await digest(lake.engine)).toEqual(before);
});

test('a class that is filled anew with fewer hours takes them from the summaries and findings too', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(
    folder.path,
    'vpc_flow/a',
    fileOf(
      'vpc_flow',
      'lines',
      pool.filter((r) => r.source === 'vpc_flow'),
    ),
  );
  await lake.run();
  const before = await digest(lake.engine);
  const [schema] = ['silver.network_activity'];
  await lake.engine.execute(`INSERT INTO ${schema} SELECT * REPLACE (time - 86400000 AS time) FROM ${schema}`);
  await lake.run({ full: true, select: ['gold.port_scan', 'gold.network_hourly', 'gold.rejected_flows_spike'] });
  expect(await digest(lake.engine)).not.toEqual(before);
  await lake.engine.execute(`UPDATE pipeline.definitions SET hash = 'old' WHERE stage = '${schema}'`);
  await lake.run();
  expect(await digest(lake.engine)).toEqual(before);
});

test('a manifest without rules runs, and its status can be read', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, { ...few, detections: [] });
  expect((await lake.run()).ok).toBe(true);
  expect((await lake.status()).alerts).toEqual([]);
});

test('a lakehouse that is closed under a statement ends it first, and refuses the next', async () => {
  await using folder = await temporary();
  const lake = await lakehouse(folder.path, few);
  const slow = lake.engine.execute(
    'SELECT count(*) FROM range(3000000) AS a(i) WHERE md5(i::VARCHAR) < md5((i + 1)::VARCHAR)',
  );
  await lake.close();
  await expect(slow).resolves.toBeDefined();
  await expect(lake.engine.execute('SELECT 1')).rejects.toThrow('The lakehouse is closed');
});

test('changes that every stage has seen are forgotten, and an idle run writes nothing', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await trailFile(folder.path, 'a', 'lines', some(0, 5));
  await lake.run({ select: ['bronze.cloudtrail+'] });
  await trailFile(folder.path, 'b', 'lines', some(5, 9));
  await lake.run({ select: ['bronze.cloudtrail', 'silver.authentication'] });
  const waiting = await value(lake, 'SELECT count(*) FROM pipeline.changes');
  expect(Number(waiting)).toBeGreaterThan(0);
  await lake.run();
  const state = await all(
    lake,
    'SELECT (SELECT count(*) FROM pipeline.runs) AS runs, (SELECT max(id) FROM pipeline.changes) AS newest',
  );
  await lake.run();
  expect(
    await all(
      lake,
      'SELECT (SELECT count(*) FROM pipeline.runs) AS runs, (SELECT max(id) FROM pipeline.changes) AS newest',
    ),
  ).toEqual(state);
});

test('a file that vanished altogether is no obstacle', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const file = await trailFile(folder.path, 'a', 'lines', some(0, 5));
  await lake.run();
  const before = await digest(lake.engine);
  await unlink(file);
  expect((await lake.run()).ok).toBe(true);
  expect(await digest(lake.engine)).toEqual(before);
  await rm(folder.path, { recursive: true });
});
