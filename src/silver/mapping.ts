import type { Classes } from '../../ocsf/types.ts';
import { RECORD, repaired, type Source } from '../bronze/source.ts';
import { duckdb } from '../sql/duckdb.ts';
import { fromJson, redacted, type Shape } from '../sql/functions.ts';
import { type Fields, fields, leaves, presentRecord } from '../sql/record.ts';
import {
  type Condition,
  call,
  identifier,
  join,
  list,
  literal,
  named,
  type Part,
  type Sql,
  sql,
  visit,
} from '../sql/sql.ts';
import type { OcsfClass } from './class.ts';
import {
  type ClassName,
  type Columns,
  type ColumnsOf,
  derive,
  keptFields,
  missing,
  piecesOf,
  type RowType,
  selectRows,
} from './row.ts';

/** Which events a mapping takes: for each service its actions and the OCSF activity of each; `*` is any action. */
export type Events = Readonly<Record<string, Readonly<Record<string, number>>>>;

/** A second JSON text inside the record, read as a shape of its own. */
export interface Parsed<S extends Shape = Shape> {
  readonly json: Sql<string>;
  readonly shape: S;
}
/** Reads a member that is itself JSON text. */
export const parse = <S extends Shape>(json: Sql<string>, shape: S): Parsed<S> => ({ json, shape });

type ParsedFields<P> = { readonly [K in keyof P]: P[K] extends Parsed<infer S> ? Fields<S> : never };

/** How one source's events of one class become OCSF rows. */
export interface Mapping {
  readonly source: Source;
  readonly class: OcsfClass;
  /** The events it takes; 'rest' is whatever no other mapping of the source takes. */
  readonly events: Events | 'rest';
  /** Of these events only those for which this holds of the bronze row. */
  readonly only: Condition | undefined;
  readonly parsed: Readonly<Record<string, Parsed>>;
  readonly columns: Columns;
}

/** The activity of the event's (service, action) in a mapping's own table. */
export function activityOf<A extends number>(events: Readonly<Record<string, Readonly<Record<string, A>>>>): Sql<A> {
  const kind = named('kind', sql`service || ' ' || action`);
  const exact: Sql[] = [];
  const wild: Sql[] = [];
  for (const [service, actions] of Object.entries(events))
    for (const [action, activity] of Object.entries(actions))
      if (action === '*') wild.push(sql` WHEN ${service} THEN ${activity}`);
      else exact.push(sql` WHEN ${`${service} ${action}`} THEN ${activity}`);
  const found = [
    ...(exact.length > 0 ? [sql`CASE ${kind}${join(exact, sql``)} END`] : []),
    ...(wild.length > 0 ? [sql`CASE service${join(wild, sql``)} END`] : []),
  ];
  return found.length === 1 ? (found[0] as Sql<A>) : sql`coalesce(${list(found)})`;
}

/** The lifted columns of the bronze row, and its text. */
export const bronze = {
  uid: identifier<string>('uid'),
  raw: identifier<string>('raw'),
  service: identifier<string>('service'),
  action: identifier<string>('action'),
} as const;

/** A mapping: columns by OCSF path; ids, captions, observables, unmapped, time and uid are derived. */
export function defineMapping<
  N extends ClassName,
  S extends Shape,
  const C,
  P extends Readonly<Record<string, Parsed>> = Record<never, never>,
>(definition: {
  source: Source<S>;
  class: OcsfClass<N>;
  events: Events | 'rest';
  only?: Condition;
  parse?: (record: Fields<S>) => P;
  columns: (record: Fields<S>, parsed: ParsedFields<P>) => C & ColumnsOf<Classes[N], C>;
}): Mapping {
  const { source, events } = definition;
  const parsed = definition.parse?.(source.record) ?? {};
  const inner = Object.fromEntries(
    Object.entries(parsed).map(([name, p]) => [name, fields((p as Parsed).shape, name)]),
  );
  const given = definition.columns(source.record, inner as ParsedFields<P>) as Columns;
  const columns = derive(definition.class.class, {
    ...given,
    time: identifier('time'),
    'metadata.uid': identifier('uid'),
    'raw_data_hash.algorithm_id': sql`CASE WHEN hash IS NOT NULL THEN 1 END`,
    'raw_data_hash.value': identifier('hash'),
  });
  const lacks = missing(definition.class.class, columns);
  if (lacks.length > 0)
    throw new Error(`${source.source} → ${definition.class.class} lacks what OCSF requires: ${lacks.join(', ')}`);
  return {
    source: source as unknown as Source,
    class: definition.class as unknown as OcsfClass,
    events,
    only: definition.only,
    parsed,
    columns,
  };
}

