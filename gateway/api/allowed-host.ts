import { isIP } from 'node:net';

export interface HostRule {
  /** The address that was configured. */
  readonly host: string;
}

/**
 * Whether a request names a host that is ours. A page anywhere can make a browser ask a name that leads to this
 * machine (DNS rebinding); the name it asked for stands in the Host header. Addresses cannot be rebound: loopback ones
 * are always ours, and any is where the gateway listens to the network.
 */
export function isAllowedHost(header: string | undefined, { host }: HostRule): boolean {
  const name = hostName(header);
  if (name === null) return false;
  if (name === 'localhost' || name === host.toLowerCase() || isLoopbackAddress(name)) return true;
  return isIP(name) !== 0 && !isLoopbackAddress(host) && host.toLowerCase() !== 'localhost';
}

/** A request from a page must come from a page of the same host and port (RFC 6454); programs send no Origin. */
export function isAllowedOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  if (!URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  return (protocol === 'http:' || protocol === 'https:') && from === host?.toLowerCase();
}

/** The name without port and brackets; null where the header is none (RFC 9112, 3.2). */
function hostName(header: string | undefined): string | null {
  if (header === undefined) return null;
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header);
  return (match?.[1] ?? match?.[2] ?? null)?.toLowerCase() ?? null;
}

function isLoopbackAddress(name: string): boolean {
  return name === '::1' || (isIP(name) === 4 && name.startsWith('127.'));
}
