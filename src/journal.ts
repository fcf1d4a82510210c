import type { Otherwise } from './bronze/expectations.ts';
import { type Engine, rows } from './engine/engine.ts';
import { state } from './plan.ts';
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

/** What an error says. */
export const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

const timestamp = (at: Date): Sql => call((f) => f.cast(literal(at.toISOString()), 'timestamp'));

/** A run's own record: its numbers on the engine, its figures and its rows in `pipeline.runs` and `pipeline.stages`. */
export class Journal {
  readonly engine: Engine;
  readonly runId = crypto.randomUUID();
  readonly at = new Date();
  readonly result: RunResult;
  readonly #onEvent: ((event: RunEvent) => void) | undefined;
  #batch = 0;
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

  /** Goes on counting where the last run that came to an end, or was killed, left off. */
  async load(): Promise<void> {
    const [at] = await this.rows<{ batch: bigint | null; change: bigint | null }>(
      sql`SELECT (SELECT max(batch) FROM ${state.files}) AS batch,
        greatest((SELECT coalesce(max(id), 0) FROM ${state.changes}), (SELECT coalesce(max(position), 0) FROM ${state.watermarks} WHERE input = 'changes')) AS change`,
    );
    this.#batch = Number(at?.batch ?? 0);
    this.#change = Number(at?.change ?? 0);
  }

  /** The newest change that is committed. */
  get change(): number {
    return this.#change;
  }

  /** Writes under the next batch number, which is taken only if the transaction commits. */
  async batch<T>(work: (batch: { id: number; runId: string; at: Date }) => Promise<T>): Promise<T> {
    const id = this.#batch + 1;
    const done = await this.#write(() => work({ id, runId: this.runId, at: this.at }));
    this.#batch = id;
    return done;
  }

  /** Writes under the next change number, which is taken only if the transaction commits. */
  async changing<T>(work: (change: number) => Promise<T>): Promise<T> {
    const id = this.#change + 1;
    const done = await this.#write(() => work(id));
    this.#change = id;
    return done;
  }

  /** One transaction; the run's first one says that it has begun, so that a killed run leaves a trace. */
  async #write<T>(work: () => Promise<T>): Promise<T> {
    const done = await this.engine.transaction(async () => {
      if (!this.#begun)
        await this.execute([
          this.spell(
            sql`INSERT INTO ${state.runs} VALUES (${this.runId}, ${version}, ${timestamp(this.at)}, NULL, NULL, NULL)`,
          ),
        ]);
      return work();
    });
    this.#begun = true;
    return done;
  }

  /** Statements that keep what did not meet expectations, for the transaction that wrote it; what refused a transaction is kept at the run's end. */
  unmetStatements(stage: string, unmet: readonly Unmet[]): string[] {
    return unmet.map(({ name, action, records }) =>
      this.spell(
        sql`INSERT INTO ${state.expectations} VALUES (${this.runId}, ${stage}, ${name}, ${action}, ${records})`,
      ),
    );
  }

  /** Keeps the run's figures, unless it found nothing to do, and forgets the changes that every stage has seen. */
  async close(): Promise<void> {
    const busy = this.result.stages.filter((s) => s.rows_in > 0 || s.rows_out > 0 || s.error !== undefined);
    if (!this.#begun && busy.length === 0) return;
    const error = this.result.stages.find((s) => s.error)?.error ?? null;
    const { changes, runs, stages, watermarks } = state;
    await this.#write(async () => {
      await this.execute([
        this.spell(
          sql`UPDATE ${runs} SET ended_at = ${timestamp(new Date())}, ok = ${this.result.ok}, error = ${error} WHERE run_id = ${this.runId}`,
        ),
        ...busy.map((s) =>
          this.spell(
            sql`INSERT INTO ${stages} VALUES (${this.runId}, ${s.name}, ${s.rows_in}, ${s.rows_out}, ${s.rows_quarantined}, ${s.seconds}, ${s.error ?? null})`,
          ),
        ),
        ...this.result.stages.flatMap((s) =>
          this.unmetStatements(s.name, s.unmet?.filter((u) => u.action === 'fail') ?? []),
        ),
        this.spell(
          sql`DELETE FROM ${changes} WHERE id <= (SELECT min(position) FROM ${watermarks} WHERE input = 'changes')`,
        ),
        this.spell(
          sql`DELETE FROM ${changes} WHERE EXISTS (SELECT 1 FROM ${changes} AS later WHERE later.relation = ${changes}.relation AND later.hour = ${changes}.hour AND later.id > ${changes}.id)`,
        ),
      ]);
    });
  }
}
