import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rows } from '../../src/engine/engine.ts';
import { type Lakehouse, open } from '../../src/index.ts';
import { checkManifest } from '../../src/manifest.ts';
import { pipelineOf, tablesOf } from '../../src/plan.ts';
import { planOf } from '../../src/planned.ts';
import { type RunOptions, type RunResult, run } from '../../src/run.ts';
import { sameRows } from './alike.ts';
import { BUCKET, openAsDatabricks } from './as_databricks.ts';
import { emptyCatalog, onSpark } from './given.ts';

const samples = fileURLToPath(new URL('../../samples', import.meta.url));
const warehouse = { type: 'databricks', host: 'localhost', path: '/sql/1.0/warehouses/x', catalog: 'spark_catalog' };
const memory = { type: 'duckdb', path: ':memory:', threads: 2 };

type Stages = { readonly silver: unknown; readonly gold: object };

/** The statements of Databricks on Spark, and DuckDB, over the same logs. */
async function both(folder: string, bronze: (root: string) => object, stages: Stages) {
  const manifest = checkManifest({ engine: warehouse, bronze: bronze(BUCKET), ...stages }, 'pipelines.json');
  const engine = await openAsDatabricks(folder);
  const duck = await open({ engine: memory, bronze: bronze(folder), ...stages });
  const lake = { query: (statement: string) => engine.query(statement) } as Lakehouse;
  return {
    engine,
    duck,
    plan: () => planOf(manifest, engine, { sql: true }),
    run: async (options: RunOptions = {}): Promise<{ found: RunResult; expected: RunResult }> => ({
      expected: await duck.run(options),
      found: await run(manifest, engine, options),
    }),
    // Of records that stand in several files one stays, and where files lie is called in another way.
    same: (table: string) =>
      sameRows(duck, lake, table, [
        'file',
        'path',
        'shape',
        'mtime',
        'content_hash',
        ...(table.startsWith('bronze.') ? ['position'] : []),
      ]),
    tables: [
      ...new Set(tablesOf(pipelineOf(manifest)).map((table) => table.name)),
      ...pipelineOf(manifest).views.map((view) => view.name),
      'pipeline.quarantine',
    ],
    close: async () => {
      await engine[Symbol.asyncDispose]();
      await duck.close();
    },
  };
}

const failed = ({ stages }: RunResult) => stages.filter((stage) => stage.error);
const figures = ({ stages, alerts }: RunResult) => ({
  alerts,
  stages: stages.map(({ name, rows_out, rows_quarantined }) => ({ name, rows_out, rows_quarantined })),
});

onSpark('the statements of Databricks, over the samples', 1300, () => {
  const bronze = (root: string) => ({
    databricks_audit: { path: `${root}/databricks_audit/**/*.json*` },
    cloudtrail: { path: `${root}/cloudtrail/**/*.json.gz` },
    vpc_flow: { path: `${root}/vpc_flow/**/*.log.gz` },
  });
  const stages = {
    silver: ['authentication', 'api_activity', 'detection_finding', 'network_activity'],
    gold: { detections: ['failed_sign_in_burst', 'port_scan'], summaries: 'all' },
  };
  let lakes: Awaited<ReturnType<typeof both>>;
  beforeAll(async () => {
    lakes = await both(samples, bronze, stages);
    await emptyCatalog(lakes.engine);
    const { found, expected } = await lakes.run();
    expect(failed(found)).toEqual([]);
    expect(figures(found)).toEqual(figures(expected));
    expect(found.files.new + found.files.unchanged).toBe(expected.files.new + expected.files.unchanged);
  });
  afterAll(() => lakes?.close());

  test('give every table the rows that it has on DuckDB', async () => {
    for (const table of lakes.tables) await lakes.same(table);
  });

  test('a second run finds nothing to do in few statements, writes no batch and leaves no table behind', async () => {
    const [ran, asked] = [lakes.engine.ran.length, lakes.engine.asked.length];
    const { found } = await lakes.run();
    const queries = lakes.engine.asked.slice(asked);
    process.stderr.write(`an idle run: ${queries.length} queries\n`);
    // As the README says: two refreshes of streaming tables for each path, and queries.
    expect(lakes.engine.ran.slice(ran).map((sql) => sql.slice(0, 33))).toEqual(
      Array.from({ length: 6 }, () => 'CREATE OR REFRESH STREAMING TABLE'),
    );
    expect(queries.length).toBeLessThan(30);
    expect(found.stages.filter((s) => s.rows_in + s.rows_out + s.rows_quarantined > 0)).toEqual([]);
    expect(found.files).toMatchObject({ new: 0, failed: 0 });
    expect(await lakes.engine.tables()).not.toContainEqual(expect.stringContaining('kept_'));
  });

  test('a plan shows the statements and touches nothing', async () => {
    const before = lakes.engine.ran.length;
    const { stages } = await lakes.plan();
    expect(lakes.engine.ran.length).toBe(before);
    const cloudtrail = stages.find((stage) => stage.name === 'bronze.cloudtrail');
    expect(cloudtrail?.why).toBe('0 files that arrived and wait, and those that are new since');
    expect(cloudtrail?.statements?.[0]).toMatch(/^CREATE OR REFRESH STREAMING TABLE/);
    expect(stages.filter((s) => s.name.startsWith('gold.')).map((s) => s.action)).not.toContain('rebuild');
  });
});