/** The mapping with the record's text as `raw_data`, without the members that must not leave bronze. */
export function withRawData(mapping: Mapping): Mapping {
  const { secrets } = mapping.source;
  const text = secrets.length > 0 ? redacted(bronze.raw, secrets) : bronze.raw;
  return { ...mapping, columns: { ...mapping.columns, raw_data: text } };
}

/** The fields of the record that the columns are made of, by dotted path. */
function usedFields({ columns, parsed }: Mapping): Set<string> {
  const found = new Set<string>();
  const look = (piece: Sql): void =>
    visit(piece, duckdb.functions, (part: Part) => {
      if (part.kind === 'field' && part.base === RECORD) found.add(part.path.join('.'));
      if (part.kind === 'conversion') look(part.of);
      return 'deeper';
    });
  for (const column of Object.values(columns)) for (const piece of piecesOf(column)) look(piece);
  for (const { json } of Object.values(parsed)) look(json);
  return found;
}

/** Fields that the lifted columns keep: the event's id and time, and its service and action where a column has them. */
function lifted({ source, columns }: Mapping): Set<string> {
  const shown = new Set<string>();
  for (const column of Object.values(columns))
    for (const piece of piecesOf(column))
      visit(piece, duckdb.functions, (part: Part) => {
        if (part.kind === 'identifier') shown.add(part.names.join('.'));
        return part.kind === 'test' ? 'stop' : 'deeper';
      });
  const { uid, time, service, action } = source.lift;
  const kept = [uid, time, ...(shown.has('service') ? [service] : []), ...(shown.has('action') ? [action] : [])];
  const found = new Set<string>();
  for (const value of kept)
    visit(value, duckdb.functions, (part: Part) => {
      if (part.kind === 'field' && part.base === RECORD) found.add(part.path.join('.'));
      return part.kind === 'test' ? 'stop' : 'deeper';
    });
  return found;
}

/** A field as silver may have it. */
const fieldAt = (source: Source, path: readonly string[]): Sql =>
  path.reduce<unknown>((at, key) => (at as Readonly<Record<string, unknown>>)[key], source.record) as Sql;

/** What logs write where there is no value. */
const NO_VALUE = ['', '-', 'null'];

/** What the record holds and no column took, by dotted key. */
function unmapped(mapping: Mapping): Sql {
  const kept = keptFields(mapping.class.class, mapping.columns, RECORD);
  const always = lifted(mapping);
  const left = leaves(mapping.source.shape).flatMap(({ path, list }): [string, Sql][] => {
    const key = path.join('.');
    const how = kept.get(key);
    if (how === 'always' || always.has(key)) return [];
    const field = fieldAt(mapping.source, path);
    const value = list ? call((f) => f.toJson(field)) : field;
    return [[key, how ? sql`CASE WHEN NOT coalesce(${join(how, sql` OR `)}, FALSE) THEN ${value} END` : value]];
  });
  if (left.length === 0) return call((f) => f.cast(sql`NULL`, { map: ['text', 'text'] }));
  return call((f) => {
    const entries = left.map(([k, v]) =>
      f.struct([
        ['k', literal(k)],
        ['v', v],
      ]),
    );
    const pairs = f.filter(f.list(entries), (e) => sql`${e}.v NOT IN (${list(NO_VALUE)})`);
    const any = sql`coalesce(${list(left.map(([, v]) => v))}) IS NOT NULL`;
    return sql`CASE WHEN ${any} THEN ${f.mapOfPairs(pairs)} END`;
  });
}

/** The relation that holds the routed bronze rows of the batches at hand: bronze columns, `source` and `class`. */
export const ROUTED = 'routed';

/** A column that other columns are made from: JSON that was parsed, or a value that was named. */
interface Step {
  readonly value: Sql;
  readonly depth: number;
}

