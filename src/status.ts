import { expectationsOf, type Otherwise } from './bronze/expectations.ts';
import { newFields } from './bronze/shape.ts';
import { type Engine, rows } from './engine/engine.ts';
import type { Detection } from './gold/detection.ts';
import { detections } from './gold/index.ts';
import type { Manifest } from './manifest.ts';
import { pipelineOf, state } from './plan.ts';
import { silverExpectations } from './silver/expectations.ts';
import { call, identifier, join, literal, type Sql, spell, sql } from './sql/sql.ts';
import type { BronzeStage, SilverStage } from './stage.ts';

/** How a source stands. Times are ISO 8601; `lag_seconds` is from the newest event to now. */
export interface SourceStatus {
  readonly source: string;
  readonly files: number;
  readonly failed_files: number;
  readonly records: number;
  readonly stored: number;
  readonly duplicates: number;
  /** records = stored + duplicates + quarantined + ignored, over all readings of all files. */
  readonly quarantined: number;
  readonly ignored: number;
  /** Records that are in quarantine now: a file that is read again takes its own out first. */
  readonly in_quarantine: number;
  /** Events that share an id and differ in content; each is kept. */
  readonly conflicts: number;
  readonly newest_event: string | null;
  readonly lag_seconds: number | null;
}

/** A run of the past. */
export interface PastRun {
  readonly run_id: string;
  readonly version: string;
  readonly started_at: string;
  /** Null, like `ok`, of a run that was cut off, or that is at work. */
  readonly seconds: number | null;
  readonly ok: boolean | null;
  readonly error: string | null;
}

/** An expectation that records do not meet: kept in the table ('warn'), in quarantine ('drop'), or refused by the last run ('fail'). */
export interface UnmetNow {
  readonly stage: string;
  readonly name: string;
  readonly action: Otherwise;
  readonly records: number;
}

/** A field that no mapping can know; `field` is a dotted path, `example` its value in one record, cut to 100 characters. */
export interface NewField {
  readonly source: string;
  readonly field: string;
  readonly records: number;
  readonly example: string | null;
}

/** The state of a lakehouse. */
export interface Status {
  readonly runs: readonly PastRun[];
  readonly sources: readonly SourceStatus[];
  readonly tables: readonly { readonly table: string; readonly rows: number }[];
  readonly quarantine: readonly { readonly source: string; readonly reason: string; readonly records: number }[];
  readonly expectations: readonly UnmetNow[];
  /** Fields that logs hold and their sources do not declare, those in most records first, at most 20 of a source. */
  readonly new_fields: readonly NewField[];
  readonly alerts: readonly { readonly rule: string; readonly severity: string; readonly alerts: number }[];
  /** Rules whose logs never arrived: they are idle, not quiet. */
  readonly idle_rules: readonly { readonly rule: string; readonly requires: string }[];
}

const RUNS = 10;
const MOST_FIELDS = 20;
const MOST_REASONS = 100;

type Read = <T extends Record<string, unknown>>(statement: Sql) => Promise<T[]>;

/** Counted in the tables as they stand, so that no event counts twice however often it was delivered or computed again. */
async function unmetNow(
  read: Read,
  bronze: readonly BronzeStage[],
  silver: readonly SilverStage[],
): Promise<UnmetNow[]> {
  const countings: { readonly of: Omit<UnmetNow, 'records'>; readonly counting: Sql }[] = [];
  const add = (stage: string, name: string, action: Otherwise, counting: Sql): void => {
    countings.push({ of: { stage, name, action }, counting });
  };
  const inQuarantine = (reason: string, source: Sql): Sql =>
    sql`SELECT count(*) AS records FROM ${state.quarantine} WHERE ${source} AND (reason = ${reason} OR ${call((f) => f.startsWith(sql`reason`, literal(`${reason}: `)))})`;
  const refused = (stage: string, name: string): Sql =>
    sql`SELECT CAST(sum(records) AS BIGINT) AS records FROM ${state.expectations} WHERE stage = ${stage} AND name = ${name} AND action = 'fail'
    AND run_id = (SELECT max_by(r.run_id, r.started_at) FROM ${state.runs} AS r JOIN ${state.stages} AS s ON s.run_id = r.run_id WHERE s.name = ${stage})`;
  for (const { name: stage, source } of bronze)
    for (const { name, holds, reason } of expectationsOf(source.source)) {
      add(stage, name, 'warn', sql`SELECT count(*) AS records FROM ${source} WHERE NOT coalesce(${holds}, FALSE)`);
      add(stage, name, 'drop', inQuarantine(reason, sql`source = ${source.source}`));
      add(stage, name, 'fail', refused(stage, name));
    }
  for (const { name: stage, class: ocsf, table } of silver)
    for (const { name, holds, reason } of silverExpectations) {
      add(
        stage,
        name,
        'warn',
        sql`SELECT count(*) AS records FROM ${{ name: stage }} WHERE NOT coalesce(${holds(ocsf, table)}, FALSE)`,
      );
      add(stage, name, 'drop', inQuarantine(`${stage}: ${reason}`, sql`TRUE`));
      add(stage, name, 'fail', refused(stage, name));
    }
  const counted = await read<{ n: number; records: bigint | null }>(
    join(
      countings.map(({ counting }, n) => sql`SELECT ${n} AS n, records FROM (${counting}) AS ${identifier(`c${n}`)}`),
      sql` UNION ALL `,
    ),
  );
  const records = new Map(counted.map((row) => [Number(row.n), Number(row.records ?? 0)]));
  return countings.flatMap(({ of }, n) => {
    const found = records.get(n) ?? 0;
    return found > 0 ? [{ ...of, records: found }] : [];
  });
}

