import { cloudtrail } from './cloudtrail.ts';
import { databricksAudit } from './databricks_audit.ts';
import type { Source } from './source.ts';
import { vpcFlow } from './vpc_flow.ts';

/** Every source, by the name the manifest uses. */
export const sources: Readonly<Record<string, Source>> = Object.fromEntries(
  ([databricksAudit, cloudtrail, vpcFlow] as unknown as Source[]).map((source) => [source.source, source]),
);
