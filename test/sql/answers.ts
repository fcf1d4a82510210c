import fc from 'fast-check';
import { type Engine, rows } from '../../src/engine/engine.ts';
import { changesOf } from '../../src/plan.ts';
import { secondsAsMillis } from '../../src/silver/databricks_audit/event.ts';
import type { Column, Dialect } from '../../src/sql/dialect.ts';
import {
  boolean,
  concat,
  dateTime,
  epochTime,
  fromJson,
  integer,
  isoTime,
  json,
  jsonField,
  jsonList,
  jsonOrText,
  long,
  lookup,
  lower,
  matches,
  present,
  replaceAll,
  startsWith,
  text,
  texts,
  toJson,
} from '../../src/sql/functions.ts';
import { presentRecord } from '../../src/sql/record.ts';
import { rowsOfJson } from '../../src/sql/rows.ts';
import { call, identifier, join, literal, type Sql, spell, sql } from '../../src/sql/sql.ts';

type Answer = string | number | bigint | boolean | null;
/** Where the engines are known to answer each in its own way. */
type Apart = Readonly<Record<'duckdb' | 'spark', Answer>>;

/** What SQL of ours must give on every engine. */
interface Answers {
  readonly title: string;
  readonly query: (dialect: Dialect) => string;
  /** What each row is the answer to. */
  readonly of?: readonly string[];
  /** Rows in their order. */
  readonly gives: readonly (readonly (Answer | Apart)[])[];
}

const x = identifier<string>('x');
const asText = (value: Sql): Sql => call((f) => f.cast(value, 'text'));

/** A piece for each text `x`, with what it must give. */
function each(title: string, piece: Sql, gives: readonly (readonly [string | null, Answer | Apart])[]): Answers {
  const given = join(
    gives.map(([value], i) => sql`(${i}, ${asText(literal(value))})`),
    sql`, `,
  );
  const query = sql`SELECT ${piece} AS answer FROM (VALUES ${given}) AS t(i, x) ORDER BY i NULLS LAST`;
  return {
    title,
    query: (dialect) => spell(query, dialect),
    of: gives.map(([value]) => JSON.stringify(value)),
    gives: gives.map(([, answer]) => [answer]),
  };
}

const whole = (title: string, query: Sql, gives: Answers['gives']): Answers => ({
  title,
  query: (dialect) => spell(query, dialect),
  gives,
});

const all = (given: readonly (string | null)[], answer: Answer): [string | null, Answer][] =>
  given.map((one) => [one, answer]);
const themselves = (given: readonly string[]): [string, string][] => given.map((one) => [one, one]);
const millis = (at: string): bigint => BigInt(Date.parse(at));

/** Texts of every character that a literal can hold, above all those that mean something to an engine. */
const odd = [
  "it's",
  "''",
  '\\',
  "\\'",
  '\\d\\n\\u0041\\x41\\0',
  'C:\\new\\table',
  `\${env:HOME} \${spark.master} $\{x} $ { {`,
  '$1 \\1',
  'two\nlines\r\n',
  'tab\t',
  '%_#',
  '"`',
  '--',
  '/* */;',
  '?:a@b',
  '\u0001\u001f\u007f\u00a0\u2028',
  'é😀e\u0301',
  '',
  ' ',
  ...fc.sample(fc.string({ unit: fc.constantFrom("'", '"', '\\', '\n', ';', '-', '$', '{', '}', '`', '%', 'x') }), {
    numRuns: 200,
    seed: 7,
  }),
  ...fc.sample(
    fc.string({ unit: 'binary' }).filter((one) => !one.includes('\0') && !/\p{Cs}/u.test(one)),
    { numRuns: 100, seed: 7 },
  ),
];

const five = sql`(VALUES (1, 'b', 3000000000), (2, NULL, 4000000000), (3, 'a', NULL), (4, 'b', 1), (5, NULL, 2)) AS t(i, k, n)`;
const times = sql`(VALUES (0), (3599999), (3600000), (1793869200123), (-1), (-3600001)) AS t(time)`;

