import { readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import type { RecordBatch } from 'apache-arrow';
import { describe, expect, test } from 'vitest';
import { databricksOptions, missingGrant, openDatabricks } from '../../src/engine/databricks.ts';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { linesOf } from '../given/rows.ts';
import { batchesOf, hasty, optionsOf, warehouse } from '../warehouse/given.ts';
import { type Place, Warehouse, type WarehouseOptions } from '../warehouse/warehouse.ts';

const TYPES = `SELECT
  CASE WHEN i % 3 = 0 THEN NULL ELSE i % 2 = 0 END AS flag,
  CAST(i AS TINYINT) AS tiny, CAST(-i AS SMALLINT) AS small, CAST(i * 1000 AS INTEGER) AS int,
  CASE WHEN i % 4 = 0 THEN NULL ELSE 9007199254740993 + i END AS long,
  CAST(i + 0.5 AS FLOAT) AS real, i / 7 AS double,
  CAST(i + 0.12345 AS DECIMAL(20, 5)) AS decimal, CAST(12345678901234567890123456789012345678 AS DECIMAL(38, 0)) AS digits,
  CASE WHEN i % 5 = 0 THEN NULL ELSE 'é😀"' || i END AS text, '\\x00\\xFF'::BLOB AS bytes,
  TIMESTAMPTZ '2026-01-01 00:00:00.123456+02' + i * INTERVAL '1 second' AS at,
  TIMESTAMP '1969-12-31 23:59:59.9' AS wall, DATE '1969-12-31' AS day,
  CASE WHEN i % 6 = 0 THEN NULL ELSE {'a': i, 'b': {'c': 'x' || i, 'at': TIMESTAMPTZ '2026-01-01 00:00:00+00'}} END AS nested,
  CASE WHEN i % 7 = 0 THEN NULL ELSE [i, NULL, i + 1] END AS list,
  [{'k': 'v' || i, 'n': [1.5]}] AS structs,
  MAP {'k' || i: i, 'none': NULL} AS map, MAP {'m': [TIMESTAMPTZ '2026-01-01 00:00:00+00']} AS deep,
  1 AS a, TRUE AS a
  FROM range(100) t(i)`;

async function* replay(given: readonly RecordBatch[]) {
  yield* given;
}

const WAYS: readonly (readonly [string, WarehouseOptions])[] = [
  ['inline batches with the answer', {}],
  ['inline batches page by page', { direct: false, batchesPerPage: 1 }],
  ['LZ4 batches', { compress: true }],
  ['links to files', { filesFrom: 1 }],
  ['links to files, page by page, LZ4', { filesFrom: 1, compress: true, direct: false, batchesPerPage: 1 }],
];

describe('results come as Arrow', () => {
  test.for(WAYS)('%s have the same schema and values as on DuckDB, type by type', async ([, options]) => {
    await using duck = await openDuckDB({ path: ':memory:', threads: 1 });
    await using remote = await warehouse(options);
    const [expected, found] = [await batchesOf(duck, TYPES), await batchesOf(remote.engine, TYPES)];
    expect(found[0]?.schema.fields.map((f) => `${f} ${f.nullable}`)).toEqual(
      expected[0]?.schema.fields.map((f) => `${f} ${f.nullable}`),
    );
    expect(JSON.stringify(found[0]?.schema)).toBe(JSON.stringify(expected[0]?.schema));
    expect(await linesOf(replay(found))).toEqual(await linesOf(replay(expected)));
    expect(await linesOf(replay(found))).toHaveLength(100);
  });

  test.for(WAYS)('%s: no rows are one empty batch with the schema', async ([, options]) => {
    await using remote = await warehouse({ ...options, ...(options.filesFrom ? { filesFrom: 0 } : {}) });
    const [batch, ...more] = await batchesOf(
      remote.engine,
      "SELECT 1 AS a, [TIMESTAMPTZ '2026-01-01'] AS at WHERE FALSE",
    );
    expect(more).toEqual([]);
    expect(batch?.numRows).toBe(0);
    expect(batch?.schema.fields.map((f) => `${f.name} ${f.type}`)).toEqual([
      'a Int32',
      'at List<Timestamp<MICROSECOND, UTC>>',
    ]);
  });
});

const few = { rowsPerBatch: 500 };
const NUMBERS = 'SELECT i AS n FROM range(2000) t(i)';
async function sumOf(engine: Parameters<typeof batchesOf>[0], statement: string): Promise<[rows: number, sum: number]> {
  let [rows, sum] = [0, 0];
  for await (const batch of engine.query(statement)) {
    rows += batch.numRows;
    for (const value of batch.getChildAt(0) ?? []) sum += Number(value);
  }
  return [rows, sum];
}
const ALL: [number, number] = [2_000, (2_000 * 1_999) / 2];

describe('large results', () => {
  test.for(WAYS)('%s come whole and in order', async ([, options]) => {
    await using remote = await warehouse({ ...options, ...few, batchesPerPage: 1 });
    let next = 0n;
    for await (const batch of remote.engine.query(NUMBERS))
      for (const value of batch.getChildAt(0) ?? [])
        if (value !== next++) throw new Error(`${value} stands at ${next}`);
    expect(next).toBe(2_000n);
  });

  test.for(WAYS)('%s: rows beyond those that a batch announces are left out', async ([, options]) => {
    await using remote = await warehouse({ ...options, surplus: 1 });
    await expect(
      batchesOf(remote.engine, 'SELECT i FROM range(10) t(i)').then((b) => b.map((x) => x.numRows)),
    ).resolves.toEqual([9]);
  });

  test('a reader that stops early leaves the session in order', async () => {
    await using remote = await warehouse({ ...few, direct: false, batchesPerPage: 1 });
    for await (const batch of remote.engine.query(NUMBERS)) {
      expect(batch.numRows).toBeGreaterThan(0);
      break;
    }
    expect(await sumOf(remote.engine, NUMBERS)).toEqual(ALL);
    expect(remote.stand.statements.every((ran) => ran.closed)).toBe(true);
  });

  test.for([
    ['pages', {}, 'FetchResults', 2],
    ['files', { filesFrom: 1 }, 'file', 5],
  ] as const)(
    'no more than a few %s are fetched ahead of the reader, however large the result',
    async ([, options, place, most]) => {
      await using remote = await warehouse({ ...few, ...options, direct: false, batchesPerPage: 1 });
      remote.stand.answer({ pattern: /numbers/, sql: NUMBERS, times: 1_000_000 });
      let batches = 0;
      for await (const batch of remote.engine.query('SELECT * FROM numbers')) {
        expect(batch.numRows).toBe(500);
        if (++batches > 20) break;
        await pause(5);
        expect(remote.stand.asked(place)).toBeLessThanOrEqual(batches + most);
      }
    },
  );

  test('no credentials go to cloud storage', async () => {
    await using remote = await warehouse({ ...few, filesFrom: 1 });
    expect(await sumOf(remote.engine, NUMBERS)).toEqual(ALL);
    expect(remote.stand.asked('file')).toBeGreaterThan(1);
  });

  test('links that expire are asked for again, from the row on where they stand', async () => {
    await using remote = await warehouse({ ...few, filesFrom: 1, batchesPerPage: 2 });
    remote.stand.fail('file', { breaks: 'before' }, { status: 403 });
    expect(await sumOf(remote.engine, NUMBERS)).toEqual(ALL);
    remote.stand.fail('file', ...Array.from({ length: 20 }, () => ({ status: 403 })));
    await expect(sumOf(remote.engine, NUMBERS)).rejects.toThrow(/HTTP 403/);
  });
});

const PLACES: readonly Place[] = [
  'OpenSession',
  'ExecuteStatement',
  'GetOperationStatus',
  'GetResultSetMetadata',
  'FetchResults',
  'token',
  'file',
];
const FAULTS = [
  { status: 429, retryAfter: '0.01' },
  { status: 503, retryAfter: '0.01', said: 'TEMPORARILY_UNAVAILABLE: the warehouse is starting' },
  { status: 503 },
  { breaks: 'before' },
  { breaks: 'after' },
] as const;

describe('a passing fault is outlived', () => {
  test.for(PLACES)('at %s', async (place) => {
    await using stand = await Warehouse.start({
      ...few,
      direct: false,
      batchesPerPage: 1,
      ...(place === 'file' ? { filesFrom: 1 } : {}),
    });
    for (const fault of FAULTS) {
      if (place === 'token' && 'breaks' in fault && fault.breaks === 'after') continue;
      const before = stand.asked(place);
      stand.fail(place, fault, fault);
      await using engine = await openDatabricks(optionsOf(stand));
      expect(await sumOf(engine, NUMBERS), JSON.stringify(fault)).toEqual(ALL);
      expect(stand.asked(place), JSON.stringify(fault)).toBeGreaterThanOrEqual(before + 3);
    }
  });

  test('a lost page is asked for again by its first row', async () => {
    await using remote = await warehouse({ ...few, direct: false, batchesPerPage: 1 });
    remote.stand.fail('FetchResults', { breaks: 'after' }, { breaks: 'after' });
    expect(await sumOf(remote.engine, NUMBERS)).toEqual(ALL);
  });

  test('the wait is what Retry-After says in seconds', async () => {
    await using remote = await warehouse();
    remote.stand.fail('ExecuteStatement', { status: 429, retryAfter: '1' });
    const asked = remote.stand.requests.length;
    await remote.engine.execute('SELECT 1');
    const [first, second] = remote.stand.requests.slice(asked).filter(({ place }) => place === 'ExecuteStatement');
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeLessThan(5_000);
  });

  test('the driver makes no tries of its own', async () => {
    await using remote = await warehouse({ direct: false });
    const waits = { ...hasty, whole: 0 };
    await using engine = await openDatabricks(optionsOf(remote.stand, { waits }));
    remote.stand.fail('GetOperationStatus', { status: 503 });
    const before = remote.stand.asked('GetOperationStatus');
    await expect(engine.execute('SELECT 1')).rejects.toThrow(/HTTP 503/);
    expect(remote.stand.asked('GetOperationStatus')).toBe(before + 1);
  });
});

describe('a statement that is not repeatable', () => {
  const counting = async (stand: Warehouse): Promise<number> => {
    await using engine = await openDatabricks(optionsOf(stand));
    return (await sumOf(engine, 'SELECT count(*) FROM counted'))[1];
  };

  test.each([{ breaks: 'before' } as const, { breaks: 'after' } as const, { status: 503 }])(
    'is not sent again after %j, and the error says that it may have run',
    async (fault) => {
      await using remote = await warehouse();
      await remote.stand.run('CREATE TABLE counted (n INTEGER)');
      remote.stand.fail('ExecuteStatement', fault);
      await expect(remote.engine.execute('INSERT INTO counted VALUES (1)')).rejects.toThrow(
        /^Databricks (does not answer any more|refuses): .*The statement may have run: it was not sent again/,
      );
      expect(await counting(remote.stand)).toBe('breaks' in fault && fault.breaks === 'after' ? 1 : 0);
    },
  );

  test('is sent again where the warehouse did not take it', async () => {
    await using remote = await warehouse();
    await remote.stand.run('CREATE TABLE counted (n INTEGER)');
    remote.stand.fail('ExecuteStatement', { status: 429 }, { status: 503, retryAfter: '0.01' });
    await remote.engine.execute('INSERT INTO counted VALUES (1)');
    expect(await counting(remote.stand)).toBe(1);
  });
});

describe('who asks', () => {
  test('is a service principal, whose token is got anew when it is refused', async () => {
    await using remote = await warehouse();
    expect(remote.stand.asked('token')).toBe(1);
    await remote.engine.execute('SELECT 1');
    expect(remote.stand.asked('token')).toBe(1);
    remote.stand.expire();
    await remote.stand.run('CREATE TABLE counted (n INTEGER)');
    await remote.engine.execute('INSERT INTO counted VALUES (1)');
    expect(remote.stand.asked('token')).toBe(2);
    expect(remote.stand.statements.filter((s) => s.statement.startsWith('INSERT'))).toHaveLength(1);
  });

  test('may be the owner of a personal access token', async () => {
    await using stand = await Warehouse.start();
    await using engine = await openDatabricks(optionsOf(stand, { identity: { token: stand.personal } }));
    await engine.execute('SELECT 1');
    expect(stand.asked('token')).toBe(0);
  });

  test.each([
    [
      'a secret that has expired',
      { identity: { clientId: 'someone', clientSecret: 'hush-hush' } },
      /refuses the service principal .*secret has expired.*Make a new secret/,
    ],
    [
      'a token that was revoked',
      { identity: { token: 'hush-hush' } },
      /refuses the personal access token: it has expired or was revoked/,
    ],
    [
      'a wrong path',
      { path: '/sql/1.0/warehouses/other' },
      /has no SQL warehouse at \/sql\/1\.0\/warehouses\/other: copy "HTTP path"/,
    ],
    [
      'a wrong host',
      { host: 'nowhere.invalid' },
      /No workspace answers at https:\/\/nowhere\.invalid: check engine\.host/,
    ],
    ['a port where nobody listens', { port: 1 }, /No workspace answers .*check engine\.host/],
    ['a certificate that nobody knows', { ca: undefined }, /The certificate of .* is not trusted: .*engine\.ca/],
    ['a missing file of the authority', { ca: '/nowhere/ca.pem' }, /Cannot read engine\.ca/],
  ])('%s is a mistake that says what to do, without the secret', async (_, more, message) => {
    await using stand = await Warehouse.start();
    const error = await openDatabricks(optionsOf(stand, more)).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'UserError', message: expect.stringMatching(message) });
    expect(JSON.stringify(error) + String(error)).not.toContain('hush-hush');
  });

  test('is read from the environment alone', () => {
    const engine = {
      host: { env: 'TEST_HOST' },
      path: '/sql/1.0/warehouses/a',
      catalog: 'c',
      clientSecret: { env: 'TEST_SECRET' },
      clientId: { env: 'TEST_ID' },
    };
    expect(() => databricksOptions(engine, '.')).toThrow(
      /engine\.host is to come from the environment variable TEST_HOST/,
    );
    Object.assign(process.env, { TEST_HOST: 'https://dbc-1.cloud.databricks.com/', TEST_ID: 'id' });
    expect(() => databricksOptions(engine, '.')).toThrow(
      /engine\.clientSecret is to come from the environment variable TEST_SECRET/,
    );
    Object.assign(process.env, { TEST_SECRET: 'hush' });
    expect(databricksOptions({ ...engine, timeout: '30m' }, '.')).toMatchObject({
      host: 'dbc-1.cloud.databricks.com',
      port: 443,
      identity: { clientId: 'id', clientSecret: 'hush' },
      timeout: 1800,
    });
    expect(() => databricksOptions({ ...engine, host: 'http://dbc-1.cloud.databricks.com' }, '.')).toThrow(
      /the connection is HTTPS/,
    );
    expect(() => databricksOptions({ ...engine, path: 'warehouses/a' }, '.')).toThrow(/copy "HTTP path"/);
    for (const name of ['TEST_HOST', 'TEST_ID', 'TEST_SECRET']) delete process.env[name];
  });
});

