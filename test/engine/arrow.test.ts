import {
  DuckDBArrayValue,
  DuckDBBitValue,
  DuckDBBlobValue,
  type DuckDBConnection,
  DuckDBDateValue,
  DuckDBDecimalValue,
  DuckDBInstance,
  DuckDBIntervalValue,
  DuckDBListValue,
  DuckDBMapValue,
  DuckDBStructValue,
  DuckDBTimeNSValue,
  DuckDBTimestampMillisecondsValue,
  DuckDBTimestampNanosecondsValue,
  DuckDBTimestampSecondsValue,
  DuckDBTimestampTZValue,
  DuckDBTimestampValue,
  DuckDBTimeValue,
  DuckDBUUIDValue,
  type DuckDBValue,
} from '@duckdb/node-api';
import { type Data, DataType, type RecordBatch, RecordBatchStreamWriter, Table, tableFromIPC } from 'apache-arrow';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { arrowSchema, recordBatches } from '../../src/engine/arrow.ts';

let instance: DuckDBInstance;
let connection: DuckDBConnection;

beforeAll(async () => {
  instance = await DuckDBInstance.create();
  connection = await instance.connect();
  await connection.run("CREATE TYPE mood AS ENUM ('sad', 'ok', 'a rather long word for happy')");
  await connection.run('CREATE TYPE wide AS ENUM (SELECT $$value $$ || i FROM range(300) t(i))');
});

afterAll(() => {
  connection.closeSync();
  instance.closeSync();
});

async function collect(sql: string): Promise<RecordBatch[]> {
  const batches: RecordBatch[] = [];
  for await (const batch of recordBatches(await connection.stream(sql))) batches.push(batch);
  return batches;
}

function roundTrip(batches: RecordBatch[]): RecordBatch[] {
  const writer = RecordBatchStreamWriter.writeAll(batches);
  return tableFromIPC(writer.toUint8Array(true)).batches;
}

type Plain = null | boolean | number | bigint | string | Plain[] | { [name: string]: Plain };

function bytesOf(values: ArrayBufferView, at: number, width: number): DataView {
  return new DataView(values.buffer, values.byteOffset + at * width, width);
}

function decoded(data: Data, row: number): Plain {
  if (!data.getValid(row)) return null;
  const { type } = data;
  const at = data.offset + row;
  if (DataType.isBool(type)) return ((data.values[at >> 3] >> (at & 7)) & 1) === 1;
  if (DataType.isDecimal(type)) {
    const view = bytesOf(data.values, row, 16);
    return (view.getBigInt64(8, true) << 64n) + view.getBigUint64(0, true);
  }
  if (DataType.isInterval(type)) {
    const view = bytesOf(data.values, row, 16);
    return [view.getInt32(0, true), view.getInt32(4, true), view.getBigInt64(8, true)];
  }
  if (DataType.isUtf8(type) || DataType.isBinary(type)) {
    const slice = Buffer.from(data.values.subarray(data.valueOffsets[row], data.valueOffsets[row + 1]));
    return slice.toString(DataType.isUtf8(type) ? 'utf8' : 'hex');
  }
  const child = (index: number): Data => data.children[index] as Data;
  if (DataType.isStruct(type)) {
    return Object.fromEntries(type.children.map(({ name }, index) => [name, decoded(child(index), row)]));
  }
  if (DataType.isFixedSizeList(type)) {
    return Array.from({ length: type.listSize }, (_, index) => decoded(child(0), row * type.listSize + index));
  }
  if (DataType.isList(type) || DataType.isMap(type)) {
    const [start, end] = [data.valueOffsets[row], data.valueOffsets[row + 1]];
    return Array.from({ length: end - start }, (_, index) => decoded(child(0), start + index));
  }
  return data.values[row];
}