const columns: readonly Column[] = [
  { name: 'a', type: 'text' },
  { name: 'n', type: 'long' },
  { name: 'd', type: 'double' },
  { name: 'ok', type: 'boolean' },
  { name: 'moment', type: 'timestamp' },
  { name: 'l', type: { list: { struct: { p: 'text', q: 'text' } } } },
];
const carried = [
  {
    a: `it's "\\" \${x} 😀`,
    n: 9007199254740991,
    d: 0.25,
    ok: true,
    moment: '2026-11-05T09:00:00.123000Z',
    l: [{ p: 'é' }],
  },
  { a: '1.9', n: -1, d: 12000000.5, ok: false, moment: '1969-12-31T23:59:59Z', l: [] },
  { a: null },
];

const NO_NUMBERS = [
  '1.9',
  '1e3',
  '0x1F',
  '1_000',
  '1d',
  '5f',
  '5L',
  ' 5',
  '5\n',
  '',
  '-',
  'NaN',
  'infinity',
  '٥',
  null,
];
const NO_TIMES = [
  '2026',
  '2026-11',
  '2026-11-05',
  '12:00',
  '12:00:00',
  'T12:00:00Z',
  'infinity',
  '-infinity',
  'epoch',
  'now',
  'today',
  '2026-11-05T09:00',
  '2026-11-05T09:00:00 UTC',
  '2026-11-05T09:00:00 Europe/Berlin',
  '2026-11-05T09:00:00Z\n',
  '1793869200',
  '',
  null,
];

