import { call, type Sql, sql } from '../../sql/sql.ts';
import { defineView } from '../../view.ts';
import { findings } from '../detection.ts';
import { triage } from '../triage.ts';

const evidence: Sql = call((f) => f.element(sql`f.evidences`, 1));
const resource: Sql = call((f) => f.element(sql`f.resources`, 1));
const at = (millis: Sql): Sql => call((f) => f.timestampOfMillis(millis));

/** Findings with what analysts said of them: one row for each alert. */
export default defineView(
  'gold.alerts',
  sql`SELECT ${at(sql`f.time`)} AS time, f.severity, f.severity_id, f.finding_info.analytic.name AS rule, f.finding_info.title AS title,
  f.message, ${evidence}.actor.user.name AS user_name, ${evidence}.src_endpoint.ip AS src_ip, ${evidence}.dst_endpoint.ip AS dst_ip,
  f.device.instance_uid AS instance_uid, ${resource}.name AS resource_name, ${resource}.uid AS resource_uid,
  ${resource}.owner.account.uid AS account_uid, f.finding_info.types AS threats, f.finding_info.attacks AS attacks,
  f.finding_info.related_events_count AS events, ${at(sql`f.finding_info.first_seen_time`)} AS first_seen,
  ${at(sql`f.finding_info.last_seen_time`)} AS last_seen, coalesce(t.status, 'New') AS status, t.assignee, t.comment,
  f.finding_info.uid AS uid
FROM ${findings} AS f
LEFT JOIN (SELECT * FROM (SELECT *, row_number() OVER (PARTITION BY finding_uid ORDER BY updated_at DESC NULLS LAST, status NULLS LAST) AS n
  FROM ${triage}) AS ranked WHERE n = 1) AS t ON t.finding_uid = f.finding_info.uid`,
);
