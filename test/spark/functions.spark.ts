import { afterAll, beforeAll, expect, test } from 'vitest';
import { sources } from '../../src/bronze/index.ts';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { type Engine, rows } from '../../src/engine/engine.ts';
import { triage } from '../../src/gold/triage.ts';
import { pipelineOf, writtenTables } from '../../src/plan.ts';
import type { Dialect } from '../../src/sql/dialect.ts';
import {
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
  splitPart,
  startsWith,
  stepwise,
  text,
  texts,
  toJson,
  uuid,
  when,
} from '../../src/sql/functions.ts';
import { call, identifier, join, literal, type Sql, spell, sql } from '../../src/sql/sql.ts';
import { alike, misfits, ofJson } from '../sql/answers.ts';
import { manifestOf, onSpark, spark } from './given.ts';

const x = identifier<string>('x');

/** Texts on which engines have been seen to differ, or might. */
const EDGES: readonly (string | null)[] = [
  null,
  '',
  ' ',
  'a',
  'true',
  'TRUE',
  'False',
  'yes',
  't',
  '0',
  '1',
  '-1',
  '+5',
  '-0',
  '5.0',
  '1.9',
  '1e3',
  '0x1F',
  '1_000',
  '1d',
  '5\n',
  ' 5',
  '00012',
  '2147483647',
  '2147483648',
  '-2147483648',
  '9223372036854775807',
  '9223372036854775808',
  '1793869200',
  '1793869200123',
  '999999999999999',
  'NaN',
  'infinity',
  '2026',
  '2026-11-05',
  '12:00',
  '2026-11-05T09:00:00Z',
  '2026-11-05T09:00:00',
  '2026-11-05 09:00:00',
  '2026-11-05T09:00:00+02:00',
  '2026-11-05T09:00:00-0330',
  '2026-11-05T09:00:00.123456789Z',
  '2026-11-05T09:00:00.1239+05:45',
  '1969-12-31T23:59:59.900Z',
  '1969-12-31T23:59:59.9999Z',
  '0001-01-01T00:00:00Z',
  '1582-10-10T00:00:00Z',
  '1900-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
  '2026-02-30T00:00:00Z',
  '2016-12-31T23:59:60Z',
  '2026-11-05T09:00:00+15:00',
  '2026-11-05T09:00:00+23:59',
  '2026-11-05T09:00:00+99:99',
  '20261105T090000Z',
  '20261305T090000Z',
  '192.0.2.1',
  '256.1.1.1',
  '2001:DB8::1',
  '::ffff:192.0.2.1',
  'fe80::1%eth0',
  '192.0.2.1\n',
  'ana@example.com',
  "o'brien+x@sub.example.org",
  'ana@example.com\n',
  '0A1b2C3d-4e5f-6071-8293-a4b5c6d7e8f9',
  "it's",
  'a\\_b',
  'a\\d',
  '\\',
  'a_b',
  '%',
  '$1 \\1',
  `\${spark.master} \${env:HOME}`,
  'two\nlines',
  'tab\tand\rreturn',
  '\u0001\u001f\u007f',
  'é😀\u2028',
  'İıßẞΣς',
  'e\u0301',
  'x'.repeat(5000),
  'null',
  '[]',
  '{}',
  '"x"',
  '12',
  '[1, "b", {"c": 2}, null, true, 1.50]',
  '["a\\"b", "\\u00e9"]',
  '{"a":1}',
  '{"a": 1.50, "b": {"c": "x"}, "l": ["p", 2, null]}',
  '{"a":"x","b":{"c":{"d":[1, 2]}},"l":[]}',
  '{"a":null,"b":null,"l":null}',
  '{"a":true,"b":5,"l":"text"}',
  '{"A":"upper","a":"lower"}',
  '{"a.b":"dot","a-b":"hyphen","b":{"c":"\\u00e9\\/\\n"}}',
  '{"a":123456789012345678901234567890,"b":{"c":-0}}',
  '{"a":{"b":1,"c":[true,{"d":null}]}}',
  '{"a":"","b":{"c":""},"l":[""]}',
  '{"a":1} tail',
  "{'a':1}",
  '{"a":NaN}',
  '{"a":01}',
  '{"a":}',
  '{"a"',
  '{a:1}',
  '{"a":1,}',
  '\ufeff{"a":1}',
  ' {"a" : 1} ',
  '{"a":"\u0001"}',
  '{"a":"\\ud800"}',
  '{"a":1,"a":2}',
  '{"a":{"x":"😀"}}',
  '{"a":1e5,"b":{"c":1.0}}',
  '{"password":"one\\"two","b":{"clientSecret":"x"}}',
  '{"log":"{\\"password\\":\\"x\\"}"}',
  '{"finance":["a","b"],"x":{}}',
  '["maintenance","info"]',
  'n/a',
  '\t undefined \n',
  '[{"n":"a","t":1},{"n":null},{}]',
];

