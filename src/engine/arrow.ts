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
const PROBE_ROWS = 64;
const MAX_OFFSET = 2 ** 31 - 1;
const ENTRY_BYTES = 16;
const INLINE_BYTES = 12;
const PAGE_BYTES = 4096;
const DECIMAL_LIMIT = 10n ** 38n;
const HIGH_LIMIT = DECIMAL_LIMIT >> 64n;
const UUID_POSITIONS = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];
const EMPTY = new Uint8Array(0);
const NO_ENDS = new Int32Array(0);

/**
 * Every column is nullable, ENUM, UUID and BIT are text, a repeated name `a` becomes `a:1`;
 * throws on a type with no Arrow form here, such as UNION.
 */
export function arrowSchema(result: DuckDBResult): arrow.Schema {
  return schemaOf(result, columnsOf(result));
}

/**
 * Batches of at most 65536 rows and about 32 MB that own their memory, one empty batch for a result without rows;
 * throws when DuckDB stops the result early, which may be after batches were given.
 */
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

  let [rows, seen, step] = [0, 0, PROBE_ROWS];
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
type Memory = ReturnType<typeof memory>;

interface Column {
  readonly type: arrow.DataType;
  length(): number;
  bytes(): number;
  bind(vector: duckdb.Vector, rows: number, parent: Bits): void;
  append(from: number, count: number): void;
  finish(): arrow.Data;
}

interface Slice {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly valid: Bits;
  readonly from: number;
  readonly count: number;
  readonly length: number;
  readonly ends: Int32Array;
}

type Convert = (source: DataView, at: number, target: DataView, to: number) => void;

interface Layout {
  readonly offsets?: Memory;
  readonly values?: Memory;
  readonly children?: readonly Column[];
  bind?(vector: duckdb.Vector, rows: number, valid: Bits): void;
  append(slice: Slice): void;
}

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
  [DuckDBTypeId.HUGEINT, () => fixed(new arrow.Decimal(0, 38), 16, hugeInt(true))],
  [DuckDBTypeId.UHUGEINT, () => fixed(new arrow.Decimal(0, 38), 16, hugeInt(false))],
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
  [DuckDBTypeId.INTERVAL, () => fixed(new arrow.IntervalMonthDayNano(), 16, interval)],
  [DuckDBTypeId.VARCHAR, () => strings(new arrow.Utf8())],
  [DuckDBTypeId.BLOB, () => strings(new arrow.Binary())],
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
  const names = result.deduplicatedColumnNames();
  return new arrow.Schema(columns.map(({ type }, index) => new arrow.Field(names[index] ?? '', type, true)));
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
  const { offsets, values, children = [] } = layout;
  const bitmap = memory();
  let bytes: Uint8Array = EMPTY;
  let view = viewOf(EMPTY);
  let valid: Bits = null;
  let length = 0;
  return {
    type,
    length: () => length,
    bytes: () => children.reduce((sum, child) => sum + child.bytes(), (offsets?.used() ?? 0) + (values?.used() ?? 0)),
    bind(vector, rows, parent) {
      const own: Bits = duckdb.vector_get_validity(vector, maskBytes(rows));
      valid = own && parent ? own.map((byte, index) => byte & (parent[index] ?? 0)) : (own ?? parent);
      bytes = width > 0 ? duckdb.vector_get_data(vector, rows * width) : EMPTY;
      view = viewOf(bytes);
      layout.bind?.(vector, rows, valid);
    },
    append(from, count) {
      const start = 4 * (length + 1);
      const ends = offsets ? new Int32Array(offsets.reach(start + 4 * count).buffer, start, count) : NO_ENDS;
      layout.append({ bytes, view, valid, from, count, length, ends });
      if (valid || bitmap.used() > 0) {
        if (bitmap.used() === 0) copyBits(null, 0, bitmap.reach(maskBytes(length)), 0, length);
        copyBits(valid, from, bitmap.reach(maskBytes(length + count)), length, count);
      }
      length += count;
    },
    finish() {
      const nullCount = bitmap.used() > 0 ? -1 : 0;
      const buffers = {
        [arrow.BufferType.OFFSET]: offsets && new Int32Array(offsets.take(4 * (length + 1)).buffer, 0, length + 1),
        [arrow.BufferType.DATA]: values && typed(type, values.take()),
        [arrow.BufferType.VALIDITY]: bitmap.take(),
      };
      const parts = children.map((child) => child.finish());
      const data = new arrow.Data(type, 0, length, nullCount, buffers, parts);
      length = 0;
      return data;
    },
  };
}

function fixed(type: arrow.DataType, width: number, convert?: Convert): Column {
  const values = memory();
  const size = convert ? 16 : width;
  return column(type, width, {
    values,
    append({ bytes, view, valid, from, count, length }) {
      const target = values.reach((length + count) * size);
      if (!convert) return target.set(bytes.subarray(from * width, (from + count) * width), length * width);
      const targetView = viewOf(target);
      for (let index = 0; index < count; index++) {
        if (isSet(valid, from + index)) convert(view, (from + index) * width, targetView, (length + index) * size);
      }
    },
  });
}

function decimals({ width, scale }: DuckDBDecimalType): Column {
  const type = new arrow.Decimal(scale, width);
  if (width > 18) return fixed(type, 16);
  const bytes = width > 9 ? 8 : width > 4 ? 4 : 2;
  return fixed(type, bytes, (source, at, target, to) => {
    const low = bytes === 2 ? source.getInt16(at, true) : source.getInt32(at, true);
    const high = bytes === 8 ? source.getInt32(at + 4, true) : low >> 31;
    target.setInt32(to, low, true);
    target.setInt32(to + 4, high, true);
    target.setInt32(to + 8, high >> 31, true);
    target.setInt32(to + 12, high >> 31, true);
  });
}

