import { type Data, type DataType, type RecordBatch, Type } from 'apache-arrow';
import Table from 'cli-table3';
import { type Bind, compile } from './encoder.ts';
import type { Output } from './output.ts';
import { printable } from './printable.ts';
import { emptyText, take } from './text.ts';

/** `width` is the terminal's, in columns; without it nothing is narrowed. `maxRows` is 100 unless given. */
export interface TableOptions {
  readonly maxRows?: number | undefined;
  readonly color?: boolean | undefined;
  readonly width?: number | undefined;
}

/** Draws rows for people; resolves to the number of rows shown. Nested values are JSON without nulls. */
export async function writeTable(
  batches: AsyncIterable<RecordBatch>,
  output: Output,
  { maxRows = 100, color = false, width = Number.POSITIVE_INFINITY }: TableOptions = {},
): Promise<number> {
  const text = emptyText();
  const rows: (string | undefined)[][] = [];
  let names: string[] = [];
  let types: DataType[] = [];
  let binds: Bind[] = [];
  let left = 0;
  let ended = true;
  for await (const batch of batches) {
    if (rows.length === maxRows && batch.numRows > 0 && names.length > 0) {
      ended = false;
      break;
    }
    if (names.length === 0) {
      names = batch.schema.names.map((name) => printable(String(name)));
      types = batch.schema.fields.map(({ type }) => type);
      binds = types.map((type) => compile(type, text, { omitNull: true, bare: true }));
    }
    const { children } = batch.data;
    const writes = binds.map((bind, i) => bind(children[i] as Data));
    const shown = Math.min(batch.numRows, maxRows - rows.length);
    for (let row = 0; row < shown; row++) {
      const cells = writes.map((write, i) => {
        if (write(row)) return printable(take(text).toString());
        return children[i]?.getValid(row) && types[i]?.typeId !== Type.Null ? '' : undefined;
      });
      rows.push(cells);
    }
    left += batch.numRows - shown;
  }
  const natural = names.map((name, i) =>
    rows.reduce((most, row) => Math.max(most, columns(row[i] ?? 'NULL')), columns(name)),
  );
  const widths = narrowed(natural, width);
  const style = (code: number, styled: string): string => (color ? `\x1b[${code}m${styled}\x1b[22m` : styled);
  const table = new Table({
    head: widths.map((size, i) => style(1, cut(names[i] ?? '', size))),
    colWidths: widths.map((size) => size + 2),
    colAligns: widths.map((_, i) => (numbers.has(types[i]?.typeId ?? Type.NONE) ? 'right' : 'left')),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) {
    table.push(
      widths.map((size, i) => {
        const cell = row[i];
        return cell === undefined ? style(2, cut('NULL', size)) : cut(cell, size);
      }),
    );
  }
  const notes = [
    ...(rows.length === 0 && left === 0 && ended ? ['no rows'] : []),
    ...(left > 0 || !ended ? [`… and ${ended ? `${left} more ${left === 1 ? 'row' : 'rows'}` : 'more rows'}`] : []),
    ...(names.length > widths.length ? [`… and ${names.length - widths.length} more columns`] : []),
  ];
  const lines = names.length > 0 ? [table.toString(), ...notes] : notes;
  await output.write(`${lines.join('\n')}\n`);
  return rows.length;
}

const numbers = new Set([Type.Int, Type.Float, Type.Decimal]);
const narrowest = 8;

/** The widths of as many leading columns as fit, the widest of them cut to one common width. */
function narrowed(natural: readonly number[], total: number): number[] {
  let count = 0;
  for (let sum = 1; count < natural.length; count++) {
    sum += Math.min(natural[count] as number, narrowest) + 3;
    if (sum > total && count > 0) break;
  }
  const shown = natural.slice(0, count);
  let cap = Number.POSITIVE_INFINITY;
  let rest = total - 1 - 3 * count;
  shown
    .toSorted((a, b) => a - b)
    .forEach((size, i) => {
      const share = Math.floor(rest / (count - i));
      if (size > share && cap > share) cap = share;
      rest -= size;
    });
  return shown.map((size) => Math.max(1, Math.min(size, cap)));
}

/** Terminal columns a character may take: two for East Asian letters and pictographs. */
const columnsOf = (character: string): number =>
  character > '\u2e7f' ||
  (character >= '\u1100' && character < '\u1160') ||
  /\p{Extended_Pictographic}/u.test(character)
    ? 2
    : 1;

function columns(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length;
  let sum = 0;
  for (const character of text) sum += columnsOf(character);
  return sum;
}

function cut(text: string, size: number): string {
  if (columns(text) <= size) return text;
  let kept = '';
  let left = size - 1;
  for (const character of text) {
    left -= columnsOf(character);
    if (left < 0) break;
    kept += character;
  }
  return `${kept}…`;
}
