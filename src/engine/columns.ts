import * as arrow from 'apache-arrow';

/** A 64-bit integer as Thrift's library reads it: eight bytes, the highest first. */
interface Wide {
  readonly buffer: Buffer;
  readonly offset: number;
}

interface Values<T> {
  readonly values: readonly T[];
  /** A set bit is a NULL; zeros at the end are left out. */
  readonly nulls: Uint8Array;
}

/** One column of a page of rows as HiveServer2's protocol sends it: one of the members is there. */
export interface ThriftColumn {
  readonly boolVal?: Values<boolean> | null;
  readonly byteVal?: Values<number> | null;
  readonly i16Val?: Values<number> | null;
  readonly i32Val?: Values<number> | null;
  readonly i64Val?: Values<Wide> | null;
  readonly doubleVal?: Values<number> | null;
  readonly stringVal?: Values<string> | null;
  readonly binaryVal?: Values<Uint8Array> | null;
}

/** A column's name and type as HiveServer2's protocol describes them. */
export interface ThriftField {
  readonly columnName: string;
  readonly typeDesc: {
    readonly types: readonly {
      readonly primitiveEntry?: {
        readonly type: number;
        readonly typeQualifiers?: { readonly qualifiers: Readonly<Record<string, { readonly i32Value?: number }>> };
      };
    }[];
  };
}

const DECIMAL_DIGITS = 38;

/** The Arrow type by the protocol's type id; what is nested arrives as text. */
function typeOf({ typeDesc }: ThriftField): arrow.DataType {
  const entry = typeDesc.types[0]?.primitiveEntry;
  const qualifiers = entry?.typeQualifiers?.qualifiers;
  switch (entry?.type) {
    case 0:
      return new arrow.Bool();
    case 1:
      return new arrow.Int8();
    case 2:
      return new arrow.Int16();
    case 3:
      return new arrow.Int32();
    case 4:
      return new arrow.Int64();
    case 5:
      return new arrow.Float32();
    case 6:
      return new arrow.Float64();
    case 8:
      return new arrow.TimestampMicrosecond('UTC');
    case 9:
      return new arrow.Binary();
    case 15:
      return new arrow.Decimal(qualifiers?.scale?.i32Value ?? 0, qualifiers?.precision?.i32Value ?? DECIMAL_DIGITS);
    case 16:
      return new arrow.Null();
    case 17:
      return new arrow.DateDay();
    default:
      return new arrow.Utf8();
  }
}

/** Names of columns of which a repeated one, `a`, becomes `a:1`, as on DuckDB. */
export function uniqueNames(names: readonly string[]): string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let n = 1; taken.has(free); n++) free = `${name}:${n}`;
    taken.add(free);
    return free;
  });
}

/** Every column is nullable. */
export function schemaOf(fields: readonly ThriftField[]): arrow.Schema {
  const names = uniqueNames(fields.map((field) => field.columnName));
  return new arrow.Schema(fields.map((field, i) => new arrow.Field(names[i] ?? '', typeOf(field), true)));
}

const DAY = 86_400_000;
const MICROS = /^([+-]?\d{4,})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?$/;

/** Microseconds since 1970 of what the server writes for a date or a time, both in UTC. */
function micros(text: string): bigint {
  const [, year, month, day, hour = 0, minute = 0, second = 0, fraction = ''] = MICROS.exec(text) ?? [];
  if (year === undefined) throw new Error(`the server wrote the time ${JSON.stringify(text)}`);
  const date = new Date(0);
  date.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  date.setUTCHours(Number(hour), Number(minute), Number(second));
  return BigInt(date.getTime()) * 1000n + BigInt(fraction.padEnd(6, '0'));
}

function unscaled(text: string, scale: number): bigint {
  const [whole = '', fraction = ''] = text.split('.');
  return BigInt(whole + fraction.padEnd(scale, '0'));
}

const bitmapBytes = (rows: number): number => 8 * Math.ceil(rows / 64);

/** Arrow's validity of a column: the server's bits turned round; undefined where nothing is NULL. */
export function validityOf(nulls: Uint8Array, rows: number): Uint8Array | undefined {
  if (nulls.every((byte) => byte === 0)) return undefined;
  const valid = new Uint8Array(bitmapBytes(rows)).fill(255);
  for (let i = 0; i < nulls.length && i < valid.length; i++) valid[i] = ~(nulls[i] ?? 0);
  return valid;
}

type Buffers = NonNullable<ConstructorParameters<typeof arrow.Data>[4]>;

function variable(lengths: (index: number) => number, rows: number, fill: (into: Buffer, at: Int32Array) => void) {
  const offsets = new Int32Array(rows + 1);
  for (let i = 0; i < rows; i++) offsets[i + 1] = (offsets[i] ?? 0) + lengths(i);
  const bytes = Buffer.alloc(offsets[rows] ?? 0);
  fill(bytes, offsets);
  return {
    [arrow.BufferType.OFFSET]: offsets,
    [arrow.BufferType.DATA]: new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length),
  };
}

