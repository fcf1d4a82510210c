import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

const AT = Date.parse('2026-11-05T09:00:00.123Z');
let requests = 0;

/** A delivered record; `requestId` tells the rows apart. */
const record = (serviceName: string, actionName: string, requestParams: object = {}, more: object = {}) => ({
  version: '2.0',
  auditLevel: 'WORKSPACE_LEVEL',
  timestamp: AT,
  workspaceId: 1234567890123456,
  accountId: '9b8a7f6e-0000-4000-8000-000000000001',
  sourceIPAddress: '192.0.2.25',
  userAgent: 'Mozilla/5.0',
  sessionId: 'session-1',
  userIdentity: { email: 'ana@example.com', subjectName: null },
  serviceName,
  actionName,
  requestId: `request-${++requests}`,
  requestParams,
  response: { statusCode: 200, errorMessage: null, result: null },
  ...more,
});
type AuditRecord = ReturnType<typeof record>;

async function rowsOf(records: readonly AuditRecord[]): Promise<{ lake: Lakehouse; rows: Map<unknown, Event> }> {
  const lines = records.map((one) => JSON.stringify(one)).join('\n');
  const lake = await lakehouse({ 'databricks_audit/a.json': lines }, { gold: nothingOfGold });
  const rows = new Map<unknown, Event>();
  for (const row of await everyEvent(lake)) {
    const { correlation_uid } = row.metadata as { correlation_uid: string };
    expect(rows.has(correlation_uid), `${correlation_uid} stands in one class`).toBe(false);
    rows.set(correlation_uid, row);
  }
  return { lake, rows };
}

