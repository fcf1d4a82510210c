import type { Column, Table, Type } from '../../sql/dialect.ts';
import { and, coalesce, equals, isIn, jsonField, jsonList, matches, regexExtract } from '../../sql/functions.ts';
import { hashOf } from '../../sql/hash.ts';
import { call, identifier, join, literal, type Relation, type Sql, sql } from '../../sql/sql.ts';
import type { RangeStage } from '../../stage.ts';
import {
  apiActivity,
  applicationLifecycle,
  datastoreActivity,
  detectionFinding,
  networkActivity,
  type OcsfClass,
} from '../class.ts';
import { callClasses } from '../index.ts';

const HOUR = 3_600_000;

/** What a record can say of an instance, a network interface or a cluster. */
const SAID = {
  account_uid: 'text',
  region: 'text',
  workspace_uid: 'text',
  instance_uid: 'text',
  interface_uid: 'text',
  attachment_uid: 'text',
  private_ip: 'text',
  public_ip: 'text',
  vpc_uid: 'text',
  subnet_uid: 'text',
  image_uid: 'text',
  instance_type: 'text',
  role_uid: 'text',
  creator_uid: 'text',
  vendor: 'text',
  cluster_uid: 'text',
  cluster_name: 'text',
  pool_uid: 'text',
  job_uid: 'text',
  user_name: 'text',
} as const satisfies Record<string, Type>;
type Said = Readonly<Partial<Record<keyof typeof SAID, Sql>>>;

const columns: readonly Column[] = [
  { name: 'time', type: 'long' },
  { name: 'evidence', type: 'text' },
  ...Object.entries(SAID).map(([name, type]) => ({ name, type })),
  { name: 'first_seen', type: 'long' },
  { name: 'last_seen', type: 'long' },
  { name: 'events', type: 'long' },
];

/** By hour, what each kind of record said of instances, network interfaces and clusters: what the dimensions are made of. */
export const sightings: Table & Relation = {
  name: 'silver.sightings',
  columns,
  cluster: ['time'],
  comment: 'What each log said of instances, interfaces and clusters, by hour',
};

/** One SELECT of sightings: `evidence` is the operation, or the kind of log where it is no call. */
const seen = (evidence: Sql, said: Said, from: Sql): Sql => {
  const values = Object.entries(SAID).map(([name, type]) =>
    call((f) => sql`${f.cast(said[name as keyof typeof SAID] ?? sql`NULL`, type)} AS ${identifier(name)}`),
  );
  return sql`SELECT time AS moment, ${evidence} AS evidence, ${join(values, sql`, `)} FROM ${from}`;
};

const request = sql<string>`api.request.data`;
const response = sql<string>`api.response.data`;
const place: Said = { account_uid: sql`cloud.account.uid`, region: sql`cloud.region` };

/** One row for each element of a JSON list, one with NULL where there is none. */
const each = (list: Sql<string>): Sql =>
  call((f) => {
    const elements = jsonList(list);
    return f.explode(
      sql`CASE WHEN ${f.size(elements)} > 0 THEN ${elements} ELSE ${f.list([f.cast(sql`NULL`, 'text')])} END`,
    );
  });
/** The calls of EC2 that succeeded. */
const calls = (...operations: string[]): Sql =>
  sql`${apiActivity} AS event WHERE ${and(
    equals(sql<string>`api.service.name`, 'ec2.amazonaws.com'),
    isIn(sql<string>`api.operation`, operations),
    sql`status_id = 1`,
  )}`;
/** A tag in a list of `{"key": …, "value": …}`. */
const tag = (tags: Sql<string>, key: string): Sql<string> =>
  regexExtract(tags, `"key": ?"${key}", ?"value": ?"([^"\\\\]*)"`, 1);
const tagged = (tags: Sql<string>): Said => ({
  vendor: tag(tags, 'Vendor'),
  cluster_uid: tag(tags, 'ClusterId'),
  cluster_name: tag(tags, 'ClusterName'),
  pool_uid: tag(tags, 'DatabricksInstancePoolId'),
  job_uid: tag(tags, 'JobId'),
});
const carried = sql`time, cloud, api, actor`;

const item = sql<string>`item`;
const launched = sql`(SELECT ${carried}, ${each(jsonField(response, 'instancesSet', 'items'))} AS item FROM ${calls('RunInstances')}) AS launched`;
const launchTags = sql<string>`concat_ws(' ', ${jsonField(request, 'tagSpecificationSet')}, ${jsonField(item, 'tagSet')})`;
const networked = sql`(SELECT *, ${each(jsonField(item, 'networkInterfaceSet', 'items'))} AS interface FROM ${launched}) AS networked`;
const networkInterface = sql<string>`interface`;
const runInstances = seen(
  literal('RunInstances'),
  {
    ...place,
    ...tagged(launchTags),
    instance_uid: jsonField(item, 'instanceId'),
    interface_uid: jsonField(networkInterface, 'networkInterfaceId'),
    attachment_uid: jsonField(networkInterface, 'attachment', 'attachmentId'),
    private_ip: coalesce(jsonField(networkInterface, 'privateIpAddress'), jsonField(item, 'privateIpAddress')),
    vpc_uid: jsonField(item, 'vpcId'),
    subnet_uid: jsonField(item, 'subnetId'),
    image_uid: jsonField(item, 'imageId'),
    instance_type: jsonField(item, 'instanceType'),
    role_uid: jsonField(item, 'iamInstanceProfile', 'arn'),
    creator_uid: sql`actor.user.uid`,
  },
  networked,
);

