import { Agent } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { createSecureContext } from 'node:tls';
import { DBSQLClient, DBSQLParameter } from '@databricks/sql';
import type { RecordBatch, Schema } from 'apache-arrow';
import { batchOf, bytesOf, schemaOf, type ThriftColumn, type ThriftField } from './columns.ts';
import type { Values } from './engine.ts';
import { askHttps, FrugalAgent, type HttpsRequest, Places } from './https.ts';
import { batchesOfIpc, type Decompress, emptyBatch, schemaOfIpc } from './ipc.ts';
import { HttpError, type Patience, type Persistence, persistently, retryAfterMillis } from './retry.ts';

type Driver = Awaited<ReturnType<DBSQLClient['getDriver']>>;
type Connection = Awaited<ReturnType<DBSQLClient['getConnectionProvider']>>;
type Request<M extends keyof Driver> = Parameters<Driver[M]>[0];
type Response<M extends keyof Driver> = Awaited<ReturnType<Driver[M]>>;
type SessionHandle = Request<'executeStatement'>['sessionHandle'];
type OperationHandle = Request<'closeOperation'>['operationHandle'];
type Status = Response<'closeOperation'>['status'];
type Metadata = Response<'getResultSetMetadata'>;
type Page = Response<'fetchResults'>;
type Direct = Response<'executeStatement'>['directResults'];
type Link = NonNullable<NonNullable<Page['results']>['resultLinks']>[number];
type Wide = Request<'fetchResults'>['maxRows'];

/** Where a Thrift server listens and how it is trusted. */
export interface Address {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** PEM of the authority that signed the server's certificate, beside those that Node knows. */
  readonly ca?: string | undefined;
}

/** Says who asks. */
export interface Credentials {
  /** The headers of a request; called before each. */
  authenticate(): Promise<Record<string, string>>;
  /** Forgets what the server has just refused; false where there is nothing else to show. */
  renew?(): boolean;
}

/** What a server speaks: how a session is opened and which results it may send. */
export interface Protocol {
  readonly open: Request<'openSession'>;
  readonly execute?: Partial<Request<'executeStatement'>>;
  /** For results that were compressed. */
  readonly decompress?: Decompress | undefined;
}

/** How one statement runs. */
export interface RunOptions {
  /** Cancels it, on the server too. */
  readonly signal?: AbortSignal | undefined;
  /** Whether it may be sent again when nobody knows whether it ran. */
  readonly repeatable: boolean;
  /** Values of its `:name` markers. */
  readonly values?: Values | undefined;
  /** Seconds after which the server gives up. */
  readonly timeout?: number | undefined;
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

const LAST_GOOD_STATUS = 2;
const FINISHED = 2;
const WAITING = [0, 1, 7];
const ENDED = new Map<number | undefined, string>([
  [3, 'was cancelled'],
  [4, 'was closed'],
  [8, 'took longer than engine.timeout'],
]);
const ARROW_SET = 0;
const URL_SET = 3;
const FIRST_PAGE = 2_000;
const MOST_ROWS = 65_536;
const ARROW_ROWS = 100_000;
const PAGE_BYTES = 16 << 20;
const FILES_AHEAD = 4;
const SOCKET_TIMEOUT = 15 * 60_000;
const LONGEST_PAUSE = 500;
const EXPIRED = [401, 403, 404, 410];

/** The driver's 64-bit numbers are objects of a library of its own; its writer takes plain numbers too. */
export const wide = (value: number): Wide => value as unknown as Wide;

function check(status: Status): void {
  if (status.statusCode > LAST_GOOD_STATUS)
    throw new ThriftError(
      status.displayMessage ?? status.errorMessage ?? `status ${status.statusCode}`,
      status.sqlState,
    );
}

/** What the driver throws for an answer other than 200. */
interface BadAnswer {
  readonly statusCode: number;
  readonly response: { readonly headers: { get(name: string): string | null }; text(): Promise<string> };
}
const isBadAnswer = (error: unknown): error is BadAnswer =>
  error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && 'response' in error;

const WORDS = ['x-thriftserver-error-message', 'x-databricks-error-or-redirect-message', 'x-databricks-reason-phrase'];

const messageIn = (body: string): string => {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'message' in parsed) return String(parsed.message);
  } catch {
    // Not JSON: a page of a proxy, of which the beginning will do.
  }
  return body.slice(0, 300).trim();
};

async function explained(error: unknown): Promise<unknown> {
  if (!isBadAnswer(error)) return error;
  const { headers } = error.response;
  const said = WORDS.map((name) => headers.get(name)).find((text) => text);
  const body = said ?? messageIn(await error.response.text().catch(() => ''));
  return new HttpError(error.statusCode, body, retryAfterMillis(headers.get('retry-after')));
}

