import type { RecordBatch } from 'apache-arrow';
import { compileStruct } from './encoder.ts';
import type { Output } from './output.ts';
import { emptyText, flushAt, take, writeAscii } from './text.ts';

/** What decides how JSON looks: `omitNull` leaves out null members, empty structs and empty lists at every depth. */
export interface JsonOptions {
  readonly omitNull?: boolean | undefined;
}

/** Writes one JSON object per row and a newline after each. */
export const writeNdjson = (
  batches: AsyncIterable<RecordBatch>,
  output: Output,
  options: JsonOptions = {},
): Promise<number> => writeObjects(batches, output, options, { before: '', between: '', after: '\n', end: '' });

/** Writes rows as JSON objects with fixed text around them; resolves to their number. */
export async function writeObjects(
  batches: AsyncIterable<RecordBatch>,
  output: Output,
  { omitNull = false }: JsonOptions,
  around: { before: string; between: string; after: string; end: string },
): Promise<number> {
  const text = emptyText();
  let bind: ReturnType<typeof compileStruct> | undefined;
  let rows = 0;
  writeAscii(text, around.before);
  for await (const batch of batches) {
    bind ??= compileStruct(batch.schema.fields, text, omitNull);
    const write = bind(batch.data);
    for (let row = 0; row < batch.numRows; row++) {
      if (rows++ > 0) writeAscii(text, around.between);
      if (!write(row)) writeAscii(text, '{}');
      writeAscii(text, around.after);
      if (text.at >= flushAt) await output.write(take(text));
    }
    if (text.at > 0) await output.write(take(text));
  }
  writeAscii(text, around.end);
  if (text.at > 0) await output.write(take(text));
  return rows;
}