/** What both engines accept and would answer in ways of their own, as this project writes it. */
export const alike: readonly Answers[] = [
  whole(
    'NULLs come last in a window and in a result, whichever way they are ordered',
    sql`SELECT i, ${call((f) => f.cast(sql`row_number() OVER (ORDER BY k NULLS LAST, i NULLS LAST)`, 'long'))} AS up,
      ${call((f) => f.cast(sql`row_number() OVER (ORDER BY k DESC NULLS LAST, i NULLS LAST)`, 'long'))} AS down,
      lag(i) OVER (ORDER BY k NULLS LAST, i NULLS LAST) AS before FROM ${five} ORDER BY k DESC NULLS LAST, i NULLS LAST`,
    [
      [1, 2n, 1n, 3],
      [4, 3n, 2n, 1],
      [3, 1n, 3n, null],
      [2, 4n, 4n, 4],
      [5, 5n, 5n, 2],
    ],
  ),
  each('concat is NULL as soon as a part is', concat(literal('a'), x, literal('c')), [
    ['b', 'abc'],
    ['', 'ac'],
    [null, null],
  ]),
  each('concat_ws passes over NULL', sql`concat_ws(', ', ${x}, ${asText(sql`NULL`)}, 'z')`, [
    ['b', 'b, z'],
    ['', ', z'],
    [null, 'z'],
  ]),
  each(
    'joined lists pass over a list that is NULL',
    toJson(call((f) => f.concatLists([sql`CASE WHEN ${x} <> '' THEN ${f.list([x])} END`, f.list([literal('z')])]))),
    [
      ['b', '["b","z"]'],
      ['', '["z"]'],
      [null, '["z"]'],
    ],
  ),
  each('replaceAll replaces every match', replaceAll(x, '[0-9]+', '#'), [
    ['a1b22c', 'a#b#c'],
    ['none', 'none'],
    [null, null],
  ]),
  each('replaceAll puts groups in, and leaves what looks like one in the text', replaceAll(x, '(b)(c)', '<$2$1>'), [
    ['abcbc', 'a<cb><cb>'],
    ['$1bc\\2', '$1<cb>\\2'],
  ]),
  each('a text that ends in blanks is trimmed, whatever LIKE makes of backslashes and wildcards', present(x), [
    ['a\\ ', 'a\\'],
    ['a\\\n', 'a\\'],
    ['\\', '\\'],
    ['a_\t', 'a_'],
    ['%\r', '%'],
    ['a\\n', 'a\\n'],
    ['a\\t', 'a\\t'],
  ]),
  each('a prefix is taken as it is, with its wildcards and backslashes', startsWith(x, 'a\\_%'), [
    ['a\\_%b', true],
    ['a_%b', false],
    ['a\\xyz', false],
    [null, null],
  ]),
  each('LIKE with a wildcard at its end looks at the beginning', sql`(${x} LIKE 'delete%')`, [
    ['deleteIpAccessList', true],
    ['delete', true],
    ['Delete', false],
    ['undelete', false],
    ['delete\\', true],
    [null, null],
  ]),
  each('a literal comes back as it was', x, themselves(odd)),
  each('a literal in a condition is the text itself', lookup(x, Object.fromEntries(odd.map((one, i) => [one, i]))), [
    ...odd.map((one): [string, number] => [one, odd.lastIndexOf(one)]),
    ['it\\', null],
  ]),
  each('a pattern has its backslashes, quotes and braces', matches(x, `^\\$\\{[a-z]+\\}'\\d\\\\$`), [
    [`\${home}'5\\`, true],
    [`\${home}'5`, false],
    [`\${home}'d\\`, false],
  ]),
  each('a replacement has its backslashes, quotes and braces', replaceAll(x, '[.]', "\\\\'{x}"), [['a.b', "a\\'{x}b"]]),
  {
    title: 'hours since 1970 are whole numbers of 64 bits, also before 1970',
    query: (dialect) => {
      const statement = changesOf({ name: 'gold.some' }, times, 1, dialect);
      return `${statement.slice(statement.indexOf('SELECT'))} ORDER BY 3 NULLS LAST`;
    },
    gives: [
      [1, 'gold.some', -1n],
      [1, 'gold.some', 0n],
      [1, 'gold.some', 1n],
      [1, 'gold.some', 498297n],
    ],
  },
  each('integer takes decimal digits alone', integer(x), [
    ...all(NO_NUMBERS, null),
    ['5', 5],
    ['+5', 5],
    ['-007', -7],
    ['5.00', 5],
    ['2147483647', 2147483647],
    ['2147483648', null],
  ]),
  each('long takes decimal digits alone', long(x), [
    ...all(NO_NUMBERS, null),
    ['5', 5n],
    ['-5.0', -5n],
    ['9223372036854775807', 9223372036854775807n],
    ['9223372036854775808', null],
  ]),
  each('long takes a whole number that an engine wrote with an exponent', long(x), [
    ['1.2E7', 12000000n],
    ['-1.2E7', -12000000n],
    ['9.007199254740992E15', 9007199254740992n],
    ['1.23456789E7', null],
    ['1.2E6', null],
    ['1.0E16', null],
    ['1.0E20', null],
    ['10000000000000000.0', null],
    ['1.0E-7', null],
    ['12E7', null],
    ['1.2E7 ', null],
  ]),
  each('integer takes one of 32 bits', integer(x), [
    ['1.2E7', 12000000],
    ['2.147483647E9', 2147483647],
    ['2.147483648E9', null],
    ['1.23456789E7', null],
  ]),
  each('boolean takes two words alone', boolean(x), [
    ['True', true],
    ['FALSE', false],
    ...all(['yes', 't', '1', 'no', ' true', 'tru', null], null),
  ]),
  each('seconds with decimals are rounded to milliseconds', secondsAsMillis(x), [
    ...all(['1d', '1f', '1e3', 'NaN', 'infinity', '-1', '5.', '', null], null),
    ['5', 5000n],
    ['1.5', 1500n],
    ['0.0005', 1n],
    ['1.0005', 1001n],
    ['0.12345678901234567890', 123n],
    ['1.2E7', 12_000_000_000n],
    ['5.0E-4', 1n],
    ...all(['1.0E9', '1E7', '12.0E7'], null),
  ]),
  each('isoTime reads offsets', isoTime(x), [
    ['2026-01-01T00:00:00Z', millis('2026-01-01T00:00:00Z')],
    ['2026-01-01T00:00:00', millis('2026-01-01T00:00:00Z')],
    ['2026-01-01 00:00:00', millis('2026-01-01T00:00:00Z')],
    ['2026-01-01T00:00:00+02:00', millis('2025-12-31T22:00:00Z')],
    ['2026-01-01T00:00:00+0200', millis('2025-12-31T22:00:00Z')],
    ['2026-01-01T00:00:00+02', millis('2025-12-31T22:00:00Z')],
    ['2026-01-01T00:00:00.1239-03:30', millis('2026-01-01T03:30:00.123Z')],
    ['20260101T000000Z', millis('2026-01-01T00:00:00Z')],
    ['1969-12-31T23:59:59.900Z', -100n],
  ]),
  each(
    'isoTime takes whole times alone, of days and seconds that there are',
    isoTime(x),
    all([...NO_TIMES, '2026-02-30T00:00:00Z', '2016-12-31T23:59:60Z'], null),
  ),
  each('dateTime takes whole times alone', dateTime(x), all([...NO_TIMES, '2026-11-05 09:00:00'], null)),
  each('epochTime takes digits alone', epochTime(x, 1000), [
    ...all([...NO_NUMBERS, '2026-11-05'], null),
    ['2026', 2026000n],
    ['1793869200', 1793869200000n],
  ]),
  each(
    'a time as the pipeline writes it is cast with its offset',
    call((f) => f.millisOfTimestamp(f.cast(x, 'timestamp'))),
    [
      ['2026-01-01T00:00:00.123Z', millis('2026-01-01T00:00:00.123Z')],
      ['2026-01-01T00:00:00.123000Z', millis('2026-01-01T00:00:00.123Z')],
      ['2026-01-01T00:00:00+02:00', millis('2025-12-31T22:00:00Z')],
      [null, null],
    ],
  ),
  whole(
    'sums and counts are integers of 64 bits, and a sum of nothing is NULL',
    sql`SELECT ${call((f) => f.sumLong(sql`n`))} AS n, ${call((f) => f.sumLong(sql`i`))} AS i, count(*) AS c,
      count(*) FILTER (WHERE k = 'b') AS b, count(DISTINCT k) AS ks FROM ${five} GROUP BY k ORDER BY k NULLS LAST`,
    [
      [null, 3n, 1n, 0n, 1n],
      [3000000001n, 5n, 2n, 2n, 1n],
      [4000000002n, 7n, 2n, 0n, 0n],
    ],
  ),
  whole(
    'sums over a window are integers of 64 bits, and become doubles only when they are complete',
    sql`SELECT i, ${call((f) => f.cast(sql`sum(n) OVER (ORDER BY i NULLS LAST)`, 'long'))} AS n, count(*) OVER (PARTITION BY k) AS k,
      ${call((f) => f.cast(sql`coalesce(sum(n) OVER (ORDER BY i NULLS LAST RANGE BETWEEN 2 PRECEDING AND 1 PRECEDING), 0)`, 'double'))} AS past
      FROM ${five} ORDER BY i NULLS LAST`,
    [
      [1, 3000000000n, 2n, 0],
      [2, 7000000000n, 2n, 3000000000],
      [3, 7000000000n, 1n, 7000000000],
      [4, 7000000001n, 2n, 4000000000],
      [5, 7000000003n, 2n, 1],
    ],
  ),
  whole(
    'distinct values over a window are counted without NULL',
    sql`SELECT i, ${call((f) =>
      f.cast(f.countDistinct(sql`k`, sql`(ORDER BY i NULLS LAST RANGE BETWEEN 3 PRECEDING AND CURRENT ROW)`), 'long'),
    )} AS k FROM ${five} ORDER BY i NULLS LAST`,
    [
      [1, 1n],
      [2, 1n],
      [3, 2n],
      [4, 2n],
      [5, 2n],
    ],
  ),
  each('lower folds letters, of which a few are folded in two ways', lower(x), [
    ['FINISHED-É', 'finished-é'],
    ['ß', 'ß'],
    ['\u212a', 'k'],
    ['İ', { duckdb: 'i', spark: 'i\u0307' }],
    ['ΑΣ', { duckdb: 'ασ', spark: 'ας' }],
  ]),
  each('a whole number as text has its digits', asText(sql`(${long(x)} * 1000000)`), [
    ['12000000', '12000000000000'],
    ['-1', '-1000000'],
    [null, null],
  ]),
  each(
    'lengths have the width that is asked for',
    call((f) => sql`(${f.cast(sql`length(${x})`, 'integer')} + ${f.cast(f.bytes(x), 'integer')})`),
    [
      ['é😀', 8],
      ['', 0],
      [null, null],
    ],
  ),
  whole(
    'rows that are carried over as JSON have their types',
    sql`SELECT a, n, d, ok, moment, ${call((f) => f.cast(f.size(sql`l`), 'long'))} AS size, ${call((f) => f.element(sql`l`, 1))}.p AS p
      FROM (${rowsOfJson(columns, JSON.stringify(carried))}) AS carried ORDER BY n DESC NULLS LAST`,
    [
      [`it's "\\" \${x} 😀`, 9007199254740991n, 0.25, true, Date.parse('2026-11-05T09:00:00.123Z'), 1n, 'é'],
      ['1.9', -1n, 12000000.5, false, Date.parse('1969-12-31T23:59:59Z'), 0n, null],
      [null, null, null, null, null, null, null],
    ],
  ),
];

