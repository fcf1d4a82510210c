import { type Condition, call, type Sql, sql } from '../sql/sql.ts';
import { shapes } from './shape.ts';

/** What happens to a record that does not meet an expectation: it is counted, goes to quarantine, or refuses its whole batch. */
export type Otherwise = 'warn' | 'drop' | 'fail';

/** What a manifest may say of a named condition on a stage's rows. */
export interface Expected {
  readonly name: string;
  readonly otherwise: Otherwise;
  /** What the manifest may choose instead; a row without a time, say, can be no row of silver, so it cannot just be counted. */
  readonly choices: readonly Otherwise[];
  /** The reason in quarantine, which more may follow after a colon. */
  readonly reason: string;
  /** Only for records of these sources. */
  readonly sources?: readonly string[];
}

/** A named condition on a source's records, in the columns of bronze; a NULL condition is not met. */
export interface Expectation extends Expected {
  readonly holds: Condition;
  /** Judged once the whole batch is in bronze, for it needs what only the batch tells. */
  readonly settled?: { readonly detail: Sql<string> };
}

const SANE_FROM = Date.UTC(2000, 0, 1);
const SANE_UNTIL = Date.UTC(2100, 0, 1);

/** What is expected of every record on its way into bronze, in the lifted columns; `hash` is NULL where an event has no id of its own. */
export const expectations: readonly Expectation[] = [
  {
    name: 'event_time_present',
    holds: sql`time IS NOT NULL`,
    otherwise: 'drop',
    choices: ['drop', 'fail'],
    reason: 'no event time',
  },
  {
    name: 'event_name_present',
    holds: sql`(service IS NOT NULL AND action IS NOT NULL)`,
    otherwise: 'drop',
    choices: ['drop', 'fail'],
    reason: 'no event name',
  },
  {
    name: 'event_time_in_bounds',
    holds: sql`time BETWEEN ${SANE_FROM} AND ${SANE_UNTIL}`,
    otherwise: 'drop',
    choices: ['warn', 'drop', 'fail'],
    reason: 'event time out of bounds',
  },
  {
    name: 'event_id_present',
    holds: sql`hash IS NOT NULL`,
    otherwise: 'warn',
    choices: ['warn', 'drop', 'fail'],
    reason: 'no event id',
    sources: ['cloudtrail'],
  },
  {
    name: 'clean_schema',
    holds: sql`(shape IS NOT NULL AND NOT coalesce(shape IN (SELECT shape FROM ${shapes} WHERE ${call((f) => f.size(sql`undeclared`))} > 0), FALSE))`,
    otherwise: 'warn',
    choices: ['warn', 'drop', 'fail'],
    reason: 'undeclared fields',
    settled: {
      detail: sql`(SELECT array_to_string(list_transform(s.undeclared, lambda u: u.field), ', ') FROM ${shapes} AS s WHERE s.shape = b.shape)`,
    },
  },
];

/** The manifest's choices for a source, by the name of the expectation. */
export type Choices = Readonly<Partial<Record<string, Otherwise>>>;

/** Those of the expectations that a source has, with what the manifest wants of them. */
export const chosenOf = <E extends Expected>(all: readonly E[], source: string, choices: Choices = {}): E[] =>
  all
    .filter((one) => one.sources?.includes(source) ?? true)
    .map((one) => ({ ...one, otherwise: choices[one.name] ?? one.otherwise }));

/** What is expected of a source's records on their way into bronze, as the manifest wants it. */
export const expectationsOf = (source: string, choices: Choices = {}): Expectation[] =>
  chosenOf(expectations, source, choices);
