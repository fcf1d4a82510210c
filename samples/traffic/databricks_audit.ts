import { databricksAccount, hosts, type Person, person, workspaces } from '../estate.ts';
import { numberOf, type Random, random } from '../random.ts';
import type { LogSource } from '../source.ts';

/** One audit event; a workspace of 0 makes it an event of the account. */
export interface AuditEvent {
  readonly workspace: number;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly service: string;
  readonly action: string;
  readonly email?: string | null;
  readonly address?: string | null;
  readonly agent?: string | null;
  readonly session?: string | null;
  readonly request: string;
  readonly parameters: Readonly<Record<string, string>>;
  /** Null for the first half of a long call, whose answer comes in a record of its own. */
  readonly response: { readonly status: number; readonly error?: string; readonly result?: string } | null;
  readonly runAs?: string;
}

/** The delivered JSON of an event, in one line. */
export function auditLine(event: AuditEvent): string {
  const { workspace, response } = event;
  return JSON.stringify({
    version: '2.0',
    auditLevel: workspace === 0 ? 'ACCOUNT_LEVEL' : 'WORKSPACE_LEVEL',
    timestamp: event.time,
    ...(workspace === workspaces[1] ? { workspaceId: workspace } : { orgId: String(workspace) }),
    accountId: databricksAccount,
    sourceIPAddress: event.address ?? null,
    userAgent: event.agent ?? null,
    sessionId: event.session ?? null,
    userIdentity: { email: event.email ?? null, subjectName: null },
    serviceName: event.service,
    actionName: event.action,
    requestId: event.request,
    requestParams: event.parameters,
    response: response && {
      statusCode: response.status,
      errorMessage: response.error ?? null,
      result: response.result ?? null,
    },
    ...(event.runAs === undefined ? {} : { identityMetadata: { runBy: event.email, runAs: event.runAs } }),
  });
}

/** Who does it: a person at a browser, a person or a service principal through an API, Databricks, or an agent on a node. */
type By = 'browser' | 'program' | 'anyone' | 'system' | 'sensor';

interface Actor {
  readonly email: string | null;
  readonly address: string | null;
  readonly agent: string | null;
  readonly session: string | null;
  /** The id of the access token, where a program has one. */
  readonly token?: string;
}

interface Call {
  readonly chance: Random;
  readonly time: number;
  readonly person: Person;
  readonly actor: Actor;
  readonly workspace: number;
  readonly cluster: string;
  readonly table: string;
}

interface Deed {
  readonly service: string;
  readonly action: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly result?: string;
  readonly ofAccount?: boolean;
  readonly refusal?: readonly [status: number, message: string];
  readonly runAs?: string;
}

const nodes = hosts('us-east-1', 'node', 8);
const metastore = '5c4b3a29-1807-4f6e-8d5c-4b3a29180716';
const warehouse = '4f5e6d7c8b9a0123';
const agents = [
  'Databricks-Service/driver DBHttpClient/v2RawClient',
  'databricks-sdk-py/0.67.0 python/3.11.9 auth/oauth-m2m',
  'PyDatabricksSqlConnector/4.1.0 (dbt/1.10.1)',
  'databricks-cli/0.272.0 os/linux auth/pat',
];
const schemas = ['sales', 'finance', 'supply', 'web'];
const tables = ['orders', 'customers', 'events'];
const commands = [
  ['python', 'df = spark.table("main.sales.orders")\ndf.groupBy("region").count().show()'],
  ['sql', 'SELECT count(*) FROM main.web.events WHERE event_date = current_date()'],
  ['python', 'model.fit(train, epochs=3)'],
  ['scala', 'val daily = spark.read.table("main.supply.events")'],
] as const;
const statements = [
  'SELECT region, sum(amount) FROM main.sales.orders GROUP BY region',
  'SELECT * FROM main.finance.customers LIMIT 100',
  'MERGE INTO main.web.events USING staged ON events.id = staged.id WHEN NOT MATCHED THEN INSERT *',
];
const forbidden = [403, "PERMISSION_DENIED: User does not have USE SCHEMA on Schema 'main.finance'."] as const;
const missing = [404, 'RESOURCE_DOES_NOT_EXIST: the object is gone.'] as const;

