import { defineEsmDetection } from '../esm.ts';

export default defineEsmDetection('container_escape', {
  name: 'esm_container_escape',
  title: 'Container escape on a Databricks node',
  threat: ['workload_compromise'],
  why: 'Code that leaves its container owns the node: the credentials of its instance profile and the data of every job beside it.',
  falsePositives: 'Privileged containers of your own container services or monitoring agents.',
});
