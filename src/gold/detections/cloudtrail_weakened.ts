import { apiActivity } from '../../silver/class.ts';
import { jsonField, matches, or } from '../../sql/functions.ts';
import { type Condition, sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const data = sql<string>`api.request.data`;
const off = (name: string): Condition => sql`${jsonField(data, name)} = 'false'`;
const has = (pattern: string): Condition => matches(data, pattern);
/** Selectors that leave the trail without management events, or without any. */
const blind = or(
  sql`${has('"includeManagementEvents" *: *false')} AND NOT ${has('"includeManagementEvents" *: *true')}`,
  has('"(eventSelectors|advancedEventSelectors)" *: *\\[ *\\]'),
  sql`${has('"advancedEventSelectors"')} AND NOT ${has('"Management"')} AND NOT ${has('"advancedEventSelectors" *: *null')}`,
);

const put = (operation: string, request: object) => ({
  'api.operation': operation,
  'api.request.data': JSON.stringify(request),
  'api.service.name': 'cloudtrail.amazonaws.com',
  status_id: 1,
});
const trail = { name: 'example-trail', isMultiRegionTrail: true, enableLogFileValidation: true };
const basic = { readWriteType: 'All', includeManagementEvents: true, dataResources: [] };
const select = (...eventSelectors: object[]) =>
  put('PutEventSelectors', { trailName: 'example-trail', eventSelectors });
const advanced = (category: string) =>
  put('PutEventSelectors', {
    trailName: 'example-trail',
    advancedEventSelectors: [{ fieldSelectors: [{ field: 'eventCategory', equals: [category] }] }],
  });

export default defineDetection({
  name: 'cloudtrail_weakened',
  title: 'CloudTrail records less than before',
  severity: 'High',
  attack: ['T1562.008'],
  threat: ['defense_evasion'],
  why: 'The trail goes on, but without other regions, global services, file validation or management events: quieter than stopping it.',
  falsePositives: 'A second trail that is meant for data events alone.',
  requires: 'CloudTrail management events',
  on: apiActivity,
  where: sql`api.service.name = 'cloudtrail.amazonaws.com' AND status_id = 1 AND (
    (api.operation = 'UpdateTrail' AND ${or(off('isMultiRegionTrail'), off('includeGlobalServiceEvents'), off('enableLogFileValidation'))})
    OR (api.operation = 'PutEventSelectors' AND ${blind}))`,
  examples: [
    {
      when: 'a trail for one region only',
      given: [put('UpdateTrail', { ...trail, isMultiRegionTrail: false })],
      alerts: 1,
    },
    {
      when: 'no file validation',
      given: [put('UpdateTrail', { ...trail, enableLogFileValidation: false })],
      alerts: 1,
    },
    { when: 'a trail with everything', given: [put('UpdateTrail', trail)], alerts: 0 },
    { when: 'no management events', given: [select({ ...basic, includeManagementEvents: false })], alerts: 1 },
    { when: 'no selectors', given: [select()], alerts: 1 },
    { when: 'only data events, the new way', given: [advanced('Data')], alerts: 1 },
    { when: 'management events, the new way', given: [advanced('Management')], alerts: 0 },
    { when: 'one of two has them', given: [select(basic, { ...basic, includeManagementEvents: false })], alerts: 0 },
    { when: 'a denied call', given: [{ ...select(), status_id: 2 }], alerts: 0 },
  ],
});
