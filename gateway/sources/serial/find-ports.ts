import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describePort, listPorts, type PortIdentity, realPathOf, type SystemRoots } from './port-identity.ts';

/** Which port is meant: by `path`, which may hold wildcards (`*`, `?`) in its last part, or by what is behind it. */
export interface PortWanted {
  readonly path: string | null;
  /** All that is given must fit. */
  readonly match: {
    readonly vendorId: string | null;
    readonly productId: string | null;
    readonly serialNumber: string | null;
  } | null;
}

/** A port that is there. */
export interface FoundPort {
  /** As it is to be opened. */
  readonly path: string;
  /** Without links: tells whether two are the same. */
  readonly realPath: string;
  /** Null where the system tells nothing of it. */
  readonly identity: PortIdentity | null;
}

/**
 * All ports that are meant, each once. Two that nothing but their sockets tells apart are both found by either's by-id link.
 * `list` spares reading sysfs again (some ms) where many are looked for at once.
 */
export function findPorts(
  { path, match }: PortWanted,
  roots: SystemRoots,
  list: () => readonly PortIdentity[] = () => listPorts(roots),
): readonly FoundPort[] {
  if (match !== null) {
    return list()
      .filter(
        ({ vendorId, productId, serialNumber }) =>
          fits(match.vendorId?.toLowerCase() ?? null, vendorId) &&
          fits(match.productId?.toLowerCase() ?? null, productId) &&
          fits(match.serialNumber, serialNumber),
      )
      .map((identity) => found(identity.path, identity));
  }
  if (path === null) return [];
  const paths = hasWildcard(path) ? expand(path) : [path];
  const identities = new Map<string, PortIdentity>();
  const ports = new Map<string, FoundPort>();
  for (const each of paths) {
    const realPath = realPathOf(each);
    if (realPath === null || ports.has(realPath)) continue;
    if (identities.size === 0)
      for (const identity of list()) identities.set(realPathOf(identity.path) ?? identity.path, identity);
    const identity = identities.get(realPath) ?? null;
    ports.set(realPath, { path: each, realPath, identity });
    if (!isById(each) || identity === null) continue;
    for (const twin of identities.values())
      if (twin !== identity && isTwin(twin, identity)) {
        const other = found(twin.path, twin);
        ports.set(other.realPath, other);
      }
  }
  return [...ports.values()];
}

export function hasWildcard(path: string): boolean {
  return /[*?]/.test(basename(path));
}

/** For people. */
export function describeFound({ path, identity }: FoundPort): string {
  return identity === null ? path : describePort(identity);
}

function found(path: string, identity: PortIdentity): FoundPort {
  return { path, realPath: realPathOf(path) ?? path, identity };
}

function fits(wanted: string | null, is: string | null): boolean {
  return wanted === null || wanted === is;
}

function isById(path: string): boolean {
  return dirname(path).endsWith('/serial/by-id');
}

/** udev would give both the same by-id link, and the one plugged in last has it. */
function isTwin(a: PortIdentity, b: PortIdentity): boolean {
  return (
    a.vendorId === b.vendorId &&
    a.productId === b.productId &&
    a.serialNumber === b.serialNumber &&
    a.product === b.product &&
    a.interface === b.interface
  );
}

function expand(pattern: string): readonly string[] {
  const folder = dirname(pattern);
  try {
    const names = readdirSync(folder).filter((name) => matchesWildcards(name, basename(pattern)));
    return names
      .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}

/** `*` stands for any characters and `?` for one. Linear but for one way back to the last `*`. */
function matchesWildcards(name: string, pattern: string): boolean {
  let at = 0;
  let star = -1;
  let resume = 0;
  let i = 0;
  while (i < name.length) {
    if (pattern[at] === '*') {
      star = at;
      resume = i;
      at += 1;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[i])) {
      at += 1;
      i += 1;
    } else if (star >= 0) {
      at = star + 1;
      resume += 1;
      i = resume;
    } else {
      return false;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}

/**
 * What tells a port from others of the same entry, fit for a topic level: its serial number, where it has one that none
 * of the others has; else the socket it is plugged into (`by-path`); else its name (`ttyUSB0`).
 */
export function suffixOf(port: FoundPort, all: readonly FoundPort[]): string {
  const serial = port.identity?.serialNumber ?? null;
  const isUnique = all.every((other) => other === port || other.identity?.serialNumber !== serial);
  const byPath = port.identity?.byPath[0];
  const name =
    serial !== null && isUnique ? serial : byPath !== undefined ? basename(byPath) : basename(port.realPath);
  return name.replace(/[^A-Za-z0-9._-]/g, '_').slice(0, 64);
}
