import { schema } from '../../ocsf/schema.ts';
import type { OcsfClass } from '../silver/class.ts';
import { type Columns, derive, objects, type RowType, rowType, selectRows } from '../silver/row.ts';
import type { Table, Type } from '../sql/dialect.ts';
import { hashOf } from '../sql/hash.ts';
import { type Condition, call, identifier, join, literal, type Relation, type Sql, sql } from '../sql/sql.ts';
import type { RangeStage, Reach } from '../stage.ts';
import { type Technique, techniques } from './attack.ts';
import { entitiesOf } from './entities.ts';

/** OCSF severities of an alert, by caption. */
export const severityIds = { Informational: 1, Low: 2, Medium: 3, High: 4, Critical: 5, Fatal: 6 } as const;
export type Severity = keyof typeof severityIds;

/** What an attacker is after, for the roll-up of alerts. */
export type Threat =
  | 'account_takeover'
  | 'data_exfiltration'
  | 'defense_evasion'
  | 'insider_threat'
  | 'ransomware'
  | 'reconnaissance'
  | 'resource_abuse'
  | 'supply_chain'
  | 'workload_compromise';

/** Milliseconds, as rules write windows. */
export const minutes = (n: number): number => n * 60_000;
export const hours = (n: number): number => n * 3_600_000;
export const days = (n: number): number => n * 86_400_000;

/**
 * One event of an example: values by OCSF path, `policies[].name` for a list's only element; `time` as ISO 8601 text;
 * `class` where the rule reads several.
 */
export type ExampleEvent = Readonly<Record<string, string | number | boolean | null>>;

/** Events by the relation they stand in, and how many alerts the rule raises on them. */
export interface Example {
  readonly when: string;
  readonly given: readonly ExampleEvent[];
  readonly alerts: number;
  /** What each alert is, where that is not the rule's own severity. */
  readonly severity?: Severity;
}

/** The columns that a rule's rows may have beside the obligatory ones. */
const ENTITIES = {
  severity_id: 'integer',
  message: 'text',
  /** Those of the rule's techniques that this finding shows, separated by blanks. */
  attack: 'text',
  user_name: 'text',
  user_uid: 'text',
  src_ip: 'text',
  dst_ip: 'text',
  instance_uid: 'text',
  interface_uid: 'text',
  resource_uid: 'text',
  resource_name: 'text',
  account_uid: 'text',
  operation: 'text',
  event_uid: 'text',
  event_type_uid: 'long',
} as const satisfies Record<string, Type>;
const OBLIGATORY = { time: 'long', key: 'text', first_seen: 'long', last_seen: 'long', events: 'long' } as const;

export type Entity = keyof typeof ENTITIES;

/** What a rule selects for each finding: when, what makes it one finding, what it is made of and whom it concerns. */
export type FindingColumns = Readonly<Record<keyof typeof OBLIGATORY, Sql>> & Readonly<Partial<Record<Entity, Sql>>>;

interface Meta {
  readonly name: string;
  readonly title: string;
  readonly severity: Severity;
  /** ATT&CK technique ids. */
  readonly attack: readonly Technique[];
  readonly threat: readonly [Threat, ...Threat[]];
  /** Why an analyst should look. */
  readonly why: string;
  readonly falsePositives: string;
  /** The logs it needs; where none arrived the rule is idle, not quiet. */
  readonly requires: string;
  readonly examples: readonly [Example, ...Example[]];
}

type EventOptions = {
  readonly on: OcsfClass;
  /** Which events of the class; columns by OCSF path. */
  readonly where: Condition;
  /** Entities that differ from the class's own. */
  readonly entities?: Readonly<Partial<Record<Entity, Sql>>>;
};

/** One finding for each event. */
export type EventRule = Meta & EventOptions;

/** One finding for each burst: at least so many events, or different values, of one key within a sliding window. */
export type ThresholdRule = Meta &
  EventOptions & {
    readonly by: readonly Sql[];
    /** Length of the window in milliseconds. */
    readonly window: number;
    readonly atLeast: number;
    /** Counts different values of this instead of events. */
    readonly distinct?: Sql;
    /** Adds up this, a whole number, instead of counting events. */
    readonly sum?: Sql;
  };

/** Any other rule: a query of its own over silver and summaries. */
export type QueryRule = Meta & {
  readonly on: Relation;
  readonly inputs?: readonly Relation[];
  /** How far in time, in milliseconds, an input row can change findings, and findings look back. */
  readonly reach: Reach;
  /** From what the columns below are taken: one row for each finding. */
  readonly from: Sql;
  readonly columns: FindingColumns;
};

