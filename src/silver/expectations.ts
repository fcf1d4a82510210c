import { objectOf, schema } from '../../ocsf/schema.ts';
import type { Expected } from '../bronze/expectations.ts';
import type { Table, Type } from '../sql/dialect.ts';
import { type Condition, identifier, join, list, type Sql, sql } from '../sql/sql.ts';

/** The required attributes of a class that its table has, with the required ones of required objects; an object is NULL where OCSF would not let it stand. */
export function requiredPaths(name: string, table: Table): string[] {
  const columns = new Map(table.columns.map((column) => [column.name, column.type]));
  const found: string[] = [];
  const walk = (
    definition: (typeof schema.classes)[string] | NonNullable<ReturnType<typeof objectOf>>,
    types: (attribute: string) => Type | undefined,
    prefix: string,
  ): void => {
    for (const [attribute, a] of Object.entries(definition.attributes)) {
      const type = types(attribute);
      if (a.requirement !== 'required' || type === undefined) continue;
      const object = objectOf(a);
      const fields = typeof type === 'object' && 'struct' in type ? type.struct : undefined;
      found.push(prefix + attribute);
      if (object && fields) walk(object, (inner) => fields[inner], `${prefix}${attribute}.`);
    }
  };
  const definition = schema.classes[name];
  if (definition) walk(definition, (attribute) => columns.get(attribute), '');
  return found;
}

/** A named condition on the rows that a source feeds into a class; a NULL condition is not met. */
export interface SilverExpectation extends Expected {
  readonly holds: (name: string, table: Table) => Condition;
  /** What is wrong with a row that does not meet it. */
  readonly detail: (name: string, table: Table) => Sql<string>;
}

const column = (path: string): Sql => identifier(...path.split('.'));

/** What is expected of every row of a class. A row is kept unless a manifest says otherwise: it is in OCSF as far as its log goes. */
export const silverExpectations: readonly SilverExpectation[] = [
  {
    name: 'required_attributes',
    otherwise: 'warn',
    choices: ['warn', 'drop', 'fail'],
    reason: 'lacks what OCSF requires',
    holds: (name, table) =>
      sql`(${join([sql`TRUE`, ...requiredPaths(name, table).map((path) => sql`${column(path)} IS NOT NULL`)], sql` AND `)})`,
    detail: (name, table) =>
      sql`concat_ws(', ', ${list(requiredPaths(name, table).map((path) => sql`CASE WHEN ${column(path)} IS NULL THEN ${path} END`))})`,
  },
];
