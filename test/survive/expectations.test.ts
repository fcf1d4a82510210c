import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { type Lakehouse, open, UserError } from '../../src/index.ts';
import { sql } from '../../src/sql/sql.ts';
import { command } from '../given/command.ts';
import { all, digest, lakehouse, manifestOf, temporary, value } from './given.ts';
import { pool } from './pool.ts';

// Every mapping gives what OCSF requires, so that an expectation which a log can fail stands beside.
vi.mock('../../src/silver/expectations.ts', async (original) => {
  const actual = await original<typeof import('../../src/silver/expectations.ts')>();
  const notByBen: import('../../src/silver/expectations.ts').SilverExpectation = {
    name: 'not_by_ben',
    otherwise: 'warn',
    choices: ['warn', 'drop', 'fail'],
    reason: 'done by ben',
    holds: () => sql`"user"."name" <> 'ben'`,
    detail: () => sql`"user"."name"`,
  };
  return { ...actual, silverExpectations: [...actual.silverExpectations, notByBen] };
});

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
    /event_time_in_bounds not met by 1 records.*event time out of bounds \(.*cloudtrail\/a, record 2\)/,
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

const trail = (n: number, more: object = {}): string =>
  JSON.stringify({ ...JSON.parse(first), eventID: `00000000-0000-4000-9000-${String(n).padStart(12, '0')}`, ...more });
const put = async (folder: string, path: string, ...records: readonly string[]): Promise<void> => {
  await mkdir(join(folder, path, '..'), { recursive: true });
  await writeFile(join(folder, path), `${records.join('\n')}\n`);
};
const found = async (lake: Lakehouse) =>
  (await lake.status()).new_fields.map(({ field, records, example }) => [field, records, example]);
const expecting = (folder: string, expect: Record<string, string>): object => {
  const manifest = manifestOf(folder, few) as { bronze: Record<string, object> };
  return { ...manifest, bronze: { cloudtrail: { ...manifest.bronze.cloudtrail, expect } } };
};

test('fields that a source does not declare are counted, wherever its records have declared members, and nowhere else', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(
    folder.path,
    'cloudtrail/a',
    trail(1, { brandNew: { any: 1 } }),
    trail(2, { brandNew: 7, userIdentity: { type: 'Root', mood: 'good', sessionContext: { 'a.b/~c': [1] } } }),
    trail(3, { requestParameters: { whatever: 1 }, additionalEventData: { x: { y: 1 } }, EVENTNAME: 'other case' }),
  );
  const result = await lake.run();
  expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')?.unmet).toEqual([
    { name: 'clean_schema', action: 'warn', records: 2 },
  ]);
  expect(await found(lake)).toEqual([
    ['brandNew', 2, '7'],
    ['userIdentity.mood', 1, 'good'],
    ['userIdentity.sessionContext.a.b/~c', 1, '[1]'],
  ]);
});

test('fields of flow logs are those of their header, or of their objects', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  await put(
    folder.path,
    'vpc_flow/a',
    'version start end brand-new',
    '2 1793869200 1793869230 x',
    '2 1793869201 1793869231 y',
  );
  await put(folder.path, 'vpc_flow/b', JSON.stringify({ version: 2, start: 1793869202, 'other-new': 'z' }));
  await lake.run();
  expect(await found(lake)).toEqual([
    ['brand_new', 2, 'x'],
    ['other_new', 1, 'z'],
  ]);
});

test('new fields and what does not meet expectations are counted once, however often events come and are computed again', async () => {
  await using folder = await temporary();
  await using lake = await lakehouse(folder.path, few);
  const [one, two] = [trail(1, { brandNew: 1 }), trail(2, { brandNew: 2 })];
  const counts = async () => {
    const { new_fields, expectations } = await lake.status();
    return { new_fields, expectations };
  };
  await put(folder.path, 'cloudtrail/a', one, anonymous);
  await lake.run();
  await put(folder.path, 'cloudtrail/a', one, two, anonymous, absurd);
  await put(folder.path, 'cloudtrail/b', two, two);
  await lake.run();
  const before = await counts();
  expect(before).toMatchObject({
    new_fields: [{ source: 'cloudtrail', field: 'brandNew', records: 2 }],
    expectations: [
      { stage: 'bronze.cloudtrail', name: 'event_time_in_bounds', action: 'drop', records: 1 },
      { stage: 'bronze.cloudtrail', name: 'event_id_present', action: 'warn', records: 1 },
      { stage: 'bronze.cloudtrail', name: 'clean_schema', action: 'warn', records: 2 },
    ],
  });
  await lake.run({ replay: true });
  await lake.run({ full: true });
  expect(await counts()).toEqual(before);
});

