import { chosenOf, expectationsOf } from './bronze/expectations.ts';
import { type BatchSize, batchSize, type ListedFile, listFiles } from './bronze/files.ts';
import { type Engine, rows } from './engine/engine.ts';
import { EngineError, UserError } from './errors.ts';
import { findings } from './gold/detection.ts';
import { triage } from './gold/triage.ts';
import { clearScratch, ingest } from './ingest.ts';
import {
  Journal,
  message,
  type RunEvent,
  type RunResult,
  type StageResult,
  type Unmet,
  unmet,
  untouched,
} from './journal.ts';
import { judge } from './judge.ts';
import type { FileSettings, Manifest } from './manifest.ts';
import {
  allStages,
  changesOf,
  changesOfRouted,
  clearRange,
  dependants,
  feedStatements,
  forgetDefinitions,
  hoursOf,
  moveWatermark,
  ownRows,
  type Pipeline,
  pipelineOf,
  preparation,
  type Range,
  rangeRows,
  rememberDefinition,
  routeStatement,
  selected,
  state,
  touched,
  viewStatements,
  withRange,
} from './plan.ts';
import { quarantinePoison } from './poison.ts';
import { sightings } from './silver/dimensions/sightings.ts';
import { silverExpectations } from './silver/expectations.ts';
import { hashOf } from './sql/hash.ts';
import { identifier, join, list, type Relation, type Sql, sql } from './sql/sql.ts';
import type { BronzeStage, RangeStage, SilverStage, Stage } from './stage.ts';

export type { RunEvent, RunResult, StageResult } from './journal.ts';

export interface RunOptions {
  /** Rebuild silver and gold from bronze. */
  readonly full?: boolean;
  /** Only these stages, as `--select` writes them. */
  readonly select?: readonly string[];
  /** Also compute silver and gold again for events from this time on, and before that one; either may be left out. */
  readonly since?: Date;
  readonly until?: Date;
  /** Also take in again what is in quarantine. */
  readonly replay?: boolean;
  /** How much one transaction takes at most: bytes and files on the way into bronze, rows on the way into silver. */
  readonly batch?: Partial<BatchSize & { readonly rows: number }>;
  readonly onEvent?: (event: RunEvent) => void;
}

/** The rows that a silver transaction takes at most, if one batch is not larger. */
const SILVER_ROWS = 400_000;
/** The years in which an event can be. */
export const EVER: Range = { from: Date.UTC(1900, 0, 1), until: Date.UTC(2200, 0, 1) };

/** The range of event time that a run computes again; undefined where it only takes in what is new. */
export function backfillOf({ since, until }: Pick<RunOptions, 'since' | 'until'>): Range | undefined {
  if (!since && !until) return undefined;
  const range = { from: since?.getTime() ?? EVER.from, until: until?.getTime() ?? EVER.until };
  if (range.from >= range.until)
    throw new UserError(`--since ${since?.toISOString()} must come before --until ${until?.toISOString()}`);
  return range;
}

/** Tables that views read, whatever stages the manifest leaves out. */
const written = [triage, findings, sightings];

/** Makes sure that everything a run needs exists; says whether anything had to be made. */
export async function prepare(engine: Engine, pipeline: Pipeline): Promise<void> {
  const there = await rows<{ schema: string; name: string }>(
    engine,
    `SELECT table_schema AS "schema", table_name AS name FROM information_schema.tables`,
  ).then((found) => new Set(found.map((t) => `${t.schema}.${t.name}`)));
  const names = [...Object.values(state), ...written, ...allStages(pipeline).filter((s) => s.kind !== 'range')].map(
    (t) => t.name,
  );
  if (names.every((name) => there.has(name)) && pipeline.ranges.every((s) => there.has(s.table.name))) return;
  for (const statement of preparation(pipeline, written, engine.dialect)) await engine.execute(statement);
  for (const statement of viewStatements(pipeline, engine.dialect)) await engine.execute(statement);
}

/** One run of a manifest on an engine: files to alerts, everything new and nothing twice. */
export async function run(manifest: Manifest, engine: Engine, options: RunOptions = {}): Promise<RunResult> {
  return new Run(manifest, engine, options).all();
}

