import { describe, expect, test } from 'vitest';
import { databricks } from '../../src/sql/databricks.ts';
import { duckdb } from '../../src/sql/duckdb.ts';
import type { Functions } from '../../src/sql/functions.ts';
import * as functions from '../../src/sql/functions.ts';
import { spark } from '../../src/sql/spark.ts';
import { call, identifier, literal, type Sql, spell, sql } from '../../src/sql/sql.ts';

const a = identifier<string>('a');
const b = identifier<string>('b');
const yes = sql<boolean>`a > 1`;
const shape = { a: 'text', 'b-c': 'texts', d: { 'e.f': 'text' } } as const;

/** How a piece is written; Databricks writes what Spark writes unless told. */
interface Row {
  readonly of: Sql;
  readonly duckdb: string;
  readonly spark: string;
  readonly databricks?: string;
}
type Rows = Readonly<Record<string, Row | readonly Row[]>>;

const {
  absent,
  and,
  boolean,
  coalesce,
  concat,
  dateTime,
  email,
  epochTime,
  equals,
  extractAll,
  fromJson,
  integer,
  ipAddress,
  isIn,
  isIpAddress,
  isJson,
  isNotNull,
  isNull,
  isoTime,
  isUuid,
  json,
  jsonField,
  jsonList,
  jsonOrText,
  jsonString,
  long,
  lookup,
  lower,
  matches,
  md5,
  not,
  nullIf,
  or,
  present,
  redacted,
  regexExtract,
  replaceAll,
  splitPart,
  startsWith,
  stepwise,
  toJson,
  uuid,
  when,
} = functions;

const SPARK_STRICT = "map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')";
const SPARK_PAIRED = String.raw`CASE WHEN regexp_like(${'`a`'}, '\\\\u[dD][89a-fA-F]') THEN regexp_like(${'`a`'}, '…') ELSE TRUE END`;
const SPARK_JSON = `(transform(from_json('[' || \`a\` || ',"' || md5(\`a\`) || '"]', 'ARRAY<STRING>', ${SPARK_STRICT}), (e, i) -> if(i = 0, '', e)) <=> array('', md5(\`a\`)) AND ${SPARK_PAIRED})`;
const DUCKDB_JSON = String.raw`(json_valid("a") AND CASE WHEN regexp_matches("a", '(?i)nan|inf|,\s*[\]}]') THEN NOT regexp_matches(regexp_replace("a", '"[^"\\]*(?:\\.[^"\\]*)*"', '""', 'g'), '(?i)nan|inf|,\s*[\]}]') ELSE TRUE END)`;
const A = '`a`';
const NO_PLACEHOLDER = ['-', 'n/a', 'nan', 'none', 'null', 'undefined']
  .map((word) => ` WHEN '${word}' THEN NULL`)
  .join('');
const SPARK_STRING = `CASE WHEN \`a\` IS NOT NULL THEN regexp_extract(to_json(array(\`a\`)), '(?s)^.(.*).$', 1) END`;

