import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { type Lakehouse, open } from '../../src/index.ts';
import { pipelineOf, tablesOf } from '../../src/plan.ts';
import { holdsEvents } from '../../src/silver/class.ts';
import { records } from '../given/cloudtrail_records.ts';
import { placedRecords } from '../given/databricks_records.ts';
import { folder, write } from '../given/lakehouse.ts';
import { mutatedFiles } from '../given/mutated.ts';
import { into, out } from '../given/network_records.ts';
import { linesOf } from '../given/rows.ts';
import { sameRows } from './alike.ts';
import { emptyCatalog, everything, manifestOf, onSpark, spark, sparkEngine } from './given.ts';

const shared = fileURLToPath(new URL('../../../shared/corpora', import.meta.url));
const samples = fileURLToPath(new URL('../../samples', import.meta.url));
const under = (folder: string, ...patterns: string[]): string[] => patterns.map((pattern) => join(folder, pattern));

const ours = {
  databricks_audit: under(samples, 'databricks_audit/**/*.json*'),
  cloudtrail: under(samples, 'cloudtrail/**/*.json.gz'),
  vpc_flow: under(samples, 'vpc_flow/**/*.log.gz'),
};
const others = {
  databricks_audit: under(
    shared,
    'ibm-universal-connectors-databricks/*.ndjson',
    'panther-analysis/Databricks.Audit.tests.jsonl',
  ),
  cloudtrail: under(
    shared,
    'invictus-aws_dataset/*.json',
    'stratus-red-team/*.json',
    'traildiscover/logExamples/*',
    'umccr-cloudtrail-parquet/**/*.json*',
    'splunk-security_content/*.json',
    'grafana-lambda-promtail/*.json*',
    'crowdsec-hub/**/*.log',
    'cloud-custodian-cwe/*.json',
    'plaso/*.jsonl',
    'awsdocs/**/*.json',
    'panther-analysis/AWS.CloudTrail.tests.jsonl',
  ),
  vpc_flow: under(
    shared,
    'vector-vrl/*.log',
    'otel-contrib/**/*',
    'grafana-lambda-promtail/vpcflowlog.log.gz',
    'awsdocs/amazon-vpc-user-guide/flow-logs-records-examples.blocks.txt',
    'newrelic-aws-log-ingestion/*.json',
  ),
};

/** Records of every class, and such as nobody documented. */
const made = await folder();
const MUTATED = 500;
const lines = (values: readonly unknown[]): string => values.map((value) => `${JSON.stringify(value)}\n`).join('');
async function makeFiles(): Promise<void> {
  const mutated = mutatedFiles(MUTATED);
  await write(made, {
    'databricks_audit/classes.json': lines(placedRecords),
    'databricks_audit/mutated.json': mutated.databricks_audit,
    'cloudtrail/classes.json': JSON.stringify({ Records: records }),
    'cloudtrail/mutated.json': mutated.cloudtrail,
    'vpc_flow/mutated.log': mutated.vpc_flow,
    'databricks_inbound_network/classes.json': lines(into),
    'databricks_outbound_network/classes.json': lines(out),
  });
}

const withCorpora = existsSync(shared);
const paths = (source: keyof typeof ours) => ({
  path: [...ours[source], join(made, source, '*'), ...(withCorpora ? others[source] : [])],
  optional: true,
});
const bronze = {
  databricks_audit: paths('databricks_audit'),
  cloudtrail: paths('cloudtrail'),
  vpc_flow: paths('vpc_flow'),
  databricks_inbound_network: { path: join(made, 'databricks_inbound_network/*') },
  databricks_outbound_network: { path: join(made, 'databricks_outbound_network/*') },
};
const pipeline = pipelineOf(manifestOf(bronze));
const tables = [...new Set(tablesOf(pipeline).map((table) => table.name))];
const views = pipeline.views.map((view) => view.name);

const of = withCorpora
  ? 'samples, records of every class, mutated records and the corpora'
  : `samples, records of every class and mutated records (skipped: the corpora, for there is no ${shared})`;

onSpark(`the whole pipeline on Spark and on DuckDB, over the ${of}`, 1200, () => {
  let duck: Lakehouse;
  let lake: Lakehouse;
  let first: Awaited<ReturnType<Lakehouse['run']>>;
  beforeAll(async () => {
    await makeFiles();
    await emptyCatalog(await spark());
    duck = await open(everything({ type: 'duckdb', path: ':memory:', threads: 2 }, bronze));
    lake = await open(everything(sparkEngine(), bronze));
    const expected = await duck.run();
    first = await lake.run();
    expect(first.stages.filter((stage) => stage.error)).toEqual([]);
    expect(first.files).toEqual(expected.files);
    expect(first.alerts).toEqual(expected.alerts);
    const figures = (result: typeof first) => result.stages.map(({ seconds: _, ...rest }) => rest);
    expect(figures(first)).toEqual(figures(expected));
  });
  afterAll(async () => {
    await duck?.close();
    await lake?.close();
  });

  test.for([...tables, ...views, 'pipeline.quarantine'])('%s has the same rows', async (table) => {
    process.stderr.write(`${table}: ${await sameRows(duck, lake, table)} rows\n`);
  });

  test.for(tables.filter(holdsEvents))('%s has OCSF events only', async (table) => {
    for (const line of await linesOf(lake.query(`SELECT * FROM ${table}`)))
      expect(validateEvent(parseJson(line)), line).toEqual([]);
  });

  test('the ledger, the status and the quarantine say the same', async () => {
    await sameRows(duck, lake, 'pipeline.files');
    const [expected, found] = [await duck.status(), await lake.status()];
    const { runs: _, ...of } = expected;
    expect(found).toMatchObject({ ...of, sources: of.sources.map(({ lag_seconds: __, ...rest }) => rest) });
    const listed = async (one: Lakehouse) =>
      (await one.quarantine({ source: 'cloudtrail' })).map(({ run_id: __, at: ___, ...rest }) => rest);
    expect(await listed(lake)).toEqual(await listed(duck));
  });

  test('a plan and a second run find nothing to do', async () => {
    const planned = await lake.plan();
    expect(planned.stages.filter((stage) => stage.action !== 'nothing')).toEqual([]);
    const rebuilt = await lake.plan({ full: true, sql: true });
    expect(rebuilt.stages.filter((stage) => stage.action === 'rebuild').length).toBeGreaterThan(30);
    const again = await lake.run();
    expect(again.stages.filter((s) => s.rows_in + s.rows_out + s.rows_quarantined > 0)).toEqual([]);
    expect(again.files).toEqual({ new: 0, unchanged: first.files.new + first.files.unchanged, failed: 0 });
  });

  test('a replay of the quarantine and a backfill change nothing', async () => {
    const since = new Date('2026-11-05T00:00:00Z');
    const until = new Date('2026-11-05T12:00:00Z');
    const result = await lake.run({ replay: true, since, until, select: ['bronze.vpc_flow', 'silver.authentication'] });
    expect(result.stages.filter((stage) => stage.error)).toEqual([]);
    for (const table of ['bronze.vpc_flow', 'silver.authentication', 'pipeline.quarantine'])
      await sameRows(duck, lake, table);
  });
});
