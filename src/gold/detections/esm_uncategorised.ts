import { defineEsmRemainder } from '../esm.ts';

export default defineEsmRemainder({
  name: 'esm_uncategorised',
  title: 'Alert of the monitoring agent on a Databricks node',
  threat: ['workload_compromise'],
  why: 'The agent knows more names than its documentation lists; a name nobody has sorted yet must not go unseen.',
  falsePositives: 'Names that your own software raises every day; give them a category once they are understood.',
});