const event = (id: string, more: object = {}) => ({
  eventVersion: '1.11',
  eventTime: '2026-11-05T10:00:00Z',
  eventSource: 'ec2.amazonaws.com',
  eventName: 'DescribeInstances',
  awsRegion: 'us-east-1',
  sourceIPAddress: '192.0.2.7',
  userIdentity: {
    type: 'IAMUser',
    userName: 'ana',
    arn: 'arn:aws:iam::123456789012:user/ana',
    accountId: '123456789012',
  },
  eventID: id,
  eventType: 'AwsApiCall',
  recipientAccountId: '123456789012',
  ...more,
});
const lines = (...events: object[]): string => events.map((one) => `${JSON.stringify(one)}\n`).join('');
const flow = (n: number) =>
  `2 123456789012 eni-0a1b2c3d4e5f60718 198.51.100.${n} 10.0.0.1 44${n} 443 6 10 840 179387620${n} 179387626${n} ACCEPT OK`;
const HEADER =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';

onSpark('odd files on Databricks', 1300, () => {
  const bronze = (root: string) => ({
    cloudtrail: { path: `${root}/trail/**/*`, optional: true },
    vpc_flow: { path: `${root}/flows/**/*.log*`, optional: true },
  });
  const stages = { silver: ['api_activity', 'network_activity'], gold: { detections: [], summaries: [] } };
  let folder: string;
  let lakes: Awaited<ReturnType<typeof both>>;
  const put = async (name: string, content: string | Uint8Array): Promise<void> => {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(
      join(folder, name),
      name.endsWith('.gz') && typeof content === 'string' ? gzipSync(content) : content,
    );
  };
  const tables = ['bronze.cloudtrail', 'bronze.vpc_flow', 'silver.api_activity', 'silver.network_activity'];
  const settled = async (options: RunOptions = {}) => {
    const { found, expected } = await lakes.run(options);
    expect(failed(found)).toEqual([]);
    for (const table of tables) await lakes.same(table);
    return { found, expected };
  };
  const positions = async (): Promise<string[]> =>
    (
      await rows<{ at: string }>(
        lakes.engine,
        "SELECT concat_ws(' ', source, element_at(split(file, '/'), -1), reason) AS at FROM pipeline.quarantine ORDER BY at NULLS LAST",
      )
    ).map(({ at }) => at);
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-odd-'));
    await put('trail/lines.json', lines(event('l1'), event('l2', { undeclared: 'x' })));
    await put('trail/pretty.json', JSON.stringify({ Records: [event('p1', { n: 1.5 }), event('p2')] }, null, 2));
    await put('trail/marked.json.gz', `\uFEFF${JSON.stringify([event('m1')])}`);
    await put('trail/bridge.json', lines({ 'detail-type': 'AWS API Call via CloudTrail', detail: event('b1') }));
    await put(
      'trail/lookup.json',
      JSON.stringify({ Events: [{ EventId: 'k1', CloudTrailEvent: JSON.stringify(event('k1')) }] }),
    );
    await put('trail/digest.json', JSON.stringify({ digestStartTime: '2026-11-05T10:00:00Z', logFiles: [] }));
    await put('trail/broken.json', `${lines(event('x1'))}{"eventID":"x2",\n${lines(event('x3'))}`);
    await put('trail/cut.json', JSON.stringify({ Records: [event('c1'), event('c2')] }).slice(0, -40));
    await put('flows/plain.log', `${flow(1)}\n${flow(2)}\n`);
    await put(
      'flows/headed.log.gz',
      `${HEADER}\n${flow(3)}\n\n2 too few\n${HEADER.split(' ').reverse().join(' ')}\n${flow(4).split(' ').reverse().join(' ')}\n`,
    );
    await put(
      'flows/watch.log',
      JSON.stringify({ logEvents: [{ message: flow(5) }, { message: 'CWL CONTROL MESSAGE: hello' }] }),
    );
    lakes = await both(folder, bronze, stages);
    await emptyCatalog(lakes.engine);
  });
  afterAll(async () => {
    await lakes?.close();
    await rm(folder, { recursive: true, force: true });
  });

  test('are read as on DuckDB: lines, documents, wrappers, headers, and what is wrong with them', async () => {
    const { found, expected } = await settled();
    expect(figures(found)).toEqual(figures(expected));
    await lakes.same('pipeline.quarantine');
    await lakes.same('pipeline.shapes');
    expect(await positions()).toEqual([
      expect.stringMatching(/^cloudtrail broken.json /),
      'cloudtrail cut.json truncated',
      'vpc_flow headed.log.gz 3 fields, the header has 14',
    ]);
  });

  test('a file that was overwritten adds what is new in it, a copy nothing, and one that cannot be inflated fails alone', async () => {
    await put('trail/lines.json', lines(event('l1'), event('l2', { undeclared: 'x' }), event('l3')));
    await cp(join(folder, 'trail/pretty.json'), join(folder, 'trail/again.json'));
    const whole = gzipSync(lines(event('z1'), event('z2')));
    await put('trail/damaged.json.gz', whole.subarray(0, whole.length - 12));
    const { found } = await lakes.run();
    expect(failed(found)).toEqual([]);
    expect(found).toMatchObject({ ok: false, files: { new: 1, failed: 1 } });
    const ids = await rows<{ uid: string }>(
      lakes.engine,
      "SELECT uid FROM bronze.cloudtrail WHERE uid LIKE 'l%' ORDER BY uid NULLS LAST",
    );
    expect(ids.map(({ uid }) => uid)).toEqual(['l1', 'l2', 'l3']);
    const states = await rows<{ at: string }>(
      lakes.engine,
      "SELECT element_at(split(path, '/'), -1) || ' ' || status || ' ' || records AS at FROM pipeline.files WHERE batch > 2 ORDER BY at NULLS LAST",
    );
    expect(states.map(({ at }) => at)).toEqual(['again.json copy 0', 'damaged.json.gz failed 0', 'lines.json ok 3']);
    await put('trail/damaged.json.gz', whole);
    await settled();
  });

  test('a fix of a file empties its quarantine, and a replay doubles nothing', async () => {
    await put('trail/broken.json', lines(event('x1'), event('x2'), event('x3')));
    await settled();
    const { found } = await settled({ replay: true });
    expect(found.stages.filter((s) => s.rows_out > 0)).toEqual([]);
    expect(await positions()).toEqual([
      'cloudtrail cut.json truncated',
      'vpc_flow headed.log.gz 3 fields, the header has 14',
    ]);
  });
});

