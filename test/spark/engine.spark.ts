import { fileURLToPath } from 'node:url';
import type { RecordBatch } from 'apache-arrow';
import { expect, test } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import type { Engine } from '../../src/engine/engine.ts';
import { openSpark } from '../../src/engine/spark.ts';
import { linesOf } from '../given/rows.ts';
import { onSpark, spark, where } from './given.ts';

async function batches(engine: Engine, statement: string): Promise<RecordBatch[]> {
  const found: RecordBatch[] = [];
  for await (const batch of engine.query(statement)) found.push(batch);
  return found;
}

const TYPES: readonly (readonly [name: string, onDuckDB: string, onSpark: string])[] = [
  ['yes', 'TRUE', 'TRUE'],
  ['tiny', 'CAST(-128 AS TINYINT)', 'CAST(-128 AS TINYINT)'],
  ['small', 'CAST(-32768 AS SMALLINT)', 'CAST(-32768 AS SMALLINT)'],
  ['int', 'CAST(-2147483648 AS INTEGER)', 'CAST(-2147483648 AS INT)'],
  ['long', '-9223372036854775807', '-9223372036854775807L'],
  ['wide', '9007199254740993', '9007199254740993L'],
  ['real', 'CAST(1.5 AS FLOAT)', 'CAST(1.5 AS FLOAT)'],
  ['double', 'CAST(0.1 AS DOUBLE)', 'CAST(0.1 AS DOUBLE)'],
  ['decimal', 'CAST(-12.345 AS DECIMAL(20, 5))', 'CAST(-12.345 AS DECIMAL(20, 5))'],
  [
    'digits',
    'CAST(12345678901234567890123456789012345678 AS DECIMAL(38, 0))',
    'CAST(12345678901234567890123456789012345678 AS DECIMAL(38, 0))',
  ],
  ['text', `'é😀"''\\'`, `'é😀"\\'\\\\'`],
  ['empty', `''`, `''`],
  ['bytes', `'\\x00\\xFF'::BLOB`, `X'00FF'`],
  ['at', `TIMESTAMPTZ '2026-01-01 00:00:00.123456+02'`, `TIMESTAMP '2026-01-01 00:00:00.123456+02:00'`],
  ['before', `TIMESTAMPTZ '1969-12-31 23:59:59.9+00'`, `TIMESTAMP '1969-12-31 23:59:59.9Z'`],
  ['day', `DATE '1969-12-31'`, `DATE '1969-12-31'`],
  ['no_text', 'CAST(NULL AS VARCHAR)', 'CAST(NULL AS STRING)'],
  ['no_long', 'CAST(NULL AS BIGINT)', 'CAST(NULL AS BIGINT)'],
  ['no_time', 'CAST(NULL AS TIMESTAMPTZ)', 'CAST(NULL AS TIMESTAMP)'],
  ['no_decimal', 'CAST(NULL AS DECIMAL(5, 2))', 'CAST(NULL AS DECIMAL(5, 2))'],
];
const select = (at: 1 | 2): string => `SELECT ${TYPES.map((t) => `${t[at]} AS ${t[0]}`).join(', ')}`;

