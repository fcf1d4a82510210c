import { cloudtrail } from '../../bronze/cloudtrail.ts';
import { and, boolean, equals, isNotNull, matches, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { apiActivity } from '../class.ts';
import { defineMapping } from '../mapping.ts';
import { event, failed, resources } from './event.ts';

const verbs = (...names: string[]): string => `^(${names.join('|')})([A-Z0-9]|$)`;
const CREATE = verbs(
  'Create',
  'Run',
  'Register',
  'Allocate',
  'Request',
  'Generate',
  'Issue',
  'Import',
  'Copy',
  'Issue',
);
const DELETE = verbs('Delete', 'Terminate', 'Remove', 'Deregister', 'Release', 'Purge', 'Revoke', 'Cancel');
const READ = verbs(
  'Get',
  'List',
  'Describe',
  'Head',
  'Lookup',
  'Search',
  'Query',
  'Scan',
  'BatchGet',
  'View',
  'Download',
  'Check',
  'Preview',
  'Test',
  'Validate',
  'Decrypt',
  'Verify',
);
const UPDATE = verbs(
  'Update',
  'Modify',
  'Put',
  'Set',
  'Attach',
  'Detach',
  'Associate',
  'Disassociate',
  'Enable',
  'Disable',
  'Start',
  'Stop',
  'Reboot',
  'Add',
  'Authorize',
  'Change',
  'Tag',
  'Untag',
  'Reset',
  'Restore',
  'Replace',
  'Assign',
  'Unassign',
  'Upload',
  'Send',
  'Batch',
  'Write',
  'Schedule',
);

/** Any event that has no finer class. */
export default defineMapping({
  source: cloudtrail,
  class: apiActivity,
  events: 'rest',
  columns: (record) => ({
    ...event(record),
    activity_id: when(
      [
        [matches(record.eventName, CREATE), literal(1)],
        [matches(record.eventName, READ), literal(2)],
        [matches(record.eventName, UPDATE), literal(3)],
        [matches(record.eventName, DELETE), literal(4)],
        [and(isNotNull(record.readOnly), equals(boolean(record.readOnly), true)), literal(2)],
      ],
      literal(99),
    ),
    activity_name: record.eventName,
    resources: resources(record),
    status_id: when([[failed(record), literal(2)]], literal(1)),
  }),
});
