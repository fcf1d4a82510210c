import type { Column, Type } from './dialect.ts';
import { type Shape, text } from './functions.ts';
import { call, identifier, join, literal, type Sql, sql } from './sql.ts';

/** A member, which was read as text, as a value of a type; of nested types a list of flat structs may stand there. */
const memberAs = (member: Sql, type: Type): Sql => {
  if (typeof type === 'string') return call((f) => f.cast(member, type));
  const inner = 'list' in type && typeof type.list === 'object' && 'struct' in type.list ? type.list.struct : undefined;
  if (!inner) throw new Error('only lists of structs can stand in a member');
  return call((f) => f.cast(f.recordsFromJson(member, shapeOf(Object.keys(inner))), type));
};

const shapeOf = (names: readonly string[]): Shape => Object.fromEntries(names.map((name) => [name, text] as const));

/**
 * Rows from a JSON list of objects with a member for each column: text, a number, a boolean, null or a list of objects, times
 * in ISO 8601. An engine's parser takes a long text in a hundredth of the time of a VALUES list.
 */
export function rowsOfJson(columns: readonly Column[], json: string): Sql {
  const values = columns.map(
    ({ name, type }) => sql`${memberAs(identifier('record', name), type)} AS ${identifier(name)}`,
  );
  const shape = shapeOf(columns.map(({ name }) => name));
  const records = call((f) => f.explode(f.recordsFromJson(literal(json), shape)));
  return sql`SELECT ${join(values, sql`, `)} FROM (SELECT ${records} AS record) AS records`;
}
