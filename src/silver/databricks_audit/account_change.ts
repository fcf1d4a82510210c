import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { and, coalesce, isNotNull, isNull, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { accountChange } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { actor, event, origin, params, principal, userOf } from './event.ts';

const events = {
  accounts: {
    activateUser: 2,
    add: 1,
    changeDbTokenState: 99,
    changePassword: 3,
    createUser: 1,
    deactivateUser: 5,
    delete: 6,
    deleteUser: 6,
    garbageCollectDbToken: 99,
    generateDbToken: 99,
    mfaAddKey: 10,
    mfaDeleteKey: 11,
    reachMaxQuotaDbToken: 99,
    resetPassword: 4,
    revokeDbToken: 99,
    updateUser: 99,
    validateEmail: 99,
  },
  accountsManager: { accountUserResetPassword: 4 },
  servicePrincipalCredentials: { create: 99, delete: 99 },
} as const;

/** Changes to users and service principals: themselves, their passwords, keys and tokens. */
export default defineMapping({
  source: databricksAudit,
  class: accountChange,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      principal: text,
      secret_id: text,
      service_principal: text,
      service_principal_id: text,
      targetUserExternalId: text,
      targetUserId: text,
      targetUserName: text,
      target_user_id: text,
      target_user_name: text,
      tokenHash: text,
      tokenId: text,
      user: text,
      userId: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const service = coalesce(p.service_principal_id, p.service_principal);
    const targetUid = coalesce(p.targetUserId, p.target_user_id, service);
    const targetName = coalesce(p.targetUserName, p.target_user_name, p.principal, p.user);
    const self = and(isNull(targetUid), isNull(targetName));
    const who = named('subject', coalesce(targetName, when([[self, principal(record)]])));
    const user = userOf(who);
    return {
      ...actor(record),
      ...event(record),
      ...origin(record),
      activity_id: activityOf(events),
      activity_name: bronze.action,
      'user.email_addr': user.email_addr,
      'user.name': coalesce(who, when([[isNull(targetUid), literal('unknown')]])),
      'user.programmatic_credentials': objects('programmatic_credential', {
        type: bronze.service,
        uid: coalesce(p.secret_id, p.tokenId, p.tokenHash),
      }),
      'user.type_id': when([[isNotNull(service), literal(4)]], user.type_id),
      'user.uid': coalesce(targetUid, when([[self, p.userId]])),
      'user.uid_alt': p.targetUserExternalId,
    };
  },
});
