import { defineEsmDetection } from '../esm.ts';

export default defineEsmDetection('suspicious_activity', {
  name: 'esm_suspicious_activity',
  title: 'Suspicious activity on a Databricks node',
  threat: ['workload_compromise', 'insider_threat'],
  why: 'A shell on a node, fresh programs in its containers and commands that leave no history are how an intruder works by hand.',
  falsePositives: 'Engineers in the web terminal; notebooks that download and run tools.',
});
