import * as arrow from 'apache-arrow';

/** Decompresses an LZ4 frame at once: on other threads it took more time, and six times the memory. */
export type Decompress = (bytes: Uint8Array) => Uint8Array;

/** The LZ4 of this platform; undefined where its optional package is not installed, and a server must send plain bytes. */
export async function lz4(): Promise<Decompress | undefined> {
  const found = await import('lz4-napi').catch(() => undefined);
  return (
    found && (({ buffer, byteOffset, length }) => found.decompressFrameSync(Buffer.from(buffer, byteOffset, length)))
  );
}

/** The type that DuckDB's batches have for what Databricks sends: names of inner fields, time zones and nullability differ. */
function sameType(type: arrow.DataType): arrow.DataType {
  if (arrow.DataType.isTimestamp(type)) return new arrow.Timestamp(type.unit, type.timezone ? 'UTC' : undefined);
  if (arrow.DataType.isList(type)) return new arrow.List(new arrow.Field('item', sameType(type.valueType), true));
  if (arrow.DataType.isStruct(type))
    return new arrow.Struct(type.children.map((field) => new arrow.Field(field.name, sameType(field.type), true)));
  if (arrow.DataType.isMap(type)) {
    const entries = new arrow.Struct<{ key: arrow.DataType; value: arrow.DataType }>([
      new arrow.Field('key', sameType(type.keyType), false),
      new arrow.Field('value', sameType(type.valueType), true),
    ]);
    return new arrow.Map_(new arrow.Field('entries', entries, false));
  }
  return type;
}

/** `data` under another type of the same layout; nothing is copied. */
function retyped(data: arrow.Data, type: arrow.DataType): arrow.Data {
  const children = data.children.map((child, i) => retyped(child, type.children[i]?.type ?? child.type));
  return data.clone(type, undefined, undefined, undefined, undefined, children);
}

/** Every column is nullable and nameless metadata goes; a repeated name `a` becomes `a:1`: as on DuckDB. */
export function sameSchema(fields: readonly arrow.Field[]): arrow.Schema {
  const taken = new Set<string>();
  return new arrow.Schema(
    fields.map(({ name, type }) => {
      let free = name;
      for (let n = 1; taken.has(free); n++) free = `${name}:${n}`;
      taken.add(free);
      return new arrow.Field(free, sameType(type), true);
    }),
  );
}

/** The schema in the bytes of an IPC schema message. */
export function schemaOfIpc(bytes: Uint8Array): arrow.Schema {
  const { schema } = arrow.RecordBatchReader.from(bytes).open();
  return sameSchema(schema.fields);
}

/** A batch without rows. */
export function emptyBatch(schema: arrow.Schema): arrow.RecordBatch {
  const children = schema.fields.map(({ type }) =>
    arrow.makeData({ type, length: 0, nullCount: 0 } as { type: arrow.Utf8 }),
  );
  return new arrow.RecordBatch(schema, new arrow.Data(new arrow.Struct(schema.fields), 0, 0, 0, {}, children));
}

/**
 * The record batches in the pieces of an IPC stream, its schema first, of which at most `rows` rows count: the server may
 * send more than it says. The batches lie in the bytes given. Throws where fewer rows are there, as when a piece is cut off.
 */
export function* batchesOfIpc(pieces: readonly Uint8Array[], rows: number): Generator<arrow.RecordBatch> {
  const reader = arrow.RecordBatchReader.from(pieces).open();
  const schema = sameSchema(reader.schema.fields);
  let left = rows;
  for (const batch of reader) {
    if (left <= 0) return;
    const count = Math.min(left, batch.numRows);
    left -= count;
    if (count === 0) continue;
    const whole = retyped(batch.data, new arrow.Struct(schema.fields));
    yield new arrow.RecordBatch(
      schema,
      (count === batch.numRows ? whole : whole.slice(0, count)) as arrow.Data<arrow.Struct>,
    );
  }
  if (left > 0) throw new Error(`the server sent ${rows - left} rows where it announced ${rows}`);
}
