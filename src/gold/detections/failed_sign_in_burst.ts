import { authentication } from '../../silver/class.ts';
import { identifier, sql } from '../../sql/sql.ts';
import { defineDetection, type ExampleEvent, minutes } from '../detection.ts';
import { failedSignIn } from '../sign_in.ts';

/** `n` failed sign-ins of one user, a minute apart, from five minutes before the hour. */
const failures = (n: number, more: ExampleEvent = {}): ExampleEvent[] =>
  Array.from({ length: n }, (_, i) => ({
    time: new Date(Date.UTC(2026, 10, 5, 8, 55 + i)).toISOString(),
    activity_id: 1,
    'user.name': 'ana@example.com',
    'src_endpoint.ip': '203.0.113.66',
    status_id: 2,
    ...more,
  }));

export default defineDetection({
  name: 'failed_sign_in_burst',
  title: 'Burst of failed sign-ins of one user',
  severity: 'Medium',
  attack: ['T1110.001'],
  threat: ['account_takeover'],
  why: 'Many failures of one user within minutes are password guessing, or a stolen credential that no longer works.',
  falsePositives: 'A job with an expired secret; a person who forgot the password.',
  requires: 'CloudTrail sign-in events or Databricks audit logs of service accounts',
  on: authentication,
  where: failedSignIn,
  by: [sql`${identifier('user')}.name`],
  window: minutes(10),
  atLeast: 5,
  examples: [
    { when: 'five failures within ten minutes, across the hour', given: failures(5), alerts: 1 },
    { when: 'ten failures are still one burst', given: failures(10), alerts: 1 },
    { when: 'four failures', given: failures(4), alerts: 0 },
    {
      when: 'a server asks five times for a role it may not have',
      given: failures(5, { 'api.operation': 'AssumeRole', 'api.service.name': 'sts.amazonaws.com' }),
      alerts: 0,
    },
    {
      when: 'five tries from an address that is not let in',
      given: failures(5, { 'api.operation': 'IpAccessDenied' }),
      alerts: 0,
    },
    { when: 'five successes', given: failures(5, { status_id: 1 }), alerts: 0 },
  ],
});
