import { extname } from 'node:path';
import { UserError } from '../errors.ts';
import type { Lakehouse } from '../index.ts';
import { holdsEvents } from '../silver/class.ts';
import { type Format, fileOutput, formats, type Output, stdoutOutput, writeRows } from '../sink/sink.ts';
import { identifier, spell, sql } from '../sql/sql.ts';
import { type LakehouseOptions, openFor } from './reading.ts';

interface Options extends LakehouseOptions {
  readonly format?: string;
  readonly out?: string;
  readonly maxRows?: number;
}

function formatOf({ format, json, out }: Options, otherwise: Format): Format {
  const named = formats.find((f) => f === format);
  if (named) return named;
  if (json) return 'json';
  if (out === undefined) return otherwise;
  const ending = extname(out).slice(1);
  const found = formats.find((f) => f === ending) ?? (ending === 'jsonl' ? 'ndjson' : undefined);
  if (!found) throw new UserError(`--out ${out}: its ending names no format; add --format (${formats.join(', ')})`);
  return found;
}

const outputOf = async (out: string | undefined): Promise<Output> =>
  out === undefined
    ? stdoutOutput()
    : fileOutput(out).catch((error: unknown) => {
        throw new UserError(`--out ${out}: ${error instanceof Error ? error.message : String(error)}`);
      });

const reading = (options: Options): Promise<Lakehouse> => openFor(options, { readOnly: true, mustExist: true });

/** Runs one statement and writes its rows. */
export async function queryVerb(statement: string, options: Options): Promise<void> {
  const format = formatOf(options, 'table');
  await using lake = await reading(options);
  await writeRows(lake.query(statement), format, await outputOf(options.out), {
    ...(options.maxRows === undefined ? {} : { maxRows: options.maxRows }),
    ...(process.stdout.columns ? { width: process.stdout.columns } : {}),
  });
}

/** Writes a whole table; silver tables and findings as OCSF has them, without nulls. */
export async function exportVerb(name: string, options: Options): Promise<void> {
  const format = formatOf(options, 'ndjson');
  await using lake = await reading(options);
  const tables = await lake.engine.tables();
  if (!tables.includes(name)) throw new UserError(`There is no table "${name}"; valid: ${tables.join(', ')}`);
  const statement = spell(sql`SELECT * FROM ${identifier(...name.split('.'))}`, lake.engine.dialect);
  const { rows: written } = await writeRows(lake.query(statement), format, await outputOf(options.out), {
    omitNull: holdsEvents(name),
  });
  if (options.out !== undefined) process.stderr.write(`${written} rows to ${options.out}\n`);
}
