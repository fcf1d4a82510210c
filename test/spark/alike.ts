import { expect } from 'vitest';
import { Float, parseJson } from '../../ocsf/json.ts';
import type { Lakehouse } from '../../src/index.ts';
import { linesOf } from '../given/rows.ts';

const DIGITS = 10;

/** JSON that is kept as text, by its value: Spark writes 1.2E7 where DuckDB writes 12000000.0, and half an emoji at a time. */
function inner(text: string): unknown {
  try {
    return { json: canonical(parseJson(text)) };
  } catch {
    return text;
  }
}

/** A number in a field of text: 1.0E300 on Spark, 1e+300 on DuckDB. */
const EXPONENT = /^-?\d(?:\.\d+)?e[+-]?\d+$/i;
const ofText = (text: string): unknown => {
  if (/^[[{]/.test(text)) return inner(text);
  return EXPONENT.test(text) ? { number: Number(text) } : text;
};

const nothing = (value: unknown): boolean =>
  value === null || (typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0);

/** A value with its keys in order, without members that are NULL or have only such members, and fractions to ten digits. */
function canonical(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(canonical);
  if (typeof value === 'string') return ofText(value);
  if (typeof value === 'bigint') return `${value}n`;
  if (typeof value === 'number' || value instanceof Float) return Number(Number(value).toPrecision(DIGITS));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .map(([k, v]): [string, unknown] => [k, canonical(v)])
      .filter(([, v]) => !nothing(v))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const onlyIn = (these: readonly string[], those: readonly string[]): string[] => {
  const left = new Map<string, number>();
  for (const line of those) left.set(line, (left.get(line) ?? 0) + 1);
  return these.filter((line) => {
    const n = left.get(line) ?? 0;
    left.set(line, n - 1);
    return n <= 0;
  });
};

/** What no two runs have in common. */
const OF_THE_RUN = ['batch', 'run_id', 'ingested_at', 'quarantined_at'];

/** Rows as JSON without some columns, in no particular order. */
const rowsOf = (lines: readonly string[], leftOut: readonly string[]): string[] =>
  lines
    .map((line) => {
      const row = Object.entries(parseJson(line) as Record<string, unknown>);
      return JSON.stringify(canonical(Object.fromEntries(row.filter(([name]) => !leftOut.includes(name)))));
    })
    .sort();

/** Every row of a table as a line of JSON. */
export const linesIn = (lake: Lakehouse, table: string): Promise<string[]> =>
  linesOf(lake.query(`SELECT * FROM ${table}`));

/** Fails unless two lists of rows as JSON are the same, but for what hangs on the run and for `leftOut`; gives how many there are. */
export function sameLines(
  table: string,
  expected: readonly string[],
  found: readonly string[],
  leftOut: readonly string[] = [],
): number {
  const out = [...OF_THE_RUN, ...leftOut];
  const [these, those] = [rowsOf(expected, out), rowsOf(found, out)];
  const [missing, more] = [onlyIn(these, those), onlyIn(those, these)];
  expect({ table, rows: those.length, rowsThatDiffer: more.length, for: more.slice(0, 5) }).toEqual({
    table,
    rows: these.length,
    rowsThatDiffer: 0,
    for: missing.slice(0, 5),
  });
  return these.length;
}

/** Fails unless two lakehouses have the same rows in a table; gives how many. */
export const sameRows = async (
  expected: Lakehouse,
  found: Lakehouse,
  table: string,
  leftOut: readonly string[] = [],
): Promise<number> => sameLines(table, await linesIn(expected, table), await linesIn(found, table), leftOut);
