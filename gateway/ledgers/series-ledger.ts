import type { Clock, Series } from '../contracts.ts';
import type { Judgement } from '../ledger-contract.ts';
import type { Events } from '../monitoring/events.ts';
import type { SeriesReport } from '../operations-contract.ts';
import type { Group, Store } from '../store-contract.ts';
import type { GroupsUnderWay } from './groups-under-way.ts';
import { SeriesAgeing } from './series-ageing.ts';
import { decodeSeries, encodeSeries, SERIES_PREFIX, seriesDocumentName } from './series-document.ts';
import type { KnownSeries } from './series-known.ts';
import { type Owner, SeriesOwners } from './series-owners.ts';
import { dayOf, endOfDay, SeriesSet } from './series-set.ts';
import { estimateTags, SeriesSketches, type TagSketches } from './series-sketches.ts';
import { seriesViolation } from './series-words.ts';

export interface SeriesLimits {
  readonly maxSeries: number;
  /** Null: only the one for all. */
  readonly maxSeriesPerMeasurement: number | null;
  /** One that was not seen for so long makes room; counted in days, at least one. */
  readonly maxAgeMs: number;
}

export const DEFAULT_SERIES_LIMITS: SeriesLimits = {
  maxSeries: 100_000,
  maxSeriesPerMeasurement: null,
  maxAgeMs: 30 * 86_400_000,
};

export interface SeriesLedgerDeps {
  readonly groups: GroupsUnderWay;
  readonly documents: Pick<Store, 'documents' | 'setDocuments'>;
  readonly clock: Clock;
  readonly events: Events;
}

interface Measurement extends Owner {
  readonly tags: TagSketches;
  readonly warning: Warning;
  /** What a new series of it is told while the budget is used up; null: not worked out. */
  refusal: Judgement | null;
}

/** Told once, until it is well below again. */
interface Warning {
  told: boolean;
}

const WARN_AT = 0.8;
const QUIET_BELOW = 0.75;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** A store takes 512 notes with a group. The rest is noted with later readings of those series. */
const NOTES_A_GROUP = 250;
/** Documents deleted in one transaction. */
const DELETED_AT_ONCE = 1_000;
const MOST_DEVICES = 1_000;

/**
 * The series budget. A database keeps an index entry for each series, for ever: a client that puts a counter into a tag
 * makes a million of them in a day and takes the database along. Here a new series is admitted while there is room;
 * beyond, its readings are told `cardinality`, and series that exist go on.
 *
 * Exact: the set of known series (it decides), its size, the counts per measurement and device (the one that began the
 * series). Estimated: distinct values of each tag, and how many series were refused, whose keys are not kept: a flood of
 * them costs no memory.
 *
 * Persisted as one small document per series with the group that first stores it, and again at most once a day. When that
 * group fails the series stays known, which is harmless: there was room for it, and its reading comes again; it is noted
 * again with its next reading.
 */
