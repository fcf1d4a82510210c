import { authentication } from '../../silver/class.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const signIn = {
  time: '2026-11-05T09:00:00Z',
  activity_id: 1,
  'api.operation': 'ConsoleLogin',
  'actor.user.type_id': 2,
  'user.name': 'root',
  'user.uid': 'arn:aws:iam::123456789012:root',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
};

export default defineDetection({
  name: 'root_console_login',
  title: 'AWS root user signed in to the console',
  severity: 'High',
  attack: ['T1078.004'],
  threat: ['account_takeover'],
  why: 'The root user can do everything in the account and no policy holds it; daily work never needs it.',
  falsePositives: 'Tasks that only root can do, such as closing the account; they are rare and announced.',
  requires: 'CloudTrail sign-in events',
  on: authentication,
  where: sql`api.operation = 'ConsoleLogin' AND actor.user.type_id = 2 AND status_id = 1`,
  examples: [
    { when: 'root signs in', given: [signIn], alerts: 1 },
    { when: 'root fails to sign in', given: [{ ...signIn, status_id: 2 }], alerts: 0 },
    { when: 'an IAM user signs in', given: [{ ...signIn, 'actor.user.type_id': 1 }], alerts: 0 },
  ],
});
