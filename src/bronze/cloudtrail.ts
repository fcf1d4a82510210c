import {
  and,
  coalesce,
  epochTime,
  equals,
  isJson,
  isNotNull,
  isNull,
  isoTime,
  jsonField,
  jsonString,
  lookup,
  matches,
  not,
  or,
  replaceAll,
  type Shape,
  startsWith,
  stepwise,
  text,
  when,
} from '../sql/functions.ts';
import { type Condition, literal, type Sql, sql } from '../sql/sql.ts';
import { defineSource } from './source.ts';

const userIdentity = {
  type: text,
  principalId: text,
  arn: text,
  accountId: text,
  accessKeyId: text,
  userName: text,
  invokedBy: text,
  invokedByDelegate: text,
  identityProvider: text,
  credentialId: text,
  onBehalfOf: { userId: text, identityStoreArn: text },
  inScopeOf: text,
  sessionContext: {
    attributes: { creationDate: text, mfaAuthenticated: text },
    sessionIssuer: { type: text, principalId: text, arn: text, accountId: text, userName: text },
    webIdFederationData: { federatedProvider: text, attributes: text },
    ec2RoleDelivery: text,
    sourceIdentity: text,
    signInSessionArn: text,
    assumedRoot: text,
  },
} as const;

const namesIn = (shape: Shape): string[] =>
  Object.entries(shape).flatMap(([name, inner]) => [name, ...(typeof inner === 'string' ? [] : namesIn(inner))]);

/** JSON whose keys were lower-cased, with the keys that the shapes know. */
function withKnownKeys(json: Sql<string>, ...shapes: readonly Shape[]): Sql<string> {
  const known = new Map(
    shapes
      .flatMap(namesIn)
      .map((name) => [name.toLowerCase(), name] as const)
      .reverse(),
  );
  return [...known]
    .filter(([lower, name]) => lower !== name)
    .reduce((json, [lower, name]) => sql`replace(${json}, ${`"${lower}":`}, ${`"${name}":`})`, json);
}

/** `{type=IAMUser, arn=…, sessioncontext={…}}`, as CloudTrail Lake and Athena print a struct, as JSON. */
const fromPrinted = (struct: Sql<string>): Sql<string> => {
  const quoted = replaceAll(struct, '([A-Za-z0-9]+)=([^,{}"]*)', '"$1":"$2"');
  return sql`replace(${replaceAll(quoted, '"([A-Za-z0-9]+)":""[{]', '"$1":{')}, ':"null"', ':null')`;
};

/** The record with an identity that stands in it as text: JSON, a printed struct, an ARN or a name. */
const withIdentity = (raw: Sql<string>): Sql<string> => {
  const member = jsonField(raw, 'userIdentity');
  const identity = stepwise(
    member,
    (it) => when([[and(startsWith(it, '{'), not(isJson(it))), fromPrinted(it)]], it),
    (it) => {
      const key = when([[startsWith(it, 'arn:'), literal('arn')]], literal('userName'));
      const named = sql<string>`'{"' || ${key} || '":' || ${jsonString(it)} || '}'`;
      return when([[and(startsWith(it, '{'), isJson(it)), withKnownKeys(it, userIdentity)]], named);
    },
  );
  const start = '"userIdentity":';
  return sql`replace(${raw}, ${start} || ${jsonString(member)}, ${start} || ${identity})`;
};

const aggregated = (category: Sql<string>): Condition => equals(category, 'Aggregated');

