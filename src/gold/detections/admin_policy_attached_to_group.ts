import { groupManagement } from '../../silver/class.ts';
import { identifier, sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';
import { givesAdministratorAccess } from '../iam.ts';

const attach = {
  activity_id: 1,
  'actor.user.name': 'ana',
  'api.operation': 'AttachGroupPolicy',
  'api.request.data': '{"groupName":"ops","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}',
  'api.service.name': 'iam.amazonaws.com',
  'group.name': 'ops',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
};

export default defineDetection({
  name: 'admin_policy_attached_to_group',
  title: 'AdministratorAccess given to a group',
  severity: 'High',
  attack: ['T1098.003'],
  threat: ['account_takeover', 'insider_threat'],
  why: 'AWS allows every member of the group everything in the account, those who join later too.',
  falsePositives: 'The set-up of an account; a group for administrators that infrastructure code creates.',
  requires: 'CloudTrail management events',
  on: groupManagement,
  where: sql`api.operation = 'AttachGroupPolicy' AND status_id = 1 AND ${givesAdministratorAccess}`,
  entities: {
    message: sql`'AdministratorAccess given to group ' || ${identifier('group')}.name || coalesce(' by ' || actor.user.name, '')`,
  },
  examples: [
    { when: 'to a group', given: [attach], alerts: 1 },
    {
      when: 'a lesser policy',
      given: [{ ...attach, 'api.request.data': '{"policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}' }],
      alerts: 0,
    },
    { when: 'it is taken away', given: [{ ...attach, 'api.operation': 'DetachGroupPolicy' }], alerts: 0 },
    { when: 'the call is denied', given: [{ ...attach, status_id: 2 }], alerts: 0 },
  ],
});
