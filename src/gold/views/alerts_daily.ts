import { call, identifier, sql } from '../../sql/sql.ts';
import { defineView } from '../../view.ts';
import alerts from './alerts.ts';

/** Alerts by severity, threat and day; an alert with two threats counts under each. */
export default defineView(
  'gold.alerts_daily',
  sql`SELECT date_trunc('day', time) AS day, severity, severity_id, threat, count(*) AS alerts, count(DISTINCT rule) AS rules
FROM (SELECT time, severity, severity_id, rule, ${call((f) => f.explode(sql`threats`))} AS threat FROM ${alerts} AS a) AS ${identifier('by_threat')}
GROUP BY ALL`,
);
