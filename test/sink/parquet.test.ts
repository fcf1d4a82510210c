import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  Binary,
  Bool,
  type Data,
  DateDay,
  DateMillisecond,
  Decimal,
  Dictionary,
  DurationSecond,
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
  LargeBinary,
  LargeList,
  LargeUtf8,
  List,
  Map_,
  Null,
  type RecordBatch,
  Struct,
  TimeMillisecond,
  TimeNanosecond,
  TimestampMicrosecond,
  TimestampMillisecond,
  TimestampNanosecond,
  TimestampSecond,
  Uint8,
  Uint64,
  Utf8,
  Utf8View,
  Vector,
} from 'apache-arrow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fileOutput, writeRows } from '../../src/sink/sink.ts';
import { batchOf, columnOf, folder, lines, memory, rawColumn, rowsOf, stream } from './given.ts';

async function parquetOf(...batches: RecordBatch[]): Promise<string> {
  const path = join(await folder(), "it's.parquet");
  await writeRows(stream(...batches), 'parquet', await fileOutput(path));
  return `'${path.replaceAll("'", "''")}'`;
}

async function readBack(vector: Vector): Promise<{ type: unknown; values: unknown[] }> {
  const path = await parquetOf(batchOf({ v: vector }));
  const rows = await rowsOf(`SELECT typeof(v) AS type, v FROM ${path}`);
  return { type: rows[0]?.type, values: rows.map(({ v }) => v) };
}

const decimals = (scale: number, precision: number, ...values: bigint[]): Vector => {
  const words = values.flatMap((value) => [0n, 32n, 64n, 96n].map((bits) => Number(BigInt.asUintN(32, value >> bits))));
  return rawColumn({ type: new Decimal(scale, precision), data: Uint32Array.from(words), length: values.length });
};
const big = (...values: bigint[]) => BigInt64Array.from(values);
const item = <T extends Utf8 | Int32 | Struct>(type: T) => new Field('item', type);