/** Where each (service, action) belongs, as type_uid: class and activity. */
const placed: readonly (readonly [service: string, action: string, params: object, typeUid: number])[] = [
  ['accounts', 'login', { user: 'bob@example.com' }, 300201],
  ['accounts', 'logout', { user: 'bob@example.com' }, 300202],
  ['accounts', 'mintOAuthToken', { client_id: 'app-1' }, 300203],
  ['ssh', 'login', { userName: 'root', containerId: 'c-1', instanceId: 'i-0a1b2c3d4e5f60718' }, 300201],
  ['workspace', 'workspaceInHouseOAuthClientAuthentication', { user: 'bob@example.com' }, 300201],
  ['accounts', 'add', { targetUserName: 'bob@example.com', targetUserId: '42' }, 300101],
  ['accounts', 'delete', { targetUserId: '42' }, 300106],
  ['accounts', 'deactivateUser', { targetUserName: 'bob@example.com' }, 300105],
  ['accounts', 'activateUser', { targetUserName: 'bob@example.com' }, 300102],
  ['accounts', 'changePassword', { userId: '7' }, 300103],
  ['accounts', 'resetPassword', { targetUserName: 'bob@example.com', userId: '7' }, 300104],
  ['accounts', 'mfaAddKey', {}, 300110],
  ['accounts', 'mfaDeleteKey', { id: 'key-1' }, 300111],
  ['servicePrincipalCredentials', 'create', { service_principal: '555', secret_id: 'secret-1' }, 300199],
  ['servicePrincipalCredentials', 'list', { service_principal: '555' }, 600302],
  ['accounts', 'addPrincipalToGroup', { targetGroupName: 'admins', targetUserName: 'bob@example.com' }, 300603],
  ['groups', 'addPrincipalToGroup', { parent_name: 'admins', user_name: 'bob@example.com' }, 300603],
  ['accounts', 'removePrincipalFromGroup', { targetGroupId: '9', targetUserId: '42' }, 300604],
  ['accounts', 'createGroup', { targetGroupName: 'team' }, 300606],
  ['accounts', 'removeGroup', { target_group_name: 'team' }, 300605],
  ['accounts', 'updateGroup', { targetGroupName: 'team' }, 300699],
  ['groups', 'getGroupMembers', { group_name: 'team' }, 600302],
  ['accounts', 'setAdmin', { targetUserName: 'bob@example.com' }, 300501],
  ['accounts', 'removeAdmin', { targetUserName: 'bob@example.com' }, 300502],
  ['accountsManager', 'changeAccountOwner', { email: 'bob@example.com' }, 300501],
  [
    'clusters',
    'changeClusterAcl',
    { targetUserId: '42', resourceId: '/clusters/c', aclPermissionSet: '["Manage"]' },
    300501,
  ],
  ['secrets', 'putAcl', { scope: 'team', principal: 'bob@example.com', permission: 'READ' }, 300501],
  ['secrets', 'deleteAcl', { scope: 'team', principal: 'bob@example.com' }, 300502],
  ['workspace', 'deletePermissionAssignment', { principal_id: '42' }, 300502],
  [
    'unityCatalog',
    'updatePermissions',
    { securable_full_name: 'main.hr', changes: '[{"principal":"a","add":["SELECT"]}]' },
    300403,
  ],
  ['unityCatalog', 'updateSharePermissions', { name: 'share', changes: '[]' }, 300403],
  ['accountsAccessControl', 'updateRuleSet', { name: 'accounts/1/ruleSets/default', rule_set: '{}' }, 300403],
  ['jobs', 'resetJobAcl', { job_id: '5', grants: '{"a":"CAN_MANAGE"}' }, 300403],
  ['databrickssql', 'commandSubmit', { commandText: 'SELECT 1', commandId: 'c-1', warehouseId: 'w-1' }, 600504],
  ['databrickssql', 'commandFinish', { commandId: 'c-1', warehouseId: 'w-1' }, 600504],
  [
    'notebook',
    'runCommand',
    { commandText: 'print(1)', commandId: 'c-2', executionTime: '1.204', status: 'finished' },
    600504,
  ],
  [
    'unityCatalog',
    'generateTemporaryTableCredential',
    { table_full_name: 'main.hr.people', operation: 'READ' },
    600501,
  ],
  [
    'unityCatalog',
    'generateTemporaryTableCredential',
    { table_full_name: 'main.hr.people', operation: 'READ_WRITE' },
    600505,
  ],
  [
    'unityCatalog',
    'generateTemporaryVolumeCredential',
    { volume_full_name: 'main.hr.files', operation: 'READ_VOLUME' },
    600501,
  ],
  ['unityCatalog', 'generateTemporaryPathCredential', { url: 's3://bucket/path', operation: 'PATH_READ' }, 600501],
  ['unityCatalog', 'generateTemporaryServiceCredential', { credential_id: 'c' }, 600301],
  ['unityCatalog', 'deltaSharingQueryTable', { share: 's', schema: 'x', name: 't', recipient_name: 'r' }, 600501],
  ['unityCatalog', 'deltaSharingListTables', { share: 's' }, 600302],
  ['workspace', 'workspaceExport', { notebookFullPath: '/Users/ana/plan', workspaceExportFormat: 'SOURCE' }, 600602],
  ['notebook', 'downloadLargeResults', { notebookFullPath: '/Users/ana/plan', notebookId: '9' }, 600602],
  ['databrickssql', 'downloadQueryResult', { fileType: 'csv', queryId: 'q', queryResultId: 'r' }, 600602],
  ['filesystem', 'filesGet', { path: '/Volumes/main/hr/files/a.csv', transferredSize: '42' }, 600602],
  ['filesystem', 'filesPut', { path: '/Volumes/main/hr/files/a.csv' }, 600601],
  ['dbfs', 'put', { path: '/tmp/a.txt' }, 600601],
  ['dbfs', 'delete', { path: '/tmp/a.txt' }, 600604],
  ['dbfs', 'move', { src: '/tmp/a.txt', dst: '/tmp/b.txt' }, 600607],
  ['dbfs', 'mount', { mountPoint: '/mnt/lake' }, 600699],
  ['clusters', 'start', { cluster_id: '1105-080130-example' }, 600203],
  ['clusters', 'delete', { cluster_id: '1105-080130-example' }, 600204],
  [
    'clusters',
    'restartResult',
    { clusterId: '1105-080130-example', clusterName: 'etl', clusterState: 'Running' },
    600205,
  ],
  ['clusters', 'create', { cluster_name: 'etl' }, 600301],
  ['clusters', 'edit', { cluster_id: '1105-080130-example' }, 600303],
  ['jobs', 'runNow', { job_id: '5' }, 600203],
  ['jobs', 'runFailed', { jobId: '5', runId: '6' }, 600204],
  ['jobs', 'create', { name: 'nightly' }, 600301],
  ['clusterLibraries', 'installLibraries', { cluster_id: 'c', libraries: '[{"pypi":{"package":"left-pad"}}]' }, 600201],
  ['apps', 'startApp', { name: 'app' }, 600203],
  ['monit', 'processNotRunning', { instanceId: 'i-0a1b2c3d4e5f60718', processName: 'capsule8-sensor' }, 600204],
  ['syslog', 'sshd', { instanceId: 'i-0a1b2c3d4e5f60718', processName: 'sshd' }, 600399],
  ['capsule8-alerts-dataplane', 'File Integrity Changed', { instanceId: 'i-0a1b2c3d4e5f60718' }, 200401],
  ['clamAVScanService-dataplane', 'clamAVScanAction', { instanceId: 'i-0a1b2c3d4e5f60718' }, 200401],
  ['accounts', 'createIpAccessList', { ipAccessListId: 'l-1' }, 600301],
  [
    'workspace',
    'workspaceConfEdit',
    { workspaceConfKeys: 'enableVerboseAuditLogs', workspaceConfValues: 'false' },
    600303,
  ],
  ['unityCatalog', 'getTable', { full_name_arg: 'main.hr.people' }, 600302],
  ['aibiGenie', 'genieGetSpace', { space_id: 's' }, 600302],
  // Names that other services also use.
  ['repos', 'add', {}, 600301],
  ['repos', 'delete', {}, 600304],
  ['instancePools', 'create', { instance_pool_name: 'p' }, 600301],
  ['globalInitScripts', 'delete', { script_id: 's' }, 600304],
  ['partnerHub', 'login', {}, 600399],
  ['featureStore', 'createGroup', {}, 600301],
  ['webTerminal', 'logout', {}, 600399],
];

