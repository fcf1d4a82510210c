import { describe, expect, test } from 'vitest';
import { againAfter, HttpError, isRepeatable, persistently, retryAfterMillis } from '../../src/engine/retry.ts';
import { UserError } from '../../src/errors.ts';
import { hasty } from '../warehouse/given.ts';

describe('a statement may be sent twice', () => {
  test.each([
    'SELECT * FROM silver.authentication',
    '  with a as (select 1 as b) select * from a',
    'SHOW GRANTS ON CATALOG security',
    'CREATE SCHEMA IF NOT EXISTS gold',
    'CREATE TABLE IF NOT EXISTS t (a INT) USING DELTA',
    'CREATE OR REPLACE VIEW gold.alerts AS\nSELECT * FROM gold.findings',
    'CREATE OR REPLACE TABLE t AS SELECT * FROM u',
    'CREATE OR REFRESH STREAMING TABLE t AS SELECT * FROM STREAM u',
    'DROP TABLE IF EXISTS t',
    "DELETE FROM pipeline.files WHERE path = 'a'",
    'MERGE INTO t USING (SELECT 1 AS a) AS s ON t.a <=> s.a WHEN NOT MATCHED THEN INSERT (a) VALUES (s.a)',
    'INSERT INTO `gold`.`findings` REPLACE WHERE time >= 1\nSELECT * FROM `fresh`',
    'INSERT OVERWRITE t SELECT * FROM u',
  ])('%s', (statement) => expect(isRepeatable(statement)).toBe(true));

  test.each([
    'INSERT INTO t SELECT * FROM u',
    'INSERT INTO t VALUES (1)',
    'UPDATE t SET n = n + 1',
    'MERGE INTO t USING s ON t.a = s.a WHEN MATCHED THEN UPDATE SET n = t.n + 1 WHEN NOT MATCHED THEN INSERT *',
    'CREATE OR REPLACE TABLE t AS SELECT n + 1 AS n FROM t',
    'INSERT OVERWRITE t SELECT n + 1 FROM t',
    'WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a',
    'CREATE TABLE t (a INT)',
    'CALL something()',
    '',
  ])('but not: %s', (statement) => expect(isRepeatable(statement)).toBe(false));
});

describe('what a failure allows', () => {
  const network = (code: string) => Object.assign(new Error(`request failed, reason: ${code}`), { code });
  test.each([
    [new HttpError(429, ''), 'unbegun'],
    [new HttpError(503, 'starting', 5_000), 'unbegun'],
    [new HttpError(503, ''), 'any'],
    [new HttpError(502, ''), 'any'],
    [new HttpError(500, ''), 'never'],
    [new HttpError(403, ''), 'never'],
    [network('ECONNRESET'), 'any'],
    [new Error('socket hang up'), 'any'],
    [network('ECONNREFUSED'), 'unbegun'],
    [new Error('self-signed certificate'), 'never'],
    [new DOMException('This operation was aborted', 'AbortError'), 'never'],
    [new UserError('ECONNRESET'), 'never'],
    ['ECONNRESET', 'never'],
  ] as const)('%s: %s', (error, again) => expect(againAfter(error)).toBe(again));

  test('Retry-After holds seconds or a date', () => {
    expect(retryAfterMillis('7')).toBe(7_000);
    expect(retryAfterMillis('0.5')).toBe(500);
    expect(retryAfterMillis(null)).toBeUndefined();
    expect(retryAfterMillis('soon')).toBeUndefined();
    expect(retryAfterMillis(new Date(Date.now() - 5_000).toUTCString())).toBe(0);
    const wait = retryAfterMillis(new Date(Date.now() + 60_000).toUTCString()) ?? 0;
    expect(wait).toBeGreaterThan(50_000);
    expect(wait).toBeLessThanOrEqual(60_000);
  });
});

describe('persistently', () => {
  const failing = (...failures: Error[]) => {
    let calls = 0;
    return {
      work: async () => {
        calls++;
        const failure = failures.shift();
        if (failure) throw failure;
        return 'done';
      },
      calls: () => calls,
    };
  };
  const reset = () => new Error('read ECONNRESET');

  test('does repeatable work again until it is done', async () => {
    const { work, calls } = failing(reset(), new HttpError(503, ''), new HttpError(429, '', 1));
    await expect(persistently(work, { repeatable: true, waits: hasty })).resolves.toBe('done');
    expect(calls()).toBe(4);
  });

  test('does other work again only where it did not begin', async () => {
    const turnedAway = failing(new HttpError(429, ''), new HttpError(503, '', 1));
    await expect(persistently(turnedAway.work, { repeatable: false, waits: hasty })).resolves.toBe('done');
    for (const failure of [reset(), new HttpError(503, ''), new HttpError(502, '')]) {
      const { work, calls } = failing(failure);
      await expect(persistently(work, { repeatable: false, waits: hasty })).rejects.toBe(failure);
      expect(calls()).toBe(1);
    }
  });

  test('gives up on a connection that keeps breaking, and on a server that was never there', async () => {
    const broken = failing(...Array.from({ length: 20 }, reset));
    await expect(persistently(broken.work, { repeatable: true, waits: hasty })).rejects.toThrow('ECONNRESET');
    expect(broken.calls()).toBe(hasty.breaks);
    const absent = failing(new Error('connect ECONNREFUSED'));
    await expect(persistently(absent.work, { repeatable: true, known: false, waits: hasty })).rejects.toThrow(
      'REFUSED',
    );
    expect(absent.calls()).toBe(1);
  });

  test('waits as long as Retry-After says, and not at all where that is too long', async () => {
    const asked = failing(new HttpError(429, '', 300));
    const started = Date.now();
    await persistently(asked.work, { repeatable: false, waits: hasty });
    expect(Date.now() - started).toBeGreaterThanOrEqual(290);
    const forever = failing(new HttpError(503, '', 60_000));
    await expect(persistently(forever.work, { repeatable: true, waits: hasty })).rejects.toThrow('HTTP 503');
  });

  test('stops waiting when it is cancelled', async () => {
    const { work } = failing(new HttpError(429, '', 5_000));
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 20);
    await expect(persistently(work, { repeatable: true, waits: hasty, signal: stop.signal })).rejects.toThrow(/abort/);
  });
});