/** What mappings and rules call; `'…'` stands for a long pattern, whose effect evaluated.test.ts shows. */
const library: Rows = {
  absent: { of: absent, duckdb: 'NULL', spark: 'NULL' },
  and: { of: and(yes, isNull(a)), duckdb: '(a > 1 AND "a" IS NULL)', spark: '(a > 1 AND `a` IS NULL)' },
  or: { of: or(yes, isNull(a)), duckdb: '(a > 1 OR "a" IS NULL)', spark: '(a > 1 OR `a` IS NULL)' },
  not: { of: not(yes), duckdb: 'NOT coalesce(a > 1, FALSE)', spark: 'NOT coalesce(a > 1, FALSE)' },
  isNull: { of: isNull(a), duckdb: '"a" IS NULL', spark: '`a` IS NULL' },
  isNotNull: { of: isNotNull(a), duckdb: '"a" IS NOT NULL', spark: '`a` IS NOT NULL' },
  equals: [
    { of: equals(a, b), duckdb: '("a" = "b")', spark: '(`a` = `b`)' },
    { of: equals(a, "it's"), duckdb: `("a" = 'it''s')`, spark: "(`a` = 'it\\'s')" },
  ],
  isIn: [
    { of: isIn(a, ['x', 'y']), duckdb: `"a" IN ('x', 'y')`, spark: "`a` IN ('x', 'y')" },
    { of: isIn(a, []), duckdb: 'FALSE', spark: 'FALSE' },
    {
      of: isIn(a, ['x', 'y', 'z']),
      duckdb: `CASE WHEN "a" IS NOT NULL THEN CASE "a" WHEN 'x' THEN TRUE WHEN 'y' THEN TRUE WHEN 'z' THEN TRUE ELSE FALSE END END`,
      spark:
        "CASE WHEN `a` IS NOT NULL THEN CASE `a` WHEN 'x' THEN TRUE WHEN 'y' THEN TRUE WHEN 'z' THEN TRUE ELSE FALSE END END",
    },
  ],
  coalesce: [
    { of: coalesce(a, b), duckdb: 'coalesce("a", "b")', spark: 'coalesce(`a`, `b`)' },
    { of: coalesce(a), duckdb: '"a"', spark: '`a`' },
  ],
  nullIf: [
    { of: nullIf(a, '-'), duckdb: `nullif("a", '-')`, spark: "nullif(`a`, '-')" },
    {
      of: nullIf(a, '', '-'),
      duckdb: `CASE "a" WHEN '' THEN NULL WHEN '-' THEN NULL ELSE "a" END`,
      spark: "CASE `a` WHEN '' THEN NULL WHEN '-' THEN NULL ELSE `a` END",
    },
  ],
  lower: { of: lower(a), duckdb: 'lower("a")', spark: 'lower(`a`)' },
  concat: { of: concat(a, literal(': '), b), duckdb: `("a" || ': ' || "b")`, spark: "(`a` || ': ' || `b`)" },
  splitPart: { of: splitPart(a, ':', 2), duckdb: `split_part("a", ':', 2)`, spark: "split_part(`a`, ':', 2)" },
  regexExtract: {
    of: regexExtract(a, '(\\d+)$', 1),
    duckdb: String.raw`nullif(regexp_extract("a", '(\d+)$', 1), '')`,
    spark: String.raw`nullif(regexp_extract(${'`a`'}, '(\\d+)\\z', 1), '')`,
  },
  matches: {
    of: matches(a, '^[.]x\\.'),
    duckdb: String.raw`regexp_matches("a", '^[.]x\.')`,
    spark: String.raw`regexp_like(${'`a`'}, '^[.]x\\.')`,
  },
  startsWith: { of: startsWith(a, 'x'), duckdb: `starts_with("a", 'x')`, spark: "startswith(`a`, 'x')" },
  md5: { of: md5(a), duckdb: 'md5("a")', spark: 'md5(`a`)' },
  when: [
    {
      of: when([
        [yes, literal('x')],
        [isNull(a), literal('y')],
      ]),
      duckdb: `CASE WHEN a > 1 THEN 'x' WHEN "a" IS NULL THEN 'y' END`,
      spark: "CASE WHEN a > 1 THEN 'x' WHEN `a` IS NULL THEN 'y' END",
    },
    {
      of: when([[yes, a]], b),
      duckdb: 'CASE WHEN a > 1 THEN "a" ELSE "b" END',
      spark: 'CASE WHEN a > 1 THEN `a` ELSE `b` END',
    },
  ],
  lookup: [
    {
      of: lookup(a, { x: 1, "y'": 2 }),
      duckdb: `CASE "a" WHEN 'x' THEN 1 WHEN 'y''' THEN 2 END`,
      spark: "CASE `a` WHEN 'x' THEN 1 WHEN 'y\\'' THEN 2 END",
    },
    {
      of: lookup(a, { x: 1 }, literal(99)),
      duckdb: `coalesce(CASE "a" WHEN 'x' THEN 1 END, 99)`,
      spark: "coalesce(CASE `a` WHEN 'x' THEN 1 END, 99)",
    },
  ],
  boolean: {
    of: boolean(a),
    duckdb: `CASE lower("a") WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END`,
    spark: "CASE lower(`a`) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END",
  },
  integer: {
    of: integer(a),
    duckdb: String.raw`CASE WHEN regexp_matches("a", '^[+-]?([0-9]{1,19}|[0-9]{1,16}\.0+)$') THEN try_cast(split_part("a", '.', 1) AS INT)
        WHEN regexp_matches("a", '^-?[1-9]\.[0-9]{1,15}E([7-9]|1[0-5])$') THEN CASE WHEN try_cast("a" AS DOUBLE) % 1 = 0 THEN try_cast(try_cast("a" AS DOUBLE) AS INT) END END`,
    spark: String.raw`CASE WHEN regexp_like(${A}, '^[+-]?([0-9]{1,19}|[0-9]{1,16}\\.0+)\\z') THEN try_cast(split_part(${A}, '.', 1) AS INT)
        WHEN regexp_like(${A}, '^-?[1-9]\\.[0-9]{1,15}E([7-9]|1[0-5])\\z') THEN CASE WHEN try_cast(${A} AS DOUBLE) % 1 = 0 THEN try_cast(try_cast(${A} AS DOUBLE) AS INT) END END`,
  },
  long: {
    of: long(a),
    duckdb: String.raw`CASE WHEN regexp_matches("a", '^[+-]?([0-9]{1,19}|[0-9]{1,16}\.0+)$') THEN try_cast(split_part("a", '.', 1) AS BIGINT)
        WHEN regexp_matches("a", '^-?[1-9]\.[0-9]{1,15}E([7-9]|1[0-5])$') THEN CASE WHEN try_cast("a" AS DOUBLE) % 1 = 0 THEN try_cast(try_cast("a" AS DOUBLE) AS BIGINT) END END`,
    spark: String.raw`CASE WHEN regexp_like(${A}, '^[+-]?([0-9]{1,19}|[0-9]{1,16}\\.0+)\\z') THEN try_cast(split_part(${A}, '.', 1) AS BIGINT)
        WHEN regexp_like(${A}, '^-?[1-9]\\.[0-9]{1,15}E([7-9]|1[0-5])\\z') THEN CASE WHEN try_cast(${A} AS DOUBLE) % 1 = 0 THEN try_cast(try_cast(${A} AS DOUBLE) AS BIGINT) END END`,
  },
  epochTime: {
    of: epochTime(a, 1000),
    duckdb: `CASE WHEN regexp_matches("a", '^[0-9]{1,12}$') THEN try_cast("a" AS BIGINT) * 1000 END`,
    spark: "CASE WHEN regexp_like(`a`, '^[0-9]{1,12}\\\\z') THEN try_cast(`a` AS BIGINT) * 1000 END",
  },
  isoTime: {
    of: isoTime(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN epoch_ms(try_cast("a" AS TIMESTAMPTZ))
        WHEN regexp_matches("a", '…') THEN epoch_ms(try_cast(concat_ws('', substring("a", 1, 4), '-', substring("a", 5, 2), '-', substring("a", 7, 5), ':', substring("a", 12, 2), ':', substring("a", 14, 3)) AS TIMESTAMPTZ)) END`,
    spark: `CASE WHEN regexp_like(\`a\`, '…') THEN unix_millis(try_cast(\`a\` AS TIMESTAMP))
        WHEN regexp_like(\`a\`, '…') THEN unix_millis(try_cast(concat_ws('', substring(\`a\`, 1, 4), '-', substring(\`a\`, 5, 2), '-', substring(\`a\`, 7, 5), ':', substring(\`a\`, 12, 2), ':', substring(\`a\`, 14, 3)) AS TIMESTAMP)) END`,
  },
  dateTime: {
    of: dateTime(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN "a" END`,
    spark: "CASE WHEN regexp_like(`a`, '…') THEN `a` END",
  },
  ipAddress: {
    of: ipAddress(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN "a" WHEN regexp_matches("a", '…') THEN CANONICAL END`,
    spark: 'CASE WHEN regexp_like(`a`, ' + "'…'" + ') THEN `a` WHEN regexp_like(`a`, ' + "'…'" + ') THEN CANONICAL END',
  },
  isIpAddress: {
    of: isIpAddress(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN "a" WHEN regexp_matches("a", '…') THEN "a" END IS NOT NULL`,
    spark: "CASE WHEN regexp_like(`a`, '…') THEN `a` WHEN regexp_like(`a`, '…') THEN `a` END IS NOT NULL",
  },
  isJson: { of: isJson(a), duckdb: DUCKDB_JSON, spark: SPARK_JSON },
  present: {
    of: present(a),
    duckdb: String.raw`CASE WHEN "a" < '!' OR "a" LIKE '% ' OR "a" LIKE '%${'\n'}' OR "a" LIKE '%${'\t'}' OR "a" LIKE '%${'\r'}' THEN CASE WHEN NOT regexp_matches("a", '(?i)^\s*(-|n/a|nan|none|null|undefined)?\s*$') THEN regexp_replace("a", '^\s+|\s+$', '', 'g') END
      WHEN strlen("a") <= 9 THEN CASE lower("a")${NO_PLACEHOLDER} ELSE "a" END ELSE "a" END`,
    spark: String.raw`CASE WHEN ${A} < '!' OR ${A} LIKE '% ' OR ${A} LIKE '%\n' OR ${A} LIKE '%\t' OR ${A} LIKE '%\r' THEN CASE WHEN NOT regexp_like(${A}, '(?i)^\\s*(-|n/a|nan|none|null|undefined)?\\s*\\z') THEN regexp_replace(${A}, '^\\s+|\\s+\\z', '') END
      WHEN octet_length(${A}) <= 9 THEN CASE lower(${A})${NO_PLACEHOLDER} ELSE ${A} END ELSE ${A} END`,
  },
  replaceAll: {
    of: replaceAll(a, '([0-9]+)', '<$1>'),
    duckdb: String.raw`regexp_replace("a", '([0-9]+)', '<\1>', 'g')`,
    spark: "regexp_replace(`a`, '([0-9]+)', '<$1>')",
  },
  extractAll: {
    of: extractAll(a, 'i-([0-9]+)', 1),
    duckdb: `list_sort(list_distinct(regexp_extract_all("a", 'i-([0-9]+)', 1)))`,
    spark: "array_sort(array_distinct(regexp_extract_all(`a`, 'i-([0-9]+)', 1)))",
  },
  stepwise: {
    of: stepwise(a, lower, (e) => concat(e, e)),
    duckdb: `list_transform(coalesce(list_transform(coalesce(["a"], []), lambda e: lower("e")), []), lambda e: ("e" || "e"))[1]`,
    spark:
      'try_element_at(transform(coalesce(transform(coalesce(array(`a`), array()), e -> lower(`e`)), array()), e -> (`e` || `e`)), 1)',
  },
  redacted: {
    of: redacted(a, ['pin']),
    duckdb: String.raw`CASE WHEN regexp_matches("a", '(?i)(pin)') THEN regexp_replace(regexp_replace("a", '(?i)("(pin)" *: *)"[^"\\]*(?:\\.[^"\\]*)*"', '\1"REDACTED"', 'g'), '(?i)(\\"(pin)\\" *: *)\\"[^"\\]*', '\1\\"REDACTED', 'g') ELSE "a" END`,
    spark: String.raw`CASE WHEN regexp_like(${'`a`'}, '(?i)(pin)') THEN regexp_replace(regexp_replace(${'`a`'}, '(?d)(?i)("(pin)" *: *)"[^"\\\\]*(?:\\\\.[^"\\\\]*)*+"', '$1"REDACTED"'), '(?i)(\\\\"(pin)\\\\" *: *)\\\\"[^"\\\\]*', '$1\\\\"REDACTED') ELSE ${'`a`'} END`,
  },
  email: {
    of: email(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN "a" END`,
    spark: "CASE WHEN regexp_like(`a`, '…') THEN `a` END",
  },
  uuid: {
    of: uuid(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN "a" END`,
    spark: "CASE WHEN regexp_like(`a`, '…') THEN `a` END",
  },
  isUuid: {
    of: isUuid(a),
    duckdb: `CASE WHEN regexp_matches("a", '…') THEN "a" END IS NOT NULL`,
    spark: "CASE WHEN regexp_like(`a`, '…') THEN `a` END IS NOT NULL",
  },
  fromJson: {
    of: fromJson(a, shape),
    duckdb: `from_json("a", '{"a":"VARCHAR","b-c":["VARCHAR"],"d":{"e.f":"VARCHAR"}}')`,
    spark: "from_json(`a`, '`a` STRING, `b-c` ARRAY<STRING>, `d` STRUCT<`e.f`: STRING>')",
  },
  toJson: {
    of: toJson(a),
    duckdb: 'CAST(to_json("a") AS VARCHAR)',
    spark: "to_json(`a`, map('ignoreNullFields', 'false'))",
  },
  json: {
    of: json(a),
    duckdb: `CASE WHEN ${DUCKDB_JSON} THEN "a" END`,
    spark: `CASE WHEN ${SPARK_JSON} THEN \`a\` END`,
  },
  jsonString: { of: jsonString(a), duckdb: 'CAST(to_json("a") AS VARCHAR)', spark: SPARK_STRING },
  jsonOrText: {
    of: jsonOrText(a),
    duckdb: `CASE WHEN ${DUCKDB_JSON} THEN "a" ELSE CAST(to_json("a") AS VARCHAR) END`,
    spark: `CASE WHEN ${SPARK_JSON} THEN \`a\` ELSE ${SPARK_STRING} END`,
  },
  jsonField: {
    of: jsonField(a, 'x', 'y/z~'),
    duckdb: `CASE WHEN ${DUCKDB_JSON} THEN json_extract_string("a", '/x/y~1z~0') END`,
    spark: `CASE WHEN ${SPARK_JSON} THEN get_json_object(\`a\`, '$[\\'x\\'][\\'y/z~\\']') END`,
  },
  jsonList: {
    of: jsonList(a),
    duckdb: `CASE WHEN starts_with("a", '[') AND ${DUCKDB_JSON} THEN from_json("a", '["VARCHAR"]') END`,
    spark: `CASE WHEN startswith(\`a\`, '[') AND ${SPARK_JSON} THEN from_json(\`a\`, 'ARRAY<STRING>') END`,
  },
};

const of = (one: (f: Functions) => Sql): Sql => call(one);
const list = identifier('list');

/** What each dialect must spell by itself. */
const spellings: Rows = {
  bytes: { of: of((f) => f.bytes(a)), duckdb: 'strlen("a")', spark: 'octet_length(`a`)' },
  extract: {
    of: of((f) => f.extract(a, '([a-z]+)$', 1)),
    duckdb: `regexp_extract("a", '([a-z]+)$', 1)`,
    spark: String.raw`regexp_extract(${'`a`'}, '([a-z]+)\\z', 1)`,
  },
  fromJson: library.fromJson ?? [],
  jsonString: library.jsonString ?? [],
  toJson: library.toJson ?? [],
  md5: library.md5 ?? [],
  matches: library.matches ?? [],
  startsWith: library.startsWith ?? [],
  extractAll: library.extractAll ?? [],
  listFromJson: {
    of: of((f) => f.listFromJson(a)),
    duckdb: `from_json("a", '["VARCHAR"]')`,
    spark: "from_json(`a`, 'ARRAY<STRING>')",
  },
  recordsFromJson: {
    of: of((f) => f.recordsFromJson(a, { b: 'text' })),
    duckdb: `from_json("a", '[{"b":"VARCHAR"}]')`,
    spark: "from_json(`a`, 'ARRAY<STRUCT<`b`: STRING>>')",
  },
  isJson: { of: of((f) => f.isJson(a)), duckdb: DUCKDB_JSON, spark: SPARK_JSON },
  jsonField: {
    of: of((f) => f.jsonField(a, ['x'])),
    duckdb: `json_extract_string("a", '/x')`,
    spark: "get_json_object(`a`, '$[\\'x\\']')",
  },
  struct: {
    of: of((f) =>
      f.struct([
        ['x', a],
        ['y', sql`NULL`],
      ]),
    ),
    duckdb: `{'x': "a", 'y': NULL}`,
    spark: "named_struct('x', `a`, 'y', NULL)",
  },
  list: { of: of((f) => f.list([a, b])), duckdb: '["a", "b"]', spark: 'array(`a`, `b`)' },
  transform: {
    of: of((f) => f.transform(list, (e) => sql`${e}.x`)),
    duckdb: 'list_transform(coalesce("list", []), lambda e: "e".x)',
    spark: 'transform(coalesce(`list`, array()), e -> `e`.x)',
  },
  filter: {
    of: of((f) => f.filter(list, (e) => sql`${e}.x > 0`)),
    duckdb: 'list_filter("list", lambda e: "e".x > 0)',
    spark: 'filter(`list`, e -> `e`.x > 0)',
  },
  concatLists: {
    of: of((f) => f.concatLists([a, b, list])),
    duckdb: 'list_concat(list_concat("a", "b"), "list")',
    spark: 'concat(coalesce(`a`, array()), coalesce(`b`, array()), coalesce(`list`, array()))',
  },
  size: { of: of((f) => f.size(list)), duckdb: 'len("list")', spark: 'size(`list`)' },
  element: { of: of((f) => f.element(list, 2)), duckdb: '"list"[2]', spark: 'try_element_at(`list`, 2)' },
  explode: { of: of((f) => f.explode(list)), duckdb: 'unnest("list")', spark: 'explode(`list`)' },
  mapOfPairs: {
    of: of((f) => f.mapOfPairs(list)),
    duckdb: 'map_from_entries("list")',
    spark: 'map_from_entries(`list`)',
  },
  cast: [
    { of: of((f) => f.cast(a, 'text')), duckdb: 'CAST("a" AS VARCHAR)', spark: 'CAST(`a` AS STRING)' },
    { of: of((f) => f.cast(a, 'boolean')), duckdb: 'CAST("a" AS BOOLEAN)', spark: 'CAST(`a` AS BOOLEAN)' },
    { of: of((f) => f.cast(a, 'integer')), duckdb: 'CAST("a" AS INTEGER)', spark: 'CAST(`a` AS INT)' },
    { of: of((f) => f.cast(a, 'long')), duckdb: 'CAST("a" AS BIGINT)', spark: 'CAST(`a` AS BIGINT)' },
    { of: of((f) => f.cast(a, 'double')), duckdb: 'CAST("a" AS DOUBLE)', spark: 'CAST(`a` AS DOUBLE)' },
    { of: of((f) => f.cast(a, 'timestamp')), duckdb: 'CAST("a" AS TIMESTAMPTZ)', spark: 'CAST(`a` AS TIMESTAMP)' },
    {
      of: of((f) => f.cast(a, { list: { struct: { 'x y': { map: ['text', 'long'] } } } })),
      duckdb: 'CAST("a" AS STRUCT("x y" MAP(VARCHAR, BIGINT))[])',
      spark: 'CAST(`a` AS ARRAY<STRUCT<`x y`: MAP<STRING, BIGINT>>>)',
    },
  ],
  replaceAll: {
    of: of((f) => f.replaceAll(a, '[0-9]+', '#')),
    duckdb: `regexp_replace("a", '[0-9]+', '#', 'g')`,
    spark: "regexp_replace(`a`, '[0-9]+', '#')",
  },
  isoMillis: {
    of: of((f) => f.isoMillis(a)),
    duckdb: 'epoch_ms(try_cast("a" AS TIMESTAMPTZ))',
    spark: 'unix_millis(try_cast(`a` AS TIMESTAMP))',
  },
  timestampOfMillis: {
    of: of((f) => f.timestampOfMillis(a)),
    duckdb: 'CAST(make_timestamp("a" * 1000) AS TIMESTAMPTZ)',
    spark: 'timestamp_millis(`a`)',
  },
  millisOfTimestamp: {
    of: of((f) => f.millisOfTimestamp(a)),
    duckdb: 'epoch_ms("a")',
    spark: 'unix_millis(`a`)',
  },
  countDistinct: {
    of: of((f) => f.countDistinct(a, sql`(PARTITION BY b)`)),
    duckdb: 'count(DISTINCT "a") OVER (PARTITION BY b)',
    spark: 'size(collect_set(`a`) OVER (PARTITION BY b))',
  },
  sumLong: { of: of((f) => f.sumLong(a)), duckdb: 'CAST(sum("a") AS BIGINT)', spark: 'sum(`a`)' },
};

const LONG_PATTERN = /'\^(?:[^'\\]|''|\\.){40,}?(?:\$|\\\\z)'/g;
/** The steps to an IPv6 address's canonical form, whose effect evaluated.test.ts shows. */
const LONG_STEPS = /THEN (?:list_transform|try_element_at)\(.+ (?=END$)/s;
const shown = (piece: Sql, dialect: typeof duckdb): string =>
  spell(piece, dialect).replace(LONG_PATTERN, "'…'").replace(LONG_STEPS, 'THEN CANONICAL ');
const rowsOf = (rows: Rows): [string, Row][] =>
  Object.entries(rows).flatMap(([name, row]) => [row].flat().map((one): [string, Row] => [name, one]));

describe('side by side, in DuckDB, Spark and Databricks', () => {
  test.each(rowsOf(library))('the function %s', (_, row) => {
    expect(shown(row.of, duckdb)).toBe(row.duckdb);
    expect(shown(row.of, spark)).toBe(row.spark);
    expect(shown(row.of, databricks)).toBe(row.databricks ?? row.spark);
  });

  test.each(rowsOf(spellings))('the spelling of %s', (_, row) => {
    expect(shown(row.of, duckdb)).toBe(row.duckdb);
    expect(shown(row.of, spark)).toBe(row.spark);
    expect(shown(row.of, databricks)).toBe(row.databricks ?? row.spark);
  });
});

test('every function that mappings can call has a row here', () => {
  const leaves = ['text', 'texts'];
  const callable = Object.keys(functions).filter((name) => !leaves.includes(name));
  expect(Object.keys(library).sort()).toEqual(callable.sort());
});

test('every function that the engines spell differently has a row here, and every dialect has them all', () => {
  const names = Object.keys(spellings).sort();
  for (const dialect of [duckdb, spark, databricks]) expect(Object.keys(dialect.functions).sort()).toEqual(names);
});
