import type { Timestamp } from '../../ocsf/types.ts';
import type { Column } from '../sql/dialect.ts';
import { fromJson, redacted, type Shape } from '../sql/functions.ts';
import { type Fields, fields } from '../sql/record.ts';
import { type Condition, identifier, named, type Relation, type Sql, single, sql } from '../sql/sql.ts';

/** What is lifted out of a record beside its text: the key, the time and what silver routes by. */
export interface Lift {
  /** The event's own id; NULL where it has none, and the hash of the record takes its place. */
  readonly uid: Sql<string>;
  /** Event time in milliseconds since 1970. */
  readonly time: Sql<Timestamp>;
  /** Two columns that say what kind of event it is: its service and what was done. */
  readonly service: Sql<string>;
  readonly action: Sql<string>;
}

/** Where records hide inside what arrives: members that hold a list of records, and members that hold one. */
export interface Envelope {
  readonly lists: readonly string[];
  readonly members: readonly string[];
  /** How most records begin that are in no wrapper: they need not be searched for one. */
  readonly bare?: string;
}

/** Records that some tool rewrote on their way, so that their fields are not found: how to tell them, and their text put right for these shapes. Bronze keeps it as it arrived. */
export interface Repair {
  readonly when: Condition;
  readonly text: (...shapes: Shape[]) => Sql<string>;
}

/** A kind of log: how its files are read, what a record looks like and what is lifted out of it. */
export interface Source<S extends Shape = Shape> extends Relation {
  readonly name: `bronze.${string}`;
  readonly source: string;
  readonly title: string;
  readonly content: 'json' | 'text';
  readonly envelope: Envelope;
  /** Names of the fields of a text line where a file has no header. */
  readonly header: readonly string[];
  readonly shape: S;
  /** The fields as silver may have them: those that can hold secrets without these. */
  readonly record: Fields<S>;
  readonly lift: Lift;
  /** Fields that only a document which is no event has, for `ignore`. */
  readonly foreign: Shape;
  /** Records that are no event (digests, notifications): counted, not stored. */
  readonly ignore: Condition;
  readonly repair: Repair | undefined;
  /** Names of JSON members whose values stay in bronze. */
  readonly secrets: readonly string[];
}

/** The column of a parsed record. */
export const RECORD = 'r';

/** A source's bronze table holds the records as they arrived, with the lifted columns. */
export function defineSource<S extends Shape, F extends Shape = Record<never, never>>(definition: {
  name: string;
  title: string;
  content: 'json' | 'text';
  envelope?: Envelope;
  header?: readonly string[];
  record: S;
  foreign?: F;
  lift: (record: Fields<S>, raw: Sql<string>) => Lift;
  ignore: (record: Fields<S & F>) => Condition;
  repair?: (record: Fields<S>, raw: Sql<string>) => Repair;
  /** Members that must not leave bronze, and the fields of the record that can hold them. */
  secrets?: { readonly names: readonly string[]; readonly in: readonly (keyof S & string)[] };
}): Source<S> {
  const record = fields(definition.record, RECORD);
  const raw = identifier<string>('raw');
  const foreign = definition.foreign ?? ({} as F);
  const { names, in: guarded } = definition.secrets ?? { names: [], in: [] };
  const clean = guarded.map((name) => [
    name,
    named(`clean_${name}`, redacted(single({ kind: 'field', base: RECORD, path: [name] }), names)),
  ]);
  return {
    name: `bronze.${definition.name}`,
    source: definition.name,
    title: definition.title,
    content: definition.content,
    envelope: definition.envelope ?? { lists: [], members: [] },
    header: definition.header ?? [],
    shape: definition.record,
    record: { ...record, ...Object.fromEntries(clean) },
    lift: definition.lift(record, raw),
    foreign,
    ignore: definition.ignore(fields({ ...foreign, ...definition.record }, RECORD)),
    repair: definition.repair?.(record, raw),
    secrets: names,
  };
}

/** The record, read again where its text must be put right for `known` shapes; undefined for a source whose records never need it. */
export const repaired = (source: Source, shape: Shape, ...known: Shape[]): Sql | undefined =>
  source.repair &&
  sql`CASE WHEN ${source.repair.when} THEN ${fromJson(source.repair.text(...known), shape)} ELSE ${identifier(RECORD)} END`;

/** The columns of every bronze table. `hash` is the MD5 of `raw`; `uid` and `hash` together are a record's key; `shape` stands for the names of its members. */
export const bronzeColumns: readonly Column[] = [
  { name: 'uid', type: 'text', comment: "The event's own id, or the MD5 of its text where it has none" },
  { name: 'time', type: 'long', comment: 'Event time in milliseconds since 1970' },
  { name: 'service', type: 'text', comment: 'What kind of event it is: its service' },
  { name: 'action', type: 'text', comment: 'What was done' },
  { name: 'raw', type: 'text', bulky: true, comment: 'The record as it arrived' },
  { name: 'hash', type: 'text', comment: "MD5 of the record where it has an id of its own; with uid the record's key" },
  { name: 'shape', type: 'long', comment: 'Stands for the names of its members: pipeline.shapes' },
  { name: 'file', type: 'text', comment: 'The file or table it came from' },
  { name: 'position', type: 'long', comment: 'Which record of it, from 1' },
  { name: 'batch', type: 'long', comment: 'The batch it came in: pipeline.files' },
  { name: 'run_id', type: 'text', comment: 'The run it came in: pipeline.runs' },
  { name: 'ingested_at', type: 'timestamp', comment: 'When that was' },
  { name: 'fault', type: 'text', comment: 'Why it must leave bronze again; NULL between runs' },
];
