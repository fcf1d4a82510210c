import { accountChange } from '../../silver/class.ts';
import { jsonField } from '../../sql/functions.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const target = jsonField(sql<string>`api.request.data`, 'userName');

const create = {
  activity_id: 99,
  activity_name: 'CreateAccessKey',
  'actor.user.name': 'ana',
  'actor.user.type_id': 1,
  'api.operation': 'CreateAccessKey',
  'api.request.data': '{"userName":"backup-svc"}',
  'api.service.name': 'iam.amazonaws.com',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
  'user.name': 'backup-svc',
};
const own = { ...create, 'user.name': 'ana' };

export default defineDetection({
  name: 'access_key_for_another_user',
  title: 'Access key created for another user',
  severity: 'Medium',
  attack: ['T1098.001'],
  threat: ['account_takeover'],
  why: 'Whoever makes a key for someone else can act as that user, and stays when the own access is taken away.',
  falsePositives: 'Administrators and automation that hand out keys to service users.',
  requires: 'CloudTrail management events',
  on: accountChange,
  where: sql`api.service.name = 'iam.amazonaws.com' AND api.operation = 'CreateAccessKey' AND status_id = 1
    AND ${target} IS NOT NULL AND NOT coalesce(actor.user.type_id = 1 AND actor.user.name = ${target}, FALSE)`,
  entities: { message: sql`'Access key created for ' || ${target} || coalesce(' by ' || actor.user.name, '')` },
  examples: [
    { when: 'a user makes a key for another', given: [create], alerts: 1 },
    {
      when: 'a role makes a key for a user',
      given: [{ ...create, 'actor.user.type_id': 99, 'actor.user.type': 'AssumedRole' }],
      alerts: 1,
    },
    {
      when: 'root makes a key for a user',
      given: [{ ...create, 'actor.user.name': 'root', 'actor.user.type_id': 2 }],
      alerts: 1,
    },
    { when: 'a user names itself', given: [{ ...own, 'api.request.data': '{"userName":"ana"}' }], alerts: 0 },
    { when: 'a call that names nobody is for the caller', given: [{ ...own, 'api.request.data': null }], alerts: 0 },
    { when: 'root names nobody', given: [{ ...own, 'actor.user.type_id': 2, 'api.request.data': null }], alerts: 0 },
    { when: 'the call is denied', given: [{ ...create, status_id: 2 }], alerts: 0 },
    { when: 'another change to another user', given: [{ ...create, 'api.operation': 'UpdateAccessKey' }], alerts: 0 },
  ],
});
