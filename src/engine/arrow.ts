import {
  DuckDBArrayType,
  DuckDBBitValue,
  DuckDBDecimalType,
  DuckDBEnumType,
  DuckDBListType,
  DuckDBMapType,
  type DuckDBResult,
  DuckDBStructType,
  type DuckDBType,
  DuckDBTypeId,
  ResultReturnType,
} from '@duckdb/node-api';
import duckdb from '@duckdb/node-bindings';
import * as arrow from 'apache-arrow';

const BATCH_ROWS = 65_536;
const BATCH_BYTES = 32 << 20;
const FIRST_ROWS = 64;
const MAX_OFFSET = 2 ** 31 - 1;
const ENTRY_BYTES = 16;
const INLINE_BYTES = 12;
const PAGE_BYTES = 4096;
const MAX_SPAN = 2 ** 30;
const DECIMAL_LIMIT = 10n ** 38n;
const HIGH_LIMIT = DECIMAL_LIMIT >> 64n;
const UUID_POSITIONS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const EMPTY = new Uint8Array(0);

/** Arrow schema of a DuckDB result: all columns nullable, ENUM, UUID and BIT as text; throws on types with no Arrow form here, such as UNION. */
export function arrowSchema(result: DuckDBResult): arrow.Schema {
  return schemaOf(result, columnsOf(result));
}

/** Streams a DuckDB result as Arrow record batches of at most 65536 rows and about 32 MB that own their memory, one empty batch if there are no rows; throws when DuckDB stops early. */
export async function* recordBatches(result: DuckDBResult): AsyncGenerator<arrow.RecordBatch> {
  const columns = columnsOf(result);
  const schema = schemaOf(result, columns);
  const batch = (length: number) => {
    const children = columns.map((column) => column.finish());
    return new arrow.RecordBatch(schema, new arrow.Data(new arrow.Struct(schema.fields), 0, length, 0, {}, children));
  };
  const fetch = () => {
    const chunk = result.fetchChunk();
    chunk.catch(() => undefined);
    return chunk;
  };

  let [rows, seen, step] = [0, 0, FIRST_ROWS];
  let next = fetch();
  try {
    for (let chunk = await next; chunk && chunk.rowCount > 0; chunk = await next) {
      next = fetch();
      const { chunk: handle, rowCount } = chunk;
      columns.forEach((column, index) => {
        column.bind(duckdb.data_chunk_get_vector(handle, index), rowCount, null);
      });
      // DuckDB frees a chunk's strings when the chunk is collected; reading its count after each append keeps it alive.
      for (let row = 0, count = 0; row < chunk.rowCount; row += count) {
        count = Math.min(rowCount - row, step, BATCH_ROWS - rows);
        columns.forEach((column, index) => {
          named(result, index, () => column.append(row, count));
        });
        rows += count;
        seen += count;
        const bytes = columns.reduce((sum, column) => sum + column.bytes(), 0);
        step = Math.ceil((rows * BATCH_BYTES) / Math.max(bytes, 1));
        if (rows < BATCH_ROWS && bytes < BATCH_BYTES) continue;
        yield batch(rows);
        rows = 0;
      }
    }
    // @duckdb/node-api ends a failed stream like a finished one; only the return type tells them apart.
    if (result.returnType === ResultReturnType.INVALID) {
      const causes = 'the query failed, was interrupted, or another statement ran on its connection';
      throw new Error(`DuckDB stopped after ${seen} rows: ${causes}`);
    }
    if (rows > 0 || seen === 0) yield batch(rows);
  } finally {
    await next.catch(() => undefined);
  }
}

type Bits = Uint8Array | null;

interface Column {
  readonly type: arrow.DataType;
  bind(vector: duckdb.Vector, rows: number, parent: Bits): void;
  append(from: number, count: number): void;
  bytes(): number;
  finish(): arrow.Data;
}

interface Source {
  bytes: Uint8Array;
  view: DataView;
  valid: Bits;
}

