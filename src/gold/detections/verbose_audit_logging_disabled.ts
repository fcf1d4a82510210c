import { apiActivity } from '../../silver/class.ts';
import { jsonField, lower, matches } from '../../sql/functions.ts';
import { sql } from '../../sql/sql.ts';
import { defineDetection } from '../detection.ts';

const data = sql<string>`api.request.data`;
const keys = jsonField(data, 'workspaceConfKeys');
const values = lower(jsonField(data, 'workspaceConfValues'));

const edit = (workspaceConfKeys: string, workspaceConfValues: string) => ({
  'actor.user.name': 'admin@example.com',
  'api.operation': 'workspaceConfEdit',
  'api.request.data': JSON.stringify({ workspaceConfKeys, workspaceConfValues }),
  'api.service.name': 'workspace',
  'metadata.product.name': 'Databricks',
  status_id: 1,
});

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
  where: sql`api.service.name = 'workspace' AND api.operation = 'workspaceConfEdit' AND status_id <> 2
    AND contains(${keys}, 'enableVerboseAuditLogs') AND ${matches(values, '(^|[^a-z])false([^a-z]|$)')}`,
  examples: [
    { when: 'switched off', given: [edit('enableVerboseAuditLogs', 'false')], alerts: 1 },
    { when: 'switched off, written otherwise', given: [edit('enableVerboseAuditLogs', 'False')], alerts: 1 },
    {
      when: 'together with another key',
      given: [edit('enableVerboseAuditLogs,enableWebTerminal', 'FALSE,true')],
      alerts: 1,
    },
    { when: 'switched on', given: [edit('enableVerboseAuditLogs', 'true')], alerts: 0 },
    { when: 'another key switched off', given: [edit('enableWebTerminal', 'false')], alerts: 0 },
    { when: 'it is refused', given: [{ ...edit('enableVerboseAuditLogs', 'false'), status_id: 2 }], alerts: 0 },
    { when: 'nothing is said', given: [{ ...edit('', ''), 'api.request.data': null }], alerts: 0 },
  ],
});
