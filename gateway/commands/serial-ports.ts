import { access, constants } from 'node:fs/promises';
import type { SerialPortConfig } from '../config/gateway-config.ts';
import type { GatewayStatus } from '../operations-contract.ts';
import { type FoundPort, findPorts } from '../sources/serial/find-ports.ts';
import { openingTrouble, type PortHolder } from '../sources/serial/opening-trouble.ts';
import {
  listPorts,
  type PortIdentity,
  realPathOf,
  type SystemRoots,
} from '../sources/serial/port-identity.ts';
import { portUsers } from './port-users.ts';

/** A serial port of this machine. */
export interface PortReport extends PortIdentity {
  /** Entries of the configuration that mean it: one, unless something is wrong. */
  readonly entries: readonly string[];
  /** The device as which the running gateway has it open; null where it does not. */
  readonly gateway: string | null;
  /** Other programs that have it open, as far as this user may see. */
  readonly heldBy: readonly PortHolder[];
  /** Why it cannot be opened now, in words; null where nothing is known to be in the way. */
  readonly trouble: string | null;
}

export interface PortsReport {
  readonly ports: readonly PortReport[];
  /** Entries of the configuration whose port is not there. */
  readonly missing: readonly string[];
}

/**
 * Every serial port, and those that are configured. Opens none of them: that would reset boards. `status` is that of the
 * running gateway; null where none runs.
 */
export async function reportPorts(
  serial: readonly SerialPortConfig[],
  status: GatewayStatus | null,
  roots: SystemRoots,
): Promise<PortsReport> {
  const ports = new Map<string, FoundPort>();
  for (const identity of listPorts(roots)) {
    const realPath = realPathOf(identity.path) ?? identity.path;
    ports.set(realPath, { path: identity.path, realPath, identity });
  }
  const entries = new Map<string, string[]>();
  const missing: string[] = [];
  const trouble = new Map<string, string>();
  for (const entry of serial) {
    const found = findPorts(entry, roots);
    if (found.length === 0) missing.push(entry.name);
    for (const port of found) {
      if (!ports.has(port.realPath)) ports.set(port.realPath, port);
      entries.set(port.realPath, [...(entries.get(port.realPath) ?? []), entry.name]);
      if (found.length > 1 && !entry.each)
        trouble.set(
          port.realPath,
          `${found.length} ports match ${entry.name}: name one, or write each: true`,
        );
    }
  }
  const reports = [...ports.values()].map(async ({ path, realPath, identity }): Promise<PortReport> => {
    const user = gatewayOn(realPath, status);
    const holders = await portUsers(path, roots);
    const heldBy = holders.filter(({ pid }) => user === null || pid !== status?.pid);
    return {
      ...(identity ?? { ...UNKNOWN, path }),
      entries: entries.get(realPath) ?? [],
      gateway: user,
      heldBy,
      trouble:
        user !== null ? null : ((await openTrouble(path, heldBy, roots)) ?? trouble.get(realPath) ?? null),
    };
  });
  return { ports: await Promise.all(reports), missing };
}

const UNKNOWN: Omit<PortIdentity, 'path'> = {
  byId: [],
  byPath: [],
  vendorId: null,
  productId: null,
  serialNumber: null,
  manufacturer: null,
  product: null,
  interface: null,
};

/** The device as which the running gateway has this port; null where it has not. */
export function gatewayOn(realPath: string, status: GatewayStatus | null): string | null {
  const ports = status?.sources.flatMap((source) => source.ports ?? []) ?? [];
  const port = ports.find(
    ({ state, path }) =>
      (state === 'open' || state === 'opening') && path !== null && realPathOf(path) === realPath,
  );
  return port?.device ?? null;
}

/** What can be told without opening it. */
async function openTrouble(
  path: string,
  heldBy: readonly PortHolder[],
  roots: SystemRoots,
): Promise<string | null> {
  if (heldBy.length > 0) return inUseBy(heldBy);
  try {
    await access(path, constants.R_OK | constants.W_OK);
    return null;
  } catch (error) {
    return await openingTrouble(path, error, roots);
  }
}

export function inUseBy(holders: readonly PortHolder[]): string {
  return `in use by ${holders.map(({ command, pid }) => `${command} (process ${pid})`).join(', ')}`;
}
