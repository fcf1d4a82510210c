import type { Column, Dialect, Type } from './dialect.ts';
import { type Functions, type Shape, text, texts } from './functions.ts';
import { identifier, join, type Literal, list, literal, spell, sql, verbatim } from './sql.ts';

const quote = (name: string): string => `"${name.replaceAll('"', '""')}"`;

function literalText(value: Literal): string {
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isSafeInteger(value) ? String(value) : `CAST('${value}' AS DOUBLE)`;
  if (value.includes('\0')) throw new RangeError('A NUL character cannot stand in a statement');
  return `'${value.replaceAll("'", "''")}'`;
}

function type(t: Type): string {
  if (typeof t === 'string') {
    const names = {
      text: 'VARCHAR',
      boolean: 'BOOLEAN',
      integer: 'INTEGER',
      long: 'BIGINT',
      double: 'DOUBLE',
      timestamp: 'TIMESTAMPTZ',
    };
    return names[t];
  }
  if ('list' in t) return `${type(t.list)}[]`;
  if ('map' in t) return `MAP(${type(t.map[0])}, ${type(t.map[1])})`;
  return `STRUCT(${Object.entries(t.struct)
    .map(([name, field]) => `${quote(name)} ${type(field)}`)
    .join(', ')})`;
}

type JsonShape = string | string[] | { [key: string]: JsonShape };
const jsonShape = (shape: Shape): JsonShape =>
  Object.fromEntries(
    Object.entries(shape).map(([key, leaf]) => [
      key,
      leaf === text ? 'VARCHAR' : leaf === texts ? ['VARCHAR'] : jsonShape(leaf),
    ]),
  );

const pointer = (path: readonly string[]): string =>
  path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

// What DuckDB takes for JSON beyond the standard, unless it stands in a string: no other reader would.
const LAX = '(?i)nan|inf|,\\s*[\\]}]';
const STRING = '"[^"\\\\]*(?:\\\\.[^"\\\\]*)*"';

const functions: Functions = {
  fromJson: (json, shape) => sql`from_json(${json}, ${JSON.stringify(jsonShape(shape))})`,
  listFromJson: (json) => sql`from_json(${json}, '["VARCHAR"]')`,
  recordsFromJson: (json, shape) => sql`from_json(${json}, ${JSON.stringify([jsonShape(shape)])})`,
  toJson: (value) => sql`CAST(to_json(${value}) AS VARCHAR)`,
  jsonString: (value) => sql`CAST(to_json(${value}) AS VARCHAR)`,
  isJson: (json) =>
    sql`(json_valid(${json}) AND CASE WHEN regexp_matches(${json}, ${LAX}) THEN NOT regexp_matches(regexp_replace(${json}, ${STRING}, '""', 'g'), ${LAX}) ELSE TRUE END)`,
  jsonField: (json, path) => sql`json_extract_string(${json}, ${pointer(path)})`,
  struct: (fields) =>
    sql`{${join(
      fields.map(([name, value]) => sql`${literal(name)}: ${value}`),
      sql`, `,
    )}}`,
  list: (elements) => sql`[${list(elements)}]`,
  transform: (elements, each) =>
    sql`list_transform(coalesce(${elements}, []), lambda e: ${each(identifier<string>('e'))})`,
  filter: (elements, keep) => sql`list_filter(${elements}, lambda e: ${keep(identifier('e'))})`,
  concatLists: (lists) => lists.reduce((a, b) => sql`list_concat(${a}, ${b})`),
  size: (elements) => sql`len(${elements})`,
  element: (elements, position) => sql`${elements}[${position}]`,
  explode: (elements) => sql`unnest(${elements})`,
  mapOfPairs: (pairs) => sql`map_from_entries(${pairs})`,
  cast: (value, to) => sql`CAST(${value} AS ${verbatim(type(to))})`,
  bytes: (value) => sql`strlen(${value})`,
  matches: (value, pattern) => sql`regexp_matches(${value}, ${pattern})`,
  replaceAll: (value, pattern, by) => sql`regexp_replace(${value}, ${pattern}, ${by.replace(/\$(\d)/g, '\\$1')}, 'g')`,
  extract: (value, pattern, group) => sql`regexp_extract(${value}, ${pattern}, ${group})`,
  extractAll: (value, pattern, group) =>
    sql`list_sort(list_distinct(regexp_extract_all(${value}, ${pattern}, ${group})))`,
  startsWith: (value, prefix) => sql`starts_with(${value}, ${prefix})`,
  isoMillis: (value) => sql`epoch_ms(try_cast(${value} AS TIMESTAMPTZ))`,
  timestampOfMillis: (millis) => sql`CAST(make_timestamp(${millis} * 1000) AS TIMESTAMPTZ)`,
  millisOfTimestamp: (timestamp) => sql`epoch_ms(${timestamp})`,
  md5: (value) => sql`md5(${value})`,
  countDistinct: (value, over) => sql`count(DISTINCT ${value}) OVER ${over}`,
  sumLong: (value) => sql`CAST(sum(${value}) AS BIGINT)`,
};

const columnNames = (columns: readonly Column[]): string => columns.map((c) => quote(c.name)).join(', ');
const tableName = (name: string): string => name.split('.').map(quote).join('.');

/** DuckDB: embedded, transactional, one process at a time. */
export const duckdb: Dialect = {
  name: 'duckdb',
  files: 'read',
  quote,
  literal: literalText,
  type,
  functions,
  createSchema: (name) => `CREATE SCHEMA IF NOT EXISTS ${quote(name)}`,
  createTable: (table, replace = false) => {
    const columns = table.columns.map(
      (c) => `  ${quote(c.name)} ${type(c.type)}${c.bulky ? ' USING COMPRESSION zstd' : ''}`,
    );
    const verb = replace ? 'CREATE OR REPLACE TABLE' : 'CREATE TABLE IF NOT EXISTS';
    return `${verb} ${tableName(table.name)} (\n${columns.join(',\n')}\n)`;
  },
  keep: (name, select) => [`CREATE OR REPLACE TEMP TABLE ${quote(name)} AS\n${spell(select, duckdb)}`],
  drop: (name) => [`DROP TABLE IF EXISTS ${quote(name)}`],
  createView: (name, select) => `CREATE OR REPLACE VIEW ${tableName(name)} AS\n${spell(select, duckdb)}`,
  append: (table, select) => [
    `INSERT INTO ${tableName(table.name)} (${columnNames(table.columns)})\n${spell(select, duckdb)}`,
  ],
  // A bronze record is there once and its watermark moves in the same transaction: no key can come twice.
  merge: (table, _key, select) => duckdb.append(table, select),
  remove: (table, key, keys) => {
    const same = key.map((column, i) => `k.k${i} IS NOT DISTINCT FROM ${column.split('.').map(quote).join('.')}`);
    return [
      `DELETE FROM ${tableName(table.name)} WHERE EXISTS (SELECT 1 FROM (\n${spell(keys, duckdb)}\n) AS k(${key.map((_, i) => `k${i}`).join(', ')}) WHERE ${same.join(' AND ')})`,
    ];
  },
  // Rows that are not committed have the highest row ids.
  uncommitted: sql`rowid >= 36028797018960000`,
  replace: (table, range, select) => [
    `DELETE FROM ${tableName(table.name)} WHERE ${spell(range, duckdb)}`,
    ...duckdb.append(table, select),
  ],
};
