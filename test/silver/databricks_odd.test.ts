import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ask, count, type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';
import { parquet } from '../given/parquet.ts';

const AT = Date.parse('2026-11-05T09:00:00.123Z');
const account = '9b8a7f6e-0000-4000-8000-000000000001';

/** A delivered record, told apart by its `requestId`. */
const record = (requestId: string, more: object = {}) => ({
  version: '2.0',
  timestamp: AT,
  workspaceId: '1234567890123456',
  accountId: account,
  sourceIPAddress: '192.0.2.25',
  userIdentity: { email: 'ana@example.com' },
  serviceName: 'accounts',
  actionName: 'login',
  requestId,
  requestParams: { user: 'ana@example.com' },
  response: { statusCode: 200 },
  ...more,
});

async function rowsOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Event[]> {
  await using lake = await lakehouse(files, { gold: nothingOfGold });
  expect(await ask(lake, 'SELECT reason, text FROM pipeline.quarantine')).toEqual([]);
  return await everyEvent(lake);
}
const lines = (...records: object[]): string => records.map((one) => JSON.stringify(one)).join('\n');

test('addresses: ports, zones, IPv6, private ones, those that say nothing, and names', async () => {
  const addresses: Readonly<Record<string, Event>> = {
    '203.0.113.9:0': { ip: '203.0.113.9' },
    '203.0.113.9:51234': { ip: '203.0.113.9', port: 51_234 },
    '203.0.113.9:99999': { ip: '203.0.113.9' },
    '10.139.64.4': { ip: '10.139.64.4' },
    '2001:DB8::25': { ip: '2001:db8::25' },
    'fe80::1%eth0': { ip: 'fe80::1' },
    '[2001:db8::1%0]:443': { ip: '2001:db8::1', port: 443 },
    '[2001:db8::1]': { ip: '2001:db8::1' },
    '0:0:0:0:0:0:0:1%0': { svc_name: 'Databricks' },
    '::1': { svc_name: 'Databricks' },
    '0.0.0.0': { svc_name: 'Databricks' },
    '127.0.0.1:8080': { svc_name: 'Databricks' },
    '-': { svc_name: 'Databricks' },
    '': { svc_name: 'Databricks' },
    'control-plane.example.com': { svc_name: 'control-plane.example.com' },
    '999.1.1.1': { svc_name: '999.1.1.1' },
    '[null]': { svc_name: 'Databricks' },
  };
  const rows = await rowsOf({
    'databricks_audit/a.json': lines(
      ...Object.keys(addresses).map((sourceIPAddress) => record(sourceIPAddress || 'empty', { sourceIPAddress })),
    ),
  });
  const found = Object.fromEntries(rows.map((row) => [(row.metadata as Event).correlation_uid, row.src_endpoint]));
  expect(found).toEqual(
    Object.fromEntries(
      Object.entries(addresses).map(([text, endpoint]) => [text === '-' ? undefined : text || 'empty', endpoint]),
    ),
  );
});

describe('the halves of a long call', () => {
  test('share the id of the request and stay two', async () => {
    const rows = await rowsOf({
      'databricks_audit/a.json': lines(
        record('long', {
          serviceName: 'clusters',
          actionName: 'start',
          requestParams: { cluster_id: 'c' },
          response: null,
        }),
        record('long', {
          serviceName: 'clusters',
          actionName: 'startResult',
          requestParams: { clusterId: 'c', clusterState: 'Error' },
        }),
      ),
    });
    expect(rows.map((row) => [(row.api as Event).operation, row.status_id]).sort()).toEqual([
      ['start', 0],
      ['startResult', 2],
    ]);
    for (const row of rows)
      expect(row).toMatchObject({ api: { request: { uid: 'long' } }, metadata: { correlation_uid: 'long' } });
  });
});

describe('parameters that were cut', () => {
  test('in a value, to one key, and inside JSON text', async () => {
    const rows = await rowsOf({
      'databricks_audit/a.json': lines(
        record('value', {
          serviceName: 'notebook',
          actionName: 'runCommand',
          requestParams: { commandText: 'x = 1... truncated', commandId: 'c' },
        }),
        record('key', { serviceName: 'jobs', actionName: 'create', requestParams: { TRUNCATED: 'true' } }),
        record('text', {
          serviceName: 'jobs',
          actionName: 'create',
          requestParams: '{"name":"nightly","tasks":"[{... truncated',
        }),
        record('whole', { serviceName: 'jobs', actionName: 'create', requestParams: { name: 'nightly' } }),
      ),
    });
    const found = new Map(rows.map((row) => [(row.metadata as Event).correlation_uid, row]));
    for (const cut of ['value', 'key', 'text']) expect(found.get(cut)?.metadata).toMatchObject({ is_truncated: true });
    expect(found.get('whole')?.metadata).not.toHaveProperty('is_truncated');
    expect(found.get('value')).toMatchObject({ query_info: { query_string: 'x = 1... truncated' } });
    expect(found.get('text')?.api).toMatchObject({
      request: { data: '"{\\"name\\":\\"nightly\\",\\"tasks\\":\\"[{... truncated"' },
    });
  });
});

