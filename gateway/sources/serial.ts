import type { Clock, Ingest, Source } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { SerialPortStatus } from '../operations-contract.ts';
import { createFramer } from './framing/create-framer.ts';
import { describeFound, type FoundPort, findPorts, suffixOf } from './serial/find-ports.ts';
import { openPort } from './serial/open-port.ts';
import { describeHolders, openingTrouble, otherHolders } from './serial/opening-trouble.ts';
import type { ConnectionDeps } from './serial/port-connection.ts';
import { listPorts, type PortIdentity, SYSTEM_ROOTS, type SystemRoots } from './serial/port-identity.ts';
import { type KeeperDeps, type Located, PortKeeper, signatureOf } from './serial/port-keeper.ts';
import type { SerialEntry } from './serial/serial-entry.ts';

export interface SerialSourceDeps {
  readonly ingest: Ingest;
  readonly events: Events;
  readonly clock: Clock;
  /** See `ConnectionDeps`; left out, nothing is done. */
  readonly refused?: ConnectionDeps['refused'];
  readonly forward?: ConnectionDeps['forward'];
  readonly seqOf?: ConnectionDeps['seqOf'];
  /** Publishes the result of a downlink to MQTT subscribers. */
  readonly publishResult?: (topic: string, payload: Buffer) => void;
  /** The real ones unless given. */
  readonly openPort?: KeeperDeps['openPort'];
  readonly createFramer?: ConnectionDeps['createFramer'];
  readonly signatureOf?: KeeperDeps['signatureOf'];
  readonly listPorts?: (roots: SystemRoots) => readonly PortIdentity[];
  readonly roots?: SystemRoots;
  readonly random?: () => number;
}

export interface SerialSource extends Source {
  /** How each port is: one for each entry, and for an entry with `each` one for each port it has met. */
  ports(): readonly SerialPortStatus[];
  /**
   * An MQTT client publishes to `gateway/serial/{device}/write`. False: it may not write there, or there is no such
   * device. Else the bytes are written, or refused, and the result is published on `gateway/serial/{device}/result` as
   * `{"ok":true,"bytes":n}` or `{"ok":false,"error":"…"}`. Never throws. The payload is copied.
   */
  takeDownlink(client: string, device: string, payload: Buffer): boolean;
}

/** Within this an unplugged port is missed and a plugged one found, where the driver does not tell by itself. */
const TICK_MS = 500;
/** Ports of one entry with `each`; further ones are left alone. */
const MAX_EACH = 256;

/**
 * Serial ports. Each is kept open by a `PortKeeper`, read always and never paused (a port that is not read does not notice
 * an unplug), and what comes is cut into frames that go the same road as an MQTT message:
 *
 *   port ▸ framer ▸ ingest ▸ (after the commit) ACK / NAK
 *
 * A port that is missing is no reason not to start: `start` resolves when every port has been looked for once.
 */
