import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { delivery } from '../given/databricks_records.ts';
import { type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

const AT = '2026-11-05T09:00:00.123Z';
const PRINCIPAL = '0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9';

/** A delivered record; its request id is its name in the tests. */
const delivered = (
  requestId: string,
  serviceName: string,
  actionName: string,
  requestParams: object,
  more: object = {},
) => ({
  ...delivery(requestId, serviceName, actionName, requestParams),
  orgId: '1234567890123456',
  shardName: 'example-prod',
  ...more,
});

const login = delivered('login', 'accounts', 'login', { user: 'ana@example.com', authentication_method: 'PASSWORD' });
/** The same event as `system.access.audit` has it. */
const systemLogin = {
  account_id: login.accountId,
  workspace_id: login.orgId,
  version: '2.0',
  event_time: AT,
  event_date: '2026-11-05',
  event_id: 'event-login',
  audit_level: 'WORKSPACE_LEVEL',
  source_ip_address: '192.0.2.25',
  user_agent: 'Mozilla/5.0',
  session_id: 'session-1',
  user_identity: { email: 'ana@example.com', subject_name: null },
  service_name: 'accounts',
  action_name: 'login',
  request_id: 'login',
  request_params: login.requestParams,
  response: { status_code: 200, error_message: null, result: null },
  identity_metadata: null,
};

const azure = {
  resourceId:
    '/SUBSCRIPTIONS/00000000-0000-4000-8000-000000000002/RESOURCEGROUPS/EXAMPLE/PROVIDERS/MICROSOFT.DATABRICKS/WORKSPACES/EXAMPLE',
  operationVersion: '1.0.0',
  identity: '{"email":"ana@example.com","subjectName":null}',
  operationName: 'Microsoft.Databricks/accounts/tokenLogin',
  time: '2026-11-05T09:00:00Z',
  category: 'accounts',
  properties: {
    sourceIPAddress: '192.0.2.25',
    logId: 'azure-log',
    serviceName: 'accounts',
    userAgent: 'Example/1.0',
    response: '{"statusCode":200}',
    sessionId: null,
    actionName: 'tokenLogin',
    requestId: 'azure',
    requestParams: '{"user":"ana@example.com","tokenId":"token-1","authenticationMethod":"API_INT_PAT_TOKEN"}',
  },
  Host: '1105-080130-example-10-20-1-240',
};

const capsule8 = (requestId: string, actionName: string, result: unknown) =>
  delivered(
    requestId,
    'capsule8-alerts-dataplane',
    actionName,
    { instanceId: 'i-0a1b2c3d4e5f60718' },
    {
      userIdentity: null,
      sourceIPAddress: null,
      sessionId: null,
      userAgent: null,
      response: { statusCode: 200, errorMessage: null, result },
    },
  );
const clamav = (requestId: string, result: string) => ({
  ...capsule8(requestId, 'clamAVScanAction', result),
  serviceName: 'clamAVScanService-dataplane',
});

const records: readonly object[] = [
  login,
  systemLogin,
  azure,
  delivered(
    'login-failed',
    'accounts',
    'login',
    { user: 'bob@example.com' },
    {
      userIdentity: { email: null },
      response: { statusCode: 401, errorMessage: 'INVALID_CREDENTIALS', result: null },
    },
  ),
  delivered('refused', 'accounts', 'IpAccessDenied', { path: '/' }, { sourceIPAddress: '203.0.113.66:0' }),
  delivered(
    'port',
    'accounts',
    'tokenLogin',
    { user: PRINCIPAL },
    {
      sourceIPAddress: '192.0.2.25:51234',
      userIdentity: { email: PRINCIPAL },
    },
  ),
  delivered('ipv6', 'accounts', 'tokenLogin', {}, { sourceIPAddress: '[2001:DB8::25]:443' }),
  delivered('loopback', 'accounts', 'tokenLogin', {}, { sourceIPAddress: '0:0:0:0:0:0:0:1%0' }),
  delivered(
    'system',
    'jobs',
    'runSucceeded',
    { runId: '7' },
    {
      userIdentity: { email: 'System-User' },
      sourceIPAddress: '',
    },
  ),
  delivered('nobody', 'clusters', 'frobnicate', {}, { userIdentity: { email: 'unknown' } }),
  delivered(
    'run-as',
    'example',
    'getThing',
    {},
    {
      identityMetadata: { runBy: 'ana@example.com', runAs: PRINCIPAL },
    },
  ),
  delivered('token', 'accounts', 'generateDbToken', { tokenExpirationTime: '-1', userId: '123', tokenHash: 'hash-1' }),
  delivered('add-user', 'accounts', 'add', { targetUserName: 'carl@example.com', targetUserId: '77' }),
  delivered(
    'denied',
    'example',
    'deleteThing',
    { name: 'thing' },
    {
      response: { statusCode: 403, errorMessage: 'PERMISSION_DENIED: no', result: null },
    },
  ),
  delivered('no-status', 'example', 'updateThing', { name: 'thing' }, { response: null }),
  delivered(
    'odd-status',
    'example',
    'createThing',
    { name: 'thing' },
    {
      response: { statusCode: '99999999999', errorMessage: null, result: 'plain text' },
    },
  ),
  capsule8('shell', 'Suspicious Interactive Shell', '{"actionName":"Suspicious Interactive Shell","Priority":"High"}'),
  capsule8('new-name', 'Wget Program Blacklist', '{"actionName":"Wget Program Blacklist"}'),
  clamav('virus', '/local_disk0/tmp/.x/setup: Unix.Trojan.Example-1 FOUND'),
  clamav('infected', 'Infected files: 1'),
  clamav('clean', 'Infected files: 0'),
];
let lake: Lakehouse;
const found = new Map<string, Event>();
beforeAll(async () => {
  lake = await lakehouse(
    { 'databricks_audit/one.json': records.map((one) => JSON.stringify(one)).join('\n') },
    { gold: nothingOfGold },
  );
  for (const row of await everyEvent(lake)) {
    const { uid, correlation_uid } = row.metadata as { uid: string; correlation_uid: string };
    found.set(uid.length === 32 ? correlation_uid : uid, row);
  }
});
afterAll(() => lake?.close());
const row = (name: string): Event => {
  const one = found.get(name);
  if (!one) throw new Error(`no row ${name}`);
  return one;
};
const expectRow = (name: string, expected: Event): void => expect(row(name)).toMatchObject(expected);

test('every record is one row of one class', () => {
  expect(found.size).toBe(records.length);
});

test('a sign-in becomes an authentication event with everything that it says', () => {
  expectRow('login', {
    action_id: 1,
    activity_id: 1,
    activity_name: 'Logon',
    actor: {
      session: { uid: 'session-1' },
      user: {
        email_addr: 'ana@example.com',
        name: 'ana@example.com',
        type: 'User',
        type_id: 1,
        uid: 'ana@example.com',
      },
    },
    api: {
      operation: 'login',
      request: { data: '{"user":"ana@example.com","authentication_method":"PASSWORD"}', uid: 'login' },
      response: { code: 200 },
      service: { name: 'accounts' },
    },
    class_uid: 3002,
    cloud: {
      account: { uid: '9b8a7f6e-0000-4000-8000-000000000001' },
      org: { uid: '1234567890123456' },
      provider: 'Databricks',
    },
    http_request: { user_agent: 'Mozilla/5.0' },
    metadata: {
      correlation_uid: 'login',
      event_code: 'accounts.login',
      log_version: '2.0',
      tenant_uid: '9b8a7f6e-0000-4000-8000-000000000001',
      uid: expect.stringMatching(/^[0-9a-f]{32}$/),
    },
    service: { name: 'Databricks' },
    src_endpoint: { ip: '192.0.2.25' },
    status: 'Success',
    status_code: '200',
    status_id: 1,
    time: Date.parse(AT),
    type_uid: 300201,
    user: { email_addr: 'ana@example.com', name: 'ana@example.com', type_id: 1 },
  });
  expect(row('login').unmapped).toEqual({ shardName: 'example-prod' });
});

test('the system table gives the same row as the delivered record, but for the id, the hash and what only one has', () => {
  const bare = (name: string): unknown => {
    const { metadata, raw_data_hash: _hash, unmapped: _unmapped, observables, ...rest } = row(name);
    const { uid: _uid, ...same } = metadata as Event;
    const seen = (observables as { name: string }[]).filter((one) => !one.name.startsWith('raw_data_hash'));
    return { ...rest, metadata: same, observables: seen };
  };
  expect(bare('event-login')).toEqual(bare('login'));
  expect(row('event-login').unmapped).toEqual({ event_date: '2026-11-05' });
});

test('an Azure diagnostic record, whose members are JSON texts, says the same', () => {
  expectRow('azure-log', {
    activity_id: 1,
    actor: { user: { email_addr: 'ana@example.com', type_id: 1 } },
    api: { operation: 'tokenLogin', request: { uid: 'azure' }, response: { code: 200 }, service: { name: 'accounts' } },
    cloud: { account: { uid: '00000000-0000-4000-8000-000000000002' }, provider: 'Azure' },
    metadata: { event_code: 'accounts.tokenLogin', log_version: '1.0.0' },
    session: { credential_uid: 'token-1' },
    src_endpoint: { ip: '192.0.2.25' },
    status_id: 1,
    time: Date.parse('2026-11-05T09:00:00Z'),
    unmapped: { Host: '1105-080130-example-10-20-1-240' },
    user: { name: 'ana@example.com' },
  });
});

describe('a sign-in', () => {
  test('that fails names who tried, from the parameters', () => {
    expectRow('login-failed', {
      action_id: 2,
      actor: { app_name: 'accounts' },
      disposition_id: 2,
      status_code: '401',
      status_detail: 'INVALID_CREDENTIALS',
      status_id: 2,
      user: { email_addr: 'bob@example.com', name: 'bob@example.com' },
    });
    expect(row('login-failed').actor).not.toHaveProperty('user');
  });

  test('from a refused address is a failure, whatever its status code', () => {
    expectRow('refused', { action_id: 2, status_id: 2, status_code: '200', src_endpoint: { ip: '203.0.113.66' } });
  });

  test('of a service principal is by a service, from an address and a port', () => {
    expectRow('port', {
      actor: { user: { name: PRINCIPAL, type: 'Service', type_id: 4 } },
      src_endpoint: { ip: '192.0.2.25', port: 51234 },
      user: { name: PRINCIPAL, type_id: 4 },
    });
    expect((row('port').actor as { user: Event }).user).not.toHaveProperty('email_addr');
    expect(row('refused').src_endpoint).toEqual({ ip: '203.0.113.66' });
  });

  test('over IPv6 has the address without brackets, and its port', () => {
    expect(row('ipv6').src_endpoint).toEqual({ ip: '2001:db8::25', port: 443 });
  });

  test('from the loopback address comes from Databricks itself', () => {
    expect(row('loopback').src_endpoint).toEqual({ svc_name: 'Databricks' });
  });
});

describe('who did it', () => {
  test('System-User is the system', () => {
    expectRow('system', { actor: { user: { name: 'System-User', type: 'System', type_id: 3 } } });
  });

  test('nobody: the service stands for it, and the word stays in unmapped', () => {
    expectRow('nobody', { actor: { app_name: 'clusters' }, unmapped: { 'userIdentity.email': 'unknown' } });
    expect(row('nobody').actor).not.toHaveProperty('user');
  });

  test('run by one as another: the one who ran it, with the other in unmapped', () => {
    expectRow('run-as', {
      actor: { user: { name: 'ana@example.com' } },
      unmapped: { 'identityMetadata.runAs': PRINCIPAL },
    });
  });
});

test('a token is about the caller, with its hash as the credential', () => {
  expectRow('token', {
    activity_id: 99,
    activity_name: 'generateDbToken',
    class_uid: 3001,
    user: { name: 'ana@example.com', uid: '123', programmatic_credentials: [{ uid: 'hash-1' }] },
  });
});

test('a user who is added is the subject, not the caller', () => {
  expectRow('add-user', {
    activity_id: 1,
    actor: { user: { name: 'ana@example.com' } },
    class_uid: 3001,
    user: { email_addr: 'carl@example.com', name: 'carl@example.com', uid: '77' },
  });
});

describe('any other call is API activity', () => {
  test('that was denied is denied', () => {
    expectRow('denied', {
      action_id: 2,
      activity_id: 4,
      api: { response: { code: 403, error_message: 'PERMISSION_DENIED: no' } },
      class_uid: 6003,
      disposition_id: 2,
      status_code: '403',
      status_id: 2,
    });
  });

  test('whose outcome is unknown says so', () => {
    expectRow('no-status', { action_id: 0, activity_id: 3, status_id: 0 });
    expect(row('no-status').api).not.toHaveProperty('response');
  });

  test('whose status code is no code keeps it as text, and a result that is no JSON as a JSON string', () => {
    expectRow('odd-status', {
      activity_id: 1,
      api: { response: { data: '"plain text"' } },
      status_code: '99999999999',
      status_id: 0,
    });
  });
});

describe('Enhanced Security Monitoring', () => {
  const device = { instance_uid: 'i-0a1b2c3d4e5f60718', type: 'Virtual', type_id: 6 };

  test('an alert of Capsule8 is a finding on its instance, with the alert as evidence', () => {
    expectRow('shell', {
      class_uid: 2004,
      device,
      evidences: [{ data: '{"actionName":"Suspicious Interactive Shell","Priority":"High"}', device }],
      finding_info: {
        analytic: { name: 'Suspicious Interactive Shell', type_id: 1 },
        product: { name: 'Capsule8' },
        title: 'Suspicious Interactive Shell',
        uid: 'shell',
      },
      is_alert: true,
      metadata: { product: { feature: { name: 'Enhanced Security Monitoring' }, name: 'Databricks' } },
      severity: 'High',
      severity_id: 4,
    });
    expect(row('shell')).not.toHaveProperty('actor');
  });

  test('one of an unknown name is a finding too, of medium severity', () => {
    expectRow('new-name', { is_alert: true, severity_id: 3, finding_info: { title: 'Wget Program Blacklist' } });
  });

  test('a virus that ClamAV found is named with its file', () => {
    expectRow('virus', {
      evidences: [{ device, file: { name: 'setup', path: '/local_disk0/tmp/.x/setup', type_id: 1 } }],
      finding_info: { product: { name: 'ClamAV' }, title: 'ClamAV: Unix.Trojan.Example-1' },
      is_alert: true,
      severity_id: 4,
    });
  });

  test('the end of a scan is an alert only where files are infected', () => {
    expectRow('infected', { is_alert: true, severity_id: 4, finding_info: { title: 'ClamAV scan' } });
    expectRow('clean', { is_alert: false, severity_id: 1, finding_info: { title: 'ClamAV scan' } });
  });
});
