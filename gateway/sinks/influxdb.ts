/**
 * InfluxDB 1, 2 and 3 (3 is experimental: not tried on a real one), and what speaks their write protocols. One write
 * is one request; the answer is judged by `classify`, and what to do then is delivery's.
 */
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import type { Decision, Sink } from '../sink-contract.ts';
import { classify } from './classify.ts';
import {
  authorizationOf,
  detectVersion,
  type InfluxVersion,
  versionIn,
  type WriteTarget,
  writePath,
} from './influxdb-server.ts';
import { createTransport, type Response, type Transport } from './influxdb-transport.ts';

export interface InfluxOptions extends WriteTarget {
  readonly url: string;
  /** `auto`: the server is asked, and its answer waited for. */
  readonly version: 'auto' | InfluxVersion;
  readonly username: string | null;
  readonly password: string | null;
  readonly token: string | null;
  /** `auto`: packed unless the server is on this machine, where packing only costs. */
  readonly gzip: 'auto' | boolean;
  readonly timeoutMs: number;
}

interface Connection {
  readonly version: InfluxVersion;
  /** The server itself has said that it is InfluxDB 3: only then can 201 mean written. */
  readonly verifiedV3: boolean;
  readonly path: string;
  readonly transport: Transport;
}

/** Level 1: line protocol shrinks to a fifth by it already, at a third of the work of the default level. */
const GZIP_LEVEL = 1;
const pack = promisify(gzip);

/** @throws GatewayError `config-invalid` where a name that the version needs is missing. */
export function createInfluxSink(options: InfluxOptions): Sink {
  const packed = options.gzip === 'auto' ? !isLoopback(options.url) : options.gzip;
  if (options.version !== 'auto') writePath(options.version, options);
  let connection: Connection | null = null;

  /** @throws GatewayError `sink-unavailable`, `config-invalid`. */
  const connect = async (signal: AbortSignal): Promise<Connection> => {
    const { url, timeoutMs } = options;
    const guess = options.version === 'auto' ? 2 : options.version;
    const authorization = authorizationOf(guess, options);
    const first = createTransport({ url, authorization, timeoutMs });
    try {
      const asked =
        options.version === 'auto'
          ? await detectVersion(first, signal)
          : options.version === 3
            ? await detectVersion(first, signal).catch(() => null)
            : null;
      const version = options.version === 'auto' ? (asked ?? guess) : options.version;
      return {
        version,
        verifiedV3: asked === 3,
        path: writePath(version, options),
        transport: createTransport({ url, authorization: authorizationOf(version, options), timeoutMs }),
      };
    } finally {
      first.close();
    }
  };

  const forget = (): void => {
    connection?.transport.close();
    connection = null;
  };

  return {
    open: async (_storeId, _lastSeq, signal) => {
      connection ??= await connect(signal);
      return null;
    },

    write: async (lines, _throughSeq, signal) => {
      try {
        connection ??= await connect(signal);
      } catch (error) {
        return {
          kind: 'retry',
          afterMs: null,
          reason: error instanceof Error ? error.message : String(error),
        };
      }
      const { transport, path, verifiedV3 } = connection;
      const body = packed ? await pack(lines, { level: GZIP_LEVEL }) : lines;
      const response = await transport.send({ method: 'POST', path, body, gzipped: packed }, signal);
      const decision = judge(response, lines, verifiedV3, options);
      // Another server may answer there by now: ask it anew.
      if (decision.kind === 'pause' && options.version === 'auto') forget();
      return decision;
    },

    close: async () => forget(),
  };
}

function judge(response: Response, lines: Buffer, verifiedV3: boolean, options: InfluxOptions): Decision {
  if (response.kind === 'failed') return classify(response);
  const { status, headers, body } = response;
  return classify({
    kind: 'answered',
    status,
    headers,
    body: withoutSecrets(body, options),
    verifiedV3: verifiedV3 && (versionIn(headers) ?? 3) === 3,
    receivedMs: Date.now(),
    lineAt: linesOf(lines),
  });
}

/** Some proxies show the request, credentials and all, on their error page. */
function withoutSecrets(body: string, { token, username, password }: InfluxOptions): string {
  let safe = body;
  const basic = Buffer.from(`${username ?? ''}:${password ?? ''}`).toString('base64');
  for (const secret of [token, password, password === null ? null : basic]) {
    if (secret !== null && secret.length >= 4) safe = safe.replaceAll(secret, '***');
  }
  return safe;
}

/** Splits only when asked: nearly every answer asks for no line. */
function linesOf(lines: Buffer): (index: number) => string | null {
  let split: string[] | null = null;
  return (index) => {
    split ??= lines.toString('utf8').replace(/\n$/, '').split('\n');
    return split[index] ?? null;
  };
}

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === 'localhost' || hostname === '[::1]' || /^127\./.test(hostname);
}
