import { EngineError, messageOf } from './errors.ts';
import type { Journal } from './journal.ts';
import { keepRefused, quarantineRefused, type Refused, refusedBatches } from './plan.ts';
import { ROUTED } from './silver/mapping.ts';
import { identifier, list, type Sql, sql } from './sql/sql.ts';
import type { BronzeStage, SilverStage } from './stage.ts';

const TRIAL = 'trial';
const COLUMNS = ['source', 'uid', 'time', 'service', 'action', 'hash', 'raw', 'class'];

/** Moves records of a source from bronze to quarantine, within a transaction. */
export async function moveToQuarantine(
  journal: Journal,
  bronze: BronzeStage,
  refused: readonly Refused[],
): Promise<void> {
  const { dialect } = journal.engine;
  await journal.execute(keepRefused(refused, dialect));
  const batches = await journal.rows<{ batch: bigint }>(refusedBatches(bronze, dialect));
  if (batches.length > 0)
    await journal.execute(
      quarantineRefused(
        bronze,
        batches.map(({ batch }) => Number(batch)),
        dialect,
      ),
    );
}

/**
 * Finds the routed records of a class that make its mapping fail, by halves, and moves them from bronze to quarantine, so that
 * one hostile record does not stop a class for ever. The number of records moved; the others are routed again.
 */
export async function quarantinePoison(
  journal: Journal,
  bronze: BronzeStage,
  stage: SilverStage,
  routed: Sql,
): Promise<number> {
  const { dialect } = journal.engine;
  const trials = stage.feeds
    .filter((feed) => feed.source.name === bronze.name)
    .flatMap((feed) => dialect.keep(TRIAL, feed.select));
  const columns = list(COLUMNS.map((name) => identifier(name)));
  const numbered = sql`SELECT *, row_number() OVER (ORDER BY uid NULLS LAST, hash NULLS LAST) AS id FROM (${routed}) AS routed WHERE class = ${stage.class}`;
  const refused: Refused[] = [];
  const look = async (from: number, until: number): Promise<void> => {
    await journal.execute(
      dialect.keep(ROUTED, sql`SELECT ${columns} FROM (${numbered}) AS numbered WHERE id BETWEEN ${from} AND ${until}`),
    );
    try {
      await journal.execute(trials);
    } catch (error) {
      if (!(error instanceof EngineError && error.ofData)) throw error;
      if (from < until) {
        const middle = Math.floor((from + until) / 2);
        await look(from, middle);
        await look(middle + 1, until);
        return;
      }
      const [record] = await journal.rows<{ uid: string; hash: string | null }>(
        sql`SELECT uid, hash FROM ${identifier(ROUTED)}`,
      );
      if (!record) throw error;
      refused.push({ uid: record.uid, hash: record.hash, reason: `${stage.name}: ${messageOf(error)}` });
    }
  };
  const [all] = await journal.rows<{ n: bigint }>(sql`SELECT count(*) AS n FROM (${numbered}) AS numbered`);
  await look(1, Number(all?.n ?? 0));
  if (refused.length > 0) await journal.changing(() => moveToQuarantine(journal, bronze, refused));
  await journal.execute([...dialect.drop(TRIAL), ...dialect.keep(ROUTED, routed)]);
  return refused.length;
}
