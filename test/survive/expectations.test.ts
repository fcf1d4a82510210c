import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { open, UserError } from '../../src/index.ts';
import { manifestOf, temporary, value } from './given.ts';
import { pool } from './pool.ts';

const few = { silver: ['authentication'], detections: ['failed_sign_in_burst'], summaries: ['sign_ins_hourly'] };
const [first = ''] = pool.filter((r) => r.name === 'c1').map((r) => r.text);
const absurd = first.replace('c1"', 'absurd"').replace(/"eventTime":"2026/, '"eventTime":"1926');
const anonymous = first.replace(/,"eventID":"[^"]*"/, '');

async function given(folder: string, expected?: Record<string, string>): Promise<object> {
  await mkdir(join(folder, 'cloudtrail'));
  await writeFile(join(folder, 'cloudtrail/a'), `${[first, absurd, anonymous].join('\n')}\n`);
  const manifest = manifestOf(folder, few) as { bronze: Record<string, object> };
  return {
    ...manifest,
    bronze: { cloudtrail: { ...manifest.bronze.cloudtrail, ...(expected ? { expect: expected } : {}) } },
  };
}

test('drop sends a record to quarantine, warn counts it; run, status and pipeline.expectations say so', async () => {
  await using folder = await temporary();
  await using lake = await open(await given(folder.path));
  const result = await lake.run();
  const unmet = [
    { name: 'event_time_in_bounds', action: 'drop', records: 1 },
    { name: 'event_id_present', action: 'warn', records: 1 },
  ];
  expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')).toMatchObject({
    rows_out: 2,
    rows_quarantined: 1,
    unmet,
  });
  const status = await lake.status();
  expect(status.expectations).toEqual(expect.arrayContaining(unmet.map((u) => ({ stage: 'bronze.cloudtrail', ...u }))));
  expect((await lake.quarantine()).map((q) => q.reason)).toEqual(['event time out of bounds']);
});

test('fail refuses the batch: nothing of it is in, and the run says why', async () => {
  await using folder = await temporary();
  await using lake = await open(await given(folder.path, { event_time_in_bounds: 'fail' }));
  const result = await lake.run();
  expect(result.ok).toBe(false);
  expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')?.error).toMatch(
    /not met by 1 records.*event time out of bounds \(.*cloudtrail\/a, record 2\)/,
  );
  expect(
    await value(lake, 'SELECT (SELECT count(*) FROM bronze.cloudtrail) + (SELECT count(*) FROM pipeline.files)'),
  ).toBe('0');
});

test('warn keeps the record', async () => {
  await using folder = await temporary();
  await using lake = await open(await given(folder.path, { event_time_in_bounds: 'warn' }));
  await lake.run();
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('3');
});

test('a choice that makes no sense is a mistake in the manifest', async () => {
  await using folder = await temporary();
  await expect(open(await given(folder.path, { event_time_present: 'warn' }))).rejects.toThrow(UserError);
});