/** A rule as a stage of its own that writes its findings into `gold.findings`. */
export interface Detection extends RangeStage {
  readonly rule: Meta;
  readonly on: Relation;
}

const text = (value: Sql): Sql => call((f) => f.cast(value, 'text'));
const col = <T = string>(name: string): Sql<T> => identifier('finding', name);

/** A technique where the finding names it. */
function named(uid: Technique): (typeof techniques)[Technique] {
  const shown = sql`contains(' ' || ${col('attack')} || ' ', ${` ${uid} `})`;
  const columns = Object.entries(techniques[uid]).map(([path, value]) => [
    path,
    sql`CASE WHEN ${shown} THEN ${value} END`,
  ]);
  return Object.fromEntries(columns) as (typeof techniques)[Technique];
}

function templateOf(rule: Meta, columns?: FindingColumns): Columns {
  const attacks = rule.attack.map((uid) => (columns?.attack ? named(uid) : techniques[uid]));
  return derive('detection_finding', {
    activity_id: literal(1),
    'device.instance_uid': col('instance_uid'),
    'device.interface_uid': col('interface_uid'),
    'device.type_id': literal(6),
    evidences: objects('evidences', {
      'actor.user.name': col('user_name'),
      'actor.user.uid': col('user_uid'),
      'api.operation': col('operation'),
      'dst_endpoint.ip': col('dst_ip') as Sql<never>,
      'src_endpoint.instance_uid': col('instance_uid'),
      'src_endpoint.interface_uid': col('interface_uid'),
      'src_endpoint.ip': col('src_ip') as Sql<never>,
    }),
    'finding_info.analytic.name': literal(rule.name),
    'finding_info.analytic.type_id': literal(1),
    'finding_info.analytic.uid': literal(rule.name),
    ...(attacks.length > 0 ? { 'finding_info.attacks': objects('attack', ...attacks) } : {}),
    'finding_info.created_time': col('time'),
    'finding_info.desc': literal(rule.why),
    'finding_info.first_seen_time': col('first_seen'),
    'finding_info.last_seen_time': col('last_seen'),
    'finding_info.related_events': objects('related_event', {
      type_uid: col<bigint>('event_type_uid'),
      uid: col('event_uid'),
    }),
    'finding_info.related_events_count': col('events'),
    'finding_info.title': literal(rule.title),
    'finding_info.types': call((f) => f.list(rule.threat.map((t) => literal(t)))),
    'finding_info.uid': col('uid'),
    is_alert: literal(true),
    message: col('message'),
    'metadata.event_code': literal(rule.name),
    'metadata.product.name': literal('ocsf-medallion'),
    'metadata.product.vendor_name': literal('ocsf-medallion'),
    'metadata.uid': col('uid'),
    resources: objects('resource_details', {
      name: col('resource_name'),
      'owner.account.uid': col('account_uid'),
      uid: col('resource_uid'),
    }),
    severity_id: col('severity_id'),
    status_id: literal(1),
    time: col('time'),
  });
}

const TEMPLATE: Meta = {
  name: '',
  title: '',
  severity: 'Low',
  attack: ['T1078', 'T1078.004'],
  threat: ['account_takeover'],
  why: '',
  falsePositives: '',
  requires: '',
  examples: [{ when: '', given: [], alerts: 0 }],
};
const findingType: RowType = rowType('detection_finding', [templateOf(TEMPLATE)]);

/** The table that every rule writes into: OCSF Detection Finding 2004. */
export const findings: Table & Relation = {
  name: 'gold.findings',
  columns: findingType.columns,
  cluster: ['time'],
  comment: `What the rules found, as OCSF ${schema.version} Detection Finding`,
};

function stage(
  rule: Meta,
  on: Relation,
  inputs: readonly Relation[],
  reach: Reach,
  from: Sql,
  columns: FindingColumns,
): Detection {
  const severity = columns.severity_id ?? literal(severityIds[rule.severity]);
  const all: Record<string, Sql> = {
    ...columns,
    severity_id: severity,
    message: columns.message ? sql`coalesce(${columns.message}, ${rule.title})` : literal(rule.title),
  };
  const select = Object.entries({ ...OBLIGATORY, ...ENTITIES }).map(([name, type]) =>
    call((f) => sql`${f.cast(all[name] ?? sql`NULL`, type)} AS ${identifier(name)}`),
  );
  const uid = call((f) => f.md5(sql`(${`${rule.name}|`} || key)`));
  const source = sql`(SELECT *, ${uid} AS uid FROM (SELECT ${join(select, sql`, `)} FROM ${from}) AS found) AS finding`;
  const query = selectRows(findingType, { columns: templateOf(rule, columns) }, source);
  return {
    kind: 'range',
    name: `gold.${rule.name}`,
    rule,
    on,
    inputs,
    table: findings,
    owner: sql`finding_info.analytic.name = ${rule.name}`,
    time: 'time',
    reach,
    select: query,
    hash: hashOf(findings, query),
  };
}