/** Connections for what is asked beside the driver: they trust whom its own do, which is worked out once instead of for each. */
const besides = (its: Awaited<ReturnType<Connection['getAgent']>>): Agent =>
  new FrugalAgent({
    keepAlive: true,
    secureContext: createSecureContext(its instanceof Agent && its.options.ca ? { ca: its.options.ca } : {}),
  });

/** Works on items a few ahead of who reads the results, and gives them in order. */
async function* ahead<T, R>(
  items: AsyncIterable<T>,
  most: number,
  work: (item: T, signal: AbortSignal) => Promise<R>,
): AsyncGenerator<R> {
  const stop = new AbortController();
  const begun: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const result = work(item, stop.signal);
      result.catch(() => undefined);
      begun.push(result);
      const [first] = begun;
      if (first && begun.length >= most) {
        yield await first;
        begun.shift();
      }
    }
    for (const result of begun) yield await result;
  } finally {
    stop.abort();
  }
}

/** A session on a server that speaks HiveServer2's protocol over HTTPS; statements run one after the other or at once. */
export class ThriftSession implements AsyncDisposable {
  readonly #client: DBSQLClient;
  readonly #driver: Driver;
  readonly #protocol: Protocol;
  readonly #credentials: Credentials;
  readonly #waits: Patience | undefined;
  readonly #agent: Agent;
  #session: SessionHandle | undefined;

  private constructor(
    client: DBSQLClient,
    driver: Driver,
    agent: Agent,
    protocol: Protocol,
    credentials: Credentials,
    waits: Patience | undefined,
  ) {
    this.#client = client;
    this.#driver = driver;
    this.#agent = agent;
    this.#protocol = protocol;
    this.#credentials = credentials;
    this.#waits = waits;
  }

  /** Opens a session; waits for a server that is busy or starting. Credentials may be fetched over the session's own connections. */
  static async open(
    address: Address,
    credentialsOver: (agent: Agent) => Credentials,
    protocol: Protocol,
    { waits, signal }: { waits?: Patience | undefined; signal?: AbortSignal | undefined } = {},
  ): Promise<ThriftSession> {
    const client = new DBSQLClient({ logger: { log: () => undefined } });
    client.on('error', () => undefined);
    const { ca, ...where } = address;
    let credentials: Credentials | undefined;
    await client.connect({
      ...where,
      authType: 'custom',
      provider: { authenticate: async () => credentials?.authenticate() ?? {} },
      ...(ca === undefined ? {} : { customCaCert: ca }),
      telemetryEnabled: false,
      socketTimeout: SOCKET_TIMEOUT,
    });
    // The driver tries only some requests again, and takes the seconds of Retry-After for milliseconds: all tries are made here.
    const connection = await client.getConnectionProvider();
    const once = {
      shouldRetry: async () => ({ shouldRetry: false }) as const,
      invokeWithRetry: <R>(ask: () => R) => ask(),
    };
    connection.getRetryPolicy = async () => once;
    const agent = besides(await connection.getAgent());
    credentials = credentialsOver(agent);
    const session = new ThriftSession(client, await client.getDriver(), agent, protocol, credentials, waits);
    await session.#open(signal);
    return session;
  }