interface Layout {
  bind?(vector: duckdb.Vector, rows: number, valid: Bits): void;
  append(source: Source, from: number, count: number, length: number): void;
  bytes(length: number): number;
  finish(length: number): { offsets?: Uint8Array; values?: Uint8Array; children?: arrow.Data[] };
}

type Write = (source: Source, from: number, count: number, ends: Int32Array, values: Memory, used: number) => number;
type Memory = ReturnType<typeof memory>;

const SCALARS = new Map<DuckDBTypeId, () => Column>([
  [DuckDBTypeId.BOOLEAN, booleans],
  [DuckDBTypeId.TINYINT, () => fixed(new arrow.Int8(), 1)],
  [DuckDBTypeId.SMALLINT, () => fixed(new arrow.Int16(), 2)],
  [DuckDBTypeId.INTEGER, () => fixed(new arrow.Int32(), 4)],
  [DuckDBTypeId.BIGINT, () => fixed(new arrow.Int64(), 8)],
  [DuckDBTypeId.UTINYINT, () => fixed(new arrow.Uint8(), 1)],
  [DuckDBTypeId.USMALLINT, () => fixed(new arrow.Uint16(), 2)],
  [DuckDBTypeId.UINTEGER, () => fixed(new arrow.Uint32(), 4)],
  [DuckDBTypeId.UBIGINT, () => fixed(new arrow.Uint64(), 8)],
  [DuckDBTypeId.HUGEINT, () => converted(new arrow.Decimal(0, 38), 16, hugeInt)],
  [DuckDBTypeId.UHUGEINT, () => converted(new arrow.Decimal(0, 38), 16, unsignedHugeInt)],
  [DuckDBTypeId.FLOAT, () => fixed(new arrow.Float32(), 4)],
  [DuckDBTypeId.DOUBLE, () => fixed(new arrow.Float64(), 8)],
  [DuckDBTypeId.DATE, () => fixed(new arrow.DateDay(), 4)],
  [DuckDBTypeId.TIME, () => fixed(new arrow.TimeMicrosecond(), 8)],
  [DuckDBTypeId.TIME_NS, () => fixed(new arrow.TimeNanosecond(), 8)],
  [DuckDBTypeId.TIMESTAMP, () => fixed(new arrow.TimestampMicrosecond(), 8)],
  [DuckDBTypeId.TIMESTAMP_S, () => fixed(new arrow.TimestampSecond(), 8)],
  [DuckDBTypeId.TIMESTAMP_MS, () => fixed(new arrow.TimestampMillisecond(), 8)],
  [DuckDBTypeId.TIMESTAMP_NS, () => fixed(new arrow.TimestampNanosecond(), 8)],
  [DuckDBTypeId.TIMESTAMP_TZ, () => fixed(new arrow.TimestampMicrosecond('UTC'), 8)],
  [DuckDBTypeId.INTERVAL, () => converted(new arrow.IntervalMonthDayNano(), 16, interval)],
  [DuckDBTypeId.VARCHAR, () => variable(new arrow.Utf8(), ENTRY_BYTES, writeStrings)],
  [DuckDBTypeId.BLOB, () => variable(new arrow.Binary(), ENTRY_BYTES, writeStrings)],
  [DuckDBTypeId.BIT, () => text(ENTRY_BYTES, bits)],
  [DuckDBTypeId.UUID, () => text(16, uuids())],
]);

function columnOf(type: DuckDBType): Column {
  const scalar = SCALARS.get(type.typeId);
  if (scalar) return scalar();
  if (type instanceof DuckDBDecimalType) return decimals(type);
  if (type instanceof DuckDBEnumType) return enums(type);
  if (type instanceof DuckDBStructType) return structs(type.entryNames, type.entryTypes.map(columnOf), true);
  if (type instanceof DuckDBArrayType) return arrays(type.length, columnOf(type.valueType));
  if (type instanceof DuckDBListType) {
    const child = columnOf(type.valueType);
    return lists(new arrow.List(new arrow.Field('item', child.type, true)), child);
  }
  if (type instanceof DuckDBMapType) {
    const entries = structs(['key', 'value'], [columnOf(type.keyType), columnOf(type.valueType)], false);
    return lists(new arrow.Map_(new arrow.Field('entries', entries.type as arrow.Struct, false)), entries);
  }
  throw new Error(`DuckDB type ${type} has no Arrow form here; cast it in the query`);
}

