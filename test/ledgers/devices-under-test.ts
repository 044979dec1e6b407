/** Parts that tests of the registry of devices share. */
import type { BadReading, Message, Point } from '../../gateway/contracts.ts';
import type { DeviceBook, DeviceSettings } from '../../gateway/ledger-contract.ts';
import { createDeviceClocks, type DeviceClockBook } from '../../gateway/ledgers/device-clocks.ts';
import { DeviceRegistry } from '../../gateway/ledgers/device-registry.ts';
import { messageOn } from '../support/message.ts';

export const START_MS = Date.UTC(2026, 5, 1);

export const MESSAGE: Message = messageOn('sensors/d/environment', '', {
  client: 'client-1',
  address: '10.0.0.7',
});

/** A message that a peer passes on, and that came to it at `arrivedMs`. */
export function passedOn(arrivedMs: number): Message {
  return { ...MESSAGE, relay: { contentType: null, userProperties: new Map(), isShared: true, arrivedMs } };
}

export function point(device: string, some: Partial<Point> = {}): Point {
  return {
    kind: 'point',
    device,
    schema: 'environment.v1',
    line: '',
    recognisable: false,
    isSameAnywhere: false,
    series: { key: '', measurement: 'environment', device, fields: [], known: null },
    identity: null,
    sentUs: null,
    seq: null,
    receipt: false,
    ...some,
  };
}

export function bad(device: string | null, some: Partial<BadReading> = {}): BadReading {
  return {
    kind: 'bad',
    device,
    schema: 'environment.v1',
    code: 'invalid',
    violations: [],
    sentUs: null,
    seq: null,
    ...some,
  };
}

export class TestBook implements DeviceBook {
  readonly settings = new Map<string, Partial<DeviceSettings>>();
  version = 1;

  of(device: string): DeviceSettings | null {
    const some = this.settings.get(device);
    if (some === undefined) return null;
    return { alias: null, tags: new Map(), calibration: new Map(), expectEveryMs: null, ...some };
  }
}

export interface Devices {
  readonly clocks: DeviceClockBook;
  readonly registry: DeviceRegistry;
  readonly book: TestBook;
  nowMs: number;
  /** Readings of `device`, each `everyMs` after the last. */
  hear(device: string, seqs: readonly (number | null)[], everyMs?: number): void;
}

export function devices(max = 100): Devices {
  const book = new TestBook();
  const made: Devices = {
    nowMs: START_MS,
    book,
    clocks: createDeviceClocks({ nowMs: () => made.nowMs, isProvisional: () => false, maxDevices: max }),
    // Filled in below: it asks for the time of this object.
    get registry() {
      return registry;
    },
    hear(device, seqs, everyMs = 10_000) {
      for (const seq of seqs) {
        registry.saw(
          point(device, { seq, sentUs: made.nowMs * 1000 }),
          device,
          'stored',
          MESSAGE,
          made.nowMs,
        );
        made.nowMs += everyMs;
      }
    },
  };
  const registry = new DeviceRegistry({ clocks: made.clocks, book, nowMs: () => made.nowMs, max });
  return made;
}
