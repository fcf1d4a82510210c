import { EngineError } from './errors.ts';
import { type Journal, message } from './journal.ts';
import { state } from './plan.ts';
import { ROUTED } from './silver/mapping.ts';
import { identifier, list, sql } from './sql/sql.ts';
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
  await journal.changing(async () => {
    for (const { id, error } of refused) {
      const record = sql`EXISTS (SELECT 1 FROM ${identifier(ALL)} AS bad WHERE bad.id = ${id} AND bad.uid = b.uid AND bad.hash IS NOT DISTINCT FROM b.hash)`;
      await journal.execute([
        journal.spell(
          sql`INSERT INTO ${state.quarantine} SELECT ${bronze.source.source}, file, position, ${`${stage.name}: ${error}`}, left(raw, 65536), batch, run_id, ingested_at FROM ${bronze.source} AS b WHERE ${record}`,
        ),
        journal.spell(
          sql`UPDATE ${state.files} AS f SET stored = f.stored - 1, quarantined = f.quarantined + 1 FROM ${bronze.source} AS b
            WHERE ${record} AND f.source = ${bronze.source.source} AND f.path = b.file AND f.batch = b.batch`,
        ),
        journal.spell(
          sql`DELETE FROM ${bronze.source} WHERE rowid IN (SELECT b.rowid FROM ${bronze.source} AS b WHERE ${record})`,
        ),
      ]);
    }
  });
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
