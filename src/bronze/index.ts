import { cloudtrail } from './cloudtrail.ts';
import { databricksAudit } from './databricks_audit.ts';
import { databricksInboundNetwork } from './databricks_inbound_network.ts';
import { databricksOutboundNetwork } from './databricks_outbound_network.ts';
import type { Source } from './source.ts';
import { vpcFlow } from './vpc_flow.ts';

/** Every source, by the name the manifest uses. */
export const sources: Readonly<Record<string, Source>> = Object.fromEntries(
  (
    [databricksAudit, cloudtrail, vpcFlow, databricksInboundNetwork, databricksOutboundNetwork] as unknown as Source[]
  ).map((source) => [source.source, source]),
);
