import { setTimeout as pause } from 'node:timers/promises';
import pRetry from 'p-retry';
import { UserError } from '../errors.ts';

/** A server answered a request with another status than 200: what it said, and how long it asks to wait, in milliseconds. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly retryAfter: number | undefined;
  constructor(status: number, said: string, retryAfter?: number) {
    super(`HTTP ${status}${said === '' ? '' : `: ${said}`}`);
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/** Milliseconds that a `Retry-After` asks for, which holds seconds or a date (RFC 9110, 10.2.3). */
export function retryAfterMillis(header: string | null | undefined): number | undefined {
  const text = header?.trim();
  if (!text) return undefined;
  const wait = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(wait) ? undefined : Math.max(0, wait);
}

/** How long requests are tried again: pauses double from the first to the longest, with jitter; all in milliseconds. */
export interface Patience {
  readonly first: number;
  readonly longest: number;
  /** For how long a server may say that it is busy or starting. */
  readonly whole: number;
  /** How often a connection may break in a row. */
  readonly breaks: number;
}

/** A stopped warehouse takes up to ten minutes to start. */
export const patience: Patience = { first: 500, longest: 30_000, whole: 15 * 60_000, breaks: 6 };

const BUSY = new Set([502, 503, 504]);
const BROKEN = /ECONNRESET|ETIMEDOUT|EPIPE|ENETUNREACH|EHOSTUNREACH|socket hang up|premature close|aborted|timed out/i;
const STOPPED = new Set(['AbortError', 'TimeoutError']);
const NOBODY = /ECONNREFUSED|ENOTFOUND|EAI_AGAIN/;

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? `${error.code} ${error.message}` : error.message;

/** Which failures another try may mend: `unbegun` where the server did not take the request, `any` where it may have. */
export type Again = 'never' | 'unbegun' | 'any';

/** What a failed request allows. */
export function againAfter(error: unknown): Again {
  if (error instanceof HttpError) {
    if (error.status === 429 || (error.status === 503 && error.retryAfter !== undefined)) return 'unbegun';
    return BUSY.has(error.status) ? 'any' : 'never';
  }
  if (!(error instanceof Error) || error instanceof UserError || STOPPED.has(error.name)) return 'never';
  if (NOBODY.test(codeOf(error))) return 'unbegun';
  return BROKEN.test(codeOf(error)) ? 'any' : 'never';
}

/** How work may be done again. */
export interface Persistence {
  /** Whether doing it twice is as doing it once. */
  readonly repeatable: boolean;
  /** Whether the server has answered before: that nobody is there is then no mistake in its address. */
  readonly known?: boolean;
  readonly waits?: Patience | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Does work that asks a server for something, again and again while the server is busy or the connection breaks.
 * Work that is not `repeatable` is done again only where the server surely did not begin it. Throws the last failure.
 */
export function persistently<T>(
  work: () => Promise<T>,
  { repeatable, known = true, waits = patience, signal }: Persistence,
): Promise<T> {
  const until = Date.now() + waits.whole;
  let breaks = 0;
  return pRetry(work, {
    retries: Number.POSITIVE_INFINITY,
    minTimeout: waits.first,
    maxTimeout: waits.longest,
    maxRetryTime: waits.whole,
    randomize: true,
    ...(signal ? { signal } : {}),
    shouldRetry: async ({ error }) => {
      const again = againAfter(error);
      if (again === 'never' || (again === 'any' && !repeatable)) return false;
      if (!known && NOBODY.test(codeOf(error))) return false;
      if (!(error instanceof HttpError)) return ++breaks < waits.breaks;
      breaks = 0;
      const wait = error.retryAfter ?? 0;
      if (Date.now() + wait > until) return false;
      await pause(wait, undefined, signal ? { signal } : {});
      return true;
    },
  });
}

const READS = /^(SELECT|VALUES|FROM|SHOW|DESCRIBE|DESC|EXPLAIN|LIST)\b/i;
const REPEATS =
  /^(USE|SET|REFRESH|ANALYZE|OPTIMIZE|COMMENT ON|GRANT|REVOKE|DELETE FROM|TRUNCATE TABLE|DROP \w+( \w+)? IF EXISTS|CREATE( \w+)* IF NOT EXISTS|CREATE OR REFRESH)\b/i;
const REWRITES =
  /^(?:CREATE OR REPLACE (?:TEMP |TEMPORARY )?(?:TABLE|VIEW|FUNCTION|MATERIALIZED VIEW)|INSERT OVERWRITE(?: TABLE)?|INSERT INTO(?= \S+ REPLACE WHERE ))\s+(\S+)/i;
const ADDS_MISSING = /^MERGE INTO\b(?!.*\bWHEN MATCHED\b)/is;
const WRITES = /\b(INSERT|MERGE|UPDATE|DELETE)\b/i;

/** Whether running a statement twice leaves the same state as running it once, as far as its text shows. */
export function isRepeatable(statement: string): boolean {
  const text = statement.trim().replace(/\s+/g, ' ');
  if (READS.test(text) || REPEATS.test(text) || ADDS_MISSING.test(text)) return true;
  if (/^WITH\b/i.test(text)) return !WRITES.test(text);
  const target = REWRITES.exec(text)?.[1];
  return target !== undefined && !text.slice(text.indexOf(target) + target.length).includes(target);
}