export function createSerialSource(entries: readonly SerialEntry[], deps: SerialSourceDeps): SerialSource {
  const { clock, events } = deps;
  const roots = deps.roots ?? SYSTEM_ROOTS;
  const stopping = new AbortController();
  const keepers = new Map<string, PortKeeper>();
  /** Of entries with `each`: what was found at this tick. */
  const foundByEntry = new Map<SerialEntry, ReadonlyMap<string, FoundPort>>();
  /** Opened since other programs were last looked for, by their real paths. */
  const opened = new Map<string, { readonly port: string; readonly path: string }>();
  let looking: boolean = false;
  let listed: readonly PortIdentity[] | null = null;
  const list = deps.listPorts ?? listPorts;
  const keeperDeps: KeeperDeps = {
    ingest: deps.ingest,
    events,
    clock,
    createFramer: deps.createFramer ?? createFramer,
    refused: deps.refused ?? (() => undefined),
    forward: deps.forward ?? (() => undefined),
    seqOf: deps.seqOf ?? (() => null),
    openPort: deps.openPort ?? openPort,
    explain: async (path, error) => await openingTrouble(path, error, roots),
    opened: ({ path, realPath }, port) => opened.set(realPath, { port, path }),
    signatureOf: deps.signatureOf ?? signatureOf,
    inUse: new Map(),
    random: deps.random ?? Math.random,
  };

  /** Read once a tick, however many ports are looked for. */
  function portsNow(): readonly PortIdentity[] {
    listed ??= list(roots);
    return listed;
  }

  for (const entry of entries)
    if (!entry.each)
      keepers.set(entry.device, new PortKeeper(entry, entry.device, () => locateOne(entry), keeperDeps));

  function locateOne(entry: SerialEntry): Located {
    const found = findPorts(entry, roots, portsNow);
    const [port] = found;
    if (port === undefined) return { absent: `${wantedText(entry)} is not there` };
    if (found.length === 1) return port;
    const names = found.slice(0, 8).map(describeFound).join('; ');
    return {
      absent: `${found.length} ports match ${wantedText(entry)}: ${names}. Name one by its path under /dev/serial/by-path, or write each: true`,
    };
  }

  /** Ports that were not met before get a keeper, for good: a device that leaves is waited for. */
  function lookForEach(entry: SerialEntry): void {
    const found = findPorts(entry, roots, portsNow);
    const byDevice = new Map(found.map((port) => [`${entry.device}-${suffixOf(port, found)}`, port]));
    foundByEntry.set(entry, byDevice);
    let count = [...keepers.values()].filter((keeper) => keeper.entry === entry).length;
    for (const device of byDevice.keys()) {
      if (keepers.has(device) || count >= MAX_EACH) continue;
      count += 1;
      const locate = (): Located => foundByEntry.get(entry)?.get(device) ?? { absent: 'it is not there' };
      keepers.set(device, new PortKeeper(entry, device, locate, keeperDeps));
    }
  }

  function tick(): void {
    listed = null;
    for (const entry of entries) if (entry.each) lookForEach(entry);
    if (opened.size > 0 && !looking) void tellSharers();
    const nowMs = clock.monotonicMs();
    for (const keeper of keepers.values()) {
      try {
        keeper.tick(nowMs);
      } catch (error) {
        events.emit('hook.failed', { hook: 'serial', error: messageOf(error) });
      }
    }
  }

  async function tickUntilStopped(): Promise<void> {
    for (;;) {
      await clock.sleep(TICK_MS, stopping.signal);
      if (stopping.signal.aborted) return;
      tick();
    }
  }

  /** A lock keeps out only who asks for one: a program that does not takes bytes that were meant for the gateway. */
  async function tellSharers(): Promise<void> {
    const fresh = new Map(opened);
    opened.clear();
    looking = true;
    const holders = await otherHolders(new Set(fresh.keys()), roots);
    looking = false;
    for (const [realPath, programs] of holders) {
      const { port = '', path = realPath } = fresh.get(realPath) ?? {};
      events.emit('serial.shared', { port, path, programs: describeHolders(programs) });
    }
  }

  async function writeDownlink(keeper: PortKeeper, payload: Buffer): Promise<void> {
    const result = await keeper.write(payload);
    deps.publishResult?.(`gateway/serial/${keeper.device}/result`, Buffer.from(JSON.stringify(result)));
  }

  return {
    name: 'serial',
    async start() {
      tick();
      void tickUntilStopped();
    },
    async stop(deadlineMs) {
      stopping.abort();
      await Promise.all([...keepers.values()].map(async (keeper) => await keeper.stop(deadlineMs)));
    },
    connections: () => [...keepers.values()].filter(({ isOpen }) => isOpen).length,
    ports: () => [...keepers.values()].map((keeper) => keeper.status()),
    takeDownlink(client, device, payload) {
      const keeper = keepers.get(device);
      if (keeper?.entry.downlink.includes(client) !== true || stopping.signal.aborted) return false;
      writeDownlink(keeper, Buffer.from(payload)).catch((error: unknown) =>
        events.emit('hook.failed', { hook: 'serial downlink', error: messageOf(error) }),
      );
      return true;
    },
  };
}

function wantedText({ path, match }: SerialEntry): string {
  if (match === null) return path ?? 'no path';
  const { vendorId, productId, serialNumber } = match;
  const usb = vendorId === null && productId === null ? [] : [`${vendorId ?? '*'}:${productId ?? '*'}`];
  const serial = serialNumber === null ? [] : [`serial number ${serialNumber}`];
  return `a USB device ${[...usb, ...serial].join(', ')}`;
}
