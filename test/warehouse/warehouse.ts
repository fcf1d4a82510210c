import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { thrift } from '@databricks/sql';
import { DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import type { RecordBatch } from 'apache-arrow';
import { compressFrame } from 'lz4-napi';
import { recordBatches } from '../../src/engine/arrow.ts';
import { batchMessage, type Encoded, remoteSchema, schemaMessage } from './ipc.ts';

const { TCLIService, TCLIService_types: types } = thrift;

/** What the driver's own Thrift library has for a server. */
interface ThriftLibrary {
  readonly TBufferedTransport: {
    new (bytes: undefined, flushed: (bytes: Buffer) => void): object;
    receiver(received: (transport: object) => void, sequence: number): (bytes: Buffer) => void;
  };
  readonly TBinaryProtocol: new (transport: object) => { readMessageBegin(): { readonly fname: Place } };
}
const library: ThriftLibrary = createRequire(createRequire(import.meta.url).resolve('@databricks/sql'))('thrift');
const Processor: new (handler: object) => { process(input: object, output: object): void } = Reflect.get(
  TCLIService,
  'Processor',
);

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
/** Path of the certificate that the stand-in shows; its key stands beside it and is for tests only. */
export const authority = file('localhost.crt');
const tls = { cert: readFileSync(authority), key: readFileSync(file('localhost.key')) };

/** What goes wrong with a request. */
export type Fault =
  | { readonly status: number; readonly retryAfter?: string; readonly said?: string }
  /** The connection breaks before the request is looked at, or after it was done. */
  | { readonly breaks: 'before' | 'after' }
  /** The server answers with an error of its own. */
  | { readonly refuses: string; readonly sqlState?: string };

/** What may go wrong: a Thrift method by its name, the token endpoint, or the file of a result. */
export type Place =
  | 'OpenSession'
  | 'ExecuteStatement'
  | 'GetOperationStatus'
  | 'GetResultSetMetadata'
  | 'FetchResults'
  | 'CancelOperation'
  | 'CloseOperation'
  | 'CloseSession'
  | 'token'
  | 'file'
  | 'rest';

/** How the stand-in answers. */
export interface WarehouseOptions {
  /** Results of so many rows or more come as files; none do unless told. */
  readonly filesFrom?: number;
  /** Batches in a page; in a file there is one. */
  readonly batchesPerPage?: number;
  readonly rowsPerBatch?: number;
  readonly compress?: boolean;
  /** Whether the first page comes with the answer to the statement. */
  readonly direct?: boolean;
  /** Rows at the end of each batch that do not count. */
  readonly surplus?: number;
}

interface Answer {
  readonly pattern: RegExp;
  readonly sql?: string;
  /** How often the rows come again, to make a result of any size out of few. */
  readonly times?: number;
  /** Milliseconds that the statement runs. */
  readonly takes?: number;
}

/** A statement that was run. */
export interface Ran {
  readonly statement: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly timeout: number | undefined;
  cancelled: boolean;
  closed: boolean;
}

const CLIENT = { id: 'a1b2c3d4-0000-4000-8000-000000000000', secret: 'dose-of-a-test' };
const PATH = '/sql/1.0/warehouses/0123456789abcdef';
const DAY = 86_400_000;
const KEY = { 'x-key': 'of-the-link' };

interface Operation {
  readonly ran: Ran;
  readonly schema: Uint8Array;
  readonly batches: readonly Encoded[];
  readonly times: number;
  readonly rows: number;
  readonly files: boolean;
  readonly readyAt: number;
  readonly failure: { readonly message: string; readonly sqlState?: string } | undefined;
  at: number;
}

interface Handle {
  readonly operationId: { readonly guid: Buffer };
}

const OK = { statusCode: 0 };
const typed = (type: string | undefined, text: string | undefined): DuckDBValue => {
  if (text === undefined) return null;
  if (type === 'INTEGER' || type === 'DOUBLE') return Number(text);
  if (type === 'BIGINT') return BigInt(text);
  return type === 'BOOLEAN' ? text === 'TRUE' : text;
};

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

const bodyOf = async (request: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks);
};

