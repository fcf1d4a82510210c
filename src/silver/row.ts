import {
  type Attribute,
  attributeAt,
  type Definition,
  objectOf,
  observableTypeOf,
  primitiveOf,
  schema,
} from '../../ocsf/schema.ts';
import type { Classes, Objects } from '../../ocsf/types.ts';
import type { Column, Type } from '../sql/dialect.ts';
import { duckdb } from '../sql/duckdb.ts';
import { type Functions, fromJson, type Shape } from '../sql/functions.ts';
import { type Fields, fields, presentRecord } from '../sql/record.ts';
import {
  type Condition,
  call,
  identifier,
  join,
  type Literal,
  literal,
  type Part,
  type Sql,
  spell,
  sql,
  visit,
} from '../sql/sql.ts';

export type ClassName = keyof Classes;
export type ObjectName = keyof Objects;

/** What OCSF has at a dotted path, in a tuple; a message where it has nothing. */
export type At<T, Path> = Path extends `${infer Head}.${infer Rest}`
  ? Head extends keyof T
    ? At<T[Head], Rest>
    : `OCSF has no "${Head}" here`
  : Path extends keyof T
    ? [T[Path]]
    : `OCSF has no "${Path & string}" here`;

/** The SQL that fits an attribute: lists of objects are made by `objects`. */
export type Value<V> = V extends readonly (infer E)[]
  ? E extends string | number | bigint | boolean
    ? Sql<readonly E[]>
    : ObjectList<E>
  : Sql<V>;

/** Columns keyed by OCSF path, each of the attribute's type. */
export type ColumnsOf<T, C> = { [P in keyof C]: At<T, P> extends [infer V] ? Value<V> : At<T, P> };

type ElementColumns = Readonly<Record<string, Sql>>;
interface Element {
  readonly columns: ElementColumns;
  /** The list of texts that elements are made from, one each: JSON read as `shape`, or the texts themselves. */
  readonly each?: { readonly of: Sql; readonly shape?: Shape };
}

/** The value of an attribute that holds a list of objects. */
export interface ObjectList<out T = unknown> {
  readonly kind: 'objects';
  readonly object: string;
  readonly elements: readonly Element[];
  readonly type?: T;
}
/** Columns by OCSF path, as a mapping or a rule gives them. */
export type Columns = Readonly<Record<string, Sql | ObjectList>>;

/** A list with one object for each set of columns; objects that lack what OCSF requires of them are left out. */
export function objects<N extends ObjectName, const C extends readonly Record<string, Sql>[]>(
  object: N,
  ...elements: C & { [I in keyof C]: ColumnsOf<Objects[N], C[I]> }
): ObjectList<Objects[N]> {
  return { kind: 'objects', object, elements: elements.map((columns) => ({ columns })) };
}

/** A list with one object for each element of a list of JSON texts. */
export function objectsFrom<N extends ObjectName, S extends Shape, const C extends Record<string, Sql>>(
  object: N,
  of: Sql<string[]>,
  shape: S,
  columns: (element: Fields<S>) => C & ColumnsOf<Objects[N], C>,
): ObjectList<Objects[N]> {
  return { kind: 'objects', object, elements: [{ columns: columns(fields(shape, 'e')), each: { of, shape } }] };
}

/** A list with one object for each of a list of texts. */
export function objectsOf<N extends ObjectName, const C extends Record<string, Sql>>(
  object: N,
  of: Sql<string[]>,
  columns: (element: Sql<string>) => C & ColumnsOf<Objects[N], C>,
): ObjectList<Objects[N]> {
  return { kind: 'objects', object, elements: [{ columns: columns(identifier('e')), each: { of } }] };
}

/** Several lists of the same object in one. */
export const allObjects = <T>(...lists: ObjectList<T>[]): ObjectList<T> => {
  const [first] = lists;
  if (!first) throw new Error('allObjects needs a list');
  return { ...first, elements: lists.flatMap((one) => one.elements) };
};

const isList = (value: Sql | ObjectList): value is ObjectList => 'kind' in value && value.kind === 'objects';

/** The SQL inside a column. */
export const piecesOf = (value: Sql | ObjectList): readonly Sql[] =>
  isList(value) ? value.elements.flatMap((e) => [...(e.each ? [e.each.of] : Object.values(e.columns))]) : [value];

