/**
 * One HTTP request to InfluxDB by the official client's transport: nothing is batched, buffered, retried, followed or
 * thrown here, and what comes back is bounded in size and time.
 */
import http from 'node:http';
import https from 'node:https';
import { HttpError, InfluxDB } from '@influxdata/influxdb-client';

export interface TransportOptions {
  readonly url: string;
  /** `Token …`, `Bearer …` or `Basic …`; null: none. */
  readonly authorization: string | null;
  /** From the first byte sent to the last received. */
  readonly timeoutMs: number;
  /** A longer answer is given up. Left out: room for the longest that a write may bring. */
  readonly maxAnswerBytes?: number;
}

export interface Request {
  readonly method: 'GET' | 'POST';
  /** With its query, behind the url's own path. */
  readonly path: string;
  readonly body: Buffer;
  readonly gzipped: boolean;
}

/** What came back: an answer, or why there is none. */
export type Response =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly headers: http.IncomingHttpHeaders;
      readonly body: string;
    }
  | { readonly kind: 'failed'; readonly code: string | null; readonly message: string };

export interface Transport {
  /** Never rejects. */
  send(request: Request, signal: AbortSignal): Promise<Response>;
  /** Closes the connections that are kept alive. */
  close(): void;
}

/** Room for InfluxDB 3 to list every line of the largest batch; anything longer is not its answer. */
const MAX_ANSWER_BYTES = 16 * 1024 * 1024;

/** A longer timer of Node fires at once. */
const MAX_TIMER_MS = 2 ** 31 - 1;

export function createTransport({ url, authorization, ...options }: TransportOptions): Transport {
  const timeoutMs = Math.min(options.timeoutMs, MAX_TIMER_MS);
  const base = url.replace(/\/+$/, '').replace(/\/api\/v2$/, '');
  const maxBytes = options.maxAnswerBytes ?? MAX_ANSWER_BYTES;
  const secure = base.startsWith('https:');
  const agent = secure ? new https.Agent({ keepAlive: true }) : new http.Agent({ keepAlive: true });
  const client = new InfluxDB({
    url: base,
    timeout: timeoutMs,
    headers: authorization === null ? {} : { authorization },
    transportOptions: {
      agent,
      // The client's own door for another `request` function: ours bounds the answer, and follows nothing.
      'follow-redirects': {
        http: { request: bounded(http.request, maxBytes) },
        https: { request: bounded(https.request, maxBytes) },
      },
    },
  });

  return {
    send: async (request, signal) => {
      const control = new AbortController();
      const stop = (): void => control.abort();
      let late = false;
      const timer = setTimeout(() => {
        late = true;
        control.abort();
      }, timeoutMs);
      signal.addEventListener('abort', stop, { once: true });
      if (signal.aborted) stop();
      try {
        return await once(client, request, control.signal);
      } catch (error) {
        if (signal.aborted) return { kind: 'failed', code: 'ABORTED', message: 'the gateway stops' };
        return failure(error, late);
      } finally {
        clearTimeout(timer);
        signal.removeEventListener('abort', stop);
      }
    },
    close: () => agent.destroy(),
  };
}

function once(client: InfluxDB, request: Request, signal: AbortSignal): Promise<Response> {
  const { method, path, body, gzipped } = request;
  return new Promise((resolve, reject) => {
    let status = 0;
    let headers: http.IncomingHttpHeaders = {};
    const chunks: Uint8Array[] = [];
    client.transport.send(
      path,
      // Typed as a string, but only ever given to `Buffer.from`, which takes bytes as well: no decoding, no encoding.
      body as unknown as string,
      {
        method,
        signal,
        headers: {
          'content-type': 'text/plain; charset=utf-8',
          ...(gzipped ? { 'content-encoding': 'gzip' } : {}),
        },
      },
      {
        responseStarted: (started, code) => {
          headers = started;
          status = code ?? 0;
        },
        next: (chunk: Uint8Array) => {
          chunks.push(chunk);
        },
        complete: () =>
          resolve({ kind: 'answered', status, headers, body: Buffer.concat(chunks).toString('utf8') }),
        error: reject,
      },
    );
  });
}

function failure(error: unknown, late: boolean): Response {
  if (error instanceof HttpError) {
    return {
      kind: 'answered',
      status: error.statusCode,
      headers: error.headers ?? {},
      body: error.body ?? '',
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  const timedOut = late || (error instanceof Error && error.name === 'RequestTimedOutError');
  return { kind: 'failed', code: timedOut ? 'ETIMEDOUT' : codeOf(error), message };
}

function codeOf(error: unknown): string | null {
  if (typeof error !== 'object' || error === null) return null;
  if ('code' in error && typeof error.code === 'string') return error.code;
  return 'name' in error && error.name === 'AbortError' ? 'ECONNRESET' : null;
}

type RequestFunction = (
  options: http.RequestOptions,
  onResponse: (response: http.IncomingMessage) => void,
) => http.ClientRequest;

function bounded(request: RequestFunction, maxBytes: number): RequestFunction {
  return (options, onResponse) =>
    request(options, (response) => {
      // Nobody asked for a packed answer, and what it would unpack to has no bound.
      delete response.headers['content-encoding'];
      let bytes = 0;
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        if (bytes > maxBytes) response.destroy(new Error('the answer is too long to be InfluxDB’s'));
      });
      onResponse(response);
    });
}