const SHAPE = { a: text, 'a.b': text, 'a-b': text, b: { c: text }, l: texts } as const;
const parsed = fromJson(x, SHAPE);
const record = call((f) => sql`CASE WHEN ${f.isJson(x)} THEN ${parsed} END`);
const leaf = (...path: string[]): Sql =>
  sql`(${record}).${join(
    path.map((name) => identifier(name)),
    sql`.`,
  )}`;
const listed = call(
  (f) => sql`CASE WHEN ${f.isJson(x)} AND ${f.startsWith(x, literal('['))} THEN ${f.listFromJson(x)} END`,
);

/** Every function, on the text `x`. */
const CASES: Readonly<Record<string, Sql>> = {
  literal: x,
  absent: call((f) => f.cast(absent, 'text')),
  isJson: call((f) => sql`CASE WHEN ${f.isJson(x)} THEN 'JSON' ELSE 'no' END`),
  'fromJson: a text': leaf('a'),
  'fromJson: dot': leaf('a.b'),
  'fromJson: hyphen': leaf('a-b'),
  'fromJson: inside': leaf('b', 'c'),
  'fromJson: a list': toJson(leaf('l')),
  'toJson: a struct': toJson(
    call((f) =>
      f.struct([
        ['n', sql`NULL`],
        ['x', x],
        ['t', literal(true)],
        ['b', literal(5)],
      ]),
    ),
  ),
  'toJson: a list': toJson(call((f) => f.list([x, literal('z')]))),
  'toJson: a map': toJson(
    call((f) =>
      f.mapOfPairs(
        f.list([
          f.struct([
            ['k', literal('k')],
            ['v', x],
          ]),
        ]),
      ),
    ),
  ),
  listFromJson: toJson(listed),
  'listFromJson: size': call((f) => f.cast(f.size(listed), 'long')),
  'listFromJson: first element': call((f) => f.element(listed, 1)),
  'listFromJson: last element': call((f) => f.element(listed, -1)),
  'listFromJson: element beyond': call((f) => f.element(listed, 9)),
  transform: toJson(call((f) => f.transform(listed, (e) => sql`${e} || '!'`))),
  filter: toJson(call((f) => f.filter(listed, (e) => sql`${e} <> 'b'`))),
  concatLists: toJson(call((f) => f.concatLists([f.list([x]), listed]))),
  jsonField: jsonField(x, 'a'),
  'jsonField: inside': jsonField(x, 'b', 'c'),
  'jsonField: an object': jsonField(x, 'b'),
  'jsonField: a list': jsonField(x, 'l'),
  'jsonField: dot': jsonField(x, 'a.b'),
  json: json(x),
  jsonString: jsonString(x),
  jsonOrText: jsonOrText(x),
  jsonList: toJson(jsonList(x)),
  coalesce: coalesce(x, literal('none')),
  nullIf: nullIf(x, '', 'a'),
  lower: lower(x),
  concat: concat(x, literal('|'), x),
  splitPart: splitPart(x, '.', 2),
  'splitPart: from the end': splitPart(x, ':', -1),
  regexExtract: regexExtract(x, '^([a-z]+)[^a-z]', 1),
  'regexExtract: digits': regexExtract(x, '([0-9]+)[.]([0-9]+)', 2),
  equals: equals(x, literal('a')),
  isIn: isIn(x, ['a', "it's", 'a\\_b', 'é😀\u2028']),
  isNull: isNull(x),
  isNotNull: isNotNull(x),
  'and, or, not': and(or(equals(x, literal('a')), isNull(x)), not(equals(x, literal('b')))),
  not: not(equals(x, literal('a'))),
  matches: matches(x, '^[a-z]+$'),
  'matches: a backslash': matches(x, '\\\\'),
  'matches: a dot and lines': matches(x, '^.*$'),
  startsWith: startsWith(x, '20'),
  'startsWith: a wildcard': startsWith(x, '%'),
  'LIKE with its own escape': sql`${x} LIKE 'a#_b' ESCAPE '#'`,
  ilike: sql`${x} ILIKE '%E%'`,
  present: present(x),
  'stepwise, twice': stepwise(x, lower, (it) => concat(it, it)),
  extractAll: toJson(extractAll(x, '([0-9]+)[.:]', 1)),
  redacted: redacted(x, ['password', '[a-z]*secret']),
  bytes: call((f) => f.cast(f.bytes(x), 'long')),
  recordsFromJson: toJson(
    call(
      (f) => sql`CASE WHEN ${f.startsWith(x, literal('[{'))} THEN ${f.recordsFromJson(x, { n: text, t: text })} END`,
    ),
  ),
  replaceAll: call((f) => f.replaceAll(x, '[0-9]', '#')),
  'replaceAll: letters': call((f) => f.replaceAll(x, '[^a-z]+', '_')),
  md5: md5(x),
  when: when(
    [
      [equals(x, literal('a')), literal('first')],
      [isNull(x), literal('second')],
    ],
    literal('rest'),
  ),
  lookup: lookup(x, { a: 1, true: 2 }, literal(0)),
  integer: integer(x),
  long: long(x),
  boolean: boolean(x),
  isoTime: isoTime(x),
  'epochTime in seconds': epochTime(x, 1000),
  'epochTime in milliseconds': epochTime(x, 1),
  dateTime: dateTime(x),
  ipAddress: ipAddress(x),
  isIpAddress: isIpAddress(x),
  email: email(x),
  uuid: uuid(x),
  isUuid: isUuid(x),
  'timestampOfMillis and back': call((f) => f.millisOfTimestamp(f.timestampOfMillis(isoTime(x)))),
  'a timestamp': call((f) => f.timestampOfMillis(isoTime(x))),
  'cast to text': call((f) => f.cast(long(x), 'text')),
  'cast to double': call((f) => f.cast(integer(x), 'double')),
  'left, right, length': sql`left(${x}, 2) || '|' || right(${x}, 2) || '|' || ${call((f) => f.cast(sql`length(${x})`, 'text'))}`,
  'upper of ASCII': sql`CASE WHEN ${matches(x, '^[ -~]*$')} THEN upper(${x}) END`,
  substring: sql`substring(${x}, 2, 3)`,
  trim: sql`trim(${x})`,
  replace: sql`replace(${x}, 'a', ${`\${b}`})`,
  contains: sql`contains(${x}, 'a')`,
  'greatest and least': sql`greatest(${x}, 'm') || least(${x}, 'm')`,
};

