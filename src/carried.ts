import { state } from './plan.ts';
import type { Dialect, Span, Table } from './sql/dialect.ts';
import { duckdb } from './sql/duckdb.ts';
import { rowsOfJson } from './sql/rows.ts';
import { identifier, type Relation, type Sql, spell, sql } from './sql/sql.ts';
import type { BronzeStage } from './stage.ts';

/** How many bytes of JSON go over in one statement, unless one row has more; as a literal they take half as many again, and Databricks takes 16 MiB. */
const PIECE_BYTES = 8 << 20;

/** Rows of a table in the order in which they were written. */
export interface Piece {
  readonly first: bigint;
  readonly last: bigint;
}

const isoTime = (timestamp: Sql): Sql => sql`strftime(${timestamp}, '%Y-%m-%dT%H:%M:%S.%fZ')`;

/** (id, json) of each row of a table in DuckDB. */
const jsonRows = (table: Table & Relation): Sql => {
  const members = table.columns.map(({ name, type }): readonly [string, Sql] => [
    name,
    type === 'timestamp' ? isoTime(identifier(name)) : identifier(name),
  ]);
  const object = duckdb.functions.toJson(duckdb.functions.struct(members));
  return sql`SELECT rowid AS id, ${object} AS json FROM ${table as Relation}`;
};

/** The pieces in which a table of the embedded DuckDB goes over. */
export const piecesOf = (table: Table): string =>
  spell(
    sql`SELECT min(id) AS first, max(id) AS last FROM (
  SELECT id, (sum(size) OVER (ORDER BY id) - size) // ${PIECE_BYTES} AS piece FROM (
    SELECT id, strlen(json) AS size FROM (${jsonRows(table)}))) GROUP BY piece ORDER BY first NULLS LAST`,
    duckdb,
  );

/** One piece as a JSON list. */
export const jsonOf = (table: Table, { first, last }: Piece): string =>
  spell(
    sql`SELECT '[' || string_agg(json, ',' ORDER BY id) || ']' AS json FROM (${jsonRows(table)}) WHERE id BETWEEN ${first} AND ${last}`,
    duckdb,
  );

/** How many rows a table of the embedded DuckDB has. */
export const countOf = (table: Table): string => spell(sql`SELECT count(*) AS n FROM ${table as Relation}`, duckdb);

/** Between which times the records lie that go over; no row where there are none. */
export const timesOf = (table: Table): string =>
  spell(sql`SELECT min(time) AS least, max(time) AS most FROM ${table as Relation} HAVING count(*) > 0`, duckdb);

/** Statements that take in a piece of records, of which some may be there already; `times` says within which they lie. */
export const carriedRecords = (stage: BronzeStage, json: string, times: Span | undefined, dialect: Dialect): string[] =>
  dialect.merge(stage.table, ['uid', 'hash'], rowsOfJson(stage.table.columns, json), times);

/** Statements that take in shapes of records, of which some may be there already. */
export const carriedShapes = (json: string, dialect: Dialect): string[] =>
  dialect.merge(state.shapes, ['source', 'shape'], rowsOfJson(state.shapes.columns, json));

/** Statements that take in a piece of what is in quarantine. */
export const carriedQuarantine = (json: string, dialect: Dialect): string[] =>
  dialect.append(state.quarantine, rowsOfJson(state.quarantine.columns, json));