function expected(value: DuckDBValue): Plain {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof DuckDBDateValue) return value.days;
  if (value instanceof DuckDBTimeValue) return value.micros;
  if (value instanceof DuckDBTimeNSValue) return value.nanos;
  if (value instanceof DuckDBTimestampSecondsValue) return value.seconds;
  if (value instanceof DuckDBTimestampMillisecondsValue) return value.millis;
  if (value instanceof DuckDBTimestampNanosecondsValue) return value.nanos;
  if (value instanceof DuckDBTimestampTZValue || value instanceof DuckDBTimestampValue) return value.micros;
  if (value instanceof DuckDBDecimalValue) return value.value;
  if (value instanceof DuckDBIntervalValue) return [value.months, value.days, value.micros * 1000n];
  if (value instanceof DuckDBBlobValue) return Buffer.from(value.bytes).toString('hex');
  if (value instanceof DuckDBUUIDValue || value instanceof DuckDBBitValue) return value.toString();
  if (value instanceof DuckDBListValue || value instanceof DuckDBArrayValue) return value.items.map(expected);
  if (value instanceof DuckDBMapValue) {
    return value.entries.map(({ key, value }) => ({ key: expected(key), value: expected(value) }));
  }
  if (value instanceof DuckDBStructValue) {
    return Object.fromEntries(Object.entries(value.entries).map(([name, entry]) => [name, expected(entry)]));
  }
  throw new Error(`no expectation for ${value}`);
}

function checkInvariants(data: Data): void {
  const invalid = Array.from({ length: data.length }, (_, row) => data.getValid(row)).filter((valid) => !valid).length;
  expect(data.nullCount).toBe(invalid);
  if (data.valueOffsets) {
    const offsets = Array.from(data.valueOffsets as Int32Array).slice(0, data.length + 1);
    expect(offsets[0]).toBe(0);
    expect(offsets.every((offset, index) => index === 0 || offset >= (offsets[index - 1] ?? 0))).toBe(true);
    const held = data.children[0]?.length ?? data.values.length;
    expect(offsets.at(-1)).toBe(held);
  }
  for (const child of data.children) checkInvariants(child);
}

async function expectSameAsRows(sql: string): Promise<RecordBatch[]> {
  const rows = (await connection.runAndReadAll(sql)).getRows().map((row) => row.map(expected));
  const batches = await collect(sql);
  for (const version of [batches, roundTrip(batches)]) {
    const actual = version.flatMap(({ data, numRows }) =>
      Array.from({ length: numRows }, (_, row) => data.children.map((child) => decoded(child, row))),
    );
    expect(actual).toEqual(rows);
  }
  for (const { data, numRows } of batches) {
    for (const child of data.children) {
      expect(child.length).toBe(numRows);
      checkInvariants(child);
    }
  }
  return batches;
}

const HUGE = 10n ** 38n - 1n;

