import { networkActivity } from '../../silver/class.ts';
import { call, sql } from '../../sql/sql.ts';
import { defineSummary } from '../summary.ts';

/** Flows by interface, direction, verdict, protocol and service port; the talkers of an hour. */
export default defineSummary({
  name: 'network_hourly',
  title: 'Network traffic by hour',
  on: networkActivity,
  where: sql`activity_id = 6`,
  by: {
    account_uid: ['text', sql`cloud.account.uid`],
    interface_uid: ['text', sql`network_observation_point.interface_uid`],
    instance_uid: ['text', sql`network_observation_point.instance_uid`],
    direction: ['text', sql`connection_info.direction`],
    action: ['text', sql`action`],
    protocol_num: ['integer', sql`connection_info.protocol_num`],
    service_port: [
      'integer',
      sql`CASE WHEN least(src_endpoint.port, dst_endpoint.port) < 32768 THEN least(src_endpoint.port, dst_endpoint.port) END`,
    ],
  },
  measures: {
    flows: ['long', sql`count(*)`],
    bytes: ['long', call((f) => f.sumLong(sql`traffic.bytes`))],
    packets: ['long', call((f) => f.sumLong(sql`traffic.packets`))],
    sources: ['long', sql`count(DISTINCT src_endpoint.ip)`],
    destinations: ['long', sql`count(DISTINCT dst_endpoint.ip)`],
  },
});