describe('what a statement says', () => {
  test('its values go to named markers', async () => {
    await using remote = await warehouse();
    const values = { text: "it's :n", n: 7, wide: 9007199254740993n, yes: true, none: null, real: 1.5 };
    const found = [];
    for await (const batch of remote.engine.query(
      'SELECT :text AS t, :n AS n, :wide AS w, :yes AS y, :none AS x, :real AS r, 1::INTEGER AS c',
      values,
    ))
      for (const row of batch) found.push(row.toJSON());
    expect(found).toEqual([{ t: "it's :n", n: 7, w: 9007199254740993n, y: true, x: null, r: 1.5, c: 1 }]);
    expect(remote.stand.statements.at(-1)?.parameters).toEqual(values);
  });

  test('an error comes in the words of the warehouse, without its stack', async () => {
    await using remote = await warehouse();
    const error = await remote.engine.execute('SELECT * FROM nowhere').catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'EngineError', statement: 'SELECT * FROM nowhere' });
    expect(String(error)).toMatch(/Table with name nowhere does not exist/);
    expect(String(error)).not.toMatch(/\tat |org\.apache|java\./);
  });

  test('a missing grant is named', async () => {
    await using remote = await warehouse();
    remote.stand.fail('ExecuteStatement', {
      refuses:
        "[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have USE SCHEMA on Schema 'security.gold'. SQLSTATE: 42501",
      sqlState: '42501',
    });
    await expect(remote.engine.execute('SELECT 1')).rejects.toThrow(
      `Missing: GRANT USE SCHEMA ON SCHEMA \`security\`.\`gold\` TO \`${remote.stand.environment.DATABRICKS_CLIENT_ID}\`;`,
    );
    expect(missingGrant('PERMISSION_DENIED: no', '`me`')).toMatch(/grants --check/);
    expect(missingGrant('Division by zero', '`me`')).toBeUndefined();
  });

  test('a secret that a server sends back is not shown', async () => {
    await using remote = await warehouse();
    const secret = remote.stand.environment.DATABRICKS_CLIENT_SECRET;
    remote.stand.fail('ExecuteStatement', { refuses: `no use: ${secret}` }, { status: 418, said: `no use: ${secret}` });
    for (const _ of [1, 2]) {
      const error = await remote.engine.execute('SELECT 1').catch((thrown: unknown) => thrown);
      expect(String(error)).toMatch(/no use: \*\*\*/);
    }
  });

  test('a cancel reaches the warehouse, and nothing more runs', async () => {
    const stop = new AbortController();
    await using remote = await warehouse({}, { signal: stop.signal });
    remote.stand.answer({ pattern: /slow/, sql: 'SELECT 1', takes: 60_000 });
    setTimeout(() => stop.abort(), 50);
    await expect(remote.engine.execute('SELECT slow')).rejects.toThrow(/abort/);
    expect(remote.stand.statements).toMatchObject([{ statement: 'SELECT slow', cancelled: true, closed: true }]);
    await expect(remote.engine.execute('SELECT 1')).rejects.toThrow(/abort/);
    expect(remote.stand.statements).toHaveLength(1);
  });

  test('one that takes too long is cancelled', async () => {
    await using remote = await warehouse({}, { timeout: 1 });
    remote.stand.answer({ pattern: /slow/, sql: 'SELECT 1', takes: 60_000 });
    await expect(remote.engine.execute('SELECT slow')).rejects.toThrow(
      /^The statement took longer than 1 s and was cancelled: raise engine\.timeout/,
    );
    expect(remote.stand.statements).toMatchObject([{ cancelled: true, timeout: 1 }]);
    expect(await batchesOf(remote.engine, 'SELECT 1')).toHaveLength(1);
  });

  test('the session ends with the engine', async () => {
    await using stand = await Warehouse.start();
    const engine = await openDatabricks(optionsOf(stand));
    expect(stand.sessions).toBe(1);
    await engine[Symbol.asyncDispose]();
    expect(stand.sessions).toBe(0);
  });
});

