import { coalesce, epochTime, equals, isNotNull, isoTime, lower, text, when } from '../sql/functions.ts';
import { literal } from '../sql/sql.ts';
import { defineSource } from './source.ts';

/** Rows of `system.access.outbound_network`: connections of serverless compute that a network policy denied, or would have. */
export const databricksOutboundNetwork = defineSource({
  name: 'databricks_outbound_network',
  title: 'Databricks outbound network access',
  content: 'json',
  record: {
    account_id: text,
    workspace_id: text,
    event_id: text,
    event_time: text,
    destination_type: text,
    destination: text,
    dns_event: { domain_name: text, rcode: text, rdata: text },
    ip_event: text,
    storage_event: { hostname: text, path: text, rejection_reason: text },
    access_type: text,
    network_source_type: text,
  },
  lift: (record) => ({
    uid: record.event_id,
    time: coalesce(isoTime(record.event_time), epochTime(record.event_time, 1)),
    service: coalesce(
      when([[equals(lower(record.destination_type), 'dns'), literal('DNS')]], record.destination_type),
      when([[isNotNull(record.dns_event.domain_name), literal('DNS')]], literal('IP')),
    ),
    action: coalesce(record.access_type, literal('unknown')),
  }),
  ignore: () => literal(false),
});
