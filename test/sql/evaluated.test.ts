import { isIP, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { rows } from '../../src/engine/engine.ts';
import {
  boolean,
  coalesce,
  concat,
  dateTime,
  email,
  epochTime,
  equals,
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
  regexExtract,
  splitPart,
  startsWith,
  toJson,
  uuid,
  when,
} from '../../src/sql/functions.ts';
import { call, identifier, join, literal, type Sql, spell, sql } from '../../src/sql/sql.ts';

const engine = await openDuckDB({ path: ':memory:', threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

const x = identifier<string>('x');

/** What a piece gives for each value of `x`, in order. */
async function each(piece: Sql, values: readonly (string | null)[]): Promise<unknown[]> {
  const given = join(
    values.map((value, i) => sql`(${i}, CAST(${value} AS VARCHAR))`),
    sql`, `,
  );
  const found = await rows<{ value: unknown }>(
    engine,
    spell(sql`SELECT ${piece} AS value FROM (VALUES ${given}) AS t(i, x) ORDER BY i NULLS LAST`, engine.dialect),
  );
  return found.map(({ value }) => value);
}

/** What a piece without `x` gives. */
const value = async (piece: Sql): Promise<unknown> => (await each(piece, ['']))[0];

/** Fails unless the piece gives for each text what stands beside it. */
async function gives(piece: Sql, expected: readonly (readonly [string | null, unknown])[]): Promise<void> {
  const found = await each(
    piece,
    expected.map(([given]) => given),
  );
  expect(found.map((value, i) => [expected[i]?.[0], value])).toEqual(expected);
}

const millis = (text: string): bigint => BigInt(Date.parse(text));

describe('isoTime', () => {
  test('reads offsets, fractions and the basic form, and takes a time without an offset as UTC', () =>
    gives(isoTime(x), [
      ['2026-11-05T09:00:00Z', millis('2026-11-05T09:00:00Z')],
      ['2026-11-05T09:00:00', millis('2026-11-05T09:00:00Z')],
      ['2026-11-05 09:00:00', millis('2026-11-05T09:00:00Z')],
      ['2026-11-05T09:00:00+02:00', millis('2026-11-05T07:00:00Z')],
      ['2026-11-05T09:00:00+0200', millis('2026-11-05T07:00:00Z')],
      ['2026-11-05T09:00:00-03:30', millis('2026-11-05T12:30:00Z')],
      ['2026-11-05T09:00:00.5Z', millis('2026-11-05T09:00:00.500Z')],
      ['2026-11-05T09:00:00.123Z', millis('2026-11-05T09:00:00.123Z')],
      ['20261105T090000Z', millis('2026-11-05T09:00:00Z')],
      ['1969-12-31T23:59:59.900Z', -100n],
    ]));

  test('cuts what is finer than a millisecond off and never rounds up', () =>
    gives(isoTime(x), [
      ['2026-11-05T09:00:00.1239Z', millis('2026-11-05T09:00:00.123Z')],
      ['2026-11-05T09:00:00.999999Z', millis('2026-11-05T09:00:00.999Z')],
      ['2026-11-05T23:59:59.999999999Z', millis('2026-11-05T23:59:59.999Z')],
    ]));

  test('gives NULL for a date alone, for rubbish, and for times that do not exist', () =>
    gives(
      isoTime(x),
      [
        null,
        '',
        'rubbish',
        '2026-11-05',
        '2026',
        '09:00',
        'infinity',
        '2026-02-30T00:00:00Z',
        '2026-13-01T00:00:00Z',
        '2026-11-05T24:00:00Z',
        '2026-11-05T25:00:00Z',
        '2026-11-05T23:60:00Z',
        '2016-12-31T23:59:60Z',
        '20261105T090060Z',
        '20261305T090000Z',
        '2026-11-05T09:00:00Z ',
        '2026-11-05T09:00:00Z\n',
        '2026-11-05t09:00:00z',
        '2026-11-05T09:00:00 UTC',
        '2026-11-05T09:00:00.Z',
        "2026-11-05T09:00:00Z'; DROP TABLE t",
      ].map((text) => [text, null]),
    ));

  test('reads what Date writes, whatever the moment', async () => {
    const moments = fc.sample(
      fc.date({ min: new Date('1970-01-01T00:00:00Z'), max: new Date('2099-12-31T23:59:59Z'), noInvalidDate: true }),
      { numRuns: 500, seed: 7 },
    );
    const found = await each(
      isoTime(x),
      moments.map((moment) => moment.toISOString()),
    );
    expect(found).toEqual(moments.map((moment) => BigInt(moment.getTime())));
  });
});

test('epochTime reads digits only, in seconds or milliseconds', async () => {
  await gives(epochTime(x, 1000), [
    ['1793869200', 1793869200000n],
    ['0', 0n],
    ['-5', null],
    ['1.5', null],
    ['1e9', null],
    ['', null],
    ['999999999999', 999999999999000n],
    ['9999999999999', null],
    [null, null],
  ]);
  await gives(epochTime(x, 1), [
    ['999999999999999', 999999999999999n],
    ['9999999999999999', null],
    ['1793869200123', 1793869200123n],
    ['2026-11-05T09:00:00Z', null],
  ]);
});

test.each<[string, (text: Sql<string>) => Sql]>([
  ['integer', integer],
  ['long', long],
  ['epochTime', (text) => epochTime(text, 1000)],
  ['isoTime', isoTime],
])('%s gives NULL for rubbish also where a statement has it twice', async (_, convert) => {
  const twice = sql`CASE WHEN ${convert(x)} > 0 THEN ${convert(x)} WHEN ${convert(x)} < 0 THEN -(${convert(x)}) END`;
  await gives(
    twice,
    ['-', '', 'rubbish', '99999999999999999999', null].map((text) => [text, null]),
  );
});

test('dateTime keeps what OCSF takes for a time, and nothing else', () =>
  gives(dateTime(x), [
    ['2026-11-05T09:00:00Z', '2026-11-05T09:00:00Z'],
    ['2026-11-05T09:00:00.123+02:00', '2026-11-05T09:00:00.123+02:00'],
    ['2026-11-05 09:00:00', null],
    ['2026-11-05T09:00:00+0200', null],
    ['2026-11-05', null],
    [null, null],
  ]));

const NO_INTEGERS = ['1.9', '1e3', '0x1F', '1_000', '', '-', '+', '5.', '.5', ' 5', '5 ', '5\n', '٥', 'NaN', '1,000'];

test('integer takes decimal digits within 32 bits and gives NULL for all else', () =>
  gives(integer(x), [
    ...NO_INTEGERS.map((text) => [text, null] as const),
    ['5', 5],
    ['+5', 5],
    ['-0', 0],
    ['5.0', 5],
    ['-5.000', -5],
    ['00012', 12],
    ['2147483647', 2147483647],
    ['-2147483648', -2147483648],
    ['2147483648', null],
    ['9999999999', null],
    ['999999999999999999', null],
    [null, null],
  ]));

test('long takes decimal digits within 64 bits and gives NULL for all else', () =>
  gives(long(x), [
    ...NO_INTEGERS.map((text) => [text, null] as const),
    ['+5', 5n],
    ['-0', 0n],
    ['5.0', 5n],
    ['2147483648', 2147483648n],
    ['999999999999999999', 999999999999999999n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n],
    ['9223372036854775808', null],
    ['12345678901234567890', null],
    [null, null],
  ]));

test('boolean takes true and false in any case, and no other word or number', () =>
  gives(boolean(x), [
    ['true', true],
    ['True', true],
    ['FALSE', false],
    ['yes', null],
    ['t', null],
    ['1', null],
    ['0', null],
    ['', null],
    [null, null],
  ]));

describe('ipAddress', () => {
  test('takes IPv4 and every form of IPv6, in its canonical form', () =>
    gives(ipAddress(x), [
      ['192.0.2.1', '192.0.2.1'],
      ['0.0.0.0', '0.0.0.0'],
      ['255.255.255.255', '255.255.255.255'],
      ['2001:DB8::1', '2001:db8::1'],
      ['2001:db8:0:0:0:0:0:1', '2001:db8::1'],
      ['2001:0DB8:0000:0000:0008:0800:200C:417A', '2001:db8::8:800:200c:417a'],
      ['2001:db8:0:1:0:0:0:1', '2001:db8:0:1::1'],
      ['2001:0:0:1:0:0:1:1', '2001::1:0:0:1:1'],
      ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
      ['0:0:0:0:0:0:0:0', '::'],
      ['::', '::'],
      ['::1', '::1'],
      ['1::', '1::'],
      ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
      ['::2:3:4:5:6:7:8', '0:2:3:4:5:6:7:8'],
      ['::ffff:192.0.2.1', '192.0.2.1'],
      ['0:0:0:0:0:FFFF:192.0.2.1', '192.0.2.1'],
      ['64:FF9B::192.0.2.33', '64:ff9b::192.0.2.33'],
    ]));

  test('writes any IPv6 address as URLs do', async () => {
    const group = fc.oneof(fc.constant(0), fc.nat(0xffff));
    const groups = fc.array(group, { minLength: 8, maxLength: 8 });
    const texts = fc
      .sample(fc.tuple(groups, fc.nat(4)), { numRuns: 3000, seed: 11 })
      .map(([eight, width]) => eight.map((n) => n.toString(16).padStart(width, '0').toUpperCase()).join(':'));
    const short = texts.map((one) => one.replace(/(^|:)0+(?::0+)*(?=:|$)/, (_, before) => `${before}:`)).filter(isIPv6);
    expect(short.length).toBeGreaterThan(300);
    const all = [...texts, ...short];
    const wanted = all.map((one) => [one, new URL(`http://[${one}]`).hostname.slice(1, -1)]);
    const found = await each(ipAddress(x), all);
    expect(all.map((one, i) => [one, found[i]])).toEqual(wanted);
  });

  test('gives NULL for an address with a port or a zone, for names and for what is nearly an address', () =>
    gives(
      ipAddress(x),
      [
        null,
        '',
        '-',
        '256.1.1.1',
        '1.2.3',
        '1.2.3.4.5',
        '01.2.3.4',
        '192.0.2.1:443',
        '[2001:db8::1]:443',
        '[::1]',
        'fe80::1%eth0',
        '0:0:0:0:0:0:0:1%0',
        '192.0.2.0/24',
        '192.0.2.1\n',
        ' 192.0.2.1',
        '12345::',
        '1::2::3',
        ':::',
        '1:2:3:4:5:6:7:8:9',
        '::256.0.0.1',
        'ec2.amazonaws.com',
        'AWS Internal',
        'AWS Internal/1',
      ].map((text) => [text, null]),
    ));

  test('agrees with Node on any mixture of groups, colons and dots', async () => {
    const group = fc.oneof(
      fc.constant(''),
      fc.nat(0x1ffff).map((n) => n.toString(16)),
    );
    const dotted = fc.array(fc.nat(260), { minLength: 4, maxLength: 4 }).map((octets) => octets.join('.'));
    const text = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      dotted,
      fc
        .tuple(fc.array(group, { maxLength: 9 }), fc.option(dotted))
        .map(([groups, last]) => [...groups, ...(last ? [last] : [])].join(':')),
      fc.tuple(fc.array(group, { maxLength: 5 }), dotted).map(([groups, last]) => `::${[...groups, last].join(':')}`),
    );
    const texts = fc.sample(text, { numRuns: 5000, seed: 7 });
    const wanted = texts.map((one) => [one, isIP(one) !== 0]);
    expect(wanted.filter(([, is]) => is).length).toBeGreaterThan(1000);
    const found = await each(isIpAddress(x), texts);
    expect(texts.map((one, i) => [one, found[i]])).toEqual(wanted);
  });
});

test('email takes an address with a domain that has a dot', () =>
  gives(email(x), [
    ['ana@example.com', 'ana@example.com'],
    ["o'brien+logs@sub.example.co.uk", "o'brien+logs@sub.example.co.uk"],
    ['ana@localhost', null],
    ['@example.com', null],
    ['ana@@example.com', null],
    ['ana ana@example.com', null],
    ['ana@example.com\n', null],
    ['System-User', null],
    ['', null],
    [null, null],
  ]));

test('uuid takes the five groups in any case', async () => {
  const id = '0A1b2C3d-4e5f-6071-8293-a4b5c6d7e8f9';
  await gives(uuid(x), [
    [id, id],
    [`${id}0`, null],
    [`{${id}}`, null],
    [id.replaceAll('-', ''), null],
    ['', null],
    [null, null],
  ]);
  await gives(isUuid(x), [
    [id, true],
    ['ana', false],
    [null, false],
  ]);
});

test('present trims blanks, keeps what is between them, and gives NULL for what logs write for no value', () =>
  gives(present(x), [
    ['ana', 'ana'],
    ['ana bea', 'ana bea'],
    [' ana', 'ana'],
    ['ana\n', 'ana'],
    ['\t\r\nana \n bea ', 'ana \n bea'],
    ['0', '0'],
    ['0.0.0.0', '0.0.0.0'],
    ['nullable', 'nullable'],
    ['undefined behaviour', 'undefined behaviour'],
    ['!', '!'],
    ['🦆', '🦆'],
    ['\u0001ana', '\u0001ana'],
    ...['', ' ', '\n', '-', ' - ', 'null', 'NULL', 'None', 'N/A', ' n/a', 'NaN', 'undefined'].map(
      (none) => [none, null] as const,
    ),
    [null, null],
  ]));

describe('JSON', () => {
  test('json keeps JSON of any kind and gives NULL for other text', () =>
    gives(json(x), [
      ['{"a":1}', '{"a":1}'],
      ['[]', '[]'],
      ['"x"', '"x"'],
      ['12', '12'],
      ['null', 'null'],
      ['', null],
      ['text', null],
      ['{"a":}', null],
      ['{"a":1} tail', null],
      ["{'a':1}", null],
      ['{"a":NaN}', null],
      ['[Infinity]', null],
      ['-inf', null],
      ['{"a":1,}', null],
      ['[1, ]', null],
      ['["finance","info"]', '["finance","info"]'],
      ['{"nan":"Infinity,]","a\\"":"NaN"}', '{"nan":"Infinity,]","a\\"":"NaN"}'],
      [null, null],
    ]));

  test('jsonOrText makes a JSON string of other text, with quotes and control characters escaped', () =>
    gives(jsonOrText(x), [
      ['{"a":1}', '{"a":1}'],
      ['', '""'],
      ['say "hi"\\', '"say \\"hi\\"\\\\"'],
      ['two\nlines\u0001', '"two\\nlines\\u0001"'],
      ['{"a":1} tail', '"{\\"a\\":1} tail"'],
      ['😀', '"😀"'],
      [null, null],
    ]));

  test('jsonString makes a JSON string of any text, of JSON too', () =>
    gives(jsonString(x), [
      ['{"a":1}', '"{\\"a\\":1}"'],
      ['', '""'],
      [null, null],
    ]));

  test('toJson writes structs, lists and NULL members', async () => {
    const struct = call((f) =>
      f.struct([
        ['a b', literal("it's")],
        ['n', sql`NULL`],
        ['l', f.list([literal(1), literal(2)])],
      ]),
    );
    expect(await value(toJson(struct))).toBe(`{"a b":"it's","n":null,"l":[1,2]}`);
  });

  test('jsonList takes the elements of a list as texts, and NULL where there is none', async () => {
    await gives(
      call((f) => f.toJson(jsonList(x))),
      [
        ['["a", 1, {"b": 2}, null]', '["a","1","{\\"b\\":2}",null]'],
        ['[]', '[]'],
        ['["a"', null],
        ['no list', null],
        ['{"a":1}', null],
        ['', null],
        [null, null],
      ],
    );
  });

  test('jsonField takes a member as text, and NULL where there is no JSON or no such member', async () => {
    await gives(jsonField(x, 'a'), [
      ['{"a":"x"}', 'x'],
      ['{"a":1.50}', '1.5'],
      ['{"a":{"b":[1, 2]}}', '{"b":[1,2]}'],
      ['{"a":null}', null],
      ['{"b":1}', null],
      ['[1]', null],
      ['text', null],
      [null, null],
    ]);
    await gives(jsonField(x, 'a/b', "c~'d"), [['{"a/b":{"c~\'d":"x"}}', 'x']]);
  });

  test('fromJson reads every leaf as text, however the log wrote it, and lists as lists of texts', async () => {
    const shape = { s: 'text', n: 'text', o: 'text', list: 'texts', 'in-side': { 'dotted.name': 'text' } } as const;
    const record =
      '{"s":"é\\n","n":123456789012345678901,"o":{"b": [1]},"list":[1,{"c":2},"x"],"in-side":{"dotted.name":true},"more":1}';
    const read = fromJson(literal(record), shape);
    expect(await value(sql`${read}.s`)).toBe('é\n');
    expect(await value(sql`${read}.n`)).toBe('123456789012345678901');
    expect(await value(sql`${read}.o`)).toBe('{"b":[1]}');
    expect(await value(sql`${read}.list[2]`)).toBe('{"c":2}');
    expect(await value(sql`${read}.${identifier('in-side', 'dotted.name')}`)).toBe('true');
    expect(await value(sql`${fromJson(literal('{}'), shape)}.s`)).toBeNull();
  });
});

describe('conditions and choices', () => {
  test('lookup gives the value for a word, NULL or the other value for all else', async () => {
    const table = { one: 1, "it's": 2, constructor: 3 } as const;
    await gives(lookup(x, table), [
      ['one', 1],
      ["it's", 2],
      ['constructor', 3],
      ['toString', null],
      ['ONE', null],
      ['', null],
      [null, null],
    ]);
    await gives(lookup(x, table, literal(99)), [
      ['one', 1],
      ['other', 99],
      [null, 99],
    ]);
  });

  test('when takes the first condition that holds; a NULL condition does not hold', async () => {
    const first = when(
      [
        [startsWith(x, 'a'), literal('starts')],
        [matches(x, 'a'), literal('holds')],
      ],
      literal('neither'),
    );
    await gives(first, [
      ['ab', 'starts'],
      ['ba', 'holds'],
      ['b', 'neither'],
      [null, 'neither'],
    ]);
    await gives(when([[isNull(x), literal(1)]]), [
      [null, 1],
      ['', null],
    ]);
  });

  test('nullIf takes each placeholder away and compares nothing else', () =>
    gives(nullIf(x, '', '-', 'null'), [
      ['', null],
      ['-', null],
      ['null', null],
      ['NULL', 'NULL'],
      [' ', ' '],
      [null, null],
    ]));

  test('equals and isIn are NULL for NULL; not is true for it', async () => {
    await gives(equals(x, 'a'), [
      ['a', true],
      ['A', false],
      [null, null],
    ]);
    await gives(isIn(x, ['a', "b'"]), [
      ['a', true],
      ["b'", true],
      ['c', false],
      [null, null],
    ]);
    await gives(isIn(x, []), [['a', false]]);
    await gives(not(equals(x, 'a')), [
      ['a', false],
      ['b', true],
      [null, true],
    ]);
    await gives(or(equals(x, 'a'), isNotNull(x)), [
      ['b', true],
      [null, null],
    ]);
  });

  test('coalesce takes the first that is there', async () => {
    expect(await value(coalesce(sql`NULL`, literal('a'), literal('b')))).toBe('a');
    expect(await value(coalesce(sql`NULL`))).toBeNull();
  });
});

describe('texts', () => {
  test('regexExtract gives the group, and NULL where nothing matches or the group is empty', () =>
    gives(regexExtract(x, ':(i-[0-9a-f]{8,17})?$', 1), [
      ['AROAEXAMPLE:i-0a1b2c3d4e5f60718', 'i-0a1b2c3d4e5f60718'],
      ['AROAEXAMPLE:', null],
      ['AROAEXAMPLE:ana', null],
      ['', null],
      [null, null],
    ]));

  test('concat is NULL as soon as a part is', async () => {
    expect(await value(concat(literal('a'), literal(''), literal('b')))).toBe('ab');
    expect(await value(concat(literal('a'), sql`NULL`))).toBeNull();
  });

  test('splitPart counts from 1 and gives the empty text past the end', async () => {
    expect(await value(splitPart(literal('192.0.2.1:443'), ':', 2))).toBe('443');
    expect(await value(splitPart(literal('192.0.2.1'), ':', 2))).toBe('');
  });

  test('lower and md5 take whole texts', async () => {
    expect(await value(lower(literal('ABC-é')))).toBe('abc-é');
    expect(await value(md5(literal('')))).toBe('d41d8cd98f00b204e9800998ecf8427e');
  });
});

describe('what the dialect has for lists, maps, times and sums', () => {
  const one = (piece: Parameters<typeof call>[0]): Promise<unknown> => value(call(piece));
  const numbers = sql`[3, 1, NULL, 1]`;

  test('transform and filter take each element; transform of NULL is an empty list', async () => {
    expect(await one((f) => f.toJson(f.transform(numbers, (e) => sql`${e} * 2`)))).toBe('[6,2,null,2]');
    expect(await one((f) => f.toJson(f.transform(sql`NULL`, (e) => e)))).toBe('[]');
    expect(await one((f) => f.toJson(f.filter(numbers, (e) => sql`${e} > 1`)))).toBe('[3]');
  });

  test('element counts from 1, and is NULL past the end', async () => {
    expect(await one((f) => f.element(numbers, 1))).toBe(3);
    expect(await one((f) => f.element(numbers, 9))).toBeNull();
    expect(Number(await one((f) => f.size(numbers)))).toBe(4);
  });

  test('maps are made of pairs, and lists are joined in order', async () => {
    const pairs = call((f) =>
      f.list([
        f.struct([
          ['k', literal('a.b')],
          ['v', literal('1')],
        ]),
      ]),
    );
    expect(await one((f) => f.toJson(f.mapOfPairs(pairs)))).toBe('{"a.b":"1"}');
    expect(await one((f) => f.toJson(f.concatLists([sql`[1]`, sql`[2, 3]`, sql`[4]`])))).toBe('[1,2,3,4]');
  });

  test('milliseconds become a timestamp and milliseconds again', () =>
    gives(
      call((f) => f.millisOfTimestamp(f.timestampOfMillis(f.cast(x, 'long')))),
      [
        ['1793869200123', 1793869200123n],
        ['-1', -1n],
        [null, null],
      ],
    ));

  test('sums are 64-bit integers, and distinct values over a window are counted without NULL', async () => {
    const total = sql`SELECT ${call((f) => f.sumLong(sql`n`))} AS total FROM (SELECT unnest(${numbers}) AS n)`;
    expect(await rows(engine, spell(total, engine.dialect))).toEqual([{ total: 5n }]);
    const different = sql`SELECT n, ${call((f) => f.countDistinct(sql`n`, sql`(PARTITION BY n > 0)`))} AS different
      FROM (SELECT unnest(${numbers}) AS n) ORDER BY n NULLS LAST`;
    expect((await rows(engine, spell(different, engine.dialect))).map((row) => row.different)).toEqual([
      2n,
      2n,
      2n,
      0n,
    ]);
  });

  test('replaceAll replaces every match', async () => {
    expect(await one((f) => f.replaceAll(literal('a1b22'), '[0-9]+', '#'))).toBe('a#b#');
  });
});