/** A SQL warehouse for tests: HTTPS and the driver's own Thrift processor, with DuckDB behind them. */
export class Warehouse implements AsyncDisposable {
  /** A manifest's `engine` to connect to it, and the environment that this needs. */
  readonly engine: {
    readonly type: 'databricks';
    readonly host: string;
    readonly path: string;
    readonly catalog: string;
    readonly ca: string;
  };
  readonly environment = { DATABRICKS_CLIENT_ID: CLIENT.id, DATABRICKS_CLIENT_SECRET: CLIENT.secret };
  /** A personal access token that it takes. */
  readonly personal = 'dapi-of-a-test';
  readonly options: WarehouseOptions;
  /** The requests in the order in which they came. */
  readonly requests: { readonly place: Place; readonly at: number }[] = [];
  readonly statements: Ran[] = [];
  sessions = 0;
  readonly database: DuckDBInstance;
  readonly #servers: readonly Server[];
  readonly #filePort: number;
  readonly #faults = new Map<Place, Fault[]>();
  readonly #answers: Answer[] = [];
  readonly #tokens = new Set<string>();
  readonly #operations = new Map<string, Operation>();
  readonly #links = new Map<string, readonly Encoded[]>();
  readonly #ready = new WeakMap<Uint8Array, Promise<Buffer>>();
  readonly #encoded = new Map<string, { schema: Uint8Array; batches: readonly Encoded[] }>();
  readonly #processor = new Processor(this.#handlers());

  private constructor(
    database: DuckDBInstance,
    servers: readonly Server[],
    ports: readonly [thrift: number, files: number],
    options: WarehouseOptions,
  ) {
    this.database = database;
    this.#servers = servers;
    this.options = options;
    const [port, files] = ports;
    this.#filePort = files;
    this.engine = { type: 'databricks', host: `localhost:${port}`, path: PATH, catalog: 'security', ca: authority };
  }

