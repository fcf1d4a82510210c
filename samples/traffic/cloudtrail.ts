import {
  account,
  buckets,
  type Host,
  hosts,
  natAddress,
  type Person,
  person,
  type Region,
  regions,
} from '../estate.ts';
import { numberOf, type Random, random } from '../random.ts';
import type { LogSource } from '../source.ts';

/** A value of a record's free-form parts. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json | undefined };
type JsonObject = { readonly [key: string]: Json | undefined };

/** Who calls, from where. */
export interface Caller {
  readonly identity: JsonObject;
  readonly address: string;
  readonly agent: string;
  readonly vpcEndpoint?: string;
  readonly fromConsole?: boolean;
}

/** What is called; the event version decides which of the newer keys a record has. */
export interface Operation {
  readonly source: string;
  readonly name: string;
  readonly read: boolean;
  readonly version?: string;
  readonly region?: Region;
  readonly parameters?: Json;
  readonly response?: Json;
  readonly more?: JsonObject;
  readonly error?: readonly [code: string, message: string];
  readonly errorMessage?: string;
  readonly resources?: readonly JsonObject[];
  readonly category?: 'Management' | 'Data';
  readonly type?: 'AwsApiCall' | 'AwsConsoleSignIn' | 'AwsServiceEvent';
  readonly service?: JsonObject;
  readonly shared?: string;
}

/** The JSON of an event, in CloudTrail's own order of keys; the time is in epoch milliseconds. */
export function cloudTrailRecord(
  operation: Operation,
  caller: Caller,
  at: { readonly time: number; readonly request: string; readonly event: string },
): string {
  const { source, name, region = 'us-east-1', version = '1.11', error, category = 'Management' } = operation;
  const { type = 'AwsApiCall' } = operation;
  const categorised = version !== '1.05';
  const tls = type !== 'AwsServiceEvent' && /^[\d.:a-f]+$/.test(caller.address) && caller.fromConsole !== true;
  return JSON.stringify({
    eventVersion: version,
    userIdentity: caller.identity,
    eventTime: `${new Date(at.time).toISOString().slice(0, 19)}Z`,
    eventSource: source,
    eventName: name,
    awsRegion: region,
    sourceIPAddress: caller.address,
    userAgent: caller.agent,
    ...(error ? { errorCode: error[0], errorMessage: error[1] } : {}),
    ...(operation.errorMessage === undefined ? {} : { errorMessage: operation.errorMessage }),
    requestParameters: operation.parameters ?? null,
    responseElements: error ? null : (operation.response ?? null),
    ...(operation.more ? { additionalEventData: operation.more } : {}),
    ...(type === 'AwsApiCall' ? { requestID: at.request } : {}),
    eventID: at.event,
    readOnly: operation.read,
    ...(operation.resources ? { resources: operation.resources } : {}),
    eventType: type,
    ...(categorised ? { managementEvent: category === 'Management' } : {}),
    recipientAccountId: account,
    ...(operation.shared === undefined ? {} : { sharedEventID: operation.shared }),
    ...(operation.service ? { serviceEventDetails: operation.service } : {}),
    ...(caller.vpcEndpoint === undefined ? {} : { vpcEndpointId: caller.vpcEndpoint }),
    ...(categorised ? { eventCategory: category } : {}),
    ...(tls
      ? {
          tlsDetails: {
            tlsVersion: 'TLSv1.3',
            cipherSuite: 'TLS_AES_128_GCM_SHA256',
            clientProvidedHostHeader:
              source === 'signin.amazonaws.com'
                ? `${region}.signin.aws.amazon.com`
                : source.replace('.amazonaws.com', `.${region}.amazonaws.com`),
          },
        }
      : {}),
    ...(caller.fromConsole === true ? { sessionCredentialFromConsole: 'true' } : {}),
  });
}

const ids = random(0, 0, 0);

/** An id as AWS spells it (AKIA, ASIA, AIDA, AROA …), always the same for the same numbers, marked EXAMPLE. */
export function awsId(prefix: 'AKIA' | 'ASIA' | 'AIDA' | 'AROA', first: number, second = 0): string {
  const length = prefix === 'AKIA' || prefix === 'ASIA' ? 9 : 10;
  return `${prefix}${ids.seed(prefix.charCodeAt(1), first, second).base32(length)}EXAMPLE`;
}

