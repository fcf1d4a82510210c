import { apiActivity } from '../../silver/class.ts';
import { callClasses } from '../../silver/index.ts';
import { call, join, sql } from '../../sql/sql.ts';
import { days, defineDetection, type ExampleEvent, hours } from '../detection.ts';

const MONTH = days(30);
/** Calls of instance sessions by way of the internet: a VPC endpoint or an AWS service that calls on their behalf shows other addresses. */
const calls = join(
  callClasses.map(
    (of) => sql`SELECT time, metadata.uid AS uid, raw_data_hash.value AS hash, type_uid, src_endpoint.ip AS ip,
    src_endpoint.instance_uid AS instance_uid, contains(src_endpoint.ip, ':') AS is_v6, actor.user.name AS user_name,
    actor.user.uid AS user_uid, api.operation AS operation, cloud.account.uid AS account_uid
    FROM ${of} AS event WHERE metadata.product.name = 'CloudTrail' AND src_endpoint.instance_uid IS NOT NULL
    AND src_endpoint.ip IS NOT NULL AND src_endpoint.uid IS NULL`,
  ),
  sql` UNION ALL `,
);
const same = sql`PARTITION BY instance_uid, ip ORDER BY time NULLS LAST`;
const recent = sql`RANGE BETWEEN ${MONTH} PRECEDING AND CURRENT ROW`;
const next = sql`(${same} RANGE BETWEEN CURRENT ROW AND ${hours(1)} FOLLOWING)`;

const own = {
  'api.operation': 'UpdateInstanceInformation',
  'src_endpoint.instance_uid': 'i-0abc123def4567890',
  'src_endpoint.ip': '198.51.100.20',
  time: '2026-11-05T08:03:05Z',
};
const outside = (time: string, more: ExampleEvent = {}): ExampleEvent => ({
  ...own,
  'api.operation': 'GetCallerIdentity',
  'src_endpoint.ip': '203.0.113.66',
  time,
  ...more,
});

export default defineDetection({
  name: 'instance_credentials_outside',
  title: 'Credentials of an EC2 instance used from elsewhere',
  severity: 'High',
  attack: ['T1552.005'],
  threat: ['workload_compromise', 'account_takeover', 'data_exfiltration'],
  why: 'The keys that an instance gets from its metadata service call AWS from an address that the instance never used in 30 days: someone took them away.',
  falsePositives:
    'A new Elastic IP or NAT address; a NAT gateway with several addresses. Calls through VPC endpoints say nothing about the address and are left out.',
  requires: 'CloudTrail management events, best with S3 data events',
  on: apiActivity,
  inputs: callClasses.filter(({ name }) => name !== apiActivity.name),
  reach: { before: hours(1), after: MONTH },
  from: sql`(SELECT * FROM (SELECT *, count(*) OVER (PARTITION BY instance_uid, is_v6 ORDER BY time NULLS LAST ${recent}) AS of_instance,
    count(*) OVER (${same} ${recent}) AS of_address, count(*) OVER ${next} AS following, max(time) OVER ${next} AS last_seen,
    lag(time) OVER (${same}, uid NULLS LAST, hash NULLS LAST) AS previous FROM (${calls}) AS calls) AS seen
    WHERE (previous IS NULL OR time - previous > ${MONTH}) AND of_instance > of_address) AS outside`,
  columns: {
    time: sql`time`,
    key: call((f) => sql`(instance_uid || '|' || ip || '|' || ${f.cast(sql`(time - time % ${MONTH})`, 'text')})`),
    first_seen: sql`time`,
    last_seen: sql`last_seen`,
    events: sql`following`,
    user_name: sql`user_name`,
    user_uid: sql`user_uid`,
    src_ip: sql`ip`,
    instance_uid: sql`instance_uid`,
    resource_uid: sql`instance_uid`,
    account_uid: sql`account_uid`,
    operation: sql`operation`,
    event_uid: sql`uid`,
    event_type_uid: sql`type_uid`,
    message: sql`'Credentials of ' || instance_uid || ' used from ' || ip`,
  },
  examples: [
    {
      when: 'an instance calls from its NAT, then someone from outside',
      given: [own, outside('2026-11-05T09:41:15Z')],
      alerts: 1,
    },
    {
      when: 'many calls from outside are one alert',
      given: [own, outside('2026-11-05T09:41:15Z'), outside('2026-11-05T09:41:40Z'), outside('2026-11-07T09:00:00Z')],
      alerts: 1,
    },
    {
      when: 'the call is a sign-in',
      given: [own, outside('2026-11-05T09:41:15Z', { class: 'authentication' })],
      alerts: 1,
    },
    {
      when: 'the call changes a user',
      given: [own, outside('2026-11-05T09:41:15Z', { class: 'account_change' })],
      alerts: 1,
    },
    {
      when: 'two addresses from outside',
      given: [
        own,
        outside('2026-11-05T09:41:15Z'),
        outside('2026-11-05T09:41:16Z', { 'src_endpoint.ip': '203.0.113.67' }),
      ],
      alerts: 2,
    },
    { when: 'the instance calls only from its NAT', given: [own, { ...own, time: '2026-11-05T09:00:00Z' }], alerts: 0 },
    { when: 'the first call of all', given: [outside('2026-11-05T09:41:15Z')], alerts: 0 },
    {
      when: 'the own address was last seen exactly 30 days before',
      given: [own, outside('2026-12-05T08:03:05Z')],
      alerts: 1,
    },
    { when: 'the own address was last seen longer ago', given: [own, outside('2026-12-05T08:03:05.001Z')], alerts: 0 },
    {
      when: 'both addresses take turns',
      given: [outside('2026-11-01T00:00:00Z'), own, outside('2026-11-05T09:41:15Z')],
      alerts: 1,
    },
    {
      when: 'through a VPC endpoint',
      given: [
        own,
        outside('2026-11-05T09:41:15Z', {
          'src_endpoint.ip': '10.20.1.240',
          'src_endpoint.uid': 'vpce-0c1d2e3f4a5b6c7d8',
        }),
      ],
      alerts: 0,
    },
    {
      when: 'an AWS service calls on its behalf',
      given: [
        own,
        outside('2026-11-05T09:41:15Z', {
          'src_endpoint.ip': null,
          'src_endpoint.svc_name': 'cloudformation.amazonaws.com',
        }),
      ],
      alerts: 0,
    },
    {
      when: 'the first call over IPv6',
      given: [own, outside('2026-11-05T09:41:15Z', { 'src_endpoint.ip': '2001:db8:20:1::f0' })],
      alerts: 0,
    },
    {
      when: 'another instance has another address',
      given: [own, outside('2026-11-05T09:41:15Z', { 'src_endpoint.instance_uid': 'i-0fedcba9876543210' })],
      alerts: 0,
    },
  ],
});
