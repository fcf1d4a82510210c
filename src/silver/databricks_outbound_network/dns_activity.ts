import { databricksOutboundNetwork } from '../../bronze/databricks_outbound_network.ts';
import { coalesce, lookup } from '../../sql/functions.ts';
import { dnsActivity } from '../class.ts';
import { activityOf, defineMapping } from '../mapping.ts';
import { event } from './event.ts';

const events = { DNS: { '*': 1 } } as const;

/** The return codes by number and by name. */
const CODES = {
  '0': 0,
  '1': 1,
  '2': 2,
  '3': 3,
  '4': 4,
  '5': 5,
  FORMERR: 1,
  NOERROR: 0,
  NOTIMP: 4,
  NXDOMAIN: 3,
  REFUSED: 5,
  SERVFAIL: 2,
} as const;

/** Names that serverless compute asked for. */
export default defineMapping({
  source: databricksOutboundNetwork,
  class: dnsActivity,
  events,
  columns: (record) => ({
    ...event(record),
    activity_id: activityOf(events),
    'query.hostname': coalesce(record.dns_event.domain_name, record.destination),
    rcode_id: lookup(record.dns_event.rcode, CODES),
  }),
});