function hugeInt(signed: boolean): Convert {
  return (source, at, target, to) => {
    const low = source.getBigUint64(at, true);
    const high = signed ? source.getBigInt64(at + 8, true) : source.getBigUint64(at + 8, true);
    if (high >= HIGH_LIMIT || high < -HIGH_LIMIT) {
      const value = (high << 64n) + low;
      const fits = value < DECIMAL_LIMIT && value > -DECIMAL_LIMIT;
      if (!fits) throw new Error(`${value} does not fit DECIMAL(38, 0); cast it in the query`);
    }
    target.setBigUint64(to, low, true);
    target.setBigInt64(to + 8, high, true);
  };
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
    values,
    append({ bytes, from, count, length }) {
      const target = values.reach(maskBytes(length + count));
      for (let index = 0; index < count; index++) {
        if (bytes[from + index]) setBit(target, length + index);
      }
    },
  });
}

function text(width: number, encode: (source: DataView, at: number) => Uint8Array): Column {
  const values = memory();
  return column(new arrow.Utf8(), width, {
    offsets: memory(),
    values,
    append({ view, valid, from, count, ends }) {
      for (let index = 0; index < count; index++) {
        const value = isSet(valid, from + index) ? encode(view, (from + index) * width) : EMPTY;
        const used = values.used();
        values.reach(used + value.length).set(value, used);
        ends[index] = values.used();
      }
    },
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

function strings(type: arrow.DataType): Column {
  const values = memory();
  return column(type, ENTRY_BYTES, { offsets: memory(), values, append: (slice) => appendStrings(slice, values) });
}

function appendStrings({ view, valid, from, count, ends }: Slice, values: Memory): void {
  const start = values.used();
  let used = start;
  for (let index = 0; index < count; index++) {
    used += sizeOf(view, valid, from + index);
    ends[index] = used;
  }
  if (used > MAX_OFFSET) throw new Error(`${count} rows hold more than the 2 GiB that Arrow text can address`);
  const bytes = values.reach(used, INLINE_BYTES);
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
}

function spanFrom(view: DataView, valid: Bits, row: number, last: number): number {
  const start = view.getUint32(row * ENTRY_BYTES + 8, true);
  const high = view.getUint32(row * ENTRY_BYTES + 12, true);
  let end = start + sizeOf(view, valid, row);
  for (let next = row + 1; next < last; next++) {
    const size = sizeOf(view, valid, next);
    if (size <= INLINE_BYTES) continue;
    const low = view.getUint32(next * ENTRY_BYTES + 8, true);
    if (view.getUint32(next * ENTRY_BYTES + 12, true) !== high) break;
    // One read covers the gaps too: those shorter than a page lie in pages that the strings around them have mapped.
    if (low < end || low >= end + PAGE_BYTES) break;
    end = low + size;
  }
  return end;
}

function structs(names: readonly string[], children: readonly Column[], nullable: boolean): Column {
  const fields = children.map(({ type }, index) => new arrow.Field(names[index] ?? '', type, nullable || index > 0));
  return column(new arrow.Struct(fields), 0, {
    children,
    bind(vector, rows, valid) {
      children.forEach((child, index) => {
        child.bind(duckdb.struct_vector_get_child(vector, index), rows, valid);
      });
    },
    append({ from, count }) {
      for (const child of children) child.append(from, count);
    },
  });
}

function arrays(size: number, child: Column): Column {
  return column(new arrow.FixedSizeList(size, new arrow.Field('item', child.type, true)), 0, {
    children: [child],
    bind(vector, rows, valid) {
      child.bind(duckdb.array_vector_get_child(vector), rows * size, valid && repeated(valid, rows, size));
    },
    append: ({ from, count }) => child.append(from * size, count * size),
  });
}

function lists(type: arrow.DataType, child: Column): Column {
  return column(type, ENTRY_BYTES, {
    offsets: memory(),
    children: [child],
    bind(vector) {
      child.bind(duckdb.list_vector_get_child(vector), duckdb.list_vector_get_size(vector), null);
    },
    append({ view, valid, from, count, ends }) {
      let [start, end, total] = [0, 0, child.length()];
      for (let index = 0; index < count; index++) {
        const at = (from + index) * ENTRY_BYTES;
        const size = isSet(valid, from + index) ? view.getUint32(at + 8, true) : 0;
        const first = size > 0 ? view.getUint32(at, true) : end;
        if (first !== end) {
          if (end > start) child.append(start, end - start);
          start = first;
        }
        end = first + size;
        total += size;
        ends[index] = total;
      }
      if (end > start) child.append(start, end - start);
    },
  });
}

function memory() {
  let bytes = new Uint8Array(0);
  let used = 0;
  let expected = 0;
  const reach = (needed: number, spare = 0) => {
    if (needed + spare > bytes.length) {
      const larger = new Uint8Array(Math.max(needed + spare, 2 * bytes.length, expected));
      larger.set(bytes.subarray(0, used));
      bytes = larger;
    }
    used = needed;
    return bytes;
  };
  const take = (needed = used) => {
    const taken = reach(needed).subarray(0, needed);
    expected = needed + (needed >> 3);
    bytes = new Uint8Array(0);
    used = 0;
    return taken;
  };
  return { used: () => used, reach, take };
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
