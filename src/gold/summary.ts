import type { Column, Type } from '../sql/dialect.ts';
import { hashOf } from '../sql/hash.ts';
import { call, identifier, join, type Relation, type Sql, sql } from '../sql/sql.ts';
import type { RangeStage } from '../stage.ts';

/** A column of a summary: its type and how it is computed. */
export type Measure = readonly [Type, Sql];

const HOUR = 3_600_000;

/** A roll-up by hour, exact for counts and sums; `time` is the hour's start in milliseconds, `hour` the same as a timestamp. */
export type Summary = RangeStage & { readonly title: string };

/** Rolls a silver table up by hour and the given keys. */
export function defineSummary(definition: {
  name: string;
  title: string;
  on: Relation;
  where?: Sql;
  by: Readonly<Record<string, Measure>>;
  measures: Readonly<Record<string, Measure>>;
}): Summary {
  const { on, by, measures } = definition;
  const start = sql`(time - time % ${HOUR})`;
  const columns: Column[] = [
    { name: 'time', type: 'long' },
    { name: 'hour', type: 'timestamp' },
    ...Object.entries({ ...by, ...measures }).map(([name, [type]]) => ({ name, type })),
  ];
  const table = {
    name: `gold.${definition.name}`,
    columns,
    cluster: ['time'],
    comment: `${definition.title}, by hour`,
  };
  const keys = Object.entries(by).map(([name, [type, value]]) =>
    call((f) => sql`${f.cast(value, type)} AS ${identifier(name)}`),
  );
  const totals = Object.entries(measures).map(([name, [type, value]]) =>
    call((f) => sql`${f.cast(value, type)} AS ${identifier(name)}`),
  );
  const select = sql`SELECT ${start} AS time, ${call((f) => f.timestampOfMillis(start))} AS hour, ${join([...keys, ...totals], sql`, `)}
FROM ${on} AS event${definition.where ? sql` WHERE ${definition.where}` : sql``}
GROUP BY ALL`;
  return {
    kind: 'range',
    name: table.name,
    title: definition.title,
    table,
    owner: undefined,
    time: 'time',
    reach: { before: HOUR - 1, after: 0 },
    inputs: [on],
    select,
    hash: hashOf(table, select),
  };
}
