import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, test } from 'vitest';
import { open } from '../../src/index.ts';
import {
  ask,
  count,
  type Event,
  everyEvent,
  folder,
  lakehouse,
  manifest,
  nothingOfGold,
  write,
} from '../given/lakehouse.ts';
import { parquet } from '../given/parquet.ts';

const START = 1793869200;
const TIMES = `${START} ${START + 60}`;
const flow = (port: number): string =>
  `2 123456789012 eni-0a1b2c3d 10.20.1.240 203.0.113.77 ${port} 443 6 10 4200 ${TIMES} ACCEPT OK`;

async function rowsOf(files: Readonly<Record<string, string | Uint8Array>>, format?: string): Promise<Event[]> {
  await using lake = await lakehouse(files, {
    bronze: { vpc_flow: { path: 'vpc_flow/**/*', ...(format === undefined ? {} : { format }) } },
    gold: nothingOfGold,
  });
  expect(await ask(lake, 'SELECT reason, text FROM pipeline.quarantine')).toEqual([]);
  return await everyEvent(lake);
}
const common = { srcaddr: '10.20.1.240', dstaddr: '203.0.113.77', start: START, end: START + 60, 'log-status': 'OK' };
const nothing = { srcaddr: '-', dstaddr: '-', action: '-', start: START, end: START + 60 };

/** One flow each, told apart by its time. */
const records: Readonly<Record<string, Readonly<Record<string, string | number>>>> = {
  'transit gateway': {
    version: 6,
    'resource-type': 'TransitGateway',
    'account-id': '123456789012',
    'tgw-id': 'tgw-0a',
    'tgw-attachment-id': 'tgw-attach-0b',
    'tgw-src-vpc-account-id': '111122223333',
    'tgw-dst-vpc-account-id': '444455556666',
    'tgw-src-vpc-id': 'vpc-0a',
    'tgw-dst-vpc-id': 'vpc-0b',
    'tgw-src-subnet-id': 'subnet-0a',
    'tgw-dst-subnet-id': 'subnet-0b',
    'tgw-src-eni': 'eni-0a',
    'tgw-dst-eni': 'eni-0b',
    'tgw-src-az-id': 'use1-az1',
    'tgw-dst-az-id': 'use1-az2',
    'tgw-pair-attachment-id': 'tgw-attach-0c',
    ...common,
    srcport: 40001,
    dstport: 443,
    protocol: 6,
    packets: 14,
    bytes: 5125,
    type: 'IPv4',
    'packets-lost-no-route': 0,
    'packets-lost-blackhole': 3,
    'packets-lost-mtu-exceeded': 0,
    'packets-lost-ttl-expired': 0,
    'tcp-flags': 3,
    region: 'us-east-1',
    'flow-direction': 'ingress',
    'pkt-src-aws-service': '-',
    'pkt-dst-aws-service': 'S3',
  },
  'silent transit gateway': { version: 6, 'tgw-attachment-id': 'tgw-attach-0b', ...nothing, 'log-status': 'NODATA' },
  container: {
    version: 7,
    ...common,
    action: 'ACCEPT',
    'interface-id': 'eni-0a1b2c3d',
    'ecs-cluster-arn': 'arn:aws:ecs:us-east-1:123456789012:cluster/example',
    'ecs-container-id': '2f7d2b6e',
    'ecs-second-container-id': '-',
    'ecs-service-name': 'web',
    'ecs-task-id': '66ba36f1',
  },
  'version 11': {
    version: 11,
    ...common,
    action: 'REJECT',
    'interface-id': '-',
    'reject-reason': 'BPA',
    'resource-id': 'nat-0123456789abcdef0',
    'encryption-status': 0,
    'instance-tag': 'team%3Dpayments%20eu',
    'asg-tag-2': '-',
    'interface-type': 'regional_nat_gateway',
    'next-hop-interface-id': 'eni-0f',
    'next-hop-vpc-id': 'vpc-0f',
  },
  outpost: {
    ...common,
    'account-id': 'unknown',
    'sublocation-type': 'outpost',
    'sublocation-id': 'op-0a',
    action: 'ACCEPT',
  },
  zeros: { ...common, action: 'ACCEPT', srcport: 0, dstport: '-', protocol: 0, bytes: 0, packets: '-', 'tcp-flags': 0 },
  nonsense: {
    ...common,
    end: START - 1,
    action: 'MAYBE',
    srcport: 70_000,
    dstport: -1,
    protocol: '99999999999',
    bytes: '99999999999999999999',
    packets: '1.5',
    'tcp-flags': 'SYN',
    'flow-direction': 'sideways',
    'traffic-path': 42,
    type: 'IPv9',
  },
  'no one': { ...nothing, 'log-status': 'SKIPDATA' },
};

