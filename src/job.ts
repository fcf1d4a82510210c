import type { EngineSettings } from './manifest.ts';

/** A file to run, and what must have run before it. */
export interface Task {
  readonly name: string;
  readonly file: string;
  readonly after: readonly string[];
}

/** What a bundle is called, and the file with its job. */
export const BUNDLE = 'ocsf-medallion-sql';
export const JOB = 'ocsf_medallion_sql';

/** What stands for a variable of the bundle. */
const variable = (name: string): string => `\${var.${name}}`;
const WAREHOUSE = /^\/sql\/[^/]+\/warehouses\/([^/]+)$/;
const HOURS_3 = 10_800;
const MINUTES_5 = 300_000;

/** The settings of a bundle: its variables and where it is deployed. */
export function bundleOf(engine: EngineSettings & { readonly type: 'databricks' }): object {
  const { catalog, path } = engine;
  const warehouse = typeof path === 'string' ? WAREHOUSE.exec(path)?.[1] : undefined;
  return {
    bundle: { name: BUNDLE },
    include: ['resources/*.yml'],
    variables: {
      catalog: { description: 'Catalog of Unity Catalog that holds the tables.', default: catalog },
      warehouse_id: {
        description: 'Serverless or pro SQL warehouse on which the files run.',
        ...(warehouse ? { default: warehouse } : { lookup: { warehouse: 'Serverless Starter Warehouse' } }),
      },
      service_principal: {
        description: 'Application id of the service principal that runs the job and owns the tables.',
      },
      notification_email: { description: 'Who is told when a run has failed, after all its tries.' },
    },
    targets: {
      dev: { mode: 'development', default: true, variables: { catalog: `${catalog}_dev` } },
      prod: {
        mode: 'production',
        workspace: {
          root_path: `/Workspace/Users/\${workspace.current_user.userName}/.bundle/\${bundle.name}/\${bundle.target}`,
        },
        run_as: { service_principal_name: variable('service_principal') },
        permissions: [{ level: 'CAN_VIEW', service_principal_name: variable('service_principal') }],
      },
    },
  };
}

/** A job of SQL files, every hour; paths are relative to the job's own file. */
export const jobOf = (tasks: readonly Task[]): object => ({
  resources: {
    jobs: {
      [JOB]: {
        name: BUNDLE,
        description: 'Takes in new logs, fills the OCSF tables and raises alerts.',
        schedule: { quartz_cron_expression: '0 7 * * * ?', timezone_id: 'UTC' },
        max_concurrent_runs: 1,
        queue: { enabled: true },
        email_notifications: { on_failure: [variable('notification_email')] },
        parameters: [{ name: 'catalog', default: variable('catalog') }],
        tasks: tasks.map(({ name, file, after }) => ({
          task_key: name,
          ...(after.length > 0 ? { depends_on: after.map((one) => ({ task_key: one })) } : {}),
          timeout_seconds: HOURS_3,
          max_retries: 2,
          min_retry_interval_millis: MINUTES_5,
          sql_task: { warehouse_id: variable('warehouse_id'), file: { path: `../${file}`, source: 'WORKSPACE' } },
        })),
      },
    },
  },
});
