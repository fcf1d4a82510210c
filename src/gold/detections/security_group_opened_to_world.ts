import { apiActivity } from '../../silver/class.ts';
import { integer, jsonField, jsonList, matches } from '../../sql/functions.ts';
import { call, join, type Sql, sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const data = sql<string>`api.request.data`;
/** Networks wider than any that one owner has: two halves of the internet are the internet. */
const WORLD = '"cidrIp(v6)?" *: *"[0-9a-fA-F.:]+/[0-7]"';
/** Ports by which machines and data are taken over: shells, desktops, file shares, databases, container and cluster APIs. */
const SENSITIVE = [
  21, 22, 23, 135, 139, 445, 1433, 1521, 2375, 2376, 3306, 3389, 5432, 5601, 5900, 5985, 5986, 6379, 6443, 9200, 10250,
  11211, 27017,
];
const WEB = [80, 443];

type Rule = Sql<string>;
const from = (rule: Rule): Sql => integer(jsonField(rule, 'fromPort'));
const to = (rule: Rule): Sql => integer(jsonField(rule, 'toPort'));
const sensitive = (rule: Rule): Sql =>
  sql`(coalesce(${jsonField(rule, 'ipProtocol')}, '-1') = '-1' OR ${from(rule)} IS NULL OR ${join(
    SENSITIVE.map((port) => sql`${port} BETWEEN ${from(rule)} AND ${to(rule)}`),
    sql` OR `,
  )})`;
const web = (rule: Rule): Sql =>
  sql`(${join(
    WEB.map((port) => sql`(${from(rule)} = ${port} AND ${to(rule)} = ${port})`),
    sql` OR `,
  )})`;
/** The rules of the request that let the whole internet in and that `keep` wants; old requests have one rule at the top. */
const open = (keep: (rule: Rule) => Sql): Sql =>
  call((f) => {
    const listed = jsonList(jsonField(data, 'ipPermissions', 'items'));
    const rules = sql`coalesce(${listed}, ${f.list([data])})`;
    return f.size(
      f.filter(rules, (rule) => sql`(${matches(rule as Rule, WORLD)} AND coalesce(${keep(rule as Rule)}, FALSE))`),
    );
  });

const authorize = (request: object) => ({
  'actor.user.name': 'ana',
  'api.operation': 'AuthorizeSecurityGroupIngress',
  'api.request.data': JSON.stringify({ groupId: 'sg-0a1b2c3d4e5f60718', ...request }),
  'api.service.name': 'ec2.amazonaws.com',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
});
const rule = (port: number, v4: string[], v6: string[] = []) => ({
  ...{ ipProtocol: 'tcp', fromPort: port, toPort: port, groups: {}, prefixListIds: {} },
  ipRanges: v4.length > 0 ? { items: v4.map((cidrIp) => ({ cidrIp })) } : {},
  ipv6Ranges: v6.length > 0 ? { items: v6.map((cidrIpv6) => ({ cidrIpv6 })) } : {},
});
const items = (...rules: object[]) => authorize({ ipPermissions: { items: rules } });
const flat = { ipProtocol: 'tcp', fromPort: 22, toPort: 22, cidrIp: '0.0.0.0/0' };

export default defineDetection({
  name: 'security_group_opened_to_world',
  title: 'Security group opened to the whole internet',
  severity: 'High',
  attack: ['T1562.007', 'T1133'],
  threat: ['defense_evasion', 'account_takeover'],
  why: 'Anyone can reach what listens there. High for all ports and for those of shells, desktops, databases and clusters, Low for 80 and 443, else Medium.',
  falsePositives: 'Public web servers and load balancers.',
  requires: 'CloudTrail management events',
  on: apiActivity,
  where: sql`api.service.name = 'ec2.amazonaws.com' AND api.operation = 'AuthorizeSecurityGroupIngress' AND status_id = 1
    AND ${matches(data, WORLD)}`,
  entities: {
    severity_id: sql`CASE WHEN ${open(sensitive)} > 0 THEN 4 WHEN ${open((r) => sql`NOT ${web(r)}`)} > 0 THEN 3 ELSE 2 END`,
    resource_uid: sql`coalesce(${jsonField(data, 'groupId')}, ${jsonField(data, 'groupName')})`,
  },
  examples: [
    { when: 'SSH from anywhere', given: [items(rule(22, ['0.0.0.0/0']))], alerts: 1, severity: 'High' },
    { when: 'desktops from anywhere over IPv6', given: [items(rule(3389, [], ['::/0']))], alerts: 1, severity: 'High' },
    { when: 'all ports', given: [items({ ...rule(0, ['0.0.0.0/0']), ipProtocol: '-1' })], alerts: 1, severity: 'High' },
    {
      when: 'ports around a database',
      given: [items({ ...rule(5000, ['0.0.0.0/0']), toPort: 5432 })],
      alerts: 1,
      severity: 'High',
    },
    {
      when: 'ports up to before it',
      given: [items({ ...rule(5000, ['0.0.0.0/0']), toPort: 5431 })],
      alerts: 1,
      severity: 'Medium',
    },
    { when: 'a request of the old form', given: [authorize(flat)], alerts: 1, severity: 'High' },
    {
      when: 'a web server',
      given: [items(rule(443, ['0.0.0.0/0']), rule(80, [], ['::/0']))],
      alerts: 1,
      severity: 'Low',
    },
    {
      when: 'a web server, and SSH from one network',
      given: [items(rule(443, ['0.0.0.0/0']), rule(22, ['192.0.2.0/24']))],
      alerts: 1,
      severity: 'Low',
    },
    {
      when: 'one of several ranges',
      given: [items(rule(8080, ['192.0.2.0/24']), rule(8080, ['198.51.100.0/24', '0.0.0.0/0']))],
      alerts: 1,
      severity: 'Medium',
    },
    { when: 'half the internet', given: [items(rule(22, ['128.0.0.0/1']))], alerts: 1, severity: 'High' },
    { when: 'from one network', given: [items(rule(22, ['192.0.2.0/24']))], alerts: 0 },
    { when: 'from the widest private network', given: [items(rule(22, ['10.0.0.0/8']))], alerts: 0 },
    { when: 'from another group', given: [items(rule(22, []))], alerts: 0 },
    { when: 'the call is denied', given: [{ ...authorize(flat), status_id: 2 }], alerts: 0 },
    {
      when: 'the rule is taken away',
      given: [{ ...authorize(flat), 'api.operation': 'RevokeSecurityGroupIngress' }],
      alerts: 0,
    },
  ],
});
