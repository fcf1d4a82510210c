import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listFiles } from '../src/bronze/files.ts';
import { sources } from '../src/bronze/index.ts';
import { open, UserError } from '../src/index.ts';
import { checkManifest, readManifest } from '../src/manifest.ts';
import { folder, write } from './given/lakehouse.ts';

const warehouse = {
  type: 'databricks',
  host: 'dbc-1.cloud.databricks.com',
  path: '/sql/1.0/warehouses/a',
  catalog: 'c',
};
const good = {
  engine: { type: 'duckdb', path: 'lakehouse.duckdb' },
  bronze: { cloudtrail: { path: 'logs/*.json.gz' } },
  silver: 'all',
  gold: { detections: 'all', summaries: 'all' },
};

/** What is said of a manifest, which must be the user's mistake. */
function mistake(input: unknown, target?: string): string {
  try {
    checkManifest(input, 'pipelines.json', target);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message;
  }
  throw new Error('no mistake was found');
}
const one = (...lines: string[]): string => `pipelines.json has a mistake:\n  ${lines.join('\n  ')}`;

const SOURCES = Object.keys(sources)
  .map((name) => `"${name}"`)
  .join(', ');
const ofSource = (before: string) =>
  expect.stringMatching(new RegExp(`^.*\\n  ${before} Valid: "path", .*"format", "optional"`));
const KEYS = '"$schema", "engine", "bronze", "silver", "gold", "targets"';

describe('a mistake is named with its place and what would be right:', () => {
  test.each<[string, unknown, string]>([
    [
      'a misspelt source',
      { ...good, bronze: { cloudtrial: { path: 'x' } } },
      one(`bronze: unknown key "cloudtrial"; did you mean "cloudtrail"? Valid: ${SOURCES}`),
    ],
    [
      'a source that nothing resembles',
      { ...good, bronze: { okta: { path: 'x' } } },
      one(`bronze: unknown key "okta"; Valid: ${SOURCES}`),
    ],
    [
      'an unknown key at the top',
      { ...good, glod: {} },
      one(`the top level: unknown key "glod"; did you mean "gold"? Valid: ${KEYS}`),
    ],
    [
      'an unknown key of the engine',
      { ...good, engine: { ...good.engine, thread: 2 } },
      one('engine: unknown key "thread"; did you mean "threads"? Valid: "type", "path", "memory", "threads"'),
    ],
    [
      'an unknown key of a source',
      { ...good, bronze: { cloudtrail: { paht: 'x', path: 'x' } } },
      ofSource('bronze[.]cloudtrail: unknown key "paht"; did you mean "path"[?]'),
    ],
    [
      'an unknown key of gold',
      { ...good, gold: { ...good.gold, detection: 'all' } },
      one('gold: unknown key "detection"; did you mean "detections"? Valid: "detections", "summaries"'),
    ],
    [
      'an unknown key of a target',
      { ...good, targets: { prod: { silvr: 'all' } } },
      one('targets.prod: unknown key "silvr"; did you mean "silver"? Valid: "engine", "bronze", "silver", "gold"'),
    ],
    [
      'an unknown key inside a target',
      { ...good, targets: { prod: { bronze: { cloudtrail: { path: 'x', glob: 'y' } } } } },
      ofSource('targets[.]prod[.]bronze[.]cloudtrail: unknown key "glob";'),
    ],
    [
      'an expectation that there is none of',
      { ...good, bronze: { cloudtrail: { path: 'x', expect: { event_time_presnt: 'drop' } } } },
      expect.stringContaining(
        'bronze.cloudtrail.expect: unknown key "event_time_presnt"; did you mean "event_time_present"? Valid: ',
      ),
    ],
    [
      'what cannot become of a record without a time',
      { ...good, bronze: { cloudtrail: { path: 'x', expect: { event_time_present: 'warn' } } } },
      one('bronze.cloudtrail.expect.event_time_present: "warn"; Valid: "drop", "fail"'),
    ],
    [
      'a misspelt source of a target',
      { ...good, targets: { prod: { bronze: { vpcflow: { path: 'x' } } } } },
      one(`targets.prod.bronze: unknown key "vpcflow"; did you mean "vpc_flow"? Valid: ${SOURCES}`),
    ],
    [
      'an engine of no known type',
      { ...good, engine: { type: 'duckbd', path: 'x' } },
      one('engine.type: "duckbd"; did you mean "duckdb"? Valid: "duckdb", "spark", "databricks"'),
    ],
    [
      'an engine without a type',
      { ...good, engine: { path: 'x' } },
      one('engine.type: missing; Valid: "duckdb", "spark", "databricks"'),
    ],
    ['an engine without a path', { ...good, engine: { type: 'duckdb' } }, one('engine.path: missing; expected text')],
    [
      'a missing section',
      { ...good, silver: undefined },
      expect.stringMatching(
        /^pipelines.json has a mistake:\n {2}silver: missing; expected "all" or a list of "account_change", /,
      ),
    ],
    ['a text where an object belongs', { ...good, engine: 'duckdb' }, one('engine: expected an object')],
    [
      'a number for a path',
      { ...good, bronze: { cloudtrail: { path: 5 } } },
      one('bronze.cloudtrail.path: expected text or a list'),
    ],
    [
      'an empty path',
      { ...good, bronze: { cloudtrail: { path: '' } } },
      one('bronze.cloudtrail.path: must not be empty'),
    ],
    [
      'a size without a unit',
      { ...good, engine: { ...good.engine, memory: '2' } },
      one('engine.memory: a size such as "2GB"'),
    ],
    [
      'a duration in words',
      { ...good, engine: { ...warehouse, timeout: '30 minutes' } },
      one('engine.timeout: a duration such as "90s", "30m" or "2h"'),
    ],
    [
      'a secret in the manifest itself, which is not repeated',
      { ...good, engine: { ...warehouse, token: 'dapi0123' } },
      one('engine.token: expected an object'),
    ],
    ['no threads', { ...good, engine: { ...good.engine, threads: 0 } }, one('engine.threads: must be above 0')],
    ['a list instead of a manifest', [], one('the top level: expected an object')],
  ])('%s', (_, input, message) => {
    expect(mistake(input)).toEqual(message);
  });

  test('a misspelt class, rule or summary, with the near one and all valid ones', () => {
    expect(mistake({ ...good, silver: ['authentification'] })).toMatch(
      /^pipelines\.json has a mistake:\n {2}silver\.0: "authentification"; did you mean "authentication"\? Valid: .*"network_activity"/,
    );
    expect(mistake({ ...good, gold: { detections: ['root_console_logon'], summaries: 'all' } })).toMatch(
      /gold\.detections\.0: "root_console_logon"; did you mean "root_console_login"\? Valid: "access_key_for_another_user"/,
    );
    expect(mistake({ ...good, gold: { detections: 'all', summaries: 'al' } })).toMatch(
      /gold\.summaries: "al"; expected "all" or a list of "api_calls_hourly"/,
    );
    expect(mistake({ ...good, silver: 'some' })).toMatch(
      /silver: "some"; expected "all" or a list of "account_change", /,
    );
  });

  test('every mistake of a manifest at once', () => {
    const message = mistake({ ...good, engine: { type: 'duckdb' }, bronze: { okta: {} }, extra: 1 });
    expect(message).toMatch(/^pipelines\.json has \d mistakes:\n/);
    for (const part of ['engine.path: missing', 'unknown key "okta"', 'unknown key "extra"'])
      expect(message).toContain(part);
  });

  test('a secret as text, which must be the name of a variable', () => {
    const engine = { type: 'databricks', host: 'dbc.example.com', path: '/sql', catalog: 'main' };
    const message = mistake({ ...good, engine: { ...engine, token: 'dapi0123456789' } });
    expect(message).toContain('engine.token: ');
    expect(message).not.toContain('dapi0123456789');
    expect(checkManifest({ ...good, engine: { ...engine, token: { env: 'TOKEN' } } }, 'x').engine).toMatchObject({
      token: { env: 'TOKEN' },
    });
  });

  test('an unknown target, among the targets there are', () => {
    const targets = { staging: {}, prod: { silver: ['authentication'] } };
    expect(mistake({ ...good, targets }, 'pord')).toBe(
      'pipelines.json has no target "pord"; did you mean "prod"? Valid: "staging", "prod"',
    );
    expect(mistake(good, 'prod')).toBe('pipelines.json has no target "prod"; it names no targets');
    expect(mistake({ ...good, targets }, 'constructor')).toContain('has no target "constructor"');
  });
});

