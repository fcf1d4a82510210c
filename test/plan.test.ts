import { describe, expect, test } from 'vitest';
import { open, UserError } from '../src/index.ts';
import { allStages, ownRows, pipelineOf, preparation, rangeRows, selected, state, touched } from '../src/plan.ts';
import { databricks } from '../src/sql/databricks.ts';
import { duckdb } from '../src/sql/duckdb.ts';
import { spark } from '../src/sql/spark.ts';
import { spell, sql } from '../src/sql/sql.ts';
import type { RangeStage } from '../src/stage.ts';
import { ask, digests, folder, lakehouse, manifest, nothingOfGold, write } from './given/lakehouse.ts';

const files = { path: 'x' };
const everything = {
  bronze: { databricks_audit: files, cloudtrail: files, vpc_flow: files },
  silver: 'all',
  gold: { detections: 'all', summaries: 'all' },
} as const;
const whole = pipelineOf(everything);

describe('the stages of a manifest', () => {
  test('come each after what it reads, and have a name of their own', () => {
    const done = new Set<string>();
    for (const stage of allStages(whole)) {
      for (const input of stage.inputs)
        if (allStages(whole).some((other) => other.name === input.name))
          expect([...done], stage.name).toContain(input.name);
      expect(done).not.toContain(stage.name);
      done.add(stage.name);
    }
    expect(done.size).toBeGreaterThan(30);
  });

  test('are those it names, without the rules and summaries whose input it leaves out', () => {
    const part = pipelineOf({
      bronze: { cloudtrail: files },
      silver: ['authentication', 'network_activity'],
      gold: { detections: ['root_console_login', 'cloudtrail_stopped', 'port_scan'], summaries: ['sign_ins_hourly'] },
    });
    expect(allStages(part).map((stage) => stage.name)).toEqual([
      'bronze.cloudtrail',
      'silver.authentication',
      'silver.network_activity',
      'gold.sign_ins_hourly',
      'gold.port_scan',
      'gold.root_console_login',
      ...whole.views.map((view) => view.name),
    ]);
    expect(part.silver.flatMap((stage) => stage.feeds.map((feed) => feed.source.source))).toEqual(['cloudtrail']);
  });

  test('change their hash with what they read', () => {
    const changed = pipelineOf(everything);
    expect(changed.ranges.map((stage) => stage.hash)).toEqual(whole.ranges.map((stage) => stage.hash));
    const spike = whole.ranges.find((stage) => stage.name === 'gold.rejected_flows_spike');
    const alone = pipelineOf({
      ...everything,
      gold: { detections: ['rejected_flows_spike'], summaries: ['network_hourly'] },
    }).ranges.find((stage) => stage.name === 'gold.rejected_flows_spike');
    expect(alone?.hash).toBe(spike?.hash);
  });

  test('have statements in every dialect', () => {
    for (const dialect of [duckdb, spark, databricks]) {
      expect(preparation(whole, [], dialect).length).toBeGreaterThan(20);
      for (const stage of whole.ranges)
        for (const text of dialect.replace(stage.table, ownRows(stage, 'all'), rangeRows(stage, 'all', dialect)))
          expect(text).not.toContain('undefined');
      for (const { feeds } of whole.silver)
        for (const feed of feeds) expect(spell(feed.select, dialect)).toContain('SELECT');
    }
  });
});

