import { apiActivity } from '../../silver/class.ts';
import { defineDetection } from '../detection.ts';
import { settingEdit, switchesOff } from '../workspace.ts';

const off = settingEdit('enableIpAccessLists', 'false');

export default defineDetection({
  name: 'ip_access_lists_disabled',
  title: 'IP access lists of a Databricks workspace switched off',
  severity: 'High',
  attack: ['T1562.007'],
  threat: ['defense_evasion'],
  why: 'The lists stay as they are and nobody heeds them: the workspace can be reached from anywhere.',
  falsePositives: 'A move to private connectivity; it should be announced.',
  requires: 'Databricks audit logs',
  on: apiActivity,
  where: switchesOff('enableIpAccessLists'),
  examples: [
    { when: 'switched off', given: [off], alerts: 1 },
    { when: 'switched on', given: [settingEdit('enableIpAccessLists', 'true')], alerts: 0 },
    { when: 'verbose audit logs switched off', given: [settingEdit('enableVerboseAuditLogs', 'false')], alerts: 0 },
    { when: 'it is refused', given: [{ ...off, status_id: 2 }], alerts: 0 },
  ],
});
