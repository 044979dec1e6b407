import { hostname, networkInterfaces } from 'node:os';
import { brokerAddress } from '../broker-link/broker-stream.ts';
import type { ListenerConfig } from './gateway-config.ts';
import { canonicalHost, isLoopback, isUnspecified } from './loopback.ts';

/** What this machine is called, and its addresses, in their canonical form. */
export interface Machine {
  readonly names: ReadonlySet<string>;
  readonly addresses: ReadonlySet<string>;
}

export function thisMachine(): Machine {
  const name = canonicalHost(hostname());
  const [short = name] = name.split('.');
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return {
    // As multicast DNS has it (RFC 6762, 3).
    names: new Set([name, short, `${short}.local`]),
    addresses: new Set(addresses.map(({ address }) => canonicalHost(address))),
  };
}

/** The embedded broker, as far as a configuration and this machine's own names and addresses show. */
export function isOwnListener(
  { url }: { readonly url: string },
  listeners: readonly ListenerConfig[],
  machine: Machine = thisMachine(),
): boolean {
  const to = brokerAddress(url);
  if (to === null) return false;
  return listeners.some(
    ({ host, port }) => port !== 0 && port === to.port && leadsTo(to.host, host, machine),
  );
}

function leadsTo(to: string, listener: string, { names, addresses }: Machine): boolean {
  const target = canonicalHost(to);
  const at = canonicalHost(listener);
  if (target === at) return true;
  // A connection to no address in particular is one to this machine.
  if (isLoopback(target) || isUnspecified(target)) return isLoopback(at) || isUnspecified(at);
  const isName = names.has(target);
  if (!isName && !addresses.has(target)) return false;
  // Which of its addresses a name stands for is not known here.
  return isUnspecified(at) || (isName ? addresses.has(at) && !isLoopback(at) : names.has(at));
}
