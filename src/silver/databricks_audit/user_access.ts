import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, isNull, lookup, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { userAccess } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { actor, event, origin, params, textsOf, userOf } from './event.ts';

const events = {
  accounts: {
    changeDatabricksSqlAcl: 1,
    changeDatabricksWorkspaceAcl: 1,
    changeDatabricksWorkspaceDirectoryAcl: 1,
    changeDbTokenAcl: 1,
    changePasswordAcl: 1,
    changeServicePrincipalAcls: 1,
    modifyUserRole: 1,
    removeAccountAdmin: 2,
    removeAdmin: 2,
    setAccountAdmin: 1,
    setAdmin: 1,
  },
  accountsManager: { changeAccountOwner: 1 },
  clusterPolicies: { changeClusterPolicyAcl: 1 },
  clusters: { changeClusterAcl: 1, changeClusterOwner: 1 },
  databrickssql: {
    changeEndpointAcls: 1,
    changePermissions: 1,
    changeWarehouseAcls: 1,
    transferObjectOwnership: 1,
  },
  deltaPipelines: { changePipelineAcls: 1 },
  featureStore: { changeFeatureTableAcl: 1 },
  iamRole: { changeIamRoleAcl: 1, changeIamRoleAssumeAcl: 1 },
  instancePools: { changeInstancePoolAcl: 1 },
  jobs: { changeJobAcl: 1 },
  modelRegistry: { changeRegisteredModelAcl: 1 },
  secrets: { deleteAcl: 2, putAcl: 1 },
  serverlessRealTimeInference: { changeInferenceEndpointAcl: 1 },
  sqlPermissions: { changeSecurableOwner: 1 },
  workspace: {
    addPermissionAssignment: 1,
    changeWorkspaceAcl: 1,
    deletePermissionAssignment: 2,
    updatePermissionAssignment: 1,
    updateRoleAssignment: 1,
  },
} as const;

/** What is given or taken where the parameters do not say it. */
const IMPLIED = {
  changeAccountOwner: 'account owner',
  changeClusterOwner: 'owner',
  changeSecurableOwner: 'owner',
  deletePermissionAssignment: 'workspace access',
  removeAccountAdmin: 'account admin',
  removeAdmin: 'workspace admin',
  setAccountAdmin: 'account admin',
  setAdmin: 'workspace admin',
  transferObjectOwnership: 'owner',
} as const;

/** Privileges given to one user or taken away; changes for several at once are entity_management. */
export default defineMapping({
  source: databricksAudit,
  class: userAccess,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      aclPermissionSet: text,
      cluster_id: text,
      email: text,
      grantee: text,
      newOwner: text,
      objectId: text,
      objectType: text,
      permission: text,
      permissions: text,
      principal: text,
      principal_id: text,
      registeredModelId: text,
      requestedPermissions: text,
      resourceId: text,
      role: text,
      scope: text,
      securable: text,
      subject: text,
      targetServicePrincipal: text,
      targetUserId: text,
      targetUserName: text,
      target_user_name: text,
      userId: text,
      user_id: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const name = coalesce(p.targetUserName, p.target_user_name, p.principal, p.grantee, p.newOwner, p.email, p.subject);
    const who = named('subject', name);
    const user = userOf(who);
    const uid = coalesce(p.targetUserId, p.principal_id, p.user_id, p.userId);
    const granted = coalesce(p.aclPermissionSet, p.permissions, p.permission, p.requestedPermissions, p.role);
    return {
      ...actor(record),
      ...event(record),
      ...origin(record),
      activity_id: activityOf(events),
      activity_name: bronze.action,
      privileges: textsOf(named('granted', granted), coalesce(lookup(bronze.action, IMPLIED), bronze.action)),
      resources: objects('resource_details', {
        name: coalesce(p.scope, p.targetServicePrincipal, p.securable),
        role_id: literal(1),
        type: coalesce(p.objectType, bronze.service),
        uid: coalesce(p.resourceId, p.objectId, p.registeredModelId, p.cluster_id),
      }),
      'user.email_addr': user.email_addr,
      'user.name': coalesce(who, when([[isNull(uid), literal('unknown')]])),
      'user.type_id': user.type_id,
      'user.uid': uid,
    };
  },
});
