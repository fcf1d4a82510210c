import * as arrow from 'apache-arrow';
import { parseJson } from '../../ocsf/json.ts';
import { EngineError } from '../errors.ts';
import { buffersOfTexts, validityOf } from './columns.ts';

const SIMPLE: Readonly<Record<string, () => arrow.DataType>> = {
  boolean: () => new arrow.Bool(),
  tinyint: () => new arrow.Int8(),
  smallint: () => new arrow.Int16(),
  int: () => new arrow.Int32(),
  bigint: () => new arrow.Int64(),
  float: () => new arrow.Float32(),
  double: () => new arrow.Float64(),
  timestamp: () => new arrow.TimestampMicrosecond('UTC'),
  timestamp_ntz: () => new arrow.TimestampMicrosecond(),
  date: () => new arrow.DateDay(),
  binary: () => new arrow.Binary(),
  void: () => new arrow.Null(),
};

/** The pieces between commas that stand in no brackets. */
function split(text: string): string[] {
  const pieces: string[] = [];
  let [depth, from] = [0, 0];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '<' || text[i] === '(') depth++;
    else if (text[i] === '>' || text[i] === ')') depth--;
    else if (text[i] === ',' && depth === 0) {
      pieces.push(text.slice(from, i));
      from = i + 1;
    }
  }
  return text === '' ? [] : [...pieces, text.slice(from)];
}

/** The Arrow type of a type as Spark writes it: `array<struct<name:string,size:bigint>>`. */
export function arrowType(type: string): arrow.DataType {
  const [, outer = '', inner = ''] = /^(array|map|struct)<(.*)>$/s.exec(type) ?? [];
  if (outer === 'array') return new arrow.List(new arrow.Field('item', arrowType(inner), true));
  if (outer === 'struct')
    return new arrow.Struct(
      split(inner).map((field) => {
        const colon = field.indexOf(':');
        return new arrow.Field(field.slice(0, colon), arrowType(field.slice(colon + 1)), true);
      }),
    );
  if (outer === 'map') {
    const [key = '', value = ''] = split(inner);
    const entry = new arrow.Struct<{ key: arrow.DataType; value: arrow.DataType }>([
      new arrow.Field('key', arrowType(key), false),
      new arrow.Field('value', arrowType(value), true),
    ]);
    return new arrow.Map_(new arrow.Field('entries', entry, false));
  }
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(type) ?? [];
  if (precision !== undefined) return new arrow.Decimal(Number(scale), Number(precision));
  return SIMPLE[type]?.() ?? new arrow.Utf8();
}

/** Whether a type as Spark writes it holds others. */
export const isNested = (type: string): boolean => /^(array|map|struct)</.test(type);

type Members = Readonly<Record<string, unknown>>;
const membersOf = (value: unknown): Members =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Members) : {};
const elementsOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

const offsetsOf = (lengths: readonly number[]): Int32Array => {
  const offsets = new Int32Array(lengths.length + 1);
  lengths.forEach((length, i) => {
    offsets[i + 1] = (offsets[i] ?? 0) + length;
  });
  return offsets;
};

const isNull = (value: unknown): boolean => value === null || value === undefined;

/** Values that came as JSON, as a column of a type. */
function dataOf(type: arrow.DataType, values: readonly unknown[]): arrow.Data {
  const rows = values.length;
  if (arrow.DataType.isNull(type)) return new arrow.Data(type, 0, rows, rows);
  const made = (buffers: object, children: arrow.Data[] = []): arrow.Data => {
    const bits = new Uint8Array(Math.ceil(rows / 8));
    values.forEach((value, i) => {
      if (isNull(value)) bits[i >> 3] = (bits[i >> 3] ?? 0) | (1 << (i & 7));
    });
    const validity = validityOf(bits, rows);
    const all = { ...buffers, ...(validity ? { [arrow.BufferType.VALIDITY]: validity } : {}) };
    return new arrow.Data(type, 0, rows, validity ? -1 : 0, all, children);
  };
  if (arrow.DataType.isStruct(type)) {
    const members = values.map(membersOf);
    return made(
      {},
      type.children.map((field) =>
        dataOf(
          field.type,
          members.map((one) => one[field.name]),
        ),
      ),
    );
  }
  if (arrow.DataType.isList(type)) {
    const lists = values.map(elementsOf);
    const offsets = offsetsOf(lists.map((list) => list.length));
    return made({ [arrow.BufferType.OFFSET]: offsets }, [dataOf(type.valueType, lists.flat(1))]);
  }
  if (arrow.DataType.isMap(type)) {
    const entries = values.map((value) => Object.entries(membersOf(value)));
    const offsets = offsetsOf(entries.map((list) => list.length));
    const pairs = entries.flat(1).map(([key, value]) => ({ key, value }));
    const [entry] = type.children;
    if (!entry) throw new EngineError('a map without entries');
    return made({ [arrow.BufferType.OFFSET]: offsets }, [dataOf(entry.type, pairs)]);
  }
  return made(
    buffersOfTexts(
      type,
      values.map((value) => (isNull(value) ? null : String(value))),
    ),
  );
}

/** A column of JSON texts as what they hold. */
export function nestedData(type: arrow.DataType, texts: arrow.Vector): arrow.Data {
  const values = Array.from(texts, (text: unknown) => (typeof text === 'string' ? parseJson(text) : null));
  return dataOf(type, values);
}
