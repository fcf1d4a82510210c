import type { Timestamp } from '../../ocsf/types.ts';
import type { Column } from '../sql/dialect.ts';
import type { Shape } from '../sql/functions.ts';
import { type Fields, fields } from '../sql/record.ts';
import type { Condition, Relation, Sql } from '../sql/sql.ts';

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
  readonly record: Fields<S>;
  readonly lift: Lift;
  /** Records that are no event (digests, notifications): counted, not stored. */
  readonly ignore: Condition;
}

/** The column of a parsed record. */
export const RECORD = 'r';

/** A source's bronze table holds the records as they arrived, with the lifted columns. */
export function defineSource<S extends Shape>(definition: {
  name: string;
  title: string;
  content: 'json' | 'text';
  envelope?: Envelope;
  header?: readonly string[];
  record: S;
  lift: (record: Fields<S>) => Lift;
  ignore: (record: Fields<S>) => Condition;
}): Source<S> {
  const record = fields(definition.record, RECORD);
  return {
    name: `bronze.${definition.name}`,
    source: definition.name,
    title: definition.title,
    content: definition.content,
    envelope: definition.envelope ?? { lists: [], members: [] },
    header: definition.header ?? [],
    shape: definition.record,
    record,
    lift: definition.lift(record),
    ignore: definition.ignore(record),
  };
}

/** The columns of every bronze table. `hash` is the MD5 of `raw`; `uid` and `hash` together are a record's key. */
export const bronzeColumns: readonly Column[] = [
  { name: 'uid', type: 'text' },
  { name: 'time', type: 'long' },
  { name: 'service', type: 'text' },
  { name: 'action', type: 'text' },
  { name: 'raw', type: 'text', bulky: true },
  { name: 'hash', type: 'text' },
  { name: 'file', type: 'text' },
  { name: 'position', type: 'long' },
  { name: 'batch', type: 'long' },
  { name: 'run_id', type: 'text' },
  { name: 'ingested_at', type: 'timestamp' },
  { name: 'fault', type: 'text' },
];