test('a record with a new field can go to quarantine, which names the field', async () => {
  await using folder = await temporary();
  await using lake = await open(expecting(folder.path, { clean_schema: 'drop' }));
  await put(folder.path, 'cloudtrail/a', first, trail(1, { brandNew: 1, other: 2 }), absurd);
  const result = await lake.run();
  expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')).toMatchObject({
    rows_out: 1,
    rows_quarantined: 2,
    unmet: [
      { name: 'event_time_in_bounds', action: 'drop', records: 1 },
      { name: 'clean_schema', action: 'drop', records: 1 },
    ],
  });
  expect((await lake.quarantine()).map((q) => q.reason)).toEqual([
    'undeclared fields: brandNew, other',
    'event time out of bounds',
  ]);
  expect((await lake.status()).expectations).toContainEqual({
    stage: 'bronze.cloudtrail',
    name: 'clean_schema',
    action: 'drop',
    records: 1,
  });
});

test('a new field can refuse the batch; status says so until a run goes well', async () => {
  await using folder = await temporary();
  await using lake = await open(expecting(folder.path, { clean_schema: 'fail' }));
  await put(folder.path, 'cloudtrail/a', first, trail(1, { brandNew: 1 }), trail(2, { other: 1 }));
  const result = await lake.run();
  expect(result.ok).toBe(false);
  expect(result.stages.find((s) => s.name === 'bronze.cloudtrail')).toMatchObject({
    error: expect.stringMatching(
      /expectation clean_schema not met by 2 records.*undeclared fields: .*a, record [23]\)/,
    ),
    unmet: [{ name: 'clean_schema', action: 'fail', records: 2 }],
  });
  expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('0');
  expect((await lake.status()).expectations).toEqual([
    { stage: 'bronze.cloudtrail', name: 'clean_schema', action: 'fail', records: 2 },
  ]);
  await put(folder.path, 'cloudtrail/a', first);
  await lake.run();
  expect((await lake.status()).expectations).toEqual([]);
});

test('hostile names of fields stay bounded, their values without secrets, and what is printed without control characters', async () => {
  await using folder = await temporary();
  const many = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`n${i}`, i]));
  await put(
    folder.path,
    'cloudtrail/a',
    ...Array.from({ length: 60 }, (_, i) =>
      trail(i, { [`\u001b[2J${i}`]: '\u001b]0;owned\u0007', [`k${'x'.repeat(9000)}${i}`]: 1 }),
    ),
    ...Array.from({ length: 30 }, (_, i) =>
      trail(100 + i, { ...many, secretKey: 'hunter2', aVeryLong: 'v'.repeat(5000) }),
    ),
    trail(200, { "'; DROP TABLE bronze.cloudtrail; --": "'", '': 'empty', '\u202egnp': 1 }),
  );
  const manifest = join(folder.path, 'pipelines.json');
  await writeFile(
    manifest,
    JSON.stringify(manifestOf(folder.path, { ...few, lakehouse: join(folder.path, 'l.duckdb') })),
  );
  {
    await using lake = await open(manifest);
    expect((await lake.run()).ok).toBe(true);
    const { new_fields } = await lake.status();
    expect(new_fields).toHaveLength(20);
    for (const { field, example } of new_fields) {
      expect(field.length).toBeLessThanOrEqual(128);
      expect(example?.length ?? 0).toBeLessThanOrEqual(100);
    }
    expect(new_fields).toContainEqual({
      source: 'cloudtrail',
      field: 'aVeryLong',
      records: 30,
      example: 'v'.repeat(100),
    });
    expect(await value(lake, 'SELECT max(len(undeclared)) FROM pipeline.shapes')).toBe('20');
    expect(
      JSON.stringify(await all(lake, 'SELECT CAST(undeclared AS VARCHAR) AS u FROM pipeline.shapes')),
    ).not.toContain('hunter2');
  }
  const { code, stdout } = await command(['status', '--manifest', manifest], { cwd: process.cwd() });
  expect(code).toBe(0);
  expect(stdout).toContain('aVeryLong');
  expect(/[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/.exec(stdout)?.[0]).toBeUndefined();
});

const byBen = trail(7, { userIdentity: { type: 'IAMUser', accountId: '123456789012', userName: 'ben' } });

