import {
  Binary,
  BinaryView,
  type Data,
  type DataType,
  type Dictionary,
  Field,
  FixedSizeList,
  LargeList,
  List,
  Map_,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Type,
  Utf8,
  Vector,
} from 'apache-arrow';

/** The type with dictionaries and views replaced by what they stand for, at every depth; the same object if there are none. */
export function decodedType(type: DataType): DataType {
  if (type.typeId === Type.Dictionary) return decodedType((type as Dictionary).dictionary);
  if (type.typeId === Type.Utf8View) return new Utf8();
  if (type.typeId === Type.BinaryView) return new Binary();
  const before: readonly Field[] = type.children ?? [];
  const fields = before.map(decodedField);
  const [only] = fields;
  if (only === undefined || fields.every((field, i) => field === before[i])) return type;
  switch (type.typeId) {
    case Type.Struct:
      return new Struct(fields);
    case Type.List:
      return new List(only);
    case Type.LargeList:
      return new LargeList(only);
    case Type.FixedSizeList:
      return new FixedSizeList((type as FixedSizeList).listSize, only);
    case Type.Map:
      return new Map_(only, (type as Map_).keysSorted);
    default:
      throw new Error(`Arrow type ${type} holds dictionaries, which cannot be decoded there`);
  }
}

function decodedField(field: Field): Field {
  const type = decodedType(field.type);
  return type === field.type ? field : new Field(field.name, type, field.nullable, field.metadata);
}

/** The same values in the layout of `decodedType`. */
export function decodedData(data: Data): Data {
  const type = decodedType(data.type);
  if (type === data.type) return data;
  const { typeId } = data.type;
  if (typeId === Type.Dictionary) {
    const { values, dictionary } = data;
    if (type.children?.length) throw new Error(`A dictionary of ${type} cannot be decoded`);
    return gather(type, data, dictionary ?? new Vector([makeData({ type })]), (row) => Number(values[row]));
  }
  if (typeId === Type.Utf8View || typeId === Type.BinaryView)
    return gather(type, data, new Vector([data]), (row) => row);
  return data.clone(type, undefined, undefined, undefined, undefined, data.children.map(decodedData));
}

/** The batch in the layout of `decodedType`. */
export function decodedBatch(batch: RecordBatch): RecordBatch {
  const fields = batch.schema.fields.map(decodedField);
  if (fields.every((field, i) => field === batch.schema.fields[i])) return batch;
  const { length, children } = batch.data;
  const data = makeData({ type: new Struct(fields), length, nullCount: 0, children: children.map(decodedData) });
  return new RecordBatch(new Schema(fields, batch.schema.metadata), data);
}

function gather(type: DataType, data: Data, source: Vector, indexOf: (row: number) => number): Data {
  const chunks = source.data.map((chunk) => ({ chunk, bytes: bytesOf(chunk) }));
  const { length } = data;
  const nullBitmap = new Uint8Array((length + 7) >> 3);
  const pieces: Uint8Array[] = [];
  const offsets = new Int32Array(length + 1);
  const variable = isVariable(type);
  const nothing = new Uint8Array(variable ? 0 : type.ArrayType.BYTES_PER_ELEMENT * makeData({ type }).stride);
  for (let row = 0; row < length; row++) {
    let piece: Uint8Array = nothing;
    let index = data.getValid(row) ? indexOf(row) : -1;
    for (const { chunk, bytes } of chunks) {
      if (index >= 0 && index < chunk.length && chunk.getValid(index)) {
        piece = bytes(index);
        nullBitmap[row >> 3] = (nullBitmap[row >> 3] as number) | (1 << (row & 7));
      }
      index -= chunk.length;
    }
    pieces.push(piece);
    offsets[row + 1] = (offsets[row] as number) + piece.length;
  }
  const joined = new Uint8Array(offsets[length] as number);
  pieces.forEach((piece, row) => {
    joined.set(piece, offsets[row]);
  });
  const wide = type.typeId === Type.LargeUtf8 || type.typeId === Type.LargeBinary;
  return makeData({
    type,
    length,
    nullBitmap,
    data: variable ? joined : new type.ArrayType(joined.buffer),
    valueOffsets: wide ? BigInt64Array.from(offsets, BigInt) : offsets,
  } as Parameters<typeof makeData>[0]);
}

const isVariable = ({ typeId }: DataType): boolean =>
  typeId === Type.Utf8 || typeId === Type.LargeUtf8 || typeId === Type.Binary || typeId === Type.LargeBinary;

function bytesOf(data: Data): (row: number) => Uint8Array {
  const { type, values, valueOffsets, stride } = data;
  if (type.typeId === Type.Utf8View || type.typeId === Type.BinaryView) {
    const views = new Vector([data.clone(new BinaryView())]);
    return (row) => views.get(row) ?? new Uint8Array();
  }
  if (isVariable(type)) return (row) => values.subarray(Number(valueOffsets[row]), Number(valueOffsets[row + 1]));
  if (type.typeId === Type.Bool) throw new Error('A dictionary of booleans cannot be decoded');
  const width = values.BYTES_PER_ELEMENT * stride;
  return (row) => new Uint8Array(values.buffer, values.byteOffset + row * width, width);
}
