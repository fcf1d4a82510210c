import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Diagnosis, doctor, grants } from '../src/index.ts';
import { command } from './given/command.ts';
import { folder, write } from './given/lakehouse.ts';
import { grant, unity } from './warehouse/unity.ts';
import { Warehouse } from './warehouse/warehouse.ts';

const all = { silver: 'all', gold: { detections: 'all', summaries: 'all' } } as const;
const found = ({ checks }: Diagnosis) =>
  Object.fromEntries(checks.map((c) => [c.name, c.ok ? c.found : `NO: ${c.found}: ${c.advice}`]));

describe('on DuckDB', () => {
  test('says that everything is there, as a table and as JSON', async () => {
    const place = await folder();
    await write(place, { 'cloudtrail/a.json': '{}\n' });
    const bronze = { cloudtrail: { path: 'cloudtrail/*.json' } };
    const engine = { type: 'duckdb', path: 'lake.duckdb' };
    await write(place, { 'pipelines.json': JSON.stringify({ engine, bronze, ...all }) });
    const { code, stdout } = await command(['doctor'], { cwd: place });
    expect(code).toBe(0);
    expect(stdout).toMatch(/│ ok │ disk +│ .* can be written, .* free/);
    const json = await command(['doctor', '--json'], { cwd: place });
    expect(JSON.parse(json.stdout)).toMatchObject({ ok: true, target: null, engine: 'duckdb' });
    expect(Object.keys(found(JSON.parse(json.stdout)))).toEqual([
      'ocsf-medallion',
      'disk',
      'memory',
      'connection',
      'version',
      'bronze.cloudtrail',
    ]);
  }, 60_000);

  test('says what to do about files that are not there and more memory than there is', async () => {
    const place = await folder();
    const engine = { type: 'duckdb', path: join(place, 'deep/er/lake.duckdb'), memory: '100000GB' };
    const diagnosis = await doctor({ engine, bronze: { cloudtrail: { path: join(place, '*.json') } }, ...all });
    expect(diagnosis.ok).toBe(false);
    expect(found(diagnosis)).toMatchObject({
      memory: expect.stringMatching(/^NO: .*Set engine\.memory/),
      disk: expect.stringMatching(/can be written/),
      'bronze.cloudtrail': expect.stringMatching(/^NO: failed: bronze\.cloudtrail\.path .*no file matches/),
    });
  });

  test.skipIf(process.getuid?.() === 0)('says that a folder cannot be written', async () => {
    const place = await folder();
    await chmod(place, 0o500);
    const engine = { type: 'duckdb', path: join(place, 'lake.duckdb') };
    const diagnosis = await doctor({ engine, bronze: {}, ...all });
    expect(found(diagnosis).disk).toMatch(/^NO: failed: .* cannot be written \(EACCES\)/);
  });
});

describe('on Spark', () => {
  test('says what to do where nobody answers', async () => {
    const engine = { type: 'spark', host: 'localhost', port: 1, path: '/cliservice' };
    const diagnosis = await doctor({ engine, bronze: {}, ...all });
    expect(diagnosis).toMatchObject({ ok: false, engine: 'spark' });
    expect(found(diagnosis).connection).toMatch(/^NO: failed: No Spark answers at .*npm run spark/);
  });
});

describe('on Databricks', () => {
  const bronze = { cloudtrail: { path: 's3://logs/AWSLogs/**/*.json.gz' } };

  test('looks at the warehouse, the catalog, grants, clocks and addresses', async () => {
    await using stand = await Warehouse.start();
    await unity(stand);
    Object.assign(process.env, stand.environment);
    const manifest = { engine: stand.engine, bronze, ...all };
    const { grants: needed } = await grants(manifest);
    for (const { privilege, on, name } of needed)
      await grant(stand, 'soc', on, on === 'EXTERNAL LOCATION' ? 'trail' : name, privilege);
    const diagnosis = await doctor(manifest);
    expect(found(diagnosis)).toEqual({
      'ocsf-medallion': expect.stringMatching(/on Node/),
      connection: expect.stringMatching(/^databricks, in \d+ ms$/),
      warehouse: 'stand-in: serverless',
      version: '2026.40',
      'Unity Catalog': 'security in aws:eu-west-1:0000',
      grants: expect.stringMatching(/^all \d+ there$/),
      'time zone': 'Etc/UTC',
      clock: 'agree within a second',
      'bronze.cloudtrail': 's3://logs/AWSLogs can be read',
    });
    expect(diagnosis.ok).toBe(true);
  });

  test('says of each failure what to do', async () => {
    await using stand = await Warehouse.start();
    await unity(stand);
    Object.assign(process.env, stand.environment);
    await stand.run('DELETE FROM unity.catalogs');
    stand.fail('rest', { status: 404 });
    stand.answer({ pattern: /unix_millis/, sql: 'SELECT 1000 AS now' });
    stand.answer({ pattern: /current_timezone/, sql: "SELECT 'Europe/Paris' AS zone" });
    const diagnosis = await doctor({
      engine: stand.engine,
      bronze: { cloudtrail: { path: 'samples/*.json' } },
      ...all,
    });
    expect(found(diagnosis)).toMatchObject({
      warehouse: expect.stringMatching(/^NO: failed: HTTP 404/),
      'Unity Catalog': expect.stringMatching(/^NO: no catalog security .*CREATE CATALOG/),
      grants: expect.stringMatching(/^NO: failed: bronze\.cloudtrail\.path .*no warehouse reads/),
      'time zone': expect.stringMatching(/^NO: Europe\/Paris: /),
      clock: expect.stringMatching(/^NO: \d+ seconds apart: Set this machine's clock/),
      'bronze.cloudtrail': expect.stringMatching(/^NO: failed: .*no warehouse reads/),
    });
    const missing = await doctor({ engine: stand.engine, bronze, ...all });
    expect(found(missing).grants).toMatch(/^NO: missing: USE CATALOG on catalog security, .*: An owner of the catalog/);
  });

  test('an environment that is not set is a finding', async () => {
    const engine = {
      type: 'databricks',
      host: { env: 'NO_SUCH_VARIABLE' },
      path: '/sql/1.0/warehouses/a',
      catalog: 'c',
    };
    const diagnosis = await doctor({ engine, bronze, ...all });
    expect(found(diagnosis).connection).toMatch(/^NO: failed: engine\.host .*NO_SUCH_VARIABLE/);
  });
});
