import { expect, test } from 'vitest';
import { count, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';
import { mutatedFiles } from '../given/mutated.ts';

const RECORDS = 3_000;

test(`${RECORDS} records whose fields hold what nobody documented are OCSF without fault, or in quarantine`, async () => {
  const made = mutatedFiles(RECORDS / 3);
  await using lake = await lakehouse(
    {
      'cloudtrail/a.json': made.cloudtrail,
      'databricks_audit/a.json': made.databricks_audit,
      'vpc_flow/a.log': made.vpc_flow,
    },
    { gold: nothingOfGold },
  );
  const rows = await everyEvent(lake);
  const stored = await count(lake, 'SELECT sum(stored) FROM pipeline.files');
  const accounted = await count(lake, 'SELECT sum(stored + duplicates + quarantined + ignored) FROM pipeline.files');
  expect(rows.length).toBe(stored);
  expect(stored).toBeGreaterThan(RECORDS / 2);
  expect(accounted).toBe(RECORDS);
});
