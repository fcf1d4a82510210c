import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { AT, type AuditRecord, placed, record, placedRecords as records } from '../given/databricks_records.ts';
import { type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

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

describe('what each record is', () => {
  let lake: Lakehouse;
  let rows: Map<unknown, Event>;
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
