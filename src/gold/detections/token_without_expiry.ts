import { accountChange } from '../../silver/class.ts';
import { jsonField, long } from '../../sql/functions.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const expires = long(jsonField(sql<string>`api.request.data`, 'tokenExpirationTime'));

const made = Date.UTC(2026, 10, 5, 9, 21, 40);
const token = (tokenExpirationTime?: string | null) => ({
  activity_id: 99,
  activity_name: 'generateDbToken',
  'actor.user.name': 'ana@example.com',
  'api.operation': 'generateDbToken',
  'api.request.data': JSON.stringify({ userId: '7000000099001', tokenExpirationTime }),
  'api.service.name': 'accounts',
  'metadata.product.name': 'Databricks',
  status_id: 1,
  time: new Date(made).toISOString(),
});

export default defineDetection({
  name: 'token_without_expiry',
  title: 'Databricks token that never expires',
  severity: 'High',
  attack: ['T1098.001', 'T1550.001'],
  threat: ['account_takeover', 'insider_threat'],
  why: 'Such a token opens the workspace until someone thinks of revoking it, whatever happens to the password.',
  falsePositives: 'Old automation that knows no other way; OAuth for service principals replaces it.',
  requires: 'Databricks audit logs',
  on: accountChange,
  where: sql`metadata.product.name = 'Databricks' AND api.operation = 'generateDbToken' AND status_id <> 2
    AND coalesce(${expires}, 0) <= time`,
  examples: [
    { when: 'it says -1', given: [token('-1')], alerts: 1 },
    { when: 'it says nothing', given: [token()], alerts: 1 },
    { when: 'it says null', given: [token(null)], alerts: 1 },
    { when: 'it is empty', given: [token('')], alerts: 1 },
    { when: 'it lies at the moment of its making', given: [token(String(made))], alerts: 1 },
    { when: 'it lies a millisecond after it', given: [token(String(made + 1))], alerts: 0 },
    { when: 'it lies 90 days ahead', given: [token(String(made + 90 * 86_400_000))], alerts: 0 },
    { when: 'no token was made', given: [{ ...token('-1'), status_id: 2 }], alerts: 0 },
    { when: 'a token is revoked', given: [{ ...token(), 'api.operation': 'revokeDbToken' }], alerts: 0 },
  ],
});
