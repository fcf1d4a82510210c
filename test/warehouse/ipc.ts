import * as arrow from 'apache-arrow';

/** One IPC message of a batch and the rows that count in it. */
export interface Encoded {
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/** A type as Databricks writes it: lists of `element`, its own name for UTC. */
function remoteType(type: arrow.DataType): arrow.DataType {
  if (arrow.DataType.isTimestamp(type)) return new arrow.Timestamp(type.unit, type.timezone ? 'Etc/UTC' : undefined);
  if (arrow.DataType.isList(type)) return new arrow.List(new arrow.Field('element', remoteType(type.valueType), false));
  if (arrow.DataType.isStruct(type))
    return new arrow.Struct(type.children.map((f) => new arrow.Field(f.name, remoteType(f.type), f.nullable)));
  if (arrow.DataType.isMap(type)) {
    const entries = new arrow.Struct<{ key: arrow.DataType; value: arrow.DataType }>([
      new arrow.Field('key', remoteType(type.keyType), false),
      new arrow.Field('value', remoteType(type.valueType), true),
    ]);
    return new arrow.Map_(new arrow.Field('entries', entries, false));
  }
  return type;
}

function retyped(data: arrow.Data, type: arrow.DataType): arrow.Data {
  const children = data.children.map((child, i) => retyped(child, type.children[i]?.type ?? child.type));
  return data.clone(type, undefined, undefined, undefined, undefined, children);
}

/** A schema as Databricks sends it, with Spark's types in each field's metadata. */
export const remoteSchema = (schema: arrow.Schema): arrow.Schema =>
  new arrow.Schema(
    schema.fields.map(
      ({ name, type }) =>
        new arrow.Field(name, remoteType(type), true, new Map([['Spark:DataType:SqlName', String(type)]])),
    ),
  );

const streamOf = (schema: arrow.Schema, batches: readonly arrow.RecordBatch[]): Uint8Array => {
  const writer = new arrow.RecordBatchStreamWriter();
  writer.reset(undefined, schema);
  for (const batch of batches) writer.write(batch);
  return writer.finish().toUint8Array(true);
};

const END = 8;
const messageLength = (bytes: Uint8Array): number =>
  END + new DataView(bytes.buffer, bytes.byteOffset).getInt32(4, true);

/** The IPC message of a schema, which repeats the names that a statement repeats. */
export const schemaMessage = (schema: arrow.Schema): Uint8Array => {
  const fields = schema.fields.map((field) => field.clone({ name: field.name.replace(/:\d+$/, '') }));
  const stream = streamOf(new arrow.Schema(fields), []);
  return stream.slice(0, messageLength(stream));
};

/** The IPC message of a batch; `surplus` rows at its end do not count. */
export function batchMessage(schema: arrow.Schema, batch: arrow.RecordBatch, surplus: number): Encoded {
  const data = retyped(batch.data, new arrow.Struct(schema.fields)) as arrow.Data<arrow.Struct>;
  const stream = streamOf(schema, [new arrow.RecordBatch(schema, data)]);
  return { bytes: stream.slice(messageLength(stream), stream.length - END), rows: batch.numRows - surplus };
}
