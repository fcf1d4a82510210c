import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { count, type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';
import { account, into, out } from '../given/network_records.ts';
import { parquet } from '../given/parquet.ts';

const bronze = {
  databricks_inbound_network: { path: 'in/*' },
  databricks_outbound_network: { path: 'out/*' },
};
let lake: Lakehouse;
const found = new Map<string, Event>();
beforeAll(async () => {
  lake = await lakehouse(
    {
      'in/a.json': into.map((one) => JSON.stringify(one)).join('\n'),
      'out/a.json': JSON.stringify(out),
    },
    { bronze, gold: nothingOfGold },
  );
  for (const row of await everyEvent(lake)) {
    const { uid, log_name } = row.metadata as { uid: string; log_name: string };
    found.set(`${log_name.includes('inbound') ? 'in' : 'out'} ${uid}`, row);
  }
});
afterAll(() => lake?.close());
const row = (name: string): Event => {
  const one = found.get(name);
  if (!one) throw new Error(`no row ${name}`);
  return one;
};

test('every row is one event', async () => {
  expect(found.size).toBe(into.length + out.length);
  expect(await count(lake, 'SELECT count(*) FROM silver.dns_activity')).toBe(3);
  expect(await count(lake, 'SELECT count(*) FROM pipeline.quarantine')).toBe(0);
});

describe('inbound', () => {
  test('a denied request names its sender, its path and the rule', () => {
    expect(row('in deny')).toMatchObject({
      action_id: 2,
      activity_id: 5,
      actor: { user: { email_addr: 'ana@example.com', name: 'ana@example.com' } },
      class_uid: 4001,
      cloud: { account: { uid: account }, org: { uid: '1234567890123456' }, provider: 'Databricks' },
      connection_info: { direction_id: 1 },
      disposition_id: 2,
      dst_endpoint: { svc_name: 'Databricks', uid: '1234567890123456' },
      firewall_rule: { name: 'ingress-deny-1' },
      metadata: { log_name: 'system.access.inbound_network', tenant_uid: account },
      src_endpoint: { ip: '203.0.113.9' },
      status_id: 2,
      time: Date.parse('2026-11-05T09:00:00.123Z'),
      url: { path: '/api/2.0/clusters/list' },
    });
    expect(row('in deny')).not.toHaveProperty('unmapped');
  });

  test('one that would have been denied was let through', () => {
    expect(row('in dry')).toMatchObject({ action: 'Observed', activity_id: 6, disposition: 'Logged', status_id: 1 });
    expect(row('in dry')).not.toHaveProperty('actor');
    expect(row('in dry').unmapped).toEqual({ workspace_id: '0' });
  });

  test('an unknown outcome is unknown, and what else the source says is kept', () => {
    expect(row('in new')).toMatchObject({
      action_id: 0,
      activity_id: 0,
      src_endpoint: { ip: '2001:db8::9' },
      status_code: 'SOMETHING_NEW',
      unmapped: { source: '{"ip":"2001:DB8::9","type":"PUBLIC"}' },
    });
  });
});

describe('outbound', () => {
  test('a name that was asked for is DNS activity', () => {
    expect(row('out dns')).toMatchObject({
      action_id: 2,
      activity_id: 1,
      class_uid: 4003,
      connection_info: { direction_id: 2 },
      disposition: 'Dropped',
      query: { hostname: 'evil.example.com' },
      rcode: 'NXDomain',
      rcode_id: 3,
      src_endpoint: { svc_name: 'DBSQL', uid: '1234567890123456' },
      time: Date.parse('2026-11-05T09:00:00.123Z'),
      unmapped: { 'dns_event.rdata': '["192.0.2.1"]' },
    });
    expect(row('out dns-name')).toMatchObject({ query: { hostname: 'evil.example.com' }, rcode_id: 3 });
    expect(row('out dns-code')).toMatchObject({ unmapped: { 'dns_event.rcode': '4242' } });
  });

  test('an address is a connection, with its port', () => {
    expect(row('out ip')).toMatchObject({
      action: 'Observed',
      activity_id: 6,
      class_uid: 4001,
      dst_endpoint: { ip: '203.0.113.77', port: 443 },
    });
    expect(row('out host')).toMatchObject({
      dst_endpoint: { hostname: 'api.example.com' },
      unmapped: { ip_event: '{"port":443}' },
    });
  });

  test('storage has its host, path and why it was refused', () => {
    expect(row('out storage')).toMatchObject({
      activity_id: 5,
      dst_endpoint: { hostname: 'some-bucket.s3.amazonaws.com' },
      src_endpoint: { svc_name: 'General Compute' },
      status_detail: 'storage-bucket-path-denied',
      url: { path: '/some-path', url_string: 's3://some-bucket/some-path' },
    });
  });

  test('a row that says next to nothing is still a row', () => {
    expect(row('out bare')).toMatchObject({
      action_id: 0,
      activity_id: 0,
      class_uid: 4001,
      src_endpoint: { svc_name: 'Databricks' },
    });
  });
});

test('Parquet exports of both tables', async () => {
  const time = `TIMESTAMPTZ '2026-11-05 09:00:00.123+00' AS event_time, '${account}' AS account_id, '1' AS workspace_id`;
  await using other = await lakehouse(
    {
      'in/a.parquet': await readFile(
        await parquet(`SELECT 'e-1' AS event_id, ${time}, {'ip': '203.0.113.9'} AS source, 'DENY' AS policy_outcome`),
      ),
      'out/a.parquet': await readFile(
        await parquet(
          `SELECT 'e-2' AS event_id, ${time}, 'DNS' AS destination_type, 'example.com' AS destination, {'domain_name': 'example.com', 'rcode': 0} AS dns_event, 'DROP' AS access_type`,
        ),
      ),
    },
    { bronze, gold: nothingOfGold },
  );
  const rows = await everyEvent(other);
  expect(rows.map((one) => [one.class_uid, one.time])).toEqual([
    [4003, Date.parse('2026-11-05T09:00:00.123Z')],
    [4001, Date.parse('2026-11-05T09:00:00.123Z')],
  ]);
});
