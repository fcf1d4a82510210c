import {
  Binary,
  Bool,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  DurationMillisecond,
  Field,
  FixedSizeBinary,
  FixedSizeList,
  Float16,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  IntervalDayTime,
  IntervalMonthDayNano,
  LargeList,
  LargeUtf8,
  List,
  Map_,
  Null,
  Struct,
  TimeMicrosecond,
  TimeMillisecond,
  TimeNanosecond,
  TimeSecond,
  type Timestamp,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
  Utf8View,
  Vector,
  vectorFromArray,
} from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { batchOf, columnOf, lines, rawColumn, written } from './given.ts';

const wellFormed = (text: string): string => Buffer.from(text).toString();

const column = async (vector: Vector): Promise<string[]> =>
  (await lines({}, batchOf({ v: vector }))).map((line) => line.slice(5, -1));

describe('numbers', () => {
  test('integers of every width keep their digits', async () => {
    const values: [Vector, string[]][] = [
      [columnOf(new Int8(), [-128, 127, null]), ['-128', '127', 'null']],
      [columnOf(new Int16(), [-32768, 32767]), ['-32768', '32767']],
      [columnOf(new Int32(), [-2147483648, 2147483647, 1000000000]), ['-2147483648', '2147483647', '1000000000']],
      [columnOf(new Uint8(), [255]), ['255']],
      [columnOf(new Uint16(), [65535]), ['65535']],
      [columnOf(new Uint32(), [4294967295, 999999999]), ['4294967295', '999999999']],
      [
        columnOf(new Int64(), [-(2n ** 63n), 2n ** 63n - 1n, 0n, -1n, 9007199254740993n, 10n ** 15n, null]),
        ['-9223372036854775808', '9223372036854775807', '0', '-1', '9007199254740993', '1000000000000000', 'null'],
      ],
      [columnOf(new Uint64(), [2n ** 64n - 1n, 2n ** 63n, 7n]), ['18446744073709551615', '9223372036854775808', '7']],
    ];
    for (const [vector, expected] of values) expect(await column(vector)).toEqual(expected);
  });

  test('any integer of 64 bits keeps its digits', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n), { minLength: 1 }), async (values) => {
        expect(await column(columnOf(new Int64(), values))).toEqual(values.map(String));
        const unsigned = values.map((value) => BigInt.asUintN(64, value));
        expect(await column(columnOf(new Uint64(), unsigned))).toEqual(unsigned.map(String));
      }),
    ));

  test('decimals are exact at any scale and width', async () => {
    const decimals = (scale: number, precision: number, values: bigint[], bitWidth = 128): Vector => {
      const words = values.flatMap((value) =>
        Array.from({ length: bitWidth / 32 }, (_, i) => Number(BigInt.asUintN(32, value >> BigInt(32 * i)))),
      );
      return rawColumn({
        type: new Decimal(scale, precision, bitWidth),
        data: Uint32Array.from(words),
        length: values.length,
      });
    };
    expect(await column(decimals(2, 18, [1230n, -5n, 0n, -12345n]))).toEqual(['12.30', '-0.05', '0.00', '-123.45']);
    expect(await column(decimals(0, 38, [10n ** 38n - 1n, -(10n ** 38n) + 1n]))).toEqual([
      '9'.repeat(38),
      `-${'9'.repeat(38)}`,
    ]);
    expect(await column(decimals(38, 38, [-1n]))).toEqual([`-0.${'0'.repeat(37)}1`]);
    expect(await column(decimals(-3, 10, [5n, 0n]))).toEqual(['5000', '0']);
    expect(await column(decimals(1, 76, [-(10n ** 75n)], 256))).toEqual([`-1${'0'.repeat(74)}.0`]);
  });

  test('floats read back as the same number and what JSON cannot hold is null', async () => {
    const values = [0.1, -0, 1e300, 5e-324, 123456789012345680, Number.NaN, Number.POSITIVE_INFINITY, -1.5, null];
    const texts = await column(columnOf(new Float64(), values));
    const expected = values.map((value) => (Number.isFinite(value) ? value : null));
    expect(texts.map((text) => JSON.parse(text))).toEqual(expected);
    expect(await lines({ omitNull: true }, batchOf({ v: columnOf(new Float64(), [Number.NaN, 1]) }))).toEqual([
      '{}',
      '{"v":1}',
    ]);
    expect(await column(columnOf(new Float32(), [0.5, -2]))).toEqual(['0.5', '-2']);
    expect(await column(rawColumn({ type: new Float16(), data: Uint16Array.of(0x3c00, 0xc100, 0x7c00) }))).toEqual([
      '1',
      '-2.5',
      'null',
    ]);
  });

  test('any double reads back as the same number', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.double({ noDefaultInfinity: true, noNaN: true }), { minLength: 1 }),
        async (values) => {
          expect((await column(columnOf(new Float64(), values))).map((text) => JSON.parse(text))).toEqual(values);
        },
      ),
    ));
});

