import { type Agent, request } from 'node:https';
import { HttpError, retryAfterMillis } from './retry.ts';

/** One request; `agent` brings the connections and whom they trust. */
export interface HttpsRequest {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly agent?: Agent | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** After so many milliseconds without a byte a connection counts as broken. */
const SILENCE = 60_000;
const LONGEST_WORDS = 500;
/** The length of a larger body is not believed before it is there. */
const MOST_BYTES = 256 << 20;

/** Puts a body together: straight into its place where its length is known, so that its many small pieces do not wait in memory. */
function bodyOf(length: number): { add: (chunk: Buffer) => void; whole: () => Buffer } {
  const place = Number.isSafeInteger(length) && length <= MOST_BYTES ? Buffer.allocUnsafeSlow(length) : undefined;
  const chunks: Buffer[] = [];
  let at = 0;
  return {
    add: (chunk) => {
      if (place) chunk.copy(place, at);
      else chunks.push(chunk);
      at += chunk.length;
    },
    whole: () => place?.subarray(0, at) ?? Buffer.concat(chunks),
  };
}

/** Asks over HTTPS and gives the body; throws an `HttpError` for another status than 2xx. Never follows a redirection. */
export function askHttps({ url, method = 'GET', headers = {}, body, agent, signal }: HttpsRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { method, headers, ...(agent ? { agent } : {}), ...(signal ? { signal } : {}), timeout: SILENCE },
      (response) => {
        const { statusCode = 0, headers: answered } = response;
        const body = bodyOf(Number(answered['content-length']));
        response.on('data', body.add);
        response.on('error', reject);
        response.on('end', () => {
          if (statusCode >= 200 && statusCode < 300) {
            resolve(body.whole());
            return;
          }
          const said = body.whole().subarray(0, LONGEST_WORDS).toString().trim();
          reject(new HttpError(statusCode, said, retryAfterMillis(answered['retry-after'])));
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error(`timed out after ${SILENCE / 1000} seconds without an answer`)));
    asked.on('error', reject);
    asked.end(body);
  });
}