class Run {
  readonly #manifest: Manifest;
  readonly #engine: Engine;
  readonly #options: RunOptions;
  readonly #pipeline: Pipeline;
  readonly #selected: ReadonlySet<string>;
  readonly #journal: Journal;
  readonly #backfill: Range | undefined;
  readonly #failed = new Set<string>();
  #definitions = new Map<string, string>();
  /** The newest change of each relation, and up to which one each stage has seen. */
  #newest = new Map<string, number>();
  #seen = new Map<string, number>();

  constructor(manifest: Manifest, engine: Engine, options: RunOptions) {
    this.#manifest = manifest;
    this.#engine = engine;
    this.#options = options;
    this.#pipeline = pipelineOf(manifest);
    this.#selected = options.select
      ? selected(this.#pipeline, options.select)
      : new Set(allStages(this.#pipeline).map((stage) => stage.name));
    this.#journal = new Journal(engine, options.onEvent);
    this.#backfill = backfillOf(options);
  }

  async all(): Promise<RunResult> {
    this.#journal.tell({ kind: 'begin', run_id: this.#journal.runId });
    const listed = await this.#list();
    await clearScratch();
    await prepare(this.#engine, this.#pipeline);
    await this.#journal.load();
    const definitions = await this.#journal.rows<{ stage: string; hash: string }>(
      sql`SELECT stage, hash FROM ${state.definitions}`,
    );
    this.#definitions = new Map(definitions.map(({ stage, hash }) => [stage, hash]));
    const size = { ...batchSize, ...this.#options.batch };
    for (const stage of this.#pipeline.bronze)
      await this.#stage(stage, async (result) => {
        const { format, expect } = this.#manifest.bronze[stage.source.source] as FileSettings;
        const expected = expectationsOf(stage.source.source, expect);
        const files = listed.get(stage.name) ?? [];
        await ingest(
          this.#journal,
          { stage, listed: files, format, expected, replay: this.#options.replay ?? false, size },
          result,
        );
      });
    await this.#silver();
    await this.#rangeTables();
    await this.#loadChanges();
    for (const stage of this.#pipeline.ranges) await this.#range(stage);
    for (const stage of this.#pipeline.views) await this.#view(stage);
    await this.#journal.close();
    this.#journal.tell({ kind: 'end', result: this.#journal.result });
    return this.#journal.result;
  }

  /** Lists the files of every source first: a mistake in the manifest must show before anything is written. */
  async #list(): Promise<Map<string, ListedFile[]>> {
    const listed = new Map<string, ListedFile[]>();
    for (const { name, source } of this.#pipeline.bronze) {
      const settings = this.#manifest.bronze[source.source] as FileSettings;
      if (this.#selected.has(name)) listed.set(name, await listFiles(source.source, settings, this.#manifest.folder));
    }
    return listed;
  }

  /** Runs a stage's work unless it is not selected or something before it failed; keeps its figures. */
  async #stage(stage: Stage, work: (result: StageResult) => Promise<void>): Promise<void> {
    if (!this.#selected.has(stage.name)) return;
    const result: StageResult = { name: stage.name, rows_in: 0, rows_out: 0, rows_quarantined: 0, seconds: 0 };
    const started = performance.now();
    const cause = stage.inputs.find((input) => this.#failed.has(input.name));
    try {
      if (cause) throw new EngineError(`not run, for ${cause.name} failed`);
      await work(result);
    } catch (error) {
      if (error instanceof UserError) throw error;
      result.error = message(error);
      this.#failed.add(stage.name);
      this.#journal.result.ok = false;
      this.#journal.tell({ kind: 'warning', message: `${stage.name}: ${result.error}` });
    }
    result.seconds = Math.round(performance.now() - started) / 1000;
    this.#journal.result.stages.push(result);
    this.#journal.tell({ kind: 'done', result });
  }

  /** Silver: starts anew what changed its definition, then moves batches on, each once for all classes. */
  async #silver(): Promise<void> {
    const results = new Map<string, StageResult>();
    const stages = this.#pipeline.silver.filter((stage) => this.#selected.has(stage.name));
    for (const stage of stages)
      if (this.#options.full || this.#definitions.get(stage.name) !== stage.hash)
        await this.#stageQuietly(stage, results, () => this.#startAnew(stage));
    for (const bronze of this.#pipeline.bronze) {
      const fed = stages.filter((stage) => stage.feeds.some((feed) => feed.source.name === bronze.name));
      const waiting = await this.#waiting(bronze, fed);
      const total = waiting.reduce((sum, chunk) => sum + chunk.rows, 0);
      if (total === 0) continue;
      this.#journal.tell({ kind: 'stage', name: `silver from ${bronze.source.source}`, total, unit: 'rows' });
      let done = 0;
      for (const chunk of waiting) {
        await this.#feed(bronze, chunk, results);
        done += chunk.rows;
        this.#journal.tell({ kind: 'progress', name: `silver from ${bronze.source.source}`, done });
      }
    }
    if (this.#backfill) await this.#again(this.#backfill, stages, results);
    for (const stage of stages) {
      const result = results.get(stage.name) ?? untouched(stage.name);
      result.seconds = Math.round(result.seconds * 1000) / 1000;
      this.#journal.result.stages.push(result);
      this.#journal.tell({ kind: 'done', result });
    }
  }

  /** Empties a class's table; what reads it is filled anew too, for rows may go that never come back. */
  async #startAnew(stage: SilverStage): Promise<void> {
    const { dialect } = this.#engine;
    const readers = dependants(this.#pipeline, stage.name);
    await this.#journal.changing(() =>
      this.#journal.execute([
        dialect.createTable(stage.table, true),
        this.#journal.spell(sql`DELETE FROM ${state.watermarks} WHERE stage = ${stage.name}`),
        ...forgetDefinitions(readers, dialect),
        ...rememberDefinition(stage, dialect),
      ]),
    );
    for (const reader of readers) this.#definitions.delete(reader);
  }

  /** Backfill: computes the rows of a range of event time again, piece by piece, from the batches that a class has taken. */
  async #again(range: Range, stages: readonly SilverStage[], results: Map<string, StageResult>): Promise<void> {
    const { dialect } = this.#engine;
    const hours = new Map<number, number>();
    for (const bronze of this.#pipeline.bronze)
      for (const { hour, n } of await this.#journal.rows<{ hour: bigint; n: bigint }>(hoursOf(bronze, range, dialect)))
        hours.set(Number(hour), (hours.get(Number(hour)) ?? 0) + Number(n));
    for (const piece of pieces(range, hours, this.#options.batch?.rows ?? SILVER_ROWS)) {
      for (const bronze of this.#pipeline.bronze) {
        const until = (await this.#marks(bronze)).values();
        const last = Math.max(0, ...until);
        await this.#journal.execute([routeStatement(bronze, 0, last, dialect, piece)]);
        await this.#journal.execute([
          `CREATE OR REPLACE TEMP TABLE ${dialect.quote(`again_${bronze.source.source}`)} AS SELECT * FROM routed`,
        ]);
      }
      for (const stage of stages)
        await this.#stageQuietly(stage, results, async (result) => {
          const taken: Taken[] = [];
          await this.#journal.changing(async (change) => {
            await this.#journal.execute(clearRange(stage, piece, change, dialect));
            for (const bronze of this.#pipeline.bronze) {
              if (!stage.feeds.some((feed) => feed.source.name === bronze.name)) continue;
              const routed = identifier(`again_${bronze.source.source}`);
              await this.#journal.execute([
                this.#journal.spell(
                  sql`CREATE OR REPLACE TEMP TABLE ${identifier('routed')} AS SELECT * FROM ${routed}`,
                ),
              ]);
              taken.push(await this.#take(stage, bronze, change, result));
            }
          });
          for (const one of taken) settle(one, result);
        });
    }
    for (const name of ['routed', ...this.#pipeline.bronze.map((bronze) => `again_${bronze.source.source}`)])
      await this.#journal.execute([`DROP TABLE IF EXISTS ${dialect.quote(name)}`]);
  }

  async #marks(bronze: BronzeStage): Promise<Map<string, number>> {
    const marks = await this.#journal.rows<{ stage: string; position: bigint }>(
      sql`SELECT stage, position FROM ${state.watermarks} WHERE input = ${bronze.name}`,
    );
    return new Map(marks.map((m) => [m.stage, Number(m.position)]));
  }

