import type { Socket } from 'node:net';

/** The address at the other end, without its zone, an IPv4 address as such. Null where the socket has gone already. */
export function remoteIp({ remoteAddress }: Pick<Socket, 'remoteAddress'>): string | null {
  return remoteAddress?.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '') ?? null;
}