const isoSecond = (time: number): string => `${new Date(time).toISOString().slice(0, 19)}Z`;

/** The identity of an IAM user, with a long-term key or, where a session began, a temporary one. */
export function iamUser(name: string, number: number, session?: { began: number; mfa: boolean }): JsonObject {
  return {
    type: 'IAMUser',
    principalId: awsId('AIDA', number),
    arn: `arn:aws:iam::${account}:user/${name}`,
    accountId: account,
    accessKeyId: session ? awsId('ASIA', number, session.began) : awsId('AKIA', number),
    userName: name,
    ...(session
      ? {
          sessionContext: {
            attributes: { creationDate: isoSecond(session.began), mfaAuthenticated: String(session.mfa) },
          },
        }
      : {}),
  };
}

/** The identity of a session of a role; a session named after an instance has its keys from the metadata service. */
export function assumedRole(
  role: { readonly name: string; readonly number: number; readonly path?: string },
  session: string,
  began: number,
  more: JsonObject = {},
): JsonObject {
  const principal = awsId('AROA', role.number);
  return {
    type: 'AssumedRole',
    principalId: `${principal}:${session}`,
    arn: `arn:aws:sts::${account}:assumed-role/${role.name}/${session}`,
    accountId: account,
    accessKeyId: awsId('ASIA', numberOf(`${role.name}/${session}`), began),
    sessionContext: {
      sessionIssuer: {
        type: 'Role',
        principalId: principal,
        arn: `arn:aws:iam::${account}:role/${role.path ?? ''}${role.name}`,
        accountId: account,
        userName: role.name,
      },
      attributes: { creationDate: isoSecond(began), mfaAuthenticated: 'false' },
      ...(session.startsWith('i-') ? { ec2RoleDelivery: '2.0' } : {}),
    },
    ...more,
  };
}

/** The role of Databricks' cluster nodes. */
export const nodeRole = { name: 'example-lakehouse-node', number: 901 };
/** The role that Databricks launches cluster nodes with. */
export const crossAccountRole = { name: 'example-databricks-cross-account', number: 902 };

/** The security group of the cluster nodes. */
export const securityGroup = { groupId: 'sg-0c9b8a7f6e5d4c3b2', groupName: 'example-lakehouse-nodes' };

/** The launch of a cluster node by Databricks, which tags it; launch and attach times are epoch milliseconds. */
export function runInstances(host: Host, time: number, tagged: Readonly<Record<string, string>>): Operation {
  const tags = Object.entries({ Vendor: 'Databricks', ...tagged }).map(([key, value]) => ({ key, value }));
  const profile = `arn:aws:iam::${account}:instance-profile/${nodeRole.name}`;
  const [imageId, instanceType, groupSet] = ['ami-0f0e0d0c0b0a09080', 'i3.xlarge', { items: [securityGroup] }];
  const { address: privateIpAddress, subnet: subnetId, vpc: vpcId } = host;
  const networkInterface = {
    networkInterfaceId: host.networkInterface,
    subnetId,
    vpcId,
    ownerId: account,
    status: 'in-use',
    privateIpAddress,
    groupSet,
    attachment: {
      attachmentId: `eni-attach-${host.networkInterface.slice(4)}`,
      deviceIndex: 0,
      status: 'attaching',
      attachTime: time,
      deleteOnTermination: true,
    },
    privateIpAddressesSet: { item: [{ privateIpAddress, primary: true }] },
  };
  const instance = {
    instanceId: host.instance,
    imageId,
    instanceState: { code: 0, name: 'pending' },
    instanceType,
    launchTime: time,
    subnetId,
    vpcId,
    privateIpAddress,
    groupSet,
    tagSet: { items: tags },
    networkInterfaceSet: { items: [networkInterface] },
    iamInstanceProfile: { arn: profile },
    metadataOptions: { state: 'pending', httpTokens: 'required', httpEndpoint: 'enabled' },
  };
  return {
    source: 'ec2.amazonaws.com',
    name: 'RunInstances',
    read: false,
    version: '1.10',
    parameters: {
      instancesSet: { items: [{ imageId, minCount: 1, maxCount: 1 }] },
      instanceType,
      subnetId,
      iamInstanceProfile: { arn: profile },
      metadataOptions: { httpTokens: 'required' },
      tagSpecificationSet: { items: [{ resourceType: 'instance', tags }] },
    },
    response: {
      reservationId: 'r-0b1c2d3e4f5a60718',
      ownerId: account,
      groupSet: {},
      instancesSet: { items: [instance] },
    },
  };
}

