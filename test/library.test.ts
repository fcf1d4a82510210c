import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { type RecordBatch, Type } from 'apache-arrow';
import { describe, expect, expectTypeOf, test } from 'vitest';
import {
  EngineError,
  type Lakehouse,
  open,
  type Planned,
  type RunEvent,
  type RunResult,
  type Status,
  UserError,
} from '../src/index.ts';
import { folder, manifest, nothingOfGold, write } from './given/lakehouse.ts';

const samples = new URL('../samples/', import.meta.url).pathname;
const signIn = {
  eventTime: '2026-11-05T09:00:00Z',
  eventSource: 'signin.amazonaws.com',
  eventName: 'ConsoleLogin',
  eventID: 'e-1',
  userIdentity: { type: 'Root', arn: 'arn:aws:iam::123456789012:root' },
  responseElements: { ConsoleLogin: 'Success' },
};
const few = { silver: ['authentication'], gold: { detections: ['root_console_login'], summaries: [] } };

test('a dozen lines go from sample logs to alerts as Arrow', async () => {
  const place = await folder();
  await cp(join(samples, 'cloudtrail'), join(place, 'cloudtrail'), { recursive: true });

  await using lake = await open({
    engine: { type: 'duckdb', path: join(place, 'lakehouse.duckdb') },
    bronze: { cloudtrail: { path: join(place, 'cloudtrail/**/*.json.gz') } },
    silver: 'all',
    gold: { detections: 'all', summaries: 'all' },
  });
  const { files } = await lake.plan();
  const { ok, alerts } = await lake.run();
  const { sources } = await lake.status();
  const rules: string[] = [];
  for await (const batch of lake.query('SELECT rule FROM gold.alerts ORDER BY rule'))
    for (const row of batch) rules.push(row.rule);

  expect(files.new).toBe(10);
  expect(ok).toBe(true);
  expect(sources).toMatchObject([{ source: 'cloudtrail', stored: 895, duplicates: 7, quarantined: 3 }]);
  expect(rules.length).toBe(alerts.new);
  expect(rules).toEqual(expect.arrayContaining(['root_console_login', 'cloudtrail_stopped']));
});

test('everything has a type', () => {
  expectTypeOf<Lakehouse['run']>().returns.resolves.toEqualTypeOf<RunResult>();
  expectTypeOf<Lakehouse['plan']>().returns.resolves.toEqualTypeOf<Planned>();
  expectTypeOf<Lakehouse['status']>().returns.resolves.toEqualTypeOf<Status>();
  expectTypeOf<Lakehouse['query']>().returns.toEqualTypeOf<AsyncIterable<RecordBatch>>();
  expectTypeOf<RunResult['files']>().toEqualTypeOf<{ new: number; unchanged: number; failed: number }>();
  expectTypeOf<RunResult['alerts']['by_severity']>().toEqualTypeOf<Record<string, number>>();
  const wrong = async (lake: Lakehouse): Promise<void> => {
    // @ts-expect-error there is no such option
    await lake.run({ ful: true });
    // @ts-expect-error a statement is a text
    lake.query(1);
    // @ts-expect-error a manifest is a path or an object
    await open(5);
  };
  expect(wrong).toBeTypeOf('function');
});

describe('open', () => {
  test('takes a path, with everything relative to the manifest', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    await using lake = await open(await manifest(place, few));
    expect(lake.manifest).toMatchObject({ folder: place, target: undefined });
    expect((await lake.run()).files).toEqual({ new: 1, unchanged: 0, failed: 0 });
  });

  test('reads only, where it is told to: an empty lakehouse until there is one', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    const file = await manifest(place, few);
    await expect(open(file, { readOnly: true, mustExist: true })).rejects.toThrow(UserError);
    {
      await using empty = await open(file, { readOnly: true });
      expect(await empty.status()).toMatchObject({ runs: [], sources: [], alerts: [] });
    }
    {
      await using lake = await open(file);
      await lake.run();
    }
    await using one = await open(file, { readOnly: true });
    await using two = await open(file, { readOnly: true });
    expect((await one.status()).tables).toEqual((await two.status()).tables);
    await expect(one.engine.execute('DROP TABLE bronze.cloudtrail')).rejects.toThrow('read-only');
  });

  test('takes one of the targets', async () => {
    const place = await folder();
    await write(place, { 'other/one.json': JSON.stringify(signIn) });
    const file = await manifest(place, {
      ...few,
      targets: {
        prod: { engine: { type: 'duckdb', path: 'prod.duckdb' }, bronze: { cloudtrail: { path: 'other/*' } } },
      },
    });
    await using lake = await open(file, { target: 'prod' });
    expect((await lake.run()).files.new).toBe(1);
    await expect(open(file, { target: 'none' })).rejects.toThrow('has no target "none"');
  });
});