function columnsOf(result: DuckDBResult): Column[] {
  const columnAt = (index: number) => named(result, index, () => columnOf(result.columnType(index)));
  return Array.from({ length: result.columnCount }, (_, index) => columnAt(index));
}

function schemaOf(result: DuckDBResult, columns: Column[]): arrow.Schema {
  return new arrow.Schema(columns.map(({ type }, index) => new arrow.Field(result.columnName(index), type, true)));
}

function named<T>(result: DuckDBResult, index: number, body: () => T): T {
  try {
    return body();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`column ${JSON.stringify(result.columnName(index))}: ${message}`, { cause });
  }
}

function column(type: arrow.DataType, width: number, layout: Layout): Column {
  const bitmap = memory();
  const source: Source = { bytes: EMPTY, view: viewOf(EMPTY), valid: null };
  let nulls = false;
  let length = 0;
  return {
    type,
    bind(vector, rows, parent) {
      const own: Bits = duckdb.vector_get_validity(vector, maskBytes(rows));
      source.valid = own && parent ? own.map((byte, index) => byte & (parent[index] ?? 0)) : (own ?? parent);
      source.bytes = width > 0 ? duckdb.vector_get_data(vector, rows * width) : EMPTY;
      source.view = viewOf(source.bytes);
      layout.bind?.(vector, rows, source.valid);
    },
    append(from, count) {
      layout.append(source, from, count, length);
      if (source.valid && !nulls) copyBits(null, 0, bitmap.reserve(0, maskBytes(length)), 0, length);
      nulls ||= source.valid !== null;
      const needed = nulls ? maskBytes(length + count) : 0;
      if (nulls) copyBits(source.valid, from, bitmap.reserve(maskBytes(length), needed), length, count);
      length += count;
    },
    bytes: () => layout.bytes(length),
    finish() {
      const { offsets, values, children } = layout.finish(length);
      const buffers = {
        [arrow.BufferType.OFFSET]: offsets && new Int32Array(offsets.buffer, 0, length + 1),
        [arrow.BufferType.DATA]: values && typed(type, values),
        [arrow.BufferType.VALIDITY]: nulls ? bitmap.take(maskBytes(length)) : EMPTY,
      };
      const data = new arrow.Data(type, 0, length, nulls ? -1 : 0, buffers, children);
      nulls = false;
      length = 0;
      return data;
    },
  };
}

function fixed(type: arrow.DataType, width: number): Column {
  const values = memory();
  return column(type, width, {
    append({ bytes }, from, count, length) {
      const target = values.reserve(length * width, (length + count) * width);
      target.set(bytes.subarray(from * width, (from + count) * width), length * width);
    },
    bytes: (length) => length * width,
    finish: (length) => ({ values: values.take(length * width) }),
  });
}

type Convert = (source: DataView, at: number, target: DataView, to: number) => void;

function converted(type: arrow.DataType, width: number, convert: Convert): Column {
  const values = memory();
  return column(type, width, {
    append({ view, valid }, from, count, length) {
      const target = viewOf(values.reserve(length * 16, (length + count) * 16));
      for (let index = 0; index < count; index++) {
        if (isSet(valid, from + index)) convert(view, (from + index) * width, target, (length + index) * 16);
      }
    },
    bytes: (length) => length * 16,
    finish: (length) => ({ values: values.take(length * 16) }),
  });
}

function decimals({ width, scale }: DuckDBDecimalType): Column {
  const type = new arrow.Decimal(scale, width);
  if (width > 18) return fixed(type, 16);
  const bytes = width > 9 ? 8 : width > 4 ? 4 : 2;
  return converted(type, bytes, (source, at, target, to) => {
    const low = bytes === 2 ? source.getInt16(at, true) : source.getInt32(at, true);
    const high = bytes === 8 ? source.getInt32(at + 4, true) : low >> 31;
    target.setInt32(to, low, true);
    target.setInt32(to + 4, high, true);
    target.setInt32(to + 8, high >> 31, true);
    target.setInt32(to + 12, high >> 31, true);
  });
}

