import { accountChange } from '../../silver/class.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const create = {
  'actor.user.name': 'node-role',
  'api.operation': 'CreateUser',
  'api.service.name': 'iam.amazonaws.com',
  'src_endpoint.instance_uid': 'i-0abc123def4567890',
  'src_endpoint.ip': '198.51.100.20',
  status_id: 1,
  'user.name': 'backup-svc',
};

export default defineDetection({
  name: 'iam_user_created_by_instance',
  title: 'EC2 instance created an IAM user',
  severity: 'High',
  attack: ['T1136.003'],
  threat: ['account_takeover', 'workload_compromise'],
  why: 'Servers have roles and need no users; one made from a server is a way back in after the server is gone.',
  falsePositives: 'Build servers that manage accounts with the role of their instance.',
  requires: 'CloudTrail management events',
  on: accountChange,
  where: sql`api.service.name = 'iam.amazonaws.com' AND api.operation = 'CreateUser' AND status_id = 1
    AND src_endpoint.instance_uid IS NOT NULL`,
  examples: [
    { when: 'a session of an instance creates a user', given: [create], alerts: 1 },
    { when: 'a person creates a user', given: [{ ...create, 'src_endpoint.instance_uid': null }], alerts: 0 },
    { when: 'an instance is denied it', given: [{ ...create, status_id: 2 }], alerts: 0 },
    { when: 'an instance tags a user', given: [{ ...create, 'api.operation': 'TagUser' }], alerts: 0 },
  ],
});
