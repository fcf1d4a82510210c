import { networkActivity } from '../../silver/class.ts';
import { type Condition, sql } from '../../sql/sql.ts';
import { defineDetection, type ExampleEvent, hours } from '../detection.ts';
import { isPrivate } from '../network.ts';

/** Where the log names no direction, what leaves a private address goes out. */
const outgoing: Condition = sql`CASE coalesce(connection_info.direction_id, 0) WHEN 2 THEN TRUE WHEN 1 THEN FALSE
  ELSE ${isPrivate(sql`src_endpoint.ip`)} END`;

/** 20 flows of `bytes` each, a minute apart, from a quarter to the hour. */
const upload = (bytes: number, more: ExampleEvent = {}): ExampleEvent[] =>
  Array.from({ length: 20 }, (_, i) => ({
    time: new Date(Date.UTC(2026, 10, 5, 9, 45 + i)).toISOString(),
    action_id: 1,
    'connection_info.direction_id': 2,
    'dst_endpoint.ip': '203.0.113.77',
    'dst_endpoint.port': 443,
    'network_observation_point.interface_uid': 'eni-0f1e2d3c4b5a69788',
    'src_endpoint.ip': '10.20.1.240',
    'src_endpoint.port': 47_812,
    'traffic.bytes': bytes,
    ...more,
  }));

export default defineDetection({
  name: 'large_egress',
  title: 'Gigabyte sent to one public address within an hour',
  severity: 'High',
  attack: ['T1048'],
  threat: ['data_exfiltration'],
  why: 'Data leaves the network in bulk to a single place that is no AWS service.',
  falsePositives:
    'Backups and replication to a partner; IPv6 between own machines, whose addresses are public. Default flow logs (version 2) do not name AWS services: uploads to S3 over the internet count too. What a web server (80, 443) answers is left out.',
  requires: 'VPC flow logs, best with pkt-dstaddr, flow-direction and pkt-dst-aws-service',
  on: networkActivity,
  where: sql`activity_id = 6 AND action_id = 1 AND ${outgoing} AND coalesce(src_endpoint.port, 0) NOT IN (80, 443) 
    AND NOT ${isPrivate(sql`dst_endpoint.ip`)} AND dst_endpoint.svc_name IS NULL AND src_endpoint.intermediate_ips IS NULL`,
  by: [sql`network_observation_point.interface_uid`, sql`dst_endpoint.ip`],
  window: hours(1),
  atLeast: 1_000_000_000,
  sum: sql`traffic.bytes`,
  entities: { message: sql`'A gigabyte or more sent from ' || src_endpoint.ip || ' to ' || dst_endpoint.ip` },
  examples: [
    { when: 'a gigabyte in twenty minutes, across the hour', given: upload(50_000_000), alerts: 1 },
    {
      when: 'a byte less',
      given: upload(50_000_000).map((flow, i) => (i === 7 ? { ...flow, 'traffic.bytes': 49_999_999 } : flow)),
      alerts: 0,
    },
    { when: 'the log says no direction', given: upload(50_000_000, { 'connection_info.direction_id': 0 }), alerts: 1 },
    {
      when: 'to an IPv6 address',
      given: upload(50_000_000, { 'src_endpoint.ip': '2001:db8:20:1::f0', 'dst_endpoint.ip': '2001:db8::77' }),
      alerts: 1,
    },
    {
      when: 'someone copies it over SSH from outside',
      given: upload(50_000_000, { 'src_endpoint.port': 22, 'dst_endpoint.port': 51_514 }),
      alerts: 1,
    },
    { when: 'inside the network', given: upload(50_000_000, { 'dst_endpoint.ip': '10.30.0.7' }), alerts: 0 },
    { when: 'to S3', given: upload(50_000_000, { 'dst_endpoint.svc_name': 'S3' }), alerts: 0 },
    {
      when: 'a web server answers a client',
      given: upload(50_000_000, { 'src_endpoint.port': 443, 'dst_endpoint.port': 51_000 }),
      alerts: 0,
    },
    { when: 'it is downloaded', given: upload(50_000_000, { 'connection_info.direction_id': 1 }), alerts: 0 },
    {
      when: 'to twenty addresses',
      given: upload(50_000_000).map((flow, i) => ({ ...flow, 'dst_endpoint.ip': `203.0.113.${i}` })),
      alerts: 0,
    },
  ],
});
