import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { ask, count, type Event, events, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

const START = '1793869200';
const END = '1793869260';
const V2 =
  'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status';

/** Flow logs by file; the source port of each line is its name in the tests. */
const files = {
  'vpc_flow/default.log.gz': [
    V2,
    `2 123456789012 eni-0a1b2c3d 10.20.1.240 203.0.113.77 40001 443 6 10 4200 ${START} ${END} ACCEPT OK`,
    `2 123456789012 eni-0a1b2c3d 203.0.113.66 10.20.1.240 40002 22 6 1 44 ${START} ${END} REJECT OK`,
    `2 123456789012 eni-0a1b2c3d 203.0.113.66 10.20.1.240 0 0 1 4 336 ${START} ${END} ACCEPT OK`,
    `2 123456789012 eni-0a1b2c3d 2001:DB8::66 2001:db8:0:1::10 40003 443 6 3 99999999999 ${START} ${END} ACCEPT OK`,
    `2 123456789012 eni-0nodata0 - - - - - - - ${START} ${END} - NODATA`,
    `2 unknown eni-0skipped - - - - - - - ${START} ${END} - SKIPDATA`,
    `2 123456789012 eni-0a1b2c3d 10.20.1.240 203.0.113.77 40004 443 255 1 40 ${START} ${END} ACCEPT OK`,
    '',
  ].join('\n'),
  'vpc_flow/no_header.log': `2 123456789012 eni-0a1b2c3d 192.0.2.10 192.0.2.20 40005 53 17 1 60 ${START} ${END} ACCEPT OK\r\n`,
  'vpc_flow/hyphens.log': [
    'srcaddr dstaddr srcport log-status action start end flow-direction instance-id vpc-id subnet-id interface-id tcp-flags type traffic-path bytes',
    `10.20.1.240 203.0.113.77 50001 OK ACCEPT ${START} ${END} egress i-0a1b2c3d4e5f60718 vpc-0a1b2c3d subnet-0a1b2c3d eni-0a1b2c3d 19 IPv4 8 2400000000`,
    `203.0.113.66 10.20.1.240 50002 OK REJECT ${START} ${END} ingress i-0a1b2c3d4e5f60718 vpc-0a1b2c3d subnet-0a1b2c3d eni-0a1b2c3d 2 IPv4 - 44`,
  ].join('\n'),
  'vpc_flow/underscores.log': [
    'version srcport srcaddr dstaddr pkt_srcaddr pkt_dstaddr pkt_dst_aws_service start end log_status action reject_reason region az_id account_id',
    `8 60001 10.0.0.5 203.0.113.77 10.20.1.240 203.0.113.77 S3 ${START} ${END} OK ACCEPT - eu-west-1 euw1-az1 123456789012`,
    `8 60002 10.0.0.5 10.0.0.6 10.0.0.5 10.0.0.6 - ${START} ${END} OK REJECT BPA eu-west-1 euw1-az1 unknown`,
    `5 60003 10.0.0.5 10.0.0.6 rubbish 10.0.0.9 - ${START} ${END} OK ACCEPT - - - -`,
  ].join('\n'),
};

let lake: Lakehouse;
const found = new Map<string, Event>();
beforeAll(async () => {
  lake = await lakehouse(files, { gold: nothingOfGold });
  for (const row of await events(lake, 'silver.network_activity')) {
    const { port } = (row.src_endpoint ?? {}) as { port?: number };
    const { interface_uid } = (row.network_observation_point ?? {}) as { interface_uid?: string };
    found.set(
      port === undefined || interface_uid?.startsWith('eni-0a') === false ? String(interface_uid) : String(port),
      row,
    );
  }
});
afterAll(() => lake?.close());
const row = (name: string): Event => {
  const one = found.get(name);
  if (!one) throw new Error(`no row ${name}`);
  return one;
};

test('every line is one flow', async () => {
  expect(found.size).toBe(13);
  expect(await count(lake, 'SELECT count(*) FROM bronze.vpc_flow')).toBe(13);
  expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(0);
});

const expectRow = (name: string, expected: Event): void => expect(row(name)).toMatchObject(expected);

test('a flow of the default format becomes network activity with everything that it says', () => {
  expect(row('40001')).toEqual({
    action: 'Allowed',
    action_id: 1,
    activity_id: 6,
    activity_name: 'Traffic',
    category_name: 'Network Activity',
    category_uid: 4,
    class_name: 'Network Activity',
    class_uid: 4001,
    cloud: { account: { uid: '123456789012' }, provider: 'AWS' },
    connection_info: { direction: 'Unknown', direction_id: 0, protocol_name: 'tcp', protocol_num: 6 },
    disposition: 'Allowed',
    disposition_id: 1,
    dst_endpoint: { ip: '203.0.113.77', port: 443 },
    duration: 60_000,
    end_time: Number(END) * 1000,
    metadata: {
      log_version: '2',
      product: { feature: { name: 'Flow Logs' }, name: 'Amazon VPC', vendor_name: 'AWS' },
      profiles: ['cloud', 'container', 'security_control'],
      uid: expect.stringMatching(/^[0-9a-f]{32}$/),
      version: '1.8.0',
    },
    network_observation_point: { interface_uid: 'eni-0a1b2c3d' },
    observables: expect.any(Array),
    severity: 'Informational',
    severity_id: 1,
    src_endpoint: { ip: '10.20.1.240', port: 40001 },
    start_time: Number(START) * 1000,
    status: 'Success',
    status_code: 'OK',
    status_id: 1,
    time: Number(START) * 1000,
    traffic: { bytes: 4200, packets: 10 },
    type_name: 'Network Activity: Traffic',
    type_uid: 400106,
  });
});

test('a rejected flow is blocked traffic', () => {
  expectRow('40002', {
    action: 'Denied',
    action_id: 2,
    activity_id: 6,
    disposition: 'Blocked',
    disposition_id: 2,
    status_id: 1,
    dst_endpoint: { ip: '10.20.1.240', port: 22 },
  });
});

test('ICMP has ports of zero and its name', () => {
  expectRow('0', {
    connection_info: { protocol_name: 'icmp', protocol_num: 1 },
    src_endpoint: { ip: '203.0.113.66', port: 0 },
    dst_endpoint: { port: 0 },
  });
});

test('IPv6 addresses are in lower case, and bytes may be many', () => {
  expectRow('40003', {
    src_endpoint: { ip: '2001:db8::66' },
    dst_endpoint: { ip: '2001:db8:0:1::10' },
    traffic: { bytes: 99999999999 },
  });
});

test('a protocol without a name keeps its number', () => {
  expect(row('40004').connection_info).toEqual({ direction: 'Unknown', direction_id: 0, protocol_num: 255 });
});

test.each([
  ['NODATA', 'eni-0nodata0'],
  ['SKIPDATA', 'eni-0skipped'],
])('%s says that the interface saw nothing, or that AWS left it out', (code, name) => {
  expectRow(name, {
    action_id: 0,
    activity_id: 0,
    disposition_id: 0,
    dst_endpoint: { interface_uid: name },
    network_observation_point: { interface_uid: name },
    status_code: code,
    status_id: 0,
    type_uid: 400100,
  });
  for (const absent of ['src_endpoint', 'traffic']) expect(row(name)).not.toHaveProperty(absent);
  expect(row('eni-0skipped').cloud).toEqual({ provider: 'AWS' });
});

test('a file without a header, with CRLF, has the default fields', () => {
  expectRow('40005', {
    connection_info: { protocol_name: 'udp', protocol_num: 17 },
    src_endpoint: { ip: '192.0.2.10', port: 40005 },
    dst_endpoint: { ip: '192.0.2.20', port: 53 },
    status_code: 'OK',
  });
});

describe('fields of its own order', () => {
  const mine = {
    instance_uid: 'i-0a1b2c3d4e5f60718',
    interface_uid: 'eni-0a1b2c3d',
    subnet_uid: 'subnet-0a1b2c3d',
    vpc_uid: 'vpc-0a1b2c3d',
  };

  test('with hyphens: an egress flow puts the interface at its source', () => {
    expectRow('50001', {
      connection_info: {
        boundary: 'Internet Gateway',
        boundary_id: 11,
        direction: 'Outbound',
        direction_id: 2,
        protocol_ver: 'Internet Protocol version 4 (IPv4)',
        protocol_ver_id: 4,
        tcp_flags: 19,
      },
      dst_endpoint: { ip: '203.0.113.77' },
      src_endpoint: { ...mine, ip: '10.20.1.240', port: 50001 },
      traffic: { bytes: 2400000000 },
    });
    expect(row('50001').network_observation_point).toEqual(mine);
    expect(row('50001').dst_endpoint).toEqual({ ip: '203.0.113.77' });
  });

  test('an ingress flow puts it at its destination', () => {
    expect(row('50002').dst_endpoint).toEqual({ ...mine, ip: '10.20.1.240' });
    expect(row('50002').src_endpoint).toEqual({ ip: '203.0.113.66', port: 50002 });
    expect(row('50002').connection_info).toMatchObject({ direction: 'Inbound', direction_id: 1, tcp_flags: 2 });
  });

  test('with underscores: the addresses of the packet go before those of the interface, which stand between', () => {
    expect(row('60001').src_endpoint).toEqual({ intermediate_ips: ['10.0.0.5'], ip: '10.20.1.240', port: 60001 });
    expect(row('60001').dst_endpoint).toEqual({ ip: '203.0.113.77', svc_name: 'S3' });
    expect(row('60001').cloud).toEqual({
      account: { uid: '123456789012' },
      provider: 'AWS',
      region: 'eu-west-1',
      zone: 'euw1-az1',
    });
    expect(row('60001').metadata).toMatchObject({ log_version: '8' });
  });

  test('the same addresses are not repeated, and the reason of a rejection is kept', () => {
    expect(row('60002').src_endpoint).toEqual({ ip: '10.0.0.5', port: 60002 });
    expect(row('60002').dst_endpoint).toEqual({ ip: '10.0.0.6' });
    expectRow('60002', { action_id: 2, firewall_rule: { name: 'BPA' } });
  });

  test('what is no address is no address between, and stays in unmapped', () => {
    expect(row('60003').src_endpoint).toEqual({ ip: '10.0.0.5', port: 60003 });
    expect(row('60003').dst_endpoint).toEqual({ intermediate_ips: ['10.0.0.6'], ip: '10.0.0.9' });
    expectRow('60003', { unmapped: { pkt_srcaddr: 'rubbish' } });
  });
});

test('a format in the manifest, as AWS writes one, names the fields where files have no header', async () => {
  const names = ['srcaddr', 'dstaddr', 'dstport', 'start', 'end', 'action', 'log-status', 'flow-direction'];
  const other = await lakehouse(
    { 'vpc_flow/one.log': `203.0.113.66 10.20.1.240 22 ${START} ${END} REJECT OK egress` },
    {
      bronze: { vpc_flow: { path: 'vpc_flow/*', format: names.map((name) => `\${${name}}`).join(' ') } },
      gold: nothingOfGold,
    },
  );
  const [one] = await events(other, 'silver.network_activity');
  await other.close();
  expect(one).toMatchObject({ action_id: 2, connection_info: { direction_id: 2 }, dst_endpoint: { port: 22 } });
});

test('records of transit gateways, ECS tasks and version 11 keep the fields that have no place, by name', async () => {
  const names =
    'resource-type tgw-id tgw-src-vpc-id packets-lost-no-route ecs-cluster-name encryption-status interface-type next-hop-az-id';
  const other = await lakehouse(
    {
      'vpc_flow/one.log': `version srcaddr dstaddr start end log-status ${names}\n6 192.0.2.1 192.0.2.2 ${START} ${END} OK TransitGateway tgw-0a vpc-0b 7 cluster 1 vpc_endpoint euw1-az2\n`,
    },
    { gold: nothingOfGold },
  );
  const [one] = await events(other, 'silver.network_activity');
  expect(await ask(other, 'SELECT service, action FROM bronze.vpc_flow')).toEqual([
    { service: 'OK', action: 'unknown' },
  ]);
  await other.close();
  expect(one).toMatchObject({
    action_id: 0,
    network_observation_point: { name: 'tgw-0a' },
    src_endpoint: { vpc_uid: 'vpc-0b' },
    unmapped: {
      resource_type: 'TransitGateway',
      packets_lost_no_route: '7',
      ecs_cluster_name: 'cluster',
      encryption_status: '1',
      interface_type: 'vpc_endpoint',
      next_hop_az_id: 'euw1-az2',
    },
  });
});
