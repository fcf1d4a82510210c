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

/** Asks over HTTPS and gives the body; throws an `HttpError` for another status than 2xx. Never follows a redirection. */
export function askHttps({ url, method = 'GET', headers = {}, body, agent, signal }: HttpsRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { method, headers, ...(agent ? { agent } : {}), ...(signal ? { signal } : {}), timeout: SILENCE },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('error', reject);
        response.on('end', () => {
          const { statusCode = 0, headers: answered } = response;
          const whole = Buffer.concat(chunks);
          if (statusCode >= 200 && statusCode < 300) resolve(whole);
          else
            reject(
              new HttpError(
                statusCode,
                whole.subarray(0, LONGEST_WORDS).toString().trim(),
                retryAfterMillis(answered['retry-after']),
              ),
            );
        });
      },
    );
    asked.on('timeout', () => asked.destroy(new Error(`timed out after ${SILENCE / 1000} seconds without an answer`)));
    asked.on('error', reject);
    asked.end(body);
  });
}