const signIn = ({ chance, actor }: Call): Deed => ({
  service: 'accounts',
  action: 'tokenLogin',
  parameters: {
    user: actor.email ?? '',
    tokenId: actor.token ?? '',
    authenticationMethod: chance.chance(0.6) ? 'API_INT_PAT_TOKEN' : 'API_EXT_PAT_TOKEN',
  },
  ...(chance.chance(0.003) ? { refusal: [401, 'Unauthorized: invalid access token'] as const } : {}),
});

const clusterCall = ({ chance, cluster }: Call): Deed => ({
  service: 'clusters',
  action: chance.pick(['start', 'restart', 'resize', 'delete']),
  parameters: { cluster_id: cluster },
  result: JSON.stringify({ cluster_id: cluster }),
});

const notebook = (chance: Random): string => String(1_000_000_000_000 + chance.below(400));

const deeds: readonly (readonly [weight: number, by: By, (call: Call) => Deed])[] = [
  [46, 'program', signIn],
  [
    3,
    'browser',
    ({ person }) => ({
      service: 'accounts',
      action: 'samlLogin',
      parameters: { user: person.email, authentication_method: 'BROWSER_BYO_IDP_SAML' },
    }),
  ],
  [
    3,
    'program',
    ({ actor }) => ({
      service: 'accounts',
      action: 'oidcTokenAuthorization',
      parameters: { user: actor.email ?? '' },
    }),
  ],
  [
    2,
    'program',
    ({ chance }) => ({
      service: 'accounts',
      action: 'mintOAuthToken',
      ofAccount: true,
      parameters: { grant_type: 'client_credentials', scope: 'all-apis', expires_in: '3600', client_id: chance.uuid() },
    }),
  ],
  [1, 'browser', ({ person }) => ({ service: 'accounts', action: 'logout', parameters: { user: person.email } })],
  [
    9,
    'anyone',
    ({ chance, table, workspace }) => ({
      service: 'unityCatalog',
      action: 'getTable',
      ofAccount: chance.chance(0.4),
      parameters: {
        full_name_arg: table,
        include_delta_metadata: 'true',
        workspace_id: String(workspace),
        metastore_id: metastore,
      },
      ...(chance.chance(0.02) ? { refusal: chance.chance(0.4) ? forbidden : missing } : {}),
    }),
  ],
  [
    6,
    'anyone',
    ({ chance, table, workspace }) => ({
      service: 'unityCatalog',
      action: 'generateTemporaryTableCredential',
      ofAccount: chance.chance(0.4),
      parameters: {
        table_full_name: table,
        table_id: chance.uuid(),
        operation: chance.chance(0.8) ? 'READ' : 'READ_WRITE',
        credential_type: 'StorageCredential',
        workspace_id: String(workspace),
      },
      ...(chance.chance(0.01) ? { refusal: forbidden } : {}),
    }),
  ],
  [
    1,
    'program',
    ({ chance, workspace }) => ({
      service: 'unityCatalog',
      action: 'generateTemporaryPathCredential',
      parameters: {
        url: `s3://example-lake-curated/__unitystorage/tables/${chance.uuid()}`,
        operation: 'PATH_READ',
        workspace_id: String(workspace),
      },
    }),
  ],
  [
    2,
    'anyone',
    ({ chance, workspace }) => ({
      service: 'unityCatalog',
      action: chance.pick(['getCatalog', 'getSchema', 'listTables', 'getPermissions']),
      parameters: { catalog_name: 'main', schema_name: chance.pick(schemas), workspace_id: String(workspace) },
    }),
  ],
  [
    5,
    'browser',
    ({ chance }) => {
      const [commandLanguage, commandText] = chance.pick(commands);
      return {
        service: 'notebook',
        action: 'runCommand',
        parameters: {
          notebookId: notebook(chance),
          commandId: `${chance.between(1, 9)}${chance.hex(12)}`,
          executionTime: (chance.fraction() * 90).toFixed(3),
          status: chance.chance(0.95) ? 'finished' : 'cancelled',
          commandLanguage,
          commandText,
        },
      };
    },
  ],
  [
    1.5,
    'browser',
    ({ chance, cluster, person }) => ({
      service: 'notebook',
      action: chance.pick(['attachNotebook', 'openNotebook', 'detachNotebook']),
      parameters: { notebookId: notebook(chance), clusterId: cluster, path: `/Users/${person.email}/daily` },
    }),
  ],
  [
    4,
    'anyone',
    ({ chance }) => ({
      service: 'databrickssql',
      action: 'commandSubmit',
      parameters: { warehouseId: warehouse, commandId: chance.uuid(), commandText: chance.pick(statements) },
    }),
  ],
  [
    3,
    'anyone',
    ({ chance }) => ({
      service: 'databrickssql',
      action: 'commandFinish',
      parameters: { warehouseId: warehouse, commandId: chance.uuid() },
    }),
  ],
  [
    0.3,
    'browser',
    ({ chance, person }) => ({
      service: 'clusters',
      action: 'create',
      parameters: {
        cluster_name: `${person.name} exploration`,
        spark_version: '16.4.x-scala2.12',
        node_type_id: 'i3.xlarge',
        num_workers: String(chance.between(1, 8)),
        autotermination_minutes: '60',
        data_security_mode: 'USER_ISOLATION',
        aws_attributes: JSON.stringify({ availability: 'SPOT_WITH_FALLBACK', zone_id: 'auto' }),
      },
      result: JSON.stringify({ cluster_id: `1101-0${chance.between(10_000, 59_999)}-${chance.hex(8)}` }),
    }),
  ],
  [
    2,
    'program',
    ({ chance }) => ({
      service: 'jobs',
      action: 'runNow',
      parameters: { job_id: String(500_000 + chance.below(40)) },
      result: JSON.stringify({ run_id: chance.between(1e9, 9e9) }),
    }),
  ],
  [
    3,
    'system',
    ({ chance, workspace, person }) => ({
      service: 'jobs',
      action: chance.pick(['runStart', 'runSucceeded', 'runSucceeded', 'runFailed']),
      parameters: {
        jobId: String(500_000 + chance.below(40)),
        runId: String(chance.between(1e9, 9e9)),
        jobTriggerType: 'cron',
        jobTaskType: 'notebook',
        orgId: String(workspace),
      },
      runAs: person.email,
    }),
  ],
  [
    1.5,
    'program',
    ({ chance }) => ({
      service: 'secrets',
      action: 'getSecret',
      parameters: { scope: 'etl', key: chance.pick(['warehouse-url', 'broker-user', 'mail-relay', 'api-base']) },
    }),
  ],
  [
    1.5,
    'browser',
    ({ chance }) => ({
      service: 'dashboards',
      action: 'getDashboard',
      parameters: { dashboard_id: chance.hex(16) },
    }),
  ],
  [
    1.3,
    'program',
    ({ chance }) => ({
      service: 'filesystem',
      action: chance.pick(['directoriesGet', 'filesHead', 'filesPut']),
      parameters: { path: `/Volumes/main/web/landing/${chance.hex(6)}.parquet` },
    }),
  ],
  [
    0.4,
    'sensor',
    ({ chance }) => ({
      service: 'clamAVScanService-dataplane',
      action: 'clamAVScanAction',
      parameters: { instanceId: chance.pick(nodes).instance },
      result: 'Infected files: 0',
    }),
  ],
  [
    0.3,
    'browser',
    ({ chance }) => ({
      service: 'mlflowExperiment',
      action: 'createMlflowExperiment',
      parameters: { experimentId: chance.hex(16), experimentName: 'churn' },
    }),
  ],
  [
    0.2,
    'browser',
    () => ({
      service: 'accountBillableUsage',
      action: 'getAggregatedUsage',
      ofAccount: true,
      parameters: { account_id: databricksAccount, window_size: 'DAY', meter_name: 'dbus' },
    }),
  ],
  [0.1, 'program', () => ({ service: 'groups', action: 'getGroupMembers', parameters: { group_name: 'analysts' } })],
  [
    0.03,
    'browser',
    ({ chance }) => ({
      service: 'accounts',
      action: chance.pick(['addPrincipalToGroup', 'removePrincipalFromGroup']),
      ofAccount: true,
      parameters: {
        targetGroupName: 'analysts',
        targetGroupId: '901234567890',
        targetUserName: person(chance.below(12)).email,
        targetUserId: chance.pick(['7000000001234', '7000000005678']),
        endpoint: 'scim',
      },
    }),
  ],
  [
    0.02,
    'browser',
    ({ chance, person, time }) => ({
      service: 'accounts',
      action: 'generateDbToken',
      parameters: {
        userId: person.databricksUser,
        tokenExpirationTime: String(time + 86_400_000),
        tokenHash: chance.hex(64),
      },
    }),
  ],
  [
    0.01,
    'browser',
    () => ({
      service: 'workspace',
      action: 'workspaceConfEdit',
      parameters: { workspaceConfKeys: 'enableProjectTypeInWorkspace', workspaceConfValues: 'true' },
    }),
  ],
];

