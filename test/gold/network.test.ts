import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDuckDB } from '../../src/engine/duckdb.ts';
import { type Engine, rows } from '../../src/engine/engine.ts';
import { isPrivate } from '../../src/gold/network.ts';
import { literal, spell, sql } from '../../src/sql/sql.ts';

let engine: Engine;
beforeAll(async () => {
  engine = await openDuckDB({ path: ':memory:', threads: 1 });
});
afterAll(() => engine[Symbol.asyncDispose]());

const asked = async (address: string | null): Promise<boolean | null | undefined> => {
  const statement = spell(
    sql`SELECT ${isPrivate(sql`address`)} AS yes FROM (VALUES (CAST(${literal(address)} AS VARCHAR))) AS v(address)`,
    engine.dialect,
  );
  return (await rows<{ yes: boolean | null }>(engine, statement))[0]?.yes;
};

describe('An address', () => {
  it.each([
    '10.0.0.1',
    '10.255.255.255',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.0.1',
    '100.64.0.1',
    '100.127.255.255',
    '127.0.0.1',
    '169.254.169.254',
    '0.0.0.0',
    '224.0.0.1',
    '239.255.255.250',
    '240.0.0.1',
    '255.255.255.255',
    'fc00::1',
    'fd12:3456::1',
    'fe80::1',
    'febf::1',
    'ff02::1',
    '::1',
    '::',
  ])('is private: %s', async (address) => {
    expect(await asked(address)).toBe(true);
  });

  it.each([
    '9.255.255.255',
    '11.0.0.0',
    '100.63.255.255',
    '100.128.0.0',
    '172.15.255.255',
    '172.32.0.0',
    '169.253.0.1',
    '192.167.1.1',
    '192.169.0.0',
    '223.255.255.255',
    '1.10.0.1',
    '203.0.113.66',
    '2001:db8::1',
    '2600:1f18::fe80',
    'fec0::1',
    '::2',
  ])('is public: %s', async (address) => {
    expect(await asked(address)).toBe(false);
  });

  it('is neither where there is none', async () => {
    expect(await asked(null)).toBeNull();
  });
});
