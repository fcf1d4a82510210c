import { EngineError } from './errors.ts';
import { type Journal, message } from './journal.ts';
import { quarantineRefused, REFUSED } from './plan.ts';
import { ROUTED } from './silver/mapping.ts';
import { identifier, join, list, sql } from './sql/sql.ts';
import type { BronzeStage, SilverStage } from './stage.ts';

interface Refused {
  readonly id: number;
  readonly error: string;
}

const ALL = 'routed_all';

/**
 * Finds the routed records of a class that make its mapping fail, by halves, and moves them from bronze to quarantine, so that
 * one hostile record does not stop a class for ever. DuckDB only: it goes by row ids. The number of records moved.
 */
export async function quarantinePoison(journal: Journal, bronze: BronzeStage, stage: SilverStage): Promise<number> {
  const selects = stage.feeds
    .filter((feed) => feed.source.name === bronze.name)
    .map((feed) => journal.spell(sql`CREATE OR REPLACE TEMP TABLE ${identifier('trial')} AS ${feed.select}`));
  const refused: Refused[] = [];
  const look = async (ids: readonly number[]): Promise<void> => {
    const [from, until] = [ids[0] ?? 0, ids.at(-1) ?? 0];
    const some = sql`SELECT * FROM ${identifier(ALL)} WHERE class = ${stage.class} AND id BETWEEN ${from} AND ${until}`;
    await journal.execute([journal.spell(sql`CREATE OR REPLACE TEMP TABLE ${identifier(ROUTED)} AS ${some}`)]);
    try {
      await journal.execute(selects);
    } catch (error) {
      if (!(error instanceof EngineError && error.ofData)) throw error;
      if (ids.length === 1) refused.push({ id: from, error: message(error) });
      else {
        const half = ids.length >> 1;
        await look(ids.slice(0, half));
        await look(ids.slice(half));
      }
    }
  };
  await journal.execute([
    journal.spell(
      sql`CREATE OR REPLACE TEMP TABLE ${identifier(ALL)} AS SELECT *, row_number() OVER () AS id FROM ${identifier(ROUTED)}`,
    ),
  ]);
  const ids = await journal.rows<{ id: bigint }>(
    sql`SELECT id FROM ${identifier(ALL)} WHERE class = ${stage.class} ORDER BY id NULLS LAST`,
  );
  await look(ids.map((row) => Number(row.id)));
  const reasons = refused.map(({ id, error }) => sql`SELECT ${id} AS id, ${`${stage.name}: ${error}`} AS reason`);
  if (reasons.length > 0)
    await journal.changing(() =>
      journal.execute([
        journal.spell(
          sql`CREATE OR REPLACE TEMP TABLE ${identifier(REFUSED)} AS SELECT uid, hash, reason FROM ${identifier(ALL)}
JOIN (${join(reasons, sql` UNION ALL `)}) AS reasons USING (id)`,
        ),
        ...quarantineRefused(bronze, journal.engine.dialect),
      ]),
    );
  const bad = refused.map((one) => one.id);
  const kept = bad.length === 0 ? sql`TRUE` : sql`id NOT IN (${list(bad)})`;
  await journal.execute([
    journal.spell(
      sql`CREATE OR REPLACE TEMP TABLE ${identifier(ROUTED)} AS SELECT * EXCLUDE (id) FROM ${identifier(ALL)} WHERE ${kept}`,
    ),
    journal.spell(sql`DROP TABLE ${identifier(ALL)}`),
    journal.spell(sql`DROP TABLE IF EXISTS ${identifier('trial')}`),
  ]);
  return refused.length;
}
