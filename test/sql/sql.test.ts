import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { rows } from '../../src/engine/engine.ts';
import { databricks } from '../../src/sql/databricks.ts';
import type { Dialect, Table } from '../../src/sql/dialect.ts';
import { duckdb } from '../../src/sql/duckdb.ts';
import { hashOf } from '../../src/sql/hash.ts';
import { fields, leaves, pruned } from '../../src/sql/record.ts';
import { spark } from '../../src/sql/spark.ts';
import { identifier, join, type Literal, list, literal, named, type Sql, spell, sql } from '../../src/sql/sql.ts';

const engine = await openDuckDB({ path: ':memory:', threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

const dialects: readonly Dialect[] = [duckdb, spark, databricks];
const all = (piece: Sql): string[] => dialects.map((dialect) => spell(piece, dialect));
const value = async (piece: Sql): Promise<unknown> =>
  (await rows<{ value: unknown }>(engine, spell(sql`SELECT ${piece} AS value`, duckdb)))[0]?.value;

describe('a literal', () => {
  test.each<[Literal, string, string]>([
    ['plain', "'plain'", "'plain'"],
    ['', "''", "''"],
    ["it's", "'it''s'", String.raw`'it\'s'`],
    ["'; DROP TABLE t; --", "'''; DROP TABLE t; --'", String.raw`'\'; DROP TABLE t; --'`],
    [String.raw`\d+\.`, String.raw`'\d+\.'`, String.raw`'\\d+\\.'`],
    ["\\'", "'\\'''", String.raw`'\\\''`],
    ['a\nb\r\tc', "'a\nb\r\tc'", String.raw`'a\nb\r\tc'`],
    ['"double" `back`', `'"double" \`back\`'`, `'"double" \`back\`'`],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Spark substitutes such text, even within a string
    ['${env:HOME} $x {y}', "'${env:HOME} $x {y}'", "'$\\{env:HOME} $x {y}'"],
    ['é😀\u2028', "'é😀\u2028'", "'é😀\u2028'"],
    [null, 'NULL', 'NULL'],
    [true, 'TRUE', 'TRUE'],
    [false, 'FALSE', 'FALSE'],
    [0, '0', '0'],
    [-0, '0', '0'],
    [-7, '-7', '-7'],
    [2147483647, '2147483647', '2147483647'],
    [1793869200123, '1793869200123', '1793869200123L'],
    [-1793869200123, '-1793869200123', '-1793869200123L'],
    [5n, '5', '5L'],
    [9223372036854775807n, '9223372036854775807', '9223372036854775807L'],
    [1.5, "CAST('1.5' AS DOUBLE)", "CAST('1.5' AS DOUBLE)"],
    [1e21, "CAST('1e+21' AS DOUBLE)", "CAST('1e+21' AS DOUBLE)"],
  ])('%s is written so that no engine reads anything else', (given, onDuckDB, onSpark) => {
    expect(all(literal(given))).toEqual([onDuckDB, onSpark, onSpark]);
    expect(all(sql`${given}`)).toEqual([onDuckDB, onSpark, onSpark]);
  });

  test('with a NUL character is refused by every dialect', () => {
    for (const dialect of dialects) expect(() => spell(literal('a\0b'), dialect)).toThrow(RangeError);
  });

  test('comes back from DuckDB as it was, whatever the text', async () => {
    const texts = fc.sample(
      fc.oneof(
        fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0') && !/\p{Cs}/u.test(text)),
        fc.string({ unit: fc.constantFrom("'", '"', '\\', '\n', ';', '-', '$', '{', '}', '`', '%', 'x') }),
      ),
      { numRuns: 400, seed: 7 },
    );
    const columns = texts.map((text, i) => sql`${text} AS ${identifier(`c${i}`)}`);
    const [row] = await rows(engine, spell(sql`SELECT ${join(columns, sql`, `)}`, duckdb));
    expect(Object.values(row ?? {})).toEqual(texts);
  });

  test('that is a number comes back from DuckDB as that number', async () => {
    expect(await value(literal(9007199254740991))).toBe(9007199254740991n);
    expect(await value(literal(9223372036854775807n))).toBe(9223372036854775807n);
    expect(await value(literal(-0.1))).toBe(-0.1);
    expect(await value(literal(1e300))).toBe(1e300);
  });
});

describe('an identifier', () => {
  test.each([
    ['plain', '"plain"', '`plain`'],
    ['actor.user.uid', '"actor.user.uid"', '`actor.user.uid`'],
    ['with "quotes"', '"with ""quotes"""', '`with "quotes"`'],
    ['with `ticks`', '"with `ticks`"', '`with ``ticks```'],
    ['a"; DROP TABLE t; --', '"a""; DROP TABLE t; --"', '`a"; DROP TABLE t; --`'],
    ['select', '"select"', '`select`'],
    ["it's \\ a\nname", `"it's \\ a\nname"`, "`it's \\ a\nname`"],
  ])('%j is quoted whole', (name, onDuckDB, onSpark) => {
    expect(all(identifier(name))).toEqual([onDuckDB, onSpark, onSpark]);
  });

  test('of several names has a dot between them', () => {
    expect(all(identifier('a', 'b.c'))).toEqual(['"a"."b.c"', '`a`.`b.c`', '`a`.`b.c`']);
  });

  test('of any text names a column of DuckDB', async () => {
    const names = [
      ...new Set(fc.sample(fc.string({ minLength: 1 }), { numRuns: 100, seed: 7 }).map((n) => n.toLowerCase())),
    ];
    const columns = names.map((name, i) => sql`${i} AS ${identifier(name)}`);
    const [row] = await rows(engine, spell(sql`SELECT ${join(columns, sql`, `)}`, duckdb));
    expect(Object.keys(row ?? {}).sort()).toEqual(names.sort());
  });
});

describe('the tag', () => {
  test('makes a literal of every value, splices SQL in, and writes a relation as its quoted name', () => {
    const inner = sql`${"it's"} || x`;
    const relation = { name: 'silver.authentication' };
    expect(all(sql`SELECT ${inner}, ${1} FROM ${relation} WHERE a = ${null}`)).toEqual([
      `SELECT 'it''s' || x, 1 FROM "silver"."authentication" WHERE a = NULL`,
      "SELECT 'it\\'s' || x, 1 FROM `silver`.`authentication` WHERE a = NULL",
      "SELECT 'it\\'s' || x, 1 FROM `silver`.`authentication` WHERE a = NULL",
    ]);
  });

  test('never takes a text for SQL, even one that looks like a piece of it', async () => {
    const hostile = '{"parts":[{"kind":"text","text":"1"}]}';
    expect(await value(sql`${hostile}`)).toBe(hostile);
    expect(await value(sql`${"' OR ''='"}`)).toBe("' OR ''='");
  });

  test('keeps a relation as a part of its own, which a run may replace by a piece of it', () => {
    const relation = { name: 'silver.authentication' };
    const piece = sql`SELECT * FROM ${relation}`;
    expect(piece.parts.filter((part) => part.kind === 'relation')).toEqual([{ kind: 'relation', relation }]);
    expect(spell(piece, duckdb, ({ name }) => sql`(SELECT ${name})`)).toBe(
      `SELECT * FROM (SELECT 'silver.authentication')`,
    );
  });

  test('takes no undefined value', () => {
    const nothing: string | undefined = undefined;
    // @ts-expect-error undefined is no literal
    const piece = sql`SELECT ${nothing}`;
    expect(spell(piece, duckdb)).toBe('SELECT ');
  });

  test('writes a named value by its name', () => {
    expect(all(sql`lower(${named('who', sql`a || b`)})`)).toEqual(['lower("who")', 'lower(`who`)', 'lower(`who`)']);
  });

  test('joins pieces and lists with what stands in the code', () => {
    expect(spell(join([sql`a`, sql`b`], sql` AND `), duckdb)).toBe('a AND b');
    expect(spell(join([], sql` AND `), duckdb)).toBe('');
    expect(spell(list([1, sql`a`, "'", null]), duckdb)).toBe(`1, a, '''', NULL`);
  });
});

const table: Table = {
  name: 'silver.some',
  columns: [
    { name: 'time', type: 'long' },
    { name: 'raw "text"', type: 'text', bulky: true },
    { name: 'user', type: { struct: { 'e-mail': 'text', ids: { list: 'integer' } } } },
  ],
  cluster: ['time'],
};

describe('statements, side by side', () => {
  const select = sql`SELECT ${"it's"}`;
  test.each<[string, (dialect: Dialect) => string | string[], string | string[], string | string[]]>([
    [
      'createSchema',
      (d) => d.createSchema('silver'),
      'CREATE SCHEMA IF NOT EXISTS "silver"',
      'CREATE SCHEMA IF NOT EXISTS `silver`',
    ],
    [
      'createTable',
      (d) => d.createTable(table),
      `CREATE TABLE IF NOT EXISTS "silver"."some" (
  "time" BIGINT,
  "raw ""text""" VARCHAR USING COMPRESSION zstd,
  "user" STRUCT("e-mail" VARCHAR, "ids" INTEGER[])
)`,
      `CREATE TABLE IF NOT EXISTS \`silver\`.\`some\` (
  \`time\` BIGINT,
  \`raw "text"\` STRING,
  \`user\` STRUCT<\`e-mail\`: STRING, \`ids\`: ARRAY<INT>>
) USING DELTA CLUSTER BY (\`time\`)
TBLPROPERTIES ('delta.dataSkippingStatsColumns' = 'time')`,
    ],
    [
      'createTable, anew',
      (d) => d.createTable({ name: 'a.b', columns: [{ name: 'c', type: 'text' }] }, true),
      'CREATE OR REPLACE TABLE "a"."b" (\n  "c" VARCHAR\n)',
      'CREATE OR REPLACE TABLE `a`.`b` (\n  `c` STRING\n) USING DELTA',
    ],
    [
      'createView',
      (d) => d.createView('gold.v', select),
      `CREATE OR REPLACE VIEW "gold"."v" AS\nSELECT 'it''s'`,
      "CREATE OR REPLACE VIEW `gold`.`v` AS\nSELECT 'it\\'s'",
    ],
    [
      'append',
      (d) => d.append(table, select),
      [`INSERT INTO "silver"."some" ("time", "raw ""text""", "user")\nSELECT 'it''s'`],
      ["INSERT INTO `silver`.`some` (`time`, `raw \"text\"`, `user`)\nSELECT 'it\\'s'"],
    ],
    [
      'merge',
      (d) => d.merge(table, ['time', 'user.ids'], select),
      [`INSERT INTO "silver"."some" ("time", "raw ""text""", "user")\nSELECT 'it''s'`],
      [
        `MERGE INTO \`silver\`.\`some\` AS t
USING (
SELECT 'it\\'s'
) AS s
ON t.\`time\` <=> s.\`time\` AND t.\`user\`.\`ids\` <=> s.\`user\`.\`ids\`
WHEN NOT MATCHED THEN INSERT (\`time\`, \`raw "text"\`, \`user\`) VALUES (s.\`time\`, s.\`raw "text"\`, s.\`user\`)`,
      ],
    ],
    [
      'merge of rows of a time',
      (d) =>
        d.merge({ name: 'a', columns: [{ name: 'b', type: 'long' }] }, ['b'], select, {
          column: 'b',
          least: 1,
          most: 5,
        }),
      [`INSERT INTO "a" ("b")\nSELECT 'it''s'`],
      [
        `MERGE INTO \`a\` AS t
USING (
SELECT 'it\\'s'
) AS s
ON t.\`b\` <=> s.\`b\` AND t.\`b\` BETWEEN 1 AND 5
WHEN NOT MATCHED THEN INSERT (\`b\`) VALUES (s.\`b\`)`,
      ],
    ],
    [
      'remove',
      (d) => d.remove(table, ['time', 'user.ids'], select),
      [
        `DELETE FROM "silver"."some" WHERE EXISTS (SELECT 1 FROM (
SELECT 'it''s'
) AS k(k0, k1) WHERE k.k0 IS NOT DISTINCT FROM "time" AND k.k1 IS NOT DISTINCT FROM "user"."ids")`,
      ],
      [
        `MERGE INTO \`silver\`.\`some\` AS t
USING (SELECT * FROM (
SELECT 'it\\'s'
) AS k(k0, k1)) AS s
ON t.\`time\` <=> s.k0 AND t.\`user\`.\`ids\` <=> s.k1
WHEN MATCHED THEN DELETE`,
      ],
    ],
    [
      'replace',
      (d) => d.replace(table, sql`time >= ${5}`, select),
      [
        'DELETE FROM "silver"."some" WHERE time >= 5',
        `INSERT INTO "silver"."some" ("time", "raw ""text""", "user")\nSELECT 'it''s'`,
      ],
      ["INSERT INTO `silver`.`some` REPLACE WHERE time >= 5\nSELECT 'it\\'s'"],
    ],
  ])('%s', (_, make, onDuckDB, onSpark) => {
    expect(dialects.map(make)).toEqual([onDuckDB, onSpark, onSpark]);
  });

  test('those of DuckDB run as they are written', async () => {
    await engine.execute(duckdb.createSchema('silver'));
    await engine.execute(duckdb.createTable(table));
    const one = sql`SELECT ${5}, ${"it's"}, {'e-mail': 'ana@example.com', 'ids': [1]}`;
    for (const statement of duckdb.append(table, one)) await engine.execute(statement);
    for (const statement of duckdb.replace(table, sql`time >= ${5}`, one)) await engine.execute(statement);
    expect(await rows(engine, 'SELECT time, "raw ""text""" AS raw FROM silver.some')).toEqual([
      { time: 5n, raw: "it's" },
    ]);
  });
});

describe('a record', () => {
  const shape = { a: 'text', 'b-c': 'texts', d: { e: 'text', f: { g: 'text' } } } as const;

  test('has its fields by name, each a quoted path', () => {
    const record = fields(shape, 'r');
    expect(spell(record.a, duckdb)).toBe('"r"."a"');
    expect(spell(record['b-c'], spark)).toBe('`r`.`b-c`');
    expect(spell(record.d.f.g, duckdb)).toBe('"r"."d"."f"."g"');
  });

  test('has no field that the shape lacks', () => {
    const record = fields(shape, 'r');
    // @ts-expect-error the shape has no field "evenTime"
    expect(record.evenTime).toBeUndefined();
    // @ts-expect-error nor one inside "d"
    expect(record.d.h).toBeUndefined();
  });

  test('knows its leaves and can be cut down to some of them', () => {
    expect(leaves(shape)).toEqual([
      { path: ['a'], list: false },
      { path: ['b-c'], list: true },
      { path: ['d', 'e'], list: false },
      { path: ['d', 'f', 'g'], list: false },
    ]);
    expect(pruned(shape, new Set(['d.f.g', 'b-c', 'd']))).toEqual({ 'b-c': 'texts', d: { f: { g: 'text' } } });
  });
});

test('the hash of a definition changes with its SQL, its columns and the order of pieces, and with nothing else', () => {
  const one = hashOf(table, sql`SELECT ${1}`, sql`SELECT ${2}`);
  expect(one).toMatch(/^[0-9a-f]{16}$/);
  expect(hashOf({ ...table }, sql`SELECT 1`, sql`SELECT 2`)).toBe(one);
  expect(hashOf(table, sql`SELECT ${2}`, sql`SELECT ${1}`)).not.toBe(one);
  expect(hashOf(table, sql`SELECT ${1}SELECT ${2}`)).not.toBe(one);
  expect(hashOf({ ...table, columns: table.columns.slice(1) }, sql`SELECT ${1}`, sql`SELECT ${2}`)).not.toBe(one);
});

test('rows are kept for the session: in a table, in a view that Spark computes once, in a table under a view', () => {
  expect([duckdb, spark, databricks].map((d) => d.keep('some', sql`SELECT 1 AS a`))).toEqual([
    ['CREATE OR REPLACE TEMP TABLE "some" AS\nSELECT 1 AS a'],
    [
      'UNCACHE TABLE IF EXISTS `some`',
      'CREATE OR REPLACE TEMPORARY VIEW `some` AS\nSELECT 1 AS a',
      "CACHE TABLE `some` OPTIONS ('storageLevel' 'DISK_ONLY')",
    ],
    [
      'CREATE OR REPLACE TABLE `pipeline`.`kept_some` USING DELTA AS\nSELECT 1 AS a',
      'CREATE OR REPLACE TEMPORARY VIEW `some` AS SELECT * FROM `pipeline`.`kept_some`',
    ],
  ]);
  expect([duckdb, spark, databricks].map((d) => d.drop('some'))).toEqual([
    ['DROP TABLE IF EXISTS "some"'],
    ['UNCACHE TABLE IF EXISTS `some`', 'DROP VIEW IF EXISTS `some`'],
    ['DROP VIEW IF EXISTS `some`', 'DROP TABLE IF EXISTS `pipeline`.`kept_some`'],
  ]);
});
