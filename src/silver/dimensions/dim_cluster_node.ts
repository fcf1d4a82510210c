import { call, type Sql, sql } from '../../sql/sql.ts';
import { defineView } from '../../view.ts';
import { dimInstance } from './dim_instance.ts';
import { sightings } from './sightings.ts';

const at = (millis: Sql): Sql => call((f) => f.timestampOfMillis(millis));

/** Instances of Databricks clusters, by the tags that Databricks gives them: a pool's instance may serve several in turn. */
export const dimClusterNode = defineView(
  'silver.dim_cluster_node',
  sql`SELECT c.workspace_uid, n.cluster_uid, n.instance_uid, ${at(sql`n.first_seen`)} AS valid_from,
  coalesce(${at(sql`n.next_seen`)}, i.valid_to) AS valid_to
FROM (SELECT *, lead(first_seen) OVER (PARTITION BY instance_uid ORDER BY first_seen NULLS LAST, cluster_uid NULLS LAST) AS next_seen
  FROM (SELECT cluster_uid, instance_uid, min(first_seen) AS first_seen FROM ${sightings} AS s
  WHERE cluster_uid IS NOT NULL AND instance_uid IS NOT NULL GROUP BY cluster_uid, instance_uid) AS nodes) AS n
JOIN ${dimInstance} AS i ON i.instance_uid = n.instance_uid
LEFT JOIN (SELECT cluster_uid, max(workspace_uid) AS workspace_uid FROM ${sightings} AS s
  WHERE cluster_uid IS NOT NULL GROUP BY cluster_uid) AS c ON c.cluster_uid = n.cluster_uid`,
);