const COLUMNS = `account_id STRING, workspace_id BIGINT, version STRING, event_id STRING, event_time TIMESTAMP, event_date DATE,
  source_ip_address STRING, user_agent STRING, session_id STRING, user_identity STRUCT<email: STRING, subject_name: STRING>,
  service_name STRING, action_name STRING, request_id STRING, request_params MAP<STRING, STRING>,
  response STRUCT<status_code: INT, error_message: STRING, result: STRING>, audit_level STRING,
  identity_metadata STRUCT<run_by: STRING, run_as: STRING>`;
const row = (id: string, time: string, action: string, status = 200) =>
  `('0e1f2d3c-0000-4000-8000-000000000000', 1234567890123456, '2.0', '${id}', TIMESTAMP '${time}Z', DATE '${time.slice(0, 10)}', '203.0.113.9', 'curl', NULL,
  named_struct('email', 'ana@example.com', 'subject_name', NULL), 'accounts', '${action}', 'r-${id}', map('user', 'ana@example.com'),
  named_struct('status_code', ${status}, 'error_message', NULL, 'result', NULL), 'WORKSPACE_LEVEL', NULL)`;

onSpark('a table as the source, such as system.access.audit', 1300, () => {
  const stages = {
    silver: ['authentication', 'api_activity'],
    gold: { detections: ['failed_sign_in_burst'], summaries: [] },
  };
  const manifest = checkManifest(
    { engine: warehouse, bronze: { databricks_audit: { table: 'access.audit', lookback: '2h' } }, ...stages },
    'pipelines.json',
  );
  let engine: Awaited<ReturnType<typeof openAsDatabricks>>;
  const insert = (...values: string[]) => engine.execute(`INSERT INTO access.audit VALUES ${values.join(',\n')}`);
  const ids = async (): Promise<string[]> =>
    (
      await rows<{ uid: string }>(
        engine,
        'SELECT metadata.uid AS uid FROM silver.authentication ORDER BY uid NULLS LAST',
      )
    ).map(({ uid }) => uid);
  beforeAll(async () => {
    engine = await openAsDatabricks();
    await emptyCatalog(engine);
    await engine.execute('DROP SCHEMA IF EXISTS access CASCADE');
    await engine.execute('CREATE SCHEMA access');
    await engine.execute(`CREATE TABLE access.audit (${COLUMNS}) USING DELTA`);
  });
  afterAll(async () => {
    await engine?.execute('DROP SCHEMA IF EXISTS access CASCADE');
    await engine?.[Symbol.asyncDispose]();
  });

  test('gives its rows, those that come late within the look-back too, each once', async () => {
    await insert(row('a', '2026-11-05T08:00:00', 'login'), row('b', '2026-11-05T12:00:00', 'login', 401));
    const first = await run(manifest, engine);
    expect(failed(first)).toEqual([]);
    expect(first.stages[0]).toMatchObject({ name: 'bronze.databricks_audit', rows_in: 2, rows_out: 2 });
    await insert(
      row('c', '2026-11-05T11:00:00', 'login'),
      row('d', '2026-11-05T09:00:00', 'login'),
      row('e', '2026-11-05T13:00:00', 'login'),
    );
    const planned = await planOf(manifest, engine, {});
    expect(planned.stages[0]?.why).toBe('3 rows of access.audit from 2026-11-05T10:00Z, which look back 2 hours');
    const second = await run(manifest, engine);
    expect(second.stages[0]).toMatchObject({ rows_in: 2, rows_out: 2 });
    expect(await ids()).toEqual(['a', 'b', 'c', 'e']);
    const idle = await run(manifest, engine);
    expect(idle.stages.filter((s) => s.rows_in + s.rows_out > 0)).toEqual([]);
  });

  test('and a longer look-back finds what came later still', async () => {
    const wider = checkManifest(
      { engine: warehouse, bronze: { databricks_audit: { table: 'access.audit', lookback: '24h' } }, ...stages },
      'pipelines.json',
    );
    await run(wider, engine);
    expect(await ids()).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  test('its rows are as an export of them is on DuckDB', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-table-'));
    const exported = await rows<{ json: string }>(engine, 'SELECT to_json(struct(*)) AS json FROM access.audit');
    await writeFile(join(folder, 'audit.json'), exported.map(({ json }) => `${json}\n`).join(''));
    await using duck = await open({
      engine: memory,
      bronze: { databricks_audit: { path: join(folder, '*.json') } },
      ...stages,
    });
    await duck.run();
    const lake = { query: (statement: string) => engine.query(statement) } as Lakehouse;
    expect(await sameRows(duck, lake, 'silver.authentication')).toBe(5);
    expect(await readFile(join(folder, 'audit.json'), 'utf8')).toContain('"event_time":"2026-11-05T08:00:00.000Z"');
    await rm(folder, { recursive: true, force: true });
  });
});