/** An S3 object as the resources of a data event name it: the object first, then its bucket. */
export function objectResources(bucket: string, key: string): readonly JsonObject[] {
  return [
    { type: 'AWS::S3::Object', ARN: `arn:aws:s3:::${bucket}/${key}` },
    { accountId: account, type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bucket}` },
  ];
}

/** What S3 adds to its events. */
export function transfer(inBytes: number, outBytes: number): JsonObject {
  return {
    SignatureVersion: 'SigV4',
    CipherSuite: 'TLS_AES_128_GCM_SHA256',
    bytesTransferredIn: inBytes,
    AuthenticationMethod: 'AuthHeader',
    bytesTransferredOut: outBytes,
  };
}

type Call = (chance: Random, region: Region) => Operation;

const read = (
  source: string,
  name: string,
  version: string,
  parameters: (chance: Random) => Json = () => null,
): Call => {
  return (chance) => ({ source: `${source}.amazonaws.com`, name, read: true, version, parameters: parameters(chance) });
};
const bucketOf = (chance: Random): string => chance.pick(buckets);
const keyOf = (chance: Random): string =>
  `${chance.pick(['orders', 'events', 'stock'])}/date=2026-10-${10 + chance.below(20)}/part-${chance.hex(8)}.snappy.parquet`;

const getObject: Call = (chance) => {
  const [bucket, key] = [bucketOf(chance), keyOf(chance)];
  const gone = chance.chance(0.015);
  const refused = !gone && chance.chance(0.003);
  return {
    source: 's3.amazonaws.com',
    name: 'GetObject',
    read: true,
    category: 'Data',
    parameters: { bucketName: bucket, Host: `${bucket}.s3.amazonaws.com`, key },
    more: transfer(0, gone || refused ? 243 : chance.between(400, 9_000_000)),
    resources: objectResources(bucket, key),
    ...(gone ? { error: ['NoSuchKey', 'The specified key does not exist.'] as const } : {}),
    ...(refused ? { error: ['AccessDenied', 'Access Denied'] as const } : {}),
  };
};
const putObject: Call = (chance) => {
  const [bucket, key] = [bucketOf(chance), keyOf(chance)];
  return {
    source: 's3.amazonaws.com',
    name: 'PutObject',
    read: false,
    category: 'Data',
    parameters: { bucketName: bucket, Host: `${bucket}.s3.amazonaws.com`, key },
    response: { 'x-amz-server-side-encryption': 'aws:kms' },
    more: transfer(chance.between(400, 4_000_000), 0),
    resources: objectResources(bucket, key),
  };
};
const listObjects: Call = (chance) => {
  const bucket = bucketOf(chance);
  const prefix = chance.pick(['orders/', 'events/', 'stock/']);
  return {
    source: 's3.amazonaws.com',
    name: 'ListObjects',
    read: true,
    category: 'Data',
    version: '1.10',
    parameters: { 'list-type': '2', bucketName: bucket, Host: `${bucket}.s3.amazonaws.com`, prefix },
    more: transfer(0, chance.between(300, 90_000)),
    resources: [
      { type: 'AWS::S3::Object', ARNPrefix: `arn:aws:s3:::${bucket}/${prefix}` },
      { accountId: account, type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bucket}` },
    ],
  };
};
const decrypt: Call = (chance, region) => ({
  source: 'kms.amazonaws.com',
  name: chance.chance(0.6) ? 'Decrypt' : 'GenerateDataKey',
  read: true,
  parameters: {
    encryptionAlgorithm: 'SYMMETRIC_DEFAULT',
    encryptionContext: { 'aws:s3:arn': `arn:aws:s3:::${bucketOf(chance)}` },
  },
  resources: [
    {
      accountId: account,
      type: 'AWS::KMS::Key',
      ARN: `arn:aws:kms:${region}:${account}:key/3f2e1d0c-4b5a-4697-8879-6a5b4c3d2e1f`,
    },
  ],
});
const getSecret: Call = (chance, region) => ({
  source: 'secretsmanager.amazonaws.com',
  name: 'GetSecretValue',
  read: true,
  version: '1.10',
  parameters: {
    secretId: `arn:aws:secretsmanager:${region}:${account}:secret:app/${chance.pick(['orders-db', 'mail', 'payment'])}-aBcDeF`,
  },
});
const callerIdentity = read('sts', 'GetCallerIdentity', '1.08');
const describeInstances: Call = (chance) => ({
  source: 'ec2.amazonaws.com',
  name: 'DescribeInstances',
  read: true,
  version: '1.10',
  parameters: { maxResults: 1000, instancesSet: {}, filterSet: {} },
  ...(chance.chance(0.02) ? { error: ['Client.RequestLimitExceeded', 'Request limit exceeded.'] as const } : {}),
});
const getFunction: Call = (chance) => ({
  source: 'lambda.amazonaws.com',
  name: 'GetFunction20150331v2',
  read: true,
  version: '1.09',
  parameters: { functionName: chance.pick(['ingest', 'thumbnails', 'nightly']) },
  ...(chance.chance(0.02)
    ? { error: ['ResourceNotFoundException', 'The resource you requested does not exist.'] as const }
    : {}),
});
const logStream: Call = (chance) => ({
  source: 'logs.amazonaws.com',
  name: 'CreateLogStream',
  read: false,
  version: '1.09',
  parameters: { logGroupName: '/aws/lambda/ingest', logStreamName: `2026/10/01/[$LATEST]${chance.hex(32)}` },
});
const putParameter: Call = (chance) => ({
  source: 'ssm.amazonaws.com',
  name: 'PutParameter',
  read: false,
  version: '1.08',
  parameters: { name: '/deploy/version', type: 'String', overwrite: true, value: 'HIDDEN_DUE_TO_SECURITY_REASONS' },
  response: { version: chance.between(2, 900), tier: 'Standard' },
});
const updateInstanceInformation =
  (host: Host): Call =>
  () => ({
    source: 'ssm.amazonaws.com',
    name: 'UpdateInstanceInformation',
    read: false,
    version: '1.09',
    parameters: {
      instanceId: host.instance,
      agentVersion: '3.3.2299.0',
      agentStatus: 'Active',
      platformType: 'Linux',
      iPAddress: host.address,
      computerName: `ip-${host.address.replaceAll('.', '-')}.ec2.internal`,
      agentName: 'amazon-ssm-agent',
    },
  });

