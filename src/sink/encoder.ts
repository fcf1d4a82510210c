import { isUtf8 } from 'node:buffer';
import {
  type Data,
  type DataType,
  type Date_,
  DateUnit,
  type Decimal,
  type Dictionary,
  type Field,
  type Int,
  type Interval,
  IntervalUnit,
  type List,
  type Map_,
  Precision,
  type Timestamp,
  type TimeUnit,
  Type,
  type Union,
  UnionMode,
  util,
} from 'apache-arrow';
import { decodedData, decodedType } from './decode.ts';
import { emptyText, type Text, take, writeAscii, writeByte, writeBytes, writeInteger, writeString } from './text.ts';

/** Writes one row's value, or writes nothing and says false: the value is absent. */
export type Write = (row: number) => boolean;

/** Ties an encoder to the vectors of one batch. */
export type Bind = (data: Data) => Write;

/** How values are written: without nulls at any depth, and text outside of lists and structs bare or in JSON quotes. */
export interface Encoding {
  readonly omitNull?: boolean;
  readonly bare?: boolean;
}

const absent: Write = () => false;

/**
 * Compiles a type to an encoder into `text`: exact digits for integers and decimals, ISO 8601 for dates and times,
 * base64 for bytes, an object for a map. NaN and infinities are absent in JSON and words in bare text.
 */
