import type { Table } from '../sql/dialect.ts';
import { redacted, type Shape } from '../sql/functions.ts';
import { leaves } from '../sql/record.ts';
import { call, join, list, type Relation, type Sql, sql } from '../sql/sql.ts';
import type { Source } from './source.ts';

/** What of hostile names and values is kept: characters of each, and fields of one shape. */
export const LONGEST_NAME = 128;
export const LONGEST_EXAMPLE = 100;
export const MOST_FIELDS = 20;

/** The shapes that records came in, with the fields of each that their source does not declare; an empty list for a clean one. */
export const shapes: Table & Relation = {
  name: 'pipeline.shapes',
  columns: [
    { name: 'source', type: 'text' },
    { name: 'shape', type: 'long' },
    { name: 'undeclared', type: { list: { struct: { field: 'text', example: 'text' } } } },
  ],
};

/** Where a source declares members, and their names in lower case. */
interface Place {
  readonly path: readonly string[];
  readonly names: readonly string[];
}

export const placesOf = (shape: Shape, path: readonly string[] = []): Place[] => [
  { path, names: Object.keys(shape).map((name) => name.toLowerCase()) },
  ...Object.entries(shape).flatMap(([name, inner]) =>
    typeof inner === 'string' ? [] : placesOf(inner, [...path, name]),
  ),
];

/** A source has no names that JSON pointers escape. */
const pointer = (path: readonly string[]): string => path.map((name) => `/${name}`).join('');

/** Every declared field as a dotted path in lower case. */
export const declaredFields = (source: Source): string[] =>
  leaves(source.shape).map(({ path }) => path.join('.').toLowerCase());

/** A number for the names of a record's members wherever its source declares members: free-form members are not looked into. DuckDB only. */
export const shapeOf = (source: Source, raw: Sql): Sql =>
  sql`CAST(hash(${source.source}, json_keys(${raw}, [${list(placesOf(source.shape).map(({ path }) => pointer(path)))}])) >> 1 AS BIGINT)`;

/** The fields of a record that its source does not declare, each with its value in this record, by name; a name that differs from a declared one in case only is none. DuckDB only. */
export function undeclared(source: Source, raw: Sql): Sql {
  const shown = source.secrets.length > 0 ? redacted(raw as Sql<string>, source.secrets) : raw;
  const found = placesOf(source.shape).map(({ path, names }) => {
    const at = pointer(path);
    const prefix = path.map((name) => `${name}.`).join('');
    const foreign = sql`list_filter(coalesce(json_keys(${raw}, ${at}), []), lambda k: lower(k) NOT IN (${list(names)}))`;
    const value = sql`json_extract_string(${shown}, ${`${at}/`} || replace(replace(k, '~', '~0'), '/', '~1'))`;
    return sql`list_transform(${foreign}, lambda k: {'field': ${prefix} || left(k, ${LONGEST_NAME}), 'example': left(${value}, ${LONGEST_EXAMPLE})})`;
  });
  return sql`list_slice(list_sort(list_distinct(flatten([${join(found, sql`, `)}]))), 1, ${MOST_FIELDS})`;
}

/** Fields of the stored records that their source does not declare: in how many records, and the value in one of them. */
export const newFields = (source: Source, most: number): Sql =>
  sql`SELECT undeclared.field AS field, CAST(sum(records) AS BIGINT) AS records, min(undeclared.example) AS example FROM (
  SELECT counted.records, ${call((f) => f.explode(sql`s.undeclared`))} AS undeclared
  FROM (SELECT shape, count(*) AS records FROM ${source} WHERE shape IS NOT NULL GROUP BY shape) AS counted
  JOIN ${shapes} AS s ON s.shape = counted.shape AND s.source = ${source.source}) AS fields
WHERE lower(undeclared.field) NOT IN (${list(declaredFields(source))})
GROUP BY undeclared.field ORDER BY records DESC NULLS LAST, field NULLS LAST LIMIT ${most}`;
