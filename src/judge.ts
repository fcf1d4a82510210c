import { EngineError } from './errors.ts';
import { type Journal, type StageResult, type Unmet, unmet } from './journal.ts';
import { judgement, quarantineRefused } from './plan.ts';
import type { SilverExpectation } from './silver/expectations.ts';
import type { BronzeStage, SilverStage } from './stage.ts';

/** Judges the rows that a transaction fed from a source into a class: counts, moves to quarantine, or throws so that none of them stays. */
export async function judge(
  journal: Journal,
  bronze: BronzeStage,
  stage: SilverStage,
  expected: readonly SilverExpectation[],
  result: StageResult,
): Promise<Unmet[]> {
  const missed: Unmet[] = [];
  for (const one of expected) {
    const steps = judgement(stage, one, journal.engine.dialect);
    const count = async (statement: string): Promise<number> =>
      Number((await journal.rows<{ records: bigint }>(statement))[0]?.records ?? 0);
    const records = (await count(steps.some)) > 0 ? await count(steps.count) : 0;
    if (records === 0) continue;
    if (one.otherwise === 'fail') {
      unmet(result, one.name, 'fail', records);
      throw new EngineError(
        `expectation ${one.name} not met by ${records} records of ${bronze.source.source}, so nothing of their batch was taken in`,
      );
    }
    if (one.otherwise === 'drop')
      await journal.execute([steps.refuse, steps.remove, ...quarantineRefused(bronze, journal.engine.dialect)]);
    missed.push({ name: one.name, action: one.otherwise, records });
  }
  await journal.execute(journal.unmetStatements(stage.name, missed));
  return missed;
}