test('the driver is pinned: its calls are used beneath its own rows', async () => {
  const { dependencies } = JSON.parse(await readFile(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(dependencies['@databricks/sql']).toBe('2.1.0');
});

describe('a catalog that is missing', () => {
  const missing = {
    refuses:
      "org.apache.hive.service.cli.HiveSQLException: [NO_SUCH_CATALOG_EXCEPTION] Catalog 'security' was not found",
    sqlState: '42704',
  };

  test('is made, and the session goes on in it, where that is asked for', async () => {
    await using stand = await Warehouse.start();
    stand.answer({ pattern: /^(CREATE|USE) CATALOG/, sql: 'SELECT 1 AS done' });
    stand.fail('OpenSession', missing);
    await using _ = await openDatabricks(optionsOf(stand, { makeCatalog: true }));
    expect(stand.statements.map(({ statement }) => statement)).toEqual([
      'CREATE CATALOG IF NOT EXISTS `security`',
      'USE CATALOG `security`',
    ]);
  });

  test('is a mistake that says who can make it, where that is refused', async () => {
    await using stand = await Warehouse.start();
    stand.fail('OpenSession', missing);
    stand.fail('ExecuteStatement', { refuses: 'PERMISSION_DENIED: User does not have CREATE CATALOG on Metastore' });
    await expect(openDatabricks(optionsOf(stand, { makeCatalog: true }))).rejects.toThrow(
      /There is no catalog security, and it cannot be made: an admin runs CREATE CATALOG `security`.*PERMISSION_DENIED/s,
    );
    expect(stand.asked('CloseSession')).toBe(1);
  });

  test('is a mistake for who only reads', async () => {
    await using stand = await Warehouse.start();
    stand.fail('OpenSession', missing);
    await expect(openDatabricks(optionsOf(stand))).rejects.toThrow(/Catalog 'security' was not found/);
    expect(stand.statements).toEqual([]);
  });
});
