import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { boolean, coalesce, equals, lookup, regexExtract, when } from '../../sql/functions.ts';
import { literal, named } from '../../sql/sql.ts';
import { apiActivity } from '../class.ts';
import { defineMapping } from '../mapping.ts';
import { event, outcome, resources } from './event.ts';

const verbs = <A extends number>(list: string, activity: A): Record<string, A> =>
  Object.fromEntries(list.split(' ').map((verb) => [verb, activity]));
const VERBS = {
  ...verbs(
    'Describe Get List Head Check Decrypt Download Estimate Lookup Preview Query Read Scan Search Select Simulate Test Validate Verify View',
    2,
  ),
  ...verbs(
    'Update Put Modify Add Apply Assign Associate Attach Authorize Change Detach Disable Disassociate Enable Lock Move Reboot Replace Reset Resize Restore Rotate Schedule Send Set Start Stop Tag Unassign Unlock Untag Upload Write',
    3,
  ),
  ...verbs('Create Allocate Copy Generate Import Issue Provision Register Request Run', 1),
  ...verbs('Delete Cancel Deregister Purge Release Remove Revoke Terminate', 4),
} as const;

/** Any event that has no finer class; what a call does is told by the verb of its name. */
export default defineMapping({
  source: cloudtrail,
  class: apiActivity,
  events: 'rest',
  columns: (record) => {
    const verb = named('verb', regexExtract(record.eventName, '^(?:Admin|Batch|Bulk)?([A-Z][a-z]+)', 1));
    return {
      ...event(record),
      activity_id: coalesce(
        lookup(verb, VERBS),
        when([[equals(boolean(record.readOnly), true), literal(2)]], literal(99)),
      ),
      resources: resources(record),
      status_id: outcome(record),
    };
  },
});
