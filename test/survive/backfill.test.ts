import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { type Lakehouse, UserError } from '../../src/index.ts';
import { digest, lakehouse, manifestOf, temporary, value } from './given.ts';
import { fileOf, pool } from './pool.ts';

const stages = {
  silver: ['authentication', 'network_activity'],
  detections: ['failed_sign_in_burst', 'password_spray', 'port_scan', 'rejected_flows_spike'],
  summaries: ['sign_ins_hourly', 'network_hourly'],
};
const range = { since: new Date('2026-11-05T09:00:00Z'), until: new Date('2026-11-05T10:00:00Z') };

async function filled(folder: string): Promise<Lakehouse> {
  for (const source of ['cloudtrail', 'databricks_audit', 'vpc_flow'] as const) {
    await mkdir(join(folder, source), { recursive: true });
    await writeFile(
      join(folder, source, 'a'),
      fileOf(
        source,
        'lines',
        pool.filter((r) => r.source === source),
      ),
    );
  }
  const lake = await lakehouse(folder, stages);
  await lake.run();
  return lake;
}

const damage = `UPDATE silver.authentication SET status_id = 99, status = 'damaged' WHERE TRUE`;
const damaged = (lake: Lakehouse, where: string): Promise<string> =>
  value(lake, `SELECT count(*) FROM silver.authentication WHERE status = 'damaged' AND ${where}`);
const inside = `time >= ${range.since.getTime()} AND time < ${range.until.getTime()}`;

test('a backfill computes a range of event time again, whatever happened to it, and nothing outside', async () => {
  await using folder = await temporary();
  await using lake = await filled(folder.path);
  const before = await digest(lake.engine);
  await lake.engine.execute(damage);
  await lake.run({ ...range, batch: { rows: 5 } });
  expect(await damaged(lake, inside)).toBe('0');
  expect(await damaged(lake, `NOT (${inside})`)).not.toBe('0');
  await lake.run({ since: new Date('2026-11-05'), until: new Date('2026-11-06') });
  expect(await digest(lake.engine)).toEqual(before);
});

test('hours that a backfill empties go from the summaries and from what reads them', async () => {
  await using folder = await temporary();
  await using lake = await filled(folder.path);
  const flows = (where: string) =>
    value(lake, `SELECT coalesce(sum(flows), 0) FROM gold.network_hourly WHERE ${where}`);
  expect(await flows(inside)).not.toBe('0');
  await lake.engine.execute(`DELETE FROM bronze.vpc_flow WHERE ${inside}`);
  await lake.run(range);
  expect(await flows(inside)).toBe('0');
  expect(await value(lake, `SELECT count(*) FROM silver.network_activity WHERE ${inside}`)).toBe('0');
});

test('a backfill takes in new files as well, once', async () => {
  await using folder = await temporary();
  await using lake = await filled(folder.path);
  const record = pool.find((r) => r.name === 'c20');
  const late = record && { ...record, text: record.text.replaceAll('000c20', 'fffc20') };
  await writeFile(join(folder.path, 'cloudtrail/late'), fileOf('cloudtrail', 'lines', late ? [late] : []));
  const silver = 'SELECT count(*) FROM silver.authentication';
  const before = Number(await value(lake, silver));
  await lake.run(range);
  expect(Number(await value(lake, silver))).toBe(before + 1);
  const after = await digest(lake.engine);
  await lake.run(range);
  await lake.run({ full: true });
  expect(await digest(lake.engine)).toEqual(after);
});

test('an open range and a range the wrong way round', async () => {
  await using folder = await temporary();
  await using lake = await filled(folder.path);
  await lake.engine.execute(damage);
  await lake.run({ since: range.since });
  expect(await damaged(lake, `time >= ${range.since.getTime()}`)).toBe('0');
  await expect(lake.run({ since: range.until, until: range.since })).rejects.toThrow(UserError);
});

test('--full ends where the first run ended', async () => {
  await using folder = await temporary();
  await using lake = await filled(folder.path);
  const before = await digest(lake.engine);
  await lake.engine.execute(damage);
  await lake.run({ full: true });
  expect(await digest(lake.engine)).toEqual(before);
});