const given = join(
  EDGES.map((value, i) => sql`(${i}, ${call((f) => f.cast(literal(value), 'text'))})`),
  sql`, `,
);

/** Where the engines are known to differ, and why; no log writes these. */
const KNOWN: readonly (readonly [functions: RegExp, of: string, why: string])[] = [
  [
    /^(isoTime|.*timestamp.*)$/i,
    '1969-12-31T23:59:59.9999Z',
    'before 1970 DuckDB rounds towards it, Spark away from it',
  ],
  [/^(lower|stepwise, twice)$/, 'İıßẞΣς', 'DuckDB folds letter by letter'],
  [/^fromJson: a text$/, '{"a":1,"a":2}', 'of a name that comes twice DuckDB takes the first, Spark the last'],
  [/^(fromJson: a text|jsonField)$/, '{"a":{"x":"😀"}}', 'Spark writes pairs as escapes: the same JSON'],
];
const known = (name: string, value: string | null): boolean =>
  KNOWN.some(([functions, of]) => functions.test(name) && of === value);

const plain = (value: unknown): unknown =>
  typeof value === 'bigint' ? `${value}` : typeof value === 'number' ? `${value}` : value;

onSpark('what engines answer in ways of their own, on Spark', 120, () => {
  test.for([...alike, ...ofJson].map((one) => [one.title, one] as const))('%s', async ([, one]) => {
    expect(await misfits(await spark(), one)).toEqual([]);
  });
});