const hugeInt: Convert = (source, at, target, to) => setHuge(source, at, target, to, source.getBigInt64(at + 8, true));
const unsignedHugeInt: Convert = (source, at, target, to) =>
  setHuge(source, at, target, to, source.getBigUint64(at + 8, true));

function setHuge(source: DataView, at: number, target: DataView, to: number, high: bigint): void {
  const low = source.getBigUint64(at, true);
  if (high >= HIGH_LIMIT || high < -HIGH_LIMIT) {
    const value = (high << 64n) + low;
    const fits = value < DECIMAL_LIMIT && value > -DECIMAL_LIMIT;
    if (!fits) throw new Error(`${value} does not fit DECIMAL(38, 0); cast it in the query`);
  }
  target.setBigUint64(to, low, true);
  target.setBigInt64(to + 8, high, true);
}

function interval(source: DataView, at: number, target: DataView, to: number): void {
  const nanos = source.getBigInt64(at + 8, true) * 1000n;
  if (nanos !== BigInt.asIntN(64, nanos)) throw new Error(`an interval of ${nanos} ns does not fit 64 bits`);
  target.setInt32(to, source.getInt32(at, true), true);
  target.setInt32(to + 4, source.getInt32(at + 4, true), true);
  target.setBigInt64(to + 8, nanos, true);
}

function booleans(): Column {
  const values = memory();
  return column(new arrow.Bool(), 1, {
    append({ bytes }, from, count, length) {
      const target = values.reserve(maskBytes(length), maskBytes(length + count));
      for (let index = 0; index < count; index++) {
        if (bytes[from + index]) setBit(target, length + index);
      }
    },
    bytes: maskBytes,
    finish: (length) => ({ values: values.take(maskBytes(length)) }),
  });
}

function variable(type: arrow.DataType, width: number, write: Write): Column {
  const offsets = memory();
  const values = memory();
  let used = 0;
  return column(type, width, {
    append(source, from, count, length) {
      const ends = endsAfter(offsets, length, count);
      used = write(source, from, count, ends, values, used);
    },
    bytes: (length) => 4 * length + used,
    finish(length) {
      const taken = { offsets: offsets.take(4 * (length + 1)), values: values.take(used) };
      used = 0;
      return taken;
    },
  });
}

function endsAfter(offsets: Memory, length: number, count: number): Int32Array {
  const bytes = offsets.reserve(4 * (length + 1), 4 * (length + 1 + count));
  return new Int32Array(bytes.buffer, 4 * (length + 1), count);
}

function text(width: number, encode: (source: DataView, at: number) => Uint8Array): Column {
  return variable(new arrow.Utf8(), width, ({ view, valid }, from, count, ends, values, start) => {
    let used = start;
    for (let index = 0; index < count; index++) {
      const value = isSet(valid, from + index) ? encode(view, (from + index) * width) : EMPTY;
      values.reserve(used, used + value.length).set(value, used);
      used += value.length;
      ends[index] = used;
    }
    return used;
  });
}

function enums({ values, internalTypeId }: DuckDBEnumType): Column {
  const texts = values.map((value) => Buffer.from(value));
  if (internalTypeId === DuckDBTypeId.UTINYINT) return text(1, (view, at) => texts[view.getUint8(at)] ?? EMPTY);
  if (internalTypeId === DuckDBTypeId.USMALLINT) return text(2, (view, at) => texts[view.getUint16(at, true)] ?? EMPTY);
  return text(4, (view, at) => texts[view.getUint32(at, true)] ?? EMPTY);
}

function bits(view: DataView, at: number): Uint8Array {
  const size = view.getUint32(at, true);
  const inline = size <= INLINE_BYTES;
  const bytes = inline ? new Uint8Array(view.buffer, view.byteOffset + at + 4, size) : pointedAt(view, at + 8, size);
  return Buffer.from(new DuckDBBitValue(bytes).toString());
}

