import { chosenOf, expectationsOf } from './bronze/expectations.ts';
import { type BatchSize, batchSize, type ListedFile, listFiles } from './bronze/files.ts';
import type { Engine } from './engine/engine.ts';
import { EngineError, messageOf, UserError } from './errors.ts';
import { findings } from './gold/detection.ts';
import { triage } from './gold/triage.ts';
import { inflowFiles, inflowSize, inflowTable } from './inflow.ts';
import { ingest } from './ingest.ts';
import { Journal, type RunEvent, type RunResult, type StageResult, type Unmet, unmet, untouched } from './journal.ts';
import { judge } from './judge.ts';
import type { Manifest, SourceSettings } from './manifest.ts';
import { filesHere, placeOf } from './place.ts';
import {
  againStatements,
  allStages,
  type Batches,
  changesOf,
  changesOfRouted,
  dependants,
  EVER,
  feedStatements,
  forgetDefinitions,
  hoursOf,
  moveWatermarks,
  ownRows,
  type Pipeline,
  pieces,
  pipelineOf,
  preparation,
  type Range,
  rangeRows,
  rememberDefinitions,
  routedByClass,
  routedRows,
  selected,
  state,
  tablesOf,
  touched,
  viewStatements,
  withoutRouted,
  withRange,
} from './plan.ts';
import { quarantinePoison } from './poison.ts';
import { clearScratch } from './scratch.ts';
import { sightings } from './silver/dimensions/sightings.ts';
import { silverExpectations } from './silver/expectations.ts';
import { ROUTED } from './silver/mapping.ts';
import type { Span } from './sql/dialect.ts';
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

/** The rows that a stage of findings or a summary makes, before they are in its table. */
const FRESH = 'fresh';
/** The rows that a silver transaction takes at most, if one batch is not larger. */
const SILVER_ROWS = 400_000;
/** How long, in milliseconds, findings and summaries may wait until it is noted that they are done. */
const NOTE_EVERY = 30_000;

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

