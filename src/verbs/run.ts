import Table from 'cli-table3';
import { rows } from '../engine/engine.ts';
import { progressOn } from '../progress.ts';
import type { RunResult } from '../run.ts';
import { printable } from '../sink/printable.ts';
import { call, identifier, spell, sql } from '../sql/sql.ts';
import { type LakehouseOptions, openFor } from './reading.ts';

interface Options extends LakehouseOptions {
  readonly full?: boolean;
  readonly select?: readonly string[];
  readonly since?: Date;
  readonly until?: Date;
  readonly replay?: boolean;
  readonly logFormat?: 'text' | 'json';
}

const MOST_ALERTS = 40;

/** Runs the manifest with progress, or a log, on stderr and the figures on stdout; the exit code. */
export async function runVerb(options: Options): Promise<number> {
  const { full, select, since, until, replay } = options;
  const { onEvent, close } =
    options.logFormat === 'json' ? (await import('../log.ts')).logOn(process.stderr) : progressOn(process.stderr);
  await using lake = await openFor(options);
  const result = await lake
    .run({
      onEvent,
      ...(full ? { full } : {}),
      ...(select ? { select } : {}),
      ...(since ? { since } : {}),
      ...(until ? { until } : {}),
      ...(replay ? { replay } : {}),
    })
    .finally(close);
  if (options.json) process.stdout.write(`${JSON.stringify(shown(result))}\n`);
  else {
    process.stdout.write(`${stagesTable(result)}\n${summaryLine(result)}\n`);
    if (result.alerts.new > 0) process.stdout.write(`${await alertsTable(lake.engine, result)}\n`);
  }
  return result.ok ? 0 : 1;
}

const shown = ({ stages, ...rest }: RunResult) => ({
  ...rest,
  stages: stages.map(({ name, rows_in, rows_out, rows_quarantined, seconds, unmet, error }) => ({
    name,
    rows_in,
    rows_out,
    rows_quarantined,
    seconds,
    ...(unmet === undefined ? {} : { unmet }),
    ...(error === undefined ? {} : { error }),
  })),
});

function stagesTable({ stages }: RunResult): string {
  const busy = stages.filter((s) => s.rows_in + s.rows_out + s.rows_quarantined > 0 || s.error !== undefined);
  if (busy.length === 0) return 'Nothing new.';
  const table = new Table({
    head: ['stage', 'rows in', 'rows out', 'quarantined', 'seconds'],
    colAligns: ['left', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  const figures = (n: number): string => n.toLocaleString('en');
  for (const s of busy)
    table.push([
      s.error === undefined ? s.name : `${s.name} FAILED`,
      figures(s.rows_in),
      figures(s.rows_out),
      figures(s.rows_quarantined),
      s.seconds.toFixed(2),
    ]);
  return table.toString();
}

const outcomes = { warn: 'kept', drop: 'in quarantine', fail: 'refused' } as const;

function summaryLine({ files, alerts, stages }: RunResult): string {
  const severities = Object.entries(alerts.by_severity).map(([severity, n]) => `${n} ${severity}`);
  const failed = stages.filter((s) => s.error !== undefined).map((s) => `${s.name}: ${printable(s.error ?? '')}`);
  const unmet = stages.flatMap((s) =>
    (s.unmet ?? []).map((u) => `${s.name}: ${u.name} not met by ${u.records} records: ${outcomes[u.action]}`),
  );
  return [
    `Files: ${files.new} new, ${files.unchanged} unchanged, ${files.failed} failed. New alerts: ${alerts.new}${severities.length > 0 ? ` (${severities.join(', ')})` : ''}.`,
    ...unmet,
    ...failed,
  ].join('\n');
}

async function alertsTable(engine: Parameters<typeof rows>[0], result: RunResult): Promise<string> {
  const alerts = await rows<Record<string, unknown>>(
    engine,
    spell(
      sql`SELECT ${call((f) => f.millisOfTimestamp(identifier('time')))} AS raised, severity, rule, coalesce(user_name, src_ip, instance_uid) AS who,
        coalesce(resource_name, resource_uid, dst_ip, instance_uid) AS what, CAST(events AS STRING) AS events
        FROM gold.alerts ORDER BY severity_id DESC NULLS LAST, raised NULLS LAST, uid NULLS LAST LIMIT ${MOST_ALERTS}`,
      engine.dialect,
    ),
  );
  const table = new Table({
    head: ['time (UTC)', 'severity', 'rule', 'who', 'what', 'events'],
    style: { head: [], border: [] },
    colWidths: [21, 10, 32, 26, 36, 8],
    wordWrap: false,
  });
  for (const a of alerts)
    table.push([
      new Date(Number(a.raised)).toISOString().slice(0, 19).replace('T', ' '),
      ...['severity', 'rule', 'who', 'what', 'events'].map((k) => printable(String(a[k] ?? ''))),
    ]);
  const more = result.alerts.new > alerts.length ? `\n… more in gold.alerts` : '';
  return `${table.toString()}${more}`;
}