test.each<[string, Vector, string, unknown[]]>([
  ['bool', columnOf(new Bool(), [true, null, false]), 'BOOLEAN', [true, null, false]],
  ['int8', columnOf(new Int8(), [-128, null]), 'TINYINT', [-128, null]],
  ['int16', columnOf(new Int16(), [-32768]), 'SMALLINT', [-32768]],
  [
    'int64',
    columnOf(new Int64(), [-(2n ** 63n), null, 2n ** 63n - 1n]),
    'BIGINT',
    ['-9223372036854775808', null, '9223372036854775807'],
  ],
  ['uint8', columnOf(new Uint8(), [255]), 'UTINYINT', [255]],
  ['uint64', columnOf(new Uint64(), [2n ** 64n - 1n]), 'UBIGINT', ['18446744073709551615']],
  ['half', rawColumn({ type: new Float16(), data: Uint16Array.of(0x3c00) }), 'FLOAT', [1]],
  ['float', columnOf(new Float32(), [0.5]), 'FLOAT', [0.5]],
  ['double', columnOf(new Float64(), [0.1, Number.NaN]), 'DOUBLE', [0.1, 'NaN']],
  ['decimal of 4 digits', decimals(2, 4, -1234n), 'DECIMAL(4,2)', ['-12.34']],
  ['decimal of 9 digits', decimals(0, 9, 999999999n, -1n), 'DECIMAL(9,0)', ['999999999', '-1']],
  ['decimal of 18 digits', decimals(6, 18, -(10n ** 18n) + 1n), 'DECIMAL(18,6)', ['-999999999999.999999']],
  ['decimal of 38 digits', decimals(3, 38, 10n ** 38n - 1n), 'DECIMAL(38,3)', [`${'9'.repeat(35)}.999`]],
  [
    'text',
    columnOf(new Utf8(), ['twelve bytes', 'thirteen byte', '', null, 'é\u0000']),
    'VARCHAR',
    ['twelve bytes', 'thirteen byte', '', null, 'é\u0000'],
  ],
  ['large text', columnOf(new LargeUtf8(), ['a', null]), 'VARCHAR', ['a', null]],
  [
    'view',
    columnOf(new Utf8View(), ['a longer text than twelve', null]),
    'VARCHAR',
    ['a longer text than twelve', null],
  ],
  [
    'text that is not UTF-8',
    rawColumn({ type: new Utf8(), data: Uint8Array.of(0xff), valueOffsets: Int32Array.of(0, 1) }),
    'VARCHAR',
    ['\ufffd'],
  ],
  [
    'dictionary',
    columnOf(new Dictionary(new Utf8(), new Int32()), ['a', 'b', null, 'a']),
    'VARCHAR',
    ['a', 'b', null, 'a'],
  ],
  ['bytes', columnOf(new Binary(), [Uint8Array.of(0, 255)]), 'BLOB', ['\\x00\\xFF']],
  [
    'bytes of one size',
    rawColumn({ type: new FixedSizeBinary(1), data: Uint8Array.of(97, 98), length: 2 }),
    'BLOB',
    ['a', 'b'],
  ],
  ['day', rawColumn({ type: new DateDay(), data: Int32Array.of(19782, -1) }), 'DATE', ['2024-02-29', '1969-12-31']],
  ['day in milliseconds', rawColumn({ type: new DateMillisecond(), data: big(-1n) }), 'DATE', ['1969-12-31']],
  ['time', rawColumn({ type: new TimeMillisecond(), data: Int32Array.of(86399999) }), 'TIME', ['23:59:59.999']],
  [
    'time in nanoseconds',
    rawColumn({ type: new TimeNanosecond(), data: big(1001n) }),
    'TIME_NS',
    ['00:00:00.000001001'],
  ],
  ['seconds', rawColumn({ type: new TimestampSecond(), data: big(-1n) }), 'TIMESTAMP', ['1969-12-31 23:59:59']],
  [
    'milliseconds with a zone',
    rawColumn({ type: new TimestampMillisecond('UTC'), data: big(1n) }),
    'TIMESTAMP WITH TIME ZONE',
    ['1970-01-01 00:00:00.001+00'],
  ],
  [
    'microseconds',
    rawColumn({ type: new TimestampMicrosecond(), data: big(1709210096789012n) }),
    'TIMESTAMP',
    ['2024-02-29 12:34:56.789012'],
  ],
  [
    'microseconds with a zone',
    rawColumn({ type: new TimestampMicrosecond('Europe/Berlin'), data: big(0n) }),
    'TIMESTAMP WITH TIME ZONE',
    ['1970-01-01 00:00:00+00'],
  ],
  [
    'nanoseconds',
    rawColumn({ type: new TimestampNanosecond(), data: big(1709210096789012345n) }),
    'TIMESTAMP_NS',
    ['2024-02-29 12:34:56.789012345'],
  ],
  [
    'struct',
    columnOf(new Struct([item(new Utf8()), new Field('ITEM', new Int32())]), [{ item: 'a', ITEM: 1 }, null]),
    'STRUCT(item VARCHAR, ITEM_1 INTEGER)',
    [{ item: 'a', ITEM_1: 1 }, null],
  ],
  ['list', columnOf(new List(item(new Utf8())), [['a', null], [], null]), 'VARCHAR[]', [['a', null], [], null]],
  [
    'large list',
    columnOf(new LargeList(item(new Utf8())), [['a', null], [], null]),
    'VARCHAR[]',
    [['a', null], [], null],
  ],
  ['large bytes', columnOf(new LargeBinary(), [Uint8Array.of(97), null]), 'BLOB', ['a', null]],
  [
    'list of one size',
    columnOf(new FixedSizeList(2, item(new Int32())), [[1, null], null, [3, 4]]),
    'INTEGER[]',
    [[1, null], null, [3, 4]],
  ],
  ['nothing', columnOf(new Null(), [null, null]), 'INTEGER', [null, null]],
  ['duration', rawColumn({ type: new DurationSecond(), data: big(5n) }), 'VARCHAR', ['PT5S']],
  [
    'decimal of 76 digits',
    rawColumn({ type: new Decimal(0, 76, 256), data: Uint32Array.of(7, 0, 0, 0, 0, 0, 0, 0), length: 1 }),
    'VARCHAR',
    ['7'],
  ],
])('%s is read back by DuckDB', async (_, vector, type, values) => {
  expect(await readBack(vector)).toEqual({ type, values });
});

test('a dictionary in several pieces is read back by DuckDB', async () => {
  const dictionary = new Vector([
    ...columnOf(new Int64(), [5n, null]).data,
    ...columnOf(new Int64(), [2n ** 62n]).data,
  ]);
  const type = new Dictionary(new Int64(), new Int32());
  const vector = rawColumn({ type, data: Int32Array.of(2, 0, 1, 2), dictionary, nullBitmap: Uint8Array.of(0b0111) });
  expect(await readBack(vector)).toEqual({ type: 'BIGINT', values: ['4611686018427387904', '5', null, null] });
});

test('maps are read back by DuckDB', async () => {
  const entries = new Struct([new Field('key', new Utf8(), false), new Field('value', new List(item(new Int32())))]);
  const map = columnOf(new Map_(new Field('entries', entries, false)), [
    new Map([
      ['a', [1, 2]],
      ['b', null],
    ]),
    new Map(),
    null,
  ]);
  expect(await readBack(map)).toEqual({
    type: 'MAP(VARCHAR, INTEGER[])',
    values: [
      [
        { key: 'a', value: [1, 2] },
        { key: 'b', value: null },
      ],
      [],
      null,
    ],
  });
});

