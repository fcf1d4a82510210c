import { hashOf } from './sql/hash.ts';
import type { Part, Relation, Sql } from './sql/sql.ts';
import type { ViewStage } from './stage.ts';

/** A view that people read; what it reads is found in its SQL. */
export function defineView(name: string, select: Sql): ViewStage {
  const inputs: Relation[] = select.parts.flatMap((part: Part) => (part.kind === 'relation' ? [part.relation] : []));
  return { kind: 'view', name, inputs, select, hash: hashOf(undefined, select) };
}