/** AWS CloudTrail events, versions 1.0 to 1.11: S3 files, EventBridge and CloudWatch events, LookupEvents and CloudTrail Lake rows. */
export const cloudtrail = defineSource({
  name: 'cloudtrail',
  title: 'AWS CloudTrail',
  content: 'json',
  envelope: {
    lists: ['Records', 'records', 'Events', 'logEvents'],
    members: ['detail', 'CloudTrailEvent', 'log', 'message'],
    bare: '{"eventVersion":',
  },
  record: {
    eventVersion: text,
    userIdentity,
    eventTime: text,
    eventSource: text,
    eventName: text,
    awsRegion: text,
    sourceIPAddress: text,
    userAgent: text,
    errorCode: text,
    errorMessage: text,
    requestParameters: text,
    responseElements: text,
    additionalEventData: text,
    serviceEventDetails: text,
    insightDetails: text,
    requestID: text,
    eventID: text,
    eventType: text,
    eventCategory: text,
    apiVersion: text,
    readOnly: text,
    managementEvent: text,
    resources: text,
    recipientAccountId: text,
    accountId: text,
    sharedEventID: text,
    vpcEndpointId: text,
    vpcEndpointAccountId: text,
    addendum: { reason: text, updatedFields: text, originalRequestID: text, originalEventID: text },
    sessionCredentialFromConsole: text,
    eventContext: text,
    edgeDeviceDetails: text,
    tlsDetails: { tlsVersion: text, cipherSuite: text, clientProvidedHostHeader: text },
    timeWindow: { windowStart: text, windowEnd: text, windowSize: text },
    summary: text,
  },
  foreign: {
    digestStartTime: text,
    s3ObjectKey: text,
    Event: text,
    Sns: { Type: text },
    Type: text,
    TopicArn: text,
    bucket: { name: text },
    object: { key: text },
  },
  lift: (record, raw) => ({
    uid: coalesce(record.eventID, when([[aggregated(record.eventCategory), jsonField(raw, 'eventId')]])),
    time: coalesce(
      isoTime(record.eventTime),
      when(
        [[matches(record.eventTime, '^[0-9]{10}$'), epochTime(record.eventTime, 1000)]],
        epochTime(record.eventTime, 1),
      ),
      isoTime(record.timeWindow.windowStart),
    ),
    service: coalesce(
      lookup(record.eventCategory, {
        Aggregated: 'aggregated',
        Insight: 'insight',
        NetworkActivity: 'network activity',
      }),
      record.eventSource,
    ),
    action: coalesce(
      record.eventName,
      jsonField(record.insightDetails, 'insightType'),
      when([[aggregated(record.eventCategory), coalesce(record.eventType, literal('Aggregated'))]]),
    ),
  }),
  ignore: (record) =>
    or(
      startsWith(record.eventSource, 'aws:'),
      and(
        isNull(record.eventName),
        or(
          isNotNull(record.digestStartTime),
          isNotNull(record.s3ObjectKey),
          isNotNull(record.Sns.Type),
          startsWith(record.Event, 's3:'),
          and(isNotNull(record.Type), isNotNull(record.TopicArn)),
          and(isNotNull(record.bucket.name), isNotNull(record.object.key)),
        ),
      ),
    ),
  repair: ({ eventName, userIdentity }, raw) => {
    const { type, arn, principalId, accountId, invokedBy, userName } = userIdentity;
    const anonymous = and(...[type, arn, principalId, accountId, invokedBy, userName].map(isNull));
    return {
      when: sql`CASE WHEN ${eventName} IS NULL THEN contains(${raw}, '"eventname":') WHEN ${anonymous} THEN contains(${raw}, '"userIdentity":"') END`,
      text: (...shapes) =>
        stepwise(
          raw,
          (it) => when([[sql`contains(${it}, '"eventname":')`, withKnownKeys(it, ...shapes)]], it),
          (it) => when([[sql`contains(${it}, '"userIdentity":"')`, withIdentity(it)]], it),
        ),
    };
  },
  secrets: {
    names: [
      '[a-z]*password',
      '[a-z]*secret',
      '[a-z]*sessionToken',
      'accessToken',
      'authorizationToken',
      'idToken',
      'keyMaterial',
      'privateKey',
      'refreshToken',
      'secretAccessKey',
      'secretBinary',
      'secretKey',
      'secretString',
      'signinToken',
      'tokenValue',
    ],
    in: ['responseElements'],
  },
});