/** Makes sure that everything a run needs exists; the names of the tables that it made. */
async function prepare(engine: Engine, pipeline: Pipeline): Promise<Set<string>> {
  const there = new Set(await engine.tables());
  const tables = [...Object.values(state), ...written, ...tablesOf(pipeline)];
  const made = new Set(tables.map((table) => table.name).filter((name) => !there.has(name)));
  const missing = pipeline.views.some((view) => !there.has(view.name));
  if (made.size === 0 && !missing) return made;
  const schemas = await engine.schemas();
  for (const statement of preparation(pipeline, written, engine.dialect, { tables: there, schemas }))
    await engine.execute(statement);
  if (missing) for (const statement of viewStatements(pipeline, engine.dialect)) await engine.execute(statement);
  return made;
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
  /** The tables that this run made, which are empty and as the code wants them. */
  #made: ReadonlySet<string> = new Set();
  /** Stages of findings and summaries that are done, with the change up to which they have seen, and since when they wait to be noted. */
  readonly #done: { readonly stage: RangeStage; readonly position: number }[] = [];
  #noted = performance.now();
  /** Whether rows of findings or of a summary are kept. */
  #keptFresh = false;
  /** How many rows of a relation a condition takes. */
  readonly #counted = new Map<string, number>();
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
    this.#made = await prepare(this.#engine, this.#pipeline);
    await this.#journal.load();
    const definitions = await this.#journal.rows<{ stage: string; hash: string }>(
      sql`SELECT stage, hash FROM ${state.definitions}`,
    );
    this.#definitions = new Map(definitions.map(({ stage, hash }) => [stage, hash]));
    const size = { ...batchSize, ...this.#options.batch };
    for (const stage of this.#pipeline.bronze)
      await this.#stage(stage, async (result) => {
        const settings = this.#settings(stage);
        const expected = expectationsOf(stage.source.source, settings.expect);
        const { format } = settings;
        const { replay = false } = this.#options;
        const place = placeOf(settings);
        const inflow = { stage, format, expected, replay, size: { ...inflowSize, ...this.#options.batch } };
        if (place.kind === 'table') await inflowTable(this.#journal, { ...inflow, ...place }, result);
        else if (this.#engine.dialect.files === 'arrive')
          await inflowFiles(this.#journal, { ...inflow, ...place }, result);
        else {
          const files = listed.get(stage.name) ?? [];
          await ingest(this.#journal, { stage, listed: files, format, expected, replay, size }, result);
        }
      });
    await this.#silver();
    await this.#rangeTables();
    await this.#loadChanges();
    for (const stage of this.#pipeline.ranges) await this.#range(stage);
    if (this.#keptFresh) await this.#journal.execute(this.#engine.dialect.drop(FRESH));
    await this.#note();
    for (const stage of this.#pipeline.views) await this.#view(stage);
    await this.#journal.close();
    this.#journal.tell({ kind: 'end', result: this.#journal.result });
    return this.#journal.result;
  }

  #settings({ source }: BronzeStage): SourceSettings {
    return this.#manifest.bronze[source.source] as SourceSettings;
  }

  /** Lists the files of every source first: a mistake in the manifest must show before anything is written. */
  async #list(): Promise<Map<string, ListedFile[]>> {
    const listed = new Map<string, ListedFile[]>();
    const { folder } = this.#manifest;
    for (const stage of this.#pipeline.bronze.filter(({ name }) => this.#selected.has(name))) {
      const settings = this.#settings(stage);
      const { source } = stage.source;
      const files = filesHere(source, settings, this.#engine.dialect);
      if (files) listed.set(stage.name, await listFiles(source, files, settings.optional ?? false, folder));
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
      result.error = messageOf(error);
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
    const due = stages.filter((stage) => this.#options.full || this.#definitions.get(stage.name) !== stage.hash);
    const isNew = (stage: SilverStage): boolean => this.#made.has(stage.table.name);
    for (const together of [due.filter(isNew), ...due.filter((stage) => !isNew(stage)).map((stage) => [stage])]) {
      if (together.length === 0) continue;
      const started = this.#startAnew(together);
      for (const stage of together) await this.#stageQuietly(stage, results, () => started);
    }
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

  /** Empties the tables of classes; what reads them is filled anew too, for rows may go that never come back. Until their definitions are remembered again a rerun does the same. */
  async #startAnew(stages: readonly SilverStage[]): Promise<void> {
    const { dialect } = this.#engine;
    const names = stages.map((stage) => stage.name);
    const readers = names.flatMap((name) => dependants(this.#pipeline, name));
    await this.#journal.changing(async () =>
      this.#journal.execute([
        ...this.#forget([...names, ...readers]),
        ...stages
          .filter(({ table }) => !this.#made.has(table.name))
          .map(({ table }) => dialect.createTable(table, true)),
        this.#journal.spell(sql`DELETE FROM ${state.watermarks} WHERE stage IN (${list(names)})`),
        ...rememberDefinitions(stages, dialect),
      ]),
    );
    for (const { name, hash } of stages) this.#definitions.set(name, hash);
  }

  /** Statements that forget by which definitions stages were filled. */
  #forget(names: readonly string[]): string[] {
    const known = [...new Set(names)].filter((name) => this.#definitions.delete(name));
    return forgetDefinitions(known, this.#engine.dialect);
  }

  /** Backfill: computes the rows of a range of event time again, piece by piece, from the batches that a class has taken. */
  async #again(range: Range, stages: readonly SilverStage[], results: Map<string, StageResult>): Promise<void> {
    const { dialect } = this.#engine;
    const hours = new Map<number, number>();
    for (const bronze of this.#pipeline.bronze)
      for (const { hour, n } of await this.#journal.rows<{ hour: bigint; n: bigint }>(hoursOf(bronze, range, dialect)))
        hours.set(Number(hour), (hours.get(Number(hour)) ?? 0) + Number(n));
    const batches: Batches[] = [];
    for (const stage of this.#pipeline.bronze)
      batches.push({ stage, from: 0, until: Math.max(0, ...(await this.#marks(stage)).values()) });
    for (const piece of pieces(range, hours, this.#options.batch?.rows ?? SILVER_ROWS)) {
      const routed = await this.#route(routedRows(batches, piece));
      for (const stage of stages)
        await this.#stageQuietly(stage, results, async (result) => {
          const missed: Unmet[] = [];
          await this.#journal.changing(async (change) => {
            await this.#journal.execute(againStatements(stage, piece, change, dialect));
            for (const bronze of this.#pipeline.bronze)
              if (stage.feeds.some((feed) => feed.source.name === bronze.name))
                missed.push(...(await this.#judge(stage, bronze, result, [])));
          });
          settle({ written: routed.get(stage.class)?.rows ?? 0, missed }, result);
        });
    }
    await this.#journal.execute(dialect.drop(ROUTED));
  }

  /** Routes bronze rows; how many there are of each class, and within which times. */
  async #route(rows: Sql): Promise<Map<string, { readonly rows: number; readonly times: Span }>> {
    const { dialect } = this.#engine;
    await this.#journal.execute(dialect.keep(ROUTED, rows));
    const found = await this.#journal.rows<{ class: string } & Record<'n' | 'least' | 'most', bigint>>(
      routedByClass(dialect),
    );
    return new Map(
      found.map((r) => [
        r.class,
        { rows: Number(r.n), times: { column: 'time', least: Number(r.least), most: Number(r.most) } },
      ]),
    );
  }

  async #marks(bronze: BronzeStage): Promise<Map<string, number>> {
    const marks = await this.#journal.rows<{ stage: string; position: bigint }>(
      sql`SELECT stage, max(position) AS position FROM ${state.watermarks} WHERE input = ${bronze.name} GROUP BY stage`,
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
      result.error = messageOf(error);
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
    const rows = routedRows([{ stage: bronze, from: chunk.from, until: chunk.until }]);
    const routed = await this.#route(rows);
    const bare = chunk.stages.filter((stage) => !routed.has(stage.class) && !this.#failed.has(stage.name));
    const move = (stages: readonly SilverStage[]): Promise<number> =>
      this.#journal.execute(
        moveWatermarks(
          stages.map((stage) => ({ stage: stage.name, input: bronze.name, position: chunk.until })),
          dialect,
        ),
      );
    if (bare.length > 0) await this.#journal.changing(() => move(bare));
    for (const stage of chunk.stages.filter((s) => !bare.includes(s)))
      await this.#stageQuietly(stage, results, async (result) => {
        const { rows: n = 0, times } = routed.get(stage.class) ?? {};
        const feed = () =>
          this.#journal.changing(async (change) => {
            const written = await this.#journal.execute(feedStatements(stage, bronze.source.source, dialect, times));
            await this.#journal.execute([changesOfRouted(stage, change, dialect)]);
            const missed = await this.#judge(stage, bronze, result, withoutRouted(stage, bronze, dialect));
            await move([stage]);
            return { written, missed };
          });
        const written = await feed().catch(async (error: unknown) => {
          if (!(error instanceof EngineError && error.ofData)) throw error;
          const moved = await quarantinePoison(this.#journal, bronze, stage, rows);
          if (moved === 0) throw error;
          result.rows_quarantined += moved;
          return feed();
        });
        result.rows_in += n;
        settle(written, result);
      });
    await this.#journal.execute(dialect.drop(ROUTED));
  }

  /** Judges the rows that a source gave to a class, within a transaction. */
  #judge(stage: SilverStage, bronze: BronzeStage, result: StageResult, undo: readonly string[]): Promise<Unmet[]> {
    const { source } = bronze.source;
    const { expect } = this.#settings(bronze);
    return judge(this.#journal, bronze, stage, chosenOf(silverExpectations, source, expect), result, undo);
  }

  /** Starts tables of findings and summaries anew whose columns are no longer those of the code, before a stage that is to run writes into them. */
  async #rangeTables(): Promise<void> {
    const { dialect } = this.#engine;
    const selected = this.#pipeline.ranges.filter((stage) => this.#selected.has(stage.name));
    const tables = [...new Map(selected.map((stage) => [stage.table.name, stage.table])).values()];
    const definitions = new Map(tables.map((table) => [table, { name: `table ${table.name}`, hash: hashOf(table) }]));
    const due = [...definitions].filter(([, { name, hash }]) => this.#definitions.get(name) !== hash);
    if (due.length === 0) return;
    const writers = this.#pipeline.ranges.filter((s) => due.some(([table]) => s.table.name === table.name));
    const stale = [
      ...writers.flatMap(({ name }) => [name, ...dependants(this.#pipeline, name)]),
      ...this.#pipeline.views.map((view) => view.name),
    ];
    const old = due.filter(([table]) => !this.#made.has(table.name));
    const remembered = due.map(([, definition]) => definition);
    await this.#journal.changing(async () =>
      this.#journal.execute([
        ...this.#forget([...remembered.map((definition) => definition.name), ...stale]),
        ...old.map(([table]) => dialect.createTable(table, true)),
        ...(old.length > 0 ? viewStatements(this.#pipeline, dialect) : []),
        ...rememberDefinitions(remembered, dialect),
      ]),
    );
    for (const { name, hash } of remembered) this.#definitions.set(name, hash);
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
      const fresh = identifier(FRESH);
      const read = dependants(this.#pipeline, stage.name).length > 0;
      const seen = this.#journal.change;
      await this.#journal.changing(async (change) => {
        if (read) this.#newest.set(stage.name, change);
        await this.#journal.execute(dialect.keep(FRESH, rangeRows(stage, ranges, dialect)));
        this.#keptFresh = true;
        result.rows_in = await this.#inputRows(stage, ranges);
        const { made, there } = await this.#compare(stage, own);
        result.rows_out = made;
        if (made + there === 0) return;
        await this.#journal.execute([
          ...(read ? [changesOf(stage, sql`${stage.table as Relation} WHERE ${own}`, change, dialect)] : []),
          ...dialect.replace(stage.table, own, sql`SELECT * FROM ${fresh}`),
          ...(read ? [changesOf(stage, fresh, change, dialect)] : []),
        ]);
      });
      this.#done.push({ stage, position: seen });
    });
    if (performance.now() - this.#noted > NOTE_EVERY) await this.#note();
  }

  /** Notes how far stages of findings and summaries came, several at once: until then a rerun does their work again, which changes nothing. */
  async #note(): Promise<void> {
    const { dialect } = this.#engine;
    const done = this.#done.splice(0);
    this.#noted = performance.now();
    if (done.length === 0) return;
    const filled = done.map((one) => one.stage).filter(({ name, hash }) => this.#definitions.get(name) !== hash);
    await this.#journal.changing(async () =>
      this.#journal.execute([
        ...moveWatermarks(
          done.map(({ stage, position }) => ({ stage: stage.name, input: 'changes', position })),
          dialect,
        ),
        ...this.#forget(filled.map((stage) => stage.name)),
        ...rememberDefinitions(filled, dialect),
      ]),
    );
    for (const { name, hash } of filled) this.#definitions.set(name, hash);
  }

  async #loadChanges(): Promise<void> {
    const newest = await this.#journal.rows<{ relation: string; id: bigint }>(
      sql`SELECT relation, max(id) AS id FROM ${state.changes} GROUP BY relation`,
    );
    const seen = await this.#journal.rows<{ stage: string; position: bigint }>(
      sql`SELECT stage, max(position) AS position FROM ${state.watermarks} WHERE input = 'changes' GROUP BY stage`,
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

  /** How many rows a stage reads; inputs that several stages read alike are counted once. */
  async #inputRows(stage: RangeStage, ranges: readonly Range[] | 'all'): Promise<number> {
    const near =
      ranges === 'all'
        ? sql`TRUE`
        : join(
            ranges.map((r) => sql`(time >= ${r.from - stage.reach.after} AND time < ${r.until + stage.reach.before})`),
            sql` OR `,
          );
    let total = 0;
    for (const input of stage.inputs) {
      const counting = this.#journal.spell(sql`SELECT count(*) AS n FROM ${input} WHERE ${near}`);
      const before = this.#counted.get(counting);
      const [counted] = before === undefined ? await this.#journal.rows<{ n: bigint }>(counting) : [{ n: before }];
      this.#counted.set(counting, Number(counted?.n ?? 0));
      total += Number(counted?.n ?? 0);
    }
    return total;
  }

  /** How many rows a stage made, and how many its table has in their place; of findings also those that were not there before. */
  async #compare(stage: RangeStage, own: Sql): Promise<{ made: number; there: number }> {
    const fresh = identifier(FRESH);
    if (!stage.owner) {
      const [counted] = await this.#journal.rows<{ made: bigint; there: bigint }>(
        sql`SELECT (SELECT count(*) FROM ${fresh}) AS made, (SELECT count(*) FROM ${stage.table as Relation} WHERE ${own}) AS there`,
      );
      return { made: Number(counted?.made ?? 0), there: Number(counted?.there ?? 0) };
    }
    const { alerts } = this.#journal.result;
    const found = await this.#journal.rows<{ severity: string | null; made: bigint; there: bigint; fresh: bigint }>(
      sql`SELECT f.severity AS severity, count(f.uid) AS made, count(t.uid) AS there, count(f.uid) FILTER (WHERE t.uid IS NULL) AS fresh
FROM (SELECT severity, finding_info.uid AS uid FROM ${fresh}) AS f
FULL JOIN (SELECT finding_info.uid AS uid FROM ${stage.table as Relation} WHERE ${own}) AS t ON t.uid = f.uid GROUP BY f.severity`,
    );
    for (const { severity, fresh: n } of found) {
      if (severity === null || Number(n) === 0) continue;
      alerts.new += Number(n);
      alerts.by_severity[severity] = (alerts.by_severity[severity] ?? 0) + Number(n);
    }
    const sum = (column: 'made' | 'there'): number => found.reduce((all, row) => all + Number(row[column]), 0);
    return { made: sum('made'), there: sum('there') };
  }

  async #view(stage: Stage & { kind: 'view' }): Promise<void> {
    if (this.#definitions.get(stage.name) === stage.hash) return;
    await this.#stage(stage, async () => {
      await this.#journal.changing(async () => {
        await this.#journal.execute([
          ...this.#forget([stage.name]),
          this.#engine.dialect.createView(stage.name, stage.select),
          ...rememberDefinitions([stage], this.#engine.dialect),
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
