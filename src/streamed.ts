import type { Expectation } from './bronze/expectations.ts';
import { DECODE, FAIL, lifted } from './bronze/read.ts';
import { shapes } from './bronze/shape.ts';
import { bronzeColumns } from './bronze/source.ts';
import { type Arrived, undeclaredIn } from './bronze/texts.ts';
import { type Batch, counting, state } from './plan.ts';
import { filesOf, streamingTable } from './sql/databricks.ts';
import type { Dialect, Span, Table } from './sql/dialect.ts';
import type { Shape } from './sql/functions.ts';
import { rowsOfJson } from './sql/rows.ts';
import { call, identifier, join, list, type Relation, type Sql, spell, sql } from './sql/sql.ts';
import type { BronzeStage } from './stage.ts';

/** The records of the batch at hand, faulty ones with their fault, on an engine that reads them itself. */
export const arriving: Table & Relation = {
  name: 'pipeline.arriving',
  columns: bronzeColumns,
  comment: 'The records of the batch at hand; empty between runs',
};

/** What a warehouse lists and which names it takes. */
export interface Files {
  readonly folder: string;
  readonly names?: string;
}

/**
 * Statements that let new files of a path arrive: first what lies there, then the texts, so that a file without a text is one that
 * cannot be read. Audit logs may be overwritten with more in them, so a file that changed comes again. Streaming tables and
 * `read_files` are all that only Databricks has: nothing but these two statements uses them.
 */
export function arriveStatements({ files, listing }: Arrived, { folder, names }: Files): string[] {
  const common = {
    allowOverwrites: true,
    includeExistingFiles: true,
    ...(names === undefined ? {} : { pathGlobFilter: names }),
  };
  const file = sql`_metadata.file_path AS path, _metadata.file_size AS size, unix_millis(_metadata.file_modification_time) AS mtime`;
  const texts = filesOf(folder, { format: 'text', wholeText: true, ignoreCorruptFiles: true, ...common });
  return [
    streamingTable(listing, sql`SELECT ${file} FROM ${filesOf(folder, { format: 'binaryFile', ...common })}`),
    streamingTable(files, sql`SELECT ${file}, sha2(value, 256) AS content_hash, value AS text FROM ${texts}`),
  ];
}

const text = (statement: Sql, dialect: Dialect): string => spell(statement, dialect);

/** The files that arrived and that the ledger does not know with this time and size, or knows as failed; `again` adds those with records in quarantine. */
export function newFiles(arrived: readonly Arrived[], again: boolean, dialect: Dialect): string {
  const known = sql`SELECT path, size, mtime FROM ${state.files} WHERE source = ${arrived[0]?.source ?? ''} AND status <> 'failed'`;
  const refused = sql`SELECT DISTINCT file FROM ${state.quarantine} WHERE source = ${arrived[0]?.source ?? ''}`;
  const all = join(
    arrived.map(
      ({ files, listing }) =>
        sql`SELECT l.path AS path, l.size AS size, l.mtime AS mtime, f.content_hash AS content_hash, f.bytes AS bytes FROM ${listing} AS l LEFT JOIN (
  SELECT path, size, mtime, content_hash, ${call((g) => g.bytes(sql`text`))} AS bytes FROM ${files}) AS f ON f.path = l.path AND f.size = l.size AND f.mtime = l.mtime`,
    ),
    sql`\nUNION ALL\n`,
  );
  const fresh = sql`SELECT a.* FROM (${all}) AS a ANTI JOIN (${known}) AS k ON k.path = a.path AND k.size = a.size AND k.mtime = a.mtime`;
  const both = again
    ? sql`${fresh}\nUNION\nSELECT a.* FROM (${all}) AS a SEMI JOIN (${refused}) AS q ON q.file = a.path`
    : fresh;
  return text(sql`SELECT DISTINCT * FROM (${both}) AS files ORDER BY path NULLS LAST, mtime NULLS LAST`, dialect);
}

/** Some files that arrived, each by its path and time. */
export type Chosen = readonly { readonly path: string; readonly size: number; readonly mtime: number }[];

/** (file, text) of files that arrived. */
export const textsOf = (arrived: readonly Arrived[], chosen: Chosen): Sql => {
  const columns = [
    { name: 'path', type: 'text' },
    { name: 'size', type: 'long' },
    { name: 'mtime', type: 'long' },
  ] as const;
  const wanted = rowsOfJson(columns, JSON.stringify(chosen.map(({ path, size, mtime }) => ({ path, size, mtime }))));
  return join(
    arrived.map(
      ({ files }) =>
        sql`SELECT f.path AS file, f.text AS text FROM ${files} AS f SEMI JOIN (${wanted}) AS w ON w.path = f.path AND w.size = f.size AND w.mtime = f.mtime`,
    ),
    sql`\nUNION ALL\n`,
  );
};

/** The columns of what the decoder makes of a file. */
const decodedColumns = [
  { name: 'position', type: 'long' },
  { name: 'raw', type: 'text' },
  { name: 'reason', type: 'text' },
  { name: 'header', type: 'text' },
] as const;

/** Rows of what the decoder made of a file, from a JSON list of them. */
export const decodedRows = (json: string): Sql => rowsOfJson(decodedColumns, json);

