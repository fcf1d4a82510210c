/** The four categories of Capsule8 detections in Enhanced Security Monitoring. */
export type EsmCategory = 'container_escape' | 'host_security' | 'kernel_events' | 'suspicious_activity';

/** One Capsule8 detection: its category (one primary one, though Databricks lists two names twice), OCSF severity and ATT&CK techniques. */
export interface EsmDetection {
  readonly category: EsmCategory;
  readonly severity: 3 | 4 | 5;
  readonly attack: readonly string[];
}

/** The published detection names; the vocabulary is open, so any other name is a detection too. */
export const esmDetections = {
  'Container Escape via Kernel Exploitation': { category: 'container_escape', severity: 5, attack: ['T1611'] },
  'Userland Container Escape': { category: 'container_escape', severity: 5, attack: ['T1611'] },
  'Privileged Container Launched': { category: 'container_escape', severity: 4, attack: ['T1610', 'T1611'] },
  'Processor-Level Protections Disabled': { category: 'host_security', severity: 5, attack: ['T1562.001', 'T1068'] },
  'AppArmor Disabled In Kernel': { category: 'host_security', severity: 4, attack: ['T1562.001'] },
  'AppArmor Profile Modified': { category: 'host_security', severity: 4, attack: ['T1562.001'] },
  'Boot Files Modified': { category: 'host_security', severity: 4, attack: ['T1542'] },
  'Root Certificate Store Modified': { category: 'host_security', severity: 4, attack: ['T1553.004'] },
  'BPF Program Executed': { category: 'kernel_events', severity: 3, attack: ['T1014', 'T1205.002'] },
  'Kernel Module Loaded': { category: 'kernel_events', severity: 4, attack: ['T1547.006'] },
  'Kernel Exploit': { category: 'kernel_events', severity: 5, attack: ['T1068'] },
  'New File Executed in Container': { category: 'suspicious_activity', severity: 3, attack: ['T1059'] },
  'Suspicious Interactive Shell': { category: 'suspicious_activity', severity: 4, attack: ['T1059.004'] },
  'User Command Logging Evasion': { category: 'suspicious_activity', severity: 4, attack: ['T1070.003', 'T1562.003'] },
} as const satisfies Readonly<Record<string, EsmDetection>>;

/** The severity of each published detection; others are Medium. */
export const severities = Object.fromEntries(
  Object.entries(esmDetections).map(([name, { severity }]) => [name, severity]),
) as Readonly<Record<string, 3 | 4 | 5>>;
