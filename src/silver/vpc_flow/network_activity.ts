import type { Ip } from '../../../ocsf/types.ts';
import { vpcFlow } from '../../bronze/vpc_flow.ts';
import {
  and,
  coalesce,
  epochTime,
  equals,
  integer,
  ipAddress,
  isNotNull,
  isNull,
  long,
  lookup,
  not,
  nullIf,
  when,
} from '../../sql/functions.ts';
import { type Condition, call, literal, named, type Sql, sql } from '../../sql/sql.ts';
import { networkActivity } from '../class.ts';
import { defineMapping } from '../mapping.ts';

/** IANA protocol numbers, in OCSF's lower case. */
const PROTOCOLS = {
  '1': 'icmp',
  '2': 'igmp',
  '4': 'ipv4',
  '6': 'tcp',
  '17': 'udp',
  '41': 'ipv6',
  '47': 'gre',
  '50': 'esp',
  '51': 'ah',
  '58': 'ipv6-icmp',
  '89': 'ospf',
  '103': 'pim',
  '112': 'vrrp',
  '132': 'sctp',
} as const;

const given = (value: Sql<string>): Sql<string> => nullIf(value, '-', '', 'unknown');
/** The address of the interface where the packet's own differs: a NAT or load balancer stands between. */
const between = (own: Sql<string>, ofInterface: Sql<string>): Sql<readonly Ip[]> =>
  call(
    (f) =>
      sql`CASE WHEN ${and(isNotNull(ipAddress(given(own))), not(equals(own, ofInterface)), isNotNull(ipAddress(given(ofInterface))))} THEN ${f.list([ipAddress(given(ofInterface))])} END`,
  );

/** Flows; NODATA and SKIPDATA records say that an interface had none, or that AWS left some out. */
export default defineMapping({
  source: vpcFlow,
  class: networkActivity,
  events: 'rest',
  columns: (record) => {
    const ingress: Condition = equals(record.flow_direction, 'ingress');
    const egress: Condition = equals(record.flow_direction, 'egress');
    const traffic = isNotNull(given(record.action));
    const at = (side: Condition, value: Sql<string>): Sql<string> => when([[side, given(value)]]);
    const packet = {
      src: named('src_address', coalesce(ipAddress(given(record.pkt_srcaddr)), ipAddress(given(record.srcaddr)))),
      dst: named('dst_address', coalesce(ipAddress(given(record.pkt_dstaddr)), ipAddress(given(record.dstaddr)))),
    };
    const nobody = isNull(packet.src);
    const here = sql<boolean>`(${ingress} OR (${isNull(given(record.flow_direction))} AND ${nobody}))`;
    return {
      action_id: lookup(record.action, { ACCEPT: 1, REJECT: 2 }, literal(0)),
      activity_id: when([[traffic, literal(6)]], literal(0)),
      'cloud.account.uid': given(record.account_id),
      'cloud.provider': literal('AWS'),
      'cloud.region': given(record.region),
      'cloud.zone': given(record.az_id),
      'connection_info.boundary_id': lookup(record.traffic_path, {
        '1': 4,
        '2': 5,
        '3': 6,
        '4': 7,
        '5': 8,
        '6': 9,
        '7': 10,
        '8': 11,
      }),
      'connection_info.direction_id': lookup(record.flow_direction, { ingress: 1, egress: 2 }, literal(0)),
      'connection_info.protocol_name': lookup(record.protocol, PROTOCOLS),
      'connection_info.protocol_num': integer(given(record.protocol)),
      'connection_info.protocol_ver': given(record.type),
      'connection_info.protocol_ver_id': lookup(record.type, { IPv4: 4, IPv6: 6, EFA: 99 }),
      'connection_info.tcp_flags': integer(given(record.tcp_flags)),
      disposition_id: lookup(record.action, { ACCEPT: 1, REJECT: 2 }, literal(0)),
      'dst_endpoint.instance_uid': at(ingress, record.instance_id),
      'dst_endpoint.interface_uid': at(here, record.interface_id),
      'dst_endpoint.intermediate_ips': between(record.pkt_dstaddr, record.dstaddr),
      'dst_endpoint.ip': packet.dst,
      'dst_endpoint.port': integer(given(record.dstport)),
      'dst_endpoint.subnet_uid': at(ingress, record.subnet_id),
      'dst_endpoint.svc_name': given(record.pkt_dst_aws_service),
      'dst_endpoint.vpc_uid': at(ingress, record.vpc_id),
      end_time: epochTime(given(record.end), 1000),
      'firewall_rule.name': given(record.reject_reason),
      'metadata.log_version': record.version,
      'metadata.product.feature.name': literal('Flow Logs'),
      'metadata.product.name': literal('Amazon VPC'),
      'metadata.product.vendor_name': literal('AWS'),
      'network_observation_point.instance_uid': given(record.instance_id),
      'network_observation_point.interface_uid': given(record.interface_id),
      'network_observation_point.subnet_uid': given(record.subnet_id),
      'network_observation_point.vpc_uid': given(record.vpc_id),
      severity_id: literal(1),
      'src_endpoint.instance_uid': at(egress, record.instance_id),
      'src_endpoint.interface_uid': at(egress, record.interface_id),
      'src_endpoint.intermediate_ips': between(record.pkt_srcaddr, record.srcaddr),
      'src_endpoint.ip': packet.src,
      'src_endpoint.port': integer(given(record.srcport)),
      'src_endpoint.subnet_uid': at(egress, record.subnet_id),
      'src_endpoint.svc_name': given(record.pkt_src_aws_service),
      'src_endpoint.vpc_uid': at(egress, record.vpc_id),
      start_time: epochTime(given(record.start), 1000),
      status_code: given(record.log_status),
      status_id: lookup(record.log_status, { OK: 1 }, literal(0)),
      'traffic.bytes': long(given(record.bytes)),
      'traffic.packets': long(given(record.packets)),
    };
  },
});
