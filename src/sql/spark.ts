import type { Column, Dialect, Table, Type } from './dialect.ts';
import { type Functions, type Shape, text, texts } from './functions.ts';
import { identifier, type Literal, list, literal, spell, sql, verbatim } from './sql.ts';

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``;

// Spark puts variables of its own and of the environment into a statement wherever it finds ${…}, even in a string.
const ESCAPES: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '{': '\\{',
};

function literalText(value: Literal): string {
  if (value === null) return 'NULL';
  if (typeof value === 'boolean') return value ? 'TRUE' : 'FALSE';
  if (typeof value === 'bigint') return `${value}L`;
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) return `CAST('${value}' AS DOUBLE)`;
    return Math.abs(value) > 0x7fffffff ? `${value}L` : String(value);
  }
  if (value.includes('\0')) throw new RangeError('A NUL character cannot stand in a statement');
  return `'${value.replace(/[\\'\n\r\t]|(?<=\$)\{/g, (c) => ESCAPES[c] ?? c)}'`;
}

function type(t: Type): string {
  if (typeof t === 'string') {
    const names = {
      text: 'STRING',
      boolean: 'BOOLEAN',
      integer: 'INT',
      long: 'BIGINT',
      double: 'DOUBLE',
      timestamp: 'TIMESTAMP',
    };
    return names[t];
  }
  if ('list' in t) return `ARRAY<${type(t.list)}>`;
  if ('map' in t) return `MAP<${type(t.map[0])}, ${type(t.map[1])}>`;
  return `STRUCT<${Object.entries(t.struct)
    .map(([name, field]) => `${quote(name)}: ${type(field)}`)
    .join(', ')}>`;
}

const ddl = (shape: Shape, colon: string): string =>
  Object.entries(shape)
    .map(([key, leaf]) => {
      const t = leaf === text ? 'STRING' : leaf === texts ? 'ARRAY<STRING>' : `STRUCT<${ddl(leaf, ':')}>`;
      return `${quote(key)}${colon} ${t}`;
    })
    .join(', ');

const jsonPath = (path: readonly string[]): string => `$${path.map((key) => `['${key}']`).join('')}`;
const STRICT = verbatim(`map('allowSingleQuotes', 'false', 'allowNonNumericNumbers', 'false')`);
const WITH_NULLS = verbatim(`map('ignoreNullFields', 'false')`);

/**
 * A pattern as Java reads it: its `$` would match before a last line break too, its `.` not before a carriage return;
 * in a set of characters both are plain. Java goes one call deeper for each round of a repeated group, unless the group
 * gives nothing back: `(?:…)*` must be written so that it never has to.
 */
function javaPattern(pattern: string): string {
  const tokens: readonly string[] = pattern.match(/\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?:|\)\*|./gs) ?? [];
  const open: string[] = [];
  const java = (token: string): string => {
    if (token.startsWith('(')) open.push(token);
    else if (token.startsWith(')') && open.pop() === '(?:' && token === ')*') return ')*+';
    return token === '$' ? '\\z' : token;
  };
  const ended = tokens.map(java).join('');
  return tokens.includes('.') ? `(?d)${ended}` : ended;
}

// Spark takes half a surrogate pair for JSON and DuckDB does not.
const SURROGATE = '\\\\u[dD][89a-fA-F]';
const IN_PAIRS = '^(?:[^\\\\]|\\\\[^u]|\\\\u(?![dD][89a-fA-F])|\\\\u[dD][89abAB][0-9a-fA-F]{2}\\\\u[dD][c-fC-F])*+\\z';

const functions: Functions = {
  fromJson: (json, shape) => sql`from_json(${json}, ${ddl(shape, '')})`,
  listFromJson: (json) => sql`from_json(${json}, 'ARRAY<STRING>')`,
  recordsFromJson: (json, shape) => sql`from_json(${json}, ${`ARRAY<STRUCT<${ddl(shape, ':')}>>`})`,
  toJson: (value) => sql`to_json(${value}, ${WITH_NULLS})`,
  // Spark makes JSON of structs, lists and maps only: the string is taken out of a list of one.
  jsonString: (value) =>
    sql`CASE WHEN ${value} IS NOT NULL THEN regexp_extract(to_json(array(${value})), '(?s)^.(.*).$', 1) END`,
  // Spark's parser stops after the first value and takes only objects for records: as the first of two elements, of which
  // the second cannot stand in the text itself, a value of any kind is read to its end.
  isJson: (json) =>
    sql`(transform(from_json('[' || ${json} || ',"' || md5(${json}) || '"]', 'ARRAY<STRING>', ${STRICT}), (e, i) -> if(i = 0, '', e)) <=> array('', md5(${json})) AND CASE WHEN regexp_like(${json}, ${SURROGATE}) THEN regexp_like(${json}, ${IN_PAIRS}) ELSE TRUE END)`,
  jsonField: (json, path) => sql`get_json_object(${json}, ${jsonPath(path)})`,
  struct: (fields) => sql`named_struct(${list(fields.flatMap(([name, value]) => [literal(name), value]))})`,
  list: (elements) => sql`array(${list(elements)})`,
  transform: (elements, each) => sql`transform(coalesce(${elements}, array()), e -> ${each(identifier<string>('e'))})`,
  filter: (elements, keep) => sql`filter(${elements}, e -> ${keep(identifier('e'))})`,
  concatLists: (lists) => sql`concat(${list(lists.map((one) => sql`coalesce(${one}, array())`))})`,
  size: (elements) => sql`size(${elements})`,
  element: (elements, position) => sql`try_element_at(${elements}, ${position})`,
  explode: (elements) => sql`explode(${elements})`,
  mapOfPairs: (pairs) => sql`map_from_entries(${pairs})`,
  cast: (value, to) => sql`CAST(${value} AS ${verbatim(type(to))})`,
  bytes: (value) => sql`octet_length(${value})`,
  matches: (value, pattern) => sql`regexp_like(${value}, ${javaPattern(pattern)})`,
  replaceAll: (value, pattern, by) => sql`regexp_replace(${value}, ${javaPattern(pattern)}, ${by})`,
  extract: (value, pattern, group) => sql`regexp_extract(${value}, ${javaPattern(pattern)}, ${group})`,
  extractAll: (value, pattern, group) =>
    sql`array_sort(array_distinct(regexp_extract_all(${value}, ${javaPattern(pattern)}, ${group})))`,
  startsWith: (value, prefix) => sql`startswith(${value}, ${prefix})`,
  isoMillis: (value) => sql`unix_millis(try_cast(${value} AS TIMESTAMP))`,
  timestampOfMillis: (millis) => sql`timestamp_millis(${millis})`,
  millisOfTimestamp: (timestamp) => sql`unix_millis(${timestamp})`,
  md5: (value) => sql`md5(${value})`,
  countDistinct: (value, over) => sql`size(collect_set(${value}) OVER ${over})`,
  sumLong: (value) => sql`sum(${value})`,
};