describe('what each record is', () => {
  let lake: Lakehouse;
  let rows: Map<unknown, Event>;
  const records = placed.map(([service, action, params]) => record(service, action, params));
  beforeAll(async () => {
    ({ lake, rows } = await rowsOf(records));
  });
  afterAll(() => lake?.close());

  test('every record is one row', () => {
    expect(rows.size).toBe(records.length);
  });

  test.each(placed.map(([service, action, , typeUid], i) => [service, action, typeUid, i] as const))(
    '%s.%s is %i',
    (_service, action, typeUid, i) => {
      const row = rows.get(records[i]?.requestId);
      expect(row?.type_uid).toBe(typeUid);
      expect(row?.api).toMatchObject({ operation: action });
    },
  );

  const rowOf = (service: string, action: string, params: object = {}): Event => {
    const at = placed.findIndex(
      ([s, a, p]) =>
        s === service &&
        a === action &&
        Object.entries(params).every(([k, v]) => Object.entries(p).some(([l, w]) => k === l && v === w)),
    );
    return rows.get(records[at]?.requestId) ?? {};
  };

  test('the one who is deleted is not the one who deletes', () => {
    expect(rowOf('accounts', 'delete').user).toEqual({ type: 'Unknown', type_id: 0, uid: '42' });
    expect(rowOf('accounts', 'delete').actor).toMatchObject({ user: { name: 'ana@example.com' } });
    expect(rowOf('accounts', 'resetPassword').user).toMatchObject({ name: 'bob@example.com' });
    expect(rowOf('accounts', 'resetPassword').user).not.toHaveProperty('uid');
    expect(rowOf('accounts', 'mfaAddKey').user).toMatchObject({ name: 'ana@example.com' });
  });

  test('a secret belongs to its service principal', () => {
    expect(rowOf('servicePrincipalCredentials', 'create').user).toEqual({
      programmatic_credentials: [{ type: 'servicePrincipalCredentials', uid: 'secret-1' }],
      type: 'Service',
      type_id: 4,
      uid: '555',
    });
  });

  test('a group and its new member, by any spelling', () => {
    for (const service of ['accounts', 'groups'])
      expect(rowOf(service, 'addPrincipalToGroup')).toMatchObject({
        group: { name: 'admins' },
        user: { email_addr: 'bob@example.com', name: 'bob@example.com' },
      });
    expect(rowOf('accounts', 'removePrincipalFromGroup')).toMatchObject({ group: { uid: '9' }, user: { uid: '42' } });
  });

  test('privileges are listed, or named after what the call does', () => {
    expect(rowOf('clusters', 'changeClusterAcl')).toMatchObject({
      privileges: ['Manage'],
      resources: [{ role_id: 1, type: 'clusters', uid: '/clusters/c' }],
      user: { uid: '42' },
    });
    expect(rowOf('secrets', 'putAcl')).toMatchObject({
      privileges: ['READ'],
      resources: [{ name: 'team' }],
      user: { name: 'bob@example.com' },
    });
    expect(rowOf('accounts', 'setAdmin').privileges).toEqual(['workspace admin']);
  });

  test('permissions of several principals are a policy', () => {
    expect(rowOf('unityCatalog', 'updatePermissions').entity).toMatchObject({
      name: 'main.hr',
      policy: { data: '[{"principal":"a","add":["SELECT"]}]', name: 'updatePermissions' },
      type_id: 5,
    });
  });

  test('a command has its text where there is one', () => {
    expect(rowOf('databrickssql', 'commandSubmit')).toMatchObject({
      database: { name: 'Databricks SQL', type_id: 1, uid: 'w-1' },
      query_info: { query_string: 'SELECT 1', uid: 'c-1' },
      type_id: 1,
    });
    expect(rowOf('databrickssql', 'commandFinish')).not.toHaveProperty('query_info');
    expect(rowOf('notebook', 'runCommand')).toMatchObject({
      database: { type: 'notebook' },
      duration: 1204,
      status_id: 1,
    });
  });

  test('a key opens a table, a volume or a path', () => {
    expect(rowOf('unityCatalog', 'generateTemporaryTableCredential')).toMatchObject({
      table: { name: 'main.hr.people' },
      type_id: 3,
    });
    expect(rowOf('unityCatalog', 'generateTemporaryVolumeCredential')).toMatchObject({
      databucket: { name: 'main.hr.files', type: 'volume', type_id: 99 },
      type_id: 2,
    });
    expect(rowOf('unityCatalog', 'generateTemporaryPathCredential')).toMatchObject({
      databucket: { name: 's3://bucket/path', type: 'S3', type_id: 1 },
    });
    expect(rowOf('unityCatalog', 'deltaSharingQueryTable')).toMatchObject({ table: { name: 's.x.t' } });
  });

  test('files have a name, a path and a size', () => {
    expect(rowOf('filesystem', 'filesGet').file).toEqual({
      name: 'a.csv',
      path: '/Volumes/main/hr/files/a.csv',
      size: 42,
      type: 'Regular File',
      type_id: 1,
    });
    expect(rowOf('databrickssql', 'downloadQueryResult').file).toMatchObject({ name: 'r.csv', uid: 'q' });
    expect(rowOf('dbfs', 'move')).toMatchObject({
      file: { path: '/tmp/a.txt' },
      file_result: { name: 'b.txt', path: '/tmp/b.txt' },
    });
    expect(rowOf('dbfs', 'mount').file).toMatchObject({ name: 'lake', path: '/mnt/lake', type_id: 2 });
  });

  test('what runs has a name and an outcome', () => {
    expect(rowOf('jobs', 'runFailed')).toMatchObject({
      app: { name: 'jobs', uid: '5', vendor_name: 'Databricks' },
      status_id: 2,
    });
    expect(rowOf('clusters', 'restartResult')).toMatchObject({ app: { name: 'etl', uid: '1105-080130-example' } });
    expect(rowOf('clusterLibraries', 'installLibraries').app).toMatchObject({ name: 'left-pad' });
    expect(rowOf('clusters', 'start').unmapped).toMatchObject({ sourceIPAddress: '192.0.2.25' });
  });

  test('a node is known by its instance, by name in the observables', () => {
    const instance = { name: 'device.instance_uid', type_id: 10, value: 'i-0a1b2c3d4e5f60718' };
    for (const [service, action] of [
      ['capsule8-alerts-dataplane', 'File Integrity Changed'],
      ['clamAVScanService-dataplane', 'clamAVScanAction'],
      ['monit', 'processNotRunning'],
    ] as const)
      expect(rowOf(service, action).observables).toContainEqual(expect.objectContaining(instance));
    expect(rowOf('ssh', 'login').dst_endpoint).toMatchObject({ instance_uid: instance.value });
    expect(rowOf('syslog', 'sshd').src_endpoint).toMatchObject({ instance_uid: instance.value });
  });

  test('an API call names what it is about', () => {
    expect(rowOf('unityCatalog', 'getTable').resources).toEqual([
      { name: 'main.hr.people', role: 'Target', role_id: 1, type: 'unityCatalog' },
    ]);
  });
});