describe('--select', () => {
  const chosen = (...selectors: string[]): string[] => [...selected(whole, selectors)].sort();

  test('takes one stage, with + before it all that it reads, with + after it all that reads it', () => {
    expect(chosen('silver.network_activity')).toEqual(['silver.network_activity']);
    expect(chosen('+gold.rejected_flows_spike')).toEqual([
      'bronze.vpc_flow',
      'gold.network_hourly',
      'gold.rejected_flows_spike',
      'silver.network_activity',
    ]);
    expect(chosen('gold.network_hourly+')).toEqual([
      'gold.alerts',
      'gold.alerts_daily',
      'gold.network_hourly',
      'gold.rejected_flows_spike',
    ]);
    const forAlerts = chosen('+gold.alerts');
    const rules = whole.ranges.filter((stage) => stage.owner !== undefined).map((stage) => stage.name);
    expect(forAlerts).toEqual(expect.arrayContaining([...rules, ...whole.bronze.map((stage) => stage.name)]));
    for (const other of ['gold.alerts_daily', 'gold.sign_ins_hourly']) expect(forAlerts).not.toContain(other);
  });

  test('takes several, each with its own surroundings', () => {
    expect(chosen('silver.network_activity', '+gold.port_scan')).toEqual([
      'bronze.vpc_flow',
      'gold.port_scan',
      'silver.network_activity',
    ]);
    expect(chosen('+silver.network_activity+')).toEqual(
      expect.arrayContaining(['bronze.vpc_flow', 'gold.network_hourly', 'gold.alerts']),
    );
  });

  test('names the near ones for a stage that is not there, or all of them', () => {
    expect(() => chosen('gold.alert')).toThrow(UserError);
    expect(() => chosen('+gold.alert')).toThrow(
      /^--select \+gold\.alert: there is no stage "gold\.alert"; did you mean gold\.alerts\?$/,
    );
    expect(() => chosen('nothing')).toThrow(/; valid: bronze\.databricks_audit, bronze\.cloudtrail/);
  });
});

describe('the ranges that changed hours touch', () => {
  const HOUR = 3_600_000;
  const reach = (before: number, after: number) => ({ reach: { before, after } });

  test('are the hours themselves, joined where they meet', () => {
    expect(touched([7, 5, 6, 9], reach(0, 0))).toEqual([
      { from: 5 * HOUR, until: 8 * HOUR },
      { from: 9 * HOUR, until: 10 * HOUR },
    ]);
    expect(touched([], reach(0, 0))).toEqual([]);
  });

  test('are widened by how far a row can reach', () => {
    expect(touched([5], reach(60_000, 120_000))).toEqual([{ from: 5 * HOUR - 60_000, until: 6 * HOUR + 120_000 }]);
    expect(touched([5, 7], reach(HOUR, 0))).toEqual([{ from: 4 * HOUR, until: 8 * HOUR }]);
  });

  test('are never more than 32, and then still hold every hour', () => {
    const hours = Array.from({ length: 100 }, (_, i) => i * i);
    const ranges = touched(hours, reach(0, 0));
    expect(ranges.length).toBe(32);
    for (const hour of hours)
      expect(
        ranges.some(({ from, until }) => from <= hour * HOUR && (hour + 1) * HOUR <= until),
        String(hour),
      ).toBe(true);
    for (const [i, { from }] of ranges.entries()) if (i > 0) expect(from).toBeGreaterThan(ranges[i - 1]?.until ?? 0);
  });

  test('restrict the input by more than the output, and the rows that are replaced to the stage’s own', () => {
    const input = { name: 'silver.x' };
    const stage: RangeStage = {
      kind: 'range',
      name: 'gold.rule',
      table: { name: 'gold.findings', columns: [{ name: 'time', type: 'long' }] },
      owner: sql`rule = ${"it's"}`,
      time: 'time',
      reach: { before: 10, after: 20 },
      inputs: [input],
      select: sql`SELECT time FROM ${input}`,
      hash: '',
    };
    const ranges = [{ from: 100, until: 200 }];
    expect(spell(rangeRows(stage, ranges, duckdb), duckdb)).toBe(
      'SELECT * FROM (SELECT time FROM (SELECT * FROM "silver"."x" WHERE ("time" >= 80 AND "time" < 210))) AS output WHERE ("time" >= 100 AND "time" < 200)',
    );
    expect(spell(rangeRows(stage, 'all', duckdb), duckdb)).toBe('SELECT time FROM "silver"."x"');
    expect(spell(ownRows(stage, ranges), duckdb)).toBe(`rule = 'it''s' AND ("time" >= 100 AND "time" < 200)`);
    expect(spell(ownRows({ ...stage, owner: undefined }, 'all'), duckdb)).toBe('TRUE');
    expect(spell(rangeRows(stage, undefined, duckdb), duckdb)).toContain('"time" >= :from AND "time" < :until');
  });
});

