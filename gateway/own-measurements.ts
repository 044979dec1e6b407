import { setImmediate as yieldToOthers } from 'node:timers/promises';
import type { ArrivalClock, Clock } from './contracts.ts';
import { isRefusal, messageOf } from './errors.ts';
import type { DeviceBook } from './ledger-contract.ts';
import type { DeviceEntry } from './ledgers/device-entry.ts';
import type { DeviceLedger } from './ledgers/device-ledger.ts';
import { encodeLine, type FieldValue, nameProblem } from './line-protocol/encode.ts';
import type { Events } from './monitoring/events.ts';
import type { Store } from './store-contract.ts';

export interface OwnMeasurementsDeps {
  readonly everyMs: number;
  readonly store: Pick<Store, 'group' | 'account' | 'sinks'>;
  readonly devices: Pick<DeviceLedger, 'registry' | 'clocks'>;
  readonly book: Pick<DeviceBook, 'of'>;
  readonly arrival: ArrivalClock;
  readonly events: Events;
  readonly clock: Clock;
}

/** How the gateway's own readings are accounted. */
export const OWN_SOURCE = 'gateway';
const OWN_DEVICE = 'gateway';
const MAX_DEVICES_A_ROUND = 1_000;
/** Some ms of work; then others have their turn. */
const LINES_A_SLICE = 100;

type Fields = (readonly [string, FieldValue])[];

/**
 * Stores what the gateway itself knows as readings of the source `gateway`, like any other: they are counted, wait for
 * every sink and reach it once. So a gap in somebody's data stands beside its reason.
 *
 * - `gateway_devices,device=…`: `last_seen` (s since 1970), `readings`, `rejected`, `missing`; where known `lag` (s from
 *   the reading's own time to its arrival), `clock_offset` (s ahead) and `silent`. Devices heard of since the last
 *   round, at most 1,000; with more, further ones have their turn in the next.
 * - `gateway_account,source=…`: received and the five outcomes. `gateway_account,sink=…`: stored, written, rejected,
 *   dropped, pending. Since the store was made.
 */
export function createOwnMeasurements(deps: OwnMeasurementsDeps): {
  /** One round. Never rejects. */
  measure(): Promise<void>;
  /** Round after round until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
} {
  const { everyMs, store, devices, book, arrival, events, clock } = deps;
  const { registry, clocks } = devices;
  /** Goes on where the last round ended, so that nobody waits for ever. */
  let entries: Iterator<DeviceEntry> = registry.entries();

  function* changedDevices(): Generator<DeviceEntry> {
    let isAgain = false;
    let found = 0;
    for (let looked = 0; looked < registry.size && found < MAX_DEVICES_A_ROUND; ) {
      const next = entries.next();
      if (next.done === true) {
        if (isAgain) return;
        isAgain = true;
        entries = registry.entries();
        continue;
      }
      looked += 1;
      const entry = next.value;
      if (entry.readings === entry.measuredReadings) continue;
      found += 1;
      entry.measuredReadings = entry.readings;
      yield entry;
    }
  }

  function* lines(): Generator<string> {
    const nowMs = clock.nowMs();
    for (const entry of changedDevices()) {
      const device = book.of(entry.device)?.alias ?? entry.device;
      if (nameProblem(device) !== null) continue;
      yield line('gateway_devices', ['device', device], deviceFields(entry, nowMs));
    }
    const account = store.account();
    for (const [source, { received, stored, duplicate, rejected, forwarded, refused }] of Object.entries(
      account.sources,
    )) {
      if (nameProblem(source) !== null) continue;
      const counts = { received, stored, duplicate, rejected, forwarded, refused };
      yield line('gateway_account', ['source', source], integers(counts));
    }
    for (const { name, stored, written, rejected, dropped, pending } of store.sinks())
      yield line(
        'gateway_account',
        ['sink', name],
        integers({ stored, written, rejected, dropped, pending }),
      );
  }

  function deviceFields(entry: DeviceEntry, nowMs: number): Fields {
    const { readings, rejected } = entry;
    const { missing } = entry.gapsAndMissing();
    const { offsetMs } = clocks.report(entry.device, nowMs);
    const fields: Fields = [
      ['last_seen', float(entry.lastSeenMs / 1000)],
      ...integers({ readings, rejected, missing }),
    ];
    if (entry.behindMs !== null) {
      // Of a clock that is known to be wrong, the rest is the delay.
      const lagMs = entry.behindMs + (offsetMs ?? 0);
      fields.push(['lag', float(Math.max(0, Math.round(lagMs)) / 1000)]);
    }
    if (offsetMs !== null) fields.push(['clock_offset', float(offsetMs / 1000)]);
    if (entry.expectEveryMs > 0) fields.push(['silent', { type: 'boolean', value: entry.isSilent }]);
    return fields;
  }

  function line(measurement: string, tag: readonly [string, string], fields: Fields): string {
    return encodeLine({ measurement, tags: [tag], fields, timestampNs: arrival.nextNs() });
  }

  /** Up to a slice of `all` into the open group. False: there are no more. */
  function keepSlice(all: Iterator<string>): boolean {
    // Before the group is touched: a line that cannot be written must not leave others uncounted in it.
    const slice: string[] = [];
    let isMore = true;
    while (isMore && slice.length < LINES_A_SLICE) {
      const next = all.next();
      if (next.done === true) isMore = false;
      else slice.push(next.value);
    }
    if (slice.length === 0) return isMore;
    const group = store.group();
    // Nobody waits for it; the store tells when it cannot commit.
    group.committed.catch(() => undefined);
    group.receive(OWN_SOURCE, OWN_DEVICE, slice.length);
    for (const each of slice) group.point(each);
    group.count(OWN_SOURCE, OWN_DEVICE, 'stored', slice.length);
    group.arrivedAt(arrival.highWaterMs);
    if (arrival.isProvisional) group.markProvisional();
    return isMore;
  }

  async function measure(): Promise<void> {
    try {
      const all = lines();
      while (keepSlice(all)) await yieldToOthers();
    } catch (error) {
      // A store that takes nothing takes nothing of this either; the next round tells the same and more.
      if (!isRefusal(error)) events.emit('hook.failed', { hook: 'measurements', error: messageOf(error) });
    }
  }

  return {
    measure,
    async run(signal) {
      while (!signal.aborted) {
        await clock.sleep(everyMs, signal);
        if (!signal.aborted) await measure();
      }
    },
  };
}

function integers(values: Readonly<Record<string, number>>): Fields {
  return Object.entries(values).map(
    ([key, value]) => [key, { type: 'integer', value: String(value) }] as const,
  );
}

function float(value: number): FieldValue {
  return { type: 'float', value };
}
