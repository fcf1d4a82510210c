import { objectOf, schema } from '../../ocsf/schema.ts';
import type { Table, Type } from '../sql/dialect.ts';
import { type Condition, identifier, join, sql } from '../sql/sql.ts';

/** What every row of a class is expected to have; a row without it is counted, for it is in OCSF as far as its log goes. */
export const REQUIRED = 'required_attributes';

/** The required attributes of a class that its table has, with the required ones of required objects. */
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
      if (object && fields) walk(object, (inner) => fields[inner], `${prefix}${attribute}.`);
      else found.push(prefix + attribute);
    }
  };
  const definition = schema.classes[name];
  if (definition) walk(definition, (attribute) => columns.get(attribute), '');
  return found;
}

/** Whether a row has what its class requires. */
export const hasRequired = (name: string, table: Table): Condition => {
  const paths = requiredPaths(name, table);
  return paths.length === 0
    ? sql`TRUE`
    : sql`(${join(
        paths.map((path) => sql`${identifier(...path.split('.'))} IS NOT NULL`),
        sql` AND `,
      )})`;
};