function uuids(): (view: DataView, at: number) => Uint8Array {
  const value = Buffer.from('00000000-0000-0000-0000-000000000000');
  const digit = (nibble: number) => nibble + (nibble < 10 ? 48 : 87);
  return (view, at) => {
    for (const [index, position] of UUID_POSITIONS.entries()) {
      const byte = view.getUint8(at + 15 - index) ^ (index === 0 ? 0x80 : 0);
      value[position] = digit(byte >> 4);
      value[position + 1] = digit(byte & 15);
    }
    return value;
  };
}

function sizeOf(view: DataView, valid: Bits, row: number): number {
  return isSet(valid, row) ? view.getUint32(row * ENTRY_BYTES, true) : 0;
}

function pointedAt(view: DataView, at: number, size: number): Uint8Array {
  return duckdb.get_data_from_pointer(view.buffer as ArrayBuffer, view.byteOffset + at, size);
}

function writeStrings(...[{ view, valid }, from, count, ends, values, start]: Parameters<Write>): number {
  let used = start;
  for (let index = 0; index < count; index++) {
    used += sizeOf(view, valid, from + index);
    ends[index] = used;
  }
  if (used > MAX_OFFSET) throw new Error(`${count} rows hold more than the 2 GiB that Arrow text can address`);
  const bytes = values.reserve(start, used + INLINE_BYTES);
  const target = viewOf(bytes);
  const last = from + count;
  let span = EMPTY as Uint8Array;
  let [spanLow, spanHigh, spanEnd, to] = [0, 0, 0, start];
  for (let row = from; row < last; row++) {
    const at = row * ENTRY_BYTES;
    const size = sizeOf(view, valid, row);
    if (size === 0) continue;
    if (size <= INLINE_BYTES) {
      target.setUint32(to, view.getUint32(at + 4, true), true);
      target.setUint32(to + 4, view.getUint32(at + 8, true), true);
      target.setUint32(to + 8, view.getUint32(at + 12, true), true);
      to += size;
      continue;
    }
    const low = view.getUint32(at + 8, true);
    const high = view.getUint32(at + 12, true);
    if (high !== spanHigh || low < spanLow || low + size > spanEnd) {
      [spanLow, spanHigh, spanEnd] = [low, high, spanFrom(view, valid, row, last)];
      span = pointedAt(view, at + 8, spanEnd - low);
    }
    let end = low + size;
    for (; row + 1 < last; row++) {
      const following = sizeOf(view, valid, row + 1);
      if (following === 0) continue;
      const pointer = (row + 1) * ENTRY_BYTES + 8;
      const adjacent = view.getUint32(pointer, true) === end && view.getUint32(pointer + 4, true) === high;
      if (following <= INLINE_BYTES || !adjacent || end + following > spanEnd) break;
      end += following;
    }
    bytes.set(span.subarray(low - spanLow, end - spanLow), to);
    to += end - low;
  }
  return used;
}

/** Where a run of strings at ascending addresses ends; gaps stay under a page, so one read of the run touches no unmapped memory. */
function spanFrom(view: DataView, valid: Bits, row: number, last: number): number {
  const start = view.getUint32(row * ENTRY_BYTES + 8, true);
  const high = view.getUint32(row * ENTRY_BYTES + 12, true);
  let end = start + sizeOf(view, valid, row);
  for (let next = row + 1; next < last; next++) {
    const size = sizeOf(view, valid, next);
    if (size <= INLINE_BYTES) continue;
    const low = view.getUint32(next * ENTRY_BYTES + 8, true);
    if (view.getUint32(next * ENTRY_BYTES + 12, true) !== high) break;
    if (low < end || low >= end + PAGE_BYTES || low + size > start + MAX_SPAN) break;
    end = low + size;
  }
  return end;
}