const pathOf = (column: string): string => column.split('.').map(quote).join('.');
/** A table's name, each part quoted. */
export const tableName = (name: string): string => name.split('.').map(quote).join('.');
const names = (columns: readonly Column[]): string => columns.map((c) => quote(c.name)).join(', ');
const comment = (text: string | undefined): string => (text === undefined ? '' : ` COMMENT ${literalText(text)}`);

/** The columns of a table as a CREATE statement lists them, one a line. */
export const columnList = (columns: readonly Column[]): string[] =>
  columns.map((c) => `  ${quote(c.name)} ${type(c.type)}${comment(c.comment)}`);
/** The clauses that follow a table's columns. */
export const tableClauses = (table: Table): string =>
  `${table.cluster ? ` CLUSTER BY (${table.cluster.map(quote).join(', ')})` : ''}${comment(table.comment)}`;

/** Spark 4.1 SQL with Delta Lake tables; every statement is idempotent by itself, for there are no transactions. */
export const spark: Dialect = {
  name: 'spark',
  files: 'carried',
  quote,
  literal: literalText,
  type,
  functions,
  createSchema: (name) => `CREATE SCHEMA IF NOT EXISTS ${quote(name)}`,
  createTable: (table, replace = false) => {
    // Delta keeps statistics of the first 32 leaves only, and clusters by columns that have them.
    const statistics = table.cluster
      ? `\nTBLPROPERTIES ('delta.dataSkippingStatsColumns' = ${literalText(table.cluster.join(','))})`
      : '';
    const verb = replace ? 'CREATE OR REPLACE TABLE' : 'CREATE TABLE IF NOT EXISTS';
    return `${verb} ${tableName(table.name)} (\n${columnList(table.columns).join(',\n')}\n) USING DELTA${tableClauses(table)}${statistics}`;
  },
  // On disk, for a set that does not fit into memory would be computed again for each of its readers.
  keep: (name, select) => [
    `UNCACHE TABLE IF EXISTS ${quote(name)}`,
    `CREATE OR REPLACE TEMPORARY VIEW ${quote(name)} AS\n${spell(select, spark)}`,
    `CACHE TABLE ${quote(name)} OPTIONS ('storageLevel' 'DISK_ONLY')`,
  ],
  drop: (name) => [`UNCACHE TABLE IF EXISTS ${quote(name)}`, `DROP VIEW IF EXISTS ${quote(name)}`],
  createView: (name, select) => `CREATE OR REPLACE VIEW ${tableName(name)} AS\n${spell(select, spark)}`,
  append: (table, select) => [
    `INSERT INTO ${tableName(table.name)} (${names(table.columns)})\n${spell(select, spark)}`,
  ],
  merge: (table, key, select, span) => {
    const path = (column: string): string => column.split('.').map(quote).join('.');
    const same = key.map((column) => `t.${path(column)} <=> s.${path(column)}`);
    const near = span
      ? [`t.${path(span.column)} BETWEEN ${literalText(span.least)} AND ${literalText(span.most)}`]
      : [];
    const values = table.columns.map((c) => `s.${quote(c.name)}`).join(', ');
    return [
      `MERGE INTO ${tableName(table.name)} AS t\nUSING (\n${spell(select, spark)}\n) AS s\nON ${[...same, ...near].join(' AND ')}\nWHEN NOT MATCHED THEN INSERT (${names(table.columns)}) VALUES (${values})`,
    ];
  },
  // Delta's DELETE takes no subqueries.
  remove: (table, key, keys) => {
    const names = key.map((_, i) => `k${i}`);
    const same = key.map((column, i) => `t.${pathOf(column)} <=> s.k${i}`);
    return [
      `MERGE INTO ${tableName(table.name)} AS t\nUSING (SELECT * FROM (\n${spell(keys, spark)}\n) AS k(${names.join(', ')})) AS s\nON ${same.join(' AND ')}\nWHEN MATCHED THEN DELETE`,
    ];
  },
  uncommitted: undefined,
  replace: (table, range, select) => [
    `INSERT INTO ${tableName(table.name)} REPLACE WHERE ${spell(range, spark)}\n${spell(select, spark)}`,
  ],
};
