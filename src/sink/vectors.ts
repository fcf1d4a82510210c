import { isUtf8 } from 'node:buffer';
import {
  BIGINT,
  BLOB,
  BOOLEAN,
  DATE,
  DECIMAL,
  DOUBLE,
  DuckDBStructType,
  type DuckDBType,
  FLOAT,
  INTEGER,
  LIST,
  MAP,
  SMALLINT,
  TIME,
  TIME_NS,
  TIMESTAMP,
  TIMESTAMP_NS,
  TIMESTAMPTZ,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import {
  type Data,
  type DataType,
  type Date_,
  DateUnit,
  type Decimal,
  type Field,
  type FixedSizeList,
  type Int,
  type List,
  type Map_,
  Precision,
  type Timestamp,
  TimeUnit,
  Type,
  util,
} from 'apache-arrow';
import { compile, distinctNames } from './encoder.ts';
import { emptyText, take } from './text.ts';

/**
 * Copies `count` rows of an Arrow vector, which must be in the layout of `decodedType`, to the start of a DuckDB vector.
 * Rows whose parent is null become null too.
 */
export type Fill = (vector: duckdb.Vector, data: Data, from: number, count: number, parent?: Uint8Array) => void;

/** A DuckDB type and how to fill vectors of it. */
export interface Column {
  readonly type: DuckDBType;
  readonly fill: Fill;
}

/** The DuckDB side of an Arrow type; text for what DuckDB or Parquet has no exact type for. */
export function columnOf(type: DataType): Column {
  switch (type.typeId) {
    case Type.Null:
      return {
        type: INTEGER,
        fill: (vector, _data, _from, count) => writeValidity(vector, new Uint8Array(maskBytes(count))),
      };
    case Type.Bool:
      return column(BOOLEAN, (vector, { values, offset }, from, count) => {
        const bytes = new Uint8Array(count);
        for (let i = 0; i < count; i++) bytes[i] = bit(values, offset + from + i);
        copy(vector, bytes);
      });
    case Type.Int: {
      const { bitWidth, isSigned } = type as Int;
      const [signed, unsigned] = integers[bitWidth];
      return column(isSigned ? signed : unsigned, same);
    }
    case Type.Float: {
      const { precision } = type as unknown as { precision: Precision };
      if (precision === Precision.DOUBLE) return column(DOUBLE, same);
      if (precision === Precision.SINGLE) return column(FLOAT, same);
      return column(FLOAT, (vector, { values }, from, count) =>
        copy(vector, Float32Array.from(values.subarray(from, from + count), util.uint16ToFloat64)),
      );
    }
    case Type.Decimal: {
      const { precision, scale } = type as Decimal;
      if (precision > 38 || scale < 0 || scale > precision) return asText(type);
      return column(DECIMAL(precision, scale), decimals(precision));
    }
    case Type.Utf8:
    case Type.LargeUtf8:
      return column(VARCHAR, fillStrings);
    case Type.Binary:
    case Type.LargeBinary:
      return column(BLOB, fillStrings);
    case Type.FixedSizeBinary:
      return column(BLOB, (vector, { values, stride }, from, count) => {
        const offsets = Int32Array.from({ length: count + 1 }, (_, i) => (from + i) * stride);
        fillBytes(vector, values, offsets, 0, count);
      });
    case Type.Date:
      return (type as Date_).unit === DateUnit.DAY ? column(DATE, same) : column(DATE, millisecondDates);
    case Type.Time: {
      const { unit } = type as unknown as { unit: TimeUnit };
      return unit === TimeUnit.NANOSECOND ? column(TIME_NS, same) : column(TIME, scaled(10n ** BigInt(6 - 3 * unit)));
    }
    case Type.Timestamp: {
      const { unit, timezone } = type as Timestamp;
      if (unit === TimeUnit.NANOSECOND) return column(TIMESTAMP_NS, same);
      return column(timezone ? TIMESTAMPTZ : TIMESTAMP, scaled(10n ** BigInt(6 - 3 * unit)));
    }
    case Type.Struct: {
      if (type.children.length === 0) return asText(type);
      const names = distinctNames(type.children);
      const columns = type.children.map((field: Field) => columnOf(field.type));
      return {
        type: new DuckDBStructType(
          names.map((name, i) => name || `column${i}`),
          columns.map(({ type }) => type),
        ),
        fill: (vector, data, from, count, parent) => {
          const valid = validity(data, from, count, parent);
          if (valid) writeValidity(vector, valid);
          columns.forEach(({ fill }, i) => {
            fill(duckdb.struct_vector_get_child(vector, i), data.children[i] as Data, from, count, valid);
          });
        },
      };
    }
    case Type.List:
    case Type.LargeList: {
      const item = columnOf((type as List).valueType);
      return column(LIST(item.type), fillList(item));
    }
    case Type.FixedSizeList: {
      const item = columnOf((type as FixedSizeList).valueType);
      const fill = fillList(item);
      return column(LIST(item.type), (vector, { stride, children }, from, count) => {
        const valueOffsets = Int32Array.from({ length: count + 1 }, (_, i) => (from + i) * stride);
        fill(vector, { valueOffsets, children }, 0, count);
      });
    }
    case Type.Map: {
      const { keyType, valueType, childType } = type as Map_;
      return column(MAP(columnOf(keyType).type, columnOf(valueType).type), fillList(columnOf(childType)));
    }
    default:
      return asText(type);
  }
}

const integers = {
  8: [TINYINT, UTINYINT],
  16: [SMALLINT, USMALLINT],
  32: [INTEGER, UINTEGER],
  64: [BIGINT, UBIGINT],
} as const;

type FillValues = (vector: duckdb.Vector, data: Data, from: number, count: number) => void;

function column(type: DuckDBType, values: FillValues): Column {
  return {
    type,
    fill: (vector, data, from, count, parent) => {
      const valid = validity(data, from, count, parent);
      if (valid) writeValidity(vector, valid);
      values(vector, data, from, count);
    },
  };
}

const maskBytes = (count: number): number => 8 * Math.ceil(count / 64);
const bit = (bits: Uint8Array, at: number): number => ((bits[at >> 3] as number) >> (at & 7)) & 1;

/** The rows that are not null, and whose parent is not; undefined if all are. */
function validity(data: Data, from: number, count: number, parent: Uint8Array | undefined): Uint8Array | undefined {
  if (data.nullCount <= 0) return parent;
  const { nullBitmap, offset } = data;
  const valid = new Uint8Array(maskBytes(count));
  for (let i = 0; i < count; i++) {
    const set = bit(nullBitmap, offset + from + i) & (parent === undefined ? 1 : bit(parent, i));
    valid[i >> 3] = (valid[i >> 3] as number) | (set << (i & 7));
  }
  return valid;
}

function writeValidity(vector: duckdb.Vector, valid: Uint8Array): void {
  duckdb.vector_ensure_validity_writable(vector);
  duckdb.copy_data_to_vector_validity(vector, 0, valid.buffer as ArrayBuffer, valid.byteOffset, valid.byteLength);
}

const copy = (vector: duckdb.Vector, { buffer, byteOffset, byteLength }: ArrayBufferView): void =>
  duckdb.copy_data_to_vector(vector, 0, buffer as ArrayBuffer, byteOffset, byteLength);

const same: FillValues = (vector, { values }, from, count) => copy(vector, values.subarray(from, from + count));

const scaled = (times: bigint): FillValues =>
  times === 1n
    ? same
    : (vector, { values }, from, count) =>
        copy(
          vector,
          BigInt64Array.from(values.subarray(from, from + count), (value: number | bigint) => BigInt(value) * times),
        );

const millisecondDates: FillValues = (vector, { values }, from, count) => {
  const milliseconds: BigInt64Array = values.subarray(from, from + count);
  copy(
    vector,
    Int32Array.from(milliseconds, (value) => Math.floor(Number(value) / 86_400_000)),
  );
};

function decimals(precision: number): FillValues {
  const words = precision <= 9 ? 1 : precision <= 18 ? 2 : 4;
  return (vector, { values, stride }, from, count) => {
    const target = new Int32Array(count * words);
    for (let i = 0; i < count; i++) {
      const at = (from + i) * stride;
      for (let word = 0; word < words; word++) {
        target[i * words + word] = word < stride ? values[at + word] : values[at + stride - 1] >> 31;
      }
    }
    copy(vector, precision <= 4 ? Int16Array.from(target) : target);
  };
}

/** What is read of a list's vector. */
type Lists = Pick<Data, 'valueOffsets' | 'children'>;

function fillList(item: Column): (vector: duckdb.Vector, lists: Lists, from: number, count: number) => void {
  return (vector, { valueOffsets, children }, from, count) => {
    const first = Number(valueOffsets[from]);
    const size = Number(valueOffsets[from + count]) - first;
    const entries = new Uint32Array(count * 4);
    for (let i = 0; i < count; i++) {
      const start = Number(valueOffsets[from + i]);
      entries[i * 4] = start - first;
      entries[i * 4 + 2] = Number(valueOffsets[from + i + 1]) - start;
    }
    copy(vector, entries);
    duckdb.list_vector_reserve(vector, size);
    duckdb.list_vector_set_size(vector, size);
    if (size > 0) item.fill(duckdb.list_vector_get_child(vector), children[0] as Data, first, size);
  };
}

const fillStrings: FillValues = (vector, { type, values, valueOffsets }, from, count) => {
  const text = type.typeId === Type.Utf8 || type.typeId === Type.LargeUtf8;
  const start = Number(valueOffsets[from]);
  if (!text || isUtf8(values.subarray(start, Number(valueOffsets[from + count])))) {
    fillBytes(vector, values, valueOffsets, from, count);
    return;
  }
  const repaired = Array.from({ length: count }, (_, i) =>
    Buffer.from(
      Buffer.from(values.subarray(Number(valueOffsets[from + i]), Number(valueOffsets[from + i + 1]))).toString(),
    ),
  );
  fillPieces(vector, repaired);
};

function fillPieces(vector: duckdb.Vector, pieces: readonly Uint8Array[]): void {
  let end = 0;
  const offsets = [0, ...pieces.map(({ length }) => (end += length))];
  fillBytes(vector, Buffer.concat(pieces), offsets, 0, pieces.length);
}

const inlineBytes = 12;

function fillBytes(
  vector: duckdb.Vector,
  values: Uint8Array,
  offsets: ArrayLike<number | bigint>,
  from: number,
  count: number,
): void {
  const strings = new Uint8Array(count * 16);
  const sizes = new Uint32Array(strings.buffer);
  const long: number[] = [];
  for (let i = 0; i < count; i++) {
    const start = Number(offsets[from + i]);
    const size = Number(offsets[from + i + 1]) - start;
    if (size > inlineBytes) {
      long.push(i);
      continue;
    }
    sizes[i * 4] = size;
    for (let j = 0; j < size; j++) strings[i * 16 + 4 + j] = values[start + j] as number;
  }
  copy(vector, strings);
  for (const i of long) {
    const bytes = values.subarray(Number(offsets[from + i]), Number(offsets[from + i + 1]));
    duckdb.vector_assign_string_element_len(vector, i, bytes);
  }
}

/** The text that CSV has for the values. */
function asText(type: DataType): Column {
  const text = emptyText(1 << 10);
  const bind = compile(type, text, { bare: true });
  return {
    type: VARCHAR,
    fill: (vector, data, from, count, parent) => {
      const write = bind(data);
      const valid = new Uint8Array(maskBytes(count));
      const pieces = Array.from({ length: count }, (_, i) => {
        const set = (parent === undefined || bit(parent, i) === 1) && write(from + i);
        if (set) valid[i >> 3] = (valid[i >> 3] as number) | (1 << (i & 7));
        return take(text);
      });
      writeValidity(vector, valid);
      fillPieces(vector, pieces);
    },
  };
}
