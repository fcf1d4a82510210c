import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { generate } from '../samples/generate.ts';
import { type CompiledFile, compiled } from '../src/compile.ts';
import { openDuckDB } from '../src/engine/duckdb.ts';
import { compile, type Lakehouse, open, UserError } from '../src/index.ts';
import { checkManifest } from '../src/manifest.ts';
import { command } from './given/command.ts';
import { ask, digests, folder, manifest, nothingOfGold, write } from './given/lakehouse.ts';

const everything = { silver: 'all', gold: { detections: 'all', summaries: 'all' } };
const warehouse = {
  type: 'databricks',
  host: { env: 'DATABRICKS_HOST' },
  path: { env: 'DATABRICKS_HTTP_PATH' },
  catalog: 'security',
};
const remote = {
  databricks_audit: { path: 's3://logs/audit/**/*.json' },
  cloudtrail: { path: ['s3://logs/AWSLogs/**/*.json.gz', '/Volumes/raw/logs/trail/'] },
  vpc_flow: {
    path: 's3://logs/flows/**/*.log.gz',
    format: '<version> <srcaddr> <dstaddr> <action>'.replace(/<(\w+)>/g, '$${$1}'),
  },
  databricks_outbound_network: { table: 'system.access.outbound_network' },
};
const of = (parts: object = {}): CompiledFile[] =>
  compiled(checkManifest({ engine: warehouse, bronze: remote, ...everything, ...parts }, 'pipelines.json'));
const whole = of();

const task = z.strictObject({
  task_key: z.string(),
  depends_on: z.array(z.strictObject({ task_key: z.string() })).optional(),
  timeout_seconds: z.int().positive(),
  max_retries: z.int().positive(),
  min_retry_interval_millis: z.int().positive(),
  sql_task: z.strictObject({
    warehouse_id: z.literal(variable('warehouse_id')),
    file: z.strictObject({ path: z.string().startsWith('../sql/'), source: z.literal('WORKSPACE') }),
  }),
});
const bundled = z.strictObject({
  resources: z.strictObject({
    jobs: z.strictObject({
      ocsf_medallion_sql: z.strictObject({
        name: z.string(),
        description: z.string(),
        schedule: z.strictObject({ quartz_cron_expression: z.string(), timezone_id: z.literal('UTC') }),
        max_concurrent_runs: z.literal(1),
        queue: z.strictObject({ enabled: z.literal(true) }),
        email_notifications: z.strictObject({ on_failure: z.tuple([z.literal(variable('notification_email'))]) }),
        parameters: z.tuple([z.strictObject({ name: z.literal('catalog'), default: z.literal(variable('catalog')) })]),
        tasks: z.array(task),
      }),
    }),
  }),
});

function variable(name: string): string {
  return `\${var.${name}}`;
}
const contentOf = (files: readonly CompiledFile[], path: string): string => {
  const file = files.find((one) => one.path.endsWith(path));
  if (!file) throw new Error(`there is no file ${path}`);
  return file.content;
};
const tasksOf = (files: readonly CompiledFile[]) =>
  bundled.parse(parse(contentOf(files, '.job.yml'))).resources.jobs.ocsf_medallion_sql.tasks;
/** The statements of a file. */
const statementsOf = (content: string): string[] =>
  content
    .replace(/^(--.*\n)+/, '')
    .split(/;\n/)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
const MAKES =
  /^CREATE (?:OR REFRESH STREAMING TABLE|MATERIALIZED VIEW IF NOT EXISTS|OR REPLACE VIEW|TABLE IF NOT EXISTS) (`\w+`\.`\w+`)/;
const made = (content: string): string[] => statementsOf(content).flatMap((one) => MAKES.exec(one)?.[1] ?? []);
const tableOf = (files: readonly CompiledFile[], step: string): string =>
  made(contentOf(files, `_${step}.sql`)).at(-2) ?? '';

