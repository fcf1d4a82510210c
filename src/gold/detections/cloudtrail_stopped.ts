import { apiActivity } from '../../silver/class.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const stop = {
  'actor.user.name': 'backup-svc',
  'api.operation': 'StopLogging',
  'api.request.data': '{"name":"arn:aws:cloudtrail:us-east-1:123456789012:trail/example-trail"}',
  'api.service.name': 'cloudtrail.amazonaws.com',
  'src_endpoint.ip': '203.0.113.66',
  status_id: 1,
};

export default defineDetection({
  name: 'cloudtrail_stopped',
  title: 'CloudTrail stopped or deleted',
  severity: 'Critical',
  attack: ['T1562.008'],
  threat: ['defense_evasion'],
  why: 'From now on nothing that happens in the account is written down; intruders do this before the loud part.',
  falsePositives: 'An account that is closed; a trail that is replaced by an organisation trail.',
  requires: 'CloudTrail management events',
  on: apiActivity,
  where: sql`api.service.name = 'cloudtrail.amazonaws.com' AND status_id = 1
    AND api.operation IN ('StopLogging', 'DeleteTrail', 'StopEventDataStoreIngestion', 'DeleteEventDataStore')`,
  entities: { message: sql`'CloudTrail: ' || api.operation || coalesce(' by ' || actor.user.name, '')` },
  examples: [
    { when: 'logging is stopped', given: [stop], alerts: 1 },
    { when: 'the trail is deleted after that', given: [stop, { ...stop, 'api.operation': 'DeleteTrail' }], alerts: 2 },
    {
      when: 'an event data store is deleted',
      given: [{ ...stop, 'api.operation': 'DeleteEventDataStore' }],
      alerts: 1,
    },
    { when: 'stopping is denied', given: [{ ...stop, status_id: 2 }], alerts: 0 },
    { when: 'logging is started', given: [{ ...stop, 'api.operation': 'StartLogging' }], alerts: 0 },
    { when: 'another service', given: [{ ...stop, 'api.service.name': 'config.amazonaws.com' }], alerts: 0 },
  ],
});
