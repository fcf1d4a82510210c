import { defineEsmDetection } from '../esm.ts';

export default defineEsmDetection('host_security', {
  name: 'esm_host_security',
  title: 'Protection of a Databricks node weakened',
  threat: ['defense_evasion', 'workload_compromise'],
  why: 'Someone with root on the node switches off what confines processes, or plants what survives a restart or breaks TLS.',
  falsePositives: 'Init scripts that install a company root certificate or change AppArmor profiles.',
});