describe('for Databricks', () => {
  test('come a bundle, a job and the files in their order', () => {
    expect(whole.map(({ path }) => path.replace(/\d\d_/, ''))).toEqual([
      'databricks.yml',
      'resources/ocsf_medallion_sql.job.yml',
      'sql/schemas.sql',
      'sql/bronze_databricks_audit.sql',
      'sql/bronze_cloudtrail.sql',
      'sql/bronze_vpc_flow.sql',
      'sql/bronze_databricks_outbound_network.sql',
      'sql/pipeline_quarantine.sql',
      'sql/silver_account_change.sql',
      'sql/silver_api_activity.sql',
      'sql/silver_application_lifecycle.sql',
      'sql/silver_authentication.sql',
      'sql/silver_base_event.sql',
      'sql/silver_datastore_activity.sql',
      'sql/silver_detection_finding.sql',
      'sql/silver_dns_activity.sql',
      'sql/silver_entity_management.sql',
      'sql/silver_file_hosting.sql',
      'sql/silver_group_management.sql',
      'sql/silver_network_activity.sql',
      'sql/silver_user_access.sql',
      'sql/silver_sightings.sql',
      'sql/gold_api_calls_hourly.sql',
      'sql/gold_network_hourly.sql',
      'sql/gold_sign_ins_hourly.sql',
      'sql/gold_findings.sql',
      'sql/views.sql',
    ]);
    const numbers = whole.slice(2).map(({ path }) => Number(/\d\d/.exec(path)?.[0]));
    expect(numbers).toEqual(numbers.map((_, i) => i));
  });

  test('every file of SQL is a task, once, and every task has its file', () => {
    const files = tasksOf(whole).map((one) => one.sql_task.file.path.replace('../', ''));
    expect(files).toEqual(whole.slice(2).map(({ path }) => path));
  });

  /** Fails unless each task comes after all that its statements read; gives the tasks before each. */
  const inOrder = (files: readonly CompiledFile[]): Map<string, Set<string>> => {
    const before = new Map<string, Set<string>>();
    const makers = new Map<string, string>();
    for (const { task_key, depends_on = [], sql_task } of tasksOf(files)) {
      const direct = depends_on.map((one) => one.task_key);
      for (const one of direct) expect([...before.keys()], task_key).toContain(one);
      before.set(task_key, new Set([...direct, ...direct.flatMap((one) => [...(before.get(one) ?? [])])]));
      const content = contentOf(files, sql_task.file.path.replace('../', ''));
      for (const name of made(content)) makers.set(name, task_key);
      for (const [name] of content.matchAll(/`(?:bronze|silver|gold|pipeline)`\.`\w+`/g)) {
        const maker = makers.get(name);
        expect(maker, `${task_key} reads ${name}`).toBeDefined();
        if (maker !== task_key) expect([...(before.get(task_key) ?? [])], name).toContain(maker);
      }
    }
    return before;
  };

  test('a task comes after all that its statements read, in a graph without a circle', () => {
    expect(inOrder(whole).get('views')).toContain('bronze_cloudtrail');
  });

  test('every file says who wrote it, and works in the catalog of the job', () => {
    for (const { path, content } of whole) {
      expect(content, path).toMatch(/^(--|#) Written by ocsf-medallion compile/);
      if (path.endsWith('.sql')) expect(statementsOf(content)[0], path).toBe('USE CATALOG IDENTIFIER(:catalog)');
      expect(content.includes('{{'), path).toBe(false);
      expect(content).not.toContain('undefined,');
    }
  });

  test('the bundle has the catalog of the manifest, and the warehouse where its id is known', () => {
    const settings = (engine: object) => parse(contentOf(of({ engine }), 'databricks.yml'));
    expect(settings(warehouse)).toMatchObject({
      include: ['resources/*.yml'],
      variables: { catalog: { default: 'security' }, warehouse_id: { lookup: {} } },
      targets: { dev: { mode: 'development' }, prod: { mode: 'production' } },
    });
    expect(settings({ ...warehouse, path: '/sql/1.0/warehouses/abc123' }).variables.warehouse_id).toMatchObject({
      default: 'abc123',
    });
  });

  test('files arrive in streaming tables of their own, and their records in one more for each source', () => {
    const statements = statementsOf(contentOf(whole, '_bronze_cloudtrail.sql')).slice(1);
    expect(statements.map((one) => one.split(/ ?[(\n]/)[0]?.replace(/_[0-9a-f]{8}`$/, '_#`'))).toEqual([
      'CREATE OR REFRESH STREAMING TABLE `bronze`.`cloudtrail_listing_#`',
      'CREATE OR REFRESH STREAMING TABLE `bronze`.`cloudtrail_files_#`',
      'CREATE OR REFRESH STREAMING TABLE `bronze`.`cloudtrail_listing_#`',
      'CREATE OR REFRESH STREAMING TABLE `bronze`.`cloudtrail_files_#`',
      'CREATE OR REFRESH STREAMING TABLE `bronze`.`cloudtrail_#`',
      'CREATE OR REPLACE VIEW `bronze`.`cloudtrail` AS',
    ]);
    const [, , , , records = ''] = statements;
    expect(records.match(/STREAM `bronze`\.`cloudtrail_files_[0-9a-f]{8}`/g)).toHaveLength(2);
    for (const name of ['batch', 'run_id', 'ingested_at']) expect(records).not.toContain(`  \`${name}\` `);
  });

  test('expectations are constraints: a record that is dropped is counted and stays for the quarantine', () => {
    const constraints = (expect: object): string[] =>
      contentOf(of({ bronze: { cloudtrail: { path: 's3://logs/', expect } }, gold: nothingOfGold }), '_cloudtrail.sql')
        .split('\n')
        .flatMap((line) => /^ {2}CONSTRAINT (.*?),?$/.exec(line)?.[1] ?? []);
    const present = (name: string, reason: string): string =>
      `\`${name}\` EXPECT (NOT coalesce(startswith(fault, '${reason}'), FALSE))`;
    expect(constraints({})).toEqual([
      present('event_time_present', 'no event time'),
      present('event_name_present', 'no event name'),
      present('event_time_in_bounds', 'event time out of bounds'),
      '`event_id_present` EXPECT (fault IS NOT NULL OR coalesce(hash IS NOT NULL, FALSE))',
    ]);
    expect(constraints({ event_name_present: 'fail', event_id_present: 'drop', clean_schema: 'fail' })).toEqual([
      present('event_time_present', 'no event time'),
      `${present('event_name_present', 'fail: no event name')} ON VIOLATION FAIL UPDATE`,
      present('event_time_in_bounds', 'event time out of bounds'),
      present('event_id_present', 'no event id'),
      `${present('clean_schema', 'fail: undeclared fields')} ON VIOLATION FAIL UPDATE`,
    ]);
    const silver = { cloudtrail: { path: 's3://logs/', expect: { required_attributes: 'drop' } } };
    expect(() => of({ bronze: silver })).toThrow(UserError);
    expect(() => of({ bronze: silver })).toThrow(/^bronze\.cloudtrail\.expect\.required_attributes: "drop" cannot/);
    silver.cloudtrail.expect.required_attributes = 'warn';
    expect(of({ bronze: silver }).length).toBeGreaterThan(20);
  });

  test('a table is read as a stream that goes on over what changes in it', () => {
    const content = contentOf(whole, '_databricks_outbound_network.sql');
    expect(content).toContain('FROM STREAM `system`.`access`.`outbound_network` WITH (SKIPCHANGECOMMITS)');
    expect(content).not.toContain('read_files');
  });

  test('a class and a summary is a materialized view that is refreshed, and a view of the name that people read', () => {
    for (const step of ['silver_authentication', 'silver_sightings', 'gold_network_hourly', 'gold_findings']) {
      const [, create, refresh, view, ...more] = statementsOf(contentOf(whole, `_${step}.sql`));
      const name = `\`${step.replace('_', '`.`')}`;
      const [, table] = /^CREATE MATERIALIZED VIEW IF NOT EXISTS (\S+) CLUSTER BY \(`time`\)/.exec(create ?? '') ?? [];
      expect(table?.replace(/_[0-9a-f]{8}`$/, '')).toBe(name);
      expect(refresh).toBe(`REFRESH MATERIALIZED VIEW ${table}`);
      expect(view).toBe(`CREATE OR REPLACE VIEW ${name}\` AS\nSELECT * FROM ${table}`);
      expect(more).toEqual([]);
    }
  });

  test('a definition that changed, or reads one that did, fills another table; another one does not', () => {
    const other = of({ bronze: { ...remote, vpc_flow: { path: 's3://elsewhere/flows/' } } });
    for (const step of ['bronze_vpc_flow', 'silver_network_activity', 'gold_network_hourly', 'gold_findings'])
      expect(tableOf(other, step), step).not.toBe(tableOf(whole, step));
    for (const step of ['bronze_cloudtrail', 'silver_authentication', 'gold_sign_ins_hourly'])
      expect(tableOf(other, step), step).toBe(tableOf(whole, step));
    const withText = of({ bronze: { ...remote, cloudtrail: { ...remote.cloudtrail, raw_data: true } } });
    expect(tableOf(withText, 'bronze_cloudtrail')).toBe(tableOf(whole, 'bronze_cloudtrail'));
    expect(tableOf(withText, 'silver_authentication')).not.toBe(tableOf(whole, 'silver_authentication'));
    expect(of()).toEqual(whole);
  });

  test('of a manifest without gold there are empty findings and sightings, for views read them', () => {
    const few = of({ bronze: { cloudtrail: remote.cloudtrail }, silver: ['authentication'], gold: nothingOfGold });
    expect(few.map(({ path }) => path.slice(4))).toEqual([
      'bricks.yml',
      'urces/ocsf_medallion_sql.job.yml',
      '00_schemas.sql',
      '01_bronze_cloudtrail.sql',
      '02_pipeline_quarantine.sql',
      '03_silver_authentication.sql',
      '04_views.sql',
    ]);
    expect(contentOf(few, '_views.sql')).toMatch(/CREATE OR REPLACE VIEW `gold`\.`findings` AS\nSELECT CAST\(NULL AS/);
    expect(made(contentOf(few, '_views.sql'))).toContain('`silver`.`sightings`');
  });

  test('a class that no source feeds is there, and empty', () => {
    const few = of({ bronze: { cloudtrail: remote.cloudtrail } });
    expect(statementsOf(contentOf(few, '_silver_dns_activity.sql')).slice(1)).toEqual([
      expect.stringMatching(
        /^CREATE OR REPLACE VIEW `silver`\.`dns_activity` AS\nSELECT CAST\(NULL AS .* WHERE FALSE$/,
      ),
    ]);
    for (const { content } of few) expect(content).not.toMatch(/\(\s*\)\s+SELECT|UNION ALL\s*;/);
    inOrder(few);
  });

  test('a place on this machine is no place for a warehouse', () => {
    expect(() => of({ bronze: { cloudtrail: { path: 'samples/**/*.json' } } })).toThrow(/no warehouse reads/);
  });
});

describe('nothing is connected to', () => {
  afterEach(() => vi.unstubAllEnvs());

  test('and nothing secret is written, nor where the warehouse is', async () => {
    const secrets = {
      DATABRICKS_HOST: 'dbc-secret-host.example.com',
      DATABRICKS_HTTP_PATH: '/sql/1.0/warehouses/secret-path',
      DATABRICKS_CLIENT_ID: 'secret-client',
      DATABRICKS_CLIENT_SECRET: 'secret-password',
      DATABRICKS_TOKEN: 'secret-token',
    };
    for (const [name, value] of Object.entries(secrets)) vi.stubEnv(name, value);
    const engine = { ...warehouse, token: { env: 'DATABRICKS_TOKEN' } };
    const text = JSON.stringify(await compile({ engine, bronze: remote, ...everything }));
    for (const [name, value] of Object.entries(secrets)) {
      expect(text).not.toContain(value);
      expect(text).not.toContain(name);
    }
  });
});

describe('for DuckDB', () => {
  test('the files make, in their order, the tables that a run makes', async () => {
    const place = await folder();
    // Whole records and the fields of version 2 only: a run takes damaged files apart and reads each flow log by its own header.
    await generate({
      out: place,
      events: 300,
      seed: 7,
      duplicates: 0.05,
      sources: { databricks_audit: 1, cloudtrail: 1 },
    });
    const fields =
      'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';
    const flow = (port: number): string =>
      `2 123456789012 eni-0a 192.0.2.1 198.51.100.2 49152 ${port} 6 10 840 1793876200 1793876260 ACCEPT OK`;
    await write(place, { 'vpc_flow/a.log': [fields, flow(443), flow(80), flow(443), 'refused'].join('\n') });
    const bronze = {
      databricks_audit: { path: join(place, 'databricks_audit/**/*.json') },
      cloudtrail: { path: join(place, 'cloudtrail/**/*.json.gz') },
      vpc_flow: { path: join(place, 'vpc_flow/**/*.log') },
    };
    const parts = { engine: { type: 'duckdb', path: ':memory:', threads: 2 }, bronze, ...everything };
    await using ran = await open(parts);
    await ran.run();
    await using engine = await openDuckDB({ path: ':memory:', threads: 2 });
    for (const { content } of await compile(parts))
      for (const statement of statementsOf(content)) await engine.execute(statement);
    const lake = { engine } as unknown as Lakehouse;
    const expected = await digests(ran);
    expect(Object.keys(expected).length).toBeGreaterThan(15);
    expect(await digests(lake)).toEqual(expected);
    const refused = 'SELECT source, position, reason, text FROM pipeline.quarantine';
    expect(await ask(lake, refused)).toEqual(await ask(ran, refused));
    expect(await ask(lake, 'SELECT count(*) AS n FROM gold.alerts')).toEqual(
      await ask(ran, 'SELECT count(*) AS n FROM gold.alerts'),
    );
  }, 240_000);
});

describe('for Spark', () => {
  test('the files have the statements of a first run, with marks for what only the run knows', () => {
    const engine = { type: 'spark', host: 'localhost', port: 10001, path: '/cliservice' };
    const files = of({
      engine,
      bronze: { cloudtrail: { path: 'logs/**' }, databricks_audit: { table: 'system.access.audit' } },
    });
    expect(files[0]?.path).toBe('sql/00_tables.sql');
    expect(files.at(-1)?.path).toMatch(/^sql\/\d\d_views\.sql$/);
    expect(statementsOf(contentOf(files, '_bronze_cloudtrail.sql'))).toEqual([
      expect.stringMatching(/^MERGE INTO `bronze`\.`cloudtrail`[\s\S]*':records'/),
    ]);
    expect(contentOf(files, '_bronze_databricks_audit.sql')).toContain(
      'FROM `system`.`access`.`audit` WHERE event_time',
    );
    expect(contentOf(files, '_silver_authentication.sql')).toMatch(/CACHE TABLE `routed`[\s\S]*MERGE INTO `silver`/);
    expect(contentOf(files, '_gold_sign_ins_hourly.sql')).toContain('REPLACE WHERE TRUE');
    expect(contentOf(files, '_gold_root_console_login.sql')).toContain('REPLACE WHERE finding_info.analytic.name');
  });
});

describe('the verb', () => {
  const written = async (place: string): Promise<Record<string, string>> => {
    const entries = await readdir(place, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
    return Object.fromEntries(await Promise.all(files.map(async (file) => [file, await readFile(file, 'utf8')])));
  };

  test('writes the files, the same again, and takes away what the manifest no longer has', async () => {
    const place = await folder();
    const parts = { engine: warehouse, bronze: { cloudtrail: remote.cloudtrail }, silver: ['authentication'] };
    await manifest(place, { ...parts, gold: { detections: 'all', summaries: [] } });
    const first = await command(['compile', '--out', 'out'], { cwd: place });
    expect(first).toMatchObject({ code: 0, stderr: '' });
    const files = await written(join(place, 'out'));
    expect(
      first.stdout
        .trim()
        .split('\n')
        .map((path) => join(place, path))
        .sort(),
    ).toEqual(Object.keys(files).sort());
    await writeFile(join(place, 'out', 'README.md'), 'mine');
    const again = await command(['compile', '--out', 'out', '--json'], { cwd: place });
    expect(JSON.parse(again.stdout)).toMatchObject({ out: 'out', removed: [] });
    expect(await written(join(place, 'out'))).toEqual({ ...files, [join(place, 'out', 'README.md')]: 'mine' });

    await manifest(place, { ...parts, gold: nothingOfGold });
    const fewer = await command(['compile', '--out', 'out', '--json'], { cwd: place });
    const { removed, files: left } = JSON.parse(fewer.stdout);
    expect(removed).toContain('sql/04_gold_findings.sql');
    const there = Object.keys(await written(join(place, 'out')));
    expect(there.sort()).toEqual([...left, 'README.md'].map((path: string) => join(place, 'out', path)).sort());
  });

  test('leaves a folder alone that has SQL or a bundle of somebody else', async () => {
    const place = await folder();
    await manifest(place, { engine: warehouse, bronze: { cloudtrail: remote.cloudtrail } });
    for (const path of ['sql/mine.sql', 'databricks.yml']) {
      await mkdir(join(place, 'out', 'sql'), { recursive: true });
      await writeFile(join(place, 'out', path), 'SELECT 1;');
      const refused = await command(['compile', '--out', 'out'], { cwd: place });
      expect(refused).toMatchObject({ code: 2, stdout: '' });
      expect(refused.stderr).toContain(`${join('out', path)} was not written by compile`);
      expect(Object.keys(await written(join(place, 'out')))).toHaveLength(1);
      await rm(join(place, 'out'), { recursive: true });
    }
  });

  test('needs a folder', async () => {
    const place = await folder();
    await manifest(place);
    const { code, stderr } = await command(['compile'], { cwd: place });
    expect(code).toBe(2);
    expect(stderr).toContain("required option '--out <folder>' not specified");
  });
});
