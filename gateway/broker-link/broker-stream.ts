import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { connect as connectTcp, isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { messageOf } from '../errors.ts';
import type { BrokerConnection } from './broker-connection.ts';

/** Where a URL leads. */
export interface BrokerAddress {
  readonly scheme: 'mqtt' | 'mqtts' | 'ws' | 'wss';
  readonly host: string;
  readonly port: number;
  /** `host:port`, as people write it. */
  readonly text: string;
}

const DEFAULT_PORTS: Readonly<Record<BrokerAddress['scheme'], number>> = {
  mqtt: 1883,
  mqtts: 8883,
  ws: 80,
  wss: 443,
};

/** Null where the text is no URL of a broker. */
export function brokerAddress(url: string): BrokerAddress | null {
  if (!URL.canParse(url)) return null;
  const { protocol, hostname, port } = new URL(url);
  const scheme = protocol.slice(0, -1);
  if (!isScheme(scheme) || hostname === '') return null;
  const number = port === '' ? DEFAULT_PORTS[scheme] : Number(port);
  // Node.js wants addresses of IPv6 without their brackets.
  const host = hostname.startsWith('[') ? hostname.slice(1, -1) : hostname;
  return { scheme, host, port: number, text: `${hostname}:${number}` };
}

/** The address for people and logs: what stands behind `?` may be a token, as some brokers take it over WebSocket. */
export function shownUrl({ url }: { readonly url: string }): string {
  const query = url.search(/[?#]/);
  return query === -1 ? url : `${url.slice(0, query)}?(hidden)`;
}

function isScheme(text: string): text is BrokerAddress['scheme'] {
  return Object.hasOwn(DEFAULT_PORTS, text);
}

/** A file that the connection needs cannot be read, or holds something else: somebody must act. */
export class UnreadableFile extends Error {}

/**
 * A stream of bytes to the broker. It may be written to at once; whether it could be opened is told by its events. The
 * files of TLS are read anew each time, so that a renewed certificate needs no restart.
 * @throws UnreadableFile
 */
export async function openBrokerStream({ url, tls }: BrokerConnection): Promise<Duplex> {
  const address = brokerAddress(url);
  if (address === null) throw new UnreadableFile('the url is no address of a broker');
  const { scheme, host, port } = address;
  if (scheme === 'mqtt') return connectTcp({ host, port, noDelay: true });
  const secured = scheme === 'ws' ? {} : await tlsOptions(tls, host);
  if (scheme === 'mqtts') {
    const socket = connectTls({ ...secured, host, port });
    socket.setNoDelay(true);
    return socket;
  }
  return await overWebSocket(url, secured);
}

async function tlsOptions(tls: BrokerConnection['tls'], host: string): Promise<ConnectionOptions> {
  const [ca, cert, key] = await Promise.all([tls.caFile, tls.certFile, tls.keyFile].map(readOrNull));
  checkFiles(tls, { ca, cert, key });
  // A name is asked for in the handshake; an address cannot be (RFC 6066, 3), and is compared with the certificate as it is.
  const servername = tls.serverName ?? (isIP(host) === 0 ? host : null);
  return {
    rejectUnauthorized: !tls.insecure,
    ...(ca == null ? {} : { ca }),
    ...(cert == null ? {} : { cert }),
    ...(key == null ? {} : { key }),
    ...(servername === null ? {} : { servername }),
  };
}

async function readOrNull(file: string | null): Promise<Buffer | null> {
  if (file === null) return null;
  try {
    return await readFile(file);
  } catch (error) {
    throw new UnreadableFile(`${file} cannot be read: ${messageOf(error)}`);
  }
}

/** TLS itself passes over a `caFile` without a certificate in silence, and names no file in what it says of the others. */
function checkFiles(
  { caFile, certFile, keyFile }: BrokerConnection['tls'],
  { ca, cert, key }: Readonly<Record<'ca' | 'cert' | 'key', Buffer | null | undefined>>,
): void {
  if (ca != null) parsed(caFile, 'certificate in PEM', () => certificateIn(ca));
  const own = cert == null ? null : parsed(certFile, 'certificate in PEM', () => certificateIn(cert));
  const secret =
    key == null
      ? null
      : parsed(keyFile, 'private key in PEM without a password', () => createPrivateKey(key));
  if (own !== null && secret !== null && !own.checkPrivateKey(secret))
    throw new UnreadableFile(`${keyFile ?? ''} is not the key of the certificate in ${certFile ?? ''}`);
}

/** It would take DER as well, which TLS does not. */
function certificateIn(file: Buffer): X509Certificate {
  if (!file.includes('-----BEGIN ')) throw new Error('no PEM');
  return new X509Certificate(file);
}

function parsed<T>(file: string | null, what: string, parse: () => T): T {
  try {
    return parse();
  } catch {
    throw new UnreadableFile(`${file ?? ''} holds no ${what}`);
  }
}

async function overWebSocket(url: string, secured: ConnectionOptions): Promise<Duplex> {
  const { createWebSocketStream, WebSocket } = await import('ws');
  const { ca, cert, key, servername, rejectUnauthorized } = secured;
  const socket = new WebSocket(url, ['mqtt'], {
    perMessageDeflate: false,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(servername === undefined ? {} : { servername }),
    ...(rejectUnauthorized === undefined ? {} : { rejectUnauthorized }),
  });
  const stream = createWebSocketStream(socket);
  socket.on('close', () => stream.destroy());
  return stream;
}
