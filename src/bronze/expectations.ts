import { type Condition, sql } from '../sql/sql.ts';

/** What happens to a record that does not meet an expectation: it is counted, goes to quarantine, or refuses its whole batch. */
export type Otherwise = 'warn' | 'drop' | 'fail';

/** A named condition on a stage's rows; a NULL condition is not met. */
export interface Expectation {
  readonly name: string;
  readonly holds: Condition;
  readonly otherwise: Otherwise;
  /** What the manifest may choose instead; a row without a time, say, can be no row of silver, so it cannot just be counted. */
  readonly choices: readonly Otherwise[];
  /** The reason in quarantine. */
  readonly reason: string;
  /** Only for records of these sources. */
  readonly sources?: readonly string[];
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
];

/** The manifest's choices for a source, by the name of the expectation. */
export type Choices = Readonly<Partial<Record<string, Otherwise>>>;

/** The expectations of a source as the manifest wants them. */
export const expectationsOf = (source: string, choices: Choices = {}): Expectation[] =>
  expectations
    .filter((one) => one.sources?.includes(source) ?? true)
    .map((one) => ({ ...one, otherwise: choices[one.name] ?? one.otherwise }));
