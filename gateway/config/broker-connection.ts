import { hostname } from 'node:os';
import { resolve } from 'node:path';
import type { BrokerConnection, BrokerWill } from '../broker-link/broker-connection.ts';
import { brokerAddress } from '../broker-link/broker-stream.ts';
import { topicNameProblem } from '../broker-link/topic-filter.ts';
import { canonicalHost, isLoopback, isUnspecified } from './loopback.ts';
import type { RawBrokerConnection, RawWill } from './raw-config.ts';
import { readSecret } from './secret-file.ts';
import { parseDuration } from './units.ts';

export type Report = { problem(pointer: string, message: string): void };

/** They travel in two and four bytes (MQTT 3.1.1, 3.1.2.10; MQTT 5, 3.1.2.11.2). */
const MAX_KEEPALIVE_SECONDS = 65_535;
const MAX_EXPIRY_SECONDS = 0xffff_ffff;
/** As the gateway's own broker takes by default. */
const MAX_CLIENT_ID_BYTES = 128;
const MAX_HOST_CHARS = 40;

/** Where an entry with a connection stands, and what it is called. */
export interface ConnectionContext {
  readonly pointer: string;
  /** Relative paths start here. */
  readonly base: string;
  readonly name: string;
}

/** Completes the connection of an entry of `brokers:` or `forward:`, and checks what a schema cannot say. */
export function normaliseConnection(
  raw: RawBrokerConnection,
  { pointer, base, name }: ConnectionContext,
  report: Report,
): BrokerConnection {
  const file = (path: string | undefined): string | null => (path === undefined ? null : resolve(base, path));
  const problem = (at: string, message: string): void => report.problem(`${pointer}${at}`, message);
  for (const { at, message } of contradictions(raw)) problem(at, message);
  const clientId = raw.clientId ?? defaultClientId(name);
  if (Buffer.byteLength(clientId) > MAX_CLIENT_ID_BYTES)
    problem('/clientId', `must have at most ${MAX_CLIENT_ID_BYTES} bytes`);
  if (/\p{Cc}/u.test(clientId)) problem('/clientId', 'holds a control character');
  return {
    url: raw.url,
    protocolVersion: raw.protocol === 5 ? 5 : 4,
    clientId,
    username: raw.username ?? null,
    password: password(raw, base, problem),
    passwordFile: file(raw.passwordFile),
    keepaliveSeconds: seconds(raw.keepalive, 5, MAX_KEEPALIVE_SECONDS, (message) =>
      problem('/keepalive', message),
    ),
    cleanStart: raw.cleanStart,
    sessionExpirySeconds: seconds(raw.sessionExpiry, 0, MAX_EXPIRY_SECONDS, (message) =>
      problem('/sessionExpiry', message),
    ),
    tls: {
      caFile: file(raw.caFile),
      certFile: file(raw.certFile),
      keyFile: file(raw.keyFile),
      serverName: raw.serverName ?? null,
      insecure: raw.insecure,
    },
    will: raw.will === undefined ? null : normaliseWill(raw.will, problem),
  };
}

/** Two clients of one id throw each other out of a broker, over and over. */
export function reportSharedClientIds(
  entries: readonly { readonly pointer: string; readonly connection: BrokerConnection }[],
  report: Report,
): void {
  const seen = new Set<string>();
  for (const { pointer, connection } of entries) {
    const key = `${brokerKey(connection)} ${connection.clientId}`;
    if (seen.has(key))
      report.problem(
        pointer,
        'connects to the same broker under the same client id as another entry, and they would throw each other out: give it a clientId of its own',
      );
    seen.add(key);
  }
}

/** The same for all names of the loopback: `localhost` and 127.0.0.1 are one broker, at one port. */
export function brokerKey({ url }: { readonly url: string }): string {
  const address = brokerAddress(url);
  if (address === null) return url;
  const host = canonicalHost(address.host);
  return `${isLoopback(host) || isUnspecified(host) ? 'localhost' : host}:${address.port}`;
}

/** The same after each restart: the broker keeps our session under it. */
function defaultClientId(name: string): string {
  const host = hostname().replace(/[^A-Za-z0-9._-]/g, '');
  const roomForHost = MAX_CLIENT_ID_BYTES - 'telemetry-gateway--'.length - name.length;
  return `telemetry-gateway-${host.slice(0, Math.max(0, Math.min(MAX_HOST_CHARS, roomForHost)))}-${name}`;
}

function password(
  raw: RawBrokerConnection,
  base: string,
  problem: (at: string, message: string) => void,
): string | null {
  if (raw.passwordFile === undefined) return raw.password ?? null;
  const read = readSecret(resolve(base, raw.passwordFile));
  if ('problem' in read) problem('/passwordFile', read.problem);
  return 'secret' in read ? read.secret : null;
}

function seconds(text: string, min: number, max: number, problem: (message: string) => void): number {
  const value = (parseDuration(text) ?? Number.MAX_SAFE_INTEGER) / 1000;
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  problem(`must be whole seconds, from ${min}s to ${max}s`);
  return min;
}

function normaliseWill(
  { topic, payload, qos, retain }: RawWill,
  problem: (at: string, message: string) => void,
): BrokerWill {
  const wrong = topicNameProblem(topic);
  if (wrong !== null) problem('/will/topic', wrong);
  return { topic, payload, qos, retain };
}

function contradictions(raw: RawBrokerConnection): { at: string; message: string }[] {
  const found: { at: string; message: string }[] = [];
  const address = brokerAddress(raw.url);
  if (address === null) found.push({ at: '/url', message: 'is no valid address' });
  else if (address.scheme.startsWith('mqtt') && !['', '/'].includes(new URL(raw.url).pathname))
    found.push({ at: '/url', message: 'has a path, which only ws:// and wss:// have' });
  if (raw.password !== undefined && raw.passwordFile !== undefined)
    found.push({ at: '/passwordFile', message: 'cannot stand beside password: keep one of them' });
  if ((raw.password ?? raw.passwordFile) !== undefined && raw.username === undefined)
    found.push({ at: '', message: 'needs username: MQTT takes no password without one' });
  if ((raw.certFile === undefined) !== (raw.keyFile === undefined))
    found.push({
      at: raw.certFile === undefined ? '/keyFile' : '/certFile',
      message: 'is of no use alone: certFile and keyFile belong together',
    });
  const isSecure = address?.scheme === 'mqtts' || address?.scheme === 'wss';
  if (!isSecure && address !== null)
    for (const key of ['caFile', 'certFile', 'serverName'] as const)
      if (raw[key] !== undefined)
        found.push({ at: `/${key}`, message: 'is for mqtts:// and wss:// only: nothing is encrypted here' });
  return found;
}
