import type { Dialect, Table } from './dialect.ts';
import { columnList, spark, tableClauses, tableName } from './spark.ts';
import { identifier, join, literal, type Sql, spell, sql, verbatim } from './sql.ts';

/** Where sets of rows are kept that several statements read. */
const kept = (name: string): Sql => identifier('pipeline', `kept_${name}`);
const text = (statement: Sql): string => spell(statement, databricks);

/** Databricks SQL: Spark's spelling, and what only Databricks has. */
export const databricks: Dialect = {
  ...spark,
  name: 'databricks',
  files: 'arrive',
  // A warehouse has no CACHE TABLE: the rows stand in a table, and a view of the session gives it its bare name.
  keep: (name, select) => [
    text(sql`CREATE OR REPLACE TABLE ${kept(name)} USING DELTA AS\n${select}`),
    text(sql`CREATE OR REPLACE TEMPORARY VIEW ${identifier(name)} AS SELECT * FROM ${kept(name)}`),
  ],
  drop: (name) => [text(sql`DROP VIEW IF EXISTS ${identifier(name)}`), text(sql`DROP TABLE IF EXISTS ${kept(name)}`)],
};

/** What is expected of the rows of a streaming table: counted where nothing is said, or left out. */
export interface Constraint {
  readonly name: string;
  readonly holds: Sql;
  readonly otherwise: 'warn' | 'drop' | 'fail';
}

const VIOLATION = { warn: '', drop: ' ON VIOLATION DROP ROW', fail: ' ON VIOLATION FAIL UPDATE' } as const;

/** Creates a streaming table, or takes in what is new to it; only Databricks has them. Unless told otherwise nothing but new rows ever come into it. */
export function streamingTable(
  table: Table,
  select: Sql,
  constraints: readonly Constraint[] = [],
  properties: Readonly<Record<string, string>> = { 'pipelines.reset.allowed': 'false' },
): string {
  const expected = constraints.map(
    ({ name, holds, otherwise }) =>
      `  CONSTRAINT ${databricks.quote(name)} EXPECT (${text(holds)})${VIOLATION[otherwise]}`,
  );
  const listed = Object.entries(properties).map((pair) => pair.map(databricks.literal).join(' = '));
  return `CREATE OR REFRESH STREAMING TABLE ${tableName(table.name)} (\n${[...columnList(table.columns), ...expected].join(',\n')}\n)${tableClauses(table)}\nTBLPROPERTIES (${listed.join(', ')})\nAS ${text(select)}`;
}

/** Creates a materialized view where it is missing, and takes in what changed of what it reads; only Databricks has them. */
export const materializedView = (table: Table, select: string): string[] => [
  `CREATE MATERIALIZED VIEW IF NOT EXISTS ${tableName(table.name)}${tableClauses(table)}\nAS ${select}`,
  `REFRESH MATERIALIZED VIEW ${tableName(table.name)}`,
];

/** Files that arrive, as a stream; options are of `read_files`, which only Databricks has. */
export const filesOf = (path: string, options: Readonly<Record<string, string | boolean>>): Sql =>
  sql`STREAM read_files(${join(
    [literal(path), ...Object.entries(options).map(([name, value]) => sql`${verbatim(name)} => ${value}`)],
    sql`, `,
  )})`;