/** Reads the state of a lakehouse; empty before its first run. */
export async function statusOf(manifest: Manifest, engine: Engine, now: Date = new Date()): Promise<Status> {
  const read: Read = (statement) => rows(engine, spell(statement, engine.dialect));
  const there = new Set(await engine.tables());
  if (!there.has(state.files.name))
    return {
      runs: [],
      sources: [],
      tables: [],
      quarantine: [],
      expectations: [],
      new_fields: [],
      alerts: [],
      idle_rules: [],
    };
  const pipeline = pipelineOf(manifest);
  const millis = (column: Sql): Sql => call((f) => f.millisOfTimestamp(column));
  const past = await read<{
    run_id: string;
    version: string;
    started: bigint;
    ended: bigint | null;
    ok: boolean | null;
    error: string | null;
  }>(
    sql`SELECT run_id, version, ${millis(sql`started_at`)} AS started, ${millis(sql`ended_at`)} AS ended, ok, error FROM ${state.runs} ORDER BY started DESC NULLS LAST LIMIT ${RUNS}`,
  );
  const sources: SourceStatus[] = [];
  for (const { source, name } of pipeline.bronze) {
    if (!there.has(name)) continue;
    const [files] = await read<Record<string, bigint | null>>(
      sql`SELECT count(DISTINCT path) AS files, count(*) FILTER (WHERE status = 'failed') AS failed, sum(records) AS records, sum(stored) AS stored,
        sum(duplicates) AS duplicates, sum(quarantined) AS quarantined, sum(ignored) AS ignored,
        (SELECT count(*) FROM ${state.quarantine} WHERE source = ${source.source}) AS in_quarantine FROM ${state.files} WHERE source = ${source.source}`,
    );
    const [events] = await read<{ newest: bigint | null; conflicts: bigint }>(
      sql`SELECT (SELECT max(time) FROM ${source}) AS newest, (SELECT count(*) FROM (SELECT uid FROM ${source} WHERE hash IS NOT NULL GROUP BY uid HAVING count(*) > 1) AS twice) AS conflicts`,
    );
    const newest = events?.newest === null || events?.newest === undefined ? null : Number(events.newest);
    const count = (key: string): number => Number(files?.[key] ?? 0);
    sources.push({
      source: source.source,
      files: count('files'),
      failed_files: count('failed'),
      records: count('records'),
      stored: count('stored'),
      duplicates: count('duplicates'),
      quarantined: count('quarantined'),
      ignored: count('ignored'),
      in_quarantine: count('in_quarantine'),
      conflicts: Number(events?.conflicts ?? 0),
      newest_event: newest === null ? null : new Date(newest).toISOString(),
      lag_seconds: newest === null ? null : Math.round((now.getTime() - newest) / 1000),
    });
  }
  const names = [...pipeline.silver.map((s) => s.name), ...new Set(pipeline.ranges.map((s) => s.table.name))].filter(
    (name) => there.has(name),
  );
  const counted = await read<{ table: string; rows: bigint }>(
    join(
      names.map(
        (name) =>
          sql`SELECT ${name} AS ${{ parts: [{ kind: 'identifier', names: ['table'] }] }}, count(*) AS rows FROM ${{ name }}`,
      ),
      sql` UNION ALL `,
    ),
  );
  const quarantine = await read<{ source: string; reason: string; records: bigint }>(
    sql`SELECT source, reason, count(*) AS records FROM ${state.quarantine} GROUP BY source, reason ORDER BY records DESC NULLS LAST, source NULLS LAST, reason NULLS LAST LIMIT ${MOST_REASONS}`,
  );
  const bronze = pipeline.bronze.filter((stage) => there.has(stage.name));
  const fields: NewField[] = [];
  for (const { source } of there.has(state.shapes.name) ? bronze : [])
    for (const { field, records, example } of await read<{ field: string; records: bigint; example: string | null }>(
      newFields(source, MOST_FIELDS),
    ))
      fields.push({ source: source.source, field, records: Number(records), example });
  const alerts = await read<{ rule: string; severity: string; alerts: bigint }>(
    sql`SELECT finding_info.analytic.name AS rule, severity, count(*) AS alerts FROM gold.findings GROUP BY ALL ORDER BY alerts DESC NULLS LAST, rule NULLS LAST`,
  );
  const rowsOf = new Map(counted.map((t) => [t.table, Number(t.rows)]));
  const raised = new Set(alerts.map((a) => a.rule));
  const idle = pipeline.ranges
    .map((stage) => detections.find((d) => d.name === stage.name))
    .filter(
      (d): d is Detection =>
        d !== undefined && !raised.has(d.rule.name) && d.inputs.every((i) => (rowsOf.get(i.name) ?? 0) === 0),
    );
  return {
    runs: past.map(({ run_id, version, started, ended, ok, error }) => ({
      run_id,
      version,
      started_at: new Date(Number(started)).toISOString(),
      seconds: ended === null ? null : (Number(ended) - Number(started)) / 1000,
      ok,
      error,
    })),
    sources,
    tables: counted.map((t) => ({ table: t.table, rows: Number(t.rows) })),
    quarantine: quarantine.map((q) => ({ ...q, records: Number(q.records) })),
    expectations: await unmetNow(
      read,
      bronze,
      pipeline.silver.filter((stage) => there.has(stage.name)),
    ),
    new_fields: fields,
    alerts: alerts.map((a) => ({ ...a, alerts: Number(a.alerts) })),
    idle_rules: idle.map((d) => ({ rule: d.rule.name, requires: d.rule.requires })),
  };
}
