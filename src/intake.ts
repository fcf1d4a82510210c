import type { Expectation } from './bronze/expectations.ts';
import { FAIL } from './bronze/read.ts';
import { type Engine, rows } from './engine/engine.ts';
import { EngineError } from './errors.ts';
import { type Journal, type StageResult, type Unmet, unmet } from './journal.ts';
import type { Entry } from './ledger.ts';
import type { counting } from './plan.ts';

type Questions = Pick<ReturnType<typeof counting>, 'refusals' | 'unmet'>;

/** Records by file. */
export type ByFile = ReadonlyMap<string, number>;

/** Whether a fault has this reason, maybe with more after a colon. */
const isFor = (fault: string, reason: string): boolean => fault === reason || fault.startsWith(`${reason}: `);

/** The counts that a statement gives by file. */
export async function counts(engine: Engine, statement: string): Promise<Map<string, number>> {
  const found = await rows<{ file: string; records: bigint }>(engine, statement);
  return new Map(found.map((r) => [r.file, Number(r.records)]));
}

/** Throws where records of a batch do not meet an expectation for which nothing of their batch may be taken in. */
export async function refuseBatch(
  engine: Engine,
  questions: Questions,
  expected: readonly Expectation[],
  result: StageResult,
): Promise<void> {
  const refusals = await rows<{ fault: string; records: bigint; example: string }>(engine, questions.refusals);
  for (const { name, reason } of refusals.length > 0 ? expected : []) {
    const mine = refusals.filter(({ fault }) => isFor(fault.slice(FAIL.length), reason));
    const records = mine.reduce((sum, refusal) => sum + Number(refusal.records), 0);
    if (!mine[0]) continue;
    unmet(result, name, 'fail', records);
    throw new EngineError(
      `expectation ${name} not met by ${records} records, so nothing of their batch was taken in: ${mine[0].fault.slice(FAIL.length)} (${mine[0].example})`,
    );
  }
}

/** How many records of a batch do not meet each expectation: those that are kept are counted, the others were `refused`. */
export async function unmetBy(
  engine: Engine,
  questions: Questions,
  expected: readonly Expectation[],
  refused: readonly { readonly fault: string; readonly records: bigint }[],
): Promise<Unmet[]> {
  const missed: Unmet[] = [];
  for (const { name, otherwise, holds, reason } of expected) {
    const records =
      otherwise === 'warn'
        ? Number((await rows<{ records: bigint }>(engine, questions.unmet(holds)))[0]?.records ?? 0)
        : refused.reduce((sum, r) => sum + (isFor(r.fault, reason) ? Number(r.records) : 0), 0);
    if (records > 0) missed.push({ name, action: otherwise, records });
  }
  return missed;
}

/** A file's entry in the ledger by what became of its records: `kept` of them had no fault, and `stored` were not there yet. */
export function accounted(
  file: Entry['file'],
  path: string,
  found: Readonly<Record<'read' | 'kept' | 'stored' | 'quarantined' | 'ignored', ByFile>>,
): Entry {
  const n = (of: ByFile): number => of.get(path) ?? 0;
  const stored = n(found.stored);
  return {
    file,
    status: 'ok',
    records: n(found.read),
    stored,
    duplicates: n(found.kept) - stored,
    quarantined: n(found.quarantined),
    ignored: n(found.ignored),
  };
}

/** Adds to a stage's figures what was committed of a batch. */
export function taken(
  journal: Journal,
  result: StageResult,
  entries: readonly Entry[],
  missed: readonly Unmet[],
): void {
  for (const { name, action, records } of missed) unmet(result, name, action, records);
  journal.result.files.new += entries.length;
  for (const one of entries) {
    result.rows_in += one.records;
    result.rows_out += one.stored;
    result.rows_quarantined += one.quarantined;
  }
}