describe('what AWS writes beside the flow itself', () => {
  const found = new Map<unknown, Event>();
  beforeAll(async () => {
    const files = Object.values(records).map((fields, i): [string, string] => {
      const times = { start: START + i * 1000, end: Number(fields.end) + i * 1000 };
      const all = { ...fields, ...times };
      return [`vpc_flow/${i}.log`, `${Object.keys(all).join(' ')}\n${Object.values(all).join(' ')}\n`];
    });
    for (const row of await rowsOf(Object.fromEntries(files))) found.set(row.time, row);
    expect(found.size).toBe(files.length);
  });
  const rowOf = (name: string): Event => found.get((START + Object.keys(records).indexOf(name) * 1000) * 1000) ?? {};
  test('a transit gateway has two sides, no interface of its own and no verdict', () => {
    const row = rowOf('transit gateway');
    expect(row).toMatchObject({
      action_id: 0,
      activity_id: 6,
      dst_endpoint: {
        interface_uid: 'eni-0b',
        ip: '203.0.113.77',
        owner: { account: { uid: '444455556666' } },
        port: 443,
        subnet_uid: 'subnet-0b',
        svc_name: 'S3',
        vpc_uid: 'vpc-0b',
        zone: 'use1-az2',
      },
      network_observation_point: { name: 'tgw-0a', uid: 'tgw-attach-0b' },
      src_endpoint: {
        interface_uid: 'eni-0a',
        ip: '10.20.1.240',
        owner: { account: { uid: '111122223333' } },
        port: 40001,
        subnet_uid: 'subnet-0a',
        vpc_uid: 'vpc-0a',
        zone: 'use1-az1',
      },
      traffic: { bytes: 5125, packets: 14 },
    });
    expect(row.unmapped).toEqual({
      resource_type: 'TransitGateway',
      tgw_pair_attachment_id: 'tgw-attach-0c',
      packets_lost_no_route: '0',
      packets_lost_blackhole: '3',
      packets_lost_mtu_exceeded: '0',
      packets_lost_ttl_expired: '0',
    });
  });

  test('a silent transit gateway is known by its attachment', () => {
    const row = rowOf('silent transit gateway');
    expect(row).toMatchObject({ activity_id: 0, dst_endpoint: { uid: 'tgw-attach-0b' }, status_code: 'NODATA' });
  });

  test('a container of ECS is where the flow was seen, and the rest of ECS is kept by name', () => {
    const row = rowOf('container');
    expect(row.network_observation_point).toEqual({
      container: { orchestrator: 'ECS', uid: '2f7d2b6e' },
      interface_uid: 'eni-0a1b2c3d',
    });
    expect(row.unmapped).toEqual({
      ecs_cluster_arn: 'arn:aws:ecs:us-east-1:123456789012:cluster/example',
      ecs_service_name: 'web',
      ecs_task_id: '66ba36f1',
    });
  });

  test('versions 8 to 11: the reason of a rejection, a regional NAT gateway, encryption, tags and the next hop', () => {
    const row = rowOf('version 11');
    expect(row).toMatchObject({
      action_id: 2,
      firewall_rule: { name: 'BPA' },
      network_observation_point: { uid: 'nat-0123456789abcdef0' },
      status_detail: 'BPA',
    });
    expect(row.unmapped).toEqual({
      encryption_status: '0',
      instance_tag: 'team%3Dpayments%20eu',
      interface_type: 'regional_nat_gateway',
      next_hop_interface_id: 'eni-0f',
      next_hop_vpc_id: 'vpc-0f',
    });
  });

  test('the place of an outpost and an unknown account', () => {
    const row = rowOf('outpost');
    expect(row.cloud).toEqual({ provider: 'AWS' });
    expect(row.unmapped).toEqual({ account_id: 'unknown', sublocation_type: 'outpost', sublocation_id: 'op-0a' });
  });

  test('a real zero is kept, a dash is nothing', () => {
    const zero = rowOf('zeros');
    expect(zero.src_endpoint).toEqual({ ip: '10.20.1.240', port: 0 });
    expect(zero.dst_endpoint).toEqual({ ip: '203.0.113.77' });
    expect(zero.connection_info).toMatchObject({ protocol_name: 'hopopt', protocol_num: 0, tcp_flags: 0 });
    expect(zero.traffic).toEqual({ bytes: 0 });
    expect(zero).not.toHaveProperty('unmapped');
  });

  test('what overflows or makes no sense stays in unmapped', () => {
    const row = rowOf('nonsense');
    expect(row).toMatchObject({ action_id: 0, activity_id: 6, connection_info: { direction_id: 0 } });
    for (const absent of ['end_time', 'duration', 'traffic']) expect(row).not.toHaveProperty(absent);
    expect(row.unmapped).toEqual({
      action: 'MAYBE',
      bytes: '99999999999999999999',
      dstport: '-1',
      end: String(START + 6 * 1000 - 1),
      flow_direction: 'sideways',
      packets: '1.5',
      protocol: '99999999999',
      srcport: '70000',
      tcp_flags: 'SYN',
      traffic_path: '42',
      type: 'IPv9',
    });
  });

  test('a record that names no one at all still says when nothing was seen', () => {
    const row = rowOf('no one');
    expect(row).toMatchObject({ activity_id: 0, dst_endpoint: { name: 'unknown' }, status_code: 'SKIPDATA' });
  });
});