describe('a plan', () => {
  const signIn = (eventID: string, minute: number): string =>
    JSON.stringify({
      eventTime: `2026-11-05T09:0${minute}:00Z`,
      eventSource: 'signin.amazonaws.com',
      eventName: 'ConsoleLogin',
      eventID,
      userIdentity: { userName: 'ana' },
    });
  const few = {
    silver: ['authentication', 'network_activity'],
    gold: { detections: ['failed_sign_in_burst'], summaries: ['sign_ins_hourly'] },
  };
  const actions = ({ stages }: { stages: readonly { name: string; action: string }[] }): Record<string, string> =>
    Object.fromEntries(stages.map(({ name, action }) => [name, action]));

  test('says what a first run, an idle one, one with a new file and a full one would do, and writes nothing', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/a.json': signIn('e-1', 1) });
    const lake = await open(await manifest(place, few));
    const first = await lake.plan();
    expect(first.files).toEqual({ new: 1, unchanged: 0 });
    expect(actions(first)).toMatchObject({
      'bronze.cloudtrail': 'append',
      'bronze.vpc_flow': 'nothing',
      'silver.authentication': 'rebuild',
      'gold.sign_ins_hourly': 'rebuild',
      'gold.failed_sign_in_burst': 'rebuild',
      'gold.alerts': 'create view',
    });
    expect(await ask(lake, 'SELECT table_name FROM information_schema.tables')).toEqual([]);
    await lake.run();

    const before = await digests(lake, ['bronze', 'silver', 'gold', 'pipeline']);
    const idle = await lake.plan({ sql: true });
    expect(idle.files).toEqual({ new: 0, unchanged: 1 });
    expect(new Set(Object.values(actions(idle)))).toEqual(new Set(['nothing']));
    expect(idle.stages.every((stage) => stage.statements === undefined)).toBe(true);

    await write(place, { 'cloudtrail/b.json': signIn('e-2', 2) });
    const more = await lake.plan();
    expect(more.files).toEqual({ new: 1, unchanged: 1 });
    expect(actions(more)).toMatchObject({
      'bronze.cloudtrail': 'append',
      'silver.authentication': 'merge',
      'gold.sign_ins_hourly': 'replace',
      'gold.failed_sign_in_burst': 'replace',
      'gold.alerts': 'nothing',
    });
    expect(actions(await lake.plan({ full: true }))).toMatchObject({
      'silver.authentication': 'rebuild',
      'gold.sign_ins_hourly': 'rebuild',
    });
    expect(actions(await lake.plan({ select: ['gold.sign_ins_hourly'] }))).toEqual({
      'gold.sign_ins_hourly': 'nothing',
    });
    expect(await digests(lake, ['bronze', 'silver', 'gold', 'pipeline'])).toEqual(before);

    await lake.run();
    expect(actions(await lake.plan())).toEqual(actions(idle));
    await lake.close();
  });

  test('says why, and with `sql` by which statements, which DuckDB can bind', async () => {
    const lake = await lakehouse({ 'cloudtrail/a.json': signIn('e-1', 1) }, few);
    await lake.engine.execute("UPDATE pipeline.definitions SET hash = 'old' WHERE stage = 'silver.authentication'");
    const { stages } = await lake.plan({ sql: true, full: true });
    const why = Object.fromEntries(stages.map((stage) => [stage.name, stage.why]));
    expect(why['bronze.cloudtrail']).toBe('1 files unchanged');
    expect((await lake.plan()).stages.find((s) => s.name === 'silver.authentication')?.why).toMatch(/mapping changed/);
    const statements = stages.flatMap((stage) => stage.statements ?? []);
    expect(statements.length).toBeGreaterThan(5);
    for (const statement of statements.filter((text) => !text.includes(':from'))) await lake.engine.execute(statement);
    await lake.close();
  });

  test('of a manifest without gold has no more than the views', async () => {
    const lake = await lakehouse(
      { 'cloudtrail/a.json': signIn('e-1', 1) },
      { silver: ['authentication'], gold: nothingOfGold },
    );
    const { stages } = await lake.plan();
    expect(stages.map((stage) => stage.name)).toEqual([
      'bronze.databricks_audit',
      'bronze.cloudtrail',
      'bronze.vpc_flow',
      'silver.authentication',
      ...whole.views.map((view) => view.name),
    ]);
    await lake.close();
  });
});

test('the pipeline’s own tables have names and columns of their own', () => {
  for (const table of Object.values(state)) {
    expect(table.name).toMatch(/^pipeline\.[a-z]+$/);
    expect(new Set(table.columns.map((column) => column.name)).size).toBe(table.columns.length);
  }
});
