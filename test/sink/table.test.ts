import { Field, Float64, Int64, List, Struct, Utf8 } from 'apache-arrow';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable } from '../../src/sink/printable.ts';
import { writeRows } from '../../src/sink/sink.ts';
import { batchOf, columnOf, memory, written } from './given.ts';

const numbers = (...values: (bigint | null)[]) => batchOf({ n: columnOf(new Int64(), values) });

describe('printable', () => {
  test('spells out what a terminal would act on', () => {
    expect(printable('a\x1b[2J\x07\r\n\tb\x7f\x9b')).toBe('a\\x1b[2J\\x07\\r\\n\\tb\\x7f\\x9b');
    expect(printable('\u202egnp.exe\u2066\u200b\ufeff\u2028')).toBe('\\u202egnp.exe\\u2066\\u200b\\ufeff\\u2028');
    expect(printable('\ud83d \u{e0041}\ud83d\ude00 é 日本 C:\\x')).toBe('\\ud83d \\u{e0041}😀 é 日本 C:\\x');
  });

  test('leaves nothing that a terminal would act on, whatever the text', () =>
    fc.assert(
      fc.property(fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }), (text) => {
        expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u);
      }),
    ));
});

describe('a table', () => {
  test('shows numbers to the right, nulls by name and nested values as JSON without nulls', async () => {
    const item = new Struct([new Field('k', new Utf8()), new Field('v', new Utf8())]);
    const batch = batchOf({
      id: columnOf(new Int64(), [9007199254740993n, null]),
      ratio: columnOf(new Float64(), [0.5, Number.NaN]),
      name: columnOf(new Utf8(), ['NULL', '']),
      tags: columnOf(new List(new Field('item', item)), [[{ k: 'a', v: null }], []]),
    });
    expect(await written('table', {}, batch)).toBe(
      [
        '┌──────────────────┬───────┬──────┬─────────────┐',
        '│               id │ ratio │ name │ tags        │',
        '├──────────────────┼───────┼──────┼─────────────┤',
        '│ 9007199254740993 │   0.5 │ NULL │ [{"k":"a"}] │',
        '│             NULL │   NaN │      │             │',
        '└──────────────────┴───────┴──────┴─────────────┘',
        '',
      ].join('\n'),
    );
  });

  test('lets nothing from a log act on the terminal', async () => {
    const hostile = 'x\x1b]0;owned\x07\u202e\r\n\x9b31m';
    const text = await written('table', {}, batchOf({ [hostile]: columnOf(new Utf8(), [hostile, null]) }));
    expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(text.split('\n')).toHaveLength(7);
    const colored = await written(
      'table',
      { color: true },
      batchOf({ [hostile]: columnOf(new Utf8(), [hostile, null]) }),
    );
    expect(colored.replaceAll(/\n|\x1b\[(1|2|22)m/g, '')).toBe(text.replaceAll('\n', ''));
    expect(colored).toContain('\x1b[2mNULL\x1b[22m');
  });

  test('is never wider than the terminal, and says which columns it left out', () =>
    fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom('a', ' ', '日', '😀', 'é', '\n'), maxLength: 40 }), {
          minLength: 1,
          maxLength: 12,
        }),
        fc.integer({ min: 20, max: 120 }),
        async (values, width) => {
          const columns = values.map((value, i) => [`column ${i}`, columnOf(new Utf8(), [value])]);
          const drawn = (await written('table', { width }, batchOf(Object.fromEntries(columns)))).trimEnd().split('\n');
          const frame = drawn.filter((line) => /^[┌├│└]/.test(line));
          expect(frame).toHaveLength(5);
          expect(frame[0]?.length).toBeLessThanOrEqual(width);
          for (const line of frame) expect(line).not.toMatch(/\p{Cs}/u);
          const shown =
            (frame[0]?.split('┬').length ?? 0) + Number(/ (\d+) more column/.exec(drawn.at(-1) ?? '')?.[1] ?? 0);
          expect(shown).toBe(values.length);
        },
      ),
    ));

  test('cuts the widest columns first', async () => {
    const batch = batchOf({ a: columnOf(new Utf8(), ['short']), b: columnOf(new Utf8(), ['a rather long text']) });
    expect(await written('table', { width: 24 }, batch)).toContain('│ short │ a rather lo… │');
  });

  test('cuts between characters, counting two columns for wide ones', async () => {
    const batch = batchOf({ a: columnOf(new Utf8(), ['日本語日本語日本語', '😀😀😀😀😀😀😀']) });
    const drawn = (await written('table', { width: 14 }, batch)).split('\n');
    expect(drawn.slice(3, 5)).toEqual(['│ 日本語日…  │', '│ 😀😀😀😀…  │']);
  });

  test('says how many rows are left only if it knows', async () => {
    expect(await written('table', { maxRows: 2 }, numbers(1n, 2n))).not.toContain('more');
    expect(await written('table', { maxRows: 2 }, numbers(1n, 2n), numbers())).not.toContain('more');
    expect(await written('table', { maxRows: 2 }, numbers(1n, 2n, 3n))).toContain('… and 1 more row\n');
    expect(await written('table', { maxRows: 1 }, numbers(1n, 2n, 3n))).toContain('… and 2 more rows\n');
    expect(await written('table', { maxRows: 2 }, numbers(1n), numbers(2n), numbers(3n))).toContain(
      '… and more rows\n',
    );
    expect(await written('table', {}, numbers(...Array.from({ length: 101 }, () => 1n)))).toContain(
      '… and 1 more row\n',
    );
    expect(await written('table', {}, numbers())).toBe('┌───┐\n│ n │\n└───┘\nno rows\n');
  });

  test('does not run a source to its end to count it', async () => {
    let given = 0;
    const source = async function* () {
      for (; given < 99; given++) yield numbers(1n, 2n);
    };
    const { rows } = await writeRows(source(), 'table', memory(), { maxRows: 3 });
    expect([rows, given]).toEqual([3, 2]);
  });
});
