import { afterAll, describe, expect, test } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { alike, misfits, ofJson } from './answers.ts';

const engine = await openDuckDB({ path: ':memory:', threads: 1 });
afterAll(() => engine[Symbol.asyncDispose]());

describe('what engines answer in ways of their own, on DuckDB', () => {
  test.for([...alike, ...ofJson].map((one) => [one.title, one] as const))('%s', async ([, one]) => {
    expect(await misfits(engine, one)).toEqual([]);
  });
});
