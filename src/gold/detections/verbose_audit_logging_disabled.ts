import { apiActivity } from '../../silver/class.ts';
import { defineDetection } from '../detection.ts';
import { settingEdit, switchesOff } from '../workspace.ts';

const off = settingEdit('enableVerboseAuditLogs', 'false');

export default defineDetection({
  name: 'verbose_audit_logging_disabled',
  title: 'Verbose audit logs of a Databricks workspace switched off',
  severity: 'High',
  attack: ['T1562.008'],
  threat: ['defense_evasion', 'insider_threat'],
  why: 'Without them the commands of notebooks and queries leave no trace in the audit log.',
  falsePositives: 'An administrator who saves volume; it should be announced.',
  requires: 'Databricks audit logs',
  on: apiActivity,
  where: switchesOff('enableVerboseAuditLogs'),
  examples: [
    { when: 'switched off', given: [off], alerts: 1 },
    { when: 'switched off, written otherwise', given: [settingEdit('enableVerboseAuditLogs', 'False')], alerts: 1 },
    {
      when: 'with another key',
      given: [settingEdit('enableVerboseAuditLogs,enableWebTerminal', 'FALSE,true')],
      alerts: 1,
    },
    { when: 'switched on', given: [settingEdit('enableVerboseAuditLogs', 'true')], alerts: 0 },
    { when: 'another key switched off', given: [settingEdit('enableWebTerminal', 'false')], alerts: 0 },
    { when: 'a key with a longer name', given: [settingEdit('enableVerboseAuditLogsBeta', 'false')], alerts: 0 },
    { when: 'it is refused', given: [{ ...off, status_id: 2 }], alerts: 0 },
    { when: 'nothing is said', given: [{ ...off, 'api.request.data': null }], alerts: 0 },
  ],
});
