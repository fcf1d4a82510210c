import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Bool, Field, Float64, Int32, Int64, List, Struct, TimestampMicrosecond, Utf8 } from 'apache-arrow';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { batchOf, columnOf, folder, rowsOf, written } from './given.ts';

/** RFC 4180; null is an empty field without quotes. */
function parse(csv: string): (string | null)[][] {
  const rows: (string | null)[][] = [];
  let row: (string | null)[] = [];
  for (const [, quoted, bare = '', end] of csv.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    row.push(quoted?.replaceAll('""', '"') ?? (bare || null));
    if (end === ',') continue;
    rows.push(row);
    row = [];
  }
  return rows;
}

const batch = batchOf({
  id: columnOf(new Int64(), [9007199254740993n, null]),
  text: columnOf(new Utf8(), ['a "quoted", text\r\nof two lines', '']),
  ratio: columnOf(new Float64(), [Number.NaN, -0.5]),
  flag: columnOf(new Bool(), [true, null]),
  at: columnOf(new TimestampMicrosecond(), [0, null]),
  list: columnOf(new List(new Field('item', new Utf8())), [['x', null], []]),
  'odd,"name"': columnOf(new Struct([new Field('k', new Utf8())]), [{ k: '"' }, { k: null }]),
});

test('fields are quoted where they must be, nested ones are JSON, and null differs from empty text', async () => {
  expect(await written('csv', {}, batch)).toBe(
    [
      'id,text,ratio,flag,at,list,"odd,""name"""',
      '9007199254740993,"a ""quoted"", text\r\nof two lines",NaN,true,1970-01-01T00:00:00.000000Z,"[""x"",null]","{""k"":""\\""""}"',
      ',"",-0.5,,,[],"{""k"":null}"',
      '',
    ].join('\r\n'),
  );
});

test('any text and null read back the same', () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(fc.option(fc.string({ unit: 'binary' }), { nil: null }), { minLength: 2, maxLength: 2 })),
      async (rows) => {
        const [a, b] = [0, 1].map((i) => columnOf(new Utf8(), [...rows.map((row) => row[i]), 'last']));
        if (!a || !b) return;
        expect(parse(await written('csv', {}, batchOf({ a, b })))).toEqual([['a', 'b'], ...rows, ['last', 'last']]);
      },
    ),
  ));

test('the null of an only column is a line that is read as a row', async () => {
  expect(await written('csv', {}, batchOf({ v: columnOf(new Utf8(), ['a', null, 'b']) }))).toBe(
    'v\r\na\r\n""\r\nb\r\n',
  );
});

test('a result without rows still has its header', async () => {
  expect(await written('csv', {}, batch.slice(0, 0))).toBe('id,text,ratio,flag,at,list,"odd,""name"""\r\n');
});

test('a spreadsheet runs nothing when asked so, and numbers stay numbers', async () => {
  const formulas = ['=1+1', '+1', '-1', '@a', '\tx', '\rx', 'a=b', '', null];
  const columns = {
    '=t': columnOf(new Utf8(), formulas),
    n: columnOf(
      new Int32(),
      formulas.map((_, i) => -i),
    ),
  };
  const values = parse(await written('csv', { spreadsheetSafe: true }, batchOf(columns)));
  expect(values.map(([text]) => text)).toEqual(["'=t", "'=1+1", "'+1", "'-1", "'@a", "'\tx", "'\rx", 'a=b', '', null]);
  expect(values.map(([, number]) => number)).toEqual(['n', ...formulas.map((_, i) => String(-i))]);
  expect(parse(await written('csv', {}, batchOf(columns))).map(([text]) => text)).toEqual(['=t', ...formulas]);
});

test('DuckDB reads the values back', async () => {
  const path = join(await folder(), 'rows.csv');
  await writeFile(path, await written('csv', {}, batch));
  expect(
    await rowsOf(`SELECT id, text, "at"::VARCHAR AS "at", list FROM read_csv('${path}', allow_quoted_nulls = false)`),
  ).toEqual([
    {
      id: '9007199254740993',
      text: 'a "quoted", text\r\nof two lines',
      at: '1970-01-01 00:00:00+00',
      list: '["x",null]',
    },
    { id: null, text: '', at: null, list: '[]' },
  ]);
});
