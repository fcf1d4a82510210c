import { authentication } from '../../silver/class.ts';
import { identifier, sql } from '../../sql/sql.ts';
import { defineDetection, type ExampleEvent, hours } from '../detection.ts';
import { failedSignIn } from '../sign_in.ts';

const spread = (users: number, minutes: number, more: ExampleEvent = {}): ExampleEvent[] =>
  Array.from({ length: users }, (_, i) => ({
    time: new Date(Date.UTC(2026, 10, 5, 8, 30) + Math.round((i * minutes * 60_000) / (users - 1))).toISOString(),
    'src_endpoint.ip': '203.0.113.66',
    status_id: 2,
    'user.name': `user-${i}@example.com`,
    ...more,
  }));

export default defineDetection({
  name: 'password_spray',
  title: 'One address fails to sign in as many users',
  severity: 'High',
  attack: ['T1110.003'],
  threat: ['account_takeover'],
  why: 'A few common passwords tried on many accounts stay below every lock-out; only the address gives it away.',
  falsePositives: 'The address of an office or proxy while its identity provider is down.',
  requires: 'CloudTrail sign-in events or Databricks audit logs',
  on: authentication,
  where: failedSignIn,
  by: [sql`src_endpoint.ip`],
  window: hours(1),
  atLeast: 10,
  distinct: sql`${identifier('user')}.name`,
  entities: {
    user_name: sql`NULL`,
    user_uid: sql`NULL`,
    message: sql`'Failed sign-ins as many users from ' || src_endpoint.ip`,
  },
  examples: [
    { when: 'ten users in exactly an hour, across the hour', given: spread(10, 60), alerts: 1 },
    { when: 'ten users in more than an hour', given: spread(10, 60.01), alerts: 0 },
    { when: 'nine users', given: spread(9, 30), alerts: 0 },
    { when: 'one user, twenty times', given: spread(20, 30, { 'user.name': 'ana@example.com' }), alerts: 0 },
    { when: 'the sign-ins succeed', given: spread(10, 30, { status_id: 1 }), alerts: 0 },
    {
      when: 'the address itself is refused',
      given: spread(10, 30, { 'api.operation': 'IpAccessDenied' }),
      alerts: 0,
    },
    { when: 'no address is known', given: spread(10, 30, { 'src_endpoint.ip': null }), alerts: 0 },
  ],
});
