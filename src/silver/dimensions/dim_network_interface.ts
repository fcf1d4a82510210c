import { call, type Sql, sql } from '../../sql/sql.ts';
import { defineView } from '../../view.ts';
import { dimInstance } from './dim_instance.ts';
import { sightings } from './sightings.ts';

const at = (millis: Sql): Sql => call((f) => f.timestampOfMillis(millis));
const millis = (timestamp: Sql): Sql => call((f) => f.millisOfTimestamp(timestamp));

/** Network interfaces, once for each instance that one was attached to, with their addresses and the time of it. */
export const dimNetworkInterface = defineView(
  'silver.dim_network_interface',
  sql`SELECT interface_uid, instance_uid, account_uid, region, vpc_uid, subnet_uid, private_ip, public_ip,
  ${at(sql`attached`)} AS attached_at, ${at(sql`detached`)} AS detached_at, ${at(sql`coalesce(attached, first_seen)`)} AS valid_from,
  ${at(sql`coalesce(detached, instance_ended, last_seen)`)} AS valid_to
FROM (SELECT i.*, ${millis(sql`d.valid_to`)} AS instance_ended, coalesce(e.ended, gone.ended) AS detached
FROM (SELECT interface_uid, instance_uid, max(attachment_uid) AS attachment_uid, max(account_uid) AS account_uid, max(region) AS region,
  max(vpc_uid) AS vpc_uid, max(subnet_uid) AS subnet_uid, coalesce(max(CASE WHEN NOT contains(private_ip, ':') THEN private_ip END), max(private_ip)) AS private_ip, max(public_ip) AS public_ip,
  min(CASE WHEN evidence IN ('RunInstances', 'AttachNetworkInterface') THEN first_seen END) AS attached,
  min(first_seen) AS first_seen, max(last_seen) AS last_seen
FROM ${sightings} AS s WHERE interface_uid IS NOT NULL AND evidence <> 'DeleteNetworkInterface' GROUP BY interface_uid, instance_uid) AS i
LEFT JOIN (SELECT attachment_uid, min(first_seen) AS ended FROM ${sightings} AS s
  WHERE evidence = 'DetachNetworkInterface' GROUP BY attachment_uid) AS e ON e.attachment_uid = i.attachment_uid
LEFT JOIN (SELECT interface_uid, min(first_seen) AS ended FROM ${sightings} AS s
  WHERE evidence = 'DeleteNetworkInterface' GROUP BY interface_uid) AS gone ON gone.interface_uid = i.interface_uid
LEFT JOIN ${dimInstance} AS d ON d.instance_uid = i.instance_uid) AS interfaces`,
);