const SHAPE = { a: text, b: { c: text }, 'd-e': text, 'f.g': text, l: texts } as const;
const written = call((f) => sql`CASE WHEN ${f.isJson(x)} THEN ${fromJson(x, SHAPE)} END`);
const member = (...path: string[]): Sql<string> =>
  sql`(${written}).${join(
    path.map((name) => identifier(name)),
    sql`.`,
  )}`;
const keptMember = sql`(SELECT (${presentRecord(SHAPE, 'r')}).b.c FROM (SELECT ${written} AS r) AS written)`;

const BAD = [
  '',
  ' ',
  '{"a"',
  '{"a":',
  '{"a":}',
  '{"a":1',
  '{"a":1,}',
  '[1,]',
  '[,1]',
  '{a:1}',
  '{"a" 1}',
  '{"a":1 "b":2}',
  '\ufeff{"a":1}',
  '\u00a0{"a":1}',
  '{"a":"\u0001"}',
  '{"a":"\n"}',
  '{"a":"\t"}',
  '{"a":01}',
  '{"a":-01}',
  '{"a":+1}',
  '{"a":.5}',
  '{"a":1.}',
  '{"a":1e}',
  '{"a":0x1F}',
  '{"a":"\\x"}',
  '{"a":"\\u12"}',
  '{"a":True}',
  '// a\n{}',
];
const HALVES = [
  '{"a":"\\ud800"}',
  '{"a":"\\uD83D"}',
  '{"a":"\\ude00"}',
  '{"a":"\\ude00\\ud83d"}',
  '{"a":"\\ud83d\\ud83d\\ude00"}',
  '{"a":"\\ud83d\\\\ude00"}',
  '{"a":"\\\\\\ud800"}',
  '{"a":"\\ud83dx\\ude00"}',
  '{"\\udfff":1}',
  '"\\ud800"',
];
const PAIRS = [
  '{"a":"\\ud83d\\ude00"}',
  '{"a":"\\uD83D\\uDE00\\ud83d\\ude00"}',
  '{"a":"\\\\ud800"}',
  '{"a":"\\\\\\\\ud800 \\ud83d\\ude00"}',
  '{"a":"ud800 \\u00e9 \\ue000 😀"}',
  `{"a":"${'\\ud83d\\ude00x'.repeat(5000)}"}`,
];

