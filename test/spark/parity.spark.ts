import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { triage } from '../../src/gold/triage.ts';
import {
  feedStatements,
  ownRows,
  type Pipeline,
  pipelineOf,
  preparation,
  rangeRows,
  routeStatement,
} from '../../src/plan.ts';
import { run } from '../../src/run.ts';
import { spark as dialect } from '../../src/sql/spark.ts';
import { emptyCatalog, manifestOf, onSpark, spark, texts } from './given.ts';

const shared = fileURLToPath(new URL('../../../shared/corpora', import.meta.url));
const samples = fileURLToPath(new URL('../../samples', import.meta.url));
const under = (folder: string, ...patterns: string[]) => ({ path: patterns.map((pattern) => join(folder, pattern)) });

const inputs = {
  samples: {
    databricks_audit: under(samples, 'databricks_audit/**/*.json*'),
    cloudtrail: under(samples, 'cloudtrail/**/*.json.gz'),
    vpc_flow: under(samples, 'vpc_flow/**/*.log.gz'),
  },
  corpora: {
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
  },
} as const;

const DIGITS = 10;

const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?\+00$/;

/** A timestamp as DuckDB writes one into JSON, in the way in which Spark does. */
const timeOf = (text: string): string => (TIME.test(text) ? new Date(text.replace('+00', 'Z')).toISOString() : text);

/** JSON that is kept as text, by its value: Spark writes 1.2E7 where DuckDB writes 12000000.0, and half an emoji at a time. */
function inner(text: string): unknown {
  try {
    return { json: canonical(parseJson(text)) };
  } catch {
    return text;
  }
}

/** A value with its keys in order, without NULL members, times in one spelling and fractions to ten digits. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value === 'string') return /^[[{]/.test(value) ? inner(value) : timeOf(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(DIGITS));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, v]) => v !== null)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([k, v]) => [k, canonical(v)]),
  );
}

const lines = (jsons: readonly string[]): string[] =>
  jsons.map((json) => JSON.stringify(canonical(parseJson(json)))).sort();

const onlyIn = (these: readonly string[], those: readonly string[]): string[] => {
  const left = new Map<string, number>();
  for (const line of those) left.set(line, (left.get(line) ?? 0) + 1);
  return these.filter((line) => {
    const n = left.get(line) ?? 0;
    left.set(line, n - 1);
    return n <= 0;
  });
};

/** Takes the same bronze rows through silver and gold on Spark. */
async function fill(engine: Engine, duck: Engine, pipeline: Pipeline, folder: string): Promise<void> {
  await emptyCatalog(engine);
  for (const statement of preparation(pipeline, [triage], dialect)) await engine.execute(statement);
  for (const stage of pipeline.bronze) {
    const file = join(folder, `${stage.source.source}.parquet`);
    await duck.execute(`COPY (SELECT * FROM ${stage.name}) TO '${file}' (FORMAT parquet)`);
    const columns = stage.table.columns.map((c) => dialect.quote(c.name)).join(', ');
    await engine.execute(`INSERT INTO ${stage.name} (${columns}) SELECT ${columns} FROM parquet.\`${file}\``);
    await engine.execute(routeStatement(stage, 0, Number.MAX_SAFE_INTEGER, dialect).replace('TEMP TABLE', 'TEMP VIEW'));
    for (const silver of pipeline.silver)
      for (const statement of feedStatements(silver, stage.source.source, dialect)) await engine.execute(statement);
  }
  for (const stage of pipeline.ranges)
    for (const statement of dialect.replace(stage.table, ownRows(stage, 'all'), rangeRows(stage, 'all', dialect)))
      await engine.execute(statement);
  for (const view of pipeline.views) await engine.execute(dialect.createView(view.name, view.select));
}

for (const [name, bronze] of Object.entries(inputs)) {
  const absent = name === 'corpora' && !existsSync(shared);
  const group = absent ? (_: string, __: () => void) => test.skip(`corpora (skipped: there is no ${shared})`) : onSpark;
  group(`DuckDB and Spark agree row for row on the ${name}`, () => {
    const pipeline = pipelineOf(manifestOf(bronze));
    let duck: Engine;
    let folder: string;
    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'ocsf-medallion-parity-'));
      const path = join(folder, 'lake.duckdb');
      duck = await openDuckDB({ path, threads: 2 });
      const result = await run(manifestOf(bronze, path), duck);
      expect(result.stages.filter((stage) => stage.error)).toEqual([]);
      await fill(await spark(), duck, pipeline, folder);
    });
    afterAll(async () => {
      await duck?.[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });

    const tables = [...pipeline.bronze, ...pipeline.silver, ...pipeline.ranges].map((stage) => stage.table.name);
    test.for([...new Set([...tables, ...pipeline.views.map((view) => view.name)])])('%s', async (table) => {
      const engine = await spark();
      const columns = table.startsWith('bronze.') ? 'uid, time, service, action, raw, hash, file, position' : '*';
      const expected = lines(
        await texts(duck, `SELECT CAST(to_json(t) AS VARCHAR) FROM (SELECT ${columns} FROM ${table}) AS t`),
      );
      const found = lines(
        await texts(
          engine,
          `SELECT to_json(struct(*), map('ignoreNullFields', 'false')) FROM (SELECT ${columns} FROM ${table}) AS t`,
        ),
      );
      process.stderr.write(`${name} ${table}: ${expected.length} rows\n`);
      const [duckOnly, sparkOnly] = [onlyIn(expected, found), onlyIn(found, expected)];
      expect({ rows: found.length, sparkOnly: sparkOnly.slice(0, 5), differing: sparkOnly.length }).toEqual({
        rows: expected.length,
        sparkOnly: duckOnly.slice(0, 5),
        differing: 0,
      });
    });
  });
}
