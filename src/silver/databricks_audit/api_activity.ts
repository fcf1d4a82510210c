import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, matches, text, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { apiActivity } from '../class.ts';
import { bronze, defineMapping, parse } from '../mapping.ts';
import { objects } from '../row.ts';
import { actor, event, origin, params } from './event.ts';

/** Actions that begin with one of these words, after the name of a product; `get` begins getTable and not getaway. */
const verbs = (words: string): string =>
  `^(deltaSharing(Proxy)?|genie|api|privileged|workspaceConf|batch-)?(?i:${words.trim().split(/\s+/).join('|')})([^a-z]|$)`;
const CREATE = verbs(
  'add accept clone create execute fork generate import install link mint publish put register request send submit take upload',
);
const READ = verbs(
  'check describe download export get list lookup metadata notify open preview query read retrieve scan search show test validate view',
);
const UPDATE = verbs(
  `approve archive attach change checkout close commit configure detach discard edit enable disable enroll favorite finalize finish
  grant lock mark merge migrate modify move mount patch pull reject rename reorder repair replace reset resize restart restore resume
  rotate run schedule set setup start stop subscribe suspend swap terminate transfer transition trigger unfavorite unlink unlock
  unmark unsubscribe update upsert write`,
);
const DELETE = verbs('cancel delete destroy drop permanent purge remove revoke trash uninstall unpublish');

/** Any action that has no finer class. */
export default defineMapping({
  source: databricksAudit,
  class: apiActivity,
  events: 'rest',
  parse: (record) => ({
    params: parse(params(record), {
      cluster_id: text,
      dashboard_id: text,
      experimentId: text,
      full_name_arg: text,
      id: text,
      instanceId: text,
      instance_pool_id: text,
      ipAccessListId: text,
      job_id: text,
      key: text,
      name: text,
      name_arg: text,
      notebookId: text,
      path: text,
      pipeline_id: text,
      policy_id: text,
      run_id: text,
      scope: text,
      script_id: text,
      securable_full_name: text,
      space_id: text,
      url: text,
      volume_full_name: text,
      workspaceConfKeys: text,
    }),
  }),
  columns: (record, { params: p }) => ({
    ...actor(record),
    ...event(record),
    ...origin(record),
    activity_id: when(
      [
        [matches(bronze.action, DELETE), literal(4)],
        [matches(bronze.action, READ), literal(2)],
        [matches(bronze.action, UPDATE), literal(3)],
        [matches(bronze.action, CREATE), literal(1)],
      ],
      literal(99),
    ),
    activity_name: bronze.action,
    resources: objects('resource_details', {
      name: coalesce(
        p.full_name_arg,
        p.name_arg,
        p.securable_full_name,
        p.volume_full_name,
        p.name,
        p.path,
        p.workspaceConfKeys,
        p.key,
        p.scope,
        p.url,
      ),
      role_id: literal(1),
      type: bronze.service,
      uid: coalesce(
        p.cluster_id,
        p.job_id,
        p.run_id,
        p.notebookId,
        p.pipeline_id,
        p.dashboard_id,
        p.space_id,
        p.policy_id,
        p.instance_pool_id,
        p.ipAccessListId,
        p.script_id,
        p.experimentId,
        p.id,
      ),
    }),
    'src_endpoint.instance_uid': p.instanceId,
  }),
});