/** How JSON is read, whatever each engine would make of it by itself. */
export const ofJson: readonly Answers[] = [
  each('a number is read alike, quoted or not', long(member('a')), [
    ['{"a":5}', 5n],
    ['{"a":"5"}', 5n],
    ['{"a":5.0}', 5n],
    ['{"a":"5.0"}', 5n],
    ['{"a":1e5}', 100000n],
    ['{"a":12000000.0}', 12000000n],
    ['{"a":1.2e7}', 12000000n],
    ['{"a":"1.2E7"}', 12000000n],
    ['{"a":-9007199254740992.0}', -9007199254740992n],
    ['{"a":123456789.5}', null],
    ['{"a":1e20}', null],
    ['{"a":0.0001}', null],
    ['{"a":true}', null],
    ['{"a":[5]}', null],
    ['{"a":null}', null],
    ['{}', null],
  ]),
  each('a number is read alike where it is taken by its path', long(jsonField(x, 'a')), [
    ['{"a":"5"}', 5n],
    ['{"a":5.0}', 5n],
    ['{"a":1.2e7}', 12000000n],
    ['{"a":1e16}', null],
    ['{"a":1e20}', null],
    ['{"a":{"b":5}}', null],
  ]),
  each('a boolean is read alike, quoted or not', boolean(member('a')), [
    ['{"a":true}', true],
    ['{"a":"true"}', true],
    ['{"a":"FALSE"}', false],
    ['{"a":1}', null],
    ['{"a":"1"}', null],
  ]),
  each('a time is read alike, quoted or not', isoTime(member('a')), [
    ['{"a":"2026-01-01T00:00:00+02:00"}', millis('2025-12-31T22:00:00Z')],
    ['{"a":2026}', null],
    ['{"a":"2026"}', null],
  ]),
  each('a text leaf holds whatever was there as text', member('a'), [
    ['{"a":"x"}', 'x'],
    ['{"a":123456789012345678901234567890}', '123456789012345678901234567890'],
    ['{"a":1.50}', '1.5'],
    ['{"a":1e5}', '100000.0'],
    ['{"a":false}', 'false'],
    ['{"a":null}', null],
    ['{"a":"null"}', 'null'],
    ['{"a":{ "b" : [ 1, null ] }}', '{"b":[1,null]}'],
    ['{"a":{}}', '{}'],
    ['{"A":"other"}', null],
    ['{"a":"\\u00e9\\/\\n\\"\\\\"}', 'é/\n"\\'],
    ['{"a":12000000.5}', { duckdb: '12000000.5', spark: '1.20000005E7' }],
    ['{"a":0.0001}', { duckdb: '0.0001', spark: '1.0E-4' }],
    ['{"a":{"n":12000000.5}}', { duckdb: '{"n":12000000.5}', spark: '{"n":1.20000005E7}' }],
  ]),
  each('names with a hyphen or a dot are found', concat(member('d-e'), member('f.g')), [['{"d-e":"1","f.g":2}', '12']]),
  each('inside a member that is no object there is nothing', member('b', 'c'), [
    ['{"b":{"c":"x"}}', 'x'],
    ...all(
      ['{"b":"text"}', '{"b":5}', '{"b":true}', '{"b":[1]}', '{"b":[{"c":1}]}', '{"b":null}', '{"b":""}', '{}'],
      null,
    ),
  ]),
  each('nor is there in the record of what is present', keptMember, [
    ['{"b":{"c":" x "}}', 'x'],
    ...all(['{"b":{"c":"-"}}', '{"b":"text"}', '{"b":[{"c":1}]}', '{"a":1}'], null),
  ]),
  each('a leaf of another kind leaves its neighbours alone', member('a'), [
    ['{"b":5,"a":"x","l":"text"}', 'x'],
    ['{"l":{"c":1},"b":[1],"a":"x"}', 'x'],
    ['{"a":"x","b":{"c":{"d":[1]}},"l":[[1],{"e":2}]}', 'x'],
  ]),
  each('a list of texts takes an element of any kind', toJson(member('l')), [
    ['{"l":["p",2,null,{"c":1},[3],true]}', '["p","2",null,"{\\"c\\":1}","[3]","true"]'],
    ['{"l":[]}', '[]'],
    ...all(['{"l":"text"}', '{"l":5}', '{"l":null}', '{}'], null),
  ]),
  each(
    'of a list of objects with one that is none, the others are read',
    toJson(
      call((f) =>
        f.transform(
          jsonList(x),
          (e) => sql`(CASE WHEN ${f.isJson(e)} THEN ${fromJson(e, { n: text, t: text })} END).n`,
        ),
      ),
    ),
    [
      ['[{"n":"a"},{"n":5,"t":1}]', '["a","5"]'],
      ['[{"n":"a"},"text",{"n":"b"}]', '["a",null,"b"]'],
      ['[{"n":"a"},5,[1],null,{"n":{"m":1}}]', '["a",null,null,null,"{\\"m\\":1}"]'],
      ['[]', '[]'],
      ['text', '[]'],
    ],
  ),
  each('of a name that comes twice one is taken', member('a'), [
    ['{"a":1,"a":2}', { duckdb: '1', spark: '2' }],
    ['{"a":{"b":1,"b":2}}', '{"b":1,"b":2}'],
  ]),
  each('of a name that comes twice the first is taken where it is asked for by its path', jsonField(x, 'a'), [
    ['{"a":1,"a":2}', '1'],
  ]),
  each('an emoji in a leaf is itself', member('a'), [
    ['{"a":"😀"}', '😀'],
    ['{"a":"\\ud83d\\ude00"}', '😀'],
  ]),
  each('an emoji in an object that stays JSON may be written as escapes', member('a'), [
    ['{"a":{"x":"😀é"}}', { duckdb: '{"x":"😀é"}', spark: '{"x":"\\uD83D\\uDE00é"}' }],
  ]),
  each('and is itself again once that is read', jsonField(member('a'), 'x'), [
    ['{"a":{"x":"😀é"}}', '😀é'],
    ['{"a":{"x":"\\ud83d\\ude00"}}', '😀'],
  ]),
  each('what is damaged is no JSON', json(x), all([...BAD, null], null)),
  each('half a surrogate pair is no JSON', json(x), [...all(HALVES, null), ...themselves(PAIRS)]),
  each('text after the document is no JSON', json(x), [
    ...all(['{"a":1} tail', '{"a":1}{"b":2}', '{"a":1},', '[] []', '"a" "b"', '1 2', '{"a":1}\f', '{"a":1}}'], null),
    ...themselves([' {"a":1}\r\n\t']),
  ]),
  each('single quotes and words for numbers are no JSON', json(x), [
    ...all(["{'a':1}", "['a']", "'a'", '{"a":NaN}', '[nan]', '[Infinity]', '[-Infinity]', '-inf', 'NaN'], null),
    ...themselves(['{"a":"NaN, \'Infinity\',]"}']),
  ]),
  each('what is no JSON has no members', jsonField(x, 'a'), all([...BAD, ...HALVES, '{"a":1} tail', "{'a':1}"], null)),
  each('what is no JSON is kept as a JSON string', jsonOrText(x), [
    ['{"a":1} tail', '"{\\"a\\":1} tail"'],
    ["{'a':1}", '"{\'a\':1}"'],
    ['{"a":NaN}', '"{\\"a\\":NaN}"'],
    ['{"a":"\\ud800"}', '"{\\"a\\":\\"\\\\ud800\\"}"'],
    ['', '""'],
    [null, null],
  ]),
];

const shown = (row: readonly unknown[] | undefined): string =>
  row ? row.map((one) => (typeof one === 'bigint' ? `${one}n` : JSON.stringify(one))).join(' | ') : 'no row';

/** The rows in which an engine answers otherwise: what must stand there, and what does. */
export async function misfits(engine: Engine, { query, of, gives }: Answers): Promise<string[]> {
  const name = engine.dialect.name === 'duckdb' ? 'duckdb' : 'spark';
  const expected = gives.map((row) =>
    row.map((answer) => (typeof answer === 'object' && answer !== null ? answer[name] : answer)),
  );
  const found = (await rows<Record<string, unknown>>(engine, query(engine.dialect))).map((row) => Object.values(row));
  const length = Math.max(expected.length, found.length);
  return Array.from({ length }, (_, i) => [shown(expected[i]), shown(found[i])]).flatMap(([must, does], i) =>
    must === does ? [] : [`${of?.[i] ?? `row ${i + 1}`}: ${must} must stand there, not ${does}`],
  );
}
