import { apiActivity } from '../../silver/class.ts';
import { matches } from '../../sql/functions.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const change = (operation: string) => ({
  'actor.user.name': 'ana@example.com',
  'api.operation': operation,
  'api.request.data': '{"ipAccessListId":"3f1c5a7e-9b2d-4e60-8a1b-5c7d9e0f1a2b","userId":"7000000099001"}',
  'api.service.name': 'accounts',
  'metadata.product.name': 'Databricks',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
});

export default defineDetection({
  name: 'ip_access_list_changed',
  title: 'IP access list of Databricks changed',
  severity: 'Medium',
  attack: ['T1562.007'],
  threat: ['defense_evasion'],
  why: 'The list decides from where a workspace or the account can be reached; without it a stolen token works from anywhere.',
  falsePositives: 'Network changes that were announced. A deleted list is High, any other change Medium.',
  requires: 'Databricks audit logs',
  on: apiActivity,
  where: sql`metadata.product.name = 'Databricks' AND status_id <> 2
    AND ${matches(sql<string>`api.operation`, '^(create|update|replace|delete)(Account)?IpAccessLists?$')}`,
  entities: {
    severity_id: sql`CASE WHEN api.operation LIKE 'delete%' THEN 4 ELSE 3 END`,
    message: sql`'IP access list: ' || api.operation || coalesce(' by ' || actor.user.name, '')`,
  },
  examples: [
    { when: 'a list is deleted', given: [change('deleteIpAccessList')], alerts: 1, severity: 'High' },
    { when: 'a list is replaced', given: [change('replaceIpAccessList')], alerts: 1 },
    { when: 'a list is made', given: [change('createIpAccessList')], alerts: 1 },
    { when: 'a list is changed', given: [change('updateIpAccessList')], alerts: 1 },
    { when: 'lists are read', given: [change('listIpAccessLists')], alerts: 0 },
    { when: 'the change is refused', given: [{ ...change('deleteIpAccessList'), status_id: 2 }], alerts: 0 },
    { when: 'somebody is kept out by it', given: [change('IpAccessDenied')], alerts: 0 },
  ],
});