const TYPES: [type: string, arrow: string, ...values: string[]][] = [
  ['BOOLEAN', 'Bool', 'true', 'false'],
  ['TINYINT', 'Int8', '-128', '127'],
  ['SMALLINT', 'Int16', '-32768', '32767'],
  ['INTEGER', 'Int32', '-2147483648', '2147483647'],
  ['BIGINT', 'Int64', '-9223372036854775808', '9223372036854775807'],
  ['UTINYINT', 'Uint8', '0', '255'],
  ['USMALLINT', 'Uint16', '0', '65535'],
  ['UINTEGER', 'Uint32', '0', '4294967295'],
  ['UBIGINT', 'Uint64', '0', '18446744073709551615'],
  ['HUGEINT', 'Decimal[38e0]', '0', '-1', `${HUGE}`, `${-HUGE}`, `${2n ** 64n}`],
  ['UHUGEINT', 'Decimal[38e0]', '0', `${HUGE}`, `${2n ** 64n}`],
  ['FLOAT', 'Float32', '1.5', "'-inf'", "'nan'"],
  ['DOUBLE', 'Float64', '-1e300', "'inf'", "'nan'"],
  ['DECIMAL(4, 1)', 'Decimal[4e+1]', '-999.9', '999.9'],
  ['DECIMAL(9, 2)', 'Decimal[9e+2]', '-9999999.99', '0.01'],
  ['DECIMAL(18, 3)', 'Decimal[18e+3]', '-999999999999999.999', '4294967.296', '-0.001'],
  ['DECIMAL(38, 10)', 'Decimal[38e+10]', '-1', '9999999999999999999999999999.9999999999'],
  ['VARCHAR', 'Utf8', "''", "'twelve bytes'", "'thirteen byte'", "'naïve — 日本語 🦆'", "repeat('long ', 5000)"],
  ['JSON', 'Utf8', `'{"a": [1, 2, {"deeply": "nested"}]}'`, "'null'"],
  ['BLOB', 'Binary', "''", "'\\x00\\xFF'", "encode(repeat('blob', 20))"],
  ['UUID', 'Utf8', "'00000000-0000-0000-0000-000000000000'", "'fedcba98-7654-3210-0123-456789abcdef'"],
  ['BIT', 'Utf8', "'1'", "'010101010'", "bitstring('1', 200)"],
  ['DATE', 'Date32<DAY>', "'1969-12-31'", "'9999-12-31'", "'-infinity'"],
  ['TIME', 'Time64<MICROSECOND>', "'00:00:00'", "'23:59:59.999999'", "'24:00:00'"],
  ['TIME_NS', 'Time64<NANOSECOND>', "'00:00:00'", "'23:59:59.999999999'"],
  ['TIMESTAMP', 'Timestamp<MICROSECOND>', "'1969-12-31 23:59:59.999999'", "'294246-01-01'", "'infinity'"],
  ['TIMESTAMP_S', 'Timestamp<SECOND>', "'2026-01-01 01:02:03'"],
  ['TIMESTAMP_MS', 'Timestamp<MILLISECOND>', "'2026-01-01 01:02:03.456'"],
  ['TIMESTAMP_NS', 'Timestamp<NANOSECOND>', "'2026-01-01 01:02:03.456789012'"],
  ['TIMESTAMPTZ', 'Timestamp<MICROSECOND, UTC>', "'2026-01-01 01:02:03.456789+05:30'"],
  ['INTERVAL', 'Interval<MONTH_DAY_NANO>', "'14 months -3 days 1.000001 seconds'", "'-1 microsecond'"],
  ['mood', 'Utf8', "'sad'", "'a rather long word for happy'"],
  ['wide', 'Utf8', "'value 0'", "'value 299'"],
  ['INTEGER[]', 'List<Int32>', '[1, NULL, 3]', '[]', '[NULL]', '[4]'],
  ['VARCHAR[]', 'List<Utf8>', "['a', NULL, 'a string that is not inlined']", '[]', "['']"],
  ['VARCHAR[][]', 'List<List<Utf8>>', "[['a'], NULL, [], [NULL, 'b']]", '[]', '[NULL]'],
  ['BOOLEAN[]', 'List<Bool>', '[]'],
  ['INTEGER[3]', 'FixedSizeList[3]<Int32>', '[1, NULL, 3]', '[4, 5, 6]'],
  ['VARCHAR[2][2]', 'FixedSizeList[2]<FixedSizeList[2]<Utf8>>', "[['a', NULL], NULL]", "[NULL, ['b', 'c']]"],
  ['STRUCT(a INTEGER, b VARCHAR)', 'Struct<{a:Int32, b:Utf8}>', "{a: 1, b: 'x'}", '{a: NULL, b: NULL}'],
  [
    'STRUCT(a STRUCT(b VARCHAR[]), c BOOLEAN)',
    'Struct<{a:Struct<{b:List<Utf8>}>, c:Bool}>',
    '{a: NULL, c: true}',
    '{a: {b: NULL}, c: NULL}',
    "{a: {b: ['x', NULL]}, c: false}",
  ],
  ['STRUCT(a INTEGER)[]', 'List<Struct<{a:Int32}>>', '[{a: 1}, NULL, {a: NULL}]', '[]'],
  ['STRUCT(a VARCHAR[2])[2]', 'FixedSizeList[2]<Struct<{a:FixedSizeList[2]<Utf8>}>>', "[NULL, {a: ['b', NULL]}]"],
  ['MAP(VARCHAR, INTEGER)', 'Map<{key:Utf8, value:Int32}>', "MAP {'a': 1, 'b': NULL}", 'MAP {}'],
  ['MAP(INTEGER, VARCHAR[])[]', 'List<Map<{key:Int32, value:List<Utf8>}>>', "[MAP {1: ['a', NULL]}, NULL]", '[]'],
  ['MAP(VARCHAR, STRUCT(a DATE))', 'Map<{key:Utf8, value:Struct<{a:Date32<DAY>}>}>', "MAP {'b': NULL}"],
];

