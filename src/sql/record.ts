import { present, type Shape, text, texts } from './functions.ts';
import { call, type Sql, single } from './sql.ts';

/** The fields of a shape as SQL: texts, lists of texts, and structs of them. */
export type Fields<S> = {
  readonly [K in keyof S]: S[K] extends typeof text
    ? Sql<string>
    : S[K] extends typeof texts
      ? Sql<string[]>
      : Fields<S[K]>;
};

/** The fields of a record that was read as `shape` into the column `base`; throws where two names differ in case only, for engines find a struct's fields in any case. */
export function fields<S extends Shape>(shape: S, base: string, path: readonly string[] = []): Fields<S> {
  const names = Object.keys(shape);
  const twin = names.find((name, i) => names.findIndex((n) => n.toLowerCase() === name.toLowerCase()) < i);
  if (twin !== undefined) throw new Error(`"${[...path, twin].join('.')}": another field differs from it in case only`);
  const entries = Object.entries(shape).map(([key, leaf]) => {
    const here = [...path, key];
    return [key, leaf === text || leaf === texts ? fieldOf(base, here) : fields(leaf, base, here)];
  });
  return Object.fromEntries(entries) as Fields<S>;
}

const fieldOf = (base: string, path: readonly string[]): Sql<string> => single({ kind: 'field', base, path });

/** A record's struct with the texts at `wanted` dotted paths, or all, as `present` gives them. */
export const presentRecord = (
  shape: Shape,
  base: string,
  wanted?: ReadonlySet<string>,
  path: readonly string[] = [],
): Sql =>
  call((f) =>
    f.struct(
      Object.entries(shape).map(([key, leaf]): [string, Sql] => {
        const here = [...path, key];
        if (leaf !== text && leaf !== texts) return [key, presentRecord(leaf, base, wanted, here)];
        const field = fieldOf(base, here);
        return [key, leaf === text && wanted?.has(here.join('.')) !== false ? present(field) : field];
      }),
    ),
  );

/** Every leaf of a shape with its dotted path. */
export function leaves(shape: Shape, path: readonly string[] = []): { path: readonly string[]; list: boolean }[] {
  return Object.entries(shape).flatMap(([key, leaf]) => {
    const here = [...path, key];
    return leaf === text || leaf === texts ? [{ path: here, list: leaf === texts }] : leaves(leaf, here);
  });
}

/** The part of a shape that the given paths name. */
export function pruned(shape: Shape, wanted: ReadonlySet<string>, path: readonly string[] = []): Shape {
  const entries = Object.entries(shape).flatMap(([key, leaf]): [string, Shape[string]][] => {
    const here = [...path, key];
    if (leaf === text || leaf === texts) return wanted.has(here.join('.')) ? [[key, leaf]] : [];
    const inner = pruned(leaf, wanted, here);
    return Object.keys(inner).length > 0 ? [[key, inner]] : [];
  });
  return Object.fromEntries(entries);
}
