import { EngineError } from './errors.ts';
import { type Journal, type StageResult, type Unmet, unmet } from './journal.ts';
import { judgement, type Refused, withoutRefused } from './plan.ts';
import { moveToQuarantine } from './poison.ts';
import type { SilverExpectation } from './silver/expectations.ts';
import type { BronzeStage, SilverStage } from './stage.ts';

/** Judges the rows that a transaction fed from a source into a class: counts, moves to quarantine, or throws so that none of them stays, for which `undo` has what the engine does not do by itself. */
export async function judge(
  journal: Journal,
  bronze: BronzeStage,
  stage: SilverStage,
  expected: readonly SilverExpectation[],
  result: StageResult,
  undo: readonly string[],
): Promise<Unmet[]> {
  const missed: Unmet[] = [];
  for (const one of expected) {
    const steps = judgement(stage, bronze, one, journal.engine.dialect);
    const count = async (statement: string): Promise<number> =>
      Number((await journal.rows<{ records: bigint }>(statement))[0]?.records ?? 0);
    const records = (await count(steps.some)) > 0 ? await count(steps.count) : 0;
    if (records === 0) continue;
    if (one.otherwise === 'fail') {
      unmet(result, one.name, 'fail', records);
      await journal.execute(undo);
      throw new EngineError(
        `expectation ${one.name} not met by ${records} records of ${bronze.source.source}, so nothing of their batch was taken in`,
      );
    }
    if (one.otherwise === 'drop') {
      const refused = (await journal.rows<{ [K in keyof Refused]: Refused[K] }>(steps.refused)).map((row) => ({
        ...row,
      }));
      await journal.execute(withoutRefused(stage, refused, journal.engine.dialect));
      await moveToQuarantine(journal, bronze, refused);
    }
    missed.push({ name: one.name, action: one.otherwise, records });
  }
  await journal.execute(journal.unmetStatements(stage.name, missed));
  return missed;
}