test('a row of silver that does not meet an expectation is counted, and stays', async () => {
  await using folder = await temporary();
  await using lake = await open(expecting(folder.path, {}));
  await put(folder.path, 'cloudtrail/a', first, byBen);
  await lake.run();
  await lake.run({ full: true });
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('2');
  const ben = { stage: 'silver.authentication', name: 'not_by_ben', action: 'warn', records: 1 };
  expect((await lake.status()).expectations).toEqual([ben]);
  expect(await all(lake, 'SELECT stage, name, action, records FROM pipeline.expectations')).toEqual(
    Array.from({ length: 2 }, () => ({ ...ben, records: 1n })),
  );
  await lake.engine.execute('UPDATE silver.authentication SET "user" = NULL');
  expect((await lake.status()).expectations[0]).toEqual({ ...ben, name: 'required_attributes', records: 2 });
});

test('or its record goes to quarantine, with what is wrong, and to silver after a fix', async () => {
  await using folder = await temporary();
  const unaccounted = `SELECT path FROM pipeline.files WHERE records <> stored + duplicates + quarantined + ignored`;
  const path = join(folder.path, 'l.duckdb');
  const manifestWith = (expect: Record<string, string>): object => ({
    ...expecting(folder.path, expect),
    engine: { type: 'duckdb', path, threads: 1 },
  });
  await put(folder.path, 'cloudtrail/a', first, byBen);
  await put(folder.path, 'cloudtrail/b', byBen);
  {
    await using lake = await open(manifestWith({ not_by_ben: 'drop' }));
    const result = await lake.run({ batch: { files: 1 } });
    expect(result).toMatchObject({ ok: true });
    expect(result.stages.find((s) => s.name === 'silver.authentication')).toMatchObject({
      rows_in: 2,
      rows_out: 1,
      rows_quarantined: 1,
      unmet: [{ name: 'not_by_ben', action: 'drop', records: 1 }],
    });
    expect(await value(lake, 'SELECT count(*) FROM bronze.cloudtrail')).toBe('1');
    expect((await lake.quarantine()).map((q) => [q.reason, q.text])).toEqual([
      ['silver.authentication: done by ben: ben', byBen],
    ]);
    expect(await all(lake, unaccounted)).toEqual([]);
    const before = await digest(lake.engine);
    await lake.run({ replay: true });
    await lake.run({ since: new Date('2026-11-01'), until: new Date('2026-12-01') });
    expect(await digest(lake.engine)).toEqual(before);
    expect((await lake.status()).expectations).toEqual([
      { stage: 'silver.authentication', name: 'not_by_ben', action: 'drop', records: 1 },
    ]);
    expect(await all(lake, unaccounted)).toEqual([]);
  }
  await using lake = await open(manifestWith({}));
  await lake.run({ replay: true });
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('2');
  expect(await lake.quarantine()).toEqual([]);
});

test('a backfill judges too', async () => {
  await using folder = await temporary();
  const path = join(folder.path, 'l.duckdb');
  const manifestWith = (expect: Record<string, string>): object => ({
    ...expecting(folder.path, expect),
    engine: { type: 'duckdb', path, threads: 1 },
  });
  await put(folder.path, 'cloudtrail/a', first, byBen);
  {
    await using lake = await open(manifestWith({}));
    await lake.run();
  }
  await using lake = await open(manifestWith({ not_by_ben: 'drop' }));
  const result = await lake.run({ since: new Date('2026-11-01'), until: new Date('2026-12-01') });
  expect(result.stages.find((s) => s.name === 'silver.authentication')).toMatchObject({
    rows_out: 1,
    rows_quarantined: 1,
  });
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('1');
});

test('or refuses its batch: the class stays as it was, the run says why, and the others go on', async () => {
  await using folder = await temporary();
  await using lake = await open(expecting(folder.path, { not_by_ben: 'fail' }));
  await put(folder.path, 'cloudtrail/a', first, byBen);
  const result = await lake.run();
  expect(result.ok).toBe(false);
  expect(result.stages.find((s) => s.name === 'silver.authentication')).toMatchObject({
    rows_out: 0,
    error: expect.stringMatching(/expectation not_by_ben not met by 1 records of cloudtrail/),
    unmet: [{ name: 'not_by_ben', action: 'fail', records: 1 }],
  });
  expect(await value(lake, 'SELECT count(*) FROM silver.authentication')).toBe('0');
  expect((await lake.status()).expectations).toEqual([
    { stage: 'silver.authentication', name: 'not_by_ben', action: 'fail', records: 1 },
  ]);
});
