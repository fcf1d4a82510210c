import { fileURLToPath } from 'node:url';
import type { RecordBatch } from 'apache-arrow';
import type { Engine, Values } from '../../src/engine/engine.ts';
import { openSpark } from '../../src/engine/spark.ts';
import { databricks } from '../../src/sql/databricks.ts';
import { where } from './given.ts';

/** The address under which tests find a folder of this machine. */
export const BUCKET = 's3://logs';

const STREAMING =
  /^CREATE OR REFRESH STREAMING TABLE (\S+) \(\n([\s\S]*?)\n\)([^\n]*)\nTBLPROPERTIES \('pipelines.reset.allowed' = 'false'\)\nAS ([\s\S]*)$/;
const READ = /STREAM read_files\('([^']*)'((?:, \w+ => (?:'[^']*'|TRUE))*)\)/;

/** What `read_files` calls an option, as Spark's readers call it; those of Auto Loader alone have no other name. */
const OPTIONS: Readonly<Record<string, string | undefined>> = {
  wholeText: 'wholetext',
  pathGlobFilter: 'pathGlobFilter',
  ignoreCorruptFiles: 'ignoreCorruptFiles',
};

/**
 * All that only Databricks has, and what stands in for it on Spark: a streaming table over `read_files` becomes a table into which
 * the files go that are not there yet, by path, size and time. Any other statement runs as Databricks would get it.
 */
function onSparkAlone(statement: string, folder: string): string[] {
  const [, name = '', columns = '', , select = ''] = STREAMING.exec(statement) ?? [];
  if (name === '') return [statement];
  const read = select.replace(READ, (_, path: string, given: string) => {
    const options = Object.fromEntries(
      [...given.matchAll(/, (\w+) => (?:'([^']*)'|(TRUE))/g)].map((m) => [m[1], m[2] ?? 'true']),
    );
    const known = Object.entries(options).flatMap(([key, value]) =>
      OPTIONS[key] ? [`'${OPTIONS[key]}' = '${value}'`] : [],
    );
    const place = path.replace(BUCKET, folder);
    return `${options.format}.\`${place}\` WITH (${[...known, `'recursiveFileLookup' = 'true'`].join(', ')})`;
  });
  if (read === select) throw new Error(`No read_files as it was expected: ${select}`);
  const typed = columns.split('\n').filter((line) => !/^ {2}CONSTRAINT /.test(line));
  return [
    `CREATE TABLE IF NOT EXISTS ${name} (\n${typed.join('\n').replace(/,$/, '')}\n) USING DELTA`,
    `INSERT INTO ${name} SELECT n.* FROM (${read}) AS n ANTI JOIN ${name} AS o ON o.path = n.path AND o.size = n.size AND o.mtime = n.mtime`,
  ];
}

/** A session on Spark that takes the SQL of Databricks, where names are found in any case; `folder` lies under `BUCKET`. */
export async function openAsDatabricks(
  folder: string = fileURLToPath(new URL('../../samples', import.meta.url)),
): Promise<Engine & { readonly ran: string[]; readonly asked: string[] }> {
  const session = await openSpark(where(), { 'spark.sql.caseSensitive': 'false' });
  const ran: string[] = [];
  const asked: string[] = [];
  return {
    dialect: databricks,
    ran,
    asked,
    execute: async (statement) => {
      ran.push(statement);
      let changed = 0;
      for (const one of onSparkAlone(statement, folder)) changed = await session.execute(one);
      return changed;
    },
    query: (statement: string, values?: Values): AsyncIterable<RecordBatch> => {
      asked.push(statement);
      return session.query(statement, values);
    },
    tables: () => session.tables(),
    schemas: () => session.schemas(),
    transaction: (work) => session.transaction(work),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}
