import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join as joinPath } from 'node:path';
import { decodeToNdjson } from './bronze/decode.ts';
import { grouped, inspect, isOdd, type ListedFile, listFiles, type NewFile } from './bronze/files.ts';
import type { FileGroup } from './bronze/read.ts';
import { flowNames } from './bronze/sniff.ts';
import { type Engine, EngineError, rows, UserError } from './engine/engine.ts';
import { triage } from './gold/triage.ts';
import type { FileSettings, Manifest } from './manifest.ts';
import {
  allStages,
  arrivalStatements,
  type Batch,
  changesOfRouted,
  feedStatements,
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
  settlement,
  state,
  touched,
  viewStatements,
} from './plan.ts';
import { hashOf } from './sql/hash.ts';
import { call, identifier, join, literal, type Sql, spell, sql } from './sql/sql.ts';
import type { BronzeStage, RangeStage, SilverStage, Stage } from './stage.ts';
import { version } from './version.ts';

/** What one stage did in a run. */
export interface StageResult {
  readonly name: string;
  rows_in: number;
  rows_out: number;
  rows_quarantined: number;
  seconds: number;
  error?: string;
}

/** What a run did; `ok` is false when a stage failed or a file could not be read. */
export interface RunResult {
  readonly run_id: string;
  ok: boolean;
  readonly stages: StageResult[];
  readonly files: { new: number; unchanged: number; failed: number };
  readonly alerts: { new: number; by_severity: Record<string, number> };
}

/** What happens during a run, for a progress display. */
export type RunEvent =
  | {
      readonly kind: 'stage';
      readonly name: string;
      readonly total: number;
      readonly unit: 'files' | 'rows' | 'ranges';
    }
  | { readonly kind: 'progress'; readonly name: string; readonly done: number }
  | { readonly kind: 'done'; readonly result: StageResult }
  | { readonly kind: 'warning'; readonly message: string };

export interface RunOptions {
  /** Rebuild silver and gold from bronze. */
  readonly full?: boolean;
  /** Only these stages, as `--select` writes them. */
  readonly select?: readonly string[];
  readonly onEvent?: (event: RunEvent) => void;
}

/** The rows that a silver transaction takes at most, if one batch is not larger. */
const SILVER_ROWS = 400_000;

interface Ledger {
  readonly byPath: ReadonlyMap<string, { size: number; mtime: number; status: string }>;
  readonly hashes: Set<string>;
}