const monitorCalls: readonly Call[] = [
  describeInstances,
  read('ec2', 'DescribeVolumes', '1.10', () => ({ maxResults: 500, volumeSet: {}, filterSet: {} })),
  read('ec2', 'DescribeSecurityGroups', '1.10', () => ({ securityGroupSet: {}, filterSet: {} })),
  read('rds', 'DescribeDBInstances', '1.11'),
  read('elasticloadbalancing', 'DescribeTargetHealth', '1.08', () => ({
    targetGroupArn: `arn:aws:elasticloadbalancing:us-east-1:${account}:targetgroup/web/0a1b2c3d4e5f6071`,
  })),
  read('monitoring', 'DescribeAlarms', '1.09', () => ({ maxRecords: 100 })),
  read('autoscaling', 'DescribeAutoScalingGroups', '1.08'),
];
const deployCalls: readonly Call[] = [
  read('cloudformation', 'DescribeStacks', '1.08', () => ({ stackName: 'orders' })),
  getFunction,
  read('ecr', 'GetAuthorizationToken', '1.08'),
  putObject,
  putParameter,
  read('ssm', 'GetParameter', '1.08', () => ({ name: '/deploy/version', withDecryption: false })),
];
const developerCalls: readonly Call[] = [
  read('logs', 'DescribeLogGroups', '1.09', () => ({ limit: 50 })),
  describeInstances,
  read('health', 'DescribeEventAggregates', '1.08', () => ({ aggregateField: 'eventTypeCategory' })),
  getFunction,
  listObjects,
  read('cloudtrail', 'LookupEvents', '1.09', () => ({ maxResults: 50 })),
];
const userCalls: readonly Call[] = [
  callerIdentity,
  getObject,
  (chance) => ({
    source: 'iam.amazonaws.com',
    name: 'GetUser',
    read: true,
    version: '1.10',
    parameters: { userName: 'former.employee' },
    ...(chance.chance(0.05)
      ? { error: ['NoSuchEntityException', 'The user with name former.employee cannot be found.'] as const }
      : {}),
  }),
  (chance) => {
    const bucket = bucketOf(chance);
    return {
      source: 's3.amazonaws.com',
      name: 'GetBucketPolicy',
      read: true,
      parameters: { bucketName: bucket, Host: `${bucket}.s3.amazonaws.com`, policy: '' },
      more: transfer(0, 321),
      resources: [{ accountId: account, type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bucket}` }],
      ...(chance.chance(0.1) ? { error: ['NoSuchBucketPolicy', 'The bucket policy does not exist'] as const } : {}),
    };
  },
  read('dynamodb', 'DescribeTable', '1.09', () => ({ tableName: 'sessions' })),
];
const instanceCalls: readonly Call[] = [
  getObject,
  getObject,
  putObject,
  listObjects,
  decrypt,
  getSecret,
  callerIdentity,
];

const roles = {
  monitor: { name: 'example-monitoring', number: 903 },
  deploy: { name: 'example-deploy', number: 904 },
  developer: {
    name: 'AWSReservedSSO_Developer_0123456789abcdef',
    number: 905,
    path: 'aws-reserved/sso.amazonaws.com/',
  },
  app: { name: 'example-orders-app', number: 906 },
  lambda: { name: 'example-ingest', number: 907 },
};

const agents = {
  cli: 'aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 lang/python#3.13.7',
  boto: 'Boto3/1.40.45 md/Botocore#1.40.45 ua/2.1 os/linux#6.1.0 lang/python#3.11.9',
  java: 'aws-sdk-java/2.34.8 md/io#sync md/http#Apache ua/2.1 os/Linux#5.15 lang/java#17.0.13',
  terraform: 'APN/1.0 HashiCorp/1.0 Terraform/1.13.3 terraform-provider-aws/6.14.1 aws-sdk-go-v2/1.39.2',
  ssm: 'aws-sdk-go/1.55.5 (go1.24.4; linux; amd64) amazon-ssm-agent/3.3.2299.0',
};

const consoleSession = 6 * 3_600_000;

/** A sign-in to the console as CloudTrail tells it: no requestID, no errorCode, the outcome in the response. */
export function consoleSignIn(outcome: 'Success' | 'Failure', mfa: boolean, more: JsonObject = {}): Operation {
  return {
    source: 'signin.amazonaws.com',
    name: 'ConsoleLogin',
    read: false,
    version: '1.08',
    type: 'AwsConsoleSignIn',
    response: { ConsoleLogin: outcome },
    ...(outcome === 'Failure' ? { errorMessage: 'Failed authentication' } : {}),
    more: {
      LoginTo: 'https://console.aws.amazon.com/console/home?hashArgs=%23&isauthcode=true&state=hashArgs',
      MobileVersion: 'No',
      MFAUsed: mfa ? 'Yes' : 'No',
      ...more,
    },
  };
}

const timestamp = (time: Date): string => `${time.toISOString().slice(0, 16).replaceAll(/[-:]/g, '')}Z`;
const brokenElements = ['"not an object"', '42', 'null', '["eventTime"]'];

/** CloudTrail: {"Records":[…]} for each region, management and S3 data events. */
export const cloudTrail: LogSource = {
  name: 'cloudtrail',
  recordsPerFile: 5_000,
  path({ stream, delivered, suffix }) {
    const day = delivered.toISOString().slice(0, 10).replaceAll('-', '/');
    return `cloudtrail/AWSLogs/${account}/CloudTrail/${stream}/${day}/${account}_CloudTrail_${stream}_${timestamp(delivered)}_${suffix}.json.gz`;
  },
  frame: () => ({ head: '{"Records":[', between: ',', tail: ']}' }),
  broken: (text, chance) =>
    chance.chance(0.5) ? text.replace(/"eventTime":"[^"]*",/, '') : chance.pick(brokenElements),
  traffic({ seed, count, timeOf }) {
    const chance = random(0, 0, 0);
    const people = Math.min(1_500, Math.max(12, Math.ceil(count / 3_000)));
    const fleets = {
      'us-east-1': {
        nodes: hosts('us-east-1', 'node', Math.max(8, Math.ceil(count / 4_000))),
        apps: hosts('us-east-1', 'app', Math.max(4, Math.ceil(count / 6_000))),
      },
      'eu-west-1': {
        nodes: hosts('eu-west-1', 'node', Math.max(3, Math.ceil(count / 12_000))),
        apps: hosts('eu-west-1', 'app', Math.max(2, Math.ceil(count / 18_000))),
      },
    };
    const someOf = (calls: readonly Call[], habit: number): Call =>
      calls[(habit * 3 + chance.below(4)) % calls.length] ?? callerIdentity;

    const instance = (region: Region, time: number): [Operation, Caller] => {
      const { nodes, apps } = fleets[region];
      const node = chance.chance(0.65);
      const at = chance.pick(node ? nodes : apps);
      const began = time - (time % consoleSession);
      const call = chance.chance(0.12) ? updateInstanceInformation(at) : chance.pick(instanceCalls);
      const operation = call(chance, region);
      const endpoint = operation.source === 's3.amazonaws.com' && chance.chance(0.7);
      return [
        operation,
        {
          identity: assumedRole(node ? nodeRole : roles.app, at.instance, began),
          address: endpoint ? at.address : natAddress[region],
          agent: operation.source === 'ssm.amazonaws.com' ? agents.ssm : node ? agents.java : agents.boto,
          ...(endpoint ? { vpcEndpoint: 'vpce-0c1d2e3f4a5b6c7d8' } : {}),
        },
      ];
    };

    const launch = (region: Region, time: number): [Operation, Caller] => {
      const at = chance.pick(fleets[region].nodes);
      const began = time - (time % 3_600_000);
      const caller = {
        identity: assumedRole(crossAccountRole, 'databricks', began),
        address: '198.51.100.20',
        agent: 'Databricks-Service/clusters aws-sdk-java/1.12.788',
      };
      if (chance.chance(0.4)) return [describeInstances(chance, region), caller];
      if (chance.chance(0.3)) {
        const brief = {
          ...at,
          instance: `i-0${chance.hex(16)}`,
          networkInterface: `eni-0${chance.hex(16)}`,
          address: at.address.replace(/\d+$/, '250'),
        };
        return [runInstances(brief, time, { ClusterName: `job-${chance.below(40)}`, JobId: '500001' }), caller];
      }
      if (chance.chance(0.4))
        return [
          {
            source: 'ec2.amazonaws.com',
            name: 'TerminateInstances',
            read: false,
            version: '1.10',
            parameters: { instancesSet: { items: [{ instanceId: at.instance }] } },
            response: {
              instancesSet: {
                items: [
                  {
                    instanceId: at.instance,
                    currentState: { code: 32, name: 'shutting-down' },
                    previousState: { code: 16, name: 'running' },
                  },
                ],
              },
            },
          },
          caller,
        ];
      return [
        {
          source: 'ec2.amazonaws.com',
          name: 'CreateTags',
          read: false,
          version: '1.10',
          parameters: {
            resourcesSet: { items: [{ resourceId: at.instance }] },
            tagSet: { items: [{ key: 'DatabricksInstanceGroupId', value: `-${chance.between(1e15, 9e15)}` }] },
          },
          response: { _return: true },
        },
        caller,
      ];
    };

    const service = (region: Region, time: number): [Operation, Caller] => {
      const kind = chance.fraction();
      if (kind < 0.55) {
        const [by, role] = chance.pick([
          ['ec2.amazonaws.com', nodeRole],
          ['lambda.amazonaws.com', roles.lambda],
          ['ecs-tasks.amazonaws.com', roles.app],
        ] as const);
        const arn = `arn:aws:iam::${account}:role/${role.name}`;
        const session =
          by === 'ec2.amazonaws.com' ? chance.pick(fleets[region].nodes).instance : `session-${chance.hex(8)}`;
        const key = awsId('ASIA', numberOf(session), time);
        return [
          {
            source: 'sts.amazonaws.com',
            name: 'AssumeRole',
            read: true,
            version: '1.08',
            parameters: { roleArn: arn, roleSessionName: session },
            response: {
              credentials: { accessKeyId: key, sessionToken: 'EXAMPLETOKEN', expiration: 'Nov 1, 2026, 6:00:00 PM' },
              assumedRoleUser: {
                assumedRoleId: `${awsId('AROA', role.number)}:${session}`,
                arn: `arn:aws:sts::${account}:assumed-role/${role.name}/${session}`,
              },
            },
            resources: [{ accountId: account, type: 'AWS::IAM::Role', ARN: arn }],
            shared: chance.uuid(),
          },
          { identity: { type: 'AWSService', invokedBy: by }, address: by, agent: by },
        ];
      }
      if (kind < 0.78) {
        const bucket = 'example-trail-logs';
        const by = 'cloudtrail.amazonaws.com';
        return [
          {
            source: 's3.amazonaws.com',
            name: 'GetBucketAcl',
            read: true,
            version: '1.09',
            parameters: { bucketName: bucket, Host: `${bucket}.s3.${region}.amazonaws.com`, acl: '' },
            more: transfer(0, 542),
            resources: [{ accountId: account, type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bucket}` }],
            shared: chance.uuid(),
          },
          { identity: { type: 'AWSService', invokedBy: by }, address: by, agent: by },
        ];
      }
      if (kind < 0.94) {
        const by = 'AWS Internal';
        const identity = assumedRole(roles.lambda, `ingest-${region}`, time - (time % consoleSession), {
          invokedBy: by,
        });
        return [decrypt(chance, region), { identity, address: by, agent: by }];
      }
      if (kind < 0.97) {
        const by = 'kms.amazonaws.com';
        return [
          {
            source: by,
            name: 'RotateKey',
            read: false,
            version: '1.05',
            type: 'AwsServiceEvent',
            service: { keyId: '3f2e1d0c-4b5a-4697-8879-6a5b4c3d2e1f', rotationType: 'AUTOMATIC' },
          },
          {
            identity: { accountId: account, invokedBy: 'AWS Internal' },
            address: 'AWS Internal',
            agent: 'AWS Internal',
          },
        ];
      }
      const by = 'elasticloadbalancing.amazonaws.com';
      const eni = `eni-0${chance.hex(16)}`;
      return [
        {
          source: 'ec2.amazonaws.com',
          name: 'CreateNetworkInterface',
          read: false,
          version: '1.08',
          parameters: { subnetId: fleets[region].apps[0]?.subnet, description: 'ELB app/web', groupSet: {} },
          response: {
            networkInterface: {
              networkInterfaceId: eni,
              subnetId: fleets[region].apps[0]?.subnet,
              vpcId: fleets[region].apps[0]?.vpc,
              requesterId: 'amazon-elb',
              requesterManaged: true,
              status: 'pending',
              privateIpAddress: `10.20.220.${chance.between(100, 250)}`,
            },
          },
        },
        {
          identity: assumedRole(
            { name: 'AWSServiceRoleForElasticLoadBalancing', number: 908 },
            'ElasticLoadBalancing',
            time - (time % consoleSession),
            { invokedBy: by },
          ),
          address: by,
          agent: by,
        },
      ];
    };

    const signIn = (who: Person, number: number, time: number): [Operation, Caller] => {
      const kind = chance.fraction();
      if (kind < 0.35) {
        const fails = chance.chance(0.05);
        const identity = {
          type: 'IAMUser',
          principalId: awsId('AIDA', number),
          ...(fails ? {} : { arn: `arn:aws:iam::${account}:user/${who.name}` }),
          accountId: account,
          accessKeyId: '',
          userName: who.name,
        };
        const device = { MFAIdentifier: `arn:aws:iam::${account}:mfa/${who.name}` };
        const operation = fails ? consoleSignIn('Failure', false) : consoleSignIn('Success', true, device);
        return [operation, { identity, address: who.address, agent: who.browser }];
      }
      if (kind < 0.7) {
        const identity = assumedRole(roles.developer, who.email, time);
        const operation = consoleSignIn('Success', false, {
          SamlProviderArn: `arn:aws:iam::${account}:saml-provider/AWSSSO_0123456789abcdef_DO_NOT_DELETE`,
        });
        return [operation, { identity, address: who.address, agent: who.browser }];
      }
      const roleArn = `arn:aws:iam::${account}:role/${roles.deploy.name}`;
      return [
        {
          source: 'sts.amazonaws.com',
          name: 'AssumeRoleWithWebIdentity',
          read: true,
          version: '1.08',
          parameters: { roleArn, roleSessionName: 'deploy', durationSeconds: 3600 },
          response: {
            credentials: {
              accessKeyId: awsId('ASIA', number, time),
              sessionToken: 'EXAMPLETOKEN',
              expiration: 'Nov 1, 2026, 6:00:00 PM',
            },
            subjectFromWebIdentityToken: 'repo:example/orders:ref:refs/heads/main',
            assumedRoleUser: {
              assumedRoleId: `${awsId('AROA', roles.deploy.number)}:deploy`,
              arn: `arn:aws:sts::${account}:assumed-role/${roles.deploy.name}/deploy`,
            },
            provider: `arn:aws:iam::${account}:oidc-provider/token.actions.example.com`,
            audience: 'sts.amazonaws.com',
          },
          resources: [{ accountId: account, type: 'AWS::IAM::Role', ARN: roleArn }],
        },
        {
          identity: {
            type: 'WebIdentityUser',
            principalId: `arn:aws:iam::${account}:oidc-provider/token.actions.example.com:sts.amazonaws.com:repo:example/orders`,
            userName: 'repo:example/orders:ref:refs/heads/main',
            identityProvider: `arn:aws:iam::${account}:oidc-provider/token.actions.example.com`,
          },
          address: '198.51.100.60',
          agent: agents.terraform,
        },
      ];
    };

    const eventOf = (region: Region, time: number): [Operation, Caller] => {
      const kind = chance.fraction();
      if (kind < 0.34) return instance(region, time);
      if (kind < 0.5) return service(region, time);
      const number = chance.below(people);
      const who = person(number);
      const began = time - (time % consoleSession);
      if (kind < 0.64) {
        const identity = assumedRole(roles.monitor, `monitor-${number}`, began);
        return [
          someOf(monitorCalls, number)(chance, region),
          { identity, address: '2001:db8:40::20', agent: agents.boto },
        ];
      }
      if (kind < 0.73) {
        const identity = assumedRole(roles.deploy, 'deploy', began);
        return [
          someOf(deployCalls, number)(chance, region),
          { identity, address: '198.51.100.60', agent: agents.terraform },
        ];
      }
      if (kind < 0.84) {
        const identity = assumedRole(roles.developer, who.email, began);
        const caller = { identity, address: who.address, agent: who.browser, fromConsole: true };
        return [someOf(developerCalls, number)(chance, region), caller];
      }
      if (kind < 0.93) {
        const caller = { identity: iamUser(who.name, number), address: who.address, agent: agents.cli };
        return [someOf(userCalls, number)(chance, region), caller];
      }
      if (kind < 0.95) return launch(region, time);
      if (kind < 0.965) {
        const identity = {
          type: 'AWSAccount',
          principalId: awsId('AIDA', 9_990),
          accountId: '111122223333',
        };
        return [
          { ...listObjects(chance, region), shared: chance.uuid() },
          { identity, address: '198.51.100.70', agent: agents.java },
        ];
      }
      if (kind < 0.985) {
        const identity = assumedRole(roles.lambda, `ingest-${region}`, began);
        return [logStream(chance, region), { identity, address: natAddress[region], agent: agents.boto }];
      }
      return signIn(who, number, time);
    };

    return (index) => {
      const time = timeOf(index);
      chance.seed(seed, 41, index);
      const here = chance.chance(0.7) ? regions[0] : regions[1];
      const [operation, caller] = eventOf(here, Math.floor(time));
      const region =
        operation.source === 'signin.amazonaws.com' || operation.source === 'iam.amazonaws.com' ? regions[0] : here;
      const event = chance.uuid();
      const request = operation.source === 's3.amazonaws.com' ? chance.base32(16) : chance.uuid();
      return { stream: region, text: cloudTrailRecord({ ...operation, region }, caller, { time, request, event }) };
    };
  },
};
