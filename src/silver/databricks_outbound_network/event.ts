import type { databricksOutboundNetwork } from '../../bronze/databricks_outbound_network.ts';
import { coalesce, lookup, nullIf } from '../../sql/functions.ts';
import type { Fields } from '../../sql/record.ts';
import { conversion, literal } from '../../sql/sql.ts';

/** What every outbound row says: who was let out or not, and by which workspace. */
export const event = (record: Fields<typeof databricksOutboundNetwork.shape>) => {
  const access = record.access_type;
  const workspace = conversion(record.workspace_id, nullIf(record.workspace_id, '0'));
  return {
    action_id: lookup(access, { ALLOW: 1, DROP: 2, DRY_RUN_DENIAL: 3 }, literal(0)),
    'cloud.account.uid': record.account_id,
    'cloud.org.uid': workspace,
    'cloud.provider': literal('Databricks'),
    'connection_info.direction_id': literal(2),
    disposition_id: lookup(access, { ALLOW: 1, DROP: 6, DRY_RUN_DENIAL: 17 }, literal(0)),
    'metadata.log_name': literal('system.access.outbound_network'),
    'metadata.product.name': literal('Databricks'),
    'metadata.product.vendor_name': literal('Databricks'),
    'metadata.tenant_uid': record.account_id,
    severity_id: literal(1),
    'src_endpoint.svc_name': coalesce(record.network_source_type, literal('Databricks')),
    'src_endpoint.uid': workspace,
    status_code: access,
    status_id: lookup(access, { ALLOW: 1, DROP: 2, DRY_RUN_DENIAL: 1 }, literal(0)),
  };
};
