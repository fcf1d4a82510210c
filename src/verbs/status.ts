import Table from 'cli-table3';
import { formatDuration, intervalToDuration } from 'date-fns';
import { printable } from '../sink/printable.ts';
import { type LakehouseOptions, openFor } from './reading.ts';

const lag = (seconds: number | null): string =>
  seconds === null
    ? ''
    : formatDuration(intervalToDuration({ start: 0, end: Math.max(0, seconds) * 1000 }), {
        format: ['years', 'months', 'days', 'hours', 'minutes'],
      }) || 'under a minute';

const outcome = (ok: boolean | null): string => (ok === null ? 'cut off' : ok ? 'yes' : 'no');

function table(head: string[], lines: (string | number | null)[][]): string {
  const drawn = new Table({ head, style: { head: [], border: [] } });
  for (const line of lines) drawn.push(line.map((cell) => printable(String(cell ?? ''))));
  return lines.length === 0 ? '(none)' : drawn.toString();
}

/** Prints how the lakehouse stands. */
export async function statusVerb(options: LakehouseOptions): Promise<void> {
  await using lake = await openFor(options, { readOnly: true });
  const status = await lake.status();
  if (options.json) {
    process.stdout.write(`${JSON.stringify(status)}\n`);
    return;
  }
  const parts: [string, string][] = [
    [
      'Runs',
      table(
        ['started', 'seconds', 'ok', 'version', 'error'],
        status.runs.map((r) => [r.started_at, r.seconds, outcome(r.ok), r.version, r.error]),
      ),
    ],
    [
      'Sources',
      table(
        [
          'source',
          'files',
          'failed',
          'records',
          'stored',
          'duplicates',
          'quarantined',
          'still in it',
          'ignored',
          'conflicts',
          'newest event',
          'lag',
        ],
        status.sources.map((s) => [
          s.source,
          s.files,
          s.failed_files,
          s.records,
          s.stored,
          s.duplicates,
          s.quarantined,
          s.in_quarantine,
          s.ignored,
          s.conflicts,
          s.newest_event,
          lag(s.lag_seconds),
        ]),
      ),
    ],
    [
      'Tables',
      table(
        ['table', 'rows'],
        status.tables.map((t) => [t.table, t.rows]),
      ),
    ],
    [
      'Quarantine',
      table(
        ['source', 'reason', 'records'],
        status.quarantine.map((q) => [q.source, q.reason, q.records]),
      ),
    ],
    [
      'Expectations that were not met',
      table(
        ['stage', 'expectation', 'action', 'records'],
        status.expectations.map((e) => [e.stage, e.name, e.action, e.records]),
      ),
    ],
    [
      'New fields: logs hold them, their sources do not declare them',
      table(
        ['source', 'field', 'records', 'example'],
        status.new_fields.map((f) => [f.source, f.field, f.records, f.example]),
      ),
    ],
    [
      'Alerts',
      table(
        ['rule', 'severity', 'alerts'],
        status.alerts.map((a) => [a.rule, a.severity, a.alerts]),
      ),
    ],
    [
      'Idle rules: their logs never arrived',
      table(
        ['rule', 'requires'],
        status.idle_rules.map((r) => [r.rule, r.requires]),
      ),
    ],
  ];
  process.stdout.write(`${parts.map(([title, text]) => `${title}\n${text}`).join('\n\n')}\n`);
}
