import { accountChange } from '../../silver/class.ts';
import { identifier, sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';
import { givesAdministratorAccess } from '../iam.ts';

const attach = {
  activity_id: 7,
  'actor.user.name': 'ana',
  'api.operation': 'AttachUserPolicy',
  'api.request.data': '{"userName":"backup-svc","policyArn":"arn:aws:iam::aws:policy/AdministratorAccess"}',
  'policies[].uid': 'arn:aws:iam::aws:policy/AdministratorAccess',
  'api.service.name': 'iam.amazonaws.com',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
  'user.name': 'backup-svc',
};
const other = (arn: string) => ({
  ...attach,
  'api.request.data': JSON.stringify({ policyArn: arn }),
  'policies[].uid': arn,
});

export default defineDetection({
  name: 'admin_policy_attached',
  title: 'AdministratorAccess given to a user or role',
  severity: 'High',
  attack: ['T1098.003'],
  threat: ['account_takeover', 'insider_threat'],
  why: 'AWS allows the holder of this policy everything in the account.',
  falsePositives:
    'The set-up of an account; break-glass roles. Infrastructure code that creates roles shows up as Medium.',
  requires: 'CloudTrail management events',
  on: accountChange,
  where: sql`api.operation IN ('AttachUserPolicy', 'AttachRolePolicy') AND status_id = 1 AND ${givesAdministratorAccess}`,
  entities: {
    severity_id: sql`CASE WHEN api.operation = 'AttachUserPolicy' THEN 4 ELSE 3 END`,
    message: sql`'AdministratorAccess given to ' || ${identifier('user')}.name || coalesce(' by ' || actor.user.name, '')`,
  },
  examples: [
    { when: 'to a user', given: [attach], alerts: 1 },
    { when: 'to a role', given: [{ ...attach, 'api.operation': 'AttachRolePolicy' }], alerts: 1, severity: 'Medium' },
    { when: 'in another partition', given: [other('arn:aws-us-gov:iam::aws:policy/AdministratorAccess')], alerts: 1 },
    { when: 'a lesser policy', given: [other('arn:aws:iam::aws:policy/ReadOnlyAccess')], alerts: 0 },
    {
      when: 'AWS’s policy for Amplify',
      given: [other('arn:aws:iam::aws:policy/AdministratorAccess-Amplify')],
      alerts: 0,
    },
    { when: 'it is taken away', given: [{ ...attach, 'api.operation': 'DetachUserPolicy' }], alerts: 0 },
    { when: 'the call is denied', given: [{ ...attach, status_id: 2 }], alerts: 0 },
  ],
});