export function compile(type: DataType, text: Text, { omitNull = false, bare = false }: Encoding = {}): Bind {
  const inner = (child: DataType): Bind => compile(child, text, { omitNull });
  const leaf =
    (bind: Bind): Bind =>
    (data) => {
      const nulls = data.nullCount;
      if (nulls > 0 && nulls >= data.length) return absent;
      const write = bind(data);
      if (nulls <= 0) return write;
      const { nullBitmap, offset } = data;
      return (row) => (((nullBitmap[(offset + row) >> 3] as number) >> ((offset + row) & 7)) & 1) === 1 && write(row);
    };
  const ascii = (value: string): boolean => {
    writeAscii(text, value);
    return true;
  };
  const quoted = (write: (row: number) => void): Write =>
    bare
      ? (row) => {
          write(row);
          return true;
        }
      : (row) => {
          writeByte(text, 0x22);
          write(row);
          writeByte(text, 0x22);
          return true;
        };

  switch (type.typeId) {
    case Type.Null:
      return () => absent;
    case Type.Bool:
      return leaf(({ values, offset }) => (row) => {
        return ascii(((values[(offset + row) >> 3] >> ((offset + row) & 7)) & 1) === 1 ? 'true' : 'false');
      });
    case Type.Int:
      return leaf((data) => writeInt(type as Int, data, text));
    case Type.Float: {
      const half = (type as unknown as { precision: Precision }).precision === Precision.HALF;
      return leaf(({ values }) => (row) => {
        const value: number = half ? util.uint16ToFloat64(values[row]) : values[row];
        if (Number.isFinite(value)) return ascii(Object.is(value, -0) ? '-0' : String(value));
        return bare && ascii(String(value));
      });
    }
    case Type.Decimal:
      return leaf(
        ({ values, stride }) =>
          (row) =>
            ascii(decimal(values, row * stride, stride, (type as Decimal).scale)),
      );
    case Type.Utf8:
    case Type.LargeUtf8:
      return leaf((data) => writeText(data, text, bare));
    case Type.Binary:
    case Type.LargeBinary:
      return leaf((data) => {
        const offsets = numeric(data.valueOffsets);
        return quoted((row) =>
          writeAscii(text, base64(data.values, offsets[row] as number, offsets[row + 1] as number)),
        );
      });
    case Type.FixedSizeBinary:
      return leaf(({ values, stride }) =>
        quoted((row) => writeAscii(text, base64(values, row * stride, (row + 1) * stride))),
      );
    case Type.Utf8View:
    case Type.BinaryView: {
      const bind = compile(decodedType(type), text, { omitNull, bare });
      return (data) => bind(decodedData(data));
    }
    case Type.Date: {
      const day = (type as Date_).unit === DateUnit.DAY;
      return leaf(({ values }) =>
        quoted((row) => writeDate(text, day ? values[row] : Math.floor(Number(values[row]) / 86_400_000))),
      );
    }
    case Type.Time: {
      const { unit } = type as unknown as { unit: TimeUnit };
      const perSecond = 1000 ** unit;
      return leaf(({ values }) =>
        quoted((row) => {
          const value = Number(values[row]);
          const second = Math.floor(value / perSecond);
          writeTime(text, second, value - second * perSecond, unit * 3);
        }),
      );
    }
    case Type.Timestamp:
      return leaf((data) => quoted(writeTimestamp((type as Timestamp).unit, data.values, text)));
    case Type.Duration: {
      const { unit } = type as unknown as { unit: TimeUnit };
      return leaf(({ values }) => quoted((row) => writeAscii(text, `PT${fixed(String(values[row]), unit * 3)}S`)));
    }
    case Type.Interval:
      return leaf(({ values }) => quoted((row) => writeAscii(text, interval((type as Interval).unit, values, row))));
    case Type.Struct:
      return leaf(compileStruct(type.children, text, omitNull));
    case Type.List:
    case Type.LargeList: {
      const bind = inner((type as List).valueType);
      return leaf((data) => {
        const write = bind(data.children[0] as Data);
        const offsets = numeric(data.valueOffsets);
        return (row) => writeList(text, write, offsets[row] as number, offsets[row + 1] as number, omitNull);
      });
    }
    case Type.FixedSizeList: {
      const bind = inner((type as unknown as List).valueType);
      return leaf((data) => {
        const write = bind(data.children[0] as Data);
        const { stride } = data;
        return (row) => writeList(text, write, row * stride, (row + 1) * stride, omitNull);
      });
    }
    case Type.Map:
      return leaf(compileMap(type as Map_, text, omitNull));
    case Type.Dictionary: {
      const bind = compile((type as Dictionary).dictionary, text, { omitNull, bare });
      return leaf(({ values, dictionary }) => {
        const chunks = (dictionary?.data ?? []).map((chunk) => ({ write: bind(chunk), length: chunk.length }));
        return (row) => {
          let index = Number(values[row]);
          for (const { write, length } of chunks) {
            if (index < length) return write(index);
            index -= length;
          }
          return false;
        };
      });
    }
    case Type.Union: {
      const { mode, typeIdToChildIndex } = type as Union;
      const binds = type.children.map((child) => compile(child.type, text, { omitNull, bare }));
      return ({ children, typeIds, valueOffsets }) => {
        const writes = children.map((child, i) => binds[i]?.(child) ?? absent);
        const dense = mode === UnionMode.Dense;
        return (row) =>
          (writes[typeIdToChildIndex[typeIds[row]] as number] ?? absent)(dense ? Number(valueOffsets[row]) : row);
      };
    }
    default:
      throw new Error(`Arrow type ${type} cannot be written as text`);
  }
}

/** Names made distinct as DuckDB does it: the second `a` becomes `a_1`. Case does not tell names apart. */
export function distinctNames(fields: readonly Field[]): string[] {
  const taken = new Set<string>();
  return fields.map((field) => {
    // apache-arrow reads an empty name from IPC as null.
    const name = field.name ?? '';
    let distinct = name;
    for (let i = 1; taken.has(distinct.toLowerCase()); i++) distinct = `${name}_${i}`;
    taken.add(distinct.toLowerCase());
    return distinct;
  });
}

/** The JSON text of a name, quoted, with what follows it. */
const jsonName = (before: string, name: string, after: string): Buffer => {
  const text = emptyText(64);
  const bytes = Buffer.from(name);
  writeAscii(text, before);
  writeString(text, bytes, 0, bytes.length);
  writeAscii(text, after);
  return take(text);
};

