import type { OcsfClass } from './class.ts';
import cloudtrailAccountChange from './cloudtrail/account_change.ts';
import cloudtrailApiActivity from './cloudtrail/api_activity.ts';
import cloudtrailAuthentication from './cloudtrail/authentication.ts';
import cloudtrailBaseEvent from './cloudtrail/base_event.ts';
import cloudtrailDatastoreActivity from './cloudtrail/datastore_activity.ts';
import cloudtrailDetectionFinding from './cloudtrail/detection_finding.ts';
import cloudtrailEntityManagement from './cloudtrail/entity_management.ts';
import cloudtrailGroupManagement from './cloudtrail/group_management.ts';
import cloudtrailUserAccess from './cloudtrail/user_access.ts';
import databricksAccountChange from './databricks_audit/account_change.ts';
import databricksApiActivity from './databricks_audit/api_activity.ts';
import databricksApplicationLifecycle from './databricks_audit/application_lifecycle.ts';
import databricksAuthentication from './databricks_audit/authentication.ts';
import databricksDatastoreActivity from './databricks_audit/datastore_activity.ts';
import databricksDetectionFinding from './databricks_audit/detection_finding.ts';
import databricksEntityManagement from './databricks_audit/entity_management.ts';
import databricksFileHosting from './databricks_audit/file_hosting.ts';
import databricksGroupManagement from './databricks_audit/group_management.ts';
import databricksUserAccess from './databricks_audit/user_access.ts';
import databricksInboundNetworkActivity from './databricks_inbound_network/network_activity.ts';
import databricksOutboundDnsActivity from './databricks_outbound_network/dns_activity.ts';
import databricksOutboundNetworkActivity from './databricks_outbound_network/network_activity.ts';
import type { Mapping } from './mapping.ts';
import vpcNetworkActivity from './vpc_flow/network_activity.ts';

/** Every mapping of a source to a class. */
export const mappings: readonly Mapping[] = [
  cloudtrailAccountChange,
  cloudtrailApiActivity,
  cloudtrailAuthentication,
  cloudtrailBaseEvent,
  cloudtrailDatastoreActivity,
  cloudtrailDetectionFinding,
  cloudtrailEntityManagement,
  cloudtrailGroupManagement,
  cloudtrailUserAccess,
  databricksAccountChange,
  databricksApiActivity,
  databricksApplicationLifecycle,
  databricksAuthentication,
  databricksDatastoreActivity,
  databricksDetectionFinding,
  databricksEntityManagement,
  databricksFileHosting,
  databricksGroupManagement,
  databricksUserAccess,
  databricksInboundNetworkActivity,
  databricksOutboundDnsActivity,
  databricksOutboundNetworkActivity,
  vpcNetworkActivity,
];

/** The classes into which CloudTrail's calls go: those that say which instance called. */
export const callClasses: readonly OcsfClass[] = mappings
  .filter((m) => m.source.source === 'cloudtrail' && 'src_endpoint.instance_uid' in m.columns)
  .map((m) => m.class);
