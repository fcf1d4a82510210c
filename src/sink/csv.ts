import { type Data, type RecordBatch, Type } from 'apache-arrow';
import { decodedType } from './decode.ts';
import { compile } from './encoder.ts';
import type { JsonOptions } from './ndjson.ts';
import type { Output } from './output.ts';
import { emptyText, flushAt, type Text, take, writeAscii, writeByte, writeBytes } from './text.ts';

/** `omitNull` is for the JSON text of nested values. */
export interface CsvOptions extends JsonOptions {
  /**
   * Puts a single quote before text (not numbers) that a spreadsheet would run as a formula: = + - @ tab or CR at its start.
   * Off by default, since it changes the data.
   */
  readonly spreadsheetSafe?: boolean | undefined;
}

/**
 * Writes RFC 4180: a header, CRLF, nested values as JSON text. NULL is an empty field and empty text is "", except that
 * the NULL of a table's only column is "" too, because an empty line would not be read as a row.
 */
export async function writeCsv(
  batches: AsyncIterable<RecordBatch>,
  output: Output,
  { omitNull = false, spreadsheetSafe = false }: CsvOptions = {},
): Promise<number> {
  const text = emptyText();
  let columns: { bind: ReturnType<typeof compile>; safe: boolean }[] | undefined;
  let rows = 0;
  for await (const batch of batches) {
    const { fields } = batch.schema;
    if (columns === undefined) {
      columns = fields.map(({ name, type }, i) => {
        if (i > 0) writeByte(text, comma);
        const mark = text.at;
        const header = Buffer.from(name);
        writeBytes(text, header, 0, header.length);
        quoteField(text, mark, spreadsheetSafe);
        const { typeId } = decodedType(type);
        const safe = spreadsheetSafe && (typeId === Type.Utf8 || typeId === Type.LargeUtf8);
        return { bind: compile(type, text, { omitNull, bare: true }), safe };
      });
      writeAscii(text, '\r\n');
    }
    const writes = columns.map(({ bind, safe }, i) => ({ write: bind(batch.data.children[i] as Data), safe }));
    for (let row = 0; row < batch.numRows; row++) {
      for (let i = 0; i < writes.length; i++) {
        if (i > 0) writeByte(text, comma);
        const { write, safe } = writes[i] as (typeof writes)[number];
        const mark = text.at;
        if (write(row)) quoteField(text, mark, safe);
        else if (writes.length === 1) writeAscii(text, '""');
      }
      writeAscii(text, '\r\n');
      rows++;
      if (text.at >= flushAt) await output.write(take(text));
    }
    if (text.at > 0) await output.write(take(text));
  }
  return rows;
}

const comma = 0x2c;
const quote = 0x22;
const separators = new Set([quote, comma, 0x0a, 0x0d]);
const formula = new Set(Buffer.from('=+-@\t\r'));

/** Puts the field from `mark` on into quotes where it must be. */
function quoteField(text: Text, mark: number, safe: boolean): void {
  const prefix = safe && formula.has(text.bytes[mark] as number) && text.at > mark;
  let quoted = text.at === mark;
  for (let at = mark; at < text.at && !quoted; at++) quoted = separators.has(text.bytes[at] as number);
  if (!quoted && !prefix) return;
  const field = Buffer.from(text.bytes.subarray(mark, text.at));
  text.at = mark;
  if (quoted) writeByte(text, quote);
  if (prefix) writeByte(text, 0x27);
  for (const byte of field) {
    if (byte === quote) writeByte(text, quote);
    writeByte(text, byte);
  }
  if (quoted) writeByte(text, quote);
}
