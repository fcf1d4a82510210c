import { coalesce, epochTime, isoTime, text } from '../sql/functions.ts';
import { literal } from '../sql/sql.ts';
import { defineSource } from './source.ts';

/** Rows of `system.access.inbound_network`: requests to a workspace or the account that a network policy denied, or would have. */
export const databricksInboundNetwork = defineSource({
  name: 'databricks_inbound_network',
  title: 'Databricks inbound network access',
  content: 'json',
  record: {
    account_id: text,
    workspace_id: text,
    event_id: text,
    event_time: text,
    request_path: text,
    source: text,
    authenticated_as: text,
    policy_outcome: text,
    rule_label: text,
  },
  lift: (record) => ({
    uid: record.event_id,
    time: coalesce(isoTime(record.event_time), epochTime(record.event_time, 1)),
    service: literal('inbound'),
    action: coalesce(record.policy_outcome, literal('unknown')),
  }),
  ignore: () => literal(false),
});