describe('a manifest file', () => {
  test('that is not there', async () => {
    await expect(readManifest('/nowhere/pipelines.json')).rejects.toThrow(
      new UserError(
        'There is no manifest /nowhere/pipelines.json; name one with --manifest FILE, or run where pipelines.json is.',
      ),
    );
  });

  test('that is a folder', async () => {
    const place = await folder();
    await expect(readManifest(place)).rejects.toThrow(UserError);
    await expect(readManifest(place)).rejects.toThrow(`Cannot read the manifest ${place}: EISDIR`);
  });

  test.each([
    ['{\n  "engine": {,\n}', 2],
    ['{\n  "engine": 1,\n  "silver": tru\n}', 3],
    ['{\n  "a": 1,\n}', 3],
    ["{\n  'a': 1\n}", 2],
    ['{\n  "a": 1 // no\n}', 2],
    ['{"a": x}', 1],
    ['{\n  "a": "two\nlines"\n}', 2],
    ['{\n  "a": 1\n', 3],
    ['', 1],
    ['{}\n{}', 2],
  ])('that is not JSON: %j', async (text, line) => {
    const [path = ''] = await write(await folder(), { 'pipelines.json': text });
    const refused = await readManifest(path).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(UserError);
    expect((refused as UserError).message).toContain(`${path}, line ${line}: not JSON: `);
    expect((refused as UserError).message).not.toContain('\n');
  });

  test('with a byte order mark is read', async () => {
    const [path = ''] = await write(await folder(), { 'pipelines.json': `\uFEFF${JSON.stringify(good)}` });
    expect(await readManifest(path)).toMatchObject({ engine: good.engine });
  });

  test('has paths relative to its own folder', async () => {
    const place = await folder();
    const [path = ''] = await write(place, { 'sub/pipelines.json': JSON.stringify(good) });
    expect((await readManifest(path)).folder).toBe(join(place, 'sub'));
  });
});

