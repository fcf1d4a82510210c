import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Lakehouse } from '../../src/index.ts';
import { ask, lakehouse, nothingOfGold } from '../given/lakehouse.ts';

const account = '123456789012';
const node = 'i-0a1b2c3d4e5f60718';
const other = 'i-0b1b2c3d4e5f60719';
const silent = 'i-0c1b2c3d4e5f60720';
const at = (clock: string): string => `2026-11-05T${clock}Z`;
let calls = 0;

const call = (time: string, eventName: string, requestParameters: object, responseElements: object | null = null) => ({
  eventVersion: '1.11',
  userIdentity: { type: 'IAMUser', arn: `arn:aws:iam::${account}:user/ana`, accountId: account, userName: 'ana' },
  eventTime: at(time),
  eventSource: 'ec2.amazonaws.com',
  eventName,
  awsRegion: 'eu-west-1',
  sourceIPAddress: '192.0.2.10',
  eventID: `call-${++calls}`,
  eventType: 'AwsApiCall',
  eventCategory: 'Management',
  recipientAccountId: account,
  requestParameters,
  responseElements,
});
const launched = (instanceId: string, interfaces: readonly [string, string, string][]) => ({
  instanceId,
  imageId: 'ami-1',
  instanceType: 'i3.xlarge',
  vpcId: 'vpc-1',
  subnetId: 'subnet-1',
  privateIpAddress: '10.0.0.10',
  iamInstanceProfile: { arn: `arn:aws:iam::${account}:instance-profile/node` },
  networkInterfaceSet: {
    items: interfaces.map(([networkInterfaceId, privateIpAddress, attachmentId]) => ({
      networkInterfaceId,
      privateIpAddress,
      attachment: { attachmentId, deleteOnTermination: true },
    })),
  },
  tagSet: {
    items: [
      { key: 'Vendor', value: 'Databricks' },
      { key: 'DatabricksInstancePoolId', value: 'pool-1' },
    ],
  },
});
const tag = (time: string, key: string, value: string) =>
  call(time, 'CreateTags', {
    resourcesSet: { items: [{ resourceId: node }, { resourceId: 'vol-1' }] },
    tagSet: { items: [{ key, value }] },
  });

const cloudtrail = [
  call(
    '08:00:00',
    'RunInstances',
    {},
    { instancesSet: { items: [launched(node, [['eni-1', '10.0.0.10', 'attach-1']])] } },
  ),
  call(
    '08:00:00',
    'RunInstances',
    {},
    { instancesSet: { items: [{ ...launched(other, []), networkInterfaceSet: undefined }] } },
  ),
  tag('08:05:00', 'ClusterId', 'cluster-1'),
  tag('10:05:00', 'ClusterId', 'cluster-2'),
  call(
    '08:30:00',
    'CreateNetworkInterface',
    { subnetId: 'subnet-1' },
    {
      networkInterface: {
        networkInterfaceId: 'eni-2',
        privateIpAddress: '10.0.0.20',
        vpcId: 'vpc-1',
        subnetId: 'subnet-1',
      },
    },
  ),
  call(
    '09:00:00',
    'AttachNetworkInterface',
    { instanceId: node, networkInterfaceId: 'eni-2' },
    { attachmentId: 'attach-2' },
  ),
  call('10:00:00', 'DetachNetworkInterface', { attachmentId: 'attach-2', force: true }),
  call(
    '10:30:00',
    'AttachNetworkInterface',
    { instanceId: other, networkInterfaceId: 'eni-2' },
    { attachmentId: 'attach-3' },
  ),
  call('11:00:00', 'AssociateAddress', { networkInterfaceId: 'eni-2', publicIp: '198.51.100.7', instanceId: other }),
  call(
    '12:00:00',
    'TerminateInstances',
    { instancesSet: { items: [{ instanceId: node }] } },
    {
      instancesSet: { items: [{ instanceId: node, currentState: { name: 'shutting-down' } }] },
    },
  ),
  {
    ...call('12:30:00', 'TerminateInstances', { instancesSet: { items: [{ instanceId: other }] } }),
    errorCode: 'Client.UnauthorizedOperation',
  },
];
const second = (time: string): number => Date.parse(at(time)) / 1000;
const flows = [
  'version interface-id instance-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status flow-direction vpc-id',
  `5 eni-3 ${silent} 10.0.0.30 192.0.2.1 40000 443 6 1 100 ${second('09:00:00')} ${second('09:00:30')} ACCEPT OK egress vpc-1`,
  `5 eni-3 ${silent} 192.0.2.1 10.0.0.30 443 40000 6 1 100 ${second('11:15:00')} ${second('11:15:30')} ACCEPT OK ingress vpc-1`,
];
const audit = (time: string, actionName: string, more: object) => ({
  version: '2.0',
  timestamp: Date.parse(at(time)),
  workspaceId: '42',
  sourceIPAddress: '192.0.2.25',
  userIdentity: { email: 'ana@example.com' },
  requestId: `${actionName} ${time}`,
  actionName,
  response: { statusCode: 200 },
  ...more,
});
const databricks = [
  audit('08:01:00', 'create', {
    serviceName: 'clusters',
    requestParams: { cluster_name: 'exploration' },
    response: { statusCode: 200, result: '{"cluster_id":"cluster-1"}' },
  }),
  audit('08:10:00', 'attachNotebook', { serviceName: 'notebook', requestParams: { clusterId: 'cluster-1' } }),
  audit('09:10:00', 'attachNotebook', { serviceName: 'notebook', requestParams: { clusterId: 'cluster-1' } }),
];

