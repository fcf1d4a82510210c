import { grouped, inspect, isOdd, listFiles, type NewFile } from './bronze/files.ts';
import { type Engine, rows } from './engine/engine.ts';
import type { FileSettings, Manifest } from './manifest.ts';
import {
  allStages,
  arrivalStatements,
  feedStatements,
  ownRows,
  pipelineOf,
  rangeRows,
  routeStatement,
  selected,
  state,
  touched,
} from './plan.ts';
import { join, literal, spell, sql } from './sql/sql.ts';

/** What a plan looks at. */
export interface PlanOptions {
  readonly select?: readonly string[];
  readonly full?: boolean;
  /** Also spell the statements. */
  readonly sql?: boolean;
}

/** What a run would do with one stage, and why. */
export interface PlannedStage {
  readonly name: string;
  readonly action: 'nothing' | 'append' | 'merge' | 'replace' | 'rebuild' | 'create view';
  readonly why: string;
  readonly statements?: readonly string[];
}

/** What a run would do. */
export interface Planned {
  readonly stages: readonly PlannedStage[];
  readonly files: { readonly new: number; readonly unchanged: number };
}

/** What a run would do and why; writes nothing. Of stages whose input is still to come it shows the statements with `:from` and `:until`. */
export async function planOf(manifest: Manifest, engine: Engine, options: PlanOptions = {}): Promise<Planned> {
  const pipeline = pipelineOf(manifest);
  const { dialect } = engine;
  const wanted = options.select ? selected(pipeline, options.select) : new Set(allStages(pipeline).map((s) => s.name));
  const there = await rows<{ name: string }>(
    engine,
    `SELECT table_schema || '.' || table_name AS name FROM information_schema.tables`,
  ).then((found) => new Set(found.map((t) => t.name)));
  const known = async <T extends Record<string, unknown>>(table: { name: string }, statement: string): Promise<T[]> =>
    there.has(table.name) ? rows<T>(engine, statement) : [];
  const definitions = new Map(
    (
      await known<{ stage: string; hash: string }>(
        state.definitions,
        spell(sql`SELECT stage, hash FROM ${state.definitions}`, dialect),
      )
    ).map((d) => [d.stage, d.hash]),
  );
  const stages: PlannedStage[] = [];
  const changed = new Set<string>();
  const files = { new: 0, unchanged: 0 };
  const add = (stage: Omit<PlannedStage, 'statements'>, statements: () => string[]): void => {
    if (stage.action !== 'nothing') changed.add(stage.name);
    stages.push({ ...stage, ...(options.sql && stage.action !== 'nothing' ? { statements: statements() } : {}) });
  };

  for (const stage of pipeline.bronze) {
    if (!wanted.has(stage.name)) continue;
    const settings = manifest.bronze[stage.source.source] as FileSettings;
    const listed = await listFiles(stage.source.source, settings, manifest.folder);
    const ledger = new Map(
      (
        await known<{ path: string; size: bigint; mtime: bigint }>(
          state.files,
          spell(
            sql`SELECT path, size, mtime FROM ${state.files} WHERE source = ${stage.source.source} AND status <> 'failed' ORDER BY batch NULLS LAST`,
            dialect,
          ),
        )
      ).map((f) => [f.path, f]),
    );
    const fresh = listed.filter((f) => {
      const before = ledger.get(f.path);
      return !before || Number(before.size) !== f.size || Number(before.mtime) !== f.mtime;
    });
    files.new += fresh.length;
    files.unchanged += listed.length - fresh.length;
    const bytes = fresh.reduce((sum, f) => sum + f.size, 0);
    const inspected = options.sql ? (await inspect(fresh)).filter((f): f is NewFile => !('error' in f)) : [];
    add(
      {
        name: stage.name,
        action: fresh.length > 0 ? 'append' : 'nothing',
        why:
          fresh.length > 0
            ? `${fresh.length} new or changed files, ${bytes} bytes`
            : `${listed.length} files unchanged`,
      },
      () =>
        grouped(
          inspected.filter((f) => !isOdd(f, stage.source.content)),
          undefined,
        ).flatMap((group) => arrivalStatements(stage, group, { id: 0, runId: ':run_id', at: new Date(0) }, dialect)),
    );
  }
  for (const stage of pipeline.silver) {
    if (!wanted.has(stage.name)) continue;
    const rebuild = options.full === true || definitions.get(stage.name) !== stage.hash;
    const fed = stage.inputs.filter((input) => changed.has(input.name));
    const first = !definitions.has(stage.name);
    add(
      {
        name: stage.name,
        action: rebuild ? 'rebuild' : fed.length > 0 ? 'merge' : 'nothing',
        why: rebuild
          ? first
            ? 'never filled'
            : options.full
              ? '--full'
              : 'its mapping changed'
          : fed.length > 0
            ? `new rows in ${fed.map((f) => f.name).join(', ')}`
            : 'nothing new in its sources',
      },
      () =>
        stage.feeds.flatMap((feed) => {
          const bronze = pipeline.bronze.find((b) => b.source === feed.source);
          return bronze
            ? [routeStatement(bronze, 0, 0, dialect), ...feedStatements(stage, feed.source.source, dialect)]
            : [];
        }),
    );
  }
  for (const stage of pipeline.ranges) {
    if (!wanted.has(stage.name)) continue;
    const rebuild = options.full === true || definitions.get(stage.name) !== stage.hash;
    const fed = stage.inputs.filter((input) => changed.has(input.name));
    const waiting = await known<{ hour: bigint }>(
      state.changes,
      spell(
        sql`SELECT DISTINCT hour FROM ${state.changes} WHERE relation IN (${join(
          stage.inputs.map((i) => literal(i.name)),
          sql`, `,
        )}) AND id > (SELECT coalesce(max(position), 0) FROM ${state.watermarks} WHERE stage = ${stage.name} AND input = 'changes')`,
        dialect,
      ),
    );
    const ranges = rebuild
      ? 'all'
      : fed.length > 0 || waiting.length === 0
        ? undefined
        : touched(
            waiting.map((w) => Number(w.hour)),
            stage,
          );
    const action = rebuild ? 'rebuild' : fed.length > 0 || waiting.length > 0 ? 'replace' : 'nothing';
    add(
      {
        name: stage.name,
        action,
        why: rebuild
          ? definitions.has(stage.name)
            ? options.full
              ? '--full'
              : 'it or its input changed its definition'
            : 'never filled'
          : fed.length > 0
            ? `the hours that new rows of ${fed.map((f) => f.name).join(', ')} touch`
            : waiting.length > 0
              ? `${waiting.length} hours changed`
              : 'nothing new in its inputs',
      },
      () => dialect.replace(stage.table, ownRows(stage, ranges), rangeRows(stage, ranges, dialect)),
    );
  }
  for (const stage of pipeline.views) {
    if (!wanted.has(stage.name)) continue;
    const same = definitions.get(stage.name) === stage.hash;
    add(
      { name: stage.name, action: same ? 'nothing' : 'create view', why: same ? 'unchanged' : 'new or changed' },
      () => [dialect.createView(stage.name, stage.select)],
    );
  }
  return { stages, files };
}
