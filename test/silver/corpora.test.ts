import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseJson } from '../../ocsf/json.ts';
import { schema } from '../../ocsf/schema.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { type Lakehouse, open } from '../../src/index.ts';
import { ask, count, folder, manifest, nothingOfGold, silverTables } from '../given/lakehouse.ts';
import { linesOf } from '../given/rows.ts';

const shared = fileURLToPath(new URL('../../../shared/', import.meta.url));
const present = existsSync(join(shared, 'corpora/README.md'));
if (!present) console.warn(`skipped: the real logs in ${shared}corpora are not here`);
const oracle = join(shared, 'ocsf/validate.mjs');
if (!existsSync(oracle)) console.warn(`skipped: the other validator needs ${oracle}`);

const corpora = (...paths: string[]): { path: string[] } => ({ path: paths.map((p) => join(shared, 'corpora', p)) });
const sources = {
  cloudtrail: corpora(
    'invictus-aws_dataset/*.json',
    'stratus-red-team/*.json',
    'traildiscover/logExamples/*',
    'umccr-cloudtrail-parquet/**/*.{json,json.gz}',
    'awsdocs/**/*.json',
    'splunk-security_content/*.json',
    'grafana-lambda-promtail/*.json*',
    'crowdsec-hub/**/*.log',
    'cloud-custodian-cwe/*.json',
    'plaso/*.jsonl',
    'panther-analysis/AWS.CloudTrail.tests.jsonl',
  ),
  databricks_audit: corpora(
    'ibm-universal-connectors-databricks/*.ndjson',
    'panther-analysis/Databricks.Audit.tests.jsonl',
  ),
  vpc_flow: corpora(
    'vector-vrl/*.log',
    'otel-contrib/**/*',
    'grafana-lambda-promtail/*.log.gz',
    'awsdocs/amazon-vpc-user-guide/flow-logs-records-examples.blocks.txt',
    'newrelic-aws-log-ingestion/*.json',
  ),
};
const PRODUCTS = { cloudtrail: 'CloudTrail', databricks_audit: 'Databricks', vpc_flow: 'Amazon VPC' };

describe.skipIf(!present)('the real logs', () => {
  let lake: Lakehouse;
  const exported = new Map<string, string[]>();

  beforeAll(async () => {
    lake = await open(await manifest(await folder(), { bronze: sources, gold: nothingOfGold }));
    const result = await lake.run();
    expect(result.stages.filter((stage) => stage.error !== undefined)).toEqual([]);
    expect(result.files.failed).toBe(0);
    for (const table of await silverTables(lake))
      exported.set(table, await linesOf(lake.query(`SELECT * FROM ${table}`)));
  });
  afterAll(() => lake?.close());

  test.each(Object.entries(PRODUCTS))('of %s are all in silver, each record in one class', async (source, product) => {
    const stored = await count(lake, `SELECT count(*) FROM bronze.${source}`);
    const rows = [...exported.values()].flat().filter((line) => {
      const { name } = JSON.parse(line).metadata.product;
      return name === product;
    });
    expect(stored).toBeGreaterThan(10);
    expect(rows.length).toBe(stored);
  });

  test('are accounted for, file by file, and what is in quarantine has its reason', async () => {
    const wrong = await ask(
      lake,
      'SELECT path FROM pipeline.files WHERE records <> stored + duplicates + quarantined + ignored',
    );
    expect(wrong).toEqual([]);
    expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(
      await count(lake, 'SELECT sum(quarantined) FROM pipeline.files'),
    );
    expect(await count(lake, "SELECT count(*) FROM pipeline.quarantine WHERE coalesce(reason, '') = ''")).toBe(0);
  });

  test('become OCSF without an error or a finding of lint', () => {
    const errors = new Map<string, string>();
    for (const [table, lines] of exported)
      for (const line of lines)
        for (const { level, kind, path, message } of validateEvent(parseJson(line), { lint: true }))
          errors.set(`${table} ${level} ${kind} ${path}`, `${message}: ${line}`);
    expect([...errors]).toEqual([]);
  });

  test.skipIf(!existsSync(oracle))(
    'are judged alike by the other validator, run over the exported NDJSON with --lint',
    async () => {
      const place = await folder();
      const files: string[] = [];
      for (const [table, lines] of exported) {
        if (lines.length === 0) continue;
        const file = join(place, `${table}.ndjson`);
        await writeFile(file, `${lines.join('\n')}\n`);
        files.push(file);
      }
      const args = [oracle, '--schema', join(shared, 'ocsf/ocsf-1.8.0.core.json'), '--lint', '--json', ...files];
      const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 1 << 28 });
      const theirs = JSON.parse(stdout) as Record<
        'errors' | 'warnings',
        { kind: string; path: string; count: number }[]
      > & {
        events: number;
        error_count: number;
      };
      const ours = new Map<string, number>();
      const all = [...exported.values()].flat();
      for (const line of all)
        for (const { kind, path } of validateEvent(parseJson(line), { lint: true }))
          ours.set(`${kind} ${path}`, (ours.get(`${kind} ${path}`) ?? 0) + 1);
      expect(theirs.events).toBe(all.length);
      expect(theirs.error_count).toBe(0);
      expect(theirs.warnings).toEqual([]);
      const counts = [...theirs.errors, ...theirs.warnings].map((one) => [`${one.kind} ${one.path}`, one.count]);
      expect(Object.fromEntries(counts)).toEqual(Object.fromEntries(ours));
    },
  );

  test('are all of the version of the schema', () => {
    const versions = new Set([...exported.values()].flat().map((line) => JSON.parse(line).metadata.version));
    expect([...versions]).toEqual([schema.version]);
  });
});
