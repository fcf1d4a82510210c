import { defineEsmDetection } from '../esm.ts';

export default defineEsmDetection('kernel_events', {
  name: 'esm_kernel_events',
  title: 'Kernel of a Databricks node changed or exploited',
  threat: ['workload_compromise', 'defense_evasion'],
  why: 'Modules and BPF programs run inside the kernel, where they see everything and hide what they like.',
  falsePositives: 'Init scripts that load drivers; observability tools that use BPF.',
});