describe('an open lakehouse', () => {
  test('tells what happens during a run, stage by stage', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    await using lake = await open(await manifest(place, few));
    const events: RunEvent[] = [];
    const result = await lake.run({ onEvent: (event) => events.push(event) });
    expect(events[0]).toEqual({ kind: 'begin', run_id: result.run_id });
    expect(events.at(-1)).toEqual({ kind: 'end', result });
    const done = events.flatMap((event) => (event.kind === 'done' ? [event.result.name] : []));
    expect(done).toEqual(
      expect.arrayContaining(['bronze.cloudtrail', 'silver.authentication', 'gold.root_console_login']),
    );
    expect(events).toContainEqual({ kind: 'stage', name: 'bronze.cloudtrail', total: 1, unit: 'files' });
    expect(events).toContainEqual({ kind: 'progress', name: 'bronze.cloudtrail', done: 1 });
  });

  test('gives the figures of a run', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    await using lake = await open(await manifest(place, few));
    const result = await lake.run();
    expect(result).toMatchObject({
      run_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      ok: true,
      files: { new: 1, unchanged: 0, failed: 0 },
      alerts: { new: 1, by_severity: { High: 1 } },
    });
    expect(result.stages.find((stage) => stage.name === 'silver.authentication')).toMatchObject({
      rows_in: 1,
      rows_out: 1,
      rows_quarantined: 0,
      seconds: expect.any(Number),
    });
    const status = await lake.status();
    expect(status.runs).toMatchObject([{ run_id: result.run_id, ok: true, error: null }]);
    expect(status.alerts).toEqual([{ rule: 'root_console_login', severity: 'High', alerts: 1 }]);
    expect(status.sources.find(({ source }) => source === 'cloudtrail')).toMatchObject({
      newest_event: '2026-11-05T09:00:00.000Z',
      stored: 1,
    });
  });

  test('names rules whose logs never arrived', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    await using lake = await open(
      await manifest(place, {
        silver: ['authentication', 'network_activity'],
        gold: { detections: ['root_console_login', 'port_scan', 'failed_sign_in_burst'], summaries: [] },
      }),
    );
    await lake.run();
    expect((await lake.status()).idle_rules).toEqual([{ rule: 'port_scan', requires: expect.stringMatching(/flow/i) }]);
  });

  test('streams Arrow batches with nested types, and one empty batch where there is no row', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    await using lake = await open(await manifest(place, { ...few, gold: nothingOfGold }));
    await lake.run();
    const batches: RecordBatch[] = [];
    for await (const batch of lake.query('SELECT * FROM silver.authentication')) batches.push(batch);
    expect(batches.map((batch) => batch.numRows)).toEqual([1]);
    const types = new Map(batches[0]?.schema.fields.map((field) => [field.name, field.type.typeId]));
    expect(types.get('actor')).toBe(Type.Struct);
    expect(types.get('observables')).toBe(Type.List);
    expect(types.get('unmapped')).toBe(Type.Map);
    expect(types.get('time')).toBe(Type.Int);
    expect(batches[0]?.get(0)?.actor.user.type).toBe('Admin');

    const none: RecordBatch[] = [];
    for await (const batch of lake.query('SELECT uid FROM bronze.cloudtrail WHERE FALSE')) none.push(batch);
    expect(none.map((batch) => [batch.numRows, batch.schema.names])).toEqual([[0, ['uid']]]);
  });

  test('refuses a wrong statement with what the engine said and the statement', async () => {
    const place = await folder();
    await using lake = await open(await manifest(place, few));
    const read = async (): Promise<void> => {
      for await (const _ of lake.query('SELECT nothing FROM nowhere'));
    };
    await expect(read()).rejects.toThrow(EngineError);
    await expect(read()).rejects.toMatchObject({ statement: 'SELECT nothing FROM nowhere' });
    await expect(read()).rejects.toThrow(/nowhere/);
  });

  test('runs only what is selected, and the rest later', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
    await using lake = await open(await manifest(place, few));
    const first = await lake.run({ select: ['+silver.authentication'] });
    expect(first.stages.filter((stage) => stage.rows_out > 0).map((stage) => stage.name)).toEqual([
      'bronze.cloudtrail',
      'silver.authentication',
    ]);
    expect(first.alerts.new).toBe(0);
    expect((await lake.run()).alerts.new).toBe(1);
    await expect(lake.run({ select: ['gold.nothing'] })).rejects.toThrow(UserError);
  });
});