describe('times', () => {
  const stamps = (type: Timestamp, values: bigint[]): Promise<string[]> =>
    column(rawColumn({ type, data: BigInt64Array.from(values), length: values.length }));

  test('timestamps are ISO 8601 in UTC with the digits of their unit', async () => {
    expect(await stamps(new TimestampSecond(), [0n, -1n])).toEqual([
      '"1970-01-01T00:00:00Z"',
      '"1969-12-31T23:59:59Z"',
    ]);
    expect(await stamps(new TimestampMillisecond(), [1709210096789n])).toEqual(['"2024-02-29T12:34:56.789Z"']);
    expect(await stamps(new TimestampMicrosecond('UTC'), [1709210096789012n, -1n])).toEqual([
      '"2024-02-29T12:34:56.789012Z"',
      '"1969-12-31T23:59:59.999999Z"',
    ]);
    expect(await stamps(new TimestampNanosecond(), [1709210096789012345n, -1n])).toEqual([
      '"2024-02-29T12:34:56.789012345Z"',
      '"1969-12-31T23:59:59.999999999Z"',
    ]);
    expect(await stamps(new TimestampSecond(), [253402300800n, -62167219201n])).toEqual([
      '"+010000-01-01T00:00:00Z"',
      '"-000001-12-31T23:59:59Z"',
    ]);
  });

  test('any millisecond of a date is written as JavaScript writes it', () =>
    fc.assert(
      fc.asyncProperty(fc.array(fc.date({ noInvalidDate: true }), { minLength: 1 }), async (dates) => {
        const texts = await stamps(
          new TimestampMillisecond(),
          dates.map((date) => BigInt(date.getTime())),
        );
        expect(texts).toEqual(dates.map((date) => JSON.stringify(date)));
        const days = dates.map((date) => Math.floor(date.getTime() / 86_400_000));
        const expected = dates.map((date) => JSON.stringify(date.toISOString().split('T')[0]));
        expect(
          await column(rawColumn({ type: new DateDay(), data: Int32Array.from(days), length: days.length })),
        ).toEqual(expected);
      }),
    ));

  test('dates, times of day, durations and intervals are ISO 8601', async () => {
    expect(await column(rawColumn({ type: new DateDay(), data: Int32Array.of(0, -1, 19782) }))).toEqual([
      '"1970-01-01"',
      '"1969-12-31"',
      '"2024-02-29"',
    ]);
    expect(await column(rawColumn({ type: new DateMillisecond(), data: BigInt64Array.of(-1n) }))).toEqual([
      '"1969-12-31"',
    ]);
    expect(await column(rawColumn({ type: new TimeSecond(), data: Int32Array.of(86399) }))).toEqual(['"23:59:59"']);
    expect(await column(rawColumn({ type: new TimeMillisecond(), data: Int32Array.of(5) }))).toEqual([
      '"00:00:00.005"',
    ]);
    expect(await column(rawColumn({ type: new TimeMicrosecond(), data: BigInt64Array.of(3_600_000_001n) }))).toEqual([
      '"01:00:00.000001"',
    ]);
    expect(await column(rawColumn({ type: new TimeNanosecond(), data: BigInt64Array.of(1n) }))).toEqual([
      '"00:00:00.000000001"',
    ]);
    expect(await column(rawColumn({ type: new DurationMillisecond(), data: BigInt64Array.of(-1500n) }))).toEqual([
      '"PT-1.500S"',
    ]);
    expect(await column(rawColumn({ type: new IntervalDayTime(), data: Int32Array.of(2, 1500) }))).toEqual([
      '"P2DT1.500S"',
    ]);
    expect(await column(rawColumn({ type: new IntervalMonthDayNano(), data: Int32Array.of(1, -2, -1, -1) }))).toEqual([
      '"P1M-2DT-0.000000001S"',
    ]);
  });
});

