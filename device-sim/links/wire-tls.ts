import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { LinkDeps } from './link-deps.ts';

const contexts = new WeakMap<LinkDeps['tls'], SecureContext>();

/** One for all links of a run: the trusted certificates alone take some 100 KB. @throws Error where the CA cannot be read. */
export function secureContextOf(tls: LinkDeps['tls']): SecureContext {
  let context = contexts.get(tls);
  if (context === undefined) {
    context = createSecureContext(tls.caFile === null ? {} : { ca: readFileSync(tls.caFile) });
    contexts.set(tls, context);
  }
  return context;
}

/** Without the brackets of an IPv6 address. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** For SNI, where an address has no place (RFC 6066, 3). */
export function serverNameOf(url: URL): string {
  const host = hostOf(url);
  return isIP(host) === 0 ? host : '';
}