const shareOfLongCalls = 0.012;
const totalWeight = deeds.reduce((total, [weight]) => total + weight, 0);

function choose(chance: Random): (typeof deeds)[number] {
  let left = chance.fraction() * totalWeight;
  for (const deed of deeds) {
    left -= deed[0];
    if (left < 0) return deed;
  }
  return chance.pick(deeds);
}

/** Databricks audit logs: NDJSON for each workspace, and for the account under workspace 0. */
export const databricksAudit: LogSource = {
  name: 'databricks_audit',
  recordsPerFile: 50_000,
  path: ({ stream, covers, suffix }) =>
    `databricks_audit/workspaceId=${stream}/date=${covers.toISOString().slice(0, 10)}/auditlogs_${suffix}.json`,
  frame: () => ({ head: '', between: '\n', tail: '\n' }),
  broken: (text, chance) => text.slice(0, Math.floor(text.length * (0.3 + chance.fraction() * 0.6))),
  traffic({ seed, count, timeOf }) {
    const chance = random(0, 0, 0);
    const fixed = random(0, 0, 0);
    const people = Math.min(1_500, Math.max(12, Math.ceil(count / 2_000)));
    const programs = Math.min(200, Math.max(3, Math.ceil(count / 10_000)));
    const clusters = Math.ceil(people / 3);

    const tokenOf = (email: string): string => fixed.seed(79, numberOf(email), email.length).hex(32);
    const actorOf = (by: By, number: number, who: Person, time: number): Actor => {
      if (by === 'system')
        return { email: 'System-User', address: chance.pick([null, '', '127.0.0.1']), agent: null, session: null };
      if (by === 'sensor') return { email: null, address: null, agent: null, session: null };
      if (by === 'program' && chance.chance(0.45)) {
        const program = chance.below(programs);
        const email = fixed.seed(77, 1, program).uuid();
        return {
          email,
          address: `10.20.1.${10 + (program % 200)}`,
          agent: agents[1] ?? null,
          session: null,
          token: tokenOf(email),
        };
      }
      if (by === 'browser' || (by === 'anyone' && chance.chance(0.5))) {
        const session = `session-${fixed.seed(seed, number, Math.floor(time / 86_400_000)).hex(12)}`;
        return { email: who.email, address: who.address, agent: who.browser, session };
      }
      const port = chance.chance(0.5) && !who.address.includes(':') ? `:${chance.between(1_024, 65_535)}` : '';
      return {
        email: who.email,
        address: who.address + port,
        agent: agents[number % agents.length] ?? null,
        session: null,
        token: tokenOf(who.email),
      };
    };

    return (index) => {
      const pair = Math.floor(index / 2);
      const answer = index % 2 === 1;
      const long = chance.seed(seed, 21, pair).chance(shareOfLongCalls);
      if (!long) chance.seed(seed, 22, index);
      const time = Math.floor(timeOf(long ? pair * 2 : index)) + (long && answer ? 41_000 : 0);
      const [, by, doIt] = long ? ([1, 'anyone', clusterCall] as const) : choose(chance);
      const number = chance.below(people);
      const cluster = chance.below(clusters);
      const who = person(number);
      const call: Call = {
        chance,
        time,
        person: who,
        actor: actorOf(by, number, who, time),
        workspace: chance.chance(0.7) ? workspaces[0] : workspaces[1],
        cluster: `1101-08${String(cluster % 10_000).padStart(4, '0')}-${fixed.seed(78, 2, cluster).hex(8)}`,
        table: `main.${chance.pick(schemas)}.${chance.pick(tables)}`,
      };
      const { service, action, parameters, result, ofAccount, refusal, runAs } = doIt(call);
      const workspace = ofAccount === true ? 0 : call.workspace;
      const done = refusal
        ? { status: refusal[0], error: refusal[1] }
        : { status: 200, ...(result === undefined ? {} : { result }) };
      const text = auditLine({
        workspace,
        time,
        service,
        action,
        ...call.actor,
        request: chance.chance(0.8) ? chance.uuid() : `ServiceMain-${chance.hex(16)}`,
        parameters,
        response: long && !answer ? null : done,
        ...(runAs === undefined ? {} : { runAs }),
      });
      return { stream: String(workspace), text };
    };
  },
};