interface Shape {
  type: string;
  value(key: string): string;
}

const hashed = (key: string, salt: number) => `hash(${key}, ${salt})`;
const scalar = (type: string, value: (key: string) => string): Shape => ({ type, value });
const word = (key: string) =>
  `repeat(chr((97 + ${hashed(key, 1)} % 26)::INTEGER) || '→', (${hashed(key, 2)} % 12)::INTEGER)`;

const SCALARS: Shape[] = [
  scalar('BOOLEAN', (key) => `${hashed(key, 1)} % 2 = 0`),
  scalar('TINYINT', (key) => `(${hashed(key, 1)} % 256)::INTEGER - 128`),
  scalar('INTEGER', (key) => `(${hashed(key, 1)} % 4294967296)::BIGINT - 2147483648`),
  scalar('BIGINT', (key) => `${hashed(key, 1)}::HUGEINT - 9223372036854775808`),
  scalar('UBIGINT', (key) => hashed(key, 1)),
  scalar('HUGEINT', (key) => `${hashed(key, 1)}::HUGEINT * ((${hashed(key, 2)} % 20001)::HUGEINT - 10000)`),
  scalar('DOUBLE', (key) => `${hashed(key, 1)} / 7`),
  scalar('DECIMAL(3, 1)', (key) => `((${hashed(key, 1)} % 1999)::INTEGER - 999) / 10`),
  scalar('DECIMAL(15, 2)', (key) => `((${hashed(key, 1)} % 199999999999)::BIGINT - 99999999999) / 100`),
  scalar('VARCHAR', word),
  scalar('BLOB', (key) => `encode(${word(key)})`),
  scalar('mood', (key) => `enum_range(NULL::mood)[1 + (${hashed(key, 1)} % 3)::BIGINT]`),
  scalar('DATE', (key) => `DATE '2026-01-01' + (${hashed(key, 1)} % 100000)::INTEGER`),
  scalar('TIMESTAMP', (key) => `make_timestamp((${hashed(key, 1)} % 1000000000000000)::BIGINT)`),
];

// DuckDB has no CASE over arrays: a NULL comes from reading past the end of a list of one.
const cast = ({ type, value }: Shape, key: string) =>
  `([(${value(key)})::${type}])[if(${hashed(key, 9)} % 5 = 0, 2, 1)]`;

const listOf = (shape: Shape, depth: number): Shape =>
  scalar(`${shape.type}[]`, (key) => {
    const items = `range((${hashed(key, 4)} % 4)::BIGINT)`;
    return `list_transform(${items}, lambda e${depth}: ${cast(shape, `(${hashed(key, 3)} + e${depth})`)})`;
  });

const arrayOf = (shape: Shape): Shape =>
  scalar(`${shape.type}[2]`, (key) => `[${[5, 6].map((salt) => cast(shape, hashed(key, salt))).join(', ')}]`);

