import Table from 'cli-table3';
import { printable } from '../sink/printable.ts';
import { type LakehouseOptions, openFor } from './reading.ts';

/** Prints what a run would do; with `sql` the statements too. */
export async function planVerb(
  options: LakehouseOptions & {
    readonly sql?: boolean;
    readonly full?: boolean;
    readonly select?: readonly string[];
    readonly since?: Date;
    readonly until?: Date;
  },
): Promise<void> {
  await using lake = await openFor(options, { readOnly: true });
  const planned = await lake.plan({
    sql: options.sql ?? false,
    full: options.full ?? false,
    ...(options.select ? { select: options.select } : {}),
    ...(options.since ? { since: options.since } : {}),
    ...(options.until ? { until: options.until } : {}),
  });
  if (options.json) {
    process.stdout.write(`${JSON.stringify(planned)}\n`);
    return;
  }
  if (options.sql) {
    for (const stage of planned.stages)
      for (const statement of stage.statements ?? [])
        process.stdout.write(`-- ${stage.name}: ${printable(stage.why)}\n${statement};\n\n`);
    return;
  }
  const table = new Table({ head: ['stage', 'would', 'why'], style: { head: [], border: [] } });
  for (const { name, action, why } of planned.stages) table.push([name, action, printable(why)]);
  process.stdout.write(`${table.toString()}\n${planned.files.new} new files, ${planned.files.unchanged} unchanged.\n`);
}
