import type { Ip, Timestamp } from '../../../ocsf/types.ts';
import { vpcFlow } from '../../bronze/vpc_flow.ts';
import {
  and,
  coalesce,
  epochTime,
  equals,
  ipAddress,
  isIn,
  isNotNull,
  isNull,
  lookup,
  nullIf,
  or,
  when,
} from '../../sql/functions.ts';
import { type Condition, call, conversion, identifier, literal, named, type Sql, sql } from '../../sql/sql.ts';
import { networkActivity } from '../class.ts';
import { defineMapping } from '../mapping.ts';

/** IANA protocol numbers, in OCSF's lower case. */
const PROTOCOLS = {
  '0': 'hopopt',
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
const VERDICTS = { ACCEPT: 1, REJECT: 2 } as const;
const LATEST = Date.UTC(2100, 0, 1);

/** A count of at most `digits` decimal digits and not above `most`; NULL for anything else. */
const count = <T extends number | bigint>(
  value: Sql<string>,
  type: 'integer' | 'long',
  digits: number,
  most?: number,
) =>
  conversion(
    value,
    call<T>((f) => {
      // DuckDB may compute what stands twice before the CASE that guards it.
      const number = type === 'long' ? sql`try_cast(${value} AS BIGINT)` : sql`try_cast(${value} AS INT)`;
      const bounded = most === undefined ? number : sql`CASE WHEN ${number} <= ${most} THEN ${number} END`;
      return sql`CASE WHEN ${f.matches(value, `^[0-9]{1,${digits}}$`)} THEN ${bounded} END`;
    }),
  );
const port = (value: Sql<string>) => count<number>(value, 'integer', 5, 65_535);
const small = (value: Sql<string>) => count<number>(value, 'integer', 9);
const long = (value: Sql<string>) => count<bigint>(value, 'long', 18);

/** The address of the interface where the packet's own differs: a NAT or load balancer stands between. */
const between = (own: Sql<Ip>, ofInterface: Sql<Ip>): Sql<readonly Ip[]> =>
  call((f) => sql`CASE WHEN ${own} <> ${ofInterface} THEN ${f.list([ofInterface])} END`);

/** Flows; NODATA and SKIPDATA records say that an interface had none, or that AWS left some out. */
export default defineMapping({
  source: vpcFlow,
  class: networkActivity,
  events: 'rest',
  columns: (record) => {
    const at = (direction: 'ingress' | 'egress', value: Sql<string>): Sql<string> =>
      when([[equals(record.flow_direction, direction), value]]);
    const ofInterface = {
      src: named('srcaddr', ipAddress(record.srcaddr)),
      dst: named('dstaddr', ipAddress(record.dstaddr)),
    };
    const ofPacket = {
      src: named('src_address', coalesce(ipAddress(record.pkt_srcaddr), ofInterface.src)),
      dst: named('dst_address', coalesce(ipAddress(record.pkt_dstaddr), ofInterface.dst)),
    };
    const missing: Condition = and(isNull(ofPacket.src), isNull(ofPacket.dst));
    const hole: Condition = isIn(record.log_status, ['NODATA', 'SKIPDATA']);
    const silent: Condition = or(hole, and(missing, isNull(record.action)));
    const start = identifier<Timestamp>('time');
    const end = named(
      'end_ms',
      conversion(
        record.end,
        when([[sql`${epochTime(record.end, 1000)} BETWEEN ${start} AND ${LATEST}`, epochTime(record.end, 1000)]]),
      ),
    );
    const device = coalesce(record.resource_id, record.tgw_attachment_id);
    return {
      action_id: lookup(record.action, VERDICTS, literal(0)),
      activity_id: when([[silent, literal(0)]], literal(6)),
      'cloud.account.uid': nullIf(record.account_id, 'unknown'),
      'cloud.provider': literal('AWS'),
      'cloud.region': record.region,
      'cloud.zone': record.az_id,
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
      'connection_info.protocol_num': small(record.protocol),
      'connection_info.protocol_ver': record.type,
      'connection_info.protocol_ver_id': lookup(record.type, { IPv4: 4, IPv6: 6, EFA: 99 }),
      'connection_info.tcp_flags': small(record.tcp_flags),
      disposition_id: lookup(record.action, VERDICTS, literal(0)),
      'dst_endpoint.instance_uid': at('ingress', record.instance_id),
      'dst_endpoint.interface_uid': coalesce(
        at('ingress', record.interface_id),
        record.tgw_dst_eni,
        when([[missing, record.interface_id]]),
      ),
      'dst_endpoint.intermediate_ips': between(ofPacket.dst, ofInterface.dst),
      'dst_endpoint.ip': ofPacket.dst,
      'dst_endpoint.name': when([[and(missing, isNull(record.interface_id), isNull(device)), literal('unknown')]]),
      'dst_endpoint.owner.account.uid': record.tgw_dst_vpc_account_id,
      'dst_endpoint.port': port(record.dstport),
      'dst_endpoint.subnet_uid': coalesce(at('ingress', record.subnet_id), record.tgw_dst_subnet_id),
      'dst_endpoint.svc_name': record.pkt_dst_aws_service,
      'dst_endpoint.uid': when([[missing, device]]),
      'dst_endpoint.vpc_uid': coalesce(at('ingress', record.vpc_id), record.tgw_dst_vpc_id),
      'dst_endpoint.zone': record.tgw_dst_az_id,
      duration: sql<bigint>`(${end} - ${start})`,
      end_time: end,
      'firewall_rule.name': record.reject_reason,
      'metadata.log_version': record.version,
      'metadata.product.feature.name': literal('Flow Logs'),
      'metadata.product.name': literal('Amazon VPC'),
      'metadata.product.vendor_name': literal('AWS'),
      'network_observation_point.container.orchestrator': when([[isNotNull(record.ecs_container_id), literal('ECS')]]),
      'network_observation_point.container.uid': record.ecs_container_id,
      'network_observation_point.instance_uid': record.instance_id,
      'network_observation_point.interface_uid': record.interface_id,
      'network_observation_point.name': record.tgw_id,
      'network_observation_point.subnet_uid': record.subnet_id,
      'network_observation_point.uid': device,
      'network_observation_point.vpc_uid': record.vpc_id,
      observation_point_id: lookup(record.flow_direction, { egress: 1, ingress: 2 }),
      severity_id: literal(1),
      'src_endpoint.instance_uid': at('egress', record.instance_id),
      'src_endpoint.interface_uid': coalesce(at('egress', record.interface_id), record.tgw_src_eni),
      'src_endpoint.intermediate_ips': between(ofPacket.src, ofInterface.src),
      'src_endpoint.ip': ofPacket.src,
      'src_endpoint.owner.account.uid': record.tgw_src_vpc_account_id,
      'src_endpoint.port': port(record.srcport),
      'src_endpoint.subnet_uid': coalesce(at('egress', record.subnet_id), record.tgw_src_subnet_id),
      'src_endpoint.svc_name': record.pkt_src_aws_service,
      'src_endpoint.vpc_uid': coalesce(at('egress', record.vpc_id), record.tgw_src_vpc_id),
      'src_endpoint.zone': record.tgw_src_az_id,
      start_time: start,
      status_code: record.log_status,
      status_detail: record.reject_reason,
      status_id: lookup(record.log_status, { OK: 1 }, literal(0)),
      'traffic.bytes': long(record.bytes),
      'traffic.packets': long(record.packets),
    };
  },
});
