import { coalesce, epochTime, nullIf, text } from '../sql/functions.ts';
import { literal, sql } from '../sql/sql.ts';
import { defineSource } from './source.ts';

const names = <const N extends readonly string[]>(...list: N): { readonly [K in N[number]]: typeof text } =>
  Object.fromEntries(list.map((name) => [name, text])) as { readonly [K in N[number]]: typeof text };

const VERSION_2 = [
  'version',
  'account_id',
  'interface_id',
  'srcaddr',
  'dstaddr',
  'srcport',
  'dstport',
  'protocol',
  'packets',
  'bytes',
  'start',
  'end',
  'action',
  'log_status',
] as const;

/** AWS VPC flow logs, versions 2 to 11; field names with underscores, whatever the file has. */
export const vpcFlow = defineSource({
  name: 'vpc_flow',
  title: 'AWS VPC flow logs',
  content: 'text',
  envelope: { lists: ['logEvents'], members: ['message'] },
  header: VERSION_2,
  record: {
    ...names(...VERSION_2),
    ...names('vpc_id', 'subnet_id', 'instance_id', 'tcp_flags', 'type', 'pkt_srcaddr', 'pkt_dstaddr'),
    ...names('region', 'az_id', 'sublocation_type', 'sublocation_id'),
    ...names('pkt_src_aws_service', 'pkt_dst_aws_service', 'flow_direction', 'traffic_path'),
    ...names('resource_type', 'tgw_id', 'tgw_attachment_id', 'tgw_src_vpc_account_id', 'tgw_dst_vpc_account_id'),
    ...names(
      'tgw_src_vpc_id',
      'tgw_dst_vpc_id',
      'tgw_src_subnet_id',
      'tgw_dst_subnet_id',
      'tgw_src_eni',
      'tgw_dst_eni',
    ),
    ...names('tgw_src_az_id', 'tgw_dst_az_id', 'tgw_pair_attachment_id'),
    ...names(
      'packets_lost_no_route',
      'packets_lost_blackhole',
      'packets_lost_mtu_exceeded',
      'packets_lost_ttl_expired',
    ),
    ...names('ecs_cluster_arn', 'ecs_cluster_name', 'ecs_container_instance_arn', 'ecs_container_instance_id'),
    ...names('ecs_container_id', 'ecs_second_container_id', 'ecs_service_name', 'ecs_task_definition_arn'),
    ...names('ecs_task_arn', 'ecs_task_id', 'reject_reason', 'resource_id', 'encryption_status'),
    ...names('instance_tag', 'instance_tag_2', 'interface_tag', 'interface_tag_2', 'asg_tag', 'asg_tag_2'),
    ...names('interface_type', 'next_hop_interface_id', 'next_hop_subnet_id', 'next_hop_az_id', 'next_hop_vpc_id'),
    ...names('next_hop_interface_type'),
  },
  lift: (record) => ({
    uid: sql`CAST(NULL AS STRING)`,
    time: epochTime(record.start, 1000),
    service: coalesce(nullIf(record.log_status, '', '-'), literal('unknown')),
    action: coalesce(nullIf(record.action, '', '-'), literal('unknown')),
  }),
  ignore: () => literal(false),
});
