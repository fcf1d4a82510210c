import { matches } from '../sql/functions.ts';
import { type Condition, type Sql, sql } from '../sql/sql.ts';

const V4 =
  '0|10|127|169[.]254|172[.](1[6-9]|2[0-9]|3[01])|192[.]168|100[.](6[4-9]|[7-9][0-9]|1[01][0-9]|12[0-7])|22[4-9]|23[0-9]|24[0-9]|25[0-5]';
/** Whether an address lies in no public range: private, shared, link-local, loopback, multicast or reserved (RFC 6890). */
export const isPrivate = (ip: Sql): Condition =>
  matches(ip as Sql<string>, `^(${V4})[.]|^f[cdf][0-9a-f]{2}:|^fe[89ab][0-9a-f]:|^::1?$`);

/** TCP and UDP, the protocols with ports. */
export const hasPorts: Condition = sql`connection_info.protocol_num IN (6, 17)`;

/** Whether a flow goes back from a service to a client: every connection leaves such a record beside its own. */
export const isReply: Condition = sql`((src_endpoint.port < 1024 AND dst_endpoint.port > 1023)
  OR (src_endpoint.port < 32768 AND dst_endpoint.port >= 32768))`;

/** Whether a flow goes from a client, which has a port of the ephemeral range, to a service. */
export const isRequest: Condition = sql`(src_endpoint.port >= 32768 AND dst_endpoint.port < 32768)`;
