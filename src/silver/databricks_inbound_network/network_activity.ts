import { databricksInboundNetwork } from '../../bronze/databricks_inbound_network.ts';
import { coalesce, lookup, matches, nullIf, text, when } from '../../sql/functions.ts';
import { conversion, literal, named } from '../../sql/sql.ts';
import { address } from '../address.ts';
import { networkActivity } from '../class.ts';
import { userOf } from '../databricks_audit/event.ts';
import { defineMapping, parse } from '../mapping.ts';

const ONLY_AN_ADDRESS = '^[{]"ip":"[^"]*"[}]$';

/** Requests that a network policy denied, or would have denied were it in force. */
export default defineMapping({
  source: databricksInboundNetwork,
  class: networkActivity,
  events: 'rest',
  parse: (record) => ({ source: parse(record.source, { ip: text }) }),
  columns: (record, { source }) => {
    const outcome = record.policy_outcome;
    const { host, ip, port } = address('from', source.ip);
    const user = userOf(named('who', nullIf(record.authenticated_as, 'unknown', '__REDACTED__')));
    return {
      action_id: lookup(outcome, { ALLOW: 1, DENY: 2, DENY_DRY_RUN: 3 }, literal(0)),
      activity_id: lookup(outcome, { ALLOW: 6, DENY: 5, DENY_DRY_RUN: 6 }, literal(0)),
      'actor.user.email_addr': user.email_addr,
      'actor.user.name': user.name,
      'actor.user.type_id': user.type_id,
      'actor.user.uid': user.uid,
      'cloud.account.uid': record.account_id,
      'cloud.org.uid': conversion(record.workspace_id, nullIf(record.workspace_id, '0')),
      'cloud.provider': literal('Databricks'),
      'connection_info.direction_id': literal(1),
      disposition_id: lookup(outcome, { ALLOW: 1, DENY: 2, DENY_DRY_RUN: 17 }, literal(0)),
      'dst_endpoint.svc_name': literal('Databricks'),
      'dst_endpoint.uid': conversion(record.workspace_id, nullIf(record.workspace_id, '0')),
      'firewall_rule.name': record.rule_label,
      'metadata.log_name': literal('system.access.inbound_network'),
      'metadata.product.name': literal('Databricks'),
      'metadata.product.vendor_name': literal('Databricks'),
      'metadata.tenant_uid': record.account_id,
      severity_id: literal(1),
      'src_endpoint.ip': coalesce(conversion(record.source, when([[matches(record.source, ONLY_AN_ADDRESS), ip]])), ip),
      'src_endpoint.name': host,
      'src_endpoint.port': port,
      status_code: outcome,
      status_id: lookup(outcome, { ALLOW: 1, DENY: 2, DENY_DRY_RUN: 1 }, literal(0)),
      'url.path': record.request_path,
    };
  },
});
