import { Data, Field, RecordBatch, Schema, Struct, Vector } from 'apache-arrow';
import { messageOf, UserError } from '../errors.ts';
import { spark } from '../sql/spark.ts';
import { uniqueNames } from './columns.ts';
import { rows, SCHEMAS, type Values } from './engine.ts';
import { fileOf, type Setting, secondsOf, settingOf } from './environment.ts';
import { arrowType, isNested, nestedData } from './nested.ts';
import { authorityOf, RemoteEngine, serverMessage } from './remote.ts';
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
  // A plan's text holds its literals, and the records that a statement brings are one.
  'spark.sql.maxPlanStringLength': '10000',
  // Else types with many fields are described in part.
  'spark.sql.debug.maxToStringFields': '10000',
};

const protocolOf = (settings: Readonly<Record<string, string>>): Protocol => ({
  open: {
    client_protocol: PROTOCOL,
    configuration: Object.fromEntries(
      Object.entries({ ...SETTINGS, ...settings }).map(([k, v]) => [`set:hiveconf:${k}`, v]),
    ),
  },
});

const SELECTS = /^\s*(SELECT|WITH|VALUES|FROM|TABLE|\()/i;
const JSON_OPTIONS = `map('ignoreNullFields', 'false', 'timestampFormat', 'yyyy-MM-dd HH:mm:ss.SSSSSS', 'timestampNTZFormat', 'yyyy-MM-dd HH:mm:ss.SSSSSS')`;

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

/** Opens a session on a Spark Thrift server, `settings` added to its own; throws a `UserError` where it cannot be reached or trusted. */
export async function openSpark(
  options: SparkOptions,
  settings: Readonly<Record<string, string>> = {},
): Promise<RemoteEngine> {
  const { host, port, path, signal, timeout } = options;
  const address = { host, port, path, ca: await authorityOf(options.ca) };
  const session = await ThriftSession.open(address, () => anyone, protocolOf(settings), { signal }).catch(
    (error: unknown) => {
      throw signal?.aborted ? error : unreachable(error, options);
    },
  );
  return new SparkEngine(session, { dialect: spark, title: 'Spark', signal, timeout });
}

class SparkEngine extends RemoteEngine {
  /** The server sends structs, lists and maps as text that cannot be read back: they are asked for as JSON. */
  override async *query(statement: string, values?: Values, { flat = false } = {}): AsyncGenerator<RecordBatch> {
    const columns = flat || !SELECTS.test(statement) ? [] : await this.#columns(statement);
    if (!columns.some(({ type }) => isNested(type))) {
      yield* this.run(statement, values);
      return;
    }
    const names = columns.map((_, i) => `c${i}`);
    const asked = columns.map(({ type }, i) => (isNested(type) ? `to_json(c${i}, ${JSON_OPTIONS}) AS c${i}` : `c${i}`));
    const asJson = `SELECT ${asked.join(', ')} FROM (\n${statement}\n) AS t(${names.join(', ')})`;
    const unique = uniqueNames(columns.map(({ name }) => name));
    for await (const batch of this.run(asJson, values, statement)) {
      const children = batch.data.children.map((data, i) => {
        const type = columns[i]?.type ?? '';
        return isNested(type) ? nestedData(arrowType(type), new Vector([data])) : data;
      });
      const schema = new Schema(children.map((data, i) => new Field(unique[i] ?? '', data.type, true)));
      yield new RecordBatch(schema, new Data(new Struct(schema.fields), 0, batch.numRows, 0, {}, children));
    }
  }

  async #columns(statement: string): Promise<{ name: string; type: string }[]> {
    const found: { name: string; type: string }[] = [];
    for await (const batch of this.run(`DESCRIBE QUERY ${statement}`, undefined, statement))
      for (const row of batch) found.push({ name: String(row.col_name), type: String(row.data_type) });
    return found;
  }

  override async tables(): Promise<string[]> {
    const schemas = await this.schemas();
    const found: string[] = [];
    for (const schema of SCHEMAS) {
      if (!schemas.includes(schema)) continue;
      // Spark lists the session's own views under every schema.
      const tables = await rows<{ tableName: string; isTemporary: boolean }>(this, `SHOW TABLES IN ${schema}`);
      found.push(...tables.filter((t) => !t.isTemporary).map((t) => `${schema}.${t.tableName}`));
    }
    return found.sort();
  }
}
