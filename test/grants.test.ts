import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { grantStatements, grantsOf } from '../src/grants.ts';
import { grants, open } from '../src/index.ts';
import { checkManifest } from '../src/manifest.ts';
import { remoteFolder } from '../src/place.ts';
import { command } from './given/command.ts';
import { folder, write } from './given/lakehouse.ts';
import { grant, unity } from './warehouse/unity.ts';
import { Warehouse } from './warehouse/warehouse.ts';

const bronze = {
  databricks_audit: { path: '/Volumes/raw/logs/audit/**/*.json' },
  cloudtrail: { path: 's3://logs/AWSLogs/**/*.json.gz' },
  vpc_flow: { path: ['s3://logs/flows/', 's3://other/flows/*.gz'] },
};
const all = { silver: 'all', gold: { detections: 'all', summaries: 'all' } };
const engine = {
  type: 'databricks',
  host: 'dbc-1.cloud.databricks.com',
  path: '/sql/1.0/warehouses/a',
  catalog: 'security',
};

describe('what a manifest needs', () => {
  test('is written as GRANTs, those on one thing together, and the schemas come first', () => {
    expect(grantStatements(grantsOf(checkManifest({ engine, bronze, ...all }, 'pipelines.json')), 'me')).toEqual([
      'CREATE SCHEMA IF NOT EXISTS `security`.`pipeline`',
      'CREATE SCHEMA IF NOT EXISTS `security`.`gold`',
      'CREATE SCHEMA IF NOT EXISTS `security`.`bronze`',
      'CREATE SCHEMA IF NOT EXISTS `security`.`silver`',
      'GRANT USE CATALOG ON CATALOG `security` TO `me`',
      ...['pipeline', 'gold', 'bronze', 'silver'].map(
        (name) => `GRANT USE SCHEMA, CREATE TABLE, SELECT, MODIFY ON SCHEMA \`security\`.\`${name}\` TO \`me\``,
      ),
      'GRANT USE CATALOG ON CATALOG `raw` TO `me`',
      'GRANT USE SCHEMA ON SCHEMA `raw`.`logs` TO `me`',
      'GRANT READ VOLUME ON VOLUME `raw`.`logs`.`audit` TO `me`',
      'GRANT READ FILES ON EXTERNAL LOCATION `s3://logs/AWSLogs` TO `me`',
      'GRANT READ FILES ON EXTERNAL LOCATION `s3://logs/flows` TO `me`',
      'GRANT READ FILES ON EXTERNAL LOCATION `s3://other/flows` TO `me`',
    ]);
  });

  test('follows from the plan: a manifest that reads less needs less', () => {
    const { grants: few } = grantsOf(
      checkManifest({ engine, bronze: { cloudtrail: bronze.cloudtrail }, ...all }, 'pipelines.json'),
    );
    expect(few.filter((g) => g.on === 'VOLUME' || g.on === 'EXTERNAL LOCATION')).toEqual([
      { privilege: 'READ FILES', on: 'EXTERNAL LOCATION', name: 's3://logs/AWSLogs', why: 'reads bronze.cloudtrail' },
    ]);
  });

  test('cannot be said of another engine, nor of files on this machine', () => {
    const duckdb = { engine: { type: 'duckdb', path: ':memory:' }, bronze, ...all };
    expect(() => grantsOf(checkManifest(duckdb, 'pipelines.json'))).toThrow(/Grants are of Unity Catalog.*--target/);
    expect(() => remoteFolder('cloudtrail', 'samples/**/*.json')).toThrow(
      /bronze\.cloudtrail\.path .*no warehouse reads.*s3:/,
    );
  });

  test('a table as the source is to be read, and nothing else of where it stands', () => {
    const tables = { databricks_audit: { table: 'system.access.audit' } };
    const { grants: needed } = grantsOf(checkManifest({ engine, bronze: tables, ...all }, 'pipelines.json'));
    expect(
      needed.filter((g) => !g.name.startsWith('security')).map((g) => `${g.privilege} ON ${g.on} ${g.name}`),
    ).toEqual([
      'USE CATALOG ON CATALOG system',
      'USE SCHEMA ON SCHEMA system.access',
      'SELECT ON TABLE system.access.audit',
    ]);
  });

  test('a hostile principal stays a name', () => {
    const [, ...statements] = grantStatements(
      grantsOf(checkManifest({ engine, bronze, ...all }, 'p.json')),
      'a`; DROP',
    );
    expect(statements.at(-1)).toMatch(/ TO `a``; DROP`$/);
  });
});

