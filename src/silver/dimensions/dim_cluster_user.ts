import { call, type Sql, sql } from '../../sql/sql.ts';
import { defineView } from '../../view.ts';
import { sightings } from './sightings.ts';

const at = (millis: Sql): Sql => call((f) => f.timestampOfMillis(millis));

/** Who used which Databricks cluster, by which call, first and last. */
export const dimClusterUser = defineView(
  'silver.dim_cluster_user',
  sql`SELECT workspace_uid, cluster_uid, max(cluster_name) AS cluster_name, user_name, evidence AS operation,
  ${at(sql`min(first_seen)`)} AS valid_from, ${at(sql`max(last_seen)`)} AS valid_to
FROM ${sightings} AS s WHERE cluster_uid IS NOT NULL AND user_name IS NOT NULL
GROUP BY workspace_uid, cluster_uid, user_name, evidence`,
);
