import type { Otherwise } from './bronze/expectations.ts';
import { sources } from './bronze/index.ts';
import { type Engine, rows } from './engine/engine.ts';
import { EngineError } from './errors.ts';
import { highestOnly, leaveQuarantine, state, superseded, unfinished, withoutUnfinished } from './plan.ts';
import { rowsOfJson } from './sql/rows.ts';
import { call, literal, type Sql, spell, sql } from './sql/sql.ts';
import { version } from './version.ts';

/** What one stage did in a run. */
export interface StageResult {
  readonly name: string;
  rows_in: number;
  rows_out: number;
  rows_quarantined: number;
  seconds: number;
  error?: string;
  /** Expectations that rows did not meet, and how many. */
  unmet?: Unmet[];
}

/** How many rows of a stage did not meet an expectation, and what was done with them. */
export interface Unmet {
  readonly name: string;
  readonly action: Otherwise;
  records: number;
}

/** Adds to a stage's figures that rows did not meet an expectation. */
export function unmet(result: StageResult, name: string, action: Otherwise, records: number): void {
  if (records === 0) return;
  result.unmet ??= [];
  const before = result.unmet.find((one) => one.name === name && one.action === action);
  if (before) before.records += records;
  else result.unmet.push({ name, action, records });
}

/** What a run did; `ok` is false when a stage failed or a file could not be read. */
export interface RunResult {
  readonly run_id: string;
  ok: boolean;
  readonly stages: StageResult[];
  readonly files: { new: number; unchanged: number; failed: number };
  readonly alerts: { new: number; by_severity: Record<string, number> };
}

/** What happens during a run, for a progress display or a log. */
export type RunEvent =
  | {
      readonly kind: 'stage';
      readonly name: string;
      readonly total: number;
      readonly unit: 'files' | 'rows' | 'ranges';
    }
  | { readonly kind: 'progress'; readonly name: string; readonly done: number }
  | { readonly kind: 'done'; readonly result: StageResult }
  | { readonly kind: 'warning'; readonly message: string }
  | { readonly kind: 'begin'; readonly run_id: string }
  | { readonly kind: 'end'; readonly result: RunResult };

/** The figures of a stage before it did anything. */
export const untouched = (name: string): StageResult => ({
  name,
  rows_in: 0,
  rows_out: 0,
  rows_quarantined: 0,
  seconds: 0,
});

/** How often the same may stand in a table of which only the newest counts. */
const MOST_TIMES = 2;

const timestamp = (at: Date): Sql => call((f) => f.cast(literal(at.toISOString()), 'timestamp'));

/** A run's own record: its numbers on the engine, its figures and its rows in `pipeline.runs` and `pipeline.stages`. */
export class Journal {
  readonly engine: Engine;
  readonly runId = crypto.randomUUID();
  readonly at = new Date();
  readonly result: RunResult;
  readonly #onEvent: ((event: RunEvent) => void) | undefined;
  #batch = 0;
  /** Whether rows may be left of a batch that came to no end. */
  #cutOff = false;
  #change = 0;
  #begun = false;

  constructor(engine: Engine, onEvent: ((event: RunEvent) => void) | undefined) {
    this.engine = engine;
    this.#onEvent = onEvent;
    this.result = {
      run_id: this.runId,
      ok: true,
      stages: [],
      files: { new: 0, unchanged: 0, failed: 0 },
      alerts: { new: 0, by_severity: {} },
    };
  }

  tell(event: RunEvent): void {
    this.#onEvent?.(event);
  }

  warn(text: string): void {
    this.result.ok = false;
    this.tell({ kind: 'warning', message: text });
  }

  spell(statement: Sql): string {
    return spell(statement, this.engine.dialect);
  }

  rows<T extends Record<string, unknown>>(statement: Sql | string): Promise<T[]> {
    return rows<T>(this.engine, typeof statement === 'string' ? statement : this.spell(statement));
  }

  /** Runs the statements in order and gives the number of rows that the last one changed. */
  async execute(statements: readonly string[]): Promise<number> {
    let changed = 0;
    for (const statement of statements) changed = await this.engine.execute(statement);
    return changed;
  }

