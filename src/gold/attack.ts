import { absent } from '../sql/functions.ts';
import { literal, type Sql, sql } from '../sql/sql.ts';

/** ATT&CK version whose ids and names are used. */
export const ATTACK_VERSION = '18.0';

const tactics = {
  TA0043: 'Reconnaissance',
  TA0001: 'Initial Access',
  TA0002: 'Execution',
  TA0003: 'Persistence',
  TA0004: 'Privilege Escalation',
  TA0005: 'Defense Evasion',
  TA0006: 'Credential Access',
  TA0007: 'Discovery',
  TA0008: 'Lateral Movement',
  TA0010: 'Exfiltration',
  TA0040: 'Impact',
} as const;

const technique = <const U extends string>(uid: U, name: string, tactic: keyof typeof tactics, sub?: string) => ({
  version: sql<string>`${ATTACK_VERSION}`,
  'tactic.uid': literal(tactic) as Sql<string>,
  'tactic.name': literal(tactics[tactic]) as Sql<string>,
  'technique.uid': literal(uid.split('.')[0] ?? uid) as Sql<string>,
  'technique.name': literal(name) as Sql<string>,
  'sub_technique.uid': (sub ? literal(uid) : absent) as Sql<string>,
  'sub_technique.name': (sub ? literal(sub) : absent) as Sql<string>,
});

/** The techniques that rules name: id, names and the tactic under which the rule sees it. */
export const techniques = {
  T1014: technique('T1014', 'Rootkit', 'TA0005'),
  T1046: technique('T1046', 'Network Service Discovery', 'TA0007'),
  T1048: technique('T1048', 'Exfiltration Over Alternative Protocol', 'TA0010'),
  T1059: technique('T1059', 'Command and Scripting Interpreter', 'TA0002'),
  'T1059.004': technique('T1059.004', 'Command and Scripting Interpreter', 'TA0002', 'Unix Shell'),
  T1068: technique('T1068', 'Exploitation for Privilege Escalation', 'TA0004'),
  'T1070.003': technique('T1070.003', 'Indicator Removal', 'TA0005', 'Clear Command History'),
  T1078: technique('T1078', 'Valid Accounts', 'TA0001'),
  'T1078.004': technique('T1078.004', 'Valid Accounts', 'TA0001', 'Cloud Accounts'),
  T1098: technique('T1098', 'Account Manipulation', 'TA0003'),
  'T1098.001': technique('T1098.001', 'Account Manipulation', 'TA0003', 'Additional Cloud Credentials'),
  'T1098.003': technique('T1098.003', 'Account Manipulation', 'TA0003', 'Additional Cloud Roles'),
  T1105: technique('T1105', 'Ingress Tool Transfer', 'TA0002'),
  T1110: technique('T1110', 'Brute Force', 'TA0006'),
  'T1110.001': technique('T1110.001', 'Brute Force', 'TA0006', 'Password Guessing'),
  'T1110.003': technique('T1110.003', 'Brute Force', 'TA0006', 'Password Spraying'),
  'T1136.003': technique('T1136.003', 'Create Account', 'TA0003', 'Cloud Account'),
  T1133: technique('T1133', 'External Remote Services', 'TA0001'),
  T1190: technique('T1190', 'Exploit Public-Facing Application', 'TA0001'),
  T1204: technique('T1204', 'User Execution', 'TA0002'),
  'T1205.002': technique('T1205.002', 'Traffic Signaling', 'TA0003', 'Socket Filters'),
  T1484: technique('T1484', 'Domain or Tenant Policy Modification', 'TA0004'),
  T1499: technique('T1499', 'Endpoint Denial of Service', 'TA0040'),
  T1542: technique('T1542', 'Pre-OS Boot', 'TA0003'),
  'T1547.006': technique('T1547.006', 'Boot or Logon Autostart Execution', 'TA0003', 'Kernel Modules and Extensions'),
  'T1550.001': technique('T1550.001', 'Use Alternate Authentication Material', 'TA0008', 'Application Access Token'),
  'T1552.005': technique('T1552.005', 'Unsecured Credentials', 'TA0006', 'Cloud Instance Metadata API'),
  'T1553.004': technique('T1553.004', 'Subvert Trust Controls', 'TA0005', 'Install Root Certificate'),
  'T1562.001': technique('T1562.001', 'Impair Defenses', 'TA0005', 'Disable or Modify Tools'),
  'T1562.003': technique('T1562.003', 'Impair Defenses', 'TA0005', 'Impair Command History Logging'),
  'T1562.007': technique('T1562.007', 'Impair Defenses', 'TA0005', 'Disable or Modify Cloud Firewall'),
  'T1562.008': technique('T1562.008', 'Impair Defenses', 'TA0005', 'Disable or Modify Cloud Logs'),
  T1610: technique('T1610', 'Deploy Container', 'TA0002'),
  T1611: technique('T1611', 'Escape to Host', 'TA0004'),
} as const;

export type Technique = keyof typeof techniques;