const terminated = seen(
  literal('TerminateInstances'),
  { ...place, instance_uid: jsonField(item, 'instanceId') },
  sql`(SELECT ${carried}, ${each(jsonField(response, 'instancesSet', 'items'))} AS item FROM ${calls('TerminateInstances')}) AS ended`,
);

const tags = seen(
  literal('CreateTags'),
  { ...place, ...tagged(jsonField(request, 'tagSet')), instance_uid: jsonField(item, 'resourceId') },
  sql`(SELECT ${carried}, ${each(jsonField(request, 'resourcesSet', 'items'))} AS item FROM ${calls('CreateTags')}) AS tagged
WHERE ${matches(jsonField(item, 'resourceId'), '^i-')}`,
);

const created = (key: string): Sql<string> => jsonField(response, 'networkInterface', key);
/** Calls about one interface: the ids stand in the request, or in what it made. */
const interfaces = seen(
  sql`api.operation`,
  {
    ...place,
    instance_uid: jsonField(request, 'instanceId'),
    interface_uid: coalesce(jsonField(request, 'networkInterfaceId'), created('networkInterfaceId')),
    attachment_uid: coalesce(jsonField(response, 'attachmentId'), jsonField(request, 'attachmentId')),
    private_ip: coalesce(created('privateIpAddress'), jsonField(request, 'privateIpAddress')),
    public_ip: jsonField(request, 'publicIp'),
    vpc_uid: created('vpcId'),
    subnet_uid: created('subnetId'),
  },
  calls(
    'AssociateAddress',
    'AttachNetworkInterface',
    'CreateNetworkInterface',
    'DeleteNetworkInterface',
    'DetachNetworkInterface',
  ),
);

/** Calls that an instance made with its role. */
const sessionsIn = (of: OcsfClass): Sql =>
  seen(
    literal('session'),
    { ...place, instance_uid: sql`src_endpoint.instance_uid`, role_uid: sql`actor.session.issuer` },
    sql`${of} AS event WHERE src_endpoint.instance_uid IS NOT NULL AND metadata.product.name = 'CloudTrail'`,
  );

const first = (list: Sql): Sql<string> => call((f) => f.element(list, 1)) as Sql<string>;
const flows = seen(
  literal('flow'),
  {
    ...place,
    instance_uid: sql`network_observation_point.instance_uid`,
    interface_uid: sql`network_observation_point.interface_uid`,
    private_ip: sql`CASE connection_info.direction_id WHEN 1 THEN ${coalesce(first(sql`dst_endpoint.intermediate_ips`), sql`dst_endpoint.ip`)} WHEN 2 THEN ${coalesce(first(sql`src_endpoint.intermediate_ips`), sql`src_endpoint.ip`)} END`,
    vpc_uid: sql`network_observation_point.vpc_uid`,
    subnet_uid: sql`network_observation_point.subnet_uid`,
  },
  sql`${networkActivity} AS event WHERE network_observation_point.interface_uid IS NOT NULL AND metadata.product.name = 'Amazon VPC'`,
);

const hostAlerts = seen(
  literal('esm'),
  { workspace_uid: sql`cloud.org.uid`, instance_uid: sql`device.instance_uid` },
  sql`${detectionFinding} AS event WHERE device.instance_uid IS NOT NULL AND metadata.product.name = 'Databricks'`,
);

/** Who did what with which cluster of Databricks: the audit log names it in the request, of a new one in the answer. */
const clustersIn = (of: OcsfClass): Sql => {
  const uid = coalesce(
    jsonField(request, 'cluster_id'),
    jsonField(request, 'clusterId'),
    jsonField(response, 'cluster_id'),
  );
  return seen(
    sql`api.operation`,
    {
      workspace_uid: sql`cloud.org.uid`,
      cluster_uid: uid,
      cluster_name: coalesce(jsonField(request, 'cluster_name'), jsonField(request, 'clusterName')),
      user_name: sql`actor.user.name`,
    },
    sql`${of} AS event WHERE metadata.product.name = 'Databricks' AND actor.user.name IS NOT NULL
    AND (contains(api.request.data, 'luster') OR contains(api.response.data, 'luster')) AND ${uid} IS NOT NULL`,
  );
};

const clusterClasses = [apiActivity, applicationLifecycle, datastoreActivity];

const all = join(
  [
    runInstances,
    terminated,
    tags,
    interfaces,
    ...callClasses.map(sessionsIn),
    flows,
    hostAlerts,
    ...clusterClasses.map(clustersIn),
  ],
  sql`\nUNION ALL `,
);
const start = sql`(moment - moment % ${HOUR})`;
const names = join(
  ['evidence', ...Object.keys(SAID)].map((name) => identifier(name)),
  sql`, `,
);
const select = call(
  (
    f,
  ) => sql`SELECT ${start} AS time, ${names}, min(moment) AS first_seen, max(moment) AS last_seen, ${f.cast(sql`count(*)`, 'long')} AS events
FROM (${all}) AS seen GROUP BY ${start}, ${names}`,
);
const inputs = [...new Set([...callClasses, networkActivity, detectionFinding, ...clusterClasses])];

export const sightingsStage: RangeStage = {
  kind: 'range',
  name: sightings.name,
  table: sightings,
  owner: undefined,
  time: 'time',
  reach: { before: HOUR - 1, after: 0 },
  inputs,
  select,
  hash: hashOf(sightings, select),
};
