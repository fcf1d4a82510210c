import Table from 'cli-table3';
import { doctor } from '../index.ts';
import { printable } from '../sink/printable.ts';
import type { LakehouseOptions } from './reading.ts';

/** Prints what a run depends on and what to do about what is missing; the exit code. */
export async function doctorVerb({ manifest, target, json }: LakehouseOptions): Promise<number> {
  const diagnosis = await doctor(manifest, target === undefined ? {} : { target });
  if (json) process.stdout.write(`${JSON.stringify(diagnosis)}\n`);
  else {
    const table = new Table({ head: ['', 'check', 'found'], style: { head: [], border: [] } });
    for (const { name, ok, found } of diagnosis.checks) table.push([ok ? 'ok' : 'NO', name, printable(found)]);
    process.stdout.write(`${table.toString()}\n`);
    for (const { name, advice } of diagnosis.checks)
      if (advice) process.stdout.write(`${name}: ${advice.split('\n').map(printable).join('\n')}\n`);
  }
  return diagnosis.ok ? 0 : 1;
}
