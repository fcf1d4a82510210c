import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { coalesce, isNotNull, isNull, jsonField, not, startsWith, text, when } from '../../sql/functions.ts';
import { call, literal } from '../../sql/sql.ts';
import { groupManagement } from '../class.ts';
import { activityOf, defineMapping, parse } from '../mapping.ts';
import { event, outcome, refused } from './event.ts';

const directory = { CreateGroup: 6, DeleteGroup: 5, UpdateGroup: 99 } as const;
const events = {
  'iam.amazonaws.com': {
    AddUserToGroup: 3,
    AttachGroupPolicy: 1,
    CreateGroup: 6,
    DeleteGroup: 5,
    DeleteGroupPolicy: 2,
    DetachGroupPolicy: 2,
    PutGroupPolicy: 1,
    RemoveUserFromGroup: 4,
    UpdateGroup: 99,
  },
  'identitystore.amazonaws.com': { ...directory, CreateGroupMembership: 3, DeleteGroupMembership: 4 },
  'sso-directory.amazonaws.com': {
    ...directory,
    AddMemberToGroup: 3,
    RemoveMemberFromGroup: 4,
    UpdateGroupDisplayName: 99,
  },
} as const;

/** Groups of IAM and Identity Center: themselves, their members and what their members may do. */
export default defineMapping({
  source: cloudtrail,
  class: groupManagement,
  events,
  parse: (record) => ({
    params: parse(record.requestParameters, {
      displayName: text,
      groupId: text,
      groupName: text,
      memberId: text,
      policyArn: text,
      policyName: text,
      userName: text,
    }),
    result: parse(record.responseElements, {
      group: { arn: text, displayName: text, groupId: text, groupName: text },
      groupId: text,
    }),
  }),
  columns: (record, { params, result }) => {
    const policy = coalesce(params.policyArn, params.policyName);
    const uid = coalesce(result.group.arn, params.groupId, result.group.groupId, result.groupId);
    const name = coalesce(params.groupName, result.group.groupName, params.displayName, refused(record).name);
    return {
      ...event(record),
      activity_id: activityOf(events),
      'group.name': coalesce(name, when([[isNull(uid), literal('unknown')]])),
      'group.uid': uid,
      'group.uid_alt': result.group.groupId,
      privileges: call((f) => when([[isNotNull(policy), f.list([policy])]])),
      status_id: outcome(record),
      'user.name': params.userName,
      'user.uid': coalesce(
        jsonField(params.memberId, 'userId'),
        when([[not(startsWith(params.memberId, '{')), params.memberId]]),
      ),
    };
  },
});
