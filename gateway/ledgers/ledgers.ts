import type { Clock, Message, OutcomeKind, Point, Reading, Series } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { Judgement, Ledgers } from '../ledger-contract.ts';
import type { Events } from '../monitoring/events.ts';
import type { FieldReport, SeriesReport } from '../operations-contract.ts';
import type { Group, Store } from '../store-contract.ts';
import type { DeviceRegistry } from './device-registry.ts';
import { FieldTypes } from './field-types.ts';
import type { DatabaseTypes } from './field-types-databases.ts';
import { GroupsUnderWay } from './groups-under-way.ts';
import { Identities } from './identities.ts';
import { type KnownSeries, knownOf } from './series-known.ts';
import { SeriesLedger, type SeriesLimits } from './series-ledger.ts';

export interface LedgersDeps {
  /** What was kept is taken up at once, so this comes before the store's first group. */
  readonly store: Pick<Store, 'identities' | 'document' | 'documents' | 'setDocuments'>;
  /** The registry of devices. */
  readonly devices: Pick<DeviceRegistry, 'saw' | 'sawAs' | 'entryOf'>;
  readonly clock: Clock;
  readonly events: Events;
  /** Names of the sinks in use. */
  readonly sinks: ReadonlySet<string>;
  readonly series: SeriesLimits;
}

export interface LedgerReports {
  seriesReport(): SeriesReport;
  /** How many series a device has begun. */
  seriesOf(device: string): number;
  /** By measurement and field. */
  fieldsReport(): readonly FieldReport[];
  /** What the metrics show; `refusedReadings` since the start. */
  figures(): { readonly series: number; readonly seriesBudget: number; readonly refusedReadings: number };
}

export interface GatewayLedgers extends Ledgers, LedgerReports {
  /** What the database of a sink says of its fields, whenever it was asked: measurement → field → its types. */
  learn(sink: string, types: DatabaseTypes): void;
  /** See `FieldTypes.forgetField`. */
  forgetField(measurement: string, field: string): Promise<boolean>;
}

interface LastBad {
  readonly judgement: Judgement & { readonly kind: 'bad' };
  readonly series: Series;
  readonly known: KnownSeries;
}

const TICK_MS = 60_000;

/**
 * The ledgers in the order in which they decide: a repeat is a repeat whatever else is wrong with it; then the type of
 * each field; then whether a series may begin. All of them answer from memory, in constant time.
 */
export function createLedgers(deps: LedgersDeps): GatewayLedgers {
  const { store, devices, clock, events } = deps;
  const failed = (error: unknown): void =>
    events.emit('hook.failed', { hook: 'ledgers', error: messageOf(error) });
  const groups = new GroupsUnderWay(failed);
  const identities = new Identities(groups);
  identities.restore(store.identities);
  const types = new FieldTypes({ groups, documents: store, clock, events, sinks: deps.sinks });
  const series = new SeriesLedger({ groups, documents: store, clock, events }, deps.series);

  /** The last reading that was found bad here, so that it is known again when it comes back as rejected. */
  let lastBad: LastBad | null = null;
  let tickedMs = clock.nowMs();

  /** By our own clock: what a peer passes on came earlier, or by a clock that is ahead of ours. */
  function tick(): void {
    const nowMs = clock.nowMs();
    if (nowMs - tickedMs < TICK_MS && nowMs >= tickedMs) return;
    tickedMs = nowMs;
    series.tick(nowMs);
  }

  function judge(point: Point): Judgement | null {
    const { identity } = point;
    const repeat = identity === null ? null : identities.judge(point.device, identity);
    if (repeat !== null) return repeat;
    const known = knownOf(point.series);
    const judgement = types.judge(point, known) ?? series.judge(point.series, known);
    if (judgement?.kind === 'bad') lastBad = { judgement, known, series: point.series };
    return judgement;
  }

  function keep(point: Point, group: Group): void {
    const known = knownOf(point.series);
    if (point.identity !== null) identities.keep(point.device, point.identity, group);
    types.keep(point, known, group);
    series.keep(point.series, known, group);
  }

  function saw(
    reading: Reading,
    device: string,
    outcome: OutcomeKind,
    message: Message,
    nowMs: number,
  ): void {
    if (nowMs - tickedMs >= TICK_MS || nowMs < tickedMs) tick();
    if (
      outcome === 'rejected' &&
      lastBad !== null &&
      reading.kind === 'bad' &&
      reading.violations === lastBad.judgement.violations
    ) {
      const { judgement, known } = lastBad;
      if (judgement.code === 'cardinality') series.sawRefused(lastBad.series, known);
      else events.emit('types.conflict', { device, words: judgement.violations[0]?.message ?? '' });
      lastBad = null;
    }
    if (reading.kind === 'bad') {
      devices.saw(reading, device, outcome, message, nowMs);
      return;
    }
    // With thousands of devices, to look for the entry would cost more than all the rest.
    const known = knownOf(reading.series);
    const entry = known.entry ?? devices.entryOf(device, nowMs);
    known.entry = devices.sawAs(entry, reading, outcome, message, nowMs);
  }

  // Whatever fails here, the reading is in the group, and counted: what ledgers do not know they learn from the next.
  return {
    judge(point) {
      try {
        return judge(point);
      } catch (error) {
        failed(error);
        return null;
      }
    },

    keep(point, group) {
      try {
        keep(point, group);
      } catch (error) {
        failed(error);
      }
    },

    saw(reading, device, outcome, message, nowMs) {
      try {
        saw(reading, device, outcome, message, nowMs);
      } catch (error) {
        failed(error);
      }
    },

    learn: (sink, held) => types.learn(sink, held),
    forgetField: (measurement, field) => types.forgetField(measurement, field),
    seriesReport: () => series.report(),
    seriesOf: (device) => series.seriesOf(device),
    fieldsReport: () => types.report(),
    figures: () => ({
      series: series.total,
      seriesBudget: series.budget,
      refusedReadings: series.refusedReadings,
    }),
  };
}