test('odd types, missing members, emoji and large values make a valid row each', async () => {
  const odd: object[] = [
    { requestParams: null, userIdentity: null, response: null, sourceIPAddress: null, requestId: null },
    { requestParams: 'plain text', response: 'plain text', userIdentity: 'ana@example.com' },
    { requestParams: ['a', { b: 1 }], response: [], userIdentity: [] },
    { requestParams: { user: { nested: true }, path: [1] }, response: { statusCode: '200', result: { rows: [1] } } },
    { requestParams: { user: '🐟' }, response: { statusCode: 'OK' } },
    { requestParams: { user: 'x'.repeat(70_000) }, response: { statusCode: 500.0, errorMessage: '' } },
    { requestParams: {}, response: { errorMessage: 'INTERNAL_ERROR: no code' } },
    {
      workspaceId: 0,
      version: 2,
      sessionId: 12,
      userAgent: true,
      userIdentity: { email: '__REDACTED__', subjectName: 'CN=example' },
    },
    { timestamp: '2026-11-05T09:00:00Z', accountId: null, workspaceId: null },
  ];
  const services = [
    'accounts.login',
    'accounts.add',
    'clusters.start',
    'notebook.runCommand',
    'secrets.putAcl',
    'dbfs.put',
    'unityCatalog.updatePermissions',
    'accounts.createGroup',
    'example.getThing',
    'capsule8-alerts-dataplane.New Name',
  ];
  const records = services.flatMap((name) => {
    const [serviceName, actionName] = name.split('.');
    return odd.map((more, i) => record(`${name} ${i}`, { serviceName, actionName, ...more }));
  });
  const rows = await rowsOf({ 'databricks_audit/a.json': lines(...records) });
  expect(rows.length).toBe(records.length);
  const redacted = rows.find((row) => (row.metadata as Event).correlation_uid === 'example.getThing 7');
  expect(redacted).toMatchObject({
    actor: { app_name: 'example' },
    unmapped: { 'userIdentity.email': '__REDACTED__', 'userIdentity.subjectName': 'CN=example', workspaceId: '0' },
  });
  expect(redacted?.cloud).not.toHaveProperty('org');
  const failed = rows.find((row) => (row.metadata as Event).correlation_uid === 'example.getThing 6');
  expect(failed).toMatchObject({ status_id: 2, status_detail: 'INTERNAL_ERROR: no code' });
});

test('one who runs as another: both names are kept, whoever signed in', async () => {
  const application = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9';
  const [row] = await rowsOf({
    'databricks_audit/a.json': lines({
      event_id: 'e-1',
      event_time: '2026-11-05 09:00:00.123',
      service_name: 'example',
      action_name: 'getThing',
      user_identity: { email: application },
      identity_metadata: {
        run_by: 'ana@example.com',
        run_as: application,
        acting_resource: 'app-1',
        run_by_display_name: 'Ana',
        run_as_display_name: 'Robot',
      },
    }),
  });
  expect(row?.actor).toEqual({
    app_uid: 'app-1',
    user: {
      display_name: 'Ana',
      email_addr: 'ana@example.com',
      name: 'ana@example.com',
      type: 'User',
      type_id: 1,
      uid: 'ana@example.com',
    },
  });
  expect(row?.unmapped).toEqual({
    'identity_metadata.run_as': application,
    'identity_metadata.run_as_display_name': 'Robot',
    'user_identity.email': application,
  });
});

test('an event of the account names the workspace that it is about', async () => {
  const [row] = await rowsOf({
    'databricks_audit/a.json': lines(
      record('uc', {
        serviceName: 'unityCatalog',
        actionName: 'getTable',
        workspaceId: '0',
        requestParams: { full_name_arg: 'main.hr.people', workspace_id: '42' },
      }),
    ),
  });
  expect(row?.cloud).toMatchObject({ org: { uid: '42' } });
});

