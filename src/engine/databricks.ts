import type { Agent } from 'node:https';
import { messageOf, UserError } from '../errors.ts';
import { databricks } from '../sql/databricks.ts';
import { CLIENT_ID, CLIENT_SECRET, fileOf, type Setting, secondsOf, settingOf } from './environment.ts';
import { lz4 } from './ipc.ts';
import { servicePrincipal } from './oauth.ts';
import { authorityOf, type Kind, RemoteEngine, serverMessage } from './remote.ts';
import { HttpError, type Patience } from './retry.ts';
import { type Credentials, type Protocol, ThriftError, ThriftSession, wide } from './thrift.ts';

/** Who works on Databricks: a service principal with a secret (OAuth), or the owner of a personal access token. */
export type Identity = { readonly clientId: string; readonly clientSecret: string } | { readonly token: string };

/** Where a SQL warehouse is and who works on it. */
export interface DatabricksOptions {
  /** The workspace, such as `dbc-1234.cloud.databricks.com`. */
  readonly host: string;
  readonly port: number;
  /** The warehouse's HTTP path, such as `/sql/1.0/warehouses/abc`. */
  readonly path: string;
  readonly catalog: string;
  readonly identity: Identity;
  /** Path of the PEM of an authority to trust beside those that Node knows. */
  readonly ca?: string | undefined;
  /** Seconds that a statement may take. */
  readonly timeout?: number | undefined;
  /** Cancels what runs, on the warehouse too, and lets nothing more run. */
  readonly signal?: AbortSignal | undefined;
  readonly waits?: Patience | undefined;
  /** Whether large results may come as files from cloud storage; they do unless told. */
  readonly cloudFetch?: boolean | undefined;
  /** Makes the catalog where it is missing, if that is allowed. */
  readonly makeCatalog?: boolean | undefined;
}

/** A manifest's `engine` of type `databricks`. */
export interface DatabricksSettings {
  readonly host: Setting;
  readonly path: Setting;
  readonly catalog: string;
  readonly clientId?: { readonly env: string } | undefined;
  readonly clientSecret?: { readonly env: string } | undefined;
  readonly token?: { readonly env: string } | undefined;
  readonly ca?: Setting | undefined;
  readonly timeout?: string | undefined;
}

/** Where the warehouse is by a manifest's `engine`, of which `folder` is the manifest's; reads the environment where it says so. */
export function databricksOptions(engine: DatabricksSettings, folder: string): DatabricksOptions {
  const host = settingOf('host', engine.host).trim();
  const text = host.includes('://') ? host : `https://${host}`;
  const address = URL.canParse(text) ? new URL(text) : undefined;
  if (address?.protocol !== 'https:' || address.username || address.password)
    throw new UserError(
      'engine.host is to be the address of a workspace, such as "dbc-1234.cloud.databricks.com": the connection is HTTPS, and credentials do not stand in it.',
    );
  const path = settingOf('path', engine.path);
  if (!/^\/?sql\/.+/.test(path))
    throw new UserError(
      `engine.path is ${JSON.stringify(path)}, and no SQL warehouse's: copy "HTTP path" from the warehouse's connection details, such as "/sql/1.0/warehouses/1234567890abcdef".`,
    );
  return {
    host: address.hostname,
    port: Number(address.port || 443),
    path: path.startsWith('/') ? path : `/${path}`,
    catalog: engine.catalog,
    identity: engine.token
      ? { token: settingOf('token', engine.token) }
      : {
          clientId: settingOf('clientId', engine.clientId ?? CLIENT_ID),
          clientSecret: settingOf('clientSecret', engine.clientSecret ?? CLIENT_SECRET),
        },
    ca: fileOf('ca', engine.ca, folder),
    timeout: engine.timeout === undefined ? undefined : secondsOf(engine.timeout),
  };
}

/** The newest version of the protocol that the driver's own sessions ask for, SPARK_CLI_SERVICE_PROTOCOL_V8. */
const PROTOCOL = 0xa508;
const NO_CATALOG = /NO_SUCH_CATALOG|CATALOG_NOT_FOUND|Catalog '.*' (was )?not found/;
const DIRECT_ROWS = 100_000;
const DIRECT_BYTES = 16 << 20;

async function protocolOf(cloudFetch: boolean, catalog: string | undefined): Promise<Protocol> {
  const decompress = await lz4();
  return {
    open: {
      client_protocol_i64: wide(PROTOCOL),
      canUseMultipleCatalogs: true,
      ...(catalog === undefined ? {} : { initialNamespace: { catalogName: catalog } }),
      configuration: { TIMEZONE: 'UTC', ANSI_MODE: 'true' },
    },
    execute: {
      getDirectResults: { maxRows: wide(DIRECT_ROWS), maxBytes: wide(DIRECT_BYTES) },
      canReadArrowResult: true,
      canDownloadResult: cloudFetch,
      canDecompressLZ4Result: decompress !== undefined,
      useArrowNativeTypes: {
        timestampAsArrow: true,
        decimalAsArrow: true,
        complexTypesAsArrow: true,
        intervalTypesAsArrow: false,
      },
    },
    decompress,
  };
}

const MISSING = /does not have ((?:[A-Z]+ )*[A-Z]+) on ([A-Za-z]+(?: [A-Za-z]+)*?) '([^']+)'/;
const quoted = (name: string): string => name.split('.').map(databricks.quote).join('.');

