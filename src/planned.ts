import { grouped, inspect, isOdd, listFiles, type NewFile } from './bronze/files.ts';
import { carriedRecords } from './carried.ts';
import { type Engine, rows } from './engine/engine.ts';
import { changedFiles } from './ledger.ts';
import type { FileSettings, Manifest } from './manifest.ts';
import {
  allStages,
  arrivalStatements,
  feedStatements,
  ownRows,
  pipelineOf,
  type Range,
  rangeRows,
  routedRows,
  selected,
  state,
  touched,
} from './plan.ts';
import { backfillOf, EVER } from './run.ts';
import { ROUTED } from './silver/mapping.ts';
import { duckdb } from './sql/duckdb.ts';
import { list, spell, sql } from './sql/sql.ts';

/** What a plan looks at. */
export interface PlanOptions {
  readonly select?: readonly string[];
  readonly full?: boolean;
  readonly since?: Date;
  readonly until?: Date;
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

const moment = (millis: number): string => new Date(millis).toISOString().replace(/:00\.000Z$/, 'Z');
const shown = ({ from, until }: Range): string =>
  [from > EVER.from ? `from ${moment(from)}` : '', until < EVER.until ? `until ${moment(until)}` : '']
    .filter(Boolean)
    .join(' ');

/** What a run would do and why; writes nothing. Of stages whose input is still to come it shows the statements with `:from` and `:until`. */
export async function planOf(manifest: Manifest, engine: Engine, options: PlanOptions = {}): Promise<Planned> {
  const pipeline = pipelineOf(manifest);
  const { dialect } = engine;
  /** Files are read by an embedded DuckDB where the engine does not read them. */
  const reading = dialect.readsFiles ? dialect : duckdb;
  const backfill = backfillOf(options);
  const wanted = options.select ? selected(pipeline, options.select) : new Set(allStages(pipeline).map((s) => s.name));
  const there = new Set(await engine.tables());
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

  const extent = async (table: string): Promise<string> => {
    const [rowsOf] = await known<{ n: bigint; least: bigint | null; most: bigint | null }>(
      { name: table },
      spell(sql`SELECT count(*) AS n, min(time) AS least, max(time) AS most FROM ${{ name: table }}`, dialect),
    );
    if (!rowsOf || rowsOf.least === null || rowsOf.most === null) return '';
    return `: ${rowsOf.n} rows ${shown({ from: Number(rowsOf.least), until: Number(rowsOf.most) })}`;
  };

  for (const stage of pipeline.bronze) {
    if (!wanted.has(stage.name)) continue;
    const settings = manifest.bronze[stage.source.source] as FileSettings;
    const listed = await listFiles(stage.source.source, settings, manifest.folder);
    const fresh = there.has(state.files.name) ? await changedFiles(engine, stage.source.source, listed) : listed;
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
      () => [
        ...grouped(
          inspected.filter((f) => !isOdd(f, stage.source.content)),
          undefined,
        ).flatMap((group) => arrivalStatements(stage, group, { id: 0, runId: ':run_id', at: new Date(0) }, reading)),
        ...(dialect.readsFiles ? [] : carriedRecords(stage, ':records', undefined, dialect)),
      ],
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
        action: rebuild ? 'rebuild' : backfill ? 'replace' : fed.length > 0 ? 'merge' : 'nothing',
        why: rebuild
          ? first
            ? 'never filled'
            : `${options.full ? '--full' : 'its mapping changed'}${await extent(stage.table.name)}`
          : backfill
            ? `the events ${shown(backfill)}${fed.length > 0 ? ', and new rows' : ''}`
            : fed.length > 0
              ? `new rows in ${fed.map((f) => f.name).join(', ')}`
              : 'nothing new in its sources',
      },
      () =>
        stage.feeds.flatMap((feed) => {
          const bronze = pipeline.bronze.find((b) => b.source === feed.source);
          return bronze
            ? [
                ...dialect.keep(ROUTED, routedRows([{ stage: bronze, from: 0, until: 0 }])),
                ...feedStatements(stage, feed.source.source, dialect),
              ]
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
        sql`SELECT DISTINCT hour FROM ${state.changes} WHERE relation IN (${list(stage.inputs.map((i) => i.name))})
          AND id > (SELECT coalesce(max(position), 0) FROM ${state.watermarks} WHERE stage = ${stage.name} AND input = 'changes')`,
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
    const due = fed.length > 0 || waiting.length > 0 || backfill !== undefined;
    const action = rebuild ? 'rebuild' : due ? 'replace' : 'nothing';
    add(
      {
        name: stage.name,
        action,
        why: rebuild
          ? definitions.has(stage.name)
            ? `${options.full ? '--full' : 'it or its input changed its definition'}${await extent(stage.table.name)}`
            : 'never filled'
          : backfill
            ? `the events ${shown(backfill)}, and what they touch`
            : fed.length > 0
              ? `the hours that new rows of ${fed.map((f) => f.name).join(', ')} touch`
              : waiting.length > 0
                ? `${waiting.length} hours changed${ranges && ranges !== 'all' ? `, so ${ranges.map(shown).join(', ')}` : ''}`
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