describe('the system table', () => {
  const base = {
    account_id: account,
    workspace_id: '1234567890123456',
    event_id: 'e-1',
    service_name: 'accounts',
    action_name: 'login',
    user_identity: { email: 'ana@example.com', subject_name: null },
    request_id: 'r-1',
    response: { status_code: 200, error_message: null, result: null },
  };

  test.each([
    ['2026-11-05 09:00:00.123'],
    ['2026-11-05T09:00:00.123Z'],
    ['2026-11-05T10:00:00.123+01:00'],
    ['2026-11-05 09:00:00.123000+00'],
  ])('with a time such as %s', async (event_time) => {
    const [row] = await rowsOf({
      'databricks_audit/a.json': lines({ ...base, event_time, request_params: { user: 'ana@example.com' } }),
    });
    expect(row).toMatchObject({ time: AT, user: { name: 'ana@example.com' } });
  });

  test('with parameters as text, and the same event twice', async () => {
    const event = { ...base, event_time: '2026-11-05 09:00:00.123', request_params: '{"user":"bob@example.com"}' };
    const rows = await rowsOf({
      'databricks_audit/a.json': lines(event, event),
      'databricks_audit/b.json': lines(event),
    });
    expect(rows.length).toBe(1);
    expect(rows[0]).toMatchObject({ metadata: { uid: 'e-1' }, user: { name: 'bob@example.com' } });
  });

  test('as Parquet, with a map of parameters and a timestamp', async () => {
    const query = `SELECT '${account}' AS account_id, '1234567890123456' AS workspace_id, '2.0' AS version,
      TIMESTAMPTZ '2026-11-05 09:00:00.123+00' AS event_time, DATE '2026-11-05' AS event_date, 'e-' || n AS event_id, '192.0.2.25' AS source_ip_address,
      NULL::VARCHAR AS session_id, {'email': 'ana@example.com', 'subject_name': NULL::VARCHAR} AS user_identity, 'accounts' AS service_name, 'login' AS action_name,
      'r-' || n AS request_id, MAP {'user': 'ana@example.com', 'authentication_method': 'PASSWORD'} AS request_params,
      {'status_code': 200::INTEGER, 'error_message': NULL::VARCHAR, 'result': NULL::VARCHAR} AS response FROM range(2) AS r(n)`;
    const rows = await rowsOf({ 'databricks_audit/part-0.snappy.parquet': await readFile(await parquet(query)) });
    expect(rows.length).toBe(2);
    expect(rows[0]).toMatchObject({
      api: { request: { data: expect.stringContaining('PASSWORD') } },
      metadata: { uid: 'e-0' },
      src_endpoint: { ip: '192.0.2.25' },
      status_id: 1,
      time: AT,
      user: { name: 'ana@example.com' },
    });
  });

  test('as Parquet, a row is the same event as its JSON line', async () => {
    const query = `SELECT 'e-1' AS event_id, '2026-11-05 09:00:00.123' AS event_time, 'accounts' AS service_name, 'login' AS action_name, NULL::VARCHAR AS user_agent`;
    const rows = await rowsOf({
      'databricks_audit/a.parquet': await readFile(await parquet(query)),
      'databricks_audit/b.json': lines({
        event_id: 'e-1',
        event_time: '2026-11-05 09:00:00.123',
        service_name: 'accounts',
        action_name: 'login',
      }),
    });
    expect(rows.length).toBe(1);
  });
});

describe('Azure', () => {
  const azure = (logId: string, more: object = {}) => ({
    resourceId:
      '/subscriptions/00000000-0000-4000-8000-000000000002/resourceGroups/example/providers/Microsoft.Databricks/workspaces/example',
    operationVersion: '1.0.0',
    identity: '{"email":"ana@example.com","subjectName":null}',
    operationName: 'Microsoft.Databricks/clusters/start',
    time: '2026-11-05T09:00:00Z',
    category: 'clusters',
    properties: {
      logId,
      serviceName: 'clusters',
      actionName: 'start',
      requestId: 'r-1',
      requestParams: '{"cluster_id":"1105-080130-example"}',
      response: '{"statusCode":403,"errorMessage":"PERMISSION_DENIED: no","result":null}',
      ...more,
    },
  });

  test('records in an envelope, twice the same log id', async () => {
    const rows = await rowsOf({
      'databricks_audit/a.json': JSON.stringify({ records: [azure('l-1'), azure('l-1'), azure('l-2')] }),
    });
    expect(rows.map((row) => (row.metadata as Event).uid)).toEqual(['l-1', 'l-2']);
    expect(rows[0]).toMatchObject({
      action_id: 2,
      app: { uid: '1105-080130-example' },
      cloud: { account: { uid: '00000000-0000-4000-8000-000000000002' }, provider: 'Azure' },
      status_code: '403',
      status_detail: 'PERMISSION_DENIED: no',
      status_id: 2,
    });
  });

  test('service and action from the operation, where the properties do not name them', async () => {
    const [row] = await rowsOf({
      'databricks_audit/a.json': JSON.stringify({ records: [azure('l-1', { serviceName: null, actionName: null })] }),
    });
    expect(row).toMatchObject({
      activity_id: 3,
      api: { operation: 'start', service: { name: 'clusters' } },
      class_uid: 6002,
    });
  });
});

test('two events of one id but of different content are both kept', async () => {
  await using lake = await lakehouse(
    {
      'databricks_audit/a.json': lines(
        { event_id: 'e-1', event_time: '2026-11-05 09:00:00', service_name: 'accounts', action_name: 'login' },
        { event_id: 'e-1', event_time: '2026-11-05 09:00:00', service_name: 'accounts', action_name: 'logout' },
      ),
    },
    { gold: nothingOfGold },
  );
  expect(await count(lake, 'SELECT count(*) FROM silver.authentication')).toBe(2);
});
