import { call, type Sql, sql } from '../../sql/sql.ts';
import { defineView } from '../../view.ts';
import { sightings } from './sightings.ts';

/** How long an instance counts as running after its last sign of life, where nobody terminated it: 2 hours. */
const GRACE = 7_200_000;
const at = (millis: Sql): Sql => call((f) => f.timestampOfMillis(millis));

/** EC2 instances: where, of what, by whom, and from when until when. */
export const dimInstance = defineView(
  'silver.dim_instance',
  sql`SELECT instance_uid, account_uid, region, workspace_uid, vpc_uid, subnet_uid, image_uid, instance_type, role_uid, creator_uid,
  vendor, cluster_uid, cluster_name, pool_uid, job_uid, ${at(sql`launched`)} AS launched_at, ${at(sql`terminated`)} AS terminated_at,
  ${at(sql`coalesce(launched, first_seen)`)} AS valid_from, ${at(sql`coalesce(terminated, last_seen + ${GRACE})`)} AS valid_to
FROM (SELECT instance_uid, max(account_uid) AS account_uid, max(region) AS region, max(workspace_uid) AS workspace_uid,
  max(vpc_uid) AS vpc_uid, max(subnet_uid) AS subnet_uid, max(image_uid) AS image_uid, max(instance_type) AS instance_type,
  max(role_uid) AS role_uid, max(creator_uid) AS creator_uid, max(vendor) AS vendor, max(cluster_uid) AS cluster_uid,
  max(cluster_name) AS cluster_name, max(pool_uid) AS pool_uid, max(job_uid) AS job_uid,
  min(CASE WHEN evidence = 'RunInstances' THEN first_seen END) AS launched,
  min(CASE WHEN evidence = 'TerminateInstances' THEN first_seen END) AS terminated,
  min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM ${sightings} AS s WHERE instance_uid IS NOT NULL GROUP BY instance_uid) AS instances`,
);
