import { expectationsOf } from './bronze/expectations.ts';
import { grouped, inspect, isOdd, listFiles, type NewFile } from './bronze/files.ts';
import { arrivedOf, readTable, readTexts } from './bronze/texts.ts';
import { carriedRecords } from './carried.ts';
import { type Engine, rows } from './engine/engine.ts';
import { changedFiles } from './ledger.ts';
import type { Manifest, SourceSettings } from './manifest.ts';
import { filesHere, placeOf, remoteFiles } from './place.ts';
import {
  allStages,
  arrivalStatements,
  EVER,
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
import { backfillOf } from './run.ts';
import { ROUTED } from './silver/mapping.ts';
import { duckdb } from './sql/duckdb.ts';
import { list, spell, sql, verbatim } from './sql/sql.ts';
import { arrival, arriveStatements, newFiles, tableHours, tableRows, textsOf, watermarkOf } from './streamed.ts';

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

/** Stands for the batch that a run would write. */
const NO_BATCH = { id: 0, runId: ':run_id', at: new Date(0) };

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
  const reading = dialect.files === 'read' ? dialect : duckdb;
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
    const settings = manifest.bronze[stage.source.source] as SourceSettings;
    const { source } = stage.source;
    const place = placeOf(settings);
    const here = filesHere(source, settings, dialect);
    if (here) {
      const listed = await listFiles(source, here, settings.optional ?? false, manifest.folder);
      const fresh = there.has(state.files.name) ? await changedFiles(engine, source, listed) : listed;
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
          ).flatMap((group) => arrivalStatements(stage, group, NO_BATCH, reading)),
          ...(dialect.files === 'read' ? [] : carriedRecords(stage, ':records', undefined, dialect)),
        ],
      );
      continue;
    }
    const steps = arrival(stage, NO_BATCH, expectationsOf(source, settings.expect), dialect);
    const rest = [...steps.rememberShapes, ...steps.refuse, ...steps.toQuarantine, ...steps.intoBronze(undefined)];
    if (place.kind === 'table') {
      const [mark] = await known<{ position: bigint | null }>(
        state.watermarks,
        watermarkOf(stage, place.table, dialect),
      );
      const from = mark?.position == null ? EVER.from : Number(mark.position) - place.lookback;
      const [found] = await rows<{ n: bigint | null }>(
        engine,
        spell(
          sql`SELECT CAST(sum(n) AS BIGINT) AS n FROM (${verbatim(tableHours(place.table, from, dialect))}) AS hours`,
          dialect,
        ),
      );
      const n = Number(found?.n ?? 0);
      const span =
        from === EVER.from ? '' : ` from ${moment(from)}, which look back ${place.lookback / 3_600_000} hours`;
      add({ name: stage.name, action: n > 0 ? 'merge' : 'nothing', why: `${n} rows of ${place.table}${span}` }, () => [
        steps.clear,
        ...steps.readNew(
          place.table,
          readTable(stage.source, place.table, tableRows(place.table, from, EVER.until)),
          from,
          EVER.until,
        ),
        ...rest,
      ]);
      continue;
    }
    const arrived = arrivedOf(stage.source, place.paths);
    const begun = arrived.filter((one) => there.has(one.listing.name) && there.has(one.files.name));
    const waiting =
      begun.length > 0 && there.has(state.files.name) ? await rows(engine, newFiles(begun, false, dialect)) : [];
    files.new += waiting.length;
    add(
      {
        name: stage.name,
        action: 'append',
        why:
          begun.length < arrived.length
            ? 'what lies there, which nothing has read yet'
            : `${waiting.length} files that arrived and wait, and those that are new since`,
      },
      () => [
        ...arrived.flatMap((one) => arriveStatements(one, remoteFiles(source, one.path))),
        newFiles(arrived, false, dialect),
        steps.clear,
        ...steps.read(readTexts(stage.source, textsOf(arrived, []), undefined)),
        ...rest,
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