const structOf = (shapes: Shape[]): Shape =>
  scalar(
    `STRUCT(${shapes.map(({ type }, index) => `f${index} ${type}`).join(', ')})`,
    (key) => `{${shapes.map((shape, index) => `f${index}: ${cast(shape, hashed(key, 20 + index))}`).join(', ')}}`,
  );

const mapOf = (shape: Shape): Shape =>
  scalar(`MAP(VARCHAR, ${shape.type})`, (key) => {
    const values = [30, 31].map((salt) => cast(shape, hashed(key, salt)));
    return `map_from_entries(list_filter([{k: 'first', v: ${values[0]}}, {k: 'a key that is long', v: ${values[1]}}], lambda e: ${hashed(key, 7)} % 2 = 0))`;
  });

function shapeOf(depth: number): fc.Arbitrary<Shape> {
  const leaf = fc.constantFrom(...SCALARS);
  if (depth === 0) return leaf;
  const inner = shapeOf(depth - 1);
  return fc.oneof(
    leaf,
    inner.map((shape) => listOf(shape, depth)),
    inner.map(arrayOf),
    fc.array(inner, { minLength: 1, maxLength: 3 }).map(structOf),
    inner.map(mapOf),
  );
}

describe('arrow batches of a DuckDB result', () => {
  it.each(TYPES)('%s becomes %s with every value and NULL kept', async (type, arrow, ...values) => {
    const rows = [...values, 'NULL', ...values, 'NULL'].map((value, index) => `(${index}, (${value})::${type})`);
    await connection.run(`CREATE OR REPLACE TABLE given (i INTEGER, v ${type})`);
    await connection.run(`INSERT INTO given VALUES ${rows.join(', ')}`);
    expect(String(arrowSchema(await connection.stream('SELECT v FROM given')).fields[0]?.type)).toBe(arrow);
    await expectSameAsRows('SELECT v, [v, NULL, v] AS list, {v: v} AS struct FROM given ORDER BY i');
  });

  it('reads what apache-arrow itself reads from the same batches', async () => {
    const sql = `SELECT i AS id, 'name of ' || i AS name, [i, NULL] AS list, {a: {b: i::DOUBLE}} AS struct,
      TIMESTAMPTZ '2026-01-01 00:00:00.5Z' AS time, DATE '2026-01-02' AS day FROM range(2) t(i)`;
    const rows = new Table(await collect(sql))
      .toArray()
      .map((row) => JSON.parse(JSON.stringify(row, (_, value) => (typeof value === 'bigint' ? Number(value) : value))));
    expect(rows).toEqual(
      [0, 1].map((id) => ({
        id,
        name: `name of ${id}`,
        list: [id, null],
        struct: { a: { b: id } },
        time: 1767225600500,
        day: Date.UTC(2026, 0, 2),
      })),
    );
  });

  it('gives an untyped NULL the INTEGER type DuckDB resolves it to', async () => {
    const [batch] = await expectSameAsRows('SELECT NULL AS a, [NULL] AS b, [] AS c, {a: NULL} AS d');
    expect(String(batch?.schema.fields.map(({ type }) => type))).toBe(
      'Int32,List<Int32>,List<Int32>,Struct<{a:Int32}>',
    );
  });

  it('yields one empty batch with the schema for a result without rows', async () => {
    const batches = await collect(
      `SELECT 1 AS a, 'x' AS b, [1] AS c, {d: ['x']} AS d, MAP {1: 'x'} AS e, [[1]::INTEGER[1]]::INTEGER[1][1] AS f, true AS g WHERE false`,
    );
    expect(batches.map(({ numRows }) => numRows)).toEqual([0]);
    const table = tableFromIPC(RecordBatchStreamWriter.writeAll(batches).toUint8Array(true));
    expect(table.numRows).toBe(0);
    expect(table.schema.names).toEqual(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
    expect(String(table.schema)).toBe(String(batches[0]?.schema));
  });

  it('cuts batches at 65536 rows and keeps NULLs in place across chunks of any size', async () => {
    const sql = `SELECT i, CASE WHEN i % 3 = 0 THEN NULL ELSE 'value ' || (i * i) END AS v, i % 5 = 0 AS b,
      CASE WHEN i > 70000 AND i % 7 = 0 THEN NULL ELSE i END AS late, CASE WHEN i % 2 = 0 THEN [i, i + 1] END AS l
      FROM range(160000) t(i) WHERE hash(i) % 10 < 9`;
    const batches = await expectSameAsRows(sql);
    expect(batches.slice(0, -1).map(({ numRows }) => numRows)).toEqual([65536, 65536]);
  });

  it('cuts batches near 32 MB of strings or of list elements', async () => {
    for (const column of [
      "repeat('x', 1000 + (i % 7)::INTEGER)",
      'range(i, i + 125)',
      "[repeat('y', 500), repeat('z', 500)]",
    ]) {
      const batches = await collect(`SELECT ${column} AS v FROM range(100000) t(i)`);
      expect(batches.reduce((sum, { numRows }) => sum + numRows, 0)).toBe(100000);
      for (const { data } of batches) expect(data.byteLength).toBeLessThan(36 << 20);
      expect(batches.length).toBeLessThan(6);
    }
  });

  it('bounds a batch even when each row of a chunk holds a megabyte', async () => {
    const batches = await collect("SELECT repeat('x', 1 << 20) || i AS v FROM range(300) t(i)");
    for (const { data } of batches) expect(data.byteLength).toBeLessThan(70 << 20);
    const tails = batches.flatMap(
      ({
        data: {
          children: [child],
        },
        numRows,
      }) => Array.from({ length: numRows }, (_, row) => String(child && decoded(child, row)).slice(1 << 20)),
    );
    expect(tails).toEqual(Array.from({ length: 300 }, (_, i) => String(i)));
  });

  it('owns its memory, so a batch still reads the same after the whole result is gone', async () => {
    const sql =
      "SELECT i, 'a string outside of its vector ' || i AS v, [i::VARCHAR || ' in a list of strings'] AS l FROM range(300000) t(i)";
    const batches = await collect(sql);
    const [first] = batches;
    await collect(sql.replaceAll('string', 'STRING'));
    const values = first?.data.children.map((child) => decoded(child, 65535));
    expect(values).toEqual([65535n, 'a string outside of its vector 65535', ['65535 in a list of strings']]);
  });

  it('keeps strings that share, skip or reverse their memory', async () => {
    await connection.run(`CREATE OR REPLACE TABLE given AS SELECT i, 'a repeated value ' || (i % 3) AS d,
      CASE i % 4 WHEN 0 THEN '' WHEN 1 THEN 'inline' WHEN 2 THEN NULL ELSE repeat(i::VARCHAR, 9) END AS m FROM range(20000) t(i)`);
    await expectSameAsRows('SELECT d, m FROM given ORDER BY i');
    await expectSameAsRows('SELECT d, m FROM given ORDER BY i DESC');
    await expectSameAsRows('SELECT list(m ORDER BY i) AS l, max(d) AS d FROM given GROUP BY i % 100 ORDER BY i % 100');
    await expectSameAsRows(
      'SELECT l[3:9] AS l, list_reverse(l) AS r, list_filter(l, lambda s: s <> $$$$) AS f FROM (SELECT list(m ORDER BY i) AS l FROM given GROUP BY i // 100 ORDER BY i // 100)',
    );
  });

  it('agrees with the row API on random tables of random nested types', async () => {
    const columns = fc.array(shapeOf(3), { minLength: 1, maxLength: 5 });
    await fc.assert(
      fc.asyncProperty(
        columns,
        fc.integer({ min: 0, max: 5000 }),
        fc.nat(),
        fc.integer({ min: 1, max: 10 }),
        async (shapes, rows, seed, kept) => {
          const fields = shapes.map((shape, index) => `${cast(shape, `(i + ${seed + index})`)} AS c${index}`);
          await connection.run(
            `CREATE OR REPLACE TABLE given AS SELECT i, ${fields.join(', ')} FROM range(${rows}) t(i)`,
          );
          await expectSameAsRows(`SELECT * FROM given WHERE hash(i) % 10 < ${kept} ORDER BY i`);
        },
      ),
      { numRuns: 25, seed: 14, endOnFailure: true },
    );
  });

  it('names the column of a type without an Arrow form', async () => {
    const result = await connection.stream('SELECT 1 AS a, union_value(n := 1) AS choice');
    expect(() => arrowSchema(result)).toThrow(
      'column "choice": DuckDB type UNION("n" INTEGER) has no Arrow form here; cast it in the query',
    );
    await expect(collect("SELECT [TIMETZ '01:02:03+01'] AS t")).rejects.toThrow(
      'column "t": DuckDB type TIME WITH TIME ZONE has no Arrow form',
    );
  });

  it('refuses huge integers and intervals that do not fit their Arrow type, and ignores those that are NULL', async () => {
    await expect(collect(`SELECT ${HUGE + 1n}::HUGEINT AS h`)).rejects.toThrow(
      `column "h": ${HUGE + 1n} does not fit DECIMAL(38, 0)`,
    );
    await expect(collect(`SELECT ${-HUGE - 1n}::HUGEINT AS h`)).rejects.toThrow(`${-HUGE - 1n} does not fit`);
    await expect(collect(`SELECT ${2n ** 128n - 1n}::UHUGEINT AS h`)).rejects.toThrow(
      `${2n ** 128n - 1n} does not fit`,
    );
    await expect(collect("SELECT INTERVAL '2562048 hours' AS i")).rejects.toThrow('column "i": an interval');
    await expectSameAsRows(`SELECT CASE WHEN i < 9 THEN i::HUGEINT END AS h FROM range(10) t(i)`);
  });

  it('throws when the query fails after rows were already given', async () => {
    const failing = 'SELECT CASE WHEN i = 1900000 THEN error($$broken$$) ELSE i END AS v FROM range(2000000) t(i)';
    await expect(collect(failing)).rejects.toThrow(/DuckDB stopped after \d+ rows: the query failed/);
  });

  it('throws when the query is interrupted or displaced by another statement', async () => {
    for (const disturb of [() => connection.interrupt(), () => connection.run('SELECT 1')]) {
      const read = async () => {
        for await (const _ of recordBatches(await connection.stream('SELECT i FROM range(50000000) t(i)')))
          await disturb();
      };
      await expect(read()).rejects.toThrow('was interrupted, or another statement ran on its connection');
    }
  });

  it('leaves the connection usable when the reader stops early', async () => {
    for await (const batch of recordBatches(await connection.stream('SELECT i FROM range(50000000) t(i)'))) {
      expect(batch.numRows).toBe(65536);
      break;
    }
    await expectSameAsRows('SELECT 42 AS answer');
  });

  it('numbers the columns that share a name, which Arrow readers cannot tell apart', async () => {
    const [batch] = await expectSameAsRows("SELECT 1 AS a, 'two' AS a");
    expect(batch?.schema.names).toEqual(['a', 'a:1']);
  });

  it('reads materialized results too', async () => {
    const batches: RecordBatch[] = [];
    for await (const batch of recordBatches(
      await connection.run("SELECT i, 'some text here ' || i AS s FROM range(5000) t(i)"),
    ))
      batches.push(batch);
    expect(batches.map(({ numRows }) => numRows)).toEqual([5000]);
    expect(batches[0]?.data.children.map((child) => decoded(child, 4999))).toEqual([4999n, 'some text here 4999']);
  });
});