const concatKey = (parts: readonly Sql[]): Sql =>
  sql`(${join(
    parts.map((part) => sql`coalesce(${text(part)}, '')`),
    sql` || '|' || `,
  )})`;

function defineEvent(rule: EventRule): Detection {
  const entities = { ...entitiesOf(rule.on.class), ...rule.entities };
  return stage(rule, rule.on, [rule.on], { before: 0, after: 0 }, sql`${rule.on} AS event WHERE ${rule.where}`, {
    ...entities,
    time: sql`time`,
    key: concatKey([sql`metadata.uid`, sql`raw_data_hash.value`]),
    first_seen: sql`time`,
    last_seen: sql`time`,
    events: literal(1),
    event_uid: sql`metadata.uid`,
    event_type_uid: sql`type_uid`,
  });
}

function defineThreshold(rule: ThresholdRule): Detection {
  const { on, window, atLeast, distinct, sum, by } = rule;
  const counted = distinct ?? sum;
  const entities = Object.entries({ ...entitiesOf(on.class), ...rule.entities }).filter(
    ([, value]) => value !== undefined,
  );
  const keys = by.map((_, i) => identifier(`by_${i}`));
  const partition = sql`PARTITION BY ${join(keys, sql`, `)} ORDER BY time NULLS LAST`;
  const past = sql`(${partition} RANGE BETWEEN ${window} PRECEDING AND CURRENT ROW)`;
  const around = sql`(${partition} RANGE BETWEEN ${window} PRECEDING AND ${window} FOLLOWING)`;
  const reached = distinct
    ? call((f) => f.countDistinct(identifier('counted'), past))
    : sum
      ? call((f) => f.cast(sql`sum(counted) OVER ${past}`, 'long'))
      : sql`count(*) OVER ${past}`;
  const events = sql`SELECT time, metadata.uid AS event_uid, raw_data_hash.value AS event_hash, type_uid AS event_type_uid${join(
    entities.map(([name, value]) => sql`, ${value as Sql} AS ${identifier(name)}`),
    sql``,
  )}${counted ? sql`, ${counted} AS counted` : sql``}, ${join(
    by.map((value, i) => sql`${value} AS ${identifier(`by_${i}`)}`),
    sql`, `,
  )} FROM ${on} AS event WHERE (${rule.where}) AND ${join(
    by.map((value) => sql`${value} IS NOT NULL`),
    sql` AND `,
  )}`;
  const onsets = sql`(SELECT * FROM (
    SELECT *, lag(time) OVER (${partition}, event_uid NULLS LAST, event_hash NULLS LAST) AS previous_hit FROM (
      SELECT *, ${reached} AS reached, count(*) OVER ${around} AS events_around, min(time) OVER ${past} AS first_seen,
        max(time) OVER ${around} AS last_seen FROM (${events}) AS events) AS windows
    WHERE reached >= ${atLeast}) AS hits
  WHERE previous_hit IS NULL OR time - previous_hit > ${window}) AS onsets`;
  return stage(rule, on, [on], { before: window, after: 2 * window }, onsets, {
    ...Object.fromEntries(entities.map(([name]) => [name, identifier(name)])),
    time: sql`time`,
    key: concatKey([...keys, sql`(time - time % ${window})`]),
    first_seen: sql`first_seen`,
    last_seen: sql`last_seen`,
    events: sql`events_around`,
    event_uid: sql`event_uid`,
    event_type_uid: sql`event_type_uid`,
  });
}

/** A rule: an event, a burst in a sliding window, or a query of its own. */
export function defineDetection(rule: EventRule | ThresholdRule | QueryRule): Detection {
  if ('from' in rule)
    return stage(rule, rule.on, [rule.on, ...(rule.inputs ?? [])], rule.reach, rule.from, rule.columns);
  return 'window' in rule ? defineThreshold(rule) : defineEvent(rule);
}
