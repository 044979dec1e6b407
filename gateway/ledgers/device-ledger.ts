import type { Clock } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { DeviceBook, Ledgers } from '../ledger-contract.ts';
import type { Events } from '../monitoring/events.ts';
import type { DeviceFilter, DeviceReport } from '../operations-contract.ts';
import type { Store } from '../store-contract.ts';
import { createDeviceClocks, type DeviceClockBook } from './device-clocks.ts';
import { DeviceDocuments } from './device-documents.ts';
import { DeviceRegistry } from './device-registry.ts';
import { type DeviceState, Silence } from './silence.ts';

export interface DeviceLedgerDeps {
  readonly store: Pick<Store, 'documents' | 'setDocuments'>;
  readonly book: DeviceBook;
  /** The gateway's own clock is not set: what devices say of the time is not held against it. */
  readonly isProvisional: () => boolean;
  /** See `SilenceDeps`. */
  readonly expectEveryMs: (schema: string) => number | null;
  readonly isListening: () => boolean;
  readonly onState: (device: string, state: DeviceState, report: DeviceReport) => void;
  readonly events: Events;
  readonly clock: Clock;
  /** 50,000 unless given. */
  readonly maxDevices?: number;
}

/** The devices, their clocks and their silence, wired together. */
export interface DeviceLedger extends Pick<Ledgers, 'saw'> {
  readonly clocks: DeviceClockBook;
  readonly registry: DeviceRegistry;
  /** Latest heard first, at most `limit`. */
  list(filter?: DeviceFilter, limit?: number): readonly DeviceReport[];
  report(device: string): DeviceReport | null;
  figures(): { readonly devices: number; readonly silentDevices: number };
  /** The gateway's own clock was set (`WallClock.onSet`), or stepped. */
  gatewayClockSet(byMs: number): void;
  gatewayClockStepped(): void;
  /** Looks for silence, and keeps what has changed every minute. What an earlier run kept is there before that. */
  start(): void;
  /** Nobody falls silent from now on: before the sources stop, as then nobody can be heard. */
  rest(): void;
  /** Keeps what has changed, and ends. Never rejects. */
  stop(): Promise<void>;
}

const SAVE_EVERY_MS = 60_000;

export function createDeviceLedger(deps: DeviceLedgerDeps): DeviceLedger {
  const { store, book, clock, events, isProvisional, maxDevices } = deps;
  const bound = maxDevices === undefined ? {} : { maxDevices };
  const nowMs = (): number => clock.nowMs();
  const clocks = createDeviceClocks({ nowMs, isProvisional, ...bound });
  const registry = new DeviceRegistry({
    clocks,
    book,
    nowMs,
    ...(maxDevices === undefined ? {} : { max: maxDevices }),
  });
  const documents = new DeviceDocuments({ registry, clocks, store, events });
  documents.load();
  const silence = new Silence({ ...deps, registry });
  const ended = new AbortController();
  const resting = new AbortController();
  const startedMs = clock.nowMs();

  async function keep(): Promise<void> {
    while (!ended.signal.aborted) {
      await clock.sleep(SAVE_EVERY_MS, ended.signal);
      if (!ended.signal.aborted) await documents.save();
    }
  }

  return {
    clocks,
    registry,
    saw: (reading, device, outcome, message, atMs) => registry.saw(reading, device, outcome, message, atMs),
    list: (filter, limit) => registry.list(filter, limit),
    report: (device) => registry.report(device),
    figures: () => ({ devices: registry.size, silentDevices: registry.silent }),
    // What is known of their clocks stays: it was measured by a clock that was set, as this one is now.
    gatewayClockSet: (byMs) => registry.gatewayClockSet(byMs, startedMs),
    gatewayClockStepped: () => clocks.gatewayClockStepped(),
    start() {
      const failed = (error: unknown): void =>
        events.emit('hook.failed', { hook: 'devices', error: messageOf(error) });
      silence.run(resting.signal).catch(failed);
      keep().catch(failed);
    },
    rest: () => resting.abort(),
    async stop() {
      resting.abort();
      ended.abort();
      await documents.save();
    },
  };
}
