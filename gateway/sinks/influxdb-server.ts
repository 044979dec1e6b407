/** Which InfluxDB is at the other end, and where it takes writes. */
import type http from 'node:http';
import { GatewayError } from '../errors.ts';
import { printable } from '../printable.ts';
import type { Transport } from './influxdb-transport.ts';

export type InfluxVersion = 1 | 2 | 3;

/** Names of where to write, as configured. */
export interface WriteTarget {
  readonly database: string | null;
  readonly org: string | null;
  readonly bucket: string | null;
}

/**
 * Asks `GET /ping` (`x-influxdb-version`, `x-influxdb-build`). Waits for an answer: never guesses.
 * VictoriaMetrics answers as 1.8.0, and takes version 1's writes.
 * @throws GatewayError `sink-unavailable`: no answer, or one that does not tell.
 */
export async function detectVersion(transport: Transport, signal: AbortSignal): Promise<InfluxVersion> {
  const answer = await transport.send(
    { method: 'GET', path: '/ping', body: Buffer.alloc(0), gzipped: false },
    signal,
  );
  if (answer.kind === 'failed') {
    throw new GatewayError(
      'sink-unavailable',
      `its version is not known yet: no answer (${printable(answer.code ?? answer.message, 100)})`,
    );
  }
  const version = versionIn(answer.headers);
  if (version !== null) return version;
  throw new GatewayError(
    'sink-unavailable',
    `what answers at this address (${answer.status}) does not say that it is InfluxDB; check the url, or configure the version`,
  );
}

/** From the headers of any answer; null where they do not tell. */
export function versionIn(headers: http.IncomingHttpHeaders): InfluxVersion | null {
  const value = headers['x-influxdb-version'];
  const major = typeof value === 'string' ? /^v?(\d+)\./.exec(value)?.[1] : undefined;
  if (major === '1' || major === '2' || major === '3') return major === '1' ? 1 : major === '2' ? 2 : 3;
  const build = headers['x-influxdb-build'];
  return typeof build === 'string' && /^(?:core|enterprise3)$/i.test(build) ? 3 : null;
}

/**
 * The path that takes nanosecond lines.
 * @throws GatewayError `config-invalid` where a name it needs is not configured.
 */
export function writePath(version: InfluxVersion, { database, org, bucket }: WriteTarget): string {
  switch (version) {
    case 1: {
      const db = needed(database ?? bucket, 1, 'database');
      return `/write?${new URLSearchParams({ db, precision: 'ns' })}`;
    }
    case 2: {
      const names = { bucket: needed(bucket ?? database, 2, 'bucket'), precision: 'ns' };
      return `/api/v2/write?${new URLSearchParams(org === null ? names : { org, ...names })}`;
    }
    case 3: {
      const db = needed(bucket ?? database, 3, 'bucket');
      return `/api/v3/write_lp?${new URLSearchParams({ db, precision: 'nanosecond', accept_partial: 'true' })}`;
    }
  }
}

function needed(name: string | null, version: InfluxVersion, key: string): string {
  if (name !== null) return name;
  throw new GatewayError('config-invalid', `the server is InfluxDB ${version}: configure its ${key}`);
}

/** How the credentials are sent; null where none are configured. Never as part of the url, which gets logged. */
export function authorizationOf(
  version: InfluxVersion,
  credentials: {
    readonly username: string | null;
    readonly password: string | null;
    readonly token: string | null;
  },
): string | null {
  const { username, password, token } = credentials;
  if (username !== null && (version === 1 || token === null)) {
    return `Basic ${Buffer.from(`${username}:${password ?? ''}`).toString('base64')}`;
  }
  if (token === null) return null;
  return version === 3 ? `Bearer ${token}` : `Token ${token}`;
}
