import { describe, expect, test } from 'vitest';
import { ask, type Event, everyEvent, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

const account = '123456789012';
const arn = `arn:aws:iam::${account}:user/ana`;
const ana = { type: 'IAMUser', principalId: 'AIDAEXAMPLEANA', arn, accountId: account, userName: 'ana' };

/** A record, told apart by its `eventID`. */
const record = (eventID: string, more: object = {}) => ({
  eventVersion: '1.11',
  userIdentity: ana as unknown,
  eventTime: '2026-11-05T09:00:00Z',
  eventSource: 'ec2.amazonaws.com',
  eventName: 'DescribeInstances',
  awsRegion: 'eu-west-1',
  sourceIPAddress: '192.0.2.10',
  userAgent: 'aws-cli/2.31.0',
  requestID: `request-${eventID}`,
  eventID,
  eventType: 'AwsApiCall',
  eventCategory: 'Management',
  readOnly: true,
  recipientAccountId: account,
  ...more,
});

/** Every silver row of the files by its uid, each valid OCSF; nothing is quarantined. */
async function rowsOf(files: Readonly<Record<string, string | Uint8Array>>): Promise<Map<string, Event>> {
  await using lake = await lakehouse(files, { gold: nothingOfGold });
  expect(await ask(lake, 'SELECT reason, text FROM pipeline.quarantine')).toEqual([]);
  const rows = await everyEvent(lake);
  return new Map(rows.map((row) => [String((row.metadata as Event).uid), row]));
}
const file = (...records: unknown[]) => ({ 'cloudtrail/a.json': JSON.stringify({ Records: records }) });
const AT = Date.parse('2026-11-05T09:00:00Z');

describe('one record', () => {
  const one = record('one');
  const text = JSON.stringify(one);
  const asText = JSON.stringify(text);
  const wrapped: Readonly<Record<string, string>> = {
    'a file of S3': `{"Records":[${text}]}`,
    'a list': `[${text}]`,
    'a line': `${text}\n`,
    'one document over many lines': JSON.stringify(one, null, 2),
    'an EventBridge event': `{"version":"0","id":"x","detail-type":"AWS API Call via CloudTrail","source":"aws.ec2","detail":${text}}`,
    LookupEvents: `{"Events":[{"EventId":"one","EventName":"DescribeInstances","CloudTrailEvent":${asText}}],"NextToken":"x"}`,
    'CloudWatch Logs': `{"messageType":"DATA_MESSAGE","logGroup":"g","logEvents":[{"id":"1","timestamp":1,"message":${asText}}]}`,
  };
  test.each(Object.entries(wrapped))('as %s is the same row', async (_, content) => {
    const rows = await rowsOf({ 'cloudtrail/a.json': content });
    expect([...rows.keys()]).toEqual(['one']);
    expect(rows.get('one')).toMatchObject({ class_uid: 6003, time: AT, actor: { user: { name: 'ana', uid: arn } } });
  });

  test('whose keys a tool wrote in lower case is understood all the same', async () => {
    const lowered = JSON.parse(
      JSON.stringify(
        record('lower', {
          eventSource: 'iam.amazonaws.com',
          eventName: 'CreateUser',
          requestParameters: { userName: 'eve' },
        }),
      ).replaceAll(/"([A-Za-z]+)":/g, (_, key: string) => `"${key.toLowerCase()}":`),
    );
    const rows = await rowsOf(file(lowered));
    expect(rows.get('lower')).toMatchObject({
      class_uid: 3001,
      actor: { user: { name: 'ana', uid: arn } },
      src_endpoint: { ip: '192.0.2.10' },
      user: { name: 'eve' },
    });
  });

  test('whose identity CloudTrail Lake or a table printed as text still has it', async () => {
    const printed = `{type=IAMUser, principalid=AIDAEXAMPLEANA, arn=${arn}, accountid=${account}, username=ana, sessioncontext={attributes={creationdate=2026-11-05T08:00:00Z, mfaauthenticated=true}, sessionissuer=null}}`;
    const rows = await rowsOf(
      file(
        record('printed', { userIdentity: printed }),
        record('json', { userIdentity: JSON.stringify(ana) }),
        record('arn', { userIdentity: arn }),
        record('name', { userIdentity: 'ana' }),
      ),
    );
    for (const uid of ['printed', 'json'])
      expect(rows.get(uid), uid).toMatchObject({ actor: { user: { name: 'ana', uid: arn, type_id: 1 } } });
    expect(rows.get('printed')).toMatchObject({ actor: { session: { is_mfa: true } } });
    expect(rows.get('arn')).toMatchObject({ actor: { user: { uid: arn } } });
    expect(rows.get('name')).toMatchObject({ actor: { user: { name: 'ana' } } });
  });
});

describe('a field', () => {
  test('that is not there is absent, and the row is valid', async () => {
    const bare = {
      eventID: 'bare',
      eventTime: '2026-11-05T09:00:00Z',
      eventName: 'Ping',
      eventSource: 'x.amazonaws.com',
    };
    const rows = await rowsOf(
      file(record('anonymous', { userIdentity: undefined }), record('no identity', { userIdentity: null }), bare),
    );
    for (const uid of ['anonymous', 'no identity'])
      expect(rows.get(uid)).toMatchObject({
        actor: { app_name: 'ec2.amazonaws.com' },
        src_endpoint: { ip: '192.0.2.10' },
      });
    expect(rows.get('bare')).toMatchObject({ class_uid: 6003, src_endpoint: { svc_name: 'x.amazonaws.com' } });
  });

  test('of another type than AWS documents does not stop the row', async () => {
    const odd: Readonly<Record<string, object>> = {
      list: { userIdentity: [ana], resources: 'none', requestParameters: ['a'], responseElements: 7 },
      text: { userIdentity: { ...ana, sessionContext: 'none' }, requestParameters: 'a=b', responseElements: '' },
      number: { errorCode: 403, errorMessage: { reason: 'no' }, sourceIPAddress: 3_221_225_994, userAgent: ['x'] },
      deep: { requestParameters: JSON.parse(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`), readOnly: 'True' },
      lists: { resources: [null, 'x', { ARN: 7 }, { ARNPrefix: 'arn:aws:s3:::b/' }], eventName: 'describe things' },
      nulls: { responseElements: 'null', requestParameters: null, resources: [], vpcEndpointId: '-', errorCode: '' },
    };
    const rows = await rowsOf(file(...Object.entries(odd).map(([uid, more]) => record(uid, more))));
    expect([...rows.keys()].sort()).toEqual(Object.keys(odd).sort());
    expect(rows.get('number')).toMatchObject({
      status_id: 2,
      status_code: '403',
      status_detail: '{"reason":"no"}',
    });
    expect(rows.get('text')).toMatchObject({ api: { request: { data: '"a=b"' } } });
    expect(rows.get('text')?.api).not.toHaveProperty('response');
    expect(rows.get('nulls')).toMatchObject({ status_id: 1 });
    expect(rows.get('nulls')?.api).not.toHaveProperty('response');
    expect(rows.get('lists')).toMatchObject({ activity_id: 2 });
  });

  test('of 70 kB, of any script, with SQL or HTML in it, arrives whole', async () => {
    const long = `${'🦆'.repeat(10)}'; DROP TABLE silver.api_activity; --<script>alert(1)</script>\u202e${'x'.repeat(70_000)}`;
    const rows = await rowsOf(file(record('long', { userAgent: long, requestParameters: { filter: long } })));
    const row = rows.get('long') as { http_request: Event; api: { request: { data: string } } };
    expect(row.http_request.user_agent).toBe(long);
    expect(JSON.parse(row.api.request.data)).toEqual({ filter: long });
  });

  test('of time is read in every form that was seen', async () => {
    const times: Readonly<Record<string, unknown>> = {
      iso: '2026-11-05T09:00:00Z',
      offset: '2026-11-05T10:00:00+01:00',
      millis: '2026-11-05T09:00:00.000Z',
      basic: '20261105T090000Z',
      seconds: AT / 1000,
      epoch: AT,
      blank: '2026-11-05 09:00:00',
    };
    const rows = await rowsOf(file(...Object.entries(times).map(([uid, eventTime]) => record(uid, { eventTime }))));
    expect(Object.fromEntries([...rows].map(([uid, row]) => [uid, row.time]))).toEqual(
      Object.fromEntries(Object.keys(times).map((uid) => [uid, AT])),
    );
  });

  test('of address is an address, a service or a name', async () => {
    const addresses: Readonly<Record<string, Event>> = {
      '192.0.2.10': { ip: '192.0.2.10' },
      '2001:DB8:0:0::1': { ip: '2001:db8::1' },
      '::ffff:192.0.2.10': { ip: '192.0.2.10' },
      'ec2.amazonaws.com': { svc_name: 'ec2.amazonaws.com' },
      'AWS Internal': { svc_name: 'AWS Internal' },
      'AWS Internal/2': { svc_name: 'AWS Internal/2' },
      ' 192.0.2.10 ': { ip: '192.0.2.10' },
      '192.0.2.10.': { name: '192.0.2.10.' },
      '-': { svc_name: 'ec2.amazonaws.com' },
    };
    const wanted = Object.entries(addresses).map(([text, endpoint], i) => ({ text, endpoint, uid: `address ${i}` }));
    const rows = await rowsOf(file(...wanted.map(({ text, uid }) => record(uid, { sourceIPAddress: text }))));
    expect(wanted.map((one) => ({ ...one, endpoint: rows.get(one.uid)?.src_endpoint }))).toEqual(wanted);
  });

  test('with blanks around it loses them', async () => {
    const rows = await rowsOf(file(record('blank', { eventName: 'SendSSHPublicKey ', userAgent: '\n aws-cli ' })));
    expect(rows.get('blank')).toMatchObject({
      api: { operation: 'SendSSHPublicKey' },
      http_request: { user_agent: 'aws-cli' },
    });
  });
});

describe('the outcome', () => {
  test('is what the event says, each family in its own way; what it does not say is unknown', async () => {
    const outcomes: Readonly<Record<string, readonly [object, 0 | 1 | 2]>> = {
      'no error': [{}, 1],
      'a code': [{ errorCode: 'Client.InvalidInstanceID.NotFound' }, 2],
      'a message alone': [{ errorMessage: 'No' }, 2],
      'the code Success': [{ errorCode: 'Success', errorMessage: 'fine' }, 1],
      'a dry run': [{ errorCode: 'Client.DryRunOperation', errorMessage: 'Would have succeeded' }, 1],
      'a service event': [{ eventType: 'AwsServiceEvent', eventName: 'CreateReservationFailed' }, 2],
      'a sign-in': [
        {
          eventSource: 'signin.amazonaws.com',
          eventName: 'ConsoleLogin',
          responseElements: { ConsoleLogin: 'Failure' },
        },
        2,
      ],
      'a sign-in that says nothing': [{ eventSource: 'signin.amazonaws.com', eventName: 'ConsoleLogin' }, 0],
      'a sign-in with a new word': [
        { eventSource: 'signin.amazonaws.com', eventName: 'ConsoleLogin', responseElements: { ConsoleLogin: 'Maybe' } },
        0,
      ],
      'Identity Center': [
        {
          eventSource: 'signin.amazonaws.com',
          eventName: 'UserAuthentication',
          serviceEventDetails: { UserAuthentication: 'Success' },
        },
        1,
      ],
      'a new password': [
        {
          eventSource: 'signin.amazonaws.com',
          eventName: 'PasswordUpdated',
          responseElements: { PasswordUpdated: 'Failure' },
        },
        2,
      ],
    };
    const rows = await rowsOf(file(...Object.entries(outcomes).map(([uid, [more]]) => record(uid, more))));
    expect(Object.fromEntries([...rows].map(([uid, row]) => [uid, row.status_id]))).toEqual(
      Object.fromEntries(Object.entries(outcomes).map(([uid, [, status]]) => [uid, status])),
    );
  });
});

test('what is no event is counted and not stored', async () => {
  const digest = {
    awsAccountId: account,
    digestStartTime: '2026-11-05T08:00:00Z',
    digestEndTime: '2026-11-05T09:00:00Z',
    logFiles: [{ s3Bucket: 'b', s3Object: 'k', hashValue: 'x', hashAlgorithm: 'SHA-256' }],
  };
  const notice = { Type: 'Notification', MessageId: 'm', TopicArn: 'arn:aws:sns:eu-west-1:1:t', Message: '{}' };
  const written = { s3Bucket: 'b', s3ObjectKey: ['AWSLogs/1/CloudTrail/x.json.gz'] };
  const created = {
    Records: [
      {
        eventVersion: '2.1',
        eventSource: 'aws:s3',
        eventTime: '2026-11-05T09:00:00Z',
        eventName: 'ObjectCreated:Put',
        s3: {},
      },
    ],
  };
  const trial = { Service: 'Amazon S3', Event: 's3:TestEvent', Time: '2026-11-05T09:00:00Z', Bucket: 'b' };
  const documents = { digest, notice, written, created, trial };
  await using lake = await lakehouse(
    Object.fromEntries(
      Object.entries(documents).map(([name, one]) => [`cloudtrail/${name}.json`, JSON.stringify(one)]),
    ),
    { gold: nothingOfGold },
  );
  const counted = await ask(lake, 'SELECT records, stored, quarantined, ignored FROM pipeline.files');
  expect(counted.map((one) => Object.values(one).map(Number))).toEqual(Object.keys(documents).map(() => [1, 0, 0, 1]));
});
