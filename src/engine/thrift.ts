import { setTimeout as pause } from 'node:timers/promises';
import { DBSQLClient } from '@databricks/sql';
import type { RecordBatch } from 'apache-arrow';
import { batchOf, bytesOf, schemaOf, type ThriftColumn, type ThriftField } from './columns.ts';

type Driver = Awaited<ReturnType<DBSQLClient['getDriver']>>;
type Request<M extends keyof Driver> = Parameters<Driver[M]>[0];
type SessionHandle = Request<'executeStatement'>['sessionHandle'];
type OperationHandle = Request<'closeOperation'>['operationHandle'];
type Status = Awaited<ReturnType<Driver['closeOperation']>>['status'];

/** Where a Thrift server listens and how it is trusted. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** PEM of the authority that signed the server's certificate, beside those that Node knows. */
  readonly ca?: string;
}

/** The server refused a statement: its message as it wrote it, with a Java stack, and the SQL state. */
export class ThriftError extends Error {
  override readonly name = 'ThriftError';
  readonly sqlState: string | undefined;
  constructor(message: string, sqlState: string | null | undefined) {
    super(message);
    this.sqlState = sqlState ?? undefined;
  }
}

/** HiveServer2's tenth version, the newest that Spark speaks. */
const PROTOCOL = 9;
const LAST_GOOD_STATUS = 2;
const FINISHED = 2;
const WAITING = [0, 1, 7];
const FIRST_PAGE = 2_000;
const MOST_ROWS = 65_536;
const PAGE_BYTES = 16 << 20;
const SOCKET_TIMEOUT = 15 * 60_000;
const LONGEST_PAUSE = 500;

/** The driver's 64-bit numbers are objects of a library of its own; its writer takes plain numbers too. */
const wide = (value: number): Request<'fetchResults'>['maxRows'] =>
  value as unknown as Request<'fetchResults'>['maxRows'];

function check(status: Status): void {
  if (status.statusCode > LAST_GOOD_STATUS)
    throw new ThriftError(status.errorMessage ?? `status ${status.statusCode}`, status.sqlState);
}

/** A session on a server that speaks HiveServer2's protocol over HTTPS; statements run one after the other or at once. */
export class ThriftSession implements AsyncDisposable {
  readonly #client: DBSQLClient;
  readonly #driver: Driver;
  readonly #session: SessionHandle;

  private constructor(client: DBSQLClient, driver: Driver, session: SessionHandle) {
    this.#client = client;
    this.#driver = driver;
    this.#session = session;
  }

  /** Opens a session with settings such as `spark.sql.session.timeZone`. */
  static async open(address: Address, settings: Readonly<Record<string, string>>): Promise<ThriftSession> {
    const client = new DBSQLClient({ logger: { log: () => undefined } });
    client.on('error', () => undefined);
    const { ca, ...where } = address;
    await client.connect({
      ...where,
      authType: 'custom',
      provider: {
        authenticate: async () => ({ Authorization: `Basic ${Buffer.from('ocsf:ocsf').toString('base64')}` }),
      },
      ...(ca === undefined ? {} : { customCaCert: ca }),
      telemetryEnabled: false,
      socketTimeout: SOCKET_TIMEOUT,
    });
    const driver = await client.getDriver();
    const configuration = Object.fromEntries(Object.entries(settings).map(([k, v]) => [`set:hiveconf:${k}`, v]));
    const opened = await driver.openSession({ client_protocol: PROTOCOL, configuration });
    check(opened.status);
    if (!opened.sessionHandle) throw new ThriftError('the server opened no session', undefined);
    return new ThriftSession(client, driver, opened.sessionHandle);
  }

  /** Runs a statement and gives its rows page by page; at least one batch, for the schema, if it has columns at all. */
  async *run(statement: string, signal?: AbortSignal): AsyncGenerator<RecordBatch> {
    signal?.throwIfAborted();
    const { status, operationHandle } = await this.#driver.executeStatement({
      sessionHandle: this.#session,
      statement,
      runAsync: true,
    });
    check(status);
    if (!operationHandle) throw new ThriftError('the server started no operation', undefined);
    const cancel = (): void => {
      this.#driver.cancelOperation({ operationHandle }).catch(() => undefined);
    };
    signal?.addEventListener('abort', cancel);
    if (signal?.aborted) cancel();
    try {
      await this.#finished(operationHandle, signal);
      if (operationHandle.hasResultSet) yield* this.#pages(operationHandle, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      await this.#driver.closeOperation({ operationHandle }).catch(() => undefined);
    }
  }

  async #finished(operationHandle: OperationHandle, signal: AbortSignal | undefined): Promise<void> {
    for (let wait = 5; ; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
      const state = await this.#driver.getOperationStatus({ operationHandle });
      check(state.status);
      if (state.operationState === FINISHED) return;
      if (state.operationState === undefined || !WAITING.includes(state.operationState))
        throw new ThriftError(
          state.errorMessage ?? `the operation ended in state ${state.operationState}`,
          state.sqlState,
        );
      await pause(wait, undefined, signal ? { signal } : {});
    }
  }

  async *#pages(operationHandle: OperationHandle, signal: AbortSignal | undefined): AsyncGenerator<RecordBatch> {
    const described = await this.#driver.getResultSetMetadata({ operationHandle });
    check(described.status);
    const fields = (described.schema?.columns ?? []) as readonly ThriftField[];
    const schema = schemaOf([...fields]);
    let size = FIRST_PAGE;
    for (let pages = 0; ; pages++) {
      signal?.throwIfAborted();
      const page = await this.#driver.fetchResults({
        operationHandle,
        orientation: 0,
        maxRows: wide(size),
        fetchType: 0,
      });
      check(page.status);
      const batch = batchOf(schema, (page.results?.columns ?? []) as unknown as readonly ThriftColumn[]);
      // Spark always says that there are no more rows: only an empty page is the last one.
      if (batch.numRows === 0 && pages > 0) return;
      yield batch;
      if (batch.numRows === 0) return;
      size = Math.max(1, Math.min(MOST_ROWS, Math.floor((batch.numRows * PAGE_BYTES) / Math.max(1, bytesOf(batch)))));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#driver.closeSession({ sessionHandle: this.#session }).catch(() => undefined);
    await this.#client.close().catch(() => undefined);
  }
}