/** What to grant, by the words in which Unity Catalog refuses. */
export function missingGrant(said: string, principal: string): string | undefined {
  const [, privilege, kind, name] = MISSING.exec(said) ?? [];
  if (privilege && kind && name)
    return `Missing: GRANT ${privilege} ON ${kind.toUpperCase()} ${quoted(name)} TO ${principal};`;
  if (/PERMISSION_DENIED|INSUFFICIENT_PERMISSIONS|SQLSTATE:? 42501/.test(said))
    return 'A grant is missing: "grants --check" lists what this manifest needs and what is there.';
  return undefined;
}

/** How GRANT names who works: a service principal by its application id. */
export const granteeOf = (identity: Identity): string =>
  'clientId' in identity ? quoted(identity.clientId) : "`<the token's owner>`";

/** Why no session came about, as a mistake in the manifest's `engine` or the environment. */
function unreachable(error: unknown, options: DatabricksOptions): UserError {
  if (error instanceof UserError) return error;
  const { host, path, ca, identity } = options;
  const said = error instanceof ThriftError ? serverMessage(error.message) : messageOf(error);
  if (/ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN/.test(said))
    return new UserError(`No workspace answers at https://${host}: check engine.host. (${said})`);
  if (/certificate|self.signed|altnames|SSL|TLS|EPROTO/i.test(said))
    return new UserError(
      `The certificate of https://${host} is not trusted: ${ca ? `${ca} did not sign it` : 'where a proxy signs anew, name its authority in engine.ca'}. (${said})`,
    );
  const status = error instanceof HttpError ? error.status : 0;
  if (status === 401 || status === 403)
    return new UserError(
      'token' in identity
        ? `${host} refuses the personal access token: it has expired or was revoked, or its owner may not use the warehouse. Make a new one, or better a service principal. (${said})`
        : `${host} refuses the service principal on ${path}: give it CAN USE on the warehouse, and the entitlement "Databricks SQL access". (${said})`,
    );
  if (status === 400 || status === 404)
    return new UserError(
      `https://${host} has no SQL warehouse at ${path}: copy "HTTP path" from the warehouse's connection details into engine.path. (${said})`,
    );
  return new UserError(`Cannot open a session on https://${host}${path}: ${said}`);
}

/** Text without the secrets in it, should a server send them back. */
const hiding = (identity: Identity) => {
  const secret = 'token' in identity ? identity.token : identity.clientSecret;
  return (text: string): string => text.replaceAll(secret, '***');
};

/** A SQL warehouse as its workspace describes it. */
export interface Warehouse {
  readonly name: string;
  /** `PRO` or `CLASSIC`. */
  readonly type: string;
  readonly serverless: boolean;
}

/** SQL on a warehouse of Databricks. */
export class DatabricksEngine extends RemoteEngine {
  readonly #url: string;

  constructor(session: ThriftSession, kind: Kind, url: string) {
    super(session, kind);
    this.#url = url;
  }

  /** What the workspace says of the warehouse, over REST. */
  async warehouse(): Promise<Warehouse> {
    const said = await this.session.ask(this.#url);
    const text = (name: string): string =>
      typeof said === 'object' && said !== null ? String(Reflect.get(said, name) ?? '') : '';
    return {
      name: text('name'),
      type: text('warehouse_type'),
      serverless: text('enable_serverless_compute') === 'true',
    };
  }
}

/** Opens a session on a SQL warehouse, and waits while it starts; throws a `UserError` where it cannot be reached or refuses who asks. */
export async function openDatabricks(options: DatabricksOptions): Promise<DatabricksEngine> {
  const { host, port, path, identity, signal, timeout, waits } = options;
  const ca = await authorityOf(options.ca);
  const hide = hiding(identity);
  const credentials = (agent: Agent): Credentials =>
    'token' in identity
      ? { authenticate: async () => ({ Authorization: `Bearer ${identity.token}` }) }
      : servicePrincipal({ ...identity, workspace: `https://${host}:${port}`, agent, waits });
  const open = async (catalog: string | undefined): Promise<ThriftSession> =>
    ThriftSession.open({ host, port, path, ca }, credentials, await protocolOf(options.cloudFetch ?? true, catalog), {
      waits,
      signal,
    });
  let missing = false;
  const session = await open(options.catalog)
    .catch((error: unknown) => {
      missing = (options.makeCatalog ?? false) && NO_CATALOG.test(messageOf(error));
      if (!missing) throw error;
      return open(undefined);
    })
    .catch((error: unknown) => {
      if (signal?.aborted) throw error;
      const { message } = unreachable(error, options);
      throw new UserError(hide(message));
    });
  const kind: Kind = {
    dialect: databricks,
    title: 'Databricks',
    advice: (said) => missingGrant(said, granteeOf(identity)),
    hide,
    signal,
    timeout,
  };
  const engine = new DatabricksEngine(
    session,
    kind,
    `https://${host}:${port}/api/2.0${path.replace('/sql/1.0', '/sql')}`,
  );
  if (missing) await makeCatalog(engine, options.catalog);
  return engine;
}

/** Makes the catalog and goes on in it; throws a `UserError` that says who can where that is refused. */
async function makeCatalog(engine: DatabricksEngine, catalog: string): Promise<void> {
  const name = databricks.quote(catalog);
  try {
    await engine.execute(`CREATE CATALOG IF NOT EXISTS ${name}`);
    await engine.execute(`USE CATALOG ${name}`);
  } catch (error) {
    await engine[Symbol.asyncDispose]();
    throw new UserError(
      `There is no catalog ${catalog}, and it cannot be made: an admin runs CREATE CATALOG ${name} and what "grants" prints, or engine.catalog is misspelt. (${messageOf(error)})`,
    );
  }
}