describe('what is there', () => {
  let stand: Warehouse;
  let place: string;
  const run = (...args: string[]) => command(args, { cwd: place });
  beforeAll(async () => {
    stand = await Warehouse.start();
    await unity(stand);
    place = await folder();
    await write(place, { 'pipelines.json': JSON.stringify({ engine: stand.engine, bronze, ...all }) });
    Object.assign(process.env, stand.environment);
  }, 60_000);
  afterAll(() => stand[Symbol.asyncDispose]());

  test('grants prints statements without a connection, to the service principal of the environment', async () => {
    const { code, stdout } = await run('grants');
    expect(code).toBe(0);
    expect(stdout).toContain(
      `GRANT USE CATALOG ON CATALOG \`security\` TO \`${stand.environment.DATABRICKS_CLIENT_ID}\`;`,
    );
    expect(stdout).toMatch(/^-- Beside these, CAN USE on the SQL warehouse/m);
    expect(stdout).not.toContain(stand.environment.DATABRICKS_CLIENT_SECRET);
    expect(stand.requests).toEqual([]);
    const { stdout: json } = await run('grants', '--json', '--principal', 'other');
    expect(JSON.parse(json)).toMatchObject({
      principal: 'other',
      statements: expect.arrayContaining([expect.stringMatching(/TO `other`$/)]),
    });
  }, 60_000);

  test('--check prints what is missing, by the names of external locations, until it is there', async () => {
    const { DATABRICKS_CLIENT_ID: me } = stand.environment;
    const first = await run('grants', '--check');
    expect(first.code).toBe(1);
    expect(first.stdout).toContain(`GRANT READ FILES ON EXTERNAL LOCATION \`trail\` TO \`${me}\`;`);
    expect(first.stdout).toContain(`GRANT READ FILES ON EXTERNAL LOCATION \`all_logs\` TO \`${me}\`;`);
    expect(first.stdout).toContain(`GRANT READ FILES ON EXTERNAL LOCATION \`s3://other/flows\` TO \`${me}\`;`);

    const { grants: needed } = await grants({ engine: stand.engine, bronze, ...all });
    for (const { privilege, on, name } of needed)
      if (on !== 'EXTERNAL LOCATION') await grant(stand, on === 'VOLUME' ? 'soc' : me, on, name, privilege);
    await grant(stand, me, 'EXTERNAL LOCATION', 'trail', 'ALL PRIVILEGES');
    await stand.run("INSERT INTO unity.external_locations VALUES ('other', 's3://other/', 'soc')");
    const second = await run('grants', '--check', '--json');
    expect(JSON.parse(second.stdout)).toMatchObject({
      ok: false,
      statements: [`GRANT READ FILES ON EXTERNAL LOCATION \`all_logs\` TO \`${me}\``],
    });

    await grant(stand, me, 'EXTERNAL LOCATION', 'all_logs', 'READ FILES');
    const third = await run('grants', '--check');
    expect(third).toMatchObject({ code: 0, stdout: expect.stringMatching(/ has all \d+ grants\.\n$/) });
    await using lake = await open({ engine: stand.engine, bronze, ...all });
    await stand.run("DELETE FROM unity.schemata WHERE schema_name = 'gold'");
    expect(await lake.grants()).toMatchObject({ schemas: ['security.gold'], missing: [] });
  }, 120_000);
});