const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Makes sure that everything a run needs exists; says whether anything had to be made. */
export async function prepare(engine: Engine, pipeline: Pipeline): Promise<void> {
  const there = await rows<{ schema: string; name: string }>(
    engine,
    `SELECT table_schema AS "schema", table_name AS name FROM information_schema.tables`,
  ).then((found) => new Set(found.map((t) => `${t.schema}.${t.name}`)));
  const names = [...Object.values(state), triage, ...allStages(pipeline).filter((s) => s.kind !== 'range')].map(
    (t) => t.name,
  );
  if (names.every((name) => there.has(name)) && pipeline.ranges.every((s) => there.has(s.table.name))) return;
  for (const statement of preparation(pipeline, [triage], engine.dialect)) await engine.execute(statement);
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
  readonly #id = crypto.randomUUID();
  readonly #at = new Date();
  readonly #result: RunResult;
  readonly #failed = new Set<string>();
  #definitions = new Map<string, string>();
  #batch = 0;
  #change = 0;

  constructor(manifest: Manifest, engine: Engine, options: RunOptions) {
    this.#manifest = manifest;
    this.#engine = engine;
    this.#options = options;
    this.#pipeline = pipelineOf(manifest);
    this.#selected = options.select
      ? selected(this.#pipeline, options.select)
      : new Set(allStages(this.#pipeline).map((stage) => stage.name));
    this.#result = {
      run_id: this.#id,
      ok: true,
      stages: [],
      files: { new: 0, unchanged: 0, failed: 0 },
      alerts: { new: 0, by_severity: {} },
    };
  }

  #spell = (statement: Sql): string => spell(statement, this.#engine.dialect);
  #rows = <T extends Record<string, unknown>>(statement: Sql | string): Promise<T[]> =>
    rows<T>(this.#engine, typeof statement === 'string' ? statement : this.#spell(statement));
  #execute = async (statements: readonly string[]): Promise<number> => {
    let changed = 0;
    for (const statement of statements) changed = await this.#engine.execute(statement);
    return changed;
  };
  #tell = (event: RunEvent): void => this.#options.onEvent?.(event);

  async all(): Promise<RunResult> {
    const listed = await this.#list();
    await prepare(this.#engine, this.#pipeline);
    await this.#load();
    for (const stage of this.#pipeline.bronze)
      await this.#stage(stage, (r) => this.#ingest(stage, listed.get(stage.name) ?? [], r));
    await this.#silver();
    await this.#rangeTables();
    for (const stage of this.#pipeline.ranges) await this.#range(stage);
    for (const stage of this.#pipeline.views) await this.#view(stage);
    await this.#finish();
    return this.#result;
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

  async #load(): Promise<void> {
    const [at] = await this.#rows<{ batch: bigint | null; change: bigint | null }>(
      sql`SELECT (SELECT max(batch) FROM ${state.files}) AS batch,
        greatest((SELECT coalesce(max(id), 0) FROM ${state.changes}), (SELECT coalesce(max(position), 0) FROM ${state.watermarks} WHERE input = 'changes')) AS change`,
    );
    this.#batch = Number(at?.batch ?? 0);
    this.#change = Number(at?.change ?? 0);
    const definitions = await this.#rows<{ stage: string; hash: string }>(
      sql`SELECT stage, hash FROM ${state.definitions}`,
    );
    this.#definitions = new Map(definitions.map(({ stage, hash }) => [stage, hash]));
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
      this.#result.ok = false;
      this.#tell({ kind: 'warning', message: `${stage.name}: ${result.error}` });
    }
    result.seconds = Math.round(performance.now() - started) / 1000;
    this.#result.stages.push(result);
    this.#tell({ kind: 'done', result });
  }

  async #ledger(source: string): Promise<Ledger> {
    const known = await this.#rows<{ path: string; size: bigint; mtime: bigint; content_hash: string; status: string }>(
      sql`SELECT path, size, mtime, content_hash, status FROM ${state.files} WHERE source = ${source} ORDER BY batch NULLS LAST`,
    );
    return {
      byPath: new Map(known.map((f) => [f.path, { size: Number(f.size), mtime: Number(f.mtime), status: f.status }])),
      hashes: new Set(known.filter((f) => f.status !== 'failed').map((f) => f.content_hash)),
    };
  }

  async #ingest(stage: BronzeStage, listed: readonly ListedFile[], result: StageResult): Promise<void> {
    const { source } = stage;
    const ledger = await this.#ledger(source.source);
    const changed = listed.filter((file) => {
      const before = ledger.byPath.get(file.path);
      return !before || before.status === 'failed' || before.size !== file.size || before.mtime !== file.mtime;
    });
    this.#result.files.unchanged += listed.length - changed.length;
    if (changed.length === 0) return;
    this.#tell({ kind: 'stage', name: stage.name, total: changed.length, unit: 'files' });
    const inspected = await inspect(changed);
    const fresh: NewFile[] = [];
    for (const file of inspected) {
      if ('error' in file) await this.#fail(stage, file, file.error);
      else if (ledger.hashes.has(file.contentHash)) await this.#note(stage, file, 'copy');
      else {
        ledger.hashes.add(file.contentHash);
        fresh.push(file);
      }
    }
    const byPath = new Map(fresh.map((file) => [file.path, file]));
    let done = changed.length - fresh.length;
    const progress = (files: number): void => {
      done += files;
      this.#tell({ kind: 'progress', name: stage.name, done });
    };
    const format = this.#manifest.bronze[source.source]?.format;
    const header = format === undefined ? undefined : flowNames(format.replace(/[${}]/g, ''));
    const odd = fresh.filter((file) => isOdd(file, source.content) || file.shape.kind === 'parquet');
    const empty = fresh.filter((file) => file.shape.kind === 'empty');
    for (const file of empty) await this.#note(stage, file, 'ok');
    const sound = fresh.filter((file) => !odd.includes(file) && !empty.includes(file));
    progress(empty.length);
    for (const group of grouped(sound, header)) await this.#group(stage, group, byPath, result, progress);
    for (const file of odd) await this.#decode(stage, file, result, progress, header);
  }

  /** Takes in a group of files; where the engine refuses it, looks for the file that is to blame. */
  async #group(
    stage: BronzeStage,
    group: FileGroup,
    byPath: ReadonlyMap<string, NewFile>,
    result: StageResult,
    progress: (files: number) => void,
  ): Promise<void> {
    const { files } = group;
    try {
      await this.#takeIn(stage, group, byPath, result);
      progress(files.length);
    } catch (error) {
      if (!(error instanceof EngineError && error.ofData)) throw error;
      const named = files.filter((file) => error.message.includes(file));
      const header = group.layout === 'text' ? group.header : undefined;
      if (files.length === 1 || (named.length > 0 && named.length < files.length)) {
        const toDecode = named.length > 0 ? named : files;
        for (const path of toDecode) await this.#decode(stage, byPath.get(path) as NewFile, result, progress, header);
        await this.#halves(
          stage,
          group,
          files.filter((file) => !toDecode.includes(file)),
          byPath,
          result,
          progress,
        );
      } else await this.#halves(stage, group, files, byPath, result, progress);
    }
  }

  /** Goes on with halves, so that however many files are bad the good ones are read only a few times. */
  async #halves(
    stage: BronzeStage,
    group: FileGroup,
    files: readonly string[],
    byPath: ReadonlyMap<string, NewFile>,
    result: StageResult,
    progress: (files: number) => void,
  ): Promise<void> {
    const half = Math.ceil(files.length / 2);
    for (const part of [files.slice(0, half), files.slice(half)])
      if (part.length > 0) await this.#group(stage, { ...group, files: part } as FileGroup, byPath, result, progress);
  }

  /** Takes in one damaged or odd file by way of the decoder; a file that even that cannot read has failed. */
  async #decode(
    stage: BronzeStage,
    file: NewFile,
    result: StageResult,
    progress: (files: number) => void,
    header: readonly string[] | undefined,
  ): Promise<void> {
    const folder = await mkdtemp(joinPath(tmpdir(), 'ocsf-medallion-'));
    const decoded = joinPath(folder, 'decoded.ndjson');
    try {
      await decodeToNdjson(file.path, decoded, { kind: stage.source.content, ...(header ? { header } : {}) });
      const group: FileGroup = { layout: 'decoded', files: [file.path], decoded };
      await this.#takeIn(stage, group, new Map([[file.path, file]]), result);
    } catch (error) {
      if (error instanceof UserError || (error instanceof EngineError && !error.ofData)) throw error;
      await this.#fail(stage, file, message(error));
    } finally {
      await rm(folder, { recursive: true, force: true });
      progress(1);
    }
  }

  /** One batch: records, quarantine and ledger rows appear together or not at all. */
  async #takeIn(
    stage: BronzeStage,
    group: FileGroup,
    byPath: ReadonlyMap<string, NewFile>,
    result: StageResult,
  ): Promise<void> {
    const batch: Batch = { id: this.#batch + 1, runId: this.#id, at: this.#at };
    const steps = settlement(stage, group, batch, this.#engine.dialect);
    const counts = async (statement: string): Promise<Map<string, number>> =>
      new Map((await this.#rows<{ file: string; records: bigint }>(statement)).map((r) => [r.file, Number(r.records)]));
    const totals = await this.#engine.transaction(async () => {
      await this.#execute(arrivalStatements(stage, group, batch, this.#engine.dialect));
      const toDecode = await this.#rows<{ file: string }>(steps.toDecode);
      if (toDecode.length > 0)
        throw new EngineError(`must be decoded: ${toDecode.map((r) => r.file).join(', ')}`, { ofData: true });
      if (steps.needsNumbers) await this.#execute([steps.numberLines]);
      const read = await counts(steps.records);
      const quarantined = await counts(steps.quarantined);
      const ignored = await counts(steps.ignored);
      if (quarantined.size > 0) await this.#execute([steps.toQuarantine]);
      if (quarantined.size + ignored.size > 0) await this.#execute([steps.dropFaulty]);
      const before = await counts(steps.stored);
      await this.#execute([steps.suspects]);
      const [suspects] = await this.#rows<{ n: bigint }>(steps.countSuspects);
      if (Number(suspects?.n) > 0) await this.#execute([steps.dropDuplicates]);
      const stored = Number(suspects?.n) > 0 ? await counts(steps.stored) : before;
      const ledger = group.files.map((path) => {
        const records = read.get(path) ?? 0;
        return {
          file: byPath.get(path) as NewFile,
          records,
          stored: stored.get(path) ?? 0,
          duplicates: (before.get(path) ?? 0) - (stored.get(path) ?? 0),
          quarantined: quarantined.get(path) ?? 0,
          ignored: ignored.get(path) ?? 0,
        };
      });
      await this.#write(ledger.map((entry) => this.#ledgerRow(stage, entry.file, 'ok', { ...entry, batch: batch.id })));
      return ledger;
    });
    this.#batch = batch.id;
    this.#result.files.new += totals.length;
    for (const one of totals) {
      result.rows_in += one.records;
      result.rows_out += one.stored;
      result.rows_quarantined += one.quarantined;
    }
  }

  #ledgerRow(
    stage: BronzeStage,
    file: ListedFile & Partial<NewFile>,
    status: string,
    more: {
      records?: number;
      stored?: number;
      duplicates?: number;
      quarantined?: number;
      ignored?: number;
      batch?: number;
      error?: string;
    } = {},
  ): Sql {
    return sql`(${stage.source.source}, ${file.path}, ${file.size}, ${file.mtime}, ${file.contentHash ?? null}, ${status}, ${more.error ?? null},
      ${more.records ?? 0}, ${more.stored ?? 0}, ${more.duplicates ?? 0}, ${more.quarantined ?? 0}, ${more.ignored ?? 0},
      ${more.batch ?? this.#batch}, ${this.#id}, ${timestamp(this.#at)})`;
  }

  async #write(ledger: readonly Sql[]): Promise<void> {
    for (let i = 0; i < ledger.length; i += 500)
      await this.#execute([
        this.#spell(sql`INSERT INTO ${state.files} VALUES ${join(ledger.slice(i, i + 500), sql`, `)}`),
      ]);
  }

  async #note(stage: BronzeStage, file: NewFile, status: 'ok' | 'copy'): Promise<void> {
    await this.#write([this.#ledgerRow(stage, file, status)]);
    if (status === 'copy') this.#result.files.unchanged += 1;
    else this.#result.files.new += 1;
  }

  async #fail(stage: BronzeStage, file: ListedFile, error: string): Promise<void> {
    await this.#write([this.#ledgerRow(stage, file, 'failed', { error })]);
    this.#result.files.failed += 1;
    this.#result.ok = false;
    this.#tell({ kind: 'warning', message: `${file.path}: cannot be read: ${error}` });
  }

  /** Silver: starts anew what changed its definition, then moves batches on, each once for all classes. */
  async #silver(): Promise<void> {
    const results = new Map<string, StageResult>();
    const stages = this.#pipeline.silver.filter((stage) => this.#selected.has(stage.name));
    for (const stage of stages) {
      if (!this.#options.full && this.#definitions.get(stage.name) === stage.hash) continue;
      await this.#stageQuietly(stage, results, async () => {
        await this.#engine.transaction(async () => {
          await this.#execute([
            this.#engine.dialect.createTable(stage.table, true),
            this.#spell(sql`DELETE FROM ${state.watermarks} WHERE stage = ${stage.name}`),
            ...rememberDefinition(stage, this.#engine.dialect),
          ]);
        });
      });
    }
    for (const bronze of this.#pipeline.bronze) {
      const fed = stages.filter((stage) => stage.feeds.some((feed) => feed.source.name === bronze.name));
      const waiting = await this.#waiting(bronze, fed);
      const total = waiting.reduce((sum, chunk) => sum + chunk.rows, 0);
      if (total === 0) continue;
      this.#tell({ kind: 'stage', name: `silver from ${bronze.source.source}`, total, unit: 'rows' });
      let done = 0;
      for (const chunk of waiting) {
        await this.#feed(bronze, chunk, results);
        done += chunk.rows;
        this.#tell({ kind: 'progress', name: `silver from ${bronze.source.source}`, done });
      }
    }
    for (const stage of stages) {
      const result = results.get(stage.name) ?? empty(stage.name);
      result.seconds = Math.round(result.seconds * 1000) / 1000;
      this.#result.stages.push(result);
      this.#tell({ kind: 'done', result });
    }
  }

  async #stageQuietly(
    stage: Stage,
    results: Map<string, StageResult>,
    work: (result: StageResult) => Promise<void>,
  ): Promise<void> {
    const result = results.get(stage.name) ?? empty(stage.name);
    results.set(stage.name, result);
    if (this.#failed.has(stage.name)) return;
    const started = performance.now();
    try {
      await work(result);
    } catch (error) {
      result.error = message(error);
      this.#failed.add(stage.name);
      this.#result.ok = false;
      this.#tell({ kind: 'warning', message: `${stage.name}: ${result.error}` });
    }
    result.seconds += (performance.now() - started) / 1000;
  }

  /** The batches of a source that some classes have still to take, in chunks of which each class takes all. */
  async #waiting(bronze: BronzeStage, stages: readonly SilverStage[]) {
    const marks = await this.#rows<{ stage: string; position: bigint }>(
      sql`SELECT stage, position FROM ${state.watermarks} WHERE input = ${bronze.name}`,
    );
    const at = new Map(marks.map((m) => [m.stage, Number(m.position)]));
    const batches = await this.#rows<{ batch: bigint; stored: bigint }>(
      sql`SELECT batch, CAST(sum(stored) AS BIGINT) AS stored FROM ${state.files} WHERE source = ${bronze.source.source} AND stored > 0 GROUP BY batch ORDER BY batch NULLS LAST`,
    );
    const chunks: { from: number; until: number; rows: number; stages: SilverStage[] }[] = [];
    for (const { batch, stored } of batches) {
      const until = Number(batch);
      const takers = stages.filter((stage) => (at.get(stage.name) ?? 0) < until);
      const last = chunks.at(-1);
      if (takers.length === 0) continue;
      if (last && last.rows + Number(stored) <= SILVER_ROWS && last.stages.length === takers.length) {
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
    await this.#execute([routeStatement(bronze, chunk.from, chunk.until, dialect)]);
    const routed = await this.#rows<{ class: string; n: bigint }>(
      sql`SELECT class, count(*) AS n FROM ${identifier('routed')} GROUP BY class`,
    );
    const counts = new Map(routed.map((r) => [r.class, Number(r.n)]));
    for (const stage of chunk.stages)
      await this.#stageQuietly(stage, results, async (result) => {
        const n = counts.get(stage.class) ?? 0;
        const change = this.#change + 1;
        const written = await this.#engine.transaction(async () => {
          const changed = n > 0 ? await this.#execute(feedStatements(stage, bronze.source.source, dialect)) : 0;
          if (n > 0) await this.#execute([changesOfRouted(stage, change, dialect)]);
          await this.#execute(moveWatermark(stage.name, bronze.name, chunk.until, dialect));
          return changed;
        });
        if (n > 0) this.#change = change;
        result.rows_in += n;
        result.rows_out += written;
      });
    await this.#execute([this.#spell(sql`DROP TABLE IF EXISTS ${identifier('routed')}`)]);
  }

  /** Starts tables of findings and summaries anew whose columns are no longer those of the code. */
  async #rangeTables(): Promise<void> {
    const tables = new Map(this.#pipeline.ranges.map((stage) => [stage.table.name, stage.table]));
    for (const table of tables.values()) {
      const definition = { name: `table ${table.name}`, hash: hashOf(table) };
      if (this.#definitions.get(definition.name) === definition.hash) continue;
      await this.#engine.transaction(async () => {
        await this.#execute([
          this.#engine.dialect.createTable(table, true),
          ...rememberDefinition(definition, this.#engine.dialect),
        ]);
      });
      for (const stage of this.#pipeline.ranges)
        if (stage.table.name === table.name) this.#definitions.delete(stage.name);
    }
  }

  /** Findings and summaries: replaces what the changes of the inputs can touch. */
  async #range(stage: RangeStage): Promise<void> {
    if (!this.#selected.has(stage.name)) return;
    const { dialect } = this.#engine;
    const known = this.#definitions.get(stage.name) === stage.hash && !this.#options.full;
    const [mark] = await this.#rows<{ position: bigint }>(
      sql`SELECT position FROM ${state.watermarks} WHERE stage = ${stage.name} AND input = 'changes'`,
    );
    const from = Number(mark?.position ?? 0);
    const names = stage.inputs.map((input) => literal(input.name));
    const changes = known
      ? await this.#rows<{ hour: bigint }>(
          sql`SELECT DISTINCT hour FROM ${state.changes} WHERE id > ${from} AND relation IN (${join(names, sql`, `)})`,
        )
      : [];
    if (known && changes.length === 0) {
      this.#result.stages.push(empty(stage.name));
      return;
    }
    await this.#stage(stage, async (result) => {
      const ranges: readonly Range[] | 'all' = known
        ? touched(
            changes.map((c) => Number(c.hour)),
            stage,
          )
        : 'all';
      const change = this.#change + 1;
      const fresh = identifier('fresh');
      await this.#engine.transaction(async () => {
        const own = ownRows(stage, ranges);
        await this.#execute([
          `CREATE OR REPLACE TEMP TABLE fresh AS ${this.#spell(rangeRows(stage, ranges, dialect))}`,
        ]);
        if (stage.owner) await this.#countAlerts(stage, own);
        result.rows_in = await this.#inputRows(stage, ranges);
        const [counted] = await this.#rows<{ n: bigint }>(sql`SELECT count(*) AS n FROM ${fresh}`);
        result.rows_out = Number(counted?.n ?? 0);
        await this.#execute([
          ...dialect.replace(stage.table, own, sql`SELECT * FROM ${fresh}`),
          this.#spell(
            sql`INSERT INTO ${state.changes} SELECT DISTINCT ${change}, ${stage.name}, (time - time % 3600000) / 3600000 FROM ${fresh}`,
          ),
          ...moveWatermark(stage.name, 'changes', this.#change, dialect),
          ...rememberDefinition(stage, dialect),
        ]);
      });
      this.#change = change;
    });
  }

  async #inputRows(stage: RangeStage, ranges: readonly Range[] | 'all'): Promise<number> {
    let total = 0;
    for (const input of stage.inputs) {
      const [counted] = await this.#rows<{ n: bigint }>(
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
    const found = await this.#rows<{ severity: string; n: bigint }>(
      sql`SELECT severity, count(*) AS n FROM ${identifier('fresh')} AS f WHERE finding_info.uid NOT IN
        (SELECT finding_info.uid FROM ${stage.table} WHERE ${own}) GROUP BY severity`,
    );
    for (const { severity, n } of found) {
      this.#result.alerts.new += Number(n);
      this.#result.alerts.by_severity[severity] = (this.#result.alerts.by_severity[severity] ?? 0) + Number(n);
    }
  }

  async #view(stage: Stage & { kind: 'view' }): Promise<void> {
    if (this.#definitions.get(stage.name) === stage.hash) return;
    await this.#stage(stage, async () => {
      await this.#engine.transaction(async () => {
        await this.#execute([
          this.#engine.dialect.createView(stage.name, stage.select),
          ...rememberDefinition(stage, this.#engine.dialect),
        ]);
      });
    });
  }

  /** Keeps the run's figures, unless it found nothing to do, and forgets changes that every stage has seen. */
  async #finish(): Promise<void> {
    const busy = this.#result.stages.filter((s) => s.rows_in > 0 || s.rows_out > 0 || s.error !== undefined);
    if (busy.length === 0 && this.#result.files.new + this.#result.files.failed === 0) return;
    const error = this.#result.stages.find((s) => s.error)?.error ?? null;
    await this.#engine.transaction(async () => {
      await this.#execute([
        this.#spell(
          sql`INSERT INTO ${state.runs} VALUES (${this.#id}, ${version}, ${timestamp(this.#at)}, ${timestamp(new Date())}, ${this.#result.ok}, ${error})`,
        ),
        ...busy.map((s) =>
          this.#spell(
            sql`INSERT INTO ${state.stages} VALUES (${this.#id}, ${s.name}, ${s.rows_in}, ${s.rows_out}, ${s.rows_quarantined}, ${s.seconds}, ${s.error ?? null})`,
          ),
        ),
        this.#spell(
          sql`DELETE FROM ${state.changes} WHERE id <= (SELECT min(position) FROM ${state.watermarks} WHERE input = 'changes')`,
        ),
      ]);
    });
  }
}

const empty = (name: string): StageResult => ({ name, rows_in: 0, rows_out: 0, rows_quarantined: 0, seconds: 0 });
const timestamp = (at: Date): Sql => call((f) => f.cast(literal(at.toISOString()), 'timestamp'));
