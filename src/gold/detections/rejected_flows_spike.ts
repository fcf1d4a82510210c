import { call, type Sql, sql } from '../../sql/sql.ts';
import { days, defineDetection, type ExampleEvent, hours } from '../detection.ts';
import networkHourly from '../summaries/network_hourly.ts';

const HOUR = hours(1);
const hourly = sql`SELECT time, interface_uid, max(instance_uid) AS instance_uid, max(account_uid) AS account_uid,
  ${call((f) => f.sumLong(sql`CASE WHEN action = 'Denied' THEN flows ELSE 0 END`))} AS rejected
  FROM ${networkHourly} AS summary WHERE interface_uid IS NOT NULL GROUP BY time, interface_uid`;
const before = sql`(PARTITION BY interface_uid ORDER BY time NULLS LAST RANGE BETWEEN ${days(14)} PRECEDING AND 1 PRECEDING)`;
const past = (value: Sql): Sql => call((f) => f.cast(sql`coalesce(sum(${value}) OVER ${before}, 0)`, 'double'));
/** More than the mean by four standard deviations, times n; counts vary by the root of their mean at least. */
const unusual = sql`rejected * n - total >= 4 * sqrt(greatest(n * squares - total * total, n * total))`;

/** So many refused flows of one interface in the hour that begins then. */
const refused = (flows: number, hour: string, more: ExampleEvent = {}): ExampleEvent[] =>
  Array.from({ length: flows }, (_, i) => ({
    time: Date.parse(`2026-${hour}:00:00Z`) + i,
    action_id: 2,
    'network_observation_point.interface_uid': 'eni-0f1e2d3c4b5a69788',
    'network_observation_point.instance_uid': 'i-0abc123def4567890',
    ...more,
  }));

export default defineDetection({
  name: 'rejected_flows_spike',
  title: 'Far more refused connections than usual at one interface',
  severity: 'Low',
  attack: ['T1046', 'T1499'],
  threat: ['reconnaissance', 'resource_abuse'],
  why: 'The firewall turns away much more than in the two weeks before: a scan, a flood, or a machine that calls what it must not.',
  falsePositives: 'A service that lost its firewall rule; a new interface with a public address.',
  requires: 'VPC flow logs',
  on: networkHourly,
  reach: { before: 0, after: days(14) },
  from: sql`(SELECT * FROM (SELECT time, interface_uid, instance_uid, account_uid, rejected, ${past(sql`1`)} AS n,
    ${past(sql`rejected`)} AS total, ${past(sql`rejected * rejected`)} AS squares FROM (${hourly}) AS hourly) AS compared
    WHERE rejected >= 500 AND ${unusual}) AS spike`,
  columns: {
    time: sql`time`,
    key: call((f) => sql`(interface_uid || '|' || ${f.cast(sql`time`, 'text')})`),
    first_seen: sql`time`,
    last_seen: sql`(time + ${HOUR - 1})`,
    events: sql`rejected`,
    interface_uid: sql`interface_uid`,
    instance_uid: sql`instance_uid`,
    resource_uid: sql`interface_uid`,
    account_uid: sql`account_uid`,
    message: call((f) => sql`${f.cast(sql`rejected`, 'text')} || ' connections refused at ' || interface_uid`),
  },
  examples: [
    { when: '500 refused flows at an interface without history', given: refused(500, '11-05T10'), alerts: 1 },
    { when: '499 refused flows', given: refused(499, '11-05T10'), alerts: 0 },
    { when: '500 flows that were let through', given: refused(500, '11-05T10', { action_id: 1 }), alerts: 0 },
    {
      when: '500 flows on both sides of the hour',
      given: [...refused(250, '11-05T10'), ...refused(250, '11-05T11')],
      alerts: 0,
    },
    {
      when: '250 flows at each of two interfaces',
      given: [
        ...refused(250, '11-05T10'),
        ...refused(250, '11-05T10', { 'network_observation_point.interface_uid': 'eni-0a' }),
      ],
      alerts: 0,
    },
    {
      when: 'every hour is like this',
      given: [...refused(500, '11-05T10'), ...refused(500, '11-05T11'), ...refused(589, '11-05T12')],
      alerts: 1,
    },
    {
      when: 'the noisy hour before was 500, this one 590',
      given: [...refused(500, '11-05T10'), ...refused(590, '11-05T11')],
      alerts: 2,
    },
    {
      when: 'the noisy hour was fourteen days ago',
      given: [...refused(500, '11-05T10'), ...refused(500, '11-19T10')],
      alerts: 1,
    },
    {
      when: 'the noisy hour was longer ago',
      given: [...refused(500, '11-05T10'), ...refused(500, '11-19T11')],
      alerts: 2,
    },
  ],
});