  async #open(signal: AbortSignal | undefined): Promise<void> {
    const opened = await this.#ask(() => this.#driver.openSession(this.#protocol.open), {
      repeatable: true,
      known: false,
      signal,
    });
    check(opened.status);
    if (!opened.sessionHandle) throw new ThriftError('the server opened no session', undefined);
    this.#session = opened.sessionHandle;
  }

  /** Asks the server, with new credentials where it refuses those it got, and again where that may help. */
  #ask<R>(request: () => Promise<R>, how: Omit<Persistence, 'waits'>): Promise<R> {
    let renewed = false;
    const once = async (): Promise<R> => {
      try {
        return await request();
      } catch (thrown) {
        const error = await explained(thrown);
        const denied = error instanceof HttpError && (error.status === 401 || error.status === 403);
        if (!denied || renewed || !this.#credentials.renew?.()) throw error;
        renewed = true;
        return once();
      }
    };
    return persistently(once, { ...how, waits: this.#waits });
  }

  /** Runs a statement and gives its rows batch by batch; at least one batch, for the schema, if it has columns at all. */
  async *run(statement: string, options: RunOptions): AsyncGenerator<RecordBatch> {
    const { signal, repeatable, values = {}, timeout } = options;
    const sessionHandle = this.#session;
    if (!sessionHandle) throw new ThriftError('the session is closed', undefined);
    let begun: Response<'executeStatement'> | undefined;
    let cancelling: Promise<unknown> | undefined;
    const cancel = (): void => {
      const operationHandle = begun?.operationHandle;
      if (!operationHandle) return;
      cancelling ??= this.#ask(() => this.#driver.cancelOperation({ operationHandle }), { repeatable: true });
      cancelling.catch(() => undefined);
    };
    signal?.addEventListener('abort', cancel);
    try {
      const execute = async () => {
        begun = await this.#driver.executeStatement({
          sessionHandle,
          statement,
          runAsync: true,
          ...this.#protocol.execute,
          ...(timeout === undefined ? {} : { queryTimeout: wide(timeout) }),
          ...(Object.keys(values).length === 0 ? {} : { parameters: markers(values) }),
        });
        return begun;
      };
      const { status, operationHandle, directResults } = await this.#ask(execute, { repeatable, signal });
      check(status);
      if (!operationHandle) throw new ThriftError('the server started no operation', undefined);
      const hasRows = await this.#finished(operationHandle, directResults, signal);
      if (hasRows) yield* this.#batches(operationHandle, directResults, signal);
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
      if (signal?.aborted) cancel();
      await cancelling?.catch(() => undefined);
      const operationHandle = begun?.operationHandle;
      if (operationHandle && !begun?.directResults?.closeOperation)
        await this.#driver.closeOperation({ operationHandle }).catch(() => undefined);
    }
  }

  /** Waits for the end of an operation; whether it has rows. */
  async #finished(operationHandle: OperationHandle, direct: Direct, signal: AbortSignal | undefined): Promise<boolean> {
    let state = direct?.operationStatus;
    for (let wait = 5; ; wait = Math.min(2 * wait, LONGEST_PAUSE)) {
      state ??= await this.#ask(() => this.#driver.getOperationStatus({ operationHandle }), {
        repeatable: true,
        signal,
      });
      check(state.status);
      if (state.operationState === FINISHED) return state.hasResultSet ?? operationHandle.hasResultSet;
      if (state.operationState === undefined || !WAITING.includes(state.operationState))
        throw new ThriftError(
          state.displayMessage ?? state.errorMessage ?? `the statement ${ENDED.get(state.operationState) ?? 'failed'}`,
          state.sqlState,
        );
      state = undefined;
      await pause(wait, undefined, signal ? { signal } : {});
    }
  }

  async *#batches(
    operationHandle: OperationHandle,
    direct: Direct,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<RecordBatch> {
    const metadata =
      direct?.resultSetMetadata ??
      (await this.#ask(() => this.#driver.getResultSetMetadata({ operationHandle }), { repeatable: true, signal }));
    check(metadata.status);
    const result = { operationHandle, metadata, first: direct?.resultSet, signal };
    if (metadata.resultFormat === ARROW_SET) yield* this.#inline(result);
    else if (metadata.resultFormat === URL_SET) yield* this.#files(result);
    else yield* this.#columns(result);
  }

  /** One page from a row on; throws where the server, asked again, goes on somewhere else. */
  async #page(result: Result, from: number, maxRows: number, anew: boolean): Promise<Page> {
    const { operationHandle, signal } = result;
    let tries = 0;
    const page = await this.#ask(
      () =>
        this.#driver.fetchResults({
          operationHandle,
          orientation: 0,
          maxRows: wide(maxRows),
          maxBytes: wide(PAGE_BYTES),
          fetchType: 0,
          ...(tries++ > 0 || anew ? { startRowOffset: wide(from) } : {}),
        }),
      { repeatable: true, signal },
    );
    check(page.status);
    const begins = page.results && Number(page.results.startRowOffset);
    if (tries > 1 && begins !== undefined && begins !== from)
      throw new ThriftError(`the connection broke and the rows from ${from} to ${begins} were lost`, undefined);
    return page;
  }

  /** Pages until the server says that there are no more; the next one is on its way while one is read. */
  async *#pages(result: Result, from = 0, anew = false): AsyncGenerator<Page> {
    const fetch = (at: number): Promise<Page> => {
      const page = this.#page(result, at, ARROW_ROWS, anew);
      page.catch(() => undefined);
      return page;
    };
    let next: Promise<Page> | undefined = result.first && !anew ? Promise.resolve(result.first) : fetch(from);
    try {
      for (let at = from; next; ) {
        const page: Page = await next;
        at += rowsOf(page);
        next = page.hasMoreRows ? fetch(at) : undefined;
        yield page;
      }
    } finally {
      await next?.catch(() => undefined);
    }
  }

  /** Rows in the answers themselves, as IPC batches. */
  async *#inline(result: Result): AsyncGenerator<RecordBatch> {
    const { arrowSchema, lz4Compressed } = result.metadata;
    if (!arrowSchema) throw new ThriftError('the server sent no Arrow schema', undefined);
    let empty = true;
    for await (const page of this.#pages(result))
      for (const { batch, rowCount } of page.results?.arrowBatches ?? []) {
        const bytes = this.#plain(batch, lz4Compressed);
        for (const rows of batchesOfIpc([arrowSchema, bytes], Number(rowCount))) {
          empty = false;
          yield rows;
        }
      }
    if (empty) yield emptyBatch(schemaOfIpc(arrowSchema));
  }

  /** Rows in files that links lead to, some fetched ahead; where a link has expired, links are asked for again from its row on. */
  async *#files(result: Result): AsyncGenerator<RecordBatch> {
    const { arrowSchema, lz4Compressed } = result.metadata;
    let at = 0;
    let schema: Schema | undefined;
    const places = new Places();
    const place = lz4Compressed ? (length: number) => places.take(length) : undefined;
    for (let renewed = -1; ; ) {
      try {
        const files = ahead(linksOf(this.#pages(result, at, renewed === at)), FILES_AHEAD, async (link, stop) => ({
          link,
          bytes: await this.#download(link, result.signal ? AbortSignal.any([result.signal, stop]) : stop, place),
        }));
        for await (const { link, bytes } of files) {
          const plain = this.#plain(bytes, lz4Compressed);
          if (place) places.give(bytes);
          for (const rows of batchesOfIpc([plain], Number(link.rowCount))) {
            schema ??= rows.schema;
            yield rows;
          }
          at += Number(link.rowCount);
        }
        break;
      } catch (error) {
        if (!(error instanceof HttpError && EXPIRED.includes(error.status)) || renewed === at) throw error;
        renewed = at;
      }
    }
    if (!schema && arrowSchema) yield emptyBatch(schemaOfIpc(arrowSchema));
  }

  /** A file of a result; its link carries its own authority, so that no credentials go there. */
  #download({ fileLink, httpHeaders = {} }: Link, signal: AbortSignal, place: HttpsRequest['place']): Promise<Buffer> {
    return persistently(() => askHttps({ url: fileLink, headers: httpHeaders, agent: this.#agent, signal, place }), {
      repeatable: true,
      waits: this.#waits,
      signal,
    });
  }

  #plain(bytes: Uint8Array, compressed: boolean | undefined): Uint8Array {
    if (!compressed) return bytes;
    if (!this.#protocol.decompress) throw new ThriftError('the server compressed what it was asked not to', undefined);
    return this.#protocol.decompress(bytes);
  }

  /** Rows in columns of Thrift values, as Spark sends them. */
  async *#columns(result: Result): AsyncGenerator<RecordBatch> {
    const fields = (result.metadata.schema?.columns ?? []) as readonly ThriftField[];
    const schema = schemaOf([...fields]);
    let size = FIRST_PAGE;
    for (let at = 0; ; ) {
      result.signal?.throwIfAborted();
      const page = at === 0 && result.first ? result.first : await this.#page(result, at, size, false);
      const batch = batchOf(schema, (page.results?.columns ?? []) as unknown as readonly ThriftColumn[]);
      // Spark always says that there are no more rows: only an empty page is the last one.
      if (batch.numRows === 0 && at > 0) return;
      yield batch;
      if (batch.numRows === 0) return;
      at += batch.numRows;
      size = Math.max(1, Math.min(MOST_ROWS, Math.floor((batch.numRows * PAGE_BYTES) / Math.max(1, bytesOf(batch)))));
    }
  }

  /** Asks the same server for something else over the same connections, such as its REST interface. */
  async ask(url: string): Promise<unknown> {
    const headers = async () => this.#credentials.authenticate();
    const body = await this.#ask(async () => askHttps({ url, headers: await headers(), agent: this.#agent }), {
      repeatable: true,
    });
    return JSON.parse(body.toString());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const sessionHandle = this.#session;
    this.#session = undefined;
    if (sessionHandle) await this.#driver.closeSession({ sessionHandle }).catch(() => undefined);
    await this.#client.close().catch(() => undefined);
    this.#agent.destroy();
  }
}

interface Result {
  readonly operationHandle: OperationHandle;
  readonly metadata: Metadata;
  /** The first page, where it came with the answer to the statement. */
  readonly first: Page | undefined;
  readonly signal: AbortSignal | undefined;
}

const markers = (values: Values) =>
  Object.entries(values).map(([name, value]) => new DBSQLParameter({ value }).toSparkParameter({ name }));

function rowsOf({ results }: Page): number {
  const pieces = [...(results?.arrowBatches ?? []), ...(results?.resultLinks ?? [])];
  return pieces.reduce((sum, { rowCount }) => sum + Number(rowCount), 0);
}

async function* linksOf(pages: AsyncIterable<Page>): AsyncGenerator<Link> {
  for await (const page of pages) yield* page.results?.resultLinks ?? [];
}
