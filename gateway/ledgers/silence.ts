import type { Clock } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { DeviceBook } from '../ledger-contract.ts';
import type { Events } from '../monitoring/events.ts';
import type { DeviceReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import { type DeviceEntry, TICK_MS } from './device-entry.ts';
import type { DeviceRegistry } from './device-registry.ts';

export type DeviceState = 'online' | 'silent';

export interface SilenceDeps {
  readonly registry: DeviceRegistry;
  readonly book: DeviceBook;
  /** How often readings of a schema are expected from each device; null: nobody said. */
  readonly expectEveryMs: (schema: string) => number | null;
  /** The gateway takes readings: while it does not, nobody can be heard, and nobody falls silent. */
  readonly isListening: () => boolean;
  readonly onState: (device: string, state: DeviceState, report: DeviceReport) => void;
  readonly events: Events;
  readonly clock: Clock;
}

/** A device is silent when nothing valid has come for this many times what is expected: one reading may be lost. */
export const SILENT_AFTER = 2;
/** One look at all devices: some 10 ns each. A silence is noticed so much later at most. */
export const LOOK_EVERY_MS = 5_000;
/** What schemas expect may have changed with their files. */
const REFRESH_EVERY_MS = 60_000;
/** States told in one look; further ones wait for the next. */
const TOLD_PER_LOOK = 1_000;

/**
 * Notices devices that fell silent, and that are heard again. Time is counted while the gateway listens, from its start
 * on: the wall clock may jump, and neither a restart nor a full store makes anybody silent. One that was silent before
 * a restart still is.
 */
export class Silence {
  readonly #deps: SilenceDeps;
  #lookedMs: number;
  #listenedMs = 0;
  #refreshedMs: number;
  #bookVersion = -1;

  constructor(deps: SilenceDeps) {
    this.#deps = deps;
    this.#lookedMs = deps.clock.monotonicMs();
    this.#refreshedMs = this.#lookedMs;
  }

  /** Looks again and again until `signal` aborts. Never rejects: a look that fails is told, and the next one comes. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, events } = this.#deps;
    while (!signal.aborted) {
      try {
        this.look();
      } catch (error) {
        events.emit('hook.failed', { hook: 'devices', error: messageOf(error) });
      }
      await clock.sleep(LOOK_EVERY_MS, signal);
    }
  }

  look(): void {
    const { registry, clock, book, isListening } = this.#deps;
    const nowMs = clock.monotonicMs();
    if (isListening()) this.#listenedMs += nowMs - this.#lookedMs;
    registry.tick = Math.trunc(this.#listenedMs / TICK_MS);
    this.#lookedMs = nowMs;
    const refresh = book.version !== this.#bookVersion || nowMs - this.#refreshedMs >= REFRESH_EVERY_MS;
    if (refresh) {
      this.#bookVersion = book.version;
      this.#refreshedMs = nowMs;
    }
    let silent = 0;
    let told = 0;
    for (const entry of registry.entries()) {
      if (refresh || entry.isExpectationStale) this.#expect(entry);
      const { expectEveryMs } = entry;
      if (expectEveryMs === 0) continue;
      const state: DeviceState =
        (registry.tick - entry.validTick) * TICK_MS >= SILENT_AFTER * expectEveryMs ? 'silent' : 'online';
      if (state === 'silent') silent += 1;
      if (entry.toldState === state || told >= TOLD_PER_LOOK) continue;
      told += 1;
      this.#tell(entry, state);
    }
    registry.silent = silent;
  }

  #expect(entry: DeviceEntry): void {
    entry.isExpectationStale = false;
    const { book, expectEveryMs } = this.#deps;
    let everyMs = book.of(entry.device)?.expectEveryMs ?? 0;
    if (everyMs === 0) {
      for (const schema of entry.schemas) {
        const bySchema = expectEveryMs(schema);
        if (bySchema !== null && (everyMs === 0 || bySchema < everyMs)) everyMs = bySchema;
      }
    }
    entry.expectEveryMs = everyMs;
    if (everyMs > 0 || !entry.isSilent) return;
    entry.isSilent = false;
    entry.toldState = null;
    entry.isChanged = true;
  }

  #tell(entry: DeviceEntry, state: DeviceState): void {
    const { registry, onState, events } = this.#deps;
    const isSilent = state === 'silent';
    const hasChanged = entry.isSilent !== isSilent;
    entry.toldState = state;
    entry.isSilent = isSilent;
    const device = printable(entry.device, 128);
    if (hasChanged) {
      entry.isChanged = true;
      if (isSilent) events.emit('device.silent', { device, expectEveryMs: entry.expectEveryMs });
      else events.emit('device.heard', { device });
    }
    onState(entry.device, state, registry.reportOf(entry));
  }
}