  static async start(options: WarehouseOptions = {}): Promise<Warehouse> {
    const database = await DuckDBInstance.create(':memory:', { threads: '2' });
    const [service, files] = [createServer(tls), createServer(tls)];
    const warehouse = new Warehouse(database, [service, files], [await listen(service), await listen(files)], options);
    service.on('request', (request, response) => warehouse.#serve(request, response));
    files.on('request', (request, response) => warehouse.#file(request, response));
    await warehouse.run("SET TimeZone = 'UTC'");
    return warehouse;
  }

  /** Runs SQL of DuckDB on what stands behind it. */
  async run(sql: string): Promise<void> {
    const connection = await this.database.connect();
    await connection.run(sql);
    connection.closeSync();
  }

  /** Makes the next requests to a place fail, one fault for each. */
  fail(place: Place, ...faults: Fault[]): void {
    this.#faults.set(place, [...(this.#faults.get(place) ?? []), ...faults]);
  }

  /** Answers statements of a kind in a way of their own. */
  answer(answer: Answer): void {
    this.#answers.unshift(answer);
  }

  /** Where the files of results lie, and what to send along to get them. */
  get files(): { readonly urls: readonly string[]; readonly headers: Readonly<Record<string, string>> } {
    return {
      urls: [...this.#links.keys()].map((path) => `https://localhost:${this.#filePort}${path}`),
      headers: KEY,
    };
  }

  /** Ends the life of every OAuth token. */
  expire(): void {
    this.#tokens.clear();
  }

  /** How often a place was asked. */
  asked(place: Place): number {
    return this.requests.filter((request) => request.place === place).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
    this.database.closeSync();
  }

  /** Takes the fault that a request is to meet; true where the request has been answered with it. */
  #faulty(place: Place, response: ServerResponse): Fault | undefined {
    this.requests.push({ place, at: Date.now() });
    const fault = this.#faults.get(place)?.shift();
    if (fault && 'status' in fault) {
      const { status, retryAfter, said = '' } = fault;
      response.writeHead(status, {
        ...(retryAfter === undefined ? {} : { 'Retry-After': retryAfter }),
        ...(said === '' ? {} : { 'x-databricks-reason-phrase': said }),
      });
      response.end(JSON.stringify({ error_code: 'FAULT', message: said }));
    }
    const thrift = place in TCLIService.Client.prototype;
    if (fault && 'breaks' in fault && (fault.breaks === 'before' || !thrift)) response.socket?.destroy();
    return fault;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const { authorization = '' } = request.headers;
    if (request.url === '/oidc/v1/token') return this.#token(authorization, response);
    const known =
      authorization === `Bearer ${this.personal}` || this.#tokens.has(authorization.slice('Bearer '.length));
    if (!known)
      return void response.writeHead(401).end('{"message":"Credential was not sent or was of an unsupported type"}');
    if (request.method === 'GET' && request.url?.startsWith('/api/')) return this.#rest(request.url, response);
    if (request.url !== PATH)
      return void response.writeHead(404).end('{"error_code":"ENDPOINT_NOT_FOUND","message":"No API found"}');
    library.TBufferedTransport.receiver((transport) => {
      this.#thrift(new library.TBinaryProtocol(transport).readMessageBegin().fname, body, response);
    }, 0)(body);
  }

  #thrift(place: Place, body: Buffer, response: ServerResponse): void {
    const fault = this.#faulty(place, response);
    if (fault && ('status' in fault || ('breaks' in fault && fault.breaks === 'before'))) return;
    this.#refusal = fault && 'refuses' in fault ? fault : undefined;
    const answered = new library.TBufferedTransport(undefined, (bytes) => {
      if (fault && 'breaks' in fault) response.socket?.destroy();
      else response.writeHead(200, { 'Content-Length': bytes.length }).end(bytes);
    });
    library.TBufferedTransport.receiver((transport) => {
      this.#processor.process(new library.TBinaryProtocol(transport), new library.TBinaryProtocol(answered));
    }, 0)(body);
  }

  #token(authorization: string, response: ServerResponse): void {
    if (this.#faulty('token', response)) return;
    const [id, secret] = Buffer.from(authorization.replace('Basic ', ''), 'base64').toString().split(':');
    if (id !== CLIENT.id || secret !== CLIENT.secret)
      return void response
        .writeHead(401)
        .end(`{"error":"invalid_client","error_description":"Client ${secret} refused"}`);
    const token = randomUUID();
    this.#tokens.add(token);
    response.writeHead(200).end(JSON.stringify({ access_token: token, token_type: 'Bearer', expires_in: 3600 }));
  }

  #rest(url: string, response: ServerResponse): void {
    if (this.#faulty('rest', response)) return;
    if (!url.endsWith(PATH.replace('/sql/1.0', ''))) return void response.writeHead(404).end('{}');
    response.writeHead(200, { Date: new Date().toUTCString() }).end(
      JSON.stringify({
        id: 'x',
        name: 'stand-in',
        state: 'RUNNING',
        warehouse_type: 'PRO',
        enable_serverless_compute: true,
      }),
    );
  }

  async #file(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.#faulty('file', response)) return;
    const found = this.#links.get(request.url ?? '');
    if (request.headers.authorization !== undefined || request.headers['x-key'] !== KEY['x-key'] || !found)
      return void response.writeHead(403).end();
    const sent = await this.#sent(found.at(-1)?.bytes ?? new Uint8Array(), () =>
      Buffer.concat(found.map((piece) => piece.bytes)),
    );
    response.writeHead(200, { 'Content-Length': sent.length }).end(sent);
  }

  /** What goes over the line, made once for each batch. */
  #sent(key: Uint8Array, whole: () => Buffer): Promise<Buffer> {
    const sent = this.#ready.get(key) ?? (this.options.compress ? compressFrame(whole()) : Promise.resolve(whole()));
    this.#ready.set(key, sent);
    return sent;
  }

  #refusal: { readonly refuses: string; readonly sqlState?: string } | undefined;

  #status(): object {
    const refusal = this.#refusal;
    this.#refusal = undefined;
    return refusal ? { statusCode: 3, errorMessage: refusal.refuses, sqlState: refusal.sqlState } : OK;
  }

  /** The driver's processor calls a method with one argument for its result, which may be a promise. */
  #handlers(): object {
    const operation = (handle: Handle): Operation => {
      const found = this.#operations.get(handle.operationId.guid.toString('hex'));
      if (!found) throw new Error('Invalid OperationHandle');
      return found;
    };
    const done = async (_: object) => ({ status: this.#status() });
    return {
      OpenSession: async (_: object) => {
        const status = this.#status();
        this.sessions++;
        const sessionHandle = { sessionId: { guid: randomBytes(16), secret: randomBytes(16) } };
        return new types.TOpenSessionResp({
          status,
          serverProtocolVersion: types.TProtocolVersion.SPARK_CLI_SERVICE_PROTOCOL_V8,
          sessionHandle,
        } as never);
      },
      CloseSession: async (_: object) => {
        this.sessions--;
        return new types.TCloseSessionResp((await done(_)) as never);
      },
      ExecuteStatement: async (request: Asked) =>
        new types.TExecuteStatementResp((await this.#execute(request)) as never),
      GetOperationStatus: async ({ operationHandle }: { operationHandle: Handle }) =>
        new types.TGetOperationStatusResp(this.#state(operation(operationHandle)) as never),
      GetResultSetMetadata: async ({ operationHandle }: { operationHandle: Handle }) =>
        new types.TGetResultSetMetadataResp(this.#metadata(operation(operationHandle)) as never),
      FetchResults: async ({
        operationHandle,
        startRowOffset,
      }: {
        operationHandle: Handle;
        startRowOffset?: number;
      }) => {
        const found = operation(operationHandle);
        if (startRowOffset !== undefined && startRowOffset !== null)
          found.at = this.#batchAt(found, Number(startRowOffset));
        return new types.TFetchResultsResp((await this.#page(found)) as never);
      },
      CancelOperation: async ({ operationHandle }: { operationHandle: Handle }) => {
        operation(operationHandle).ran.cancelled = true;
        return new types.TCancelOperationResp((await done({})) as never);
      },
      CloseOperation: async ({ operationHandle }: { operationHandle: Handle }) => {
        operation(operationHandle).ran.closed = true;
        return new types.TCloseOperationResp((await done({})) as never);
      },
    };
  }

  async #execute(request: Asked): Promise<object> {
    const status = this.#status();
    if (status !== OK) return { status };
    const { statement } = request;
    const parameters = Object.fromEntries(
      (request.parameters ?? []).map(({ name, type, value }) => [name, typed(type, value?.stringValue)]),
    );
    const timeout =
      request.queryTimeout === undefined || request.queryTimeout === null ? undefined : Number(request.queryTimeout);
    const ran: Ran = { statement, parameters, timeout, cancelled: false, closed: false };
    this.statements.push(ran);
    const answer = this.#answers.find(({ pattern }) => pattern.test(statement));
    const guid = randomBytes(16);
    const result = await this.#rows(answer?.sql ?? statement, parameters, answer !== undefined).catch(
      (error: unknown) => ({
        schema: new Uint8Array(),
        batches: [],
        failure: {
          message: `org.apache.hive.service.cli.HiveSQLException: Error running query: ${error instanceof Error ? error.message : error}\n\tat org.apache.spark.sql.hive.thriftserver.SparkExecuteStatementOperation.run(SparkExecuteStatementOperation.scala:1)`,
          sqlState: '42000',
        },
      }),
    );
    const times = answer?.times ?? 1;
    const rows = times * result.batches.reduce((sum, batch) => sum + batch.rows, 0);
    const { filesFrom = Number.POSITIVE_INFINITY, direct = true } = this.options;
    const operation: Operation = {
      ran,
      schema: result.schema,
      batches: result.batches,
      times,
      rows,
      files: request.canDownloadResult === true && rows >= filesFrom,
      readyAt: Date.now() + (answer?.takes ?? 0),
      failure: 'failure' in result ? result.failure : undefined,
      at: 0,
    };
    this.#operations.set(guid.toString('hex'), operation);
    const operationHandle = { operationId: { guid, secret: randomBytes(16) }, operationType: 0, hasResultSet: true };
    const ready = direct && request.getDirectResults && operation.readyAt <= Date.now() && !operation.failure;
    return {
      status,
      operationHandle,
      ...(ready
        ? {
            directResults: {
              operationStatus: this.#state(operation),
              resultSetMetadata: this.#metadata(operation),
              resultSet: await this.#page(operation),
              ...(operation.at >= times * operation.batches.length ? { closeOperation: { status: OK } } : {}),
            },
          }
        : {}),
    };
  }

  /** The rows of a statement as IPC; those of an answer of its own are encoded once. */
  async #rows(
    statement: string,
    parameters: Readonly<Record<string, DuckDBValue>>,
    kept: boolean,
  ): Promise<{ schema: Uint8Array; batches: readonly Encoded[] }> {
    const key = `${statement} ${Object.entries(parameters).join(' ')}`;
    const before = this.#encoded.get(key);
    if (before) return before;
    const sql = statement
      .replaceAll('`', '"')
      .replaceAll('"system"."information_schema".', 'unity.')
      .replaceAll('system.information_schema.', 'unity.')
      .replaceAll('current_user()', `'${CLIENT.id}'`)
      .replace(/(?<!:):([a-z]\w*)/g, (marker, name: string) =>
        typeof parameters[name] === 'bigint' ? `CAST($${name} AS BIGINT)` : name in parameters ? `$${name}` : marker,
      );
    const values = Object.entries(parameters).map(
      ([name, v]) => [name, typeof v === 'bigint' ? String(v) : v] as const,
    );
    const { surplus = 0, rowsPerBatch = Number.POSITIVE_INFINITY } = this.options;
    const connection = await this.database.connect();
    try {
      const found: RecordBatch[] = [];
      for await (const batch of recordBatches(await connection.stream(sql, Object.fromEntries(values))))
        for (let row = 0; row === 0 || row < batch.numRows; row += rowsPerBatch)
          found.push(batch.slice(row, row + rowsPerBatch));
      const [first] = found;
      if (!first) throw new Error('no batch came');
      const schema = remoteSchema(first.schema);
      const batches = found.filter((b) => b.numRows > 0).map((batch) => batchMessage(schema, batch, surplus));
      const result = { schema: schemaMessage(schema), batches };
      if (kept) this.#encoded.set(key, result);
      return result;
    } finally {
      connection.closeSync();
    }
  }

  #state({ ran, readyAt, failure }: Operation): object {
    const status = this.#status();
    if (ran.cancelled) return { status, operationState: 3, errorMessage: 'cancelled' };
    if (Date.now() < readyAt) return { status, operationState: 1 };
    return failure
      ? { status, operationState: 5, errorMessage: failure.message, sqlState: failure.sqlState }
      : { status, operationState: 2, hasResultSet: true };
  }

  #metadata({ schema, files }: Operation): object {
    return {
      status: this.#status(),
      resultFormat: files ? 3 : 0,
      lz4Compressed: this.options.compress ?? false,
      arrowSchema: Buffer.from(schema),
      schema: { columns: [] },
    };
  }

  #batchAt({ batches, times }: Operation, row: number): number {
    let seen = 0;
    for (let at = 0; at < times * batches.length; at++) {
      if (seen >= row) return at;
      seen += batches[at % batches.length]?.rows ?? 0;
    }
    return times * batches.length;
  }

  async #page(operation: Operation): Promise<object> {
    const { batches, times, files, schema } = operation;
    const { batchesPerPage = 8 } = this.options;
    const end = Math.min(times * batches.length, operation.at + batchesPerPage);
    let from = 0;
    for (let i = 0; i < operation.at; i++) from += batches[i % batches.length]?.rows ?? 0;
    const pieces: Encoded[] = [];
    for (let i = operation.at; i < end; i++)
      pieces.push(batches[i % batches.length] ?? { bytes: new Uint8Array(), rows: 0 });
    operation.at = end;
    const results = files
      ? { startRowOffset: from, rows: [], resultLinks: pieces.length === 0 ? [] : this.#linksTo(schema, pieces, from) }
      : {
          startRowOffset: from,
          rows: [],
          arrowBatches: await Promise.all(
            pieces.map(async ({ bytes, rows }) => ({
              batch: await this.#sent(bytes, () => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)),
              rowCount: rows,
            })),
          ),
        };
    return { status: this.#status(), hasMoreRows: end < times * batches.length, results };
  }

  /** A file for each batch of a page. */
  #linksTo(schema: Uint8Array, pieces: readonly Encoded[], from: number): object[] {
    let at = from;
    return pieces.map((piece) => {
      const url = `/result/${randomUUID()}?signature=of-the-link`;
      this.#links.set(url, [{ bytes: schema, rows: 0 }, piece]);
      const link = {
        fileLink: `https://localhost:${this.#filePort}${url}`,
        expiryTime: Date.now() + DAY,
        startRowOffset: at,
        rowCount: piece.rows,
        bytesNum: piece.bytes.length,
        httpHeaders: KEY,
      };
      at += piece.rows;
      return link;
    });
  }
}

interface Asked {
  readonly statement: string;
  readonly queryTimeout?: number | null;
  readonly canDownloadResult?: boolean;
  readonly getDirectResults?: object;
  readonly parameters?: readonly {
    readonly name: string;
    readonly type?: string;
    readonly value?: { readonly stringValue?: string };
  }[];
}
