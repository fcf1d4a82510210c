import { readdirSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { tableFromIPC } from 'apache-arrow';
import { beforeAll, describe, expect, test } from 'vitest';
import { parseJson } from '../ocsf/json.ts';
import { validateEvent } from '../ocsf/validate.ts';
import { open } from '../src/index.ts';
import { command, type Done } from './given/command.ts';
import { folder, manifest, nothingOfGold, write } from './given/lakehouse.ts';

const VERBS = [
  'run',
  'plan',
  'compile',
  'quarantine',
  'status',
  'query',
  'export',
  'validate',
  'doctor',
  'grants',
  'generate',
];

const HOSTILE = 'ana\u001b[31m\u202e<b>\u0007';
const signIn = (eventID: string, more: object = {}): object => ({
  eventVersion: '1.11',
  eventTime: '2026-11-05T09:00:00Z',
  eventSource: 'signin.amazonaws.com',
  eventName: 'ConsoleLogin',
  eventID,
  awsRegion: 'eu-west-1',
  sourceIPAddress: '203.0.113.66',
  userIdentity: { type: 'Root', accountId: '123456789012', arn: 'arn:aws:iam::123456789012:root', userName: HOSTILE },
  responseElements: { ConsoleLogin: 'Success' },
  additionalEventData: { MFAUsed: 'Yes', note: null },
  ...more,
});
const few = {
  silver: ['authentication'],
  gold: { detections: ['root_console_login'], summaries: ['sign_ins_hourly'] },
};
const broken = '{"eventID":"e-9","note":"\u001b[2J", \n';

/** One lakehouse that has run; the tests that only read share it. */
let place: string;
let first: Done;
const run = (...args: string[]): Promise<Done> => command(args, { cwd: place });
beforeAll(async () => {
  place = await folder();
  await write(place, {
    'cloudtrail/a.json': `${JSON.stringify(signIn('e-1'))}\n${broken}${JSON.stringify(signIn('e-2', { eventTime: '2026-11-05T09:30:00Z' }))}\n`,
  });
  await manifest(place, few);
  first = await run();
}, 120_000);

const oneLine = (text: string): unknown => {
  expect(text.endsWith('\n')).toBe(true);
  expect(text.trimEnd().split('\n').length).toBe(1);
  return JSON.parse(text);
};

describe('help', () => {
  test('without a verb lists the verbs', async () => {
    const { code, stdout, stderr } = await run('--help');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const verb of VERBS) expect(stdout).toMatch(new RegExp(`^ {2}${verb} `, 'm'));
  });

  test.each(VERBS)('of %s shows an example that names it', async (verb) => {
    const { code, stdout } = await run(verb, '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(new RegExp(`Example:\n {2}npm run pipeline -- ${verb} `));
  });
});

describe('a mistake exits with 2, says what would be right, and shows no stack', () => {
  test.each<[string, string[], RegExp]>([
    ['an unknown verb', ['rnu'], /^There is no verb "rnu"; valid: run, plan, /],
    ['an unknown option', ['run', '--ful'], /unknown option '--ful'\n?.*(Did you mean --full\?|--help)/s],
    [
      'a wrong format',
      ['query', 'SELECT 1', '--format', 'xml'],
      /Allowed choices are table, json, ndjson, csv, arrow, parquet/,
    ],
    ['a number that is none', ['query', 'SELECT 1', '--max-rows', 'many'], /needs a whole number of at least 1/],
    ['a date that is none', ['run', '--since', 'yesterday'], /needs a date such as 2026-11-01T00:00:00Z/],
    [
      'a missing manifest',
      ['status', '--manifest', 'nowhere.json'],
      /^There is no manifest nowhere\.json; name one with --manifest FILE/,
    ],
    [
      'an unknown stage',
      ['run', '--select', 'gold.alert'],
      /--select gold\.alert: there is no stage "gold\.alert"; did you mean gold\.alerts\?/,
    ],
    [
      'an unknown table',
      ['export', 'silver.nothing'],
      /^There is no table "silver\.nothing"; valid: .*silver\.authentication/,
    ],
    ['a file without a known ending', ['export', 'gold.alerts', '--out', 'alerts.xls'], /its ending names no format/],
    [
      'a table to validate that is none',
      ['validate', '--table', 'gold.alerts'],
      /--table gold\.alerts: there is no such table; valid: gold\.findings, silver\.authentication/,
    ],
  ])('%s', async (_, args, message) => {
    const { code, stdout, stderr } = await run(...args);
    expect(stderr).toMatch(message);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('in the manifest is shown with its place', async () => {
    const other = await folder();
    await manifest(other, { ...few, bronze: { cloudtrial: { path: 'x' } } });
    const { code, stdout, stderr } = await command(['run', '--json'], { cwd: other });
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toMatch(
      /^pipelines\.json has a mistake:\n {2}bronze: unknown key "cloudtrial"; did you mean "cloudtrail"\?/,
    );
  });

  test('before there is a lakehouse names what to run first', async () => {
    const other = await folder();
    await manifest(other, few);
    const { code, stderr } = await command(['query', 'SELECT 1'], { cwd: other });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^There is no lakehouse .*lakehouse\.duckdb yet: run the pipeline first/);
    await expect(stat(join(other, 'lakehouse.duckdb'))).rejects.toThrow('ENOENT');
  });
});

describe('run', () => {
  test('is the verb where none is given: progress on stderr, figures and alerts on stdout', () => {
    expect(first.code).toBe(0);
    expect(first.stderr).toMatch(/^bronze\.cloudtrail: 1 files$/m);
    expect(first.stderr).toMatch(/^silver\.authentication: 2 rows in [0-9.]+ s$/m);
    expect(first.stdout).toMatch(/│ stage +│ rows in │ rows out │ quarantined │ seconds │/);
    expect(first.stdout).toMatch(/│ bronze\.cloudtrail +│ +3 │ +2 │ +1 │/);
    expect(first.stdout).toMatch(/^Files: 1 new, 0 unchanged, 0 failed\. New alerts: 2 \(2 High\)\.$/m);
    expect(first.stdout).toMatch(/│ 2026-11-05 09:00:00 +│ High +│ root_console_login +│/);
    expect(first.stdout).not.toContain('bronze.cloudtrail: ');
  });

  test('prints hostile text of a log escaped', () => {
    for (const text of [first.stdout, first.stderr]) expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(first.stdout).toContain('ana\\x1b[31m\\u202e<b>');
  });

  test('with nothing new says so, and --json leaves one object on stdout', async () => {
    const { code, stdout, stderr } = await run('run', '--json');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const result = oneLine(stdout) as { stages: object[] };
    expect(result).toEqual({
      run_id: expect.stringMatching(/^[0-9a-f-]{36}$/),
      ok: true,
      stages: expect.any(Array),
      files: { new: 0, unchanged: 1, failed: 0 },
      alerts: { new: 0, by_severity: {} },
    });
    for (const stage of result.stages)
      expect(stage).toEqual({
        name: expect.stringMatching(/^(bronze|silver|gold)\./),
        rows_in: expect.any(Number),
        rows_out: expect.any(Number),
        rows_quarantined: expect.any(Number),
        seconds: expect.any(Number),
      });
    expect((await run('run')).stdout).toMatch(
      /^Nothing new\.\nFiles: 0 new, 1 unchanged, 0 failed\. New alerts: 0\.\n$/,
    );
  });

  test('exits with 1 where a stage or a file fails, and still gives its figures', async () => {
    const other = await folder();
    await write(other, { 'cloudtrail/a.json': JSON.stringify(signIn('e-1')) });
    await manifest(other, { ...few, bronze: { cloudtrail: { path: ['cloudtrail/*', '/proc/self/mem'] } } });
    const { code, stdout, stderr } = await command(['run', '--json'], { cwd: other });
    expect(code).toBe(1);
    expect(oneLine(stdout)).toMatchObject({ ok: false, files: { new: 1, failed: 1 }, alerts: { new: 2 - 1 } });
    expect(stderr).toMatch(/^warning: \/proc\/self\/mem: cannot be read: /m);
  });
});

describe('plan', () => {
  test('says what would be done and why, and writes nothing, not even a lakehouse', async () => {
    const other = await folder();
    await write(other, { 'cloudtrail/a.json': JSON.stringify(signIn('e-1')) });
    await manifest(other, few);
    const { code, stdout, stderr } = await command(['plan'], { cwd: other });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/│ bronze\.cloudtrail +│ append +│ 1 new or changed files, \d+ bytes +│/);
    expect(stdout).toMatch(/\n1 new files, 0 unchanged\.\n$/);
    expect(readdirSync(other).sort()).toEqual(['cloudtrail', 'pipelines.json']);
  });

  test('as JSON and as SQL', async () => {
    const json = oneLine((await run('plan', '--full', '--json')).stdout) as {
      stages: { name: string; action: string }[];
    };
    expect(json.stages).toContainEqual(expect.objectContaining({ name: 'silver.authentication', action: 'rebuild' }));
    const { stdout } = await run('plan', '--full', '--sql');
    expect(stdout).toMatch(/^-- silver\.authentication: --full/m);
    expect(stdout).toMatch(/^INSERT INTO "silver"\."authentication"/m);
  });
});

describe('status', () => {
  test('shows runs, sources, tables, quarantine and alerts', async () => {
    const { code, stdout, stderr } = await run('status');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    for (const title of ['Runs', 'Sources', 'Tables', 'Quarantine', 'Alerts', 'Idle rules'])
      expect(stdout).toMatch(new RegExp(`^${title}`, 'm'));
    expect(stdout).toMatch(/│ root_console_login +│ High +│ 2 +│/);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });

  test('as JSON', async () => {
    const status = oneLine((await run('status', '--json')).stdout) as { sources: object[]; runs: object[] };
    expect(status.sources).toContainEqual(
      expect.objectContaining({
        source: 'cloudtrail',
        records: 3,
        stored: 2,
        quarantined: 1,
        newest_event: '2026-11-05T09:30:00.000Z',
      }),
    );
    expect(status.runs).toMatchObject([{ ok: true, error: null }]);
  });

  test('before the first run is empty and makes no lakehouse', async () => {
    const other = await folder();
    await manifest(other, few);
    const { code, stdout } = await command(['status', '--json'], { cwd: other });
    expect(code).toBe(0);
    expect(oneLine(stdout)).toMatchObject({ runs: [], sources: [], tables: [] });
    expect(readdirSync(other)).toEqual(['pipelines.json']);
  });
});

describe('quarantine', () => {
  test('lists what no table took, shows one of it, escaped, and gives JSON', async () => {
    const { code, stdout } = await run('quarantine');
    expect(code).toBe(0);
    expect(stdout).toMatch(/│ 1 │ cloudtrail │ .*a\.json │ 2 +│ malformed JSON/);
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(oneLine((await run('quarantine', '--json')).stdout)).toMatchObject([{ source: 'cloudtrail', position: 2 }]);
  });
});

describe('query', () => {
  const statement = 'SELECT metadata.uid AS uid, time, is_mfa FROM silver.authentication ORDER BY uid';

  test.each<[string, string[], string]>([
    [
      'a table',
      [],
      '┌─────┬───────────────┬────────┐\n│ uid │          time │ is_mfa │\n├─────┼───────────────┼────────┤\n│ e-1 │ 1793869200000 │ true   │\n│ e-2 │ 1793871000000 │ true   │\n└─────┴───────────────┴────────┘\n',
    ],
    ['CSV', ['--format', 'csv'], 'uid,time,is_mfa\r\ne-1,1793869200000,true\r\ne-2,1793871000000,true\r\n'],
    [
      'JSON',
      ['--json'],
      '[{"uid":"e-1","time":1793869200000,"is_mfa":true},\n{"uid":"e-2","time":1793871000000,"is_mfa":true}]\n',
    ],
    [
      'NDJSON, and no more rows than asked',
      ['--format', 'ndjson', '--max-rows', '1'],
      '{"uid":"e-1","time":1793869200000,"is_mfa":true}\n',
    ],
  ])('gives %s', async (_, options, expected) => {
    expect(await run('query', statement, ...options)).toEqual({ code: 0, stdout: expected, stderr: '' });
  });

  test('writes Arrow and Parquet files, by the ending of --out', async () => {
    expect((await run('query', statement, '--out', 'rows.arrow')).code).toBe(0);
    const table = tableFromIPC(await readFile(join(place, 'rows.arrow')));
    expect(table.numRows).toBe(2);
    expect(table.schema.names).toEqual(['uid', 'time', 'is_mfa']);
    expect((await run('query', statement, '--out', 'rows.parquet')).code).toBe(0);
    expect((await readFile(join(place, 'rows.parquet'))).subarray(0, 4).toString()).toBe('PAR1');
  });

  test('prints hostile text of a log escaped in a table, and as JSON escapes in NDJSON', async () => {
    const names = 'SELECT actor.user.name AS name FROM silver.authentication LIMIT 1';
    const { stdout } = await run('query', names);
    expect(stdout).toContain('ana\\x1b[31m\\u202e<b>\\x07');
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    const raw = await run('query', names, '--format', 'ndjson');
    expect(JSON.parse(raw.stdout)).toEqual({ name: HOSTILE });
    expect(raw.stdout).not.toContain('\u001b');
  });

  test('exits with 1 where the engine refuses the statement, with its words and no stack', async () => {
    const { code, stdout, stderr } = await run('query', 'SELECT nothing FROM silver.authentication');
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toMatch(/^Binder Error: Referenced column "nothing" not found/);
    expect(stderr).not.toMatch(/^\s+at /m);
  });

  test('cannot write: the lakehouse is opened for reading', async () => {
    const { code, stderr } = await run('query', 'DROP TABLE silver.authentication');
    expect(code).toBe(1);
    expect(stderr).toMatch(/read-only/);
  });
});

describe('a reader that goes away', () => {
  test('ends a query quietly', async () => {
    const endless = ['query', 'SELECT range AS n, repeat(chr(120), 200) AS x FROM range(200000)', '--format', 'ndjson'];
    const { code, stdout, stderr } = await command(endless, { cwd: place, read: 10 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout.length).toBeLessThan(10_000_000);
  });

  test('ends quietly what is printed at once too', async () => {
    const other = await folder();
    await write(other, { 'cloudtrail/a.json': JSON.stringify(signIn('e-1')) });
    await manifest(other);
    const { code, stderr } = await command(['plan', '--sql'], { cwd: other, read: 10 });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  });
});

describe('export', () => {
  test('of a silver table is OCSF JSON without nulls', async () => {
    const { code, stdout, stderr } = await run('export', 'silver.authentication');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBe(2);
    for (const line of lines) {
      expect(validateEvent(parseJson(line), { lint: true })).toEqual([]);
      const event = JSON.parse(line, (_, value: unknown) => {
        expect(value).not.toBeNull();
        if (typeof value === 'object' && value !== null) expect(Object.keys(value).length).toBeGreaterThan(0);
        return value;
      });
      expect(event.unmapped).toBeTypeOf('object');
    }
  });

  test('of the findings too', async () => {
    const { stdout } = await run('export', 'gold.findings');
    for (const line of stdout.trimEnd().split('\n')) expect(validateEvent(parseJson(line), { lint: true })).toEqual([]);
  });

  test('to a file says how many rows went where, on stderr', async () => {
    const done = await run('export', 'gold.sign_ins_hourly', '--out', 'summary.csv');
    expect(done).toEqual({ code: 0, stdout: '', stderr: '1 rows to summary.csv\n' });
    expect(await readFile(join(place, 'summary.csv'), 'utf8')).toMatch(/^time,hour,/);
  });
});

describe('validate', () => {
  test('finds nothing wrong with the silver rows and the findings', async () => {
    const { code, stdout, stderr } = await run('validate', '--lint');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/│ silver\.authentication +│ 2 +│ 0 +│ 0 +│/);
    expect(stdout).toMatch(/│ gold\.findings +│ 2 +│ 0 +│ 0 +│/);
  });

  test('exits with 1 where a row is wrong, and says what', async () => {
    const other = await folder();
    await write(other, { 'cloudtrail/a.json': JSON.stringify(signIn('e-1')) });
    const file = await manifest(other, { ...few, gold: nothingOfGold });
    const lake = await open(file);
    await lake.run();
    await lake.engine.execute('UPDATE silver.authentication SET activity_id = 77');
    await lake.close();
    const { code, stdout } = await command(['validate', '--json'], { cwd: other });
    expect(code).toBe(1);
    expect(oneLine(stdout)).toMatchObject({
      ok: false,
      tables: expect.arrayContaining([expect.objectContaining({ table: 'silver.authentication', events: 1 })]),
      problems: expect.arrayContaining([
        expect.objectContaining({
          level: 'error',
          kind: 'attribute_enum_value_unknown',
          path: 'activity_id',
          events: 1,
        }),
      ]),
    });
  });
});

describe('generate', () => {
  test('writes the same logs for the same seed, and its counts as JSON', async () => {
    const other = await folder();
    const options = ['--events', '300', '--seed', '7', '--no-story', '--json'];
    const { code, stdout, stderr } = await command(['generate', '--out', 'one', ...options], { cwd: other });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const counts = oneLine(stdout) as { records: number; files: number };
    expect(counts.records).toBe(300);
    const again = await command(['generate', '--out', 'two', ...options], { cwd: other });
    expect(again.stdout).toBe(stdout);
    const listed = (name: string): string[] =>
      readdirSync(join(other, name), { recursive: true, encoding: 'utf8' }).sort();
    expect(listed('two')).toEqual(listed('one'));
    expect(listed('one').filter((path) => /\.(json|gz)$/.test(path)).length).toBe(counts.files);
    const some = listed('one').filter((path) => path.endsWith('.json.gz'))[0] ?? '';
    expect(await readFile(join(other, 'one', some))).toEqual(await readFile(join(other, 'two', some)));
  });
});
