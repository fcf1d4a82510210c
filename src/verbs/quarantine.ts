import Table from 'cli-table3';
import { UserError } from '../errors.ts';
import type { Quarantined } from '../quarantine.ts';
import { printable } from '../sink/printable.ts';
import { type LakehouseOptions, openFor } from './reading.ts';
import { runVerb } from './run.ts';

interface Options extends LakehouseOptions {
  readonly source?: string;
  readonly reason?: string;
  readonly limit: number;
  readonly show?: number;
  readonly replay?: boolean;
}

const SHOWN = 60;

/** Lists what is in quarantine, shows one record of it, or takes all of it in again; the exit code. */
export async function quarantineVerb(options: Options): Promise<number> {
  if (options.replay) return runVerb({ ...options, replay: true });
  await using lake = await openFor(options, { readOnly: true });
  const found = await lake.quarantine({
    ...(options.source === undefined ? {} : { source: options.source }),
    ...(options.reason === undefined ? {} : { reason: options.reason }),
    limit: Math.max(options.limit, options.show ?? 0),
  });
  if (options.show !== undefined) return show(found, options.show, options.json ?? false);
  if (options.json) {
    process.stdout.write(`${JSON.stringify(found)}\n`);
    return 0;
  }
  if (found.length === 0) {
    process.stdout.write('Nothing is in quarantine.\n');
    return 0;
  }
  const table = new Table({
    head: ['', 'source', 'file', 'position', 'reason', 'text'],
    style: { head: [], border: [] },
  });
  for (const [i, { source, file, position, reason, text }] of found.entries())
    table.push([i + 1, source, printable(file), position, printable(reason), printable(text.slice(0, SHOWN))]);
  process.stdout.write(`${table.toString()}\n`);
  return 0;
}

function show(found: readonly Quarantined[], n: number, json: boolean): number {
  const one = found[n - 1];
  if (!one) throw new UserError(`--show ${n}: there are only ${found.length} records in quarantine`);
  if (json) process.stdout.write(`${JSON.stringify(one)}\n`);
  else
    process.stdout.write(
      `${printable(one.file)}, record ${one.position}, ${one.at}, run ${one.run_id}\n${printable(one.reason)}\n${printable(one.text)}\n`,
    );
  return 0;
}
