import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { RecordBatch } from 'apache-arrow';
import { EngineError, UserError } from '../errors.ts';
import { spark } from '../sql/spark.ts';
import type { Engine } from './engine.ts';
import { type Address, ThriftError, ThriftSession } from './thrift.ts';

/** Where Spark's Thrift server listens: what `npm run spark` prints. */
export interface SparkOptions {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** Path of the PEM of its certificate. */
  readonly ca?: string;
  /** Cancels what runs, on the server too, and lets nothing more run. */
  readonly signal?: AbortSignal;
}

/** Text, or the environment variable that holds it. */
type Setting = string | { readonly env: string };

/** Where Spark listens by a manifest's `engine`, of which `folder` is the manifest's; reads the environment where it says so. */
export function sparkOptions(
  engine: { readonly host: Setting; readonly port: number; readonly path: Setting; readonly ca?: Setting | undefined },
  folder: string,
): SparkOptions {
  const text = (name: string, setting: Setting): string => {
    const value = typeof setting === 'string' ? setting : process.env[setting.env];
    if (!value)
      throw new UserError(
        `engine.${name} is to come from the environment variable ${typeof setting === 'string' ? '' : setting.env}, which is not set.`,
      );
    return value;
  };
  const ca = engine.ca === undefined ? {} : { ca: resolve(folder, text('ca', engine.ca)) };
  return { host: text('host', engine.host), port: engine.port, path: text('path', engine.path), ...ca };
}

// The logs have names that differ in case only.
const SETTINGS = {
  'spark.sql.session.timeZone': 'UTC',
  'spark.sql.caseSensitive': 'true',
  'spark.sql.ansi.enabled': 'true',
  // The other way, partition by partition, runs its jobs where a cancel does not reach them.
  'spark.sql.thriftServer.incrementalCollect': 'false',
  'spark.sql.thriftServer.interruptOnCancel': 'true',
};

const OF_DATA = /^22/;

/** Spark's own words: without the class of the exception, the plan, the statement and the Java stack. */
export function sparkMessage(text: string): string {
  const lines = text.replace(/^[\w.]*HiveSQLException: /, '').split('\n');
  const end = lines.findIndex(
    (line, i) => i > 0 && /^(\s*at [\w.$/]+\(|== |Caused by: |'|[+:]- |\s*$|[A-Z][A-Za-z]+ [[(])/.test(line),
  );
  return (end < 0 ? lines : lines.slice(0, end))
    .join('\n')
    .replace(/^(Error (running query|operating \w+): )/, '')
    .replace(/^(\[[\w.]+\] )?([\w$]+\.)+[\w$]+(Exception|Error): \s*/, '$1')
    .replace(/^(\[[\w.]+\] )\1/, '$1')
    .replace(/;$/, '')
    .trim();
}

const first = (error: unknown): string => (error instanceof Error ? error.message : String(error));

function refusal(error: unknown, statement: string): unknown {
  if (!(error instanceof ThriftError)) return new EngineError(first(error), { statement, cause: error });
  const sqlState = error.sqlState ?? '';
  const said = sparkMessage(error.message);
  const message = sqlState === '' || said.includes(sqlState) ? said : `${said} (SQLSTATE ${sqlState})`;
  return new EngineError(message, { statement, ofData: OF_DATA.test(sqlState) });
}

/** Why no session came about, as a mistake in the manifest's `engine`. */
function unreachable(error: unknown, { host, port, path, ca }: SparkOptions): UserError {
  const said = first(error);
  const where = `https://${host}:${port}${path}`;
  if (/ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN/.test(said))
    return new UserError(
      `No Spark answers at ${where}: start it with "npm run spark -- --port ${port}", or check engine.host and engine.port. (${said})`,
    );
  if (/certificate|self.signed|altnames|SSL|TLS|EPROTO/i.test(said))
    return new UserError(
      `The certificate of ${where} is not trusted: engine.ca is ${ca ? `${ca}, which did not sign it` : 'missing'}. (${said})`,
    );
  if (/HTTP status code: 4/.test(said))
    return new UserError(`${where} refuses: check engine.path, which is /cliservice for "npm run spark". (${said})`);
  return new UserError(
    `Cannot open a session on Spark at ${where}: ${error instanceof ThriftError ? sparkMessage(said) : said}`,
  );
}

/** Opens a session on a Spark Thrift server; throws a `UserError` where it cannot be reached or trusted. */
export async function openSpark(options: SparkOptions): Promise<Engine> {
  const { host, port, path, ca, signal } = options;
  const pem =
    ca === undefined
      ? undefined
      : await readFile(ca, 'utf8').catch((error: unknown) => {
          throw new UserError(`Cannot read engine.ca: ${first(error)}`);
        });
  const address: Address = { host, port, path, ...(pem === undefined ? {} : { ca: pem }) };
  const session = await ThriftSession.open(address, SETTINGS).catch((error: unknown) => {
    throw unreachable(error, options);
  });
  return new SparkEngine(session, signal);
}

class SparkEngine implements Engine {
  readonly dialect = spark;
  readonly #session: ThriftSession;
  readonly #signal: AbortSignal | undefined;

  constructor(session: ThriftSession, signal: AbortSignal | undefined) {
    this.#session = session;
    this.#signal = signal;
  }

  /** Delta says how many rows a MERGE, UPDATE or DELETE changed; of an INSERT it says nothing, which counts as 0. */
  async execute(statement: string): Promise<number> {
    let changed = 0;
    for await (const batch of this.query(statement)) {
      const at = batch.schema.fields.findIndex((field) => field.name === 'num_affected_rows');
      if (at >= 0 && batch.numRows > 0) changed += Number(batch.getChildAt(at)?.get(0) ?? 0);
    }
    return changed;
  }

  async *query(statement: string): AsyncGenerator<RecordBatch> {
    try {
      yield* this.#session.run(statement, this.#signal);
    } catch (error) {
      throw refusal(error, statement);
    }
  }

  /** Spark has no transactions: the work just runs. Every statement is idempotent, so that a rerun reaches the same state. */
  transaction<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#session[Symbol.asyncDispose]();
  }
}
