import Table from 'cli-table3';
import { parseJson } from '../../ocsf/json.ts';
import { validateEvent } from '../../ocsf/validate.ts';
import { UserError } from '../errors.ts';
import { holdsEvents } from '../silver/class.ts';
import { printable } from '../sink/printable.ts';
import { writeRows } from '../sink/sink.ts';
import { identifier, spell, sql } from '../sql/sql.ts';
import { type LakehouseOptions, openFor } from './reading.ts';

interface Found {
  readonly table: string;
  readonly level: string;
  readonly kind: string;
  readonly path: string;
  readonly message: string;
  events: number;
}

/** Checks every row of the silver tables and the findings; exit code 1 when one has an error. */
export async function validateVerb(
  options: LakehouseOptions & { readonly lint?: boolean; readonly table?: readonly string[] },
): Promise<number> {
  await using lake = await openFor(options, { readOnly: true, mustExist: true });
  const all = (await lake.engine.tables()).filter(holdsEvents);
  const wrong = options.table?.find((name) => !all.includes(name));
  if (wrong !== undefined) throw new UserError(`--table ${wrong}: there is no such table; valid: ${all.join(', ')}`);
  const problems = new Map<string, Found>();
  const tables: { table: string; events: number; errors: number; warnings: number }[] = [];
  for (const table of options.table ?? all) {
    const counts = { table, events: 0, errors: 0, warnings: 0 };
    let rest = '';
    const check = (line: string): void => {
      if (line === '') return;
      counts.events += 1;
      for (const { level, kind, path, message } of validateEvent(parseJson(line), { lint: options.lint ?? false })) {
        if (level === 'error') counts.errors += 1;
        else counts.warnings += 1;
        const key = JSON.stringify([table, kind, path]);
        const found = problems.get(key) ?? { table, level, kind, path, message, events: 0 };
        found.events += 1;
        problems.set(key, found);
      }
    };
    const decoder = new TextDecoder();
    const lines = {
      write: async (chunk: Uint8Array | string): Promise<void> => {
        const parts = (rest + (typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true }))).split(
          '\n',
        );
        rest = parts.pop() ?? '';
        for (const line of parts) check(line);
      },
      close: async (): Promise<void> => check(rest),
    };
    const rows = lake.query(spell(sql`SELECT * FROM ${identifier(...table.split('.'))}`, lake.engine.dialect));
    await writeRows(rows, 'ndjson', lines, { omitNull: true });
    tables.push(counts);
  }
  const errors = tables.reduce((sum, t) => sum + t.errors, 0);
  if (options.json)
    process.stdout.write(`${JSON.stringify({ ok: errors === 0, tables, problems: [...problems.values()] })}\n`);
  else {
    const drawn = new Table({ head: ['table', 'events', 'errors', 'warnings'], style: { head: [], border: [] } });
    for (const t of tables) drawn.push([t.table, t.events, t.errors, t.warnings]);
    process.stdout.write(`${drawn.toString()}\n`);
    for (const p of problems.values())
      process.stdout.write(
        `${p.level}: ${p.table} ${p.path}: ${p.kind} in ${p.events} events: ${printable(p.message)}\n`,
      );
  }
  return errors === 0 ? 0 : 1;
}
