import { cp, readdir, readFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { version } from '../src/version.ts';
import { alone, outside, plainly } from './given/bundled.ts';
import { manifest } from './given/lakehouse.ts';
import { root } from './staged.ts';
import { unity } from './warehouse/unity.ts';
import { Warehouse } from './warehouse/warehouse.ts';

const node = (place: string, args: readonly string[], environment?: Readonly<Record<string, string>>) =>
  plainly(place, [process.execPath, 'ocsf-medallion.mjs', ...args], environment);

const bronze = { cloudtrail: { path: 's3://logs/AWSLogs/**/*.json.gz' } };

describe('the bundle', () => {
  test('is one file that imports nothing but Node and, when they are needed, native packages', async () => {
    const { place, script } = await alone();
    expect(await readdir(place)).toEqual(['ocsf-medallion.mjs']);
    const imports = await outside();
    const named = (kind: string) => imports.filter((one) => one.kind === kind).map(({ path }) => path);
    for (const name of named('import-statement')) expect(builtinModules).toContain(name.replace('node:', ''));
    expect(named('dynamic-import').sort()).toEqual(['@duckdb/node-api', 'lz4-napi']);
    expect(await readFile(script, 'utf8')).not.toContain(root);
    expect(await node(place, ['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
  });

  test('makes logs and names what is wrong in a manifest, alone', async () => {
    const { place } = await alone();
    const made = await node(place, ['generate', '--out', 'logs', '--events', '50', '--json']);
    expect(JSON.parse(made.stdout)).toMatchObject({ damaged: 0 });
    await manifest(place, { silver: ['authentification'] });
    const { code, stderr } = await node(place, ['plan']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/did you mean "authentication"/);
  });

  test('takes in the samples on DuckDB with its package beside it, and raises alerts', async () => {
    const { place } = await alone('@duckdb');
    await cp(join(root, 'samples'), join(place, 'samples'), { recursive: true });
    await cp(join(root, 'pipelines.json'), join(place, 'pipelines.json'));
    const { code, stdout, stderr } = await node(place, ['run', '--json', '--log-format', 'json']);
    expect(stderr).not.toContain('Warning');
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ ok: true, files: { failed: 0 } });
    expect(result.alerts.new).toBeGreaterThan(10);
    const asked = await node(place, [
      'query',
      "SELECT DISTINCT severity FROM gold.alerts WHERE rule = 'cloudtrail_stopped'",
      '--json',
    ]);
    expect(JSON.parse(asked.stdout)).toEqual([{ severity: 'Critical' }]);
    const parquet = await node(place, ['export', 'silver.authentication', '--out', 'auth.parquet']);
    expect(parquet).toMatchObject({ code: 0, stderr: expect.stringMatching(/^\d+ rows to auth\.parquet\n$/) });
  });

  test('says what to install where DuckDB is needed and not there', async () => {
    const { place } = await alone();
    await manifest(place);
    const { code, stdout, stderr } = await node(place, ['run']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /^DuckDB is needed here and cannot be loaded: run "npm install @duckdb\/node-api@[\d.]+-r\.\d+" .*\(.*@duckdb\/node-api.*\)\n$/,
    );
  });
});

describe('the bundle alone, on a warehouse', () => {
  test('asks, and prints or keeps the rows', async () => {
    await using stand = await Warehouse.start();
    stand.answer({ pattern: /information_schema/, sql: "SELECT 'gold.findings' AS name" });
    stand.answer({ pattern: /AS nested/, sql: "SELECT 7 AS n, {'a': [1, 2]} AS nested" });
    const { place } = await alone();
    await manifest(place, { engine: stand.engine, bronze });
    const ask = (...more: string[]) => node(place, ['query', 'SELECT n, AS nested', ...more], stand.environment);
    const printed = await ask('--json');
    expect(printed.stderr).toBe('');
    expect(JSON.parse(printed.stdout)).toEqual([{ n: 7, nested: { a: [1, 2] } }]);
    expect(await ask('--out', 'rows.arrow')).toMatchObject({ code: 0, stderr: '' });
    const parquet = await ask('--out', 'rows.parquet');
    expect(parquet).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^DuckDB writes Parquet and cannot be loaded; every other format does without it\./,
      ),
    });
    expect((await readdir(place)).sort()).toEqual(['ocsf-medallion.mjs', 'pipelines.json', 'rows.arrow']);
    expect(stand.sessions).toBe(0);
  });

  test('reads compressed results with lz4-napi beside it', async () => {
    await using stand = await Warehouse.start({ compress: true });
    stand.answer({ pattern: /information_schema/, sql: "SELECT 'gold.findings' AS name" });
    const { place } = await alone('lz4-napi');
    await manifest(place, { engine: stand.engine, bronze });
    const statement = 'SELECT range AS n FROM range(3)';
    const { code, stdout } = await node(place, ['query', statement, '--format', 'ndjson'], stand.environment);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '{"n":0}\n{"n":1}\n{"n":2}\n' });
  });

  test('lists grants and says what is missing', async () => {
    await using stand = await Warehouse.start();
    await unity(stand);
    const { place } = await alone();
    await manifest(place, { engine: stand.engine, bronze });
    const { code, stdout } = await node(place, ['grants', '--principal', 'soc'], stand.environment);
    expect(code).toBe(0);
    expect(stdout).toContain('GRANT USE CATALOG ON CATALOG `security` TO `soc`');
    const checked = await node(place, ['grants', '--check'], stand.environment);
    expect(checked.code).toBe(1);
    expect(checked.stdout).toContain('USE CATALOG');
  });

  test('looks at everything that a run needs', async () => {
    await using stand = await Warehouse.start();
    await unity(stand);
    const { place } = await alone();
    await manifest(place, { engine: stand.engine, bronze });
    const { stdout } = await node(place, ['doctor', '--json'], stand.environment);
    const { engine, checks } = JSON.parse(stdout);
    expect(engine).toBe('databricks');
    const found = Object.fromEntries(checks.map((c: { name: string; ok: boolean }) => [c.name, c.ok]));
    expect(found).toMatchObject({ 'ocsf-medallion': true, connection: true, warehouse: true, grants: false });
  });
});