export class SeriesLedger {
  readonly #deps: SeriesLedgerDeps;
  readonly #limits: SeriesLimits;
  readonly #set = new SeriesSet();
  readonly #devices = new SeriesOwners<Owner>((name, index) => ({ name, index, count: 0 }));
  readonly #measurements = new SeriesOwners<Measurement>((name, index) => ({
    name,
    index,
    count: 0,
    tags: new Map(),
    warning: { told: false },
    refusal: null,
  }));
  readonly #sketches = new SeriesSketches();
  readonly #ageing: SeriesAgeing;
  readonly #warning: Warning = { told: false };
  /** By group: slots that were noted with it. */
  readonly #underWay = new Map<number, number[]>();
  #minute: number;
  /** Rises when what a `KnownSeries` says may no longer hold: a series has left, or has to be noted again. */
  #epoch = 0;
  #refusedReadings = 0;

  constructor(deps: SeriesLedgerDeps, limits: SeriesLimits = DEFAULT_SERIES_LIMITS) {
    this.#deps = deps;
    this.#limits = limits;
    const nowMs = deps.clock.nowMs();
    this.#minute = Math.trunc(nowMs / MINUTE_MS);
    this.#ageing = new SeriesAgeing(nowMs);
    deps.groups.whenEnded((group, committed) => this.#ended(group, committed));
    this.#load();
  }

  get total(): number {
    return this.#set.size;
  }

  get budget(): number {
    return this.#limits.maxSeries;
  }

  /** Since the start. */
  get refusedReadings(): number {
    return this.#refusedReadings;
  }

  /** Of the set alone, for whoever measures. */
  get bytes(): number {
    return this.#set.bytes;
  }

  /** How many series a device has begun. */
  seriesOf(device: string): number {
    return this.#devices.get(device)?.count ?? 0;
  }

  /** Null: it has begun, or may. */
  judge(series: Series, known: KnownSeries): Judgement | null {
    if (known.epoch === this.#epoch) return known.refusal;
    const slot = this.#set.find(known.high, known.low);
    if (slot !== -1) {
      this.#settle(known, slot);
      return null;
    }
    const refusal = this.#refusalOf(series.measurement);
    if (refusal === null) return null;
    known.slot = -1;
    known.refusal = refusal;
    known.epoch = this.#epoch;
    return refusal;
  }

  keep(series: Series, known: KnownSeries, group: Group): void {
    if (known.epoch !== this.#epoch || known.slot === -1) this.#admit(series, known);
    if (this.#minute < known.dueMinute) return;
    const number = this.#deps.groups.enter(group);
    const { high, low, slot } = known;
    const slots = this.#underWay.get(number);
    if (slots === undefined) this.#underWay.set(number, [slot]);
    else if (slots.length < NOTES_A_GROUP) slots.push(slot);
    else return;
    const day = dayOf(this.#minute, low);
    this.#set.setDay(slot, day);
    known.dueMinute = endOfDay(day, low);
    group.note(seriesDocumentName(high, low), encodeSeries({ ...series, day }));
  }

  /** A reading was rejected for want of room. */
  sawRefused({ measurement, device }: Series, { high, low }: KnownSeries): void {
    this.#refusedReadings += 1;
    this.#sketches.addRefused(measurement, high, low);
    const { maxSeries, maxSeriesPerMeasurement } = this.#limits;
    const isOwn = this.#set.size < maxSeries && maxSeriesPerMeasurement !== null;
    this.#deps.events.emit('series.over-budget', {
      device,
      measurement,
      series: isOwn ? (this.#measurements.get(measurement)?.count ?? 0) : this.#set.size,
      budget: isOwn ? maxSeriesPerMeasurement : maxSeries,
      scope: isOwn ? measurement : 'the gateway',
    });
  }

  /** To be called about once a minute while readings come in. */
  tick(nowMs: number): void {
    this.#minute = Math.trunc(nowMs / MINUTE_MS);
    if (this.#ageing.isDue(nowMs)) this.#age();
  }

  report(): SeriesReport {
    const refused = new Map(this.#sketches.refused());
    const measurements = this.#measurements.top(Number.POSITIVE_INFINITY).map(({ name, count, tags }) => ({
      measurement: name,
      series: count,
      budget: this.#limits.maxSeriesPerMeasurement,
      refusedEstimate: refused.get(name) ?? 0,
      tags: estimateTags(tags),
    }));
    for (const [measurement, refusedEstimate] of refused) {
      if (this.#measurements.get(measurement) !== null) continue;
      const budget = this.#limits.maxSeriesPerMeasurement;
      measurements.push({ measurement, series: 0, budget, refusedEstimate, tags: [] });
    }
    return {
      total: this.total,
      budget: this.budget,
      refusedReadings: this.#refusedReadings,
      estimatedRefusedSeries: this.#sketches.refusedInAll(),
      measurements,
      devices: this.#devices.top(MOST_DEVICES).map(({ name, count }) => ({ device: name, series: count })),
    };
  }

  #refusalOf(measurement: string): Judgement | null {
    const { maxSeries, maxSeriesPerMeasurement } = this.#limits;
    const own = this.#measurements.get(measurement);
    const count = own?.count ?? 0;
    const isFull = this.#set.size >= maxSeries;
    const isOwnFull = maxSeriesPerMeasurement !== null && count >= maxSeriesPerMeasurement;
    if (!isFull && !isOwnFull) return null;
    if (own !== null && own.refusal !== null) return own.refusal;
    const violation = seriesViolation({
      measurement,
      limit: isFull ? 'series' : 'seriesPerMeasurement',
      budget: isFull ? maxSeries : (maxSeriesPerMeasurement ?? maxSeries),
      count,
      tags: own === null ? [] : estimateTags(own.tags),
    });
    const violations = Object.freeze([Object.freeze(violation)]);
    const refusal: Judgement = { kind: 'bad', code: 'cardinality', violations };
    if (own !== null) own.refusal = refusal;
    return refusal;
  }

  #admit({ key, device, measurement }: Series, known: KnownSeries): void {
    const { high, low } = known;
    const slot = this.#set.find(high, low);
    this.#settle(known, slot === -1 ? this.#add(high, low, device, measurement, key, 0) : slot);
  }

  /** What is known of a series that has its slot. */
  #settle(known: KnownSeries, slot: number): void {
    const day = this.#set.day(slot);
    known.slot = slot;
    known.refusal = null;
    known.dueMinute = day === 0 ? 0 : endOfDay(day, known.low);
    known.epoch = this.#epoch;
  }

  #add(high: number, low: number, device: string, measurement: string, key: string, day: number): number {
    const owner = this.#measurements.take(measurement);
    const slot = this.#set.add(high, low, this.#devices.take(device).index, owner.index, day);
    this.#sketches.addTags(owner.tags, key);
    const { maxSeries, maxSeriesPerMeasurement } = this.#limits;
    this.#warn(this.#warning, this.#set.size, maxSeries, null);
    if (maxSeriesPerMeasurement !== null)
      this.#warn(owner.warning, owner.count, maxSeriesPerMeasurement, measurement);
    return slot;
  }

  #warn(warning: Warning, series: number, budget: number, scope: string | null): void {
    if (warning.told || series < budget * WARN_AT) return;
    warning.told = true;
    const [most] = this.#measurements.top(1);
    const whose = scope ?? `the gateway, most of them of ${most?.name ?? 'none'},`;
    this.#deps.events.emit('series.near-budget', { series, budget, scope: whose });
  }

  #ended(group: number, committed: boolean): void {
    const slots = this.#underWay.get(group);
    this.#underWay.delete(group);
    if (committed || slots === undefined) return;
    for (const slot of slots) this.#set.setDay(slot, 0);
    this.#epoch += 1;
  }

  #age(): void {
    const { maxAgeMs } = this.#limits;
    const maxDays = Math.max(1, Math.ceil(maxAgeMs / DAY_MS));
    const gone: number[] = [];
    let mended = false;
    for (const slot of this.#set) {
      const today = dayOf(this.#minute, this.#set.low(slot));
      const day = this.#set.day(slot);
      if (day < today - maxDays) gone.push(slot);
      // It was seen while the clock was ahead: it would never age.
      else if (day > today + 1) {
        this.#set.setDay(slot, today);
        mended = true;
      }
    }
    if (mended || gone.length > 0) this.#epoch += 1;
    if (gone.length === 0) return;
    const names = gone.map((slot) => this.#remove(slot));
    this.#forgetRefusals();
    const { events } = this.#deps;
    events.emit('series.aged', { count: gone.length, days: maxDays, series: this.#set.size });
    void this.#delete(names);
  }

  #remove(slot: number): string {
    const name = seriesDocumentName(this.#set.high(slot), this.#set.low(slot));
    this.#devices.drop(this.#set.device(slot));
    const owner = this.#measurements.drop(this.#set.measurement(slot));
    if (owner?.count === 0) this.#sketches.dropTags(owner.tags);
    this.#set.remove(slot);
    return name;
  }

  /** The budget has room again, or its words have become old. */
  #forgetRefusals(): void {
    const { maxSeries, maxSeriesPerMeasurement } = this.#limits;
    if (this.#set.size < maxSeries * QUIET_BELOW) this.#warning.told = false;
    for (const each of this.#measurements.values()) {
      each.refusal = null;
      if (each.count < (maxSeriesPerMeasurement ?? 0) * QUIET_BELOW) each.warning.told = false;
    }
  }

  /** One that cannot be deleted now comes back with the next start, and ages again. */
  async #delete(names: readonly string[]): Promise<void> {
    const { documents, events } = this.#deps;
    try {
      for (let from = 0; from < names.length; from += DELETED_AT_ONCE) {
        const changes = new Map<string, null>();
        for (const name of names.slice(from, from + DELETED_AT_ONCE))
          if (!this.#isKnown(name)) changes.set(name, null);
        await documents.setDocuments(changes);
      }
    } catch (error) {
      events.emit('ledgers.not-kept', { what: 'series', error: String(error) });
    }
  }

  /** It has begun again meanwhile. */
  #isKnown(name: string): boolean {
    const hex = name.slice(SERIES_PREFIX.length);
    return this.#set.find(Number.parseInt(hex.slice(0, 8), 16), Number.parseInt(hex.slice(8), 16)) !== -1;
  }

  #load(): void {
    for (const [name, text] of this.#deps.documents.documents(SERIES_PREFIX)) {
      const kept = decodeSeries(name, text);
      if (kept === null || this.#set.find(kept.high, kept.low) !== -1) continue;
      this.#add(kept.high, kept.low, kept.device, kept.measurement, kept.key, kept.day);
    }
  }
}