/** The rows of a table from one time to before another, in milliseconds. */
export const tableRows = (table: string, from: number, until: number): Sql =>
  sql`SELECT * FROM ${identifier(...table.split('.'))} WHERE event_time >= ${call((f) => f.timestampOfMillis(sql`${from}`))} AND event_time < ${call((f) => f.timestampOfMillis(sql`${until}`))}`;

/** How far a table was taken in. */
export const watermarkOf = (stage: BronzeStage, table: string, dialect: Dialect): string =>
  text(
    sql`SELECT max(position) AS position FROM ${state.watermarks} WHERE stage = ${stage.name} AND input = ${table}`,
    dialect,
  );

/** Rows of a table by hour, from a time in milliseconds on, and the newest time. */
export const tableHours = (table: string, from: number, dialect: Dialect): string => {
  const millis = call((f) => f.millisOfTimestamp(sql`event_time`));
  const hour = call((f) => f.cast(sql`(millis - millis % 3600000) / 3600000`, 'long'));
  return text(
    sql`SELECT ${hour} AS hour, count(*) AS n, max(millis) AS newest FROM (
  SELECT ${millis} AS millis FROM ${identifier(...table.split('.'))} WHERE event_time >= ${call((f) => f.timestampOfMillis(sql`${from}`))}) AS rows GROUP BY ALL`,
    dialect,
  );
};

/** Statements on the records of a batch where they were read, with what each is for. */
export function arrival(stage: BronzeStage, batch: Batch, expected: readonly Expectation[], dialect: Dialect) {
  const { source, table } = stage;
  const rows = (read: (wanted: Shape) => Sql): Sql => lifted(source, read, batch, expected);
  const clean = sql`fault IS NULL`;
  const columns = list(bronzeColumns.map(({ name }) => identifier(name)));
  return {
    ...counting(stage, arriving, sql`TRUE`, dialect),
    clear: dialect.createTable(arriving, true),
    /** Reads records. */
    read: (read: (wanted: Shape) => Sql): string[] => dialect.append(arriving, rows(read)),
    /** Reads the rows of a table that are neither in bronze nor in quarantine. */
    readNew: (name: string, read: (wanted: Shape) => Sql, from: number, until: number): string[] =>
      dialect.append(
        arriving,
        sql`SELECT a.* FROM (${rows(read)}) AS a ANTI JOIN (
  SELECT uid, hash FROM ${source} WHERE time >= ${from} AND time < ${until}) AS b ON b.uid = a.uid AND b.hash IS NOT DISTINCT FROM a.hash ANTI JOIN (
  SELECT text FROM ${state.quarantine} WHERE source = ${source.source} AND file = ${name}) AS q ON q.text = left(a.raw, 65536)`,
      ),
    /** Takes out what was read of a file, to read it another way. */
    forget: (file: string): string => text(sql`DELETE FROM ${arriving} WHERE file = ${file}`, dialect),
    /** What is left to be decoded was too large for that. */
    undecoded: text(
      sql`UPDATE ${arriving} SET fault = substring(fault, ${DECODE.length + 1}) WHERE startswith(fault, ${DECODE})`,
      dialect,
    ),
    /** Remembers the shapes of records that were never seen before, by one record of each. */
    rememberShapes: dialect.merge(
      shapes,
      ['source', 'shape'],
      sql`SELECT ${source.source} AS source, shape, ${undeclaredIn(source, sql`raw`)} AS undeclared FROM (
  SELECT a.shape AS shape, min(a.raw) AS raw FROM ${arriving} AS a ANTI JOIN (SELECT shape FROM ${shapes} WHERE source = ${source.source}) AS s ON s.shape = a.shape
  WHERE ${clean} GROUP BY a.shape) AS newcomers`,
    ),
    /** Gives records with undeclared fields their fault, where the manifest wants that. */
    refuse: expected
      .filter((one) => one.settled && one.otherwise !== 'warn')
      .map(({ otherwise, reason }) =>
        text(
          sql`MERGE INTO ${arriving} AS a USING (
  SELECT shape, array_join(transform(undeclared, u -> u.field), ', ') AS fields FROM ${shapes} WHERE source = ${source.source} AND ${call((f) => f.size(sql`undeclared`))} > 0) AS s
ON a.shape = s.shape AND a.fault IS NULL WHEN MATCHED THEN UPDATE SET fault = ${otherwise === 'fail' ? FAIL + reason : reason} || ': ' || s.fields`,
          dialect,
        ),
      ),
    /** Between which times the records lie that go into bronze; no row where there are none. */
    times: text(
      sql`SELECT min(time) AS least, max(time) AS most FROM ${arriving} WHERE ${clean} HAVING count(*) > 0`,
      dialect,
    ),
    /** Takes the records into bronze that are not there yet, the first of those that are the same. */
    intoBronze: (times: Span | undefined): string[] =>
      dialect.merge(
        table,
        ['uid', 'hash'],
        sql`SELECT ${columns} FROM (
  SELECT *, row_number() OVER (PARTITION BY uid, hash ORDER BY file NULLS LAST, position NULLS LAST, raw NULLS LAST) AS nth FROM ${arriving} WHERE ${clean}) AS ranked WHERE nth = 1`,
        times,
      ),
  };
}
