import { databricksOutboundNetwork } from '../../bronze/databricks_outbound_network.ts';
import { and, coalesce, isNull, lookup, matches, not, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { address } from '../address.ts';
import { networkActivity } from '../class.ts';
import { defineMapping } from '../mapping.ts';
import { event } from './event.ts';

/** Connections of serverless compute to addresses and storage. */
export default defineMapping({
  source: databricksOutboundNetwork,
  class: networkActivity,
  events: 'rest',
  columns: (record) => {
    const { storage_event: storage, destination } = record;
    const isUrl = matches(destination, '^[A-Za-z0-9+.-]+://');
    const { host, ip, port } = address('to', destination);
    return {
      ...event(record),
      activity_id: lookup(record.access_type, { ALLOW: 6, DROP: 5, DRY_RUN_DENIAL: 6 }, literal(0)),
      'dst_endpoint.hostname': coalesce(storage.hostname, when([[and(not(isUrl), isNull(ip)), host]])),
      'dst_endpoint.ip': ip,
      'dst_endpoint.port': port,
      status_detail: storage.rejection_reason,
      'url.path': storage.path,
      'url.url_string': when([[isUrl, destination]]),
    };
  },
});