function ofTexts(type: arrow.DataType, texts: readonly string[], isNull: (index: number) => boolean): Buffers {
  const rows = texts.length;
  if (arrow.DataType.isDecimal(type)) {
    const data = new Uint32Array(4 * rows);
    texts.forEach((text, i) => {
      if (isNull(i)) return;
      let rest = BigInt.asUintN(128, unscaled(text, type.scale));
      for (let word = 0; word < 4; word++, rest >>= 32n) data[4 * i + word] = Number(rest & 0xffffffffn);
    });
    return { [arrow.BufferType.DATA]: data };
  }
  if (arrow.DataType.isDate(type)) {
    const data = Int32Array.from(texts, (text, i) => (isNull(i) ? 0 : Number(micros(text) / 1000n) / DAY));
    return { [arrow.BufferType.DATA]: data };
  }
  if (arrow.DataType.isTimestamp(type)) {
    const data = BigInt64Array.from(texts, (text, i) => (isNull(i) ? 0n : micros(text)));
    return { [arrow.BufferType.DATA]: data };
  }
  return variable(
    (i) => Buffer.byteLength(texts[i] ?? ''),
    rows,
    (into, at) => {
      texts.forEach((text, i) => {
        into.write(text, at[i] ?? 0);
      });
    },
  );
}

function ofBools(values: readonly boolean[]): Buffers {
  const data = new Uint8Array(bitmapBytes(values.length));
  values.forEach((value, i) => {
    if (value) data[i >> 3] = (data[i >> 3] ?? 0) | (1 << (i & 7));
  });
  return { [arrow.BufferType.DATA]: data };
}

function ofWide(values: readonly Wide[]): Buffers {
  const halves = new Int32Array(2 * values.length);
  values.forEach(({ buffer, offset }, i) => {
    halves[2 * i] = buffer.readInt32BE(offset + 4);
    halves[2 * i + 1] = buffer.readInt32BE(offset);
  });
  return { [arrow.BufferType.DATA]: new BigInt64Array(halves.buffer) };
}

function ofNumbers(type: arrow.DataType, values: readonly number[]): Buffers {
  const data = new type.ArrayType(values.length);
  values.forEach((value, i) => {
    data[i] = value;
  });
  return { [arrow.BufferType.DATA]: data };
}

function dataOf(type: arrow.DataType, column: ThriftColumn): arrow.Data {
  const { boolVal, byteVal, i16Val, i32Val, i64Val, doubleVal, stringVal, binaryVal } = column;
  const numbers = byteVal ?? i16Val ?? i32Val ?? doubleVal;
  const given = boolVal ?? numbers ?? i64Val ?? stringVal ?? binaryVal;
  if (!given) throw new Error('the server sent a column without values');
  const rows = given.values.length;
  if (arrow.DataType.isNull(type)) return new arrow.Data(type, 0, rows, rows);
  const { nulls } = given;
  const isNull = (i: number): boolean => ((nulls[i >> 3] ?? 0) & (1 << (i & 7))) !== 0;
  const validity = validityOf(nulls, rows);
  const buffers: Buffers = boolVal
    ? ofBools(boolVal.values)
    : numbers
      ? ofNumbers(type, numbers.values)
      : i64Val
        ? ofWide(i64Val.values)
        : stringVal
          ? ofTexts(type, stringVal.values, isNull)
          : variable(
              (i) => binaryVal?.values[i]?.length ?? 0,
              rows,
              (into, at) => {
                binaryVal?.values.forEach((value, i) => {
                  into.set(value, at[i] ?? 0);
                });
              },
            );
  return new arrow.Data(type, 0, rows, validity ? -1 : 0, {
    ...buffers,
    ...(validity ? { [arrow.BufferType.VALIDITY]: validity } : {}),
  });
}

/** Values that came as text, inside JSON, as a column: 64-bit integers as digits, times as Spark writes them, bytes in base64. */
export function buffersOfTexts(type: arrow.DataType, texts: readonly (string | null)[]): Buffers {
  const isNull = (i: number): boolean => texts[i] === null;
  if (arrow.DataType.isBool(type)) return ofBools(texts.map((text) => text === 'true'));
  if (arrow.DataType.isInt(type) && type.bitWidth === 64)
    return { [arrow.BufferType.DATA]: BigInt64Array.from(texts, (text) => BigInt(text ?? 0)) };
  if (arrow.DataType.isInt(type) || arrow.DataType.isFloat(type)) return ofNumbers(type, texts.map(Number));
  if (!arrow.DataType.isBinary(type))
    return ofTexts(
      type,
      texts.map((text) => text ?? ''),
      isNull,
    );
  const bytes = texts.map((text) => Buffer.from(text ?? '', 'base64'));
  return variable(
    (i) => bytes[i]?.length ?? 0,
    bytes.length,
    (into, at) => {
      bytes.forEach((value, i) => {
        into.set(value, at[i] ?? 0);
      });
    },
  );
}

/** A page of rows as one batch that owns its memory; no columns for an empty one. */
export function batchOf(schema: arrow.Schema, columns: readonly ThriftColumn[]): arrow.RecordBatch {
  const children = schema.fields.map((field, i) => {
    const column = columns[i];
    return column
      ? dataOf(field.type, column)
      : arrow.makeData({ type: field.type, length: 0 } as { type: arrow.Utf8 });
  });
  const rows = children[0]?.length ?? 0;
  return new arrow.RecordBatch(schema, new arrow.Data(new arrow.Struct(schema.fields), 0, rows, 0, {}, children));
}

/** How many bytes the values of a batch take. */
export const bytesOf = (batch: arrow.RecordBatch): number =>
  batch.data.children.reduce((sum, child) => sum + child.byteLength, 0);