  /** Goes on counting where the last run that came to an end, or was killed, left off, and ends what that one began. */
  async load(): Promise<void> {
    const [at] = await this.rows<{ batch: bigint | null; change: bigint | null }>(
      sql`SELECT (SELECT max(batch) FROM ${state.files}) AS batch,
        greatest((SELECT coalesce(max(id), 0) FROM ${state.changes}), (SELECT coalesce(max(position), 0) FROM ${state.watermarks} WHERE input = 'changes')) AS change`,
    );
    this.#batch = Number(at?.batch ?? 0);
    this.#change = Number(at?.change ?? 0);
    await this.#clear();
    if (this.#batch > 0) await this.leaveQuarantine(this.#batch);
  }

  /** Takes out what is left of batches that came to no end: without their rows in the ledger they are not there. */
  async #clear(): Promise<void> {
    const { dialect } = this.engine;
    const known = Object.values(sources).map((source): string => source.name);
    const all = (await this.engine.tables()).filter((name) => known.includes(name));
    const tables = await this.rows<{ name: string }>(unfinished([...all, state.quarantine.name], this.#batch, dialect));
    for (const { name } of tables) await this.execute([withoutUnfinished(name, this.#batch, dialect)]);
    this.#cutOff = false;
  }

  /** Takes out of quarantine what was there of a batch's files before: the last step of a batch, which follows its rows in the ledger. */
  async leaveQuarantine(batch: number): Promise<void> {
    const { dialect } = this.engine;
    const files = await this.rows<{ source: string; file: string }>(superseded(batch, dialect));
    for (const source of new Set(files.map((one) => one.source))) {
      const names = files.filter((one) => one.source === source).map((one) => one.file);
      await this.execute([leaveQuarantine(source, names, batch, dialect)]);
    }
  }

  /** The newest change that is committed. */
  get change(): number {
    return this.#change;
  }

  /** The batch that the next call of `batch` writes. */
  get upcoming(): { id: number; runId: string; at: Date } {
    return { id: this.#batch + 1, runId: this.runId, at: this.at };
  }

  /** Writes under the next batch number, which is taken only if the transaction commits. */
  async batch<T>(work: (batch: { id: number; runId: string; at: Date }) => Promise<T>): Promise<T> {
    if (this.#cutOff) await this.#clear();
    const { id } = this.upcoming;
    try {
      const done = await this.#write(() => work(this.upcoming));
      this.#batch = id;
      return done;
    } catch (error) {
      // What a file is to blame for shows before anything is written.
      this.#cutOff = !(error instanceof EngineError && error.ofData);
      throw error;
    }
  }

  /** Writes under the next change number, which is taken only if the transaction commits. */
  async changing<T>(work: (change: number) => Promise<T>): Promise<T> {
    const id = this.#change + 1;
    const done = await this.#write(() => work(id));
    this.#change = id;
    return done;
  }

  /** One transaction; before the run's first one it says that it has begun, so that a killed run leaves a trace. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    if (!this.#begun)
      await this.execute([
        this.spell(
          sql`INSERT INTO ${state.runs} VALUES (${this.runId}, ${version}, ${timestamp(this.at)}, NULL, NULL, NULL)`,
        ),
      ]);
    this.#begun = true;
    return this.engine.transaction(work);
  }

  /** Statements that keep what did not meet expectations, for the transaction that wrote it; what refused a transaction is kept at the run's end. */
  unmetStatements(stage: string, unmet: readonly Unmet[]): string[] {
    if (unmet.length === 0) return [];
    const written = unmet.map((one) => ({ run_id: this.runId, stage, ...one }));
    return this.engine.dialect.append(
      state.expectations,
      rowsOfJson(state.expectations.columns, JSON.stringify(written)),
    );
  }

  /** Keeps the run's figures, unless it found nothing to do, and forgets the changes that every stage has seen. */
  async close(): Promise<void> {
    const busy = this.result.stages.filter((s) => s.rows_in > 0 || s.rows_out > 0 || s.error !== undefined);
    if (!this.#begun && busy.length === 0) return;
    const error = this.result.stages.find((s) => s.error)?.error ?? null;
    const { changes, runs, stages, watermarks } = state;
    const { dialect } = this.engine;
    const ran = busy.map(({ error = null, unmet: _, ...figures }) => ({ run_id: this.runId, ...figures, error }));
    const refused = this.result.stages.flatMap((s) =>
      this.unmetStatements(s.name, s.unmet?.filter((u) => u.action === 'fail') ?? []),
    );
    await this.#write(async () => {
      if (ran.length > 0) await this.execute(dialect.append(stages, rowsOfJson(stages.columns, JSON.stringify(ran))));
      await this.execute(refused);
      const [seen] = await this.rows<{ by_all: bigint | null }>(
        sql`SELECT min(position) AS by_all FROM (SELECT stage, max(position) AS position FROM ${watermarks} WHERE input = 'changes' GROUP BY stage) AS positions`,
      );
      const [old] = await this.rows<{ n: bigint }>(
        sql`SELECT count(*) AS n FROM ${changes} WHERE id <= ${Number(seen?.by_all ?? 0)}`,
      );
      if (Number(old?.n) > 0)
        await this.execute([this.spell(sql`DELETE FROM ${changes} WHERE id <= ${Number(seen?.by_all ?? 0)}`)]);
      for (const [table, column] of [
        [changes, 'id'],
        [watermarks, 'position'],
      ] as const) {
        const { counts, statements } = highestOnly(table, column, dialect);
        const [count] = await this.rows<{ there: bigint; wanted: bigint }>(counts);
        if (Number(count?.there) > MOST_TIMES * Number(count?.wanted)) await this.execute(statements);
      }
      await this.execute([
        this.spell(
          sql`UPDATE ${runs} SET ended_at = ${timestamp(new Date())}, ok = ${this.result.ok}, error = ${error} WHERE run_id = ${this.runId}`,
        ),
      ]);
    });
  }
}
