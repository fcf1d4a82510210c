import { UserError } from '../errors.ts';
import { spark } from '../sql/spark.ts';
import { fileOf, type Setting, secondsOf, settingOf } from './environment.ts';
import { authorityOf, messageOf, RemoteEngine, serverMessage } from './remote.ts';
import { HttpError } from './retry.ts';
import { type Credentials, type Protocol, ThriftError, ThriftSession } from './thrift.ts';

/** Where Spark's Thrift server listens: what `npm run spark` prints. */
export interface SparkOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Path of the PEM of its certificate. */
  readonly ca?: string | undefined;
  /** Seconds that a statement may take. */
  readonly timeout?: number | undefined;
  /** Cancels what runs, on the server too, and lets nothing more run. */
  readonly signal?: AbortSignal | undefined;
}

/** Where Spark listens by a manifest's `engine`, of which `folder` is the manifest's; reads the environment where it says so. */
export function sparkOptions(
  engine: {
    readonly host: Setting;
    readonly port: number;
    readonly path: Setting;
    readonly ca?: Setting | undefined;
    readonly timeout?: string | undefined;
  },
  folder: string,
): SparkOptions {
  return {
    host: settingOf('host', engine.host),
    port: engine.port,
    path: settingOf('path', engine.path),
    ca: fileOf('ca', engine.ca, folder),
    timeout: engine.timeout === undefined ? undefined : secondsOf(engine.timeout),
  };
}

/** HiveServer2's tenth version, the newest that Spark speaks. */
const PROTOCOL = 9;

// The logs have names that differ in case only.
const SETTINGS = {
  'spark.sql.session.timeZone': 'UTC',
  'spark.sql.caseSensitive': 'true',
  'spark.sql.ansi.enabled': 'true',
  // The other way, partition by partition, runs its jobs where a cancel does not reach them.
  'spark.sql.thriftServer.incrementalCollect': 'false',
  'spark.sql.thriftServer.interruptOnCancel': 'true',
};

const protocol: Protocol = {
  open: {
    client_protocol: PROTOCOL,
    configuration: Object.fromEntries(Object.entries(SETTINGS).map(([k, v]) => [`set:hiveconf:${k}`, v])),
  },
};

/** Spark's server here asks for no name, but its protocol wants one. */
const anyone: Credentials = {
  authenticate: async () => ({ Authorization: `Basic ${Buffer.from('ocsf:ocsf').toString('base64')}` }),
};

/** Why no session came about, as a mistake in the manifest's `engine`. */
function unreachable(error: unknown, { host, port, path, ca }: SparkOptions): UserError {
  const said = messageOf(error);
  const where = `https://${host}:${port}${path}`;
  if (/ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN/.test(said))
    return new UserError(
      `No Spark answers at ${where}: start it with "npm run spark -- --port ${port}", or check engine.host and engine.port. (${said})`,
    );
  if (/certificate|self.signed|altnames|SSL|TLS|EPROTO/i.test(said))
    return new UserError(
      `The certificate of ${where} is not trusted: engine.ca is ${ca ? `${ca}, which did not sign it` : 'missing'}. (${said})`,
    );
  if (error instanceof HttpError && error.status < 500)
    return new UserError(`${where} refuses: check engine.path, which is /cliservice for "npm run spark". (${said})`);
  return new UserError(
    `Cannot open a session on Spark at ${where}: ${error instanceof ThriftError ? serverMessage(said) : said}`,
  );
}

/** Opens a session on a Spark Thrift server; throws a `UserError` where it cannot be reached or trusted. */
export async function openSpark(options: SparkOptions): Promise<RemoteEngine> {
  const { host, port, path, signal, timeout } = options;
  const address = { host, port, path, ca: await authorityOf(options.ca) };
  const session = await ThriftSession.open(address, () => anyone, protocol, { signal }).catch((error: unknown) => {
    throw signal?.aborted ? error : unreachable(error, options);
  });
  return new RemoteEngine(session, { dialect: spark, title: 'Spark', signal, timeout });
}