  async #stageQuietly(
    stage: Stage,
    results: Map<string, StageResult>,
    work: (result: StageResult) => Promise<void>,
  ): Promise<void> {
    const result = results.get(stage.name) ?? untouched(stage.name);
    results.set(stage.name, result);
    if (this.#failed.has(stage.name)) return;
    const started = performance.now();
    try {
      await work(result);
    } catch (error) {
      result.error = message(error);
      this.#failed.add(stage.name);
      this.#journal.result.ok = false;
      this.#journal.tell({ kind: 'warning', message: `${stage.name}: ${result.error}` });
    }
    result.seconds += (performance.now() - started) / 1000;
  }

  /** The batches of a source that some classes have still to take, in chunks of which each class takes all. */
  async #waiting(bronze: BronzeStage, stages: readonly SilverStage[]) {
    const at = await this.#marks(bronze);
    const most = this.#options.batch?.rows ?? SILVER_ROWS;
    const batches = await this.#journal.rows<{ batch: bigint; stored: bigint }>(
      sql`SELECT batch, CAST(sum(stored) AS BIGINT) AS stored FROM ${state.files} WHERE source = ${bronze.source.source} AND stored > 0 GROUP BY batch ORDER BY batch NULLS LAST`,
    );
    const chunks: { from: number; until: number; rows: number; stages: SilverStage[] }[] = [];
    for (const { batch, stored } of batches) {
      const until = Number(batch);
      const takers = stages.filter((stage) => (at.get(stage.name) ?? 0) < until);
      const last = chunks.at(-1);
      if (takers.length === 0) continue;
      if (last && last.rows + Number(stored) <= most && last.stages.length === takers.length) {
        last.until = until;
        last.rows += Number(stored);
      } else chunks.push({ from: until - 1, until, rows: Number(stored), stages: takers });
    }
    return chunks;
  }

  async #feed(
    bronze: BronzeStage,
    chunk: { from: number; until: number; rows: number; stages: readonly SilverStage[] },
    results: Map<string, StageResult>,
  ): Promise<void> {
    const { dialect } = this.#engine;
    await this.#journal.execute([routeStatement(bronze, chunk.from, chunk.until, dialect)]);
    const routed = await this.#journal.rows<{ class: string; n: bigint }>(
      sql`SELECT class, count(*) AS n FROM ${identifier('routed')} GROUP BY class`,
    );
    const counts = new Map(routed.map((r) => [r.class, Number(r.n)]));
    const bare = chunk.stages.filter((stage) => !counts.has(stage.class) && !this.#failed.has(stage.name));
    if (bare.length > 0)
      await this.#journal.changing(async () => {
        for (const stage of bare)
          await this.#journal.execute(moveWatermark(stage.name, bronze.name, chunk.until, dialect));
      });
    for (const stage of chunk.stages.filter((s) => !bare.includes(s)))
      await this.#stageQuietly(stage, results, async (result) => {
        const n = counts.get(stage.class) ?? 0;
        const feed = () =>
          this.#journal.changing(async (change) => {
            const taken = await this.#take(stage, bronze, change, result);
            await this.#journal.execute(moveWatermark(stage.name, bronze.name, chunk.until, dialect));
            return taken;
          });
        const written = await feed().catch(async (error: unknown) => {
          if (!(error instanceof EngineError && error.ofData)) throw error;
          const moved = await quarantinePoison(this.#journal, bronze, stage);
          if (moved === 0) throw error;
          result.rows_quarantined += moved;
          return feed();
        });
        result.rows_in += n;
        settle(written, result);
      });
    await this.#journal.execute([this.#journal.spell(sql`DROP TABLE IF EXISTS ${identifier('routed')}`)]);
  }

  /** Feeds the routed records of a source into a class and judges the rows, within a transaction. */
  async #take(stage: SilverStage, bronze: BronzeStage, change: number, result: StageResult): Promise<Taken> {
    const { source } = bronze.source;
    const { expect } = this.#manifest.bronze[source] as FileSettings;
    const written = await this.#journal.execute(feedStatements(stage, source, this.#engine.dialect));
    await this.#journal.execute([changesOfRouted(stage, change, this.#engine.dialect)]);
    const missed = await judge(this.#journal, bronze, stage, chosenOf(silverExpectations, source, expect), result);
    return { written, missed };
  }

  /** Starts tables of findings and summaries anew whose columns are no longer those of the code, before a stage that is to run writes into them. */
  async #rangeTables(): Promise<void> {
    const { dialect } = this.#engine;
    const due = this.#pipeline.ranges.filter((stage) => this.#selected.has(stage.name));
    const tables = new Map(due.map((stage) => [stage.table.name, stage.table]));
    for (const table of tables.values()) {
      const definition = { name: `table ${table.name}`, hash: hashOf(table) };
      if (this.#definitions.get(definition.name) === definition.hash) continue;
      const writers = this.#pipeline.ranges.filter((s) => s.table.name === table.name).map((s) => s.name);
      const stale = [
        ...writers,
        ...writers.flatMap((writer) => dependants(this.#pipeline, writer)),
        ...this.#pipeline.views.map((view) => view.name),
      ];
      await this.#journal.changing(() =>
        this.#journal.execute([
          dialect.createTable(table, true),
          ...forgetDefinitions(stale, dialect),
          ...rememberDefinition(definition, dialect),
          ...viewStatements(this.#pipeline, dialect),
        ]),
      );
      for (const name of stale) this.#definitions.delete(name);
    }
  }

  /** Findings and summaries: replaces what the changes of the inputs can touch. */
  async #range(stage: RangeStage): Promise<void> {
    if (!this.#selected.has(stage.name)) return;
    const { dialect } = this.#engine;
    const known = this.#definitions.get(stage.name) === stage.hash && !this.#options.full;
    const hours = known ? await this.#changedHours(stage) : [];
    if (known && hours.length === 0 && !this.#backfill) {
      this.#journal.result.stages.push(untouched(stage.name));
      return;
    }
    await this.#stage(stage, async (result) => {
      const ranges = known ? this.#rangesOf(stage, hours) : 'all';
      const own = ownRows(stage, ranges);
      const fresh = identifier('fresh');
      const read = dependants(this.#pipeline, stage.name).length > 0;
      const seen = this.#journal.change;
      await this.#journal.changing(async (change) => {
        if (read) this.#newest.set(stage.name, change);
        await this.#journal.execute([
          `CREATE OR REPLACE TEMP TABLE fresh AS ${this.#journal.spell(rangeRows(stage, ranges, dialect))}`,
        ]);
        if (stage.owner) await this.#countAlerts(stage, own);
        result.rows_in = await this.#inputRows(stage, ranges);
        const [counted] = await this.#journal.rows<{ n: bigint }>(sql`SELECT count(*) AS n FROM ${fresh}`);
        result.rows_out = Number(counted?.n ?? 0);
        await this.#journal.execute([
          ...(read ? [changesOf(stage, sql`${stage.table as Relation} WHERE ${own}`, change, dialect)] : []),
          ...dialect.replace(stage.table, own, sql`SELECT * FROM ${fresh}`),
          ...(read ? [changesOf(stage, fresh, change, dialect)] : []),
          ...moveWatermark(stage.name, 'changes', seen, dialect),
          ...rememberDefinition(stage, dialect),
        ]);
      });
    });
  }

  async #loadChanges(): Promise<void> {
    const newest = await this.#journal.rows<{ relation: string; id: bigint }>(
      sql`SELECT relation, max(id) AS id FROM ${state.changes} GROUP BY relation`,
    );
    const seen = await this.#journal.rows<{ stage: string; position: bigint }>(
      sql`SELECT stage, position FROM ${state.watermarks} WHERE input = 'changes'`,
    );
    this.#newest = new Map(newest.map(({ relation, id }) => [relation, Number(id)]));
    this.#seen = new Map(seen.map(({ stage, position }) => [stage, Number(position)]));
  }

  async #changedHours(stage: RangeStage): Promise<number[]> {
    const seen = this.#seen.get(stage.name) ?? 0;
    const due = stage.inputs.filter((input) => (this.#newest.get(input.name) ?? 0) > seen);
    if (due.length === 0) return [];
    const changes = await this.#journal.rows<{ hour: bigint }>(
      sql`SELECT DISTINCT hour FROM ${state.changes} WHERE relation IN (${list(due.map((i) => i.name))}) AND id > ${seen}`,
    );
    return changes.map((change) => Number(change.hour));
  }

  #rangesOf(stage: RangeStage, hours: readonly number[]): readonly Range[] {
    const ranges = touched(hours, stage);
    if (!this.#backfill) return ranges;
    const { from, until } = this.#backfill;
    return withRange(ranges, { from: from - stage.reach.before, until: until + stage.reach.after });
  }

  async #inputRows(stage: RangeStage, ranges: readonly Range[] | 'all'): Promise<number> {
    let total = 0;
    for (const input of stage.inputs) {
      const [counted] = await this.#journal.rows<{ n: bigint }>(
        ranges === 'all'
          ? sql`SELECT count(*) AS n FROM ${input}`
          : sql`SELECT count(*) AS n FROM ${input} WHERE ${join(
              ranges.map(
                (r) => sql`(time >= ${r.from - stage.reach.after} AND time < ${r.until + stage.reach.before})`,
              ),
              sql` OR `,
            )}`,
      );
      total += Number(counted?.n ?? 0);
    }
    return total;
  }

  /** Counts the findings that were not there before. */
  async #countAlerts(stage: RangeStage, own: Sql): Promise<void> {
    const found = await this.#journal.rows<{ severity: string; n: bigint }>(
      sql`SELECT severity, count(*) AS n FROM ${identifier('fresh')} AS f WHERE finding_info.uid NOT IN
        (SELECT finding_info.uid FROM ${stage.table} WHERE ${own}) GROUP BY severity`,
    );
    for (const { severity, n } of found) {
      this.#journal.result.alerts.new += Number(n);
      this.#journal.result.alerts.by_severity[severity] =
        (this.#journal.result.alerts.by_severity[severity] ?? 0) + Number(n);
    }
  }

  async #view(stage: Stage & { kind: 'view' }): Promise<void> {
    if (this.#definitions.get(stage.name) === stage.hash) return;
    await this.#stage(stage, async () => {
      await this.#journal.changing(async () => {
        await this.#journal.execute([
          this.#engine.dialect.createView(stage.name, stage.select),
          ...rememberDefinition(stage, this.#engine.dialect),
        ]);
      });
    });
  }
}

/** What a transaction wrote into a class, and which of the rows did not meet expectations. */
interface Taken {
  readonly written: number;
  readonly missed: readonly Unmet[];
}

/** Adds to a stage's figures what was committed. */
function settle({ written, missed }: Taken, result: StageResult): void {
  const dropped = missed.reduce((sum, one) => sum + (one.action === 'drop' ? one.records : 0), 0);
  result.rows_out += written - dropped;
  result.rows_quarantined += dropped;
  for (const { name, action, records } of missed) unmet(result, name, action, records);
}

/** A range of time in pieces of whole hours that hold no more rows than one transaction takes, if one hour does not. */
function pieces(range: Range, rowsByHour: ReadonlyMap<number, number>, most: number): Range[] {
  const HOUR = 3_600_000;
  const cuts: number[] = [];
  let rows = 0;
  for (const [hour, n] of [...rowsByHour].sort(([a], [b]) => a - b)) {
    if (rows > 0 && rows + n > most && hour * HOUR > range.from) {
      cuts.push(hour * HOUR);
      rows = 0;
    }
    rows += n;
  }
  return [range.from, ...cuts].map((from, i) => ({ from, until: cuts[i] ?? range.until }));
}
