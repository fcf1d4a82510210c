import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { account, ana, records, table } from '../given/cloudtrail_records.ts';
import { type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

let lake: Lakehouse;
const found = new Map<string, Event>();
beforeAll(async () => {
  lake = await lakehouse({ 'cloudtrail/one.json': JSON.stringify({ Records: records }) }, { gold: nothingOfGold });
  for (const row of await everyEvent(lake)) found.set(String((row.metadata as Event).uid), row);
});
afterAll(() => lake?.close());

/** Fails where the row differs in one of these, of which `undefined` must not be there. */
const expectRow = (uid: string, expected: Event): void => {
  const actual = found.get(uid);
  expect(actual).toMatchObject(JSON.parse(JSON.stringify(expected)));
  for (const [name, value] of Object.entries(expected))
    if (value === undefined) expect(actual).not.toHaveProperty(name);
};

test('every record is one row of one class', () => {
  const ids = records.map((one) => {
    const { eventID, eventId } = one as { eventID?: string; eventId?: string };
    return eventID ?? eventId;
  });
  expect([...found.keys()].sort()).toEqual(ids.sort());
});

describe('a group', () => {
  const class_uid = 3006;
  test('has members that join and leave', () => {
    expectRow('AddUserToGroup', {
      class_uid,
      activity_id: 3,
      actor: { user: { name: 'ana' } },
      group: { name: 'admins' },
      user: { name: 'eve' },
      status_id: 1,
    });
    expectRow('RemoveUserFromGroup', {
      class_uid,
      activity_id: 4,
      group: { name: 'admins' },
      status_id: 2,
      action_id: 2,
    });
    expectRow('CreateGroupMembership', { class_uid, activity_id: 3, group: { uid: 'g-1' }, user: { uid: 'u-1' } });
    expectRow('AddMemberToGroup', { class_uid, activity_id: 3, group: { uid: 'g-1' }, user: { uid: 'u-2' } });
  });

  test('comes, changes and goes', () => {
    expectRow('CreateGroup', {
      class_uid,
      activity_id: 6,
      group: { name: 'ops', uid: `arn:aws:iam::${account}:group/ops`, uid_alt: 'AGPAEXAMPLE' },
      user: undefined,
    });
    expectRow('DeleteGroup', { class_uid, activity_id: 5, group: { name: 'ops' } });
    expectRow('UpdateGroup', { class_uid, activity_id: 99, activity_name: 'UpdateGroup', group: { name: 'ops' } });
  });

  test('gets policies', () => {
    expectRow('AttachGroupPolicy', {
      class_uid,
      activity_id: 1,
      privileges: ['arn:aws:iam::aws:policy/PowerUserAccess'],
    });
    expectRow('PutGroupPolicy', { class_uid, activity_id: 1, privileges: ['inline'] });
  });

  test('of another service is no group of IAM', () => {
    expectRow('CreateGroup-elsewhere', { class_uid: 6003, activity_id: 1, group: undefined });
  });
});

describe('a managed entity', () => {
  const class_uid = 3004;
  test('is a policy with its version', () => {
    const arn = `arn:aws:iam::${account}:policy/reader`;
    const entity = { name: 'reader', type: 'Policy', type_id: 5, uid: arn, policy: { name: 'reader', uid: arn } };
    expectRow('CreatePolicy', { class_uid, activity_id: 1, entity });
    expectRow('CreatePolicyVersion', {
      class_uid,
      activity_id: 3,
      entity: { ...entity, policy: { ...entity.policy, version: 'v2' } },
    });
    expectRow('AttachPolicy', { class_uid, activity_id: 8, entity: { uid: 'p-1', type_id: 5 } });
  });

  test('is named by the message where a refused call keeps its parameters to itself', () => {
    expectRow('DeletePolicy', {
      class_uid,
      activity_id: 4,
      entity: { name: 'reader', uid: `arn:aws:iam::${account}:policy/team/reader` },
      status_id: 2,
    });
  });

  test('is the password policy, an identity provider, an instance profile', () => {
    expectRow('UpdateAccountPasswordPolicy', {
      class_uid,
      activity_id: 3,
      entity: { name: 'Account Password Policy' },
    });
    expectRow('CreateSAMLProvider', {
      class_uid,
      activity_id: 1,
      entity: {
        name: 'okta',
        type: 'SAML Provider',
        type_id: 99,
        uid: `arn:aws:iam::${account}:saml-provider/okta`,
      },
    });
    expectRow('AddRoleToInstanceProfile', { class_uid, activity_id: 3, entity: { name: 'nodes', type_id: 99 } });
  });
});

describe('access', () => {
  const class_uid = 3005;
  test('is granted to and taken from one principal', () => {
    expectRow('CreateGrant', {
      class_uid,
      activity_id: 1,
      privileges: ['Decrypt', 'Encrypt'],
      resources: [{ type: 'AWS::KMS::Key', uid: `arn:aws:kms:eu-west-1:${account}:key/k` }],
      user: { uid: 'role-arn' },
    });
    expectRow('AssociateAccessPolicy', {
      class_uid,
      activity_id: 1,
      privileges: ['arn:aws:eks::aws:cluster-access-policy/AmazonEKSAdminPolicy'],
      user: { uid: `arn:aws:iam::${account}:role/ops` },
    });
    expectRow('RevokePermissions', { class_uid, activity_id: 2, privileges: ['SELECT'], user: { uid: ana.arn } });
    expectRow('CreateAccountAssignment', { class_uid, activity_id: 1, privileges: ['ps-1'], user: { uid: 'u-1' } });
  });

  test('that names no user, or nothing that the user may do, is API activity', () => {
    expectRow('CreateGrant-nobody', { class_uid: 6003, activity_id: 1 });
    expectRow('CreateAccountAssignment-group', { class_uid: 6003, activity_id: 1 });
  });
});

describe('data', () => {
  const class_uid = 6005;
  const databucket = { name: 'example-exports', type: 'S3', type_id: 1, uid: 'arn:aws:s3:::example-exports' };
  test('in a bucket: objects and folders, read, written, deleted, listed', () => {
    expectRow('GetObject', {
      class_uid,
      activity_id: 1,
      databucket: {
        ...databucket,
        file: { name: 'customers.csv', path: 'reports/2026/customers.csv', type: 'Regular File', type_id: 1 },
      },
      metadata: { product: { feature: { name: 'Data' } } },
      table: undefined,
      type: 'Databucket',
    });
    expectRow('PutObject', {
      class_uid,
      activity_id: 5,
      databucket: { ...databucket, file: { name: 'folder', path: 'folder/', type_id: 2 } },
    });
    expectRow('DeleteObject', { class_uid, activity_id: 7, databucket, status_id: 2, action_id: 2 });
    expectRow('ListObjects', { class_uid, activity_id: 8, databucket });
  });

  test('in a table: items and statements', () => {
    expectRow('GetItem', { class_uid, activity_id: 1, table: { name: 'orders', uid: table }, databucket: undefined });
    expectRow('ExecuteStatement', {
      class_uid,
      activity_id: 4,
      query_info: { query_string: 'SELECT * FROM "orders"', uid: 'request' },
      table: { name: 'orders' },
    });
    expectRow('BatchWriteItem', { class_uid, activity_id: 5, table: { name: 'unknown' } });
  });

  test('is not what manages buckets and tables', () => {
    expectRow('PutBucketPolicy', { class_uid: 6003, activity_id: 3 });
    expectRow('DescribeTable', { class_uid: 6003, activity_id: 2 });
  });
});

describe('API activity', () => {
  test('lists the instances that it is about, once each', () => {
    const instance = (uid: string) => ({ role: 'Target', role_id: 1, type: 'AWS::EC2::Instance', uid });
    expectRow('TerminateInstances', {
      activity_id: 4,
      resources: [instance('i-0a1b2c3d'), instance('i-0a1b2c3d4e5f60718')],
    });
    expectRow('StartSession', { resources: [instance('i-0a1b2c3d4e5f60718')] });
    const { observables } = found.get('StartSession') as { observables: readonly Event[] };
    expect(observables).toContainEqual({
      name: 'resources[].uid',
      type: 'Resource UID',
      type_id: 10,
      value: 'i-0a1b2c3d4e5f60718',
    });
  });

  test('keeps tokens of its answers in bronze', () => {
    expectRow('StartSession', {
      api: { response: { data: '{"sessionId":"s-1","tokenValue":"REDACTED","streamUrl":"wss://example.com"}' } },
    });
  });

  test('by a VPC endpoint that refuses it is denied', () => {
    expectRow('CreateVolume', {
      class_uid: 6003,
      action_id: 2,
      disposition_id: 2,
      metadata: { product: { feature: { name: 'NetworkActivity' } } },
      src_endpoint: { ip: '192.0.2.10', uid: 'vpce-0a1b2c3d', owner: { account: { uid: account } } },
      status_id: 2,
    });
  });
});

test('counts of data events are no calls', () => {
  expectRow('aggregated', {
    activity_name: 'AwsAggregatedEvent',
    class_uid: 0,
    cloud: { account: { uid: account }, region: 'eu-west-1' },
    end_time: Date.parse('2026-11-05T09:05:00Z'),
    message: 's3.amazonaws.com by eventName',
    start_time: Date.parse('2026-11-05T09:00:00Z'),
    time: Date.parse('2026-11-05T09:00:00Z'),
    unmapped: {
      'timeWindow.windowSize': 'PT5M',
      summary: '{"primaryDimension":{"dimension":"eventName","statistics":[{"name":"GetObject","value":120}]}}',
    },
  });
});