function structs(names: readonly string[], children: Column[], nullable: boolean): Column {
  const fields = children.map(({ type }, index) => new arrow.Field(names[index] ?? '', type, nullable || index > 0));
  return column(new arrow.Struct(fields), 0, {
    bind(vector, rows, valid) {
      children.forEach((child, index) => {
        child.bind(duckdb.struct_vector_get_child(vector, index), rows, valid);
      });
    },
    append(_, from, count) {
      for (const child of children) child.append(from, count);
    },
    bytes: () => children.reduce((sum, child) => sum + child.bytes(), 0),
    finish: () => ({ children: children.map((child) => child.finish()) }),
  });
}

function arrays(size: number, child: Column): Column {
  return column(new arrow.FixedSizeList(size, new arrow.Field('item', child.type, true)), 0, {
    bind(vector, rows, valid) {
      child.bind(duckdb.array_vector_get_child(vector), rows * size, valid && repeated(valid, rows, size));
    },
    append: (_, from, count) => child.append(from * size, count * size),
    bytes: () => child.bytes(),
    finish: () => ({ children: [child.finish()] }),
  });
}

function lists(type: arrow.DataType, child: Column): Column {
  const offsets = memory();
  let used = 0;
  return column(type, ENTRY_BYTES, {
    bind(vector) {
      child.bind(duckdb.list_vector_get_child(vector), duckdb.list_vector_get_size(vector), null);
    },
    append({ view, valid }, from, count, length) {
      const ends = endsAfter(offsets, length, count);
      let [start, end] = [0, 0];
      for (let index = 0; index < count; index++) {
        const at = (from + index) * ENTRY_BYTES;
        const size = isSet(valid, from + index) ? view.getUint32(at + 8, true) : 0;
        const first = size > 0 ? view.getUint32(at, true) : end;
        if (first !== end) {
          if (end > start) child.append(start, end - start);
          start = first;
        }
        end = first + size;
        used += size;
        ends[index] = used;
      }
      if (end > start) child.append(start, end - start);
    },
    bytes: (length) => 4 * length + child.bytes(),
    finish(length) {
      used = 0;
      return { offsets: offsets.take(4 * (length + 1)), children: [child.finish()] };
    },
  });
}

function memory() {
  let bytes = new Uint8Array(0);
  let expected = 0;
  const reserve = (used: number, needed: number) => {
    if (needed <= bytes.length) return bytes;
    const larger = new Uint8Array(Math.max(needed, 2 * bytes.length, expected));
    larger.set(bytes.subarray(0, used));
    bytes = larger;
    return bytes;
  };
  const take = (used: number) => {
    const taken = reserve(0, used).subarray(0, used);
    expected = used + (used >> 3);
    bytes = new Uint8Array(0);
    return taken;
  };
  return { reserve, take };
}

function typed(type: arrow.DataType, { buffer, length }: Uint8Array): arrow.DataType['TArray'] {
  return new type.ArrayType(buffer, 0, length / type.ArrayType.BYTES_PER_ELEMENT);
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function maskBytes(rows: number): number {
  return 8 * Math.ceil(rows / 64);
}

function isSet(mask: Bits, index: number): boolean {
  return mask === null || ((mask[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
}

function setBit(mask: Uint8Array, index: number): void {
  mask[index >> 3] = (mask[index >> 3] ?? 0) | (1 << (index & 7));
}

function copyBits(source: Bits, from: number, target: Uint8Array, to: number, count: number): void {
  for (let index = 0; index < count; ) {
    const at = from + index;
    if (((to + index) & 7) === 0 && count - index >= 8) {
      const low = source ? (source[at >> 3] ?? 0) >> (at & 7) : 255;
      const high = source && at & 7 ? (source[(at >> 3) + 1] ?? 0) << (8 - (at & 7)) : 0;
      target[(to + index) >> 3] = low | high;
      index += 8;
    } else {
      if (isSet(source, at)) setBit(target, to + index);
      index++;
    }
  }
}

function repeated(mask: Uint8Array, rows: number, times: number): Uint8Array {
  const target = new Uint8Array(maskBytes(rows * times));
  for (let row = 0; row < rows; row++) {
    if (isSet(mask, row)) copyBits(null, 0, target, row * times, times);
  }
  return target;
}
