import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, email, text } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { accountChange } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { event, params, principal, principalType } from './event.ts';

const events = {
  accounts: {
    add: 1,
    createUser: 1,
    activateUser: 2,
    changePassword: 3,
    resetPassword: 4,
    deactivateUser: 5,
    delete: 6,
    deleteUser: 6,
    mfaAddKey: 10,
    mfaDeleteKey: 11,
    updateUser: 99,
    validateEmail: 99,
    generateDbToken: 99,
    revokeDbToken: 99,
    garbageCollectDbToken: 99,
    changeDbTokenState: 99,
    reachMaxQuotaDbToken: 99,
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
      targetUserName: text,
      target_user_name: text,
      targetUserId: text,
      principal: text,
      user: text,
      userId: text,
      service_principal_id: text,
      tokenId: text,
      tokenHash: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const target = coalesce(p.targetUserName, p.target_user_name, p.principal, p.user);
    const who = named('subject', coalesce(target, principal(record)));
    return {
      ...event(record),
      activity_id: activityOf(events),
      activity_name: bronze.action,
      'user.email_addr': email(who),
      'user.name': coalesce(who, literal('unknown')),
      'user.type_id': principalType(who),
      'user.uid': coalesce(p.targetUserId, p.service_principal_id, p.userId),
    };
  },
});
