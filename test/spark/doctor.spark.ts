import { expect, test } from 'vitest';
import { doctor } from '../../src/index.ts';
import { onSpark, where } from './given.ts';

onSpark('doctor', 30, () => {
  test('finds versions, Delta, time zone and clock in order', async () => {
    const { ok, checks } = await doctor({
      engine: { type: 'spark', ...where() },
      bronze: {},
      silver: 'all',
      gold: { detections: 'all', summaries: 'all' },
    });
    expect(checks.map((check) => [check.name, check.ok, check.advice])).toEqual(
      ['ocsf-medallion', 'connection', 'version', 'Delta Lake', 'time zone', 'clock'].map((name) => [
        name,
        true,
        undefined,
      ]),
    );
    expect(ok).toBe(true);
  });
});
