import { authentication } from '../../silver/class.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const signIn = {
  'actor.user.type_id': 1,
  'api.operation': 'ConsoleLogin',
  is_mfa: false,
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
  'user.name': 'ana',
};

export default defineDetection({
  name: 'console_login_without_mfa',
  title: 'IAM user signed in to the AWS console without MFA',
  severity: 'Medium',
  attack: ['T1078.004'],
  threat: ['account_takeover'],
  why: 'A password alone opened the console; whoever guesses or steals it gets in the same way.',
  falsePositives:
    'Users for whom MFA was never set up: each of them is a finding of its own. Roles and SAML sessions bring the MFA of their identity provider and are left out.',
  requires: 'CloudTrail sign-in events',
  on: authentication,
  where: sql`api.operation = 'ConsoleLogin' AND status_id = 1 AND NOT is_mfa AND actor.user.type_id = 1`,
  examples: [
    { when: 'an IAM user without MFA', given: [signIn], alerts: 1 },
    { when: 'an IAM user with MFA', given: [{ ...signIn, is_mfa: true }], alerts: 0 },
    { when: 'the event does not say', given: [{ ...signIn, is_mfa: null }], alerts: 0 },
    { when: 'the sign-in failed', given: [{ ...signIn, status_id: 2 }], alerts: 0 },
    {
      when: 'a federated role',
      given: [{ ...signIn, 'actor.user.type_id': 99, 'actor.user.type': 'AssumedRole' }],
      alerts: 0,
    },
    { when: 'root, who has a rule of its own', given: [{ ...signIn, 'actor.user.type_id': 2 }], alerts: 0 },
  ],
});