onSpark('the engine', 60, () => {
  test('gives the same Arrow schema and values as DuckDB, type by type', async () => {
    await using duck = await openDuckDB({ path: ':memory:', threads: 1 });
    const [expected, found] = [await batches(duck, select(1)), await batches(await spark(), select(2))];
    expect(String(found[0]?.schema)).toBe(String(expected[0]?.schema));
    async function* replay(given: readonly RecordBatch[]) {
      yield* given;
    }
    expect(await linesOf(replay(found))).toEqual(await linesOf(replay(expected)));
  });

  test('gives one empty batch with the schema for no rows, and numbers repeated names', async () => {
    const [batch, ...more] = await batches(await spark(), 'SELECT 1 AS a, true AS a, NULL AS n WHERE FALSE');
    expect(more).toEqual([]);
    expect(batch?.numRows).toBe(0);
    expect(batch?.schema.fields.map((f) => `${f.name} ${f.type}`)).toEqual(['a Int32', 'a:1 Bool', 'n Null']);
  });

  test('gives nested columns of the same Arrow types and values as DuckDB', async () => {
    await using duck = await openDuckDB({ path: ':memory:', threads: 1 });
    const onDuckDB = `SELECT * FROM (VALUES
      (1, ['a"', NULL, 'é😀'], MAP {'k': 9007199254740993, 'n': NULL}, {'a': TRUE, 'b': {'c': [TIMESTAMPTZ '2026-01-01 00:00:00.123456+00', NULL]}, 'd': 0.1::DOUBLE}),
      (2, NULL, NULL, NULL), (3, [], MAP {}, {'a': NULL, 'b': NULL, 'd': NULL})) AS t(n, l, m, s) ORDER BY n NULLS LAST`;
    const onSpark = `SELECT * FROM (VALUES
      (1, array('a"', NULL, 'é😀'), map('k', 9007199254740993, 'n', NULL), named_struct('a', TRUE, 'b', named_struct('c', array(TIMESTAMP '2026-01-01 00:00:00.123456Z', NULL)), 'd', 0.1D)),
      (2, NULL, NULL, NULL), (3, array(), map(), named_struct('a', NULL, 'b', NULL, 'd', NULL))) AS t(n, l, m, s) ORDER BY n NULLS LAST`;
    const [expected, found] = [await batches(duck, onDuckDB), await batches(await spark(), onSpark)];
    expect(String(found[0]?.schema)).toBe(String(expected[0]?.schema));
    async function* replay(given: readonly RecordBatch[]) {
      yield* given;
    }
    expect(await linesOf(replay(found))).toEqual(await linesOf(replay(expected)));
  });

  test('gives nested columns of repeated names, and of no rows', async () => {
    const [batch] = await batches(await spark(), 'SELECT array(1) AS a, 2 AS a WHERE FALSE');
    expect(batch?.numRows).toBe(0);
    expect(batch?.schema.fields.map((f) => `${f.name} ${f.type}`)).toEqual(['a List<Int32>', 'a:1 Int32']);
  });

  test('pages through a large result in order, with NULLs where they are', async () => {
    let rows = 0;
    let nulls = 0;
    let pages = 0;
    for await (const batch of (await spark()).query(
      `SELECT id, IF(id % 3 = 0, NULL, CAST(id AS STRING)) AS text FROM range(0, 100000, 1, 1)`,
    )) {
      pages++;
      const [ids, texts] = [batch.getChild('id'), batch.getChild('text')];
      for (let i = 0; i < batch.numRows; i++, rows++) {
        if (ids?.get(i) !== BigInt(rows)) throw new Error(`row ${rows} has id ${ids?.get(i)}`);
        const text = texts?.get(i);
        if (text === null) nulls++;
        else if (text !== String(rows)) throw new Error(`row ${rows} has text ${text}`);
      }
    }
    expect(rows).toBe(100_000);
    expect(nulls).toBe(33_334);
    expect(pages).toBeGreaterThan(1);
  });

  test('a reader that stops early leaves the session in order', async () => {
    const engine = await spark();
    for await (const batch of engine.query('SELECT * FROM range(100000)')) {
      expect(batch.numRows).toBeGreaterThan(0);
      break;
    }
    expect((await batches(engine, 'SELECT 1 AS one'))[0]?.get(0)?.toJSON()).toEqual({ one: 1 });
  });

  test('says how many rows Delta changed', async () => {
    const engine = await spark();
    await engine.execute('DROP TABLE IF EXISTS default.changes_of_rows');
    await engine.execute('CREATE TABLE default.changes_of_rows (a INT) USING DELTA');
    await engine.execute('INSERT INTO default.changes_of_rows VALUES (1), (2), (3)');
    const merge = `MERGE INTO default.changes_of_rows AS t USING (SELECT explode(array(3, 4, 5)) AS a) AS s ON t.a = s.a WHEN NOT MATCHED THEN INSERT *`;
    expect(await engine.execute(merge)).toBe(2);
    expect(await engine.execute(merge)).toBe(0);
    expect(await engine.execute('DELETE FROM default.changes_of_rows WHERE a < 3')).toBe(2);
    await engine.execute('DROP TABLE default.changes_of_rows');
  });

  test.for([
    [
      'SELECT * FROM nowhere',
      /^\[TABLE_OR_VIEW_NOT_FOUND\] The table or view `nowhere` cannot be found.*SQLSTATE: 42P01/s,
      false,
    ],
    ['SELEC 1', /^\[PARSE_SYNTAX_ERROR\] Syntax error at or near 'SELEC'. SQLSTATE: 42601/, false],
    ['SELECT 1 / 0', /^\[DIVIDE_BY_ZERO\] Division by zero.*SQLSTATE: 22012$/, true],
    [
      `SELECT CAST(x AS INT) FROM VALUES ('1'), ('y') AS t(x)`,
      /^\[CAST_INVALID_INPUT\] The value 'y'.*SQLSTATE: 22018$/,
      true,
    ],
    [`SELECT raise_error('in so\nmany words')`, /^\[USER_RAISED_EXCEPTION\] in so\nmany words SQLSTATE: P0001$/, false],
    [
      'SELECT nothing FROM VALUES (1) AS t(a)',
      /^\[UNRESOLVED_COLUMN.WITH_SUGGESTION\] .*`nothing`.*SQLSTATE: 42703/,
      false,
    ],
  ] as const)('%s is refused in the words of Spark, without its stack', async ([statement, message, ofData]) => {
    const error = await (await spark()).execute(statement).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'EngineError', statement, ofData, message: expect.stringMatching(message) });
    expect(String(error)).not.toMatch(/\tat |org\.apache|java\./);
  });

  test('a cancel stops the statement on the server too, and nothing more runs', async () => {
    const stop = new AbortController();
    await using engine = await openSpark({ ...where(), signal: stop.signal });
    const started = Date.now();
    setTimeout(() => stop.abort(), 1500);
    await expect(
      engine.execute('SELECT sum(length(md5(CAST(id AS STRING)))) FROM range(1000000000000)'),
    ).rejects.toThrow(/abort/);
    await expect(engine.execute('SELECT 1')).rejects.toThrow(/abort/);
    expect(Date.now() - started).toBeLessThan(30_000);
    const again = Date.now();
    await (await spark()).execute('SELECT count(*) FROM range(10)');
    expect(Date.now() - again).toBeLessThan(20_000);
  });

  test('nobody at the port, a certificate nobody knows and a wrong path are mistakes in the manifest', async () => {
    await expect(openSpark({ ...where(), port: 1 })).rejects.toThrow(/No Spark answers at .*npm run spark/);
    const { ca: _, ...untrusted } = where();
    await expect(openSpark(untrusted)).rejects.toThrow(/certificate of .* is not trusted: engine.ca is missing/);
    await expect(openSpark({ ...where(), ca: '/nowhere/ca.pem' })).rejects.toThrow(/Cannot read engine.ca/);
    await expect(openSpark({ ...where(), ca: fileURLToPath(import.meta.url) })).rejects.toThrow();
    await expect(openSpark({ ...where(), path: '/elsewhere' })).rejects.toThrow(/engine.path/);
  });

  test('the session is in UTC, minds case and refuses what overflows', async () => {
    const [batch] = await batches(
      await spark(),
      `SELECT current_timezone() AS zone, s.a AS a, s.A AS b FROM (SELECT named_struct('a', 1, 'A', 2) AS s)`,
    );
    expect(batch?.get(0)?.toJSON()).toEqual({ zone: 'UTC', a: 1, b: 2 });
    await expect((await spark()).execute('SELECT CAST(2147483648 AS INT)')).rejects.toThrow(/OVERFLOW/);
  });
});