onSpark('functions', 120, () => {
  let duck: Engine;
  beforeAll(async () => {
    duck = await openDuckDB({ path: ':memory:', threads: 1 });
  });
  afterAll(() => duck[Symbol.asyncDispose]());

  async function ask(engine: Engine, statement: Sql): Promise<Record<string, unknown>[]> {
    return rows(engine, spell(statement, engine.dialect));
  }

  const names = Object.keys(CASES);
  const chunks = Array.from({ length: Math.ceil(names.length / 12) }, (_, i) => names.slice(12 * i, 12 * i + 12));
  test.for(chunks)('%s … give the same on DuckDB and on Spark for every edge value', async (chunk) => {
    const columns = chunk.map((name, i) => sql`${CASES[name] ?? absent} AS ${identifier(`c${i}`)}`);
    const statement = sql`SELECT i, ${join(columns, sql`, `)} FROM (VALUES ${given}) AS t(i, x) ORDER BY i NULLS LAST`;
    const [expected, found] = [await ask(duck, statement), await ask(await spark(), statement)];
    const differences = chunk.flatMap((name, at) =>
      EDGES.flatMap((value, i) => {
        const [d, s] = [plain(expected[i]?.[`c${at}`]), plain(found[i]?.[`c${at}`])];
        return d === s || known(name, value)
          ? []
          : [
              `${name} of ${JSON.stringify(value)?.slice(0, 90)}: DuckDB ${JSON.stringify(d)}, Spark ${JSON.stringify(s)}`,
            ];
      }),
    );
    expect(found.length).toBe(EDGES.length);
    expect(differences).toEqual([]);
  });

  test('sums, distinct counts in a window and exploded lists agree', async () => {
    const t = sql`(VALUES ('a', 1), ('a', 2147483648), ('b', NULL), ('b', 5), ('b', 5)) AS t(k, n)`;
    const statements = [
      sql`SELECT k, ${call((f) => f.sumLong(sql`n`))} AS s, count(*) AS c FROM ${t} GROUP BY k ORDER BY k NULLS LAST`,
      sql`SELECT DISTINCT k, ${call((f) => f.cast(f.countDistinct(sql`n`, sql`(PARTITION BY k)`), 'long'))} AS d FROM ${t} ORDER BY k NULLS LAST`,
      sql`SELECT e FROM (SELECT ${call((f) => f.explode(f.listFromJson(literal('["x", 1, null, {"a": "é"}]'))))} AS e) AS u ORDER BY e NULLS LAST`,
      sql`SELECT ${call((f) => f.sumLong(sql`n`))} AS s FROM ${t} WHERE k = 'none'`,
    ];
    for (const statement of statements) {
      const [expected, found] = [await ask(duck, statement), await ask(await spark(), statement)];
      expect(found.map((row) => Object.values(row).map(plain))).toEqual(
        expected.map((row) => Object.values(row).map(plain)),
      );
    }
  });
});

const pipeline = pipelineOf(
  manifestOf(Object.fromEntries(Object.keys(sources).map((name) => [name, { path: 'x', optional: true }]))),
);

/** A query of no rows in place of each table, and of each view its own query. */
function withoutTables(select: Sql, dialect: Dialect): string {
  const tables = new Map(writtenTables(pipeline, [triage]).map((table) => [table.name, table]));
  const views = new Map(pipeline.views.map((view) => [view.name, view]));
  return spell(select, dialect, ({ name }) => {
    const view = views.get(name);
    const nulls = tables
      .get(name)
      ?.columns.map((c) => call((f) => sql`${f.cast(absent, c.type)} AS ${identifier(c.name)}`));
    const query = view
      ? { parts: [{ kind: 'text' as const, text: withoutTables(view.select, dialect) }] }
      : sql`SELECT ${join(nulls ?? [], sql`, `)} WHERE FALSE`;
    return sql`(${query})`;
  });
}

onSpark('what people read', 120, () => {
  test.for(pipeline.views.map((view) => [view.name, view] as const))(
    '%s has the same columns in the same types as on DuckDB',
    async ([, view]) => {
      await using duck = await openDuckDB({ path: ':memory:', threads: 1 });
      const schemaOn = async (engine: Engine): Promise<string[]> => {
        for await (const batch of engine.query(withoutTables(view.select, engine.dialect)))
          return batch.schema.fields.map(({ name, type }) => `${name} ${type}`);
        return [];
      };
      const expected = await schemaOn(duck);
      expect(expected.length).toBeGreaterThan(2);
      expect(await schemaOn(await spark())).toEqual(expected);
    },
  );
});