/** What must be computed before the columns, each with how many steps must come before it. */
function steps(mapping: Mapping, rest: Sql): Map<string, Step> {
  const found = new Map<string, Step>();
  const depthOf = (value: Sql): number => {
    let depth = 0;
    visit(value, duckdb.functions, (part: Part) => {
      if (part.kind === 'named') depth = Math.max(depth, stepOf(part.name, part.value).depth + 1);
      if (part.kind === 'field' && part.base !== RECORD) depth = Math.max(depth, parsedStep(part.base).depth + 1);
      if (part.kind === 'conversion') depth = Math.max(depth, depthOf(part.of));
      return part.kind === 'named' ? 'stop' : 'deeper';
    });
    return depth;
  };
  const stepOf = (name: string, value: Sql): Step => {
    const before = found.get(name);
    if (before) return before;
    const step = { value, depth: depthOf(value) };
    found.set(name, step);
    return step;
  };
  const parsedStep = (name: string): Step => {
    const before = found.get(name);
    if (before) return before;
    const parsed = mapping.parsed[name];
    if (!parsed) return { value: sql``, depth: -1 };
    const { json, shape } = parsed;
    const asWritten = {
      value: call((f) => sql`CASE WHEN ${f.isJson(json)} THEN ${fromJson(json, shape)} END`),
      depth: depthOf(json),
    };
    const step = { value: presentRecord(shape, `${name}_as_written`), depth: asWritten.depth + 1 };
    found.set(`${name}_as_written`, asWritten);
    found.set(name, step);
    return step;
  };
  for (const name of Object.keys(mapping.parsed)) parsedStep(name);
  for (const value of Object.values(mapping.columns)) for (const piece of piecesOf(value)) depthOf(piece);
  depthOf(rest);
  return found;
}

/** The rows of one mapping, from the routed bronze rows. */
export function selectMapping(mapping: Mapping, type: RowType): Sql {
  const { shape } = mapping.source;
  const columns = sql`uid, time, service, action, hash, raw`;
  let from: Sql = sql`(SELECT ${columns}, ${fromJson(bronze.raw, shape)} AS ${identifier(RECORD)}
  FROM ${identifier(ROUTED)} WHERE source = ${mapping.source.source} AND class = ${mapping.class.class}) AS bronze`;
  const right = repaired(mapping.source, shape, shape, ...Object.values(mapping.parsed).map((parsed) => parsed.shape));
  if (right) from = sql`(SELECT ${columns}, ${right} AS ${identifier(RECORD)} FROM ${from}) AS repaired`;
  from = sql`(SELECT ${columns}, ${presentRecord(shape, RECORD, usedFields(mapping))} AS ${identifier(RECORD)} FROM ${from}) AS present`;
  const rest = unmapped(mapping);
  const all = steps(mapping, rest);
  for (let depth = 0; ; depth++) {
    const layer = [...all].filter(([, step]) => step.depth === depth);
    if (layer.length === 0) break;
    const columns = layer.map(([name, { value }]) => sql`${value} AS ${identifier(name)}`);
    from = sql`(SELECT *, ${join(columns, sql`, `)} FROM ${from}) AS ${identifier(`step_${depth}`)}`;
  }
  return selectRows(type, { columns: mapping.columns, carried: [RECORD, ...all.keys()], unmapped: rest }, from);
}

/** The class of a bronze row by its lifted columns, among the mappings of one source; a named action goes before `*`. */
export function classOfRow(mappings: readonly Mapping[]): Sql<string> {
  const taken = new Map<string, string>();
  const whens: Sql[] = [];
  const wilds: Sql[] = [];
  let rest: string | undefined;
  for (const { events, only, class: target, source } of mappings) {
    if (events === 'rest') {
      if (rest) throw new Error(`${source.source}: ${rest} and ${target.class} both take the rest`);
      rest = target.class;
      continue;
    }
    const wild = Object.keys(events).filter((service) => events[service]?.['*'] !== undefined);
    const keys = Object.entries(events).flatMap(([service, actions]) =>
      Object.keys(actions)
        .filter((a) => a !== '*')
        .map((action) => `${service} ${action}`),
    );
    for (const key of [...keys, ...wild.map((service) => `${service} *`)]) {
      const other = taken.get(key);
      if (other) throw new Error(`${source.source}: both ${other} and ${target.class} take ${key}`);
      taken.set(key, target.class);
    }
    const when = (taken: Sql): Sql =>
      only
        ? sql` WHEN CASE WHEN ${taken} THEN ${only} END THEN ${target.class}`
        : sql` WHEN ${taken} THEN ${target.class}`;
    if (keys.length > 0) whens.push(when(sql`service || ' ' || action IN (${list(keys)})`));
    if (wild.length > 0) wilds.push(when(sql`service IN (${list(wild)})`));
  }
  if (whens.length + wilds.length === 0) return literal(rest ?? null) as Sql<string>;
  return sql`CASE${join([...whens, ...wilds], sql``)}${rest ? sql` ELSE ${rest}` : sql``} END`;
}