test('a null struct hides the values that are still in its vectors', async () => {
  const type = new Struct([new Field('x', new Int32()), new Field('y', new Utf8())]);
  const { children } = columnOf(type, [
    { x: 1, y: 'a' },
    { x: 2, y: null },
  ]).data[0] as Data;
  const vector = rawColumn({ type, children, length: 2, nullBitmap: Uint8Array.of(0b10) });
  const path = await parquetOf(batchOf({ v: vector }));
  expect(await rowsOf(`SELECT v, v.x AS x, v.y AS y FROM ${path}`)).toEqual([
    { v: null, x: null, y: null },
    { v: { x: 2, y: null }, x: 2, y: null },
  ]);
});

test('nested rows of any shape, over many batches and vectors, keep their values and order', async () => {
  type Row = { id: number; s: unknown; l: unknown; t: string | null };
  const nullable = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | null> => fc.option(value, { nil: null, freq: 3 });
  const leaf = fc.record({
    x: nullable(fc.integer({ min: 0, max: 99 })),
    y: nullable(fc.string({ unit: 'binary', maxLength: 20 })),
  });
  const shape = fc.record({
    s: nullable(fc.record({ deep: nullable(leaf), many: nullable(fc.array(nullable(leaf), { maxLength: 2 })) })),
    l: nullable(fc.array(nullable(fc.array(nullable(leaf), { maxLength: 3 })), { maxLength: 3 })),
    t: nullable(fc.string({ unit: 'binary', maxLength: 20 })),
  });
  const leafType = new Struct([new Field('x', new Int32()), new Field('y', new Utf8())]);
  const types = {
    id: new Int32(),
    s: new Struct([new Field('deep', leafType), new Field('many', new List(new Field('item', leafType)))]),
    l: new List(new Field('item', new List(new Field('item', leafType)))),
    t: new Utf8(),
  };
  const shapes = fc.sample(shape, { numRuns: 500, seed: 7 });
  const rows = Array.from(
    { length: 12_000 },
    (_, id): Row => ({ id, ...(shapes[(id * 7919) % 500] as Omit<Row, 'id'>) }),
  );
  const columns = Object.entries(types).map(([name, type]) => [
    name,
    columnOf(
      type,
      rows.map((row) => row[name as keyof Row]),
    ),
  ]);
  const whole = batchOf(Object.fromEntries(columns));
  const batches = [whole.slice(0, 5000), whole.slice(5000, 5000), whole.slice(5000, 5003), whole.slice(5003)];
  const path = await parquetOf(...batches);
  const read = await rowsOf(`SELECT to_json(r)::VARCHAR AS json FROM ${path} AS r`);
  expect(read.map(({ json }) => JSON.parse(String(json)))).toEqual(rows.map((row) => JSON.parse(JSON.stringify(row))));
  expect((await lines({}, whole)).map((line) => JSON.parse(line))).toEqual(
    rows.map((row) => JSON.parse(JSON.stringify(row))),
  );
});

test('nothing is left beside the file, and it is compressed with zstd', async () => {
  const place = await folder();
  const path = join(place, 'rows.parquet');
  await writeRows(stream(batchOf({ v: columnOf(new Utf8(), ['a', 'b']) })), 'parquet', await fileOutput(path));
  expect(await readdir(place)).toEqual(['rows.parquet']);
  expect(await rowsOf(`SELECT DISTINCT compression FROM parquet_metadata('${path}')`)).toEqual([
    { compression: 'ZSTD' },
  ]);
});

test('Parquet goes to any output, and a table without rows or with equal names has its columns', async () => {
  const batch = batchOf({ a: columnOf(new Int32(), []), A: columnOf(new Utf8(), []), '': columnOf(new Utf8(), []) });
  const output = memory();
  expect(await writeRows(stream(batch), 'parquet', output)).toEqual({ rows: 0 });
  expect(output.bytes().subarray(0, 4).toString()).toBe('PAR1');
  expect(await rowsOf(`DESCRIBE FROM ${await parquetOf(batch)}`)).toMatchObject([
    { column_name: 'a', column_type: 'INTEGER' },
    { column_name: 'A_1', column_type: 'VARCHAR' },
    { column_name: 'column2', column_type: 'VARCHAR' },
  ]);
});

test('Parquet without columns is refused', async () => {
  await expect(writeRows(stream(), 'parquet', memory())).rejects.toThrow('at least one column');
});