describe('text', () => {
  test('any text reads back the same, with lone surrogates replaced', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) })),
        async (values) => {
          const batch = batchOf({
            v: columnOf(new Utf8(), [...values, '']),
            'k"\n': columnOf(new LargeUtf8(), [...values, '']),
          });
          const parsed = (await lines({}, batch)).map((line) => JSON.parse(line));
          expect(parsed).toEqual([...values, ''].map((value) => ({ v: wellFormed(value), 'k"\n': wellFormed(value) })));
        },
      ),
    ));

  test('what breaks a line or a terminal is escaped', async () => {
    const text = '\u0000\b\t\n\f\r\u001b"\\\u007f\u0085\u009b\u2028\u2029\u00a0\u202a/é☃😀';
    const [line] = await column(columnOf(new Utf8(), [text]));
    expect(line).toBe('"\\u0000\\b\\t\\n\\f\\r\\u001b\\"\\\\\\u007f\\u0085\\u009b\\u2028\\u2029\u00a0\u202a/é☃😀"');
  });

  test('bytes that are not UTF-8 become replacement characters', async () => {
    const data = Uint8Array.of(0x61, 0xff, 0xe2, 0x62);
    const vector = rawColumn({ type: new Utf8(), data, valueOffsets: Int32Array.of(0, 2, 3, 4) });
    expect(await column(vector)).toEqual(['"a\ufffd"', '"\ufffd"', '"b"']);
  });

  test('bytes are base64', async () => {
    expect(await column(columnOf(new Binary(), [Uint8Array.of(0, 255, 1), new Uint8Array(), null]))).toEqual([
      '"AP8B"',
      '""',
      'null',
    ]);
    expect(
      await column(rawColumn({ type: new FixedSizeBinary(2), data: Uint8Array.of(1, 2, 3, 4), length: 2 })),
    ).toEqual(['"AQI="', '"AwQ="']);
  });

  test('dictionaries and views are written as what they stand for', async () => {
    const words = new Vector([
      ...columnOf(new Utf8(), ['a', null]).data,
      ...columnOf(new Utf8(), ['a longer text than fits a view']).data,
    ]);
    const type = new Dictionary(new Utf8(), new Int32());
    const nullBitmap = Uint8Array.of(0b1111_0111);
    const dictionary = rawColumn({ type, data: Int32Array.of(2, 0, 1, 0, 0), dictionary: words, nullBitmap });
    expect(await column(dictionary)).toEqual(['"a longer text than fits a view"', '"a"', 'null', 'null', '"a"']);
    expect(await column(vectorFromArray(['a', null, 'a longer text than fits a view'], new Utf8View()))).toEqual([
      '"a"',
      'null',
      '"a longer text than fits a view"',
    ]);
  });
});