let lake: Lakehouse;
beforeAll(async () => {
  lake = await lakehouse(
    {
      'cloudtrail/a.json': JSON.stringify({ Records: cloudtrail }),
      'vpc_flow/a.log': flows.join('\n'),
      'databricks_audit/a.json': databricks.map((one) => JSON.stringify(one)).join('\n'),
    },
    { gold: nothingOfGold },
  );
});
afterAll(() => lake?.close());

const clock = (column: string): string => `strftime(${column} AT TIME ZONE 'UTC', '%H:%M') AS ${column}`;

test('an instance is there from its launch to its termination, or to two hours after its last sign of life', async () => {
  expect(
    await ask(
      lake,
      `SELECT instance_uid, account_uid, vpc_uid, image_uid, creator_uid, vendor, pool_uid, ${clock('launched_at')},
       ${clock('terminated_at')}, ${clock('valid_from')}, ${clock('valid_to')} FROM silver.dim_instance ORDER BY ALL`,
    ),
  ).toEqual([
    {
      instance_uid: node,
      account_uid: account,
      vpc_uid: 'vpc-1',
      image_uid: 'ami-1',
      creator_uid: `arn:aws:iam::${account}:user/ana`,
      vendor: 'Databricks',
      pool_uid: 'pool-1',
      launched_at: '08:00',
      terminated_at: '12:00',
      valid_from: '08:00',
      valid_to: '12:00',
    },
    expect.objectContaining({ instance_uid: other, launched_at: '08:00', terminated_at: null, valid_to: '13:00' }),
    expect.objectContaining({
      instance_uid: silent,
      image_uid: null,
      launched_at: null,
      valid_from: '09:00',
      valid_to: '13:15',
    }),
  ]);
});

test('an interface belongs to one instance after the other, each for its time', async () => {
  const found = await ask(
    lake,
    `SELECT interface_uid, instance_uid, private_ip, public_ip, ${clock('attached_at')}, ${clock('detached_at')}, ${clock('valid_from')},
     ${clock('valid_to')} FROM silver.dim_network_interface WHERE instance_uid IS NOT NULL ORDER BY ALL`,
  );
  const ends = { attached_at: null, detached_at: null, private_ip: null, public_ip: null };
  expect(found).toEqual([
    {
      ...ends,
      interface_uid: 'eni-1',
      instance_uid: node,
      private_ip: '10.0.0.10',
      attached_at: '08:00',
      valid_from: '08:00',
      valid_to: '12:00',
    },
    {
      ...ends,
      interface_uid: 'eni-2',
      instance_uid: node,
      attached_at: '09:00',
      detached_at: '10:00',
      valid_from: '09:00',
      valid_to: '10:00',
    },
    {
      ...ends,
      interface_uid: 'eni-2',
      instance_uid: other,
      public_ip: '198.51.100.7',
      attached_at: '10:30',
      valid_from: '10:30',
      valid_to: '13:00',
    },
    {
      ...ends,
      interface_uid: 'eni-3',
      instance_uid: silent,
      private_ip: '10.0.0.30',
      valid_from: '09:00',
      valid_to: '13:15',
    },
  ]);
});

test('an instance of a pool is a node of one cluster after the other', async () => {
  expect(
    await ask(
      lake,
      `SELECT workspace_uid, cluster_uid, instance_uid, ${clock('valid_from')}, ${clock('valid_to')}
       FROM silver.dim_cluster_node ORDER BY valid_from`,
    ),
  ).toEqual([
    { workspace_uid: '42', cluster_uid: 'cluster-1', instance_uid: node, valid_from: '08:05', valid_to: '10:05' },
    { workspace_uid: null, cluster_uid: 'cluster-2', instance_uid: node, valid_from: '10:05', valid_to: '12:00' },
  ]);
});

test('a cluster has users, by what they did with it', async () => {
  const by = { workspace_uid: '42', cluster_uid: 'cluster-1', user_name: 'ana@example.com' };
  expect(
    await ask(
      lake,
      `SELECT workspace_uid, cluster_uid, cluster_name, user_name, operation, ${clock('valid_from')}, ${clock('valid_to')}
       FROM silver.dim_cluster_user ORDER BY operation`,
    ),
  ).toEqual([
    { ...by, cluster_name: null, operation: 'attachNotebook', valid_from: '08:10', valid_to: '09:10' },
    { ...by, cluster_name: 'exploration', operation: 'create', valid_from: '08:01', valid_to: '08:01' },
  ]);
});

test('what gold is made of the sources joins on one column: the id of the instance', async () => {
  const found = await ask<{ source: string }>(
    lake,
    `SELECT DISTINCT metadata.product.name AS source FROM (
       SELECT metadata, unnest(observables) AS o FROM silver.api_activity
       UNION ALL SELECT metadata, unnest(observables) FROM silver.network_activity)
     WHERE o.type_id = 10 AND o.value IN ('${node}', '${silent}') ORDER BY ALL`,
  );
  expect(found.map((one) => one.source)).toEqual(['Amazon VPC', 'CloudTrail']);
});
