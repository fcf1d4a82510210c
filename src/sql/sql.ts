import type { Dialect } from './dialect.ts';
import type { Functions } from './functions.ts';

/** A value that a dialect can spell as a literal; a number is an integer or a finite double. */
export type Literal = string | number | bigint | boolean | null;

/** Something with rows and a name in the database (`silver.authentication`); interpolating one is a dependency edge. */
export interface Relation {
  readonly name: string;
}

export type Part =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'literal'; readonly value: Literal }
  | { readonly kind: 'identifier'; readonly names: readonly string[] }
  | { readonly kind: 'relation'; readonly relation: Relation }
  | { readonly kind: 'field'; readonly base: string; readonly path: readonly string[] }
  | { readonly kind: 'function'; readonly call: (functions: Functions) => Sql }
  | { readonly kind: 'named'; readonly name: string; readonly value: Sql }
  | { readonly kind: 'test'; readonly inner: Sql }
  | { readonly kind: 'conversion'; readonly of: Sql; readonly result: Sql };

/** A piece of SQL as a value, spelled later by a dialect; `T` is the type of what it evaluates to. */
export interface Sql<out T = unknown> {
  readonly parts: readonly Part[];
  readonly type?: T;
}

/** Text, 64-bit or boolean result of a comparison; NULL is possible everywhere in SQL and so in no type. */
export type Condition = Sql<boolean>;

const isSql = (value: unknown): value is Sql =>
  typeof value === 'object' && value !== null && 'parts' in value && Array.isArray(value.parts);

export const single = <T>(part: Part): Sql<T> => ({ parts: [part] });

const part = (value: Sql | Relation | Literal): readonly Part[] => {
  if (isSql(value)) return value.parts;
  if (typeof value === 'object' && value !== null) return [{ kind: 'relation', relation: value }];
  return [{ kind: 'literal', value }];
};

/** Tagged template: a value becomes an escaped literal, a relation its name and an edge, other SQL is spliced in. */
export function sql<T = unknown>(strings: TemplateStringsArray, ...values: (Sql | Relation | Literal)[]): Sql<T> {
  const parts: Part[] = [];
  strings.forEach((text, i) => {
    if (text !== '') parts.push({ kind: 'text', text });
    const value = values[i];
    if (value !== undefined) parts.push(...part(value));
  });
  return { parts };
}

/** A literal that keeps its exact type, so that `literal(1)` fits an enum that has 1. */
export const literal = <const V extends Literal>(value: V): Sql<V extends bigint ? bigint : V> =>
  single({ kind: 'literal', value });

/** A quoted name; dots separate the parts only when several names are given. */
export const identifier = <T>(...names: string[]): Sql<T> => single({ kind: 'identifier', names });

/** Text that the code wrote, as it is: never a value. */
export const verbatim = (text: string): Sql => ({ parts: [{ kind: 'text', text }] });

/** Calls a function that the engines spell differently. */
export const call = <T>(spelling: (functions: Functions) => Sql): Sql<T> =>
  single({ kind: 'function', call: spelling });

/** A value that is used often: computed once, in a column of its own before the others. Names are unique in a mapping. */
export const named = <T>(name: string, value: Sql<T>): Sql<T> => single({ kind: 'named', name, value });

/** Marks SQL that only looks at its fields: they do not count as mapped. */
export const tested = <T>(inner: Sql<T>): Sql<T> => single({ kind: 'test', inner });

/** Marks a conversion that gives NULL for text it cannot read: such text stays in `unmapped`. */
export const conversion = <T>(of: Sql, result: Sql<T>): Sql<T> => single({ kind: 'conversion', of, result });

/** Joins pieces with a separator written in the code. */
export function join(pieces: readonly Sql[], separator: Sql): Sql {
  return { parts: pieces.flatMap((piece, i) => (i === 0 ? piece.parts : [...separator.parts, ...piece.parts])) };
}

/** A comma-separated list, for IN and for argument lists. */
export const list = (pieces: readonly (Sql | Literal)[]): Sql =>
  join(
    pieces.map((piece) => (isSql(piece) ? piece : literal(piece))),
    sql`, `,
  );

/** How relations are written: by default their quoted name; an incremental run puts a restricted subquery there. */
export type Resolve = (relation: Relation) => Sql | undefined;

/** The text of a statement in one dialect. */
export function spell(piece: Sql, dialect: Dialect, resolve: Resolve = () => undefined): string {
  const one = (p: Part): string => {
    switch (p.kind) {
      case 'text':
        return p.text;
      case 'literal':
        return dialect.literal(p.value);
      case 'identifier':
        return p.names.map(dialect.quote).join('.');
      case 'field':
        return [p.base, ...p.path].map(dialect.quote).join('.');
      case 'relation': {
        const other = resolve(p.relation);
        return other ? spell(other, dialect) : p.relation.name.split('.').map(dialect.quote).join('.');
      }
      case 'function':
        return spell(p.call(dialect.functions), dialect, resolve);
      case 'named':
        return dialect.quote(p.name);
      case 'test':
        return spell(p.inner, dialect, resolve);
      case 'conversion':
        return spell(p.result, dialect, resolve);
    }
  };
  return piece.parts.map(one).join('');
}

/** Visits every part, with the functions expanded as `functions` spells them. */
export function visit(piece: Sql, functions: Functions, see: (part: Part) => 'deeper' | 'stop'): void {
  for (const p of piece.parts) {
    if (see(p) === 'stop') continue;
    if (p.kind === 'function') visit(p.call(functions), functions, see);
    if (p.kind === 'named') visit(p.value, functions, see);
    if (p.kind === 'test') visit(p.inner, functions, see);
    if (p.kind === 'conversion') visit(p.result, functions, see);
  }
}