/** Compiles an object of the given members; with `omitNull` one without any member present is absent itself. */
export function compileStruct(fields: readonly Field[], text: Text, omitNull: boolean): Bind {
  const names = distinctNames(fields);
  const members = fields.map(({ type }, i) => {
    const name = names[i] as string;
    const bind = compile(type, text, { omitNull });
    return { bind, first: jsonName('{', name, ':'), next: jsonName(',', name, ':') };
  });
  return (data) => {
    const writes: Write[] = [];
    const keys: (typeof members)[number][] = [];
    members.forEach((member, i) => {
      const write = member.bind(data.children[i] as Data);
      if (omitNull && write === absent) return;
      writes.push(write);
      keys.push(member);
    });
    return (row) => {
      const start = text.at;
      for (let i = 0; i < writes.length; i++) {
        const mark = text.at;
        const { first, next } = keys[i] as (typeof members)[number];
        const key = mark === start ? first : next;
        writeBytes(text, key, 0, key.length);
        if ((writes[i] as Write)(row)) continue;
        if (omitNull) text.at = mark;
        else writeAscii(text, 'null');
      }
      if (text.at === start) {
        if (omitNull) return false;
        writeByte(text, 0x7b);
      }
      writeByte(text, 0x7d);
      return true;
    };
  };
}

function compileMap(type: Map_, text: Text, omitNull: boolean): Bind {
  const bindKey = compile(type.keyType, text, { bare: true });
  const bindValue = compile(type.valueType, text, { omitNull });
  return (data) => {
    const entries = data.children[0] as Data;
    const key = bindKey(entries.children[0] as Data);
    const value = bindValue(entries.children[1] as Data);
    const offsets = numeric(data.valueOffsets);
    return (row) => {
      const start = text.at;
      for (let entry = offsets[row] as number; entry < (offsets[row + 1] as number); entry++) {
        const mark = text.at;
        writeByte(text, mark === start ? 0x7b : 0x2c);
        const from = text.at;
        key(entry);
        const bare = Buffer.from(text.bytes.subarray(from, text.at));
        text.at = from;
        writeString(text, bare, 0, bare.length);
        writeByte(text, 0x3a);
        if (value(entry)) continue;
        if (omitNull) text.at = mark;
        else writeAscii(text, 'null');
      }
      if (text.at === start) {
        if (omitNull) return false;
        writeByte(text, 0x7b);
      }
      writeByte(text, 0x7d);
      return true;
    };
  };
}

function writeList(text: Text, write: Write, from: number, to: number, omitNull: boolean): boolean {
  const start = text.at;
  for (let i = from; i < to; i++) {
    const mark = text.at;
    writeByte(text, mark === start ? 0x5b : 0x2c);
    if (write(i)) continue;
    if (omitNull) text.at = mark;
    else writeAscii(text, 'null');
  }
  if (text.at === start) {
    if (omitNull) return false;
    writeByte(text, 0x5b);
  }
  writeByte(text, 0x5d);
  return true;
}

const numeric = (offsets: ArrayLike<number | bigint>): ArrayLike<number> =>
  offsets instanceof BigInt64Array ? Float64Array.from(offsets, Number) : (offsets as ArrayLike<number>);

const base64 = (values: Uint8Array, from: number, to: number): string =>
  Buffer.from(values.buffer, values.byteOffset + from, to - from).toString('base64');

function writeInt(type: Int, { values }: Data, text: Text): Write {
  if (type.bitWidth < 64) {
    return (row) => {
      writeInteger(text, values[row]);
      return true;
    };
  }
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length * 2);
  const signed = type.isSigned;
  return (row) => {
    const high = words[row * 2 + 1] as number;
    const value = (signed ? high | 0 : high) * 4294967296 + (words[row * 2] as number);
    if (value < 1e15 && value > -1e15) writeInteger(text, value);
    else writeAscii(text, String(values[row]));
    return true;
  };
}