const catalogue = fileURLToPath(new URL('../../../shared/facts/services_actions.csv', import.meta.url));
if (!existsSync(catalogue)) console.warn(`skipped: the list of actions ${catalogue} is not here`);

describe.skipIf(!existsSync(catalogue))('every action in the list', () => {
  const pairs = existsSync(catalogue)
    ? readFileSync(catalogue, 'utf8')
        .split('\n')
        .slice(1)
        .flatMap((line) => {
          const [service, , , action, ...params] = line.split(/,(?=(?:[^"]*"[^"]*")*[^"]*$)/);
          const names = params[0]?.replaceAll('"', '').match(/[A-Za-z_$][\w.-]*/g) ?? [];
          return service && action ? [{ service, action, names }] : [];
        })
    : [];

  test.each([
    ['with parameters', (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, `${name} 1`]))],
    [
      'with lists for parameters',
      (names: readonly string[]) => Object.fromEntries(names.map((name) => [name, '[{"a":1}]'])),
    ],
    ['with none', () => ({})],
    ['with null', () => null],
  ])('is one valid row, %s', async (_, params) => {
    const records = pairs.map(({ service, action, names }) => record(service, action, params(names) as object));
    const { lake, rows } = await rowsOf(records);
    await lake.close();
    expect(rows.size).toBe(pairs.length);
  });

  test('is one valid row where nothing is known but its name', async () => {
    const records = pairs.map(({ service, action }, i) => ({
      timestamp: AT + i,
      serviceName: service,
      actionName: action,
    }));
    await using lake = await lakehouse(
      { 'databricks_audit/a.json': records.map((one) => JSON.stringify(one)).join('\n') },
      { gold: nothingOfGold },
    );
    expect((await everyEvent(lake)).length).toBe(pairs.length);
  });
});