test('NODATA and SKIPDATA are no traffic for summaries and rules', async () => {
  const lines = Array.from({ length: 600 }, (_, i) => [
    `2 123456789012 eni-0a1b2c3d - - - - - - - ${START + i} ${START + i + 60} - ${i % 2 ? 'NODATA' : 'SKIPDATA'}`,
  ]);
  await using lake = await lakehouse({ 'vpc_flow/a.log': [flow(40001), ...lines].join('\n') });
  expect(await count(lake, 'SELECT count(*) FROM silver.network_activity')).toBe(601);
  expect(await ask(lake, 'SELECT flows, bytes FROM gold.network_hourly')).toEqual([{ flows: 1n, bytes: 4200n }]);
  expect(await count(lake, 'SELECT count(*) FROM gold.findings')).toBe(0);
});

describe('JSON that holds flow lines', () => {
  const ports = (rows: readonly Event[]): number[] =>
    rows.map((row) => (row.src_endpoint as { port: number }).port).sort((a, b) => a - b);
  const wrapper = (messages: readonly string[], more: object = {}) => ({
    messageType: 'DATA_MESSAGE',
    owner: '123456789012',
    logGroup: '/aws/vpc/flow-logs',
    logStream: 'eni-0a1b2c3d-all',
    logEvents: messages.map((message, i) => ({ id: String(i), timestamp: START * 1000, message })),
    ...more,
  });

  test('CloudWatch subscription, pretty-printed, several in a row, compressed twice', async () => {
    const rows = await rowsOf({
      'vpc_flow/pretty.json': JSON.stringify(wrapper([flow(1), flow(2)]), null, 2),
      'vpc_flow/row.json': JSON.stringify(wrapper([flow(3)])) + JSON.stringify(wrapper([flow(4)])),
      'vpc_flow/lines.json.gz': [wrapper([flow(5)]), wrapper([flow(6)])].map((w) => JSON.stringify(w)).join('\n'),
      'vpc_flow/twice.gz': gzipSync(gzipSync(JSON.stringify(wrapper([flow(7)])))),
    });
    expect(ports(rows)).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  test('a control message is no record', async () => {
    await using lake = await lakehouse(
      {
        'vpc_flow/a.json': JSON.stringify(
          wrapper(['CWL CONTROL MESSAGE: Checking health of destination Firehose.'], {
            messageType: 'CONTROL_MESSAGE',
          }),
        ),
      },
      { gold: nothingOfGold },
    );
    expect(await ask(lake, 'SELECT records, stored, quarantined, ignored FROM pipeline.files')).toEqual([
      { records: 1n, stored: 0n, quarantined: 0n, ignored: 1n },
    ]);
  });

  test('messages of a log shipper, texts, and objects with a member for each field', async () => {
    const fields = { version: 2, 'account-id': '123456789012', 'interface-id': 'eni-0a1b2c3d', srcport: 4, ...common };
    const rows = await rowsOf({
      'vpc_flow/shipper.json': `${JSON.stringify({ message: flow(1) })}\n${JSON.stringify({ message: flow(2) })}\n`,
      'vpc_flow/texts.json': JSON.stringify([flow(3)]),
      'vpc_flow/objects.json': `${JSON.stringify({ ...fields, action: 'ACCEPT', 'tcp-flags': null })}\n`,
    });
    expect(ports(rows)).toEqual([1, 2, 3, 4]);
    expect(rows.every((row) => (row.network_observation_point as Event).interface_uid === 'eni-0a1b2c3d')).toBe(true);
  });

  test('with the fields of a format in the manifest', async () => {
    const [row] = await rowsOf(
      { 'vpc_flow/a.json': JSON.stringify(wrapper([`203.0.113.66 10.20.1.240 22 ${TIMES} REJECT`])) },
      ['srcaddr', 'dstaddr', 'dstport', 'start', 'end', 'action'].map((name) => `\${${name}}`).join(' '),
    );
    expect(row).toMatchObject({ action_id: 2, dst_endpoint: { ip: '10.20.1.240', port: 22 } });
  });

  test('damaged JSON goes to quarantine and takes nothing with it', async () => {
    await using lake = await lakehouse(
      { 'vpc_flow/a.json': `${JSON.stringify(wrapper([flow(1)]))}\n{"logEvents":[{"message":"2 1234\n` },
      { gold: nothingOfGold },
    );
    expect(ports(await everyEvent(lake))).toEqual([1]);
    expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(1);
  });
});

describe('Parquet', () => {
  const typed = `SELECT CAST(5 AS INTEGER) AS version, '123456789012' AS account_id, 'eni-0a1b2c3d' AS interface_id, '10.20.1.240' AS srcaddr,
    '203.0.113.77' AS dstaddr, CAST(port AS INTEGER) AS srcport, CAST(443 AS INTEGER) AS dstport, CAST(6 AS INTEGER) AS protocol, 10::BIGINT AS packets,
    4200::BIGINT AS bytes, ${START}::BIGINT AS "start", ${START + 60}::BIGINT AS "end", 'ACCEPT' AS action, 'OK' AS log_status, NULL::INTEGER AS traffic_path,
    '-' AS sublocation_id, 19::INTEGER AS tcp_flags, 'egress' AS flow_direction FROM range(1, 4) AS r(port)`;

  test('typed columns give the rows that text lines give', async () => {
    const rows = await rowsOf({ 'vpc_flow/a.log.parquet': await readFile(await parquet(typed)) });
    expect(rows.length).toBe(3);
    expect(rows[0]).toMatchObject({
      connection_info: { direction_id: 2, protocol_name: 'tcp', tcp_flags: 19 },
      dst_endpoint: { ip: '203.0.113.77', port: 443 },
      metadata: { log_version: '5' },
      src_endpoint: { interface_uid: 'eni-0a1b2c3d', ip: '10.20.1.240' },
      time: START * 1000,
      traffic: { bytes: 4200, packets: 10 },
    });
    expect(rows[0]).not.toHaveProperty('unmapped');
  });

  test('names with hyphens, and columns that only one of the files has', async () => {
    const hyphens = `SELECT '10.0.0.1' AS srcaddr, '10.0.0.2' AS dstaddr, ${START} AS "start", ${START + 60} AS "end", 'OK' AS "log-status", 'REJECT' AS action,
      'i-0a1b2c3d4e5f60718' AS "instance-id", 'ingress' AS "flow-direction", 'aws' AS "Pkt-Src-Aws-Service"`;
    const rows = await rowsOf({
      'vpc_flow/a.parquet': await readFile(await parquet(typed)),
      'vpc_flow/b.parquet': await readFile(await parquet(hyphens)),
    });
    expect(rows.length).toBe(4);
    expect(rows.find((row) => row.action_id === 2)).toMatchObject({
      dst_endpoint: { instance_uid: 'i-0a1b2c3d4e5f60718' },
      src_endpoint: { svc_name: 'aws' },
      status_code: 'OK',
    });
  });

  test('a damaged file fails by itself, with its reason', async () => {
    const good = await readFile(await parquet(typed));
    const place = await folder();
    await write(place, { 'vpc_flow/a.parquet': good, 'vpc_flow/b.parquet': good.subarray(0, -40) });
    await using lake = await open(await manifest(place, { gold: nothingOfGold }));
    expect((await lake.run()).files).toMatchObject({ new: 1, failed: 1 });
    const [failed] = await ask<{ path: string; error: string }>(
      lake,
      "SELECT path, error FROM pipeline.files WHERE status = 'failed'",
    );
    expect(failed?.path).toMatch(/b\.parquet$/);
    expect(failed?.error).toMatch(/[Pp]arquet/);
    expect(await count(lake, 'SELECT count(*) FROM silver.network_activity')).toBe(3);
  });
});

test('a port without an address stays by name, and no observable speaks of what is not there', async () => {
  await using lake = await lakehouse(
    {
      'vpc_flow/a.log':
        'version interface-id srcaddr srcport dstport start end action log-status\n2 eni-1 192.0.2.1 443 40000 1793870200 1793870260 ACCEPT OK',
    },
    { gold: nothingOfGold },
  );
  const [row] = await everyEvent(lake);
  expect(row).toMatchObject({ unmapped: { dstport: '40000' }, src_endpoint: { ip: '192.0.2.1', port: 443 } });
  expect(row).not.toHaveProperty('dst_endpoint');
  expect(JSON.stringify(row?.observables)).not.toContain('dst_endpoint.port');
});