describe('nested values', () => {
  const inner = new Struct([new Field('x', new Int32()), new Field('y', new Utf8())]);
  const batch = batchOf({
    s: columnOf(inner, [{ x: 1, y: 'a' }, { x: null, y: null }, null, { x: null, y: 'b' }]),
    l: columnOf(new List(new Field('item', new Int32())), [[1, null, 2], [], null, [null]]),
    ls: columnOf(new List(new Field('item', inner)), [
      [{ x: 1, y: null }, null, { x: null, y: null }],
      [],
      null,
      [null],
    ]),
    ll: columnOf(new LargeList(new Field('item', new Int32())), [[1, null], [], null, [null]]),
    f: columnOf(new FixedSizeList(2, new Field('item', new Bool())), [[true, false], [null, true], null, [null, null]]),
    n: columnOf(new Null(), [null, null, null, null]),
  });

  test('are written with their nulls', async () => {
    expect((await lines({}, batch)).map((line) => JSON.parse(line))).toEqual([
      {
        s: { x: 1, y: 'a' },
        l: [1, null, 2],
        ls: [{ x: 1, y: null }, null, { x: null, y: null }],
        ll: [1, null],
        f: [true, false],
        n: null,
      },
      { s: { x: null, y: null }, l: [], ls: [], ll: [], f: [null, true], n: null },
      { s: null, l: null, ls: null, ll: null, f: null, n: null },
      { s: { x: null, y: 'b' }, l: [null], ls: [null], ll: [null], f: [null, null], n: null },
    ]);
  });

  test('lose nulls and what is empty at every depth when asked', async () => {
    expect((await lines({ omitNull: true }, batch)).map((line) => JSON.parse(line))).toEqual([
      { s: { x: 1, y: 'a' }, l: [1, 2], ls: [{ x: 1 }], ll: [1], f: [true, false] },
      { f: [true] },
      {},
      { s: { y: 'b' } },
    ]);
  });

  test('maps are objects whose keys are text', async () => {
    const map = (key: Utf8 | Int32 | DateDay): Map_ =>
      new Map_(new Field('entries', new Struct([new Field('key', key, false), new Field('value', new Utf8())]), false));
    const texts = columnOf(map(new Utf8()), [
      new Map([
        ['a"b\n', 'x'],
        ['k', null],
      ]),
      new Map(),
      null,
    ]);
    const numbers = columnOf(map(new Int32()), [new Map([[7, 'y']]), new Map([[8, null]]), null]);
    const batch = batchOf({ texts, numbers });
    expect((await lines({}, batch)).map((line) => JSON.parse(line))).toEqual([
      { texts: { 'a"b\n': 'x', k: null }, numbers: { 7: 'y' } },
      { texts: {}, numbers: { 8: null } },
      { texts: null, numbers: null },
    ]);
    expect((await lines({ omitNull: true }, batch)).map((line) => JSON.parse(line))).toEqual([
      { texts: { 'a"b\n': 'x' }, numbers: { 7: 'y' } },
      {},
      {},
    ]);
  });

  test('of any shape and sliced anywhere read back the same', () => {
    type Leaf = { x: number | null; y: string | null };
    type Row = { s: Leaf | null; l: (Leaf | null)[] | null; ll: ((number | null)[] | null)[] | null; t: string | null };
    const nullable = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null });
    const leaf = fc.record({
      x: nullable(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })),
      y: nullable(fc.string()),
    });
    const row: fc.Arbitrary<Row> = fc.record({
      s: nullable(leaf),
      l: nullable(fc.array(nullable(leaf), { maxLength: 3 })),
      ll: nullable(
        fc.array(nullable(fc.array(nullable(fc.integer({ min: 0, max: 9 })), { maxLength: 3 })), { maxLength: 3 }),
      ),
      t: nullable(fc.string()),
    });
    const types = {
      s: inner,
      l: new List(new Field('item', inner)),
      ll: new List(new Field('item', new List(new Field('item', new Int32())))),
      t: new Utf8(),
    };
    const pruned = (value: unknown): unknown => {
      if (Array.isArray(value)) {
        const kept = value.map(pruned).filter((item) => item !== undefined);
        return kept.length > 0 ? kept : undefined;
      }
      if (value === null || typeof value !== 'object') return value ?? undefined;
      const kept = Object.entries(value).flatMap(([key, member]) => {
        const left = pruned(member);
        return left === undefined ? [] : [[key, left]];
      });
      return kept.length > 0 ? Object.fromEntries(kept) : undefined;
    };
    return fc.assert(
      fc.asyncProperty(
        fc.array(row, { minLength: 1, maxLength: 20 }),
        fc.nat(20),
        fc.nat(20),
        async (rows, from, size) => {
          const whole = batchOf(
            Object.fromEntries(
              Object.entries(types).map(([name, type]) => [
                name,
                columnOf(
                  type,
                  rows.map((row) => row[name as keyof Row]),
                ),
              ]),
            ),
          );
          const part = whole.slice(from, from + size);
          const expected = rows.slice(from, from + size);
          const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value));
          expect((await lines({}, part)).map((line) => JSON.parse(line))).toEqual(expected.map(plain));
          const kept = (await lines({ omitNull: true }, part)).map((line) => JSON.parse(line));
          expect(kept).toEqual(expected.map((row) => plain(pruned(row) ?? {})));
        },
      ),
    );
  });
});

test('columns of one name are told apart', async () => {
  const one = columnOf(new Int32(), [1]);
  const two = rawColumn({ type: new Int32(), data: Int32Array.of(2) });
  const batch = batchOf({ a: one, b: two });
  for (const field of batch.schema.fields) Object.assign(field, { name: 'a' });
  expect(await lines({}, batch)).toEqual(['{"a":1,"a_1":2}']);
});

test('a JSON array holds one object a line, also when there are none', async () => {
  const batch = batchOf({ v: columnOf(new Int32(), [1, 2]) });
  expect(await written('json', {}, batch, batch)).toBe('[{"v":1},\n{"v":2},\n{"v":1},\n{"v":2}]\n');
  expect(await written('json', {}, batch.slice(0, 0))).toBe('[]\n');
  expect(await written('ndjson', {}, batch.slice(0, 0))).toBe('');
});
