import json from './schema.json' with { type: 'json' };

/** When OCSF deprecated something. */
export interface Deprecation {
  since: string;
}

/** How much OCSF wants an attribute. */
export type Requirement = 'required' | 'recommended' | 'optional';

/** One attribute of a class or object, with OCSF's own keys; with `profiles` it exists only under one of them. */
export interface Attribute {
  type: string;
  object_type?: string;
  is_array?: true;
  requirement: Requirement;
  profiles?: string[];
  observable?: number;
  deprecated?: Deprecation;
  sibling?: string;
  enum?: Record<string, string>;
  enum_deprecated?: Record<string, Deprecation>;
}

/** A data type; `type` names the primitive that it restricts. */
export interface DataType {
  caption: string;
  type?: string;
  max_len?: number;
  range?: [number, number];
  values?: (boolean | number | string)[];
  observable?: number;
  regex?: string;
}

/** What classes and objects have in common. */
export interface Definition {
  name: string;
  caption: string;
  profiles?: string[];
  constraints?: { at_least_one?: string[]; just_one?: string[] };
  deprecated?: Deprecation;
  attributes: Record<string, Attribute>;
}

/** An OCSF object; `observable` is the type_id of an observable that holds it. */
export interface ObjectType extends Definition {
  observable?: number;
}

/** An OCSF event class. */
export interface ClassType extends Definition {
  uid: number;
  category: string;
  category_uid: number;
  category_name: string;
}

/** A profile and the top-level attributes it adds. */
export interface Profile {
  caption: string;
  attributes: string[];
}

/** The facts of OCSF that this project uses, by OCSF's names. */
export interface Schema {
  version: string;
  types: Record<string, DataType>;
  profiles: Record<string, Profile>;
  classes: Record<string, ClassType>;
  objects: Record<string, ObjectType>;
}

/** OCSF 1.8.0 as slim.ts cut it down. */
export const schema: Schema = json as unknown as Schema;

/** One step of a path: the attribute's name and what OCSF says of it. */
export interface Step {
  name: string;
  attribute: Attribute;
}

/** Every attribute along a dotted path of a class, arrays passed through, the last being the leaf; throws where OCSF lacks a segment, naming near ones. */
export function attributeAt(className: string, path: string): { chain: Step[]; leaf: Attribute } {
  const type = own(schema.classes, className);
  if (type === undefined) throw new Error(`OCSF has no class "${className}"${near(className, schema.classes)}`);
  const chain: Step[] = [];
  let inside: Definition | undefined = type;
  let leaf: Attribute | undefined;
  for (const name of path.split('.')) {
    const where: string = [className, ...chain.map((step) => step.name)].join('.');
    if (inside === undefined) throw new Error(`OCSF has no "${name}" in "${path}": ${where} has type ${leaf?.type}`);
    leaf = own(inside.attributes, name);
    if (leaf === undefined) {
      throw new Error(`OCSF has no "${name}" in "${path}": not in ${where}${near(name, inside.attributes)}`);
    }
    chain.push({ name, attribute: leaf });
    inside = objectOf(leaf);
  }
  if (leaf === undefined) throw new Error('unreachable: split always yields a segment');
  return { chain, leaf };
}

/** The object an attribute holds, or undefined when it holds a plain value. */
export function objectOf(attribute: Attribute): ObjectType | undefined {
  return attribute.object_type === undefined ? undefined : own(schema.objects, attribute.object_type);
}

/** The primitive behind a data type: long_t for timestamp_t, string_t for ip_t, object_t for objects. */
export function primitiveOf(type: string): string {
  return own(schema.types, type)?.type ?? type;
}

/** The observable type_id of an attribute, by the attribute itself, else its object, else its type. */
export function observableTypeOf(attribute: Attribute): number | undefined {
  return attribute.observable ?? objectOf(attribute)?.observable ?? own(schema.types, attribute.type)?.observable;
}

const underProfiles = new Map<string, ReadonlyMap<string, Attribute>>();

/** The attributes of a class or object that exist under the given profiles. */
export function attributesUnder(definition: Definition, profiles: Iterable<string>): ReadonlyMap<string, Attribute> {
  const known = [...new Set(profiles)].filter((name) => Object.hasOwn(schema.profiles, name)).sort();
  const key = [definition.name, ...known].join(' ');
  const found = underProfiles.get(key);
  if (found !== undefined) return found;
  const made = new Map(
    Object.entries(definition.attributes).filter(([, a]) => a.profiles?.some((name) => known.includes(name)) ?? true),
  );
  underProfiles.set(key, made);
  return made;
}

/** One step of an observable's name; `index` is what stands in its brackets, if it has any. */
export interface ObservableStep {
  name: string;
  index?: string;
}

/** The steps of an observable's name: `resources[0].name` is `resources` with index `0`, then `name`. */
export function stepsOf(name: string): ObservableStep[] {
  return name.split(/\.(?![^[]*\])/).map((step) => {
    const [, base, index] = /^([^[]+)\[(.*)\]$/.exec(step) ?? [];
    return base === undefined || index === undefined ? { name: step } : { name: base, index };
  });
}

/** Up to three of the candidates that a mistyped name may have meant, nearest first. */
export function nearNames(name: string, candidates: Iterable<string>): string[] {
  return [...candidates]
    .map((candidate) => ({ candidate, distance: editDistance(name, candidate) }))
    .filter(({ candidate, distance }) => distance <= Math.max(2, Math.min(name.length, candidate.length) / 3))
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

function near(name: string, candidates: Record<string, unknown>): string {
  const names = nearNames(name, Object.keys(candidates)).map((candidate) => `"${candidate}"`);
  return names.length === 0 ? '' : `; near: ${names.join(', ')}`;
}

/** An entry of a record by a name from outside, which may be `constructor`. */
export function own<T>(items: Record<string, T>, name: string): T | undefined {
  return Object.hasOwn(items, name) ? items[name] : undefined;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, char] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, other] of [...b].entries()) {
      const [above = 0, left = 0, diagonal = 0] = [row[j + 1], next[j], row[j]];
      next.push(Math.min(above + 1, left + 1, diagonal + (char === other ? 0 : 1)));
    }
    row = next;
  }
  return row.at(-1) ?? 0;
}