function writeText({ values, valueOffsets, length }: Data, text: Text, bare: boolean): Write {
  const offsets = numeric(valueOffsets);
  const write = bare ? writeBytes : writeString;
  if (isUtf8(values.subarray(offsets[0], offsets[length]))) {
    return (row) => {
      write(text, values, offsets[row] as number, offsets[row + 1] as number);
      return true;
    };
  }
  return (row) => {
    const repaired = Buffer.from(Buffer.from(values.subarray(offsets[row], offsets[row + 1])).toString());
    write(text, repaired, 0, repaired.length);
    return true;
  };
}

/** Puts the decimal point `scale` digits from the right. */
function fixed(digits: string, scale: number): string {
  if (scale <= 0) return digits === '0' ? digits : digits + '0'.repeat(-scale);
  const sign = digits.startsWith('-') ? '-' : '';
  const padded = digits.slice(sign.length).padStart(scale + 1, '0');
  return `${sign}${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
}

/** The exact text of a two's complement number in little-endian words of 32 bits. */
function decimal(words: Uint32Array, from: number, size: number, scale: number): string {
  let value = 0n;
  for (let i = from + size - 1; i >= from; i--) value = (value << 32n) | BigInt((words[i] as number) >>> 0);
  return fixed(String(BigInt.asIntN(size * 32, value)), scale);
}

/** Days since 1970-01-01 as a date; https://howardhinnant.github.io/date_algorithms.html#civil_from_days */
function writeDate(text: Text, days: number): void {
  const shifted = days + 719468;
  const era = Math.floor(shifted / 146097);
  const dayOfEra = shifted - era * 146097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36524) - Math.floor(dayOfEra / 146096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth < 10 ? shiftedMonth + 3 : shiftedMonth - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  if (year >= 0 && year <= 9999) {
    writeInteger(text, year, 4);
  } else {
    writeByte(text, year < 0 ? 0x2d : 0x2b);
    writeInteger(text, Math.abs(year), 6);
  }
  writeByte(text, 0x2d);
  writeInteger(text, month, 2);
  writeByte(text, 0x2d);
  writeInteger(text, dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1, 2);
}

function writeTime(text: Text, second: number, fraction: number, digits: number): void {
  const minute = Math.floor(second / 60);
  const hour = Math.floor(minute / 60);
  writeInteger(text, hour, 2);
  writeByte(text, 0x3a);
  writeInteger(text, minute - hour * 60, 2);
  writeByte(text, 0x3a);
  writeInteger(text, second - minute * 60, 2);
  if (digits === 0) return;
  writeByte(text, 0x2e);
  writeInteger(text, fraction, digits);
}

function writeTimestamp(unit: TimeUnit, values: BigInt64Array, text: Text): (row: number) => void {
  const perSecond = 1000 ** unit;
  const bigPerSecond = BigInt(perSecond);
  const words = new Int32Array(values.buffer, values.byteOffset, values.length * 2);
  return (row) => {
    const value = (words[row * 2 + 1] as number) * 4294967296 + ((words[row * 2] as number) >>> 0);
    let second: number;
    let fraction: number;
    if (Number.isSafeInteger(value)) {
      second = Math.floor(value / perSecond);
      fraction = value - second * perSecond;
    } else {
      const exact = values[row] as bigint;
      const rest = ((exact % bigPerSecond) + bigPerSecond) % bigPerSecond;
      second = Number((exact - rest) / bigPerSecond);
      fraction = Number(rest);
    }
    const day = Math.floor(second / 86400);
    writeDate(text, day);
    writeByte(text, 0x54);
    writeTime(text, second - day * 86400, fraction, unit * 3);
    writeByte(text, 0x5a);
  };
}

function interval(unit: IntervalUnit, values: Int32Array, row: number): string {
  if (unit === IntervalUnit.YEAR_MONTH) return `P${values[row]}M`;
  if (unit === IntervalUnit.DAY_TIME) return `P${values[row * 2]}DT${fixed(String(values[row * 2 + 1]), 3)}S`;
  const [months, days, low, high] = values.subarray(row * 4, row * 4 + 4);
  const nanos = (BigInt(high ?? 0) << 32n) | BigInt((low ?? 0) >>> 0);
  return `P${months}M${days}DT${fixed(String(nanos), 9)}S`;
}
