import { isIP } from 'node:net';

/**
 * Only programs on this machine reach it: `localhost`, 127.0.0.0/8 (RFC 1122, 3.2.1.3), `::1` (RFC 4291, 2.5.3). Of other
 * spellings that is not believed, where it says who may connect; where it does not, ask for the canonical one.
 */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === 'localhost' || name === '::1' || name === '0:0:0:0:0:0:0:1') return true;
  return isIP(name) === 4 && name.startsWith('127.');
}

/** In its canonical form: all addresses of this machine, for a listener; any of them, for a connection. */
export function isUnspecified(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}

/**
 * The same for all spellings of an address: those of IPv4 that resolvers take (`127.1`, `0x7f.1`, `2130706433`), the short
 * and the long ones of IPv6, and IPv4 within IPv6 (RFC 4291, 2.5.5.2). Names in small letters, without a dot at the end.
 */
export function canonicalHost(host: string): string {
  const url = host.includes(':') ? `http://[${host}]` : `http://${host}`;
  if (!URL.canParse(url)) return host.toLowerCase();
  const name = new URL(url).hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(name) ?? [];
  if (high === undefined || low === undefined) return name;
  const bits = [high, low].map((part) => Number.parseInt(part, 16));
  return bits.flatMap((part) => [part >> 8, part & 0xff]).join('.');
}
