import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, jsonOrText, text } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { entityManagement } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { actor, event, origin, params } from './event.ts';

const events = {
  accountsAccessControl: { updateRuleSet: 3 },
  apps: { changeAppsAcl: 3 },
  jobs: { resetJobAcl: 3 },
  sqlPermissions: {
    denyPermission: 3,
    grantPermission: 3,
    removeAllPermissions: 4,
    requestPermissions: 3,
    revokePermission: 3,
  },
  unityCatalog: { updatePermissions: 3, updateSharePermissions: 3 },
  vectorSearch: { changeEndpointAcl: 3 },
} as const;

/** The permissions of a thing for several principals at once, as a policy; user_access has room for one. */
export default defineMapping({
  source: databricksAudit,
  class: entityManagement,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      access_control_list: text,
      changes: text,
      grants: text,
      job_id: text,
      name: text,
      permission: text,
      request_object_id: text,
      requests: text,
      rule_set: text,
      securable: text,
      securable_full_name: text,
      securable_type: text,
    }),
  }),
  columns: (record, { params: p }) => ({
    ...actor(record),
    ...event(record),
    ...origin(record),
    activity_id: activityOf(events),
    activity_name: bronze.action,
    'entity.name': coalesce(p.securable_full_name, p.name, p.securable, bronze.service),
    'entity.policy.data': jsonOrText(
      coalesce(p.changes, p.rule_set, p.access_control_list, p.grants, p.permission, p.requests),
    ),
    'entity.policy.name': bronze.action,
    'entity.policy.type': coalesce(p.securable_type, bronze.service),
    'entity.type_id': literal(5),
    'entity.uid': coalesce(p.request_object_id, p.job_id),
  }),
});
