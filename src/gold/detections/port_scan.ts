import { networkActivity } from '../../silver/class.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection, type ExampleEvent, hours } from '../detection.ts';
import { hasPorts, isPrivate, isReply, isRequest } from '../network.ts';

const port = sql`dst_endpoint.port`;

/** Flows to `ports` ports, one each, over so many minutes from a quarter to the hour. */
const probes = (ports: number, minutes: number, more: ExampleEvent = {}): ExampleEvent[] =>
  Array.from({ length: ports }, (_, i) => ({
    time: new Date(Date.UTC(2026, 10, 5, 9, 45) + Math.round((i * minutes * 60_000) / (ports - 1))).toISOString(),
    action_id: 2,
    'connection_info.protocol_num': 6,
    'dst_endpoint.ip': '10.20.1.240',
    'dst_endpoint.port': 1000 + i,
    'src_endpoint.ip': '203.0.113.66',
    'src_endpoint.port': 50_000,
    ...more,
  }));
const accepted = { action_id: 1 };
const answers = probes(40, 30, { ...accepted, 'src_endpoint.port': 443 }).map((flow, i) => ({
  ...flow,
  'dst_endpoint.port': 40_000 + i,
}));

export default defineDetection({
  name: 'port_scan',
  title: 'One address tries many ports of another',
  severity: 'Medium',
  attack: ['T1046'],
  threat: ['reconnaissance'],
  why: 'Someone asks a machine for all that listens on it. From inside the network (High) that is an intruder who looks around.',
  falsePositives: 'Vulnerability scanners of your own; internet noise against machines with public addresses.',
  requires: 'VPC flow logs',
  on: networkActivity,
  where: sql`activity_id = 6 AND ${hasPorts} AND ((action_id = 2 AND NOT ${isReply}) OR ${isRequest})`,
  by: [sql`src_endpoint.ip`, sql`dst_endpoint.ip`],
  window: hours(1),
  atLeast: 25,
  distinct: port,
  entities: {
    severity_id: sql`CASE WHEN ${isPrivate(sql`src_endpoint.ip`)} THEN 4 ELSE 3 END`,
    message: sql`'Many ports of ' || dst_endpoint.ip || ' tried from ' || src_endpoint.ip`,
  },
  examples: [
    { when: '25 ports are refused in exactly an hour', given: probes(25, 60), alerts: 1 },
    {
      when: 'from inside the network',
      given: probes(25, 60, { 'src_endpoint.ip': '10.20.1.7' }),
      alerts: 1,
      severity: 'High',
    },
    { when: '25 ports in more than an hour', given: probes(25, 60.01), alerts: 0 },
    { when: '24 ports', given: probes(24, 30), alerts: 0 },
    { when: 'the ports are open', given: probes(25, 30, accepted), alerts: 1 },
    { when: 'both interfaces wrote the flows down', given: [...probes(25, 30), ...probes(25, 30)], alerts: 1 },
    { when: '24 ports, written down by both', given: [...probes(24, 30), ...probes(24, 30)], alerts: 0 },
    { when: 'one port, often', given: probes(40, 30, { 'dst_endpoint.port': 22 }), alerts: 0 },
    { when: 'a service answers 40 connections of a client', given: answers, alerts: 0 },
    { when: 'its late answers are refused', given: answers.map((flow) => ({ ...flow, action_id: 2 })), alerts: 0 },
    { when: 'ICMP', given: probes(25, 30, { 'connection_info.protocol_num': 1 }), alerts: 0 },
    {
      when: 'half of them at another machine',
      given: probes(25, 30).map((flow, i) => ({ ...flow, 'dst_endpoint.ip': `10.20.1.${i % 2}` })),
      alerts: 0,
    },
  ],
});
