import { databricksAudit } from '../../bronze/databricks_audit.ts';
import { coalesce, isNotNull, lookup, regexExtract, text, when } from '../../sql/functions.ts';
import { literal } from '../../sql/sql.ts';
import { applicationLifecycle } from '../class.ts';
import { activityOf, bronze, defineMapping, parse } from '../mapping.ts';
import { actor, event, params } from './event.ts';

const events = {
  apps: { deployApp: 1, startApp: 3, stopApp: 4 },
  clusterLibraries: {
    installLibraries: 1,
    installLibraryOnAllClusters: 1,
    uninstallLibraries: 2,
    uninstallLibraryOnAllClusters: 2,
  },
  clusters: {
    delete: 4,
    deleteResult: 4,
    permanentDelete: 2,
    restart: 5,
    restartResult: 5,
    start: 3,
    startResult: 3,
  },
  databrickssql: { startEndpoint: 3, startWarehouse: 3, stopEndpoint: 4, stopWarehouse: 4 },
  deltaPipelines: { startUpdate: 3, stop: 4 },
  jobs: {
    cancel: 4,
    cancelAllRuns: 4,
    repairRun: 3,
    runFailed: 4,
    runNow: 3,
    runStart: 3,
    runSucceeded: 4,
    runTriggered: 3,
    submitRun: 3,
  },
  monit: { '*': 99, processNotRunning: 4, processRestarting: 5, processStarted: 3 },
  serverlessRealTimeInference: { disable: 7, enable: 6 },
} as const;

const OUTCOMES = { Error: 2, Failed: 2, Running: 1, Succeeded: 1, Terminated: 1 } as const;
const PACKAGE = '"(?:package|coordinates|jar|whl|egg)": ?"([^"]+)"';

/** What runs on Databricks and when it starts and stops: clusters, jobs, warehouses, pipelines, apps, libraries, a node's processes. */
export default defineMapping({
  source: databricksAudit,
  class: applicationLifecycle,
  events,
  parse: (record) => ({
    params: parse(params(record), {
      clusterId: text,
      clusterName: text,
      clusterState: text,
      cluster_id: text,
      cluster_name: text,
      id: text,
      instanceId: text,
      jobId: text,
      jobTerminalState: text,
      job_id: text,
      libraries: text,
      library: text,
      name: text,
      pipeline_id: text,
      processName: text,
      registered_model_name: text,
      runId: text,
      run_id: text,
      run_name: text,
    }),
  }),
  columns: (record, { params: p }) => {
    const shared = event(record);
    const library = regexExtract(coalesce(p.library, p.libraries), PACKAGE, 1);
    const called = coalesce(library, p.processName, p.name, p.clusterName, p.cluster_name, p.run_name);
    const outcome = coalesce(
      lookup(bronze.action, { runFailed: 2, runSucceeded: 1 }),
      lookup(coalesce(p.jobTerminalState, p.clusterState), OUTCOMES),
    );
    return {
      ...actor(record),
      ...shared,
      activity_id: activityOf(events),
      activity_name: bronze.action,
      'app.feature.name': bronze.service,
      'app.name': coalesce(called, p.registered_model_name, bronze.service),
      'app.uid': coalesce(p.job_id, p.jobId, p.cluster_id, p.clusterId, p.pipeline_id, p.id, p.run_id, p.runId),
      'app.vendor_name': literal('Databricks'),
      'device.instance_uid': p.instanceId,
      'device.type_id': literal(6),
      status_id: when([[isNotNull(outcome), outcome]], shared.status_id),
    };
  },
});
