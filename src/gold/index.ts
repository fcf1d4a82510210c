import type { RangeStage, ViewStage } from '../stage.ts';
import type { Detection } from './detection.ts';
import accessKeyForAnotherUser from './detections/access_key_for_another_user.ts';
import adminPolicyAttached from './detections/admin_policy_attached.ts';
import adminPolicyAttachedToGroup from './detections/admin_policy_attached_to_group.ts';
import clamavMalwareFound from './detections/clamav_malware_found.ts';
import cloudtrailStopped from './detections/cloudtrail_stopped.ts';
import cloudtrailWeakened from './detections/cloudtrail_weakened.ts';
import consoleLoginWithoutMfa from './detections/console_login_without_mfa.ts';
import esmContainerEscape from './detections/esm_container_escape.ts';
import esmHostSecurity from './detections/esm_host_security.ts';
import esmKernelEvents from './detections/esm_kernel_events.ts';
import esmSuspiciousActivity from './detections/esm_suspicious_activity.ts';
import esmUncategorised from './detections/esm_uncategorised.ts';
import failedSignInBurst from './detections/failed_sign_in_burst.ts';
import iamUserCreatedByInstance from './detections/iam_user_created_by_instance.ts';
import instanceCredentialsOutside from './detections/instance_credentials_outside.ts';
import ipAccessListChanged from './detections/ip_access_list_changed.ts';
import ipAccessListsDisabled from './detections/ip_access_lists_disabled.ts';
import largeEgress from './detections/large_egress.ts';
import passwordSpray from './detections/password_spray.ts';
import portScan from './detections/port_scan.ts';
import rejectedFlowsSpike from './detections/rejected_flows_spike.ts';
import rootConsoleLogin from './detections/root_console_login.ts';
import securityGroupOpenedToWorld from './detections/security_group_opened_to_world.ts';
import tokenWithoutExpiry from './detections/token_without_expiry.ts';
import verboseAuditLoggingDisabled from './detections/verbose_audit_logging_disabled.ts';
import apiCallsHourly from './summaries/api_calls_hourly.ts';
import networkHourly from './summaries/network_hourly.ts';
import signInsHourly from './summaries/sign_ins_hourly.ts';
import alerts from './views/alerts.ts';
import alertsDaily from './views/alerts_daily.ts';

/** Every rule. */
export const detections: readonly Detection[] = [
  accessKeyForAnotherUser,
  adminPolicyAttached,
  adminPolicyAttachedToGroup,
  clamavMalwareFound,
  cloudtrailStopped,
  cloudtrailWeakened,
  consoleLoginWithoutMfa,
  esmContainerEscape,
  esmHostSecurity,
  esmKernelEvents,
  esmSuspiciousActivity,
  esmUncategorised,
  failedSignInBurst,
  iamUserCreatedByInstance,
  instanceCredentialsOutside,
  ipAccessListChanged,
  ipAccessListsDisabled,
  largeEgress,
  passwordSpray,
  portScan,
  rejectedFlowsSpike,
  rootConsoleLogin,
  securityGroupOpenedToWorld,
  tokenWithoutExpiry,
  verboseAuditLoggingDisabled,
];

/** Every summary. */
export const summaries: readonly RangeStage[] = [apiCallsHourly, networkHourly, signInsHourly];

/** Every view that people read. */
export const views: readonly ViewStage[] = [alerts, alertsDaily];