describe('a target', () => {
  const targets = { prod: { engine: { type: 'duckdb', path: 'prod.duckdb' }, silver: ['authentication'] } };

  test('replaces the sections that it gives and keeps the others', () => {
    const manifest = checkManifest({ ...good, targets }, '/etc/pipelines.json', 'prod');
    expect(manifest).toMatchObject({
      folder: '/etc',
      target: 'prod',
      engine: { path: 'prod.duckdb' },
      silver: ['authentication'],
      bronze: good.bronze,
      gold: good.gold,
    });
  });

  test('is not taken unless it is named', () => {
    expect(checkManifest({ ...good, targets }, 'pipelines.json')).toMatchObject({ engine: good.engine, silver: 'all' });
  });
});

describe('a catalog', () => {
  const engine = { type: 'databricks', host: 'dbc-1.cloud.databricks.com', path: '/sql/1.0/warehouses/a' };
  const catalog = { env: 'CATALOG_OF_A_TEST' };

  test('may come from the environment, and is missed where it is not set', () => {
    process.env.CATALOG_OF_A_TEST = 'security_dev';
    expect(checkManifest({ ...good, engine: { ...engine, catalog } }, 'p.json').engine.catalog).toBe('security_dev');
    delete process.env.CATALOG_OF_A_TEST;
    expect(mistake({ ...good, engine: { ...engine, catalog } })).toBe(
      'engine.catalog is to come from the environment variable CATALOG_OF_A_TEST, which is not set.',
    );
  });
});

describe('paths that lead nowhere', () => {
  const wrong = async (...paths: string[]): Promise<string> => {
    const place = await folder();
    await write(place, { 'logs/one.json': '{}', 'logs/sub/two.json': '{}' });
    const error = await listFiles('cloudtrail', paths, false, place).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message.replaceAll(place, '<folder>');
  };

  test('a missing file', async () => {
    expect(await wrong('logs/thre.json')).toBe(
      'bronze.cloudtrail.path "logs/thre.json" (in <folder>): there is no such file. Give a file, or a glob such as "logs/**/*.json.gz".',
    );
  });

  test('a folder where a file belongs', async () => {
    expect(await wrong('logs')).toContain('bronze.cloudtrail.path "logs" (in <folder>): there is no such file.');
  });

  test('a glob that matches nothing in a folder that is there', async () => {
    expect(await wrong('logs/**/*.gz')).toBe(
      'bronze.cloudtrail.path "logs/**/*.gz" (in <folder>): no file matches. The folder <folder>/logs is there; compare its file names with the glob, or set "optional": true if files may come later.',
    );
  });

  test('a glob below a folder that is missing', async () => {
    expect(await wrong('lgos/**/*.json')).toBe(
      'bronze.cloudtrail.path "lgos/**/*.json" (in <folder>): no file matches, for there is no folder <folder>/lgos.',
    );
  });

  test('one of several globs', async () => {
    expect(await wrong('logs/*.json', 'logs/*.gz')).toContain('bronze.cloudtrail.path "logs/*.gz"');
  });

  test('are no mistake where files are optional', async () => {
    const place = await folder();
    expect(await listFiles('cloudtrail', ['logs/**'], true, place)).toEqual([]);
  });

  test('and those that lead somewhere are listed once, in order', async () => {
    const place = await folder();
    const paths = await write(place, { 'b.json': '{}', 'a.json': '{}', 'sub/c.json': '{}' });
    const found = await listFiles('cloudtrail', ['**/*.json', 'b.json', '*.json'], false, place);
    expect(found.map(({ path }) => path)).toEqual([...paths].sort());
  });

  test('are refused before anything is written', async () => {
    const place = await folder();
    const [path = ''] = await write(place, { 'pipelines.json': JSON.stringify(good) });
    const lake = await open(path);
    await expect(lake.run()).rejects.toThrow(UserError);
    await expect(lake.engine.execute('SELECT * FROM pipeline.runs')).rejects.toThrow('does not exist');
    await lake.close();
  });
});

test('a lakehouse whose folder cannot be made is the mistake of the manifest', async () => {
  const [file = ''] = await write(await folder(), { file: '' });
  const refused = open({ ...good, engine: { type: 'duckdb', path: join(file, 'sub/lakehouse.duckdb') } });
  await expect(refused).rejects.toThrow(UserError);
  await expect(refused).rejects.toThrow(`Cannot make the folder of the lakehouse ${file}/sub/lakehouse.duckdb`);
});

test('the manifest of this project is right and names its schema', async () => {
  const path = new URL('../pipelines.json', import.meta.url).pathname;
  expect(JSON.parse(readFileSync(path, 'utf8')).$schema).toBe('./pipelines.schema.json');
  await expect(readManifest(path)).resolves.toMatchObject({ engine: { type: 'duckdb' } });
});
