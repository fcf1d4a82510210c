import {
  DateDay,
  Dictionary,
  Field,
  Int32,
  Int64,
  List,
  type RecordBatch,
  Struct,
  tableFromIPC,
  Utf8,
  Utf8View,
} from 'apache-arrow';
import { expect, test } from 'vitest';
import { writeRows } from '../../src/sink/sink.ts';
import { batchOf, columnOf, memory, rawColumn, stream } from './given.ts';

const batch = batchOf({
  id: columnOf(new Int64(), [2n ** 62n, null, -1n, 3n]),
  text: columnOf(new Utf8(), ['a', 'é', null, '']),
  day: columnOf(new DateDay(), [new Date(0), null, null, new Date(86_400_000)]),
  list: columnOf(new List(new Field('item', new Struct([new Field('k', new Utf8())]))), [
    [{ k: 'x' }, null],
    [],
    null,
    [{ k: null }],
  ]),
});
const values = (batches: readonly RecordBatch[]): unknown =>
  batches.flatMap((part) =>
    part.toArray().map((row) => JSON.parse(JSON.stringify(row, (_, v) => (typeof v === 'bigint' ? `${v}` : v)))),
  );

test.each([
  ['stdout', undefined, 'stream'],
  ['a file named .arrows', 'rows.arrows', 'stream'],
  ['a file named .arrow', 'rows.arrow', 'file'],
])('Arrow for %s reads back the same', async (_, path, kind) => {
  const output = memory(path);
  const parts = [batch, batch.slice(1, 3), batch.slice(0, 0), batch.slice(3)];
  expect(await writeRows(stream(...parts), 'arrow', output)).toEqual({ rows: 7 });
  const table = tableFromIPC(output.bytes());
  expect(values(table.batches)).toEqual(values(parts));
  expect(table.schema.fields.map(String)).toEqual(batch.schema.fields.map(String));
  expect(output.bytes().subarray(0, 6).toString() === 'ARROW1').toBe(kind === 'file');
});

test.each([['rows.arrow'], [undefined]])('a dictionary may differ from batch to batch (%s)', async (path) => {
  const type = new Dictionary(new Utf8(), new Int32(), 7);
  const coded = (...words: string[]) =>
    batchOf({
      v: rawColumn({
        type,
        data: Int32Array.of(1, 0, 1),
        dictionary: columnOf(new Utf8(), words),
        nullBitmap: Uint8Array.of(0b101),
      }),
    });
  const output = memory(path);
  await writeRows(stream(coded('a', 'b'), coded('c', 'd')), 'arrow', output);
  const read = tableFromIPC(output.bytes())
    .toArray()
    .map(({ v }) => v);
  expect(read.slice(3)).toEqual(['d', null, 'd']);
  if (path) expect(read.slice(0, 3)).toEqual(['b', null, 'b']);
});

test('views in a file are decoded at every depth', async () => {
  const long = 'a text that is too long to be inside of its view';
  const list = new List(new Field('item', new Utf8View()));
  const output = memory('rows.arrow');
  await writeRows(stream(batchOf({ v: columnOf(list, [[long, null, 'b'], null, ['']]) })), 'arrow', output);
  const table = tableFromIPC(output.bytes());
  expect(String(table.schema.fields[0]?.type)).toBe('List<Utf8>');
  expect(table.toArray().map(({ v }) => v && [...v])).toEqual([[long, null, 'b'], null, ['']]);
});

test('each batch is passed on before the next is asked for', async () => {
  const output = memory();
  const sizes: number[] = [];
  const source = async function* () {
    for (let i = 0; i < 4; i++) {
      sizes.push(output.bytes().length);
      yield batch;
    }
  };
  await writeRows(source(), 'arrow', output);
  expect(new Set(sizes).size).toBe(4);
  expect(tableFromIPC(output.bytes()).numRows).toBe(16);
});

test('a result without batches is an Arrow table without columns', async () => {
  for (const path of [undefined, 'rows.arrow']) {
    const output = memory(path);
    await writeRows(stream(), 'arrow', output);
    expect(tableFromIPC(output.bytes()).numCols).toBe(0);
  }
});
