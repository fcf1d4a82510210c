import { readFile } from 'node:fs/promises';
import type { RecordBatch } from 'apache-arrow';
import { EngineError, messageOf, UserError } from '../errors.ts';
import type { Dialect } from '../sql/dialect.ts';
import { type Engine, rows, TABLES, type Values } from './engine.ts';
import { againAfter, HttpError, isRepeatable } from './retry.ts';
import { ThriftError, type ThriftSession } from './thrift.ts';

/** The PEM of the authority that signed a server's certificate. */
export const authorityOf = async (ca: string | undefined): Promise<string | undefined> =>
  ca === undefined
    ? undefined
    : readFile(ca, 'utf8').catch((error: unknown) => {
        throw new UserError(`Cannot read engine.ca: ${messageOf(error)}`);
      });

/** The server's own words: without the class of the exception, the plan, the statement and the Java stack. */
export function serverMessage(text: string): string {
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

const OF_DATA = /^22/;

/** What a remote engine is called, how it spells, and what it adds to an error. */
export interface Kind {
  readonly dialect: Dialect;
  readonly title: string;
  /** What to do about a refusal, beside what the server said of it. */
  readonly advice?: (message: string) => string | undefined;
  /** Hides what must not be shown. */
  readonly hide?: (text: string) => string;
  /** Seconds that a statement may take. */
  readonly timeout?: number | undefined;
  /** Cancels what runs, on the server too, and lets nothing more run. */
  readonly signal?: AbortSignal | undefined;
}

/** SQL over a Thrift session: what Spark and Databricks have in common. */
export class RemoteEngine implements Engine {
  readonly dialect: Dialect;
  readonly session: ThriftSession;
  readonly #kind: Kind;

  constructor(session: ThriftSession, kind: Kind) {
    this.session = session;
    this.dialect = kind.dialect;
    this.#kind = kind;
  }

  /** Delta says how many rows a MERGE, UPDATE or DELETE changed; where a server says nothing it counts as 0. */
  async execute(statement: string): Promise<number> {
    let changed = 0;
    for await (const batch of this.query(statement, undefined, { flat: true })) {
      const at = batch.schema.fields.findIndex((field) => field.name === 'num_affected_rows');
      if (at >= 0 && batch.numRows > 0) changed += Number(batch.getChildAt(at)?.get(0) ?? 0);
    }
    return changed;
  }

  query(statement: string, values?: Values, _options?: { readonly flat?: boolean }): AsyncGenerator<RecordBatch> {
    return this.run(statement, values);
  }

  /** Runs a statement, which errors may show as it was `given`. */
  protected async *run(statement: string, values?: Values, given = statement): AsyncGenerator<RecordBatch> {
    const { signal, timeout } = this.#kind;
    const late = new AbortController();
    const timer = timeout === undefined ? undefined : setTimeout(() => late.abort(), timeout * 1000);
    const repeatable = isRepeatable(statement);
    try {
      const batches = this.session.run(statement, {
        signal: signal ? AbortSignal.any([signal, late.signal]) : late.signal,
        repeatable,
        values,
        timeout,
      });
      for await (const batch of batches) {
        // The time that whoever reads the rows takes is not the statement's.
        clearTimeout(timer);
        yield batch;
      }
    } catch (error) {
      if (signal?.aborted) throw error;
      throw late.signal.aborted ? this.#overdue(given) : this.#refusal(error, given, repeatable);
    } finally {
      clearTimeout(timer);
    }
  }

  #overdue(statement: string): EngineError {
    return new EngineError(
      `The statement took longer than ${this.#kind.timeout} s and was cancelled: raise engine.timeout, or give ${this.#kind.title} more to work with.`,
      { statement },
    );
  }

  #refusal(error: unknown, statement: string, repeatable: boolean): Error {
    if (error instanceof UserError) return error;
    const { title, advice, hide = (text) => text } = this.#kind;
    if (!(error instanceof ThriftError)) {
      const said = hide(messageOf(error));
      if (againAfter(error) === 'never' && !(error instanceof HttpError)) return new EngineError(said, { statement });
      const ran = repeatable ? '' : ' The statement may have run: it was not sent again.';
      const what = error instanceof HttpError ? 'refuses' : 'does not answer any more';
      const then = advice?.(said);
      return new EngineError(`${title} ${what}: ${said}.${ran}${then ? `\n${then}` : ''}`, { statement });
    }
    const sqlState = error.sqlState ?? '';
    const said = hide(serverMessage(error.message));
    const whole = sqlState === '' || said.includes(sqlState) ? said : `${said} (SQLSTATE ${sqlState})`;
    const then = advice?.(said);
    return new EngineError(then ? `${whole}\n${then}` : whole, { statement, ofData: OF_DATA.test(sqlState) });
  }

  async tables(): Promise<string[]> {
    return (await rows<{ name: string }>(this, TABLES)).map(({ name }) => name);
  }

  /** What lists them names its one column in ways of its own. */
  async schemas(): Promise<string[]> {
    return (await rows<Record<string, string>>(this, 'SHOW SCHEMAS')).map((row) => String(Object.values(row)[0]));
  }

  /** There are no transactions: the work just runs. Every statement is idempotent, so that a rerun reaches the same state. */
  transaction<T>(work: () => Promise<T>): Promise<T> {
    return work();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.session[Symbol.asyncDispose]();
  }
}
