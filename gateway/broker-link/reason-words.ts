/** What brokers answer, in words. */
import { printable } from '../printable.ts';

/** MQTT 3.1.1, 3.2.2.3. */
const CONNACK_3: ReadonlyMap<number, string> = new Map([
  [1, 'it does not speak MQTT 3.1.1: set protocol: 5'],
  [2, 'it does not take this client id'],
  [3, 'it is not available'],
  [4, 'wrong username or password'],
  [5, 'not authorised (wrong username, password or client id)'],
]);

/** MQTT 5, 2.4. */
const REASONS_5: ReadonlyMap<number, string> = new Map([
  [128, 'unspecified error'],
  [129, 'malformed packet'],
  [130, 'protocol error'],
  [131, 'implementation specific error'],
  [132, 'it does not speak MQTT 5: set protocol: 3.1.1'],
  [133, 'it does not take this client id'],
  [134, 'wrong username or password'],
  [135, 'not authorised'],
  [136, 'it is not available'],
  [137, 'it is busy'],
  [138, 'this client is banned'],
  [139, 'it is shutting down'],
  [140, 'bad authentication method'],
  [141, 'it heard nothing within the keepalive'],
  [142, 'another client has connected under this client id'],
  [143, 'invalid topic filter'],
  [144, 'invalid topic'],
  [145, 'packet identifier in use'],
  [147, 'more in flight than it takes'],
  [148, 'invalid topic alias'],
  [149, 'packet too large'],
  [150, 'too many messages in too short a time'],
  [151, 'quota exceeded'],
  [152, 'administrative action'],
  [153, 'invalid payload format'],
  [154, 'it keeps no retained messages'],
  [155, 'it does not take this QoS'],
  [156, 'another server is to be used'],
  [157, 'it has moved to another server'],
  [158, 'it has no shared subscriptions'],
  [159, 'too many connections in too short a time'],
  [160, 'the connection has lasted too long'],
  [161, 'it has no subscription identifiers'],
  [162, 'it takes no wildcards'],
]);

/** Where they say more of CONNECT than of others; brokers of MQTT 3.1.1 alone answer 1 (MQTT 3.1.1, 3.1.2.2). */
const CONNACK_5: ReadonlyMap<number, string> = new Map([
  [1, 'it does not speak MQTT 5: set protocol: 3.1.1'],
  [135, 'not authorised (wrong username, password or client id)'],
]);

/** Of CONNACK: nothing changes unless somebody acts. */
const FINAL: ReadonlySet<number> = new Set([
  ...[1, 2, 4, 5],
  ...[130, 132, 133, 134, 135, 138, 140, 144, 149, 153, 154, 155, 156, 157],
]);

/** TLS errors of Node.js and OpenSSL that only somebody can mend. */
const FINAL_TLS =
  /^(?:CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|ERR_TLS_CERT|ERR_OSSL|ERR_SSL_(?!.*(?:UNEXPECTED_EOF|BAD_RECORD)))/;

/** Characters: whoever answers there has chosen them. */
const MAX_SERVER_REFERENCE = 200;

const CONNACK_FIRST_BYTE = 0x20;
/** Handshake and alert (RFC 8446, 5.1). */
const TLS_FIRST_BYTES: ReadonlySet<number> = new Set([0x15, 0x16]);

/** Of what comes first from where a broker should be: why none is there; null where it may be one (MQTT 3.1.1, 3.2). */
export function noBrokerWords(first: Buffer): string | null {
  if (first[0] === CONNACK_FIRST_BYTE) return null;
  if (first.toString('latin1', 0, 5) === 'HTTP/') return 'no MQTT broker answers there, but a web server';
  return TLS_FIRST_BYTES.has(first[0] ?? 0)
    ? 'no MQTT broker answers there, but what speaks TLS: try mqtts:// or wss://'
    : 'no MQTT broker answers there: what came is no answer to CONNECT';
}

/** Of a refused CONNECT. */
export function connackWords(code: number, protocolVersion: 4 | 5 = 4): string {
  if (protocolVersion === 4) return CONNACK_3.get(code) ?? reasonWords(code);
  return CONNACK_5.get(code) ?? reasonWords(code);
}

export function reasonWords(code: number): string {
  return REASONS_5.get(code) ?? `reason ${code}`;
}

/** Which server a broker names in place of itself (MQTT 5, 3.2.2.3.16 and 3.14.2.2.5); empty where it names none. */
export function serverReferenceWords(reference: string | undefined): string {
  return reference === undefined || reference === ''
    ? ''
    : ` (it names ${printable(reference, MAX_SERVER_REFERENCE)})`;
}

/** A refusal that is the same the next time, unless somebody acts. */
export function isFinalConnack(code: number): boolean {
  return FINAL.has(code);
}

/** The certificates do not fit: trying again soon does not help. */
export function isFinalTlsError(code: string): boolean {
  return FINAL_TLS.test(code);
}
