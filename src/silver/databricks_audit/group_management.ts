import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, isNull, lookup, not, startsWith, text, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { groupManagement } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { actor, event, origin, params, userOf } from './event.ts';

const members = {
  addPrincipalToGroup: 3,
  addPrincipalsToGroup: 3,
  addUserToAdminGroup: 3,
  createGroup: 6,
  deleteGroup: 5,
  removeGroup: 5,
  removePrincipalFromGroup: 4,
  removePrincipalsFromGroup: 4,
  updateGroup: 99,
} as const;
const events = { accounts: members, groups: members, workspace: { addUserToAdminGroup: 3 } } as const;

/** Groups and who belongs to them; of several principals at once the list stands in the request. */
export default defineMapping({
  source: databricksAudit,
  class: groupManagement,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      group: text,
      groupName: text,
      group_name: text,
      parent_name: text,
      principal: text,
      principals: text,
      targetGroupId: text,
      targetGroupName: text,
      targetUserId: text,
      targetUserName: text,
      target_group_name: text,
      target_user_name: text,
      user: text,
      user_name: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const target = coalesce(p.targetUserName, p.target_user_name, p.principal, p.principals, p.user_name, p.user);
    const who = named('subject', when([[not(startsWith(target, '[')), target]]));
    const user = userOf(who);
    const group = coalesce(p.targetGroupName, p.target_group_name, p.groupName, p.group_name, p.parent_name, p.group);
    const implied = lookup(bronze.action, { addUserToAdminGroup: 'admins' });
    return {
      ...actor(record),
      ...event(record),
      ...origin(record),
      activity_id: activityOf(events),
      activity_name: bronze.action,
      'group.name': coalesce(group, implied, when([[isNull(p.targetGroupId), literal('unknown')]])),
      'group.uid': p.targetGroupId,
      'user.email_addr': user.email_addr,
      'user.name': user.name,
      'user.type_id': user.type_id,
      'user.uid': p.targetUserId,
    };
  },
});
