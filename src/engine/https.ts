import { Agent, request } from 'node:https';
import type { Duplex } from 'node:stream';
import { HttpError, retryAfterMillis } from './retry.ts';

/** One request; `agent` brings the connections and whom they trust. */
export interface HttpsRequest {
  readonly url: string;
  readonly method?: 'GET' | 'POST';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly agent?: Agent | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Gives the memory for a body of so many bytes or fewer; new memory unless told. */
  readonly place?: ((length: number) => Buffer) | undefined;
}

/** After so many milliseconds without a byte a connection counts as broken. */
const SILENCE = 60_000;
const LONGEST_WORDS = 500;
/** The length of a larger body is not believed before it is there. */
const MOST_BYTES = 256 << 20;

/** TLS gives no more than one record at once. */
const RECORD = 16 << 10;
/** Whether what was read last has been copied, by connection. */
const copied = new WeakMap<Duplex, { yes: boolean }>();

/** Connections that read into the same few bytes again and again while what they read is copied at once, instead of into new memory for every 16 KB: most of the work would be to collect it. */
export class FrugalAgent extends Agent {
  override createConnection(...[options, done]: Parameters<Agent['createConnection']>): Duplex | null | undefined {
    const last = { yes: false };
    let place = Buffer.allocUnsafeSlow(RECORD);
    const onread = {
      buffer: () => place,
      callback: (length: number) => {
        last.yes = false;
        const more = socket?.push(place.subarray(0, length)) ?? false;
        if (!last.yes) place = Buffer.allocUnsafeSlow(RECORD);
        return more;
      },
    };
    const socket = super.createConnection(Object.assign(options, { onread }), done);
    if (socket) copied.set(socket, last);
    return socket;
  }
}

/** Memory for bodies of one kind, used again. */
export class Places {
  readonly #lent = new WeakSet<ArrayBufferLike>();
  readonly #free: Buffer[] = [];

  /** Memory for so many bytes or a few more. */
  take(length: number): Buffer {
    const free = this.#free.pop();
    const place = free && free.length >= length ? free : Buffer.allocUnsafeSlow(length + (length >> 3));
    this.#lent.add(place.buffer);
    return place;
  }

  /** Takes back the memory of a body of which nothing is needed any more; other memory is left alone. */
  give({ buffer }: Buffer): void {
    if (this.#lent.delete(buffer)) this.#free.push(Buffer.from(buffer));
  }
}

/** Puts a body together: straight into its place where its length is known, so that its many small pieces do not wait in memory. */
function bodyOf(
  length: number,
  placeOf: (length: number) => Buffer,
): { add: (chunk: Buffer) => boolean; whole: () => Buffer } {
  const place = Number.isSafeInteger(length) && length <= MOST_BYTES ? placeOf(length) : undefined;
  const chunks: Buffer[] = [];
  let at = 0;
  return {
    add: (chunk) => {
      if (place) chunk.copy(place, at);
      else chunks.push(chunk);
      at += chunk.length;
      return place !== undefined;
    },
    whole: () => place?.subarray(0, at) ?? Buffer.concat(chunks),
  };
}

/** Asks over HTTPS and gives the body; throws an `HttpError` for another status than 2xx. Never follows a redirection. */
export function askHttps({
  url,
  method = 'GET',
  headers = {},
  body,
  agent,
  signal,
  place = Buffer.allocUnsafeSlow,
}: HttpsRequest): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const asked = request(
      url,
      { method, headers, ...(agent ? { agent } : {}), ...(signal ? { signal } : {}), timeout: SILENCE },
      (response) => {
        const { statusCode = 0, headers: answered } = response;
        const body = bodyOf(Number(answered['content-length']), place);
        const last = copied.get(response.socket);
        response.on('data', (chunk: Buffer) => {
          const done = body.add(chunk);
          if (last) last.yes = done;
        });
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