test('--select runs the stages it names and leaves the rest waiting, losing nothing', async () => {
  await using folder = await temporary();
  await using whole = await filled(folder.path);
  await using lake = await lakehouse(folder.path, stages);
  const ran = async (...select: string[]) => (await lake.run({ select })).stages.map((s) => s.name);
  expect(await ran('bronze.cloudtrail')).toEqual(['bronze.cloudtrail']);
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('0');
  expect(await ran('+gold.failed_sign_in_burst')).toEqual([
    'bronze.databricks_audit',
    'bronze.cloudtrail',
    'silver.authentication',
    'gold.failed_sign_in_burst',
  ]);
  expect(await ran('silver.authentication+')).toContain('gold.sign_ins_hourly');
  expect(await ran('+gold.alerts')).toContain('gold.port_scan');
  await lake.run();
  expect(await digest(lake.engine)).toEqual(await digest(whole.engine));
});

test('changed code is noticed: plan names the tables and their range, run fills them anew', async () => {
  await using folder = await temporary();
  await using lake = await filled(folder.path);
  const before = await digest(lake.engine);
  await lake.engine.execute(
    `UPDATE pipeline.definitions SET hash = 'old' WHERE stage IN ('silver.authentication', 'gold.port_scan')`,
  );
  await lake.engine.execute(damage);
  const planned = await lake.plan();
  const rebuilt = planned.stages.filter((s) => s.action === 'rebuild');
  expect(rebuilt.map((s) => s.name)).toEqual(expect.arrayContaining(['silver.authentication', 'gold.port_scan']));
  expect(rebuilt[0]?.why).toMatch(/its mapping changed: \d+ rows from 2026-11-05T08:20Z until 2026-11-05T09:26Z$/);
  await lake.run();
  expect(await digest(lake.engine)).toEqual(before);
  expect((await lake.plan()).stages.filter((s) => s.action !== 'nothing')).toEqual([]);
});

test('a change of nothing but the routing is noticed: plan names the tables, and run leaves every record in one class', async () => {
  await using folder = await temporary();
  const place = { ...stages, silver: ['authentication', 'api_activity', 'network_activity'] };
  const file = { ...place, lakehouse: join(folder.path, 'l.duckdb') };
  await (await filled(folder.path)).close();
  {
    await using lake = await lakehouse(folder.path, file);
    await lake.run();
    expect(await value(lake, 'SELECT count(*) FROM silver.api_activity')).toBe('0');
  }
  vi.resetModules();
  vi.doMock('../../src/silver/index.ts', async (original) => {
    const silver = await original<typeof import('../../src/silver/index.ts')>();
    return {
      ...silver,
      mappings: silver.mappings.map((mapping) => {
        const { source, class: target, events } = mapping;
        if (source.source !== 'cloudtrail' || target.class !== 'authentication' || events === 'rest') return mapping;
        const { ConsoleLogin: _, ...others } = events['signin.amazonaws.com'] ?? {};
        return { ...mapping, events: { ...events, 'signin.amazonaws.com': others } };
      }),
    };
  });
  try {
    const { open } = await import('../../src/index.ts');
    await using lake = await open(manifestOf(folder.path, file));
    const stored = await value(lake, 'SELECT count(*) FROM bronze.cloudtrail');
    const planned = (await lake.plan()).stages.filter((s) => s.action === 'rebuild').map((s) => s.name);
    expect(planned).toEqual(
      expect.arrayContaining(['silver.api_activity', 'silver.authentication', 'gold.failed_sign_in_burst']),
    );
    expect(planned).not.toContain('silver.network_activity');
    await lake.run();
    expect(await value(lake, 'SELECT count(*) FROM silver.api_activity')).toBe(stored);
    expect(
      await value(lake, `SELECT count(*) FROM silver.authentication WHERE metadata.product.name = 'CloudTrail'`),
    ).toBe('0');
    await using fresh = await open(manifestOf(folder.path, place));
    await fresh.run();
    expect(await digest(lake.engine)).toEqual(await digest(fresh.engine));
    expect((await lake.plan()).stages.filter((s) => s.action !== 'nothing')).toEqual([]);
  } finally {
    vi.doUnmock('../../src/silver/index.ts');
    vi.resetModules();
  }
});