const OCSF_VERSION = schema.version;
const OBSERVABLE_TYPES = schema.objects.observable?.attributes.type_id?.enum ?? {};

const own = <T>(record: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined;

/** The leaf of a path inside a class or an object. */
function leafOf(definition: Definition, path: string): Attribute {
  const [head = '', ...rest] = path.split('.');
  const attribute = own(definition.attributes, head);
  if (!attribute) throw new Error(`OCSF has no "${head}" in ${definition.name} (path "${path}")`);
  if (rest.length === 0) return attribute;
  const inner = objectOf(attribute);
  if (!inner) throw new Error(`OCSF has no "${rest.join('.')}" in ${definition.name}.${head}`);
  return leafOf(inner, rest.join('.'));
}

function scalarType(attribute: Attribute): Type {
  const primitive = primitiveOf(attribute.type);
  const types: Record<string, Type> = {
    integer_t: 'integer',
    long_t: 'long',
    float_t: 'double',
    boolean_t: 'boolean',
    object_t: { map: ['text', 'text'] },
  };
  const type = types[primitive] ?? 'text';
  return attribute.is_array && !attribute.object_type ? { list: type } : type;
}

/** Paths as a tree; a list of objects is a leaf that has a tree of its own. */
interface Node {
  readonly fields: Map<string, Node>;
  readonly list: boolean;
}
const node = (list = false): Node => ({ fields: new Map(), list });
const isLeaf = (n: Node): boolean => n.fields.size === 0 && !n.list;

function grow(root: Node, path: string): Node {
  let at = root;
  for (const name of path.split('.')) {
    const next = at.fields.get(name) ?? node();
    at.fields.set(name, next);
    at = next;
  }
  return at;
}

/** The caption siblings of the enums among `paths`, of which the mapping need not speak. */
function siblings(
  definition: Definition,
  columns: Columns | ElementColumns,
): Map<string, { id: string; attribute: Attribute }> {
  const found = new Map<string, { id: string; attribute: Attribute }>();
  for (const path of Object.keys(columns)) {
    const attribute = leafOf(definition, path);
    if (attribute.enum && attribute.sibling && !attribute.is_array) {
      const parent = path.split('.').slice(0, -1);
      found.set([...parent, attribute.sibling].join('.'), { id: path, attribute });
    }
  }
  return found;
}

const OTHER = '99';
/** The caption of an enum value; for 99 the source's own word. */
function caption(id: Sql, attribute: Attribute, other: Sql | undefined): Sql {
  const fixed = literalOf(id);
  const captions = Object.entries(attribute.enum ?? {});
  if (fixed !== undefined && String(fixed) !== OTHER) return literal(attribute.enum?.[String(fixed)] ?? null);
  const whens = captions
    .filter(([key]) => key !== OTHER || !other)
    .map(([key, text]) => sql` WHEN ${Number(key)} THEN ${text}`);
  const last = other ? sql` WHEN 99 THEN coalesce(${other}, 'Other')` : sql``;
  return sql`CASE ${id}${join(whens, sql``)}${last} END`;
}

/** Adds the derived captions to the columns. */
function withCaptions<C extends Columns | ElementColumns>(definition: Definition, columns: C): C {
  const derived = [...siblings(definition, columns)].map(([path, { id, attribute }]) => {
    const value = columns[id];
    const other = columns[path];
    if (!value || isList(value) || (other && isList(other))) throw new Error(`${path} is no list of objects`);
    return [path, caption(value, attribute, other)] as const;
  });
  return { ...columns, ...Object.fromEntries(derived) };
}

/** The attributes that OCSF requires in an object, less the derived ones, as conditions on what was mapped. */
interface Demands {
  readonly all: readonly string[];
  readonly any: readonly string[];
}
function demands(definition: Definition): Demands {
  const required = Object.entries(definition.attributes).filter(([, a]) => a.requirement === 'required' && !a.profiles);
  return { all: required.map(([name]) => name), any: definition.constraints?.at_least_one ?? [] };
}

/** How a class's tables and rows look: the union of what its mappings give. */
export interface RowType {
  readonly class: ClassName;
  readonly columns: readonly Column[];
  readonly root: Node;
}

function typeOf(definition: Definition, tree: Node): Type {
  const entries = Object.keys(definition.attributes).flatMap((name): [string, Type][] => {
    const child = tree.fields.get(name);
    if (!child) return [];
    const attribute = definition.attributes[name] as Attribute;
    if (isLeaf(child)) return [[name, scalarType(attribute)]];
    const inner = objectOf(attribute);
    if (!inner) throw new Error(`${definition.name}.${name} is no object`);
    const struct = typeOf(inner, child);
    return [[name, child.list ? { list: struct } : struct]];
  });
  return { struct: Object.fromEntries(entries) };
}

const DERIVED_OBSERVABLES = ['name', 'type', 'type_id', 'value'];

const classOf = (name: ClassName): (typeof schema.classes)[string] => {
  const found = schema.classes[name];
  if (!found) throw new Error(`OCSF has no class "${name}"`);
  return found;
};

/** The row type that holds everything these sets of columns give. */
export function rowType(name: ClassName, sets: readonly Columns[], more: readonly string[] = []): RowType {
  const definition = classOf(name);
  const root = node();
  for (const columns of sets) {
    for (const [path, value] of Object.entries(columns)) {
      attributeAt(name, path);
      const at = grow(root, path);
      if (!isList(value)) continue;
      const inner = schema.objects[value.object];
      if (!inner) throw new Error(`OCSF has no object "${value.object}"`);
      const list = grow(root, path);
      Object.assign(list, { list: true });
      for (const element of value.elements)
        for (const inside of Object.keys(withCaptions(inner, element.columns))) grow(at, inside);
    }
    for (const path of siblings(definition, columns).keys()) grow(root, path);
  }
  for (const path of more) grow(root, path);
  const observables = grow(root, 'observables');
  Object.assign(observables, { list: true });
  for (const field of DERIVED_OBSERVABLES) grow(observables, field);
  const type = typeOf(definition, root);
  if (typeof type === 'string' || !('struct' in type)) throw new Error('a row is a struct');
  return { class: name, root, columns: Object.entries(type.struct).map(([column, t]) => ({ name: column, type: t })) };
}

const cast = (value: Sql, type: Type): Sql => call((f) => f.cast(value, type));
const notNull = (value: Sql): Sql => sql`${value} IS NOT NULL`;
const anyOf = (conditions: readonly Sql[]): Sql => sql`(${join(conditions, sql` OR `)})`;

const literalOf = (value: Sql): Literal | undefined =>
  value.parts.length === 1 && value.parts[0]?.kind === 'literal' ? value.parts[0].value : undefined;
const isConstant = (value: Sql): boolean => literalOf(value) !== undefined && literalOf(value) !== null;

type Leaf = (path: string) => Sql | undefined;

/** When the attribute `name` of a definition is there. */
function presence(
  definition: Definition,
  tree: Node,
  prefix: string,
  leaf: Leaf,
  name: string,
): Sql | 'always' | 'never' {
  const child = tree.fields.get(name);
  const attribute = definition.attributes[name];
  if (!child || !attribute) return 'never';
  const path = prefix === '' ? name : `${prefix}.${name}`;
  if (isLeaf(child) || child.list) {
    const value = leaf(path);
    if (!value) return 'never';
    return isConstant(value) ? 'always' : notNull(value);
  }
  const inner = objectOf(attribute) as Definition;
  const conditions = stands(inner, child, path, leaf);
  if (conditions.length > 0) return sql`(${join(conditions, sql` AND `)})`;
  const { all, any } = demands(inner);
  if (all.length + any.length > 0) return 'always';
  const inside = [...child.fields.keys()].map((field) => presence(inner, child, path, leaf, field));
  const open = inside.filter((p) => typeof p !== 'string');
  return open.length > 0 ? anyOf(open) : inside.includes('always') ? 'always' : 'never';
}

/** The conditions under which OCSF lets an object stand: what it requires is there. `leaf` gives a mapped leaf by path. */
function stands(definition: Definition, tree: Node, prefix: string, leaf: Leaf): Sql[] {
  const { all, any } = demands(definition);
  const groups = [...all.map((name) => [name]), ...(any.length > 0 ? [any] : [])];
  return groups.flatMap((names) => {
    const found = names.map((name) => presence(definition, tree, prefix, leaf, name));
    if (found.includes('always')) return [];
    const open = found.filter((p) => typeof p !== 'string');
    return [open.length > 0 ? anyOf(open) : sql`FALSE`];
  });
}

/** The conditions under which every object on the way to a leaf stands; `there` says that the leaf has a value. */
function guardsOf(definition: Definition, tree: Node, columns: Columns, path: string, there = false): Sql[] {
  const leaf: Leaf = (name) => {
    if (there && name === path) return literal(true);
    const column = own(columns, name);
    return column && (!isList(column) && isConstant(column) ? column : identifier(name));
  };
  const conditions: Sql[] = [];
  let inside = definition;
  let at = tree;
  let prefix = '';
  for (const segment of path.split('.').slice(0, -1)) {
    const attribute = inside.attributes[segment];
    const inner = attribute && objectOf(attribute);
    const next = at.fields.get(segment);
    if (!inner || !next) return conditions;
    prefix = prefix === '' ? segment : `${prefix}.${segment}`;
    conditions.push(...stands(inner, next, prefix, leaf));
    inside = inner;
    at = next;
  }
  return conditions;
}

/** A struct of the tree's shape, NULL where OCSF would not let the object stand. */
function struct(definition: Definition, tree: Node, prefix: string, leaf: Leaf, guarded: boolean): Sql {
  const parts = Object.keys(definition.attributes).flatMap((name): (readonly [string, Sql])[] => {
    const child = tree.fields.get(name);
    if (!child) return [];
    const path = prefix === '' ? name : `${prefix}.${name}`;
    const attribute = definition.attributes[name] as Attribute;
    if (isLeaf(child) || child.list) {
      const inner = child.list ? objectOf(attribute) : undefined;
      const type: Type = inner ? { list: typeOf(inner, child) } : scalarType(attribute);
      return [[name, leaf(path) ?? cast(sql`NULL`, type)]];
    }
    const inner = objectOf(attribute);
    if (!inner) throw new Error(`${definition.name}.${name} is no object`);
    return [[name, struct(inner, child, path, leaf, true)]];
  });
  const value = call((f) => f.struct(parts));
  const conditions = guarded ? stands(definition, tree, prefix, leaf) : [];
  return conditions.length === 0 ? value : sql`CASE WHEN ${join(conditions, sql` AND `)} THEN ${value} END`;
}

/** A list of objects as SQL, of the row type's struct. */
function listOf(value: ObjectList, tree: Node): Sql {
  const definition = schema.objects[value.object] as Definition;
  const type = typeOf(definition, tree);
  const lists = value.elements.map((element) => {
    const columns = withCaptions(definition, element.columns);
    const leaf: Leaf = (path) => {
      const column = own(columns, path);
      return column && (isConstant(column) ? column : cast(column, scalarType(leafOf(definition, path))));
    };
    const row = cast(struct(definition, tree, '', leaf, true), type);
    const { each } = element;
    if (!each) return call((f) => f.list([row]));
    return call((f) => {
      const { of, shape } = each;
      const parsed = shape
        ? f.transform(
            f.transform(of, (e) => sql`CASE WHEN ${f.isJson(e)} THEN ${fromJson(e as Sql, shape)} END`),
            () => presentRecord(shape, 'e'),
          )
        : of;
      return f.transform(parsed, () => row);
    });
  });
  const sources = value.elements.map((element) => element.each?.of);
  const some = sources.every((of) => of?.parts.length === 1)
    ? anyOf(sources.map((of) => notNull(of as Sql)))
    : undefined;
  return call((f) => {
    const all = f.filter(lists.length === 1 ? (lists[0] as Sql) : f.concatLists(lists), (e) => notNull(e));
    const made = sql`CASE WHEN ${f.size(all)} > 0 THEN ${all} END`;
    return some ? sql`CASE WHEN ${some} THEN ${made} END` : made;
  });
}

/** What the derived columns are made from. */
export interface Given {
  readonly columns: Columns;
  /** The columns of `from` that `unmapped` reads: the record and what was parsed out of it. */
  readonly carried?: readonly string[];
  /** What no column took, made from the record and the leaves. */
  readonly unmapped?: Sql;
}

/** The profiles that these columns need. */
const profilesOf = (name: ClassName, columns: Columns): Set<string> =>
  new Set(
    Object.keys(columns).flatMap((path) =>
      attributeAt(name, path).chain.flatMap(({ attribute }) => attribute.profiles ?? []),
    ),
  );

/** Adds what every row of a class has and no mapping writes. */
export function derive(name: ClassName, columns: Columns): Columns {
  const definition = classOf(name);
  const activity = columns.activity_id;
  if (!activity || isList(activity)) throw new Error(`${name}: a mapping gives activity_id`);
  const profiles = profilesOf(name, columns);
  return {
    ...columns,
    category_uid: literal(definition.category_uid),
    class_uid: literal(definition.uid),
    'metadata.version': literal(OCSF_VERSION),
    ...(profiles.size > 0
      ? { 'metadata.profiles': call((f) => f.list([...profiles].sort().map((p) => literal(p)))) }
      : {}),
    type_uid: isConstant(activity)
      ? literal(definition.uid * 100 + Number(literalOf(activity)))
      : sql`(${definition.uid * 100} + ${identifier('activity_id')})`,
  };
}

/** What OCSF requires in a class and these columns do not give: attributes, and objects' own. */
export function missing(name: ClassName, columns: Columns): string[] {
  const profiles = profilesOf(name, columns);
  const problems: string[] = [];
  const check = (definition: Definition, tree: Node, prefix: string): void => {
    for (const [attribute, a] of Object.entries(definition.attributes)) {
      const active = !a.profiles || a.profiles.some((p) => profiles.has(p));
      const child = tree.fields.get(attribute);
      if (a.requirement === 'required' && active && !child) problems.push(prefix + attribute);
      const inner = child && !isLeaf(child) ? objectOf(a) : undefined;
      if (child && inner) check(inner, child, `${prefix}${attribute}${child.list ? '[]' : ''}.`);
    }
    const any = definition.constraints?.at_least_one;
    if (any && !any.some((a) => tree.fields.has(a))) problems.push(`${prefix}(one of ${any.join(', ')})`);
  };
  check(classOf(name), rowType(name, [columns]).root, '');
  return problems;
}

const RESOURCE_UID = 10;
/** The observable type of a leaf; the id of an instance or a network interface is a Resource UID wherever it stands, so that sources join on it. */
const observableIdOf = (path: string, attribute: Attribute): number | undefined =>
  observableTypeOf(attribute) ?? (/(^|[.])(instance|interface)_uid$/.test(path) ? RESOURCE_UID : undefined);

function observables(type: RowType, columns: Columns): Sql {
  const entry = (name: string, id: number, value: Sql): Sql =>
    call((f) =>
      f.struct([
        ['name', literal(name)],
        ['type', literal(OBSERVABLE_TYPES[String(id)] ?? 'Unknown')],
        ['type_id', literal(id)],
        ['value', cast(value, 'text')],
      ]),
    );
  const scalars: Sql[] = [];
  const lists: Sql[] = [];
  for (const [path, value] of Object.entries(columns).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (isList(value)) {
      const definition = schema.objects[value.object] as Definition;
      const inside = new Set(value.elements.flatMap((e) => Object.keys(e.columns)));
      for (const field of [...inside].sort()) {
        const attribute = leafOf(definition, field);
        const id = attribute.is_array ? undefined : observableIdOf(field, attribute);
        if (id === undefined) continue;
        lists.push(
          call((f) =>
            f.transform(identifier(path), (e) =>
              entry(`${path}[].${field}`, id, sql`${e}.${identifier(...field.split('.'))}`),
            ),
          ),
        );
      }
      continue;
    }
    const attribute = attributeAt(type.class, path).leaf;
    const id = attribute.is_array || attribute.object_type ? undefined : observableIdOf(path, attribute);
    if (id === undefined) continue;
    const guards = guardsOf(classOf(type.class), type.root, columns, path, true);
    const leaf = identifier(path);
    scalars.push(
      entry(path, id, guards.length === 0 ? leaf : sql`CASE WHEN ${join(guards, sql` AND `)} THEN ${leaf} END`),
    );
  }
  const listType: Type = {
    list: { struct: { name: 'text', type: 'text', type_id: 'integer', value: 'text' } },
  };
  if (scalars.length + lists.length === 0) return cast(sql`NULL`, listType);
  return call((f) => {
    const all = scalars.length > 0 ? [f.list(scalars), ...lists] : lists;
    const joined = all.length === 1 ? (all[0] as Sql) : f.concatLists(all);
    return cast(
      f.filter(joined, (e) => notNull(sql`${e}.${identifier('value')}`)),
      listType,
    );
  });
}

/** The SELECT that makes rows of a class: leaves by path from `from`, then structs and observables. */
export function selectRows(type: RowType, given: Given, from: Sql): Sql {
  const definition = classOf(type.class);
  const columns = given.columns;
  const leafType = (path: string): Type => scalarType(attributeAt(type.class, path).leaf);
  const at = (path: string): Node => path.split('.').reduce((n, name) => n.fields.get(name) as Node, type.root);
  const captions = siblings(definition, columns);
  const late = new Set(['type_uid']);
  const leafColumns = Object.entries(columns)
    .filter(([path]) => !late.has(path))
    .map(
      ([path, value]) =>
        sql`  ${isList(value) ? listOf(value, at(path)) : cast(value, leafType(path))} AS ${identifier(path)}`,
    );
  for (const name of given.carried ?? []) leafColumns.push(sql`  ${identifier(name)}`);
  const leaf: Leaf = (path) => {
    if (path === 'unmapped') return given.unmapped;
    const enumerated = captions.get(path);
    if (enumerated)
      return caption(leaf(enumerated.id) ?? sql`NULL`, enumerated.attribute, own(columns, path) && identifier(path));
    const column = own(columns, path);
    if (!column) return undefined;
    return !isList(column) && (isConstant(column) || late.has(path)) ? column : identifier(path);
  };
  const outer = type.columns.map(({ name, type: t }) => {
    const child = type.root.fields.get(name) as Node;
    const attribute = definition.attributes[name] as Attribute;
    const inner = objectOf(attribute);
    const value =
      name === 'observables'
        ? observables(type, columns)
        : isLeaf(child) || child.list
          ? (leaf(name) ?? cast(sql`NULL`, t))
          : struct(inner as Definition, child, name, leaf, true);
    return sql`  ${value} AS ${identifier(name)}`;
  });
  return sql`SELECT
${join(outer, sql`,\n`)}
FROM (SELECT
${join(leafColumns, sql`,\n`)}
FROM ${from}) AS leaves`;
}

/** How a field of the record is used by the columns: kept always, or only where a condition holds. */
export function keptFields(
  name: ClassName,
  columns: Columns,
  base: string,
  functions: Functions = duckdb.functions,
): Map<string, Condition[] | 'always'> {
  const uses = new Map<string, Map<string, Condition>[]>();
  const definition = classOf(name);
  const tree = rowType(name, [columns]).root;
  const guards = (path: string): Sql[] => guardsOf(definition, tree, columns, path);
  const keep = (field: string, conditions: readonly Condition[]): void => {
    const set = new Map(conditions.map((condition) => [spell(condition, duckdb), condition]));
    const others = uses.get(field) ?? [];
    if (others.some((other) => [...other.keys()].every((text) => set.has(text)))) return;
    uses.set(field, [...others.filter((other) => ![...set.keys()].every((text) => other.has(text))), set]);
  };
  const captions = siblings(definition, columns);
  /** `at` is the column that holds the value. */
  const look = (value: Sql, conditions: readonly Condition[], at?: string): void =>
    visit(value, functions, (p: Part) => {
      if (p.kind === 'test') return 'stop';
      if (p.kind === 'conversion') {
        const result = at !== undefined && value.parts.length === 1 ? identifier(at) : p.result;
        look(p.of, [...conditions, notNull(result) as Condition]);
        return 'stop';
      }
      if (p.kind === 'named') {
        look(p.value, conditions, p.name);
        return 'stop';
      }
      if (p.kind === 'field' && p.base === base) keep(p.path.join('.'), conditions);
      return 'deeper';
    });
  for (const [path, value] of Object.entries(columns)) {
    const captioned = captions.get(path);
    if (isList(value)) {
      for (const element of value.elements) {
        if (element.each) look(element.each.of, []);
        else for (const column of Object.values(element.columns)) look(column, []);
      }
    } else
      look(
        value,
        [...guards(path), ...(captioned ? [sql`${identifier(captioned.id)} = ${Number(OTHER)}`] : [])] as Condition[],
        path,
      );
  }
  const kept = new Map<string, Condition[] | 'always'>();
  for (const [field, sets] of uses)
    kept.set(
      field,
      sets.some((set) => set.size === 0) ? 'always' : sets.map((set) => sql`(${join([...set.values()], sql` AND `)})`),
    );
  return kept;
}
