import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Lakehouse, open } from '../../src/index.ts';
import { ana, event } from '../given/cloudtrail_records.ts';
import {
  type Event,
  events,
  everyEvent,
  folder,
  lakehouse,
  manifest,
  nothingOfGold,
  write,
} from '../given/lakehouse.ts';

const node = {
  type: 'AssumedRole',
  principalId: 'AROAEXAMPLENODE:i-0a1b2c3d4e5f60718',
  arn: 'arn:aws:sts::123456789012:assumed-role/example-node/i-0a1b2c3d4e5f60718',
  accountId: '123456789012',
  accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
  sessionContext: {
    sessionIssuer: {
      type: 'Role',
      principalId: 'AROAEXAMPLENODE',
      arn: 'arn:aws:iam::123456789012:role/example-node',
      accountId: '123456789012',
      userName: 'example-node',
    },
    attributes: { creationDate: '2026-11-05T08:30:00Z', mfaAuthenticated: 'false' },
    ec2RoleDelivery: '2.0',
  },
};
const secretArn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/db-AbCdEf';
const signIn = {
  ...event('sign-in', 'signin.amazonaws.com', 'ConsoleLogin'),
  userIdentity: { ...ana, accessKeyId: undefined },
  eventType: 'AwsConsoleSignIn',
  requestParameters: null,
  responseElements: { ConsoleLogin: 'Success' },
  additionalEventData: {
    LoginTo: 'https://console.aws.amazon.com/console/home',
    MobileVersion: 'No',
    MFAUsed: 'Yes',
  },
};
const records: readonly object[] = [
  signIn,
  {
    ...signIn,
    eventID: 'sign-in-failed',
    userIdentity: {
      type: 'IAMUser',
      accountId: '123456789012',
      accessKeyId: '',
      userName: 'HIDDEN_DUE_TO_SECURITY_REASONS',
    },
    errorMessage: 'No username found in supplied account',
    responseElements: { ConsoleLogin: 'Failure' },
    additionalEventData: { LoginTo: 'https://console.aws.amazon.com/console/home', MFAUsed: 'No' },
  },
  {
    ...signIn,
    eventID: 'sign-in-root',
    userIdentity: {
      type: 'Root',
      principalId: '123456789012',
      arn: 'arn:aws:iam::123456789012:root',
      accountId: '123456789012',
    },
    additionalEventData: { MFAUsed: 'No' },
  },
  { ...signIn, eventID: 'check-mfa', eventName: 'CheckMfa', responseElements: { CheckMfa: 'Failure' } },
  {
    ...signIn,
    eventID: 'switch-role',
    eventName: 'SwitchRole',
    responseElements: { SwitchRole: 'Success' },
    additionalEventData: { SwitchTo: 'arn:aws:iam::123456789012:role/admin' },
  },
  {
    ...signIn,
    eventID: 'sso',
    eventSource: 'sso.amazonaws.com',
    eventName: 'Federate',
    userIdentity: {
      type: 'Unknown',
      accountId: '123456789012',
      principalId: 'internal-id',
      userName: 'bob@example.com',
    },
    responseElements: null,
    additionalEventData: null,
    serviceEventDetails: { account_id: '123456789012', role_name: 'Viewer' },
  },
  {
    ...event('assume-role', 'sts.amazonaws.com', 'AssumeRole'),
    userIdentity: { type: 'AWSService', invokedBy: 'ec2.amazonaws.com' },
    sourceIPAddress: 'ec2.amazonaws.com',
    userAgent: 'ec2.amazonaws.com',
    requestID: 'r-1',
    requestParameters: {
      roleArn: 'arn:aws:iam::123456789012:role/example-node',
      roleSessionName: 'i-0a1b2c3d4e5f60718',
    },
    responseElements: {
      credentials: {
        accessKeyId: 'ASIAIOSFODNN7EXAMPLE',
        sessionToken: 'secret/token==',
        expiration: 'Nov 5, 2026, 3:00:00 PM',
      },
    },
    resources: [
      { accountId: '123456789012', type: 'AWS::IAM::Role', ARN: 'arn:aws:iam::123456789012:role/example-node' },
    ],
    sharedEventID: 'shared-1',
  },
  {
    ...event('create-user', 'iam.amazonaws.com', 'CreateUser'),
    userIdentity: ana,
    requestID: 'r-2',
    requestParameters: { userName: 'backup-svc', path: '/' },
    responseElements: {
      user: {
        path: '/',
        userName: 'backup-svc',
        userId: 'AIDAEXAMPLEBACKUP',
        arn: 'arn:aws:iam::123456789012:user/backup-svc',
        createDate: 'Nov 5, 2026 9:00:00 AM',
      },
    },
  },
  {
    ...event('create-user-denied', 'iam.amazonaws.com', 'CreateUser'),
    userIdentity: ana,
    requestID: 'r-3',
    requestParameters: { userName: 'backup-svc' },
    responseElements: null,
    errorCode: 'AccessDenied',
    errorMessage: 'User: arn:aws:iam::123456789012:user/ana is not authorized to perform: iam:CreateUser',
  },
  {
    ...event('create-user-elsewhere', 'cognito-idp.amazonaws.com', 'CreateUser'),
    userIdentity: ana,
    requestParameters: { userName: 'shopper' },
  },
  {
    ...event('create-key', 'iam.amazonaws.com', 'CreateAccessKey'),
    userIdentity: ana,
    requestID: 'r-4',
    requestParameters: { userName: 'backup-svc' },
    responseElements: {
      accessKey: {
        accessKeyId: 'AKIAI44QH8DHBEXAMPLE',
        status: 'Active',
        userName: 'backup-svc',
        createDate: 'Nov 5, 2026 9:00:00 AM',
      },
    },
  },
  {
    ...event('create-own-key', 'iam.amazonaws.com', 'CreateAccessKey'),
    userIdentity: ana,
    requestParameters: null,
    responseElements: { accessKey: { accessKeyId: 'AKIAI44QH8DHBEXAMPLE', userName: 'ana' } },
  },
  {
    ...event('disable-key', 'iam.amazonaws.com', 'UpdateAccessKey'),
    userIdentity: ana,
    requestParameters: { userName: 'backup-svc', accessKeyId: 'AKIAI44QH8DHBEXAMPLE', status: 'Inactive' },
  },
  {
    ...event('attach-policy', 'iam.amazonaws.com', 'AttachUserPolicy'),
    userIdentity: ana,
    requestID: 'r-5',
    requestParameters: { userName: 'backup-svc', policyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' },
    responseElements: null,
  },
  {
    ...event('describe', 'ec2.amazonaws.com', 'DescribeInstances'),
    userIdentity: node,
    readOnly: true,
    sourceIPAddress: '2001:DB8::10',
    requestID: 'r-6',
    apiVersion: '2016-11-15',
    requestParameters: { instancesSet: { items: [{ instanceId: 'i-0a1b2c3d4e5f60718' }] }, filterSet: {} },
    responseElements: null,
    tlsDetails: { tlsVersion: 'TLSv1.3', cipherSuite: 'TLS_AES_128_GCM_SHA256' },
    vpcEndpointId: 'vpce-0a1b2c3d',
    vpcEndpointAccountId: '123456789012',
    sessionCredentialFromConsole: 'true',
  },
  {
    ...event('dry-run', 'ec2.amazonaws.com', 'RunInstances'),
    userIdentity: ana,
    errorCode: 'Client.DryRunOperation',
    errorMessage: 'Request would have succeeded, but DryRun flag is set.',
  },
  {
    ...event('get-secret-denied', 'secretsmanager.amazonaws.com', 'GetSecretValue'),
    userIdentity: node,
    readOnly: true,
    errorCode: 'AccessDenied',
    errorMessage: 'Access Denied',
    requestParameters: { secretId: 'prod/db' },
    resources: [
      { type: 'AWS::SecretsManager::Secret', ARNPrefix: `${secretArn}*` },
      { accountId: '123456789012', ARN: secretArn },
    ],
  },
  {
    ...event('nobody', 'kms.amazonaws.com', 'RotateKey'),
    eventType: 'AwsServiceEvent',
    sourceIPAddress: undefined,
    userAgent: undefined,
    serviceEventDetails: { keyId: 'example' },
  },
  {
    ...event('service', 'kms.amazonaws.com', 'GenerateDataKey'),
    userIdentity: { type: 'AWSService', invokedBy: 'backup.amazonaws.com' },
    sourceIPAddress: 'AWS Internal',
    userAgent: 'AWS Internal',
    readOnly: true,
  },
  {
    ...event('unknown-verb', 'example.amazonaws.com', 'Frobnicate'),
    userIdentity: ana,
    readOnly: undefined,
    errorCode: 'Success',
  },
  {
    ...event('read-by-flag', 'example.amazonaws.com', 'Frobnicate'),
    userIdentity: ana,
    readOnly: true,
  },
  {
    eventVersion: '1.07',
    eventTime: '2026-11-05T09:07:00Z',
    awsRegion: 'eu-west-1',
    eventID: 'insight-start',
    eventType: 'AwsCloudTrailInsight',
    recipientAccountId: '123456789012',
    sharedEventID: 'shared-2',
    insightDetails: {
      state: 'Start',
      eventSource: 'iam.amazonaws.com',
      eventName: 'AttachRolePolicy',
      insightType: 'ApiCallRateInsight',
      insightContext: { statistics: { baseline: { average: 0.0017 }, insight: { average: 9.6 } } },
    },
    eventCategory: 'Insight',
  },
  {
    eventVersion: '1.07',
    eventTime: '2026-11-05T09:12:00Z',
    awsRegion: 'eu-west-1',
    eventID: 'insight-end',
    eventType: 'AwsCloudTrailInsight',
    recipientAccountId: '123456789012',
    sharedEventID: 'shared-2',
    insightDetails: {
      state: 'End',
      eventSource: 'iam.amazonaws.com',
      insightType: 'ApiErrorRateInsight',
      errorCode: 'AccessDenied',
    },
    eventCategory: 'Insight',
  },
];

let lake: Lakehouse;
const found = new Map<string, Event>();
beforeAll(async () => {
  lake = await lakehouse({ 'cloudtrail/one.json.gz': JSON.stringify({ Records: records }) }, { gold: nothingOfGold });
  for (const row of await everyEvent(lake)) found.set(String((row.metadata as Event).uid), row);
});
afterAll(() => lake?.close());

const row = (uid: string): Event => {
  const one = found.get(uid);
  if (!one) throw new Error(`no row ${uid}`);
  return one;
};

/** Fails where the row differs in one of these, of which `undefined` must not be there. */
const expectRow = (uid: string, expected: Event): void => {
  const actual = row(uid);
  expect(actual).toMatchObject(JSON.parse(JSON.stringify(expected)));
  for (const [name, value] of Object.entries(expected))
    if (value === undefined) expect(actual).not.toHaveProperty(name);
};

test('every record is one row of one class', () => {
  expect([...found.keys()].sort()).toEqual(records.map((one) => (one as { eventID: string }).eventID).sort());
});

describe('a sign-in to the console', () => {
  test('becomes an authentication event with everything that it says', () => {
    expect(row('sign-in')).toEqual({
      action: 'Allowed',
      action_id: 1,
      activity_id: 1,
      activity_name: 'Logon',
      actor: {
        user: {
          account: { type: 'AWS Account', type_id: 10, uid: '123456789012' },
          name: 'ana',
          type: 'User',
          type_id: 1,
          uid: 'arn:aws:iam::123456789012:user/ana',
          uid_alt: 'AIDAEXAMPLEANA',
        },
      },
      api: {
        operation: 'ConsoleLogin',
        response: { data: '{"ConsoleLogin":"Success"}' },
        service: { name: 'signin.amazonaws.com' },
      },
      category_name: 'Identity & Access Management',
      category_uid: 3,
      class_name: 'Authentication',
      class_uid: 3002,
      cloud: {
        account: { type: 'AWS Account', type_id: 10, uid: '123456789012' },
        provider: 'AWS',
        region: 'eu-west-1',
      },
      disposition: 'Allowed',
      disposition_id: 1,
      dst_endpoint: { svc_name: 'https://console.aws.amazon.com/console/home' },
      http_request: { user_agent: 'aws-cli/2.31.0' },
      is_mfa: true,
      metadata: {
        event_code: 'ConsoleLogin',
        log_version: '1.11',
        product: { feature: { name: 'Management' }, name: 'CloudTrail', vendor_name: 'AWS' },
        profiles: ['cloud', 'security_control'],
        uid: 'sign-in',
        version: '1.8.0',
      },
      observables: expect.any(Array),
      raw_data_hash: { algorithm: 'MD5', algorithm_id: 1, value: expect.stringMatching(/^[0-9a-f]{32}$/) },
      service: { name: 'signin.amazonaws.com' },
      severity: 'Informational',
      severity_id: 1,
      src_endpoint: { ip: '192.0.2.10' },
      status: 'Success',
      status_id: 1,
      time: Date.parse('2026-11-05T09:00:00Z'),
      type_name: 'Authentication: Logon',
      type_uid: 300201,
      unmapped: {
        additionalEventData:
          '{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"Yes"}',
        eventType: 'AwsConsoleSignIn',
        managementEvent: 'true',
        readOnly: 'false',
      },
      user: {
        account: { uid: '123456789012' },
        name: 'ana',
        uid: 'arn:aws:iam::123456789012:user/ana',
      },
    });
  });

  test('that fails says so though it has no error code, and hides no name that AWS hides', () => {
    expectRow('sign-in-failed', {
      status_id: 2,
      status: 'Failure',
      status_code: undefined,
      status_detail: 'No username found in supplied account',
      is_mfa: false,
      user: { name: 'unknown' },
    });
    expect(JSON.stringify(row('sign-in-failed'))).not.toContain('HIDDEN_DUE_TO_SECURITY_REASONS');
  });

  test('by root names root, an administrator, without MFA', () => {
    expectRow('sign-in-root', {
      activity_id: 1,
      is_mfa: false,
      status_id: 1,
      actor: { user: { name: 'root', type_id: 2, type: 'Admin' } },
      user: { name: 'root', uid: 'arn:aws:iam::123456789012:root' },
    });
  });

  test('has other steps: a failed MFA check, a switched role, one of Identity Center', () => {
    expectRow('check-mfa', { activity_id: 99, activity_name: 'CheckMfa', type_uid: 300299, status_id: 2 });
    expectRow('switch-role', { activity_id: 7, activity_name: 'Account Switch', status_id: 1, is_mfa: undefined });
    expectRow('sso', {
      activity_id: 1,
      actor: { user: { name: 'bob@example.com', type: 'Unknown', type_id: 0 } },
      dst_endpoint: { svc_name: 'sso.amazonaws.com' },
      unmapped: { serviceEventDetails: '{"account_id":"123456789012","role_name":"Viewer"}' },
    });
  });
});

test('AssumeRole says which role, which session and which key, whose token stays in bronze', () => {
  expectRow('assume-role', {
    class_uid: 3002,
    activity_id: 1,
    actor: { app_name: 'ec2.amazonaws.com' },
    api: {
      request: { uid: 'r-1' },
      response: {
        data: '{"credentials":{"accessKeyId":"ASIAIOSFODNN7EXAMPLE","sessionToken":"REDACTED","expiration":"Nov 5, 2026, 3:00:00 PM"}}',
      },
    },
    metadata: { correlation_uid: 'shared-1' },
    session: { credential_uid: 'ASIAIOSFODNN7EXAMPLE' },
    src_endpoint: { svc_name: 'ec2.amazonaws.com' },
    user: { name: 'i-0a1b2c3d4e5f60718', uid: 'arn:aws:iam::123456789012:role/example-node' },
  });
  expect(JSON.stringify(row('assume-role'))).not.toContain('secret/token');
});

describe('IAM', () => {
  test('CreateUser is about the new user, by the caller', () => {
    expectRow('create-user', {
      class_uid: 3001,
      activity_id: 1,
      actor: { user: { name: 'ana' }, session: { credential_uid: 'AKIAIOSFODNN7EXAMPLE' } },
      api: { request: { data: '{"userName":"backup-svc","path":"/"}', uid: 'r-2' } },
      status_id: 1,
      user: { name: 'backup-svc', uid: 'arn:aws:iam::123456789012:user/backup-svc', account: { uid: '123456789012' } },
    });
  });

  test('CreateUser that was denied still names the user, and is denied', () => {
    expectRow('create-user-denied', {
      action: 'Denied',
      action_id: 2,
      activity_id: 1,
      disposition: 'Blocked',
      disposition_id: 2,
      status: 'Failure',
      status_code: 'AccessDenied',
      user: { name: 'backup-svc' },
    });
    expect(row('create-user-denied').user).not.toHaveProperty('uid');
  });

  test('CreateUser of another service is no account change', () => {
    expectRow('create-user-elsewhere', { class_uid: 6003, activity_id: 1, user: undefined });
  });

  test('CreateAccessKey is about the user who gets the key, be it another or the caller', () => {
    expectRow('create-key', { activity_id: 99, activity_name: 'CreateAccessKey', user: { name: 'backup-svc' } });
    expect(row('create-key').user).not.toHaveProperty('uid');
    expectRow('create-own-key', { user: { name: 'ana', uid: 'arn:aws:iam::123456789012:user/ana' } });
  });

  test('UpdateAccessKey disables where it says Inactive', () => {
    expectRow('disable-key', { activity_id: 5, activity_name: 'Disable', user: { name: 'backup-svc' } });
  });

  test('AttachUserPolicy lists the policy', () => {
    expectRow('attach-policy', {
      activity_id: 7,
      activity_name: 'Attach Policy',
      policies: [{ uid: 'arn:aws:iam::aws:policy/AdministratorAccess' }],
      user: { name: 'backup-svc' },
    });
  });
});

describe('any other call is API activity', () => {
  test('of an instance by its role names the instance, the session and the endpoint', () => {
    expectRow('describe', {
      activity_id: 2,
      actor: {
        session: {
          created_time: Date.parse('2026-11-05T08:30:00Z'),
          credential_uid: 'ASIAIOSFODNN7EXAMPLE',
          is_mfa: false,
          issuer: 'arn:aws:iam::123456789012:role/example-node',
          uid: 'AROAEXAMPLENODE:i-0a1b2c3d4e5f60718',
        },
        user: { name: 'example-node', type: 'AssumedRole', type_id: 99 },
      },
      api: { operation: 'DescribeInstances', version: '2016-11-15', request: { uid: 'r-6' } },
      src_endpoint: {
        instance_uid: 'i-0a1b2c3d4e5f60718',
        ip: '2001:db8::10',
        owner: { account: { uid: '123456789012' } },
        uid: 'vpce-0a1b2c3d',
      },
      unmapped: {
        'tlsDetails.cipherSuite': 'TLS_AES_128_GCM_SHA256',
        'tlsDetails.tlsVersion': 'TLSv1.3',
        'userIdentity.sessionContext.ec2RoleDelivery': '2.0',
        sessionCredentialFromConsole: 'true',
      },
    });
  });

  test('that AWS would have allowed in a dry run is a success', () => {
    expectRow('dry-run', { status_id: 1, action_id: 1, status_code: 'Client.DryRunOperation', activity_id: 1 });
  });

  test('that was denied is denied, with its resources; where the request has no id of its own the event’s stands for it', () => {
    expectRow('get-secret-denied', {
      action_id: 2,
      activity_id: 2,
      api: {
        operation: 'GetSecretValue',
        request: { data: '{"secretId":"prod/db"}', uid: 'get-secret-denied' },
        response: { error: 'AccessDenied', error_message: 'Access Denied' },
      },
      disposition: 'Blocked',
      resources: [
        { role: 'Target', role_id: 1, type: 'AWS::SecretsManager::Secret', uid: `${secretArn}*` },
        { owner: { account: { uid: '123456789012' } }, role: 'Target', role_id: 1, uid: secretArn },
      ],
      status_id: 2,
    });
  });

  test('without an identity is by its service, from its service', () => {
    expectRow('nobody', {
      actor: { app_name: 'kms.amazonaws.com' },
      src_endpoint: { svc_name: 'kms.amazonaws.com' },
      http_request: undefined,
    });
    expect(row('nobody').actor).not.toHaveProperty('user');
  });

  test('by a service names that service and no user', () => {
    expectRow('service', {
      activity_id: 1,
      actor: { app_name: 'backup.amazonaws.com' },
      src_endpoint: { svc_name: 'AWS Internal' },
      unmapped: { 'userIdentity.type': 'AWSService' },
    });
    expect(row('service').actor).not.toHaveProperty('user');
  });

  test('whose verb is unknown is a read where the record says so, else other with its own name', () => {
    expectRow('unknown-verb', { activity_id: 99, activity_name: 'Frobnicate', status_id: 1, status_code: 'Success' });
    expectRow('read-by-flag', { activity_id: 2, activity_name: 'Read' });
  });
});

test('an Insight is a finding; its start and end share an id', () => {
  expectRow('insight-start', {
    activity_id: 1,
    api: { operation: 'AttachRolePolicy', service: { name: 'iam.amazonaws.com' } },
    class_uid: 2004,
    finding_info: { title: 'ApiCallRateInsight: iam.amazonaws.com AttachRolePolicy', uid: 'shared-2' },
    metadata: { correlation_uid: 'shared-2' },
    severity: 'Low',
  });
  expectRow('insight-end', {
    activity_id: 3,
    activity_name: 'Close',
    finding_info: { uid: 'shared-2' },
    api: undefined,
  });
  const [evidence] = row('insight-start').evidences as { data: string }[];
  expect(JSON.parse(evidence?.data ?? '')).toMatchObject({ state: 'Start', insightType: 'ApiCallRateInsight' });
});

test('observables repeat what they stand for', () => {
  const observables = row('describe').observables as { name: string; type_id: number; value: string }[];
  expect(observables.map(({ name, value }) => `${name} ${value}`)).toEqual(
    expect.arrayContaining(['actor.user.name example-node', 'src_endpoint.ip 2001:db8::10']),
  );
});

test('credentials in a response do not reach silver, whatever stands in them', async () => {
  const secret = 'p"a\\ss';
  const one = {
    ...event('secret', 'example.amazonaws.com', 'CreateThing'),
    userIdentity: ana,
    requestID: 'r-7',
    responseElements: { thing: { password: secret, name: 'kept' }, secretAccessKey: 'wJalrXUtnFEMI/EXAMPLEKEY' },
  };
  const other = await lakehouse({ 'cloudtrail/one.json': JSON.stringify(one) }, { gold: nothingOfGold });
  const [found] = await events(other, 'silver.api_activity');
  await other.close();
  expect(found?.api).toMatchObject({
    response: { data: '{"thing":{"password":"REDACTED","name":"kept"},"secretAccessKey":"REDACTED"}' },
  });
});

test('the text of a record is in silver where the manifest wants it, without its secrets', async () => {
  const one = {
    ...event('raw', 'sts.amazonaws.com', 'GetSessionToken'),
    userIdentity: ana,
    responseElements: { credentials: { accessKeyId: 'ASIAIOSFODNN7EXAMPLE', sessionToken: 'secret' } },
  };
  const bronze = (raw_data: boolean) => ({ cloudtrail: { path: 'cloudtrail/*', raw_data } });
  for (const wanted of [true, false]) {
    await using lake = await lakehouse(
      { 'cloudtrail/one.json': JSON.stringify(one) },
      { bronze: bronze(wanted), gold: nothingOfGold },
    );
    const [found] = await events(lake, 'silver.authentication');
    const text = JSON.stringify(one).replace('"secret"', '"REDACTED"');
    expect(found?.raw_data).toBe(wanted ? text : undefined);
  }
});

test('a manifest that comes to want the text of records gets it for those of before', async () => {
  const place = await folder();
  await write(place, { 'cloudtrail/one.json': JSON.stringify(signIn) });
  const parts = { bronze: { cloudtrail: { path: 'cloudtrail/*' } }, gold: nothingOfGold };
  await using before = await open(await manifest(place, parts));
  await before.run();
  await before.close();
  const wanting = { ...parts, bronze: { cloudtrail: { path: 'cloudtrail/*', raw_data: true } } };
  await using after = await open(await manifest(place, wanting));
  await after.run();
  const [found] = await events(after, 'silver.authentication');
  expect(found?.raw_data).toBe(JSON.stringify(signIn));
});
