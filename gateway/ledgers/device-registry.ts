import type { Message, OutcomeKind, Reading } from '../contracts.ts';
import type { DeviceBook, Ledgers } from '../ledger-contract.ts';
import type { DeviceFilter, DeviceReport } from '../operations-contract.ts';
import type { DeviceClockBook } from './device-clocks.ts';
import { DeviceEntry, TICK_MS } from './device-entry.ts';

export interface DeviceRegistryOptions {
  readonly clocks: DeviceClockBook;
  readonly book: Pick<DeviceBook, 'of'>;
  readonly nowMs: () => number;
  /** Beyond, the eighth not heard of for longest goes, those heard of once before others. */
  readonly max?: number;
}

const MAX_DEVICES = 50_000;
/** What ingest calls those who have no name of their own. */
const NAMELESS = 'client:';
const REPLAY = 'replay';
const MAX_AGO_MS = 365 * 86_400_000;

/**
 * The devices, by what arrives from them. A reading costs at most one look in a map, and none where it comes from the
 * same device as the one before, or its entry is handed in; no date, no allocation.
 *
 * Measured with 50,000 devices of one schema each: about 1,030 bytes a device, its clock (360) and its places in the
 * maps included; so at most some 52 MB.
 */
export class DeviceRegistry implements Pick<Ledgers, 'saw'> {
  readonly #options: DeviceRegistryOptions;
  readonly #max: number;
  readonly #entries = new Map<string, DeviceEntry>();
  readonly #freePlaces: number[] = [];
  #places = 0;
  #last: DeviceEntry | null = null;
  /** Tenths of a second of listening; `Silence` moves it on. */
  tick = 0;
  /** Counted at each look of `Silence`. */
  silent = 0;
  /** Places whose device had to make room: to be taken out of the documents. */
  readonly vacated = new Set<number>();

  constructor(options: DeviceRegistryOptions) {
    this.#options = options;
    this.#max = options.max ?? MAX_DEVICES;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** See `Ledgers`. What cannot be laid to a device, and replays, which no device sends, leave no trace. */
  saw(reading: Reading, device: string, outcome: OutcomeKind, message: Message, nowMs: number): void {
    if (message.source === REPLAY || (reading.device === null && device.startsWith(NAMELESS))) return;
    const last = this.#last;
    const entry = last !== null && last.device === device ? last : this.entryOf(device, nowMs);
    this.#last = entry;
    this.#take(entry, reading, outcome, message, nowMs);
  }

  /** As `saw`, for who keeps the entry of a device. The entry that holds from now on: another where it had made room. */
  sawAs(
    entry: DeviceEntry,
    reading: Reading,
    outcome: OutcomeKind,
    message: Message,
    nowMs: number,
  ): DeviceEntry {
    if (message.source === REPLAY) return entry;
    const held = entry.isForgotten ? this.entryOf(entry.device, nowMs) : entry;
    this.#take(held, reading, outcome, message, nowMs);
    return held;
  }

  /** The entry of a device; a new one where there is none. */
  entryOf(device: string, nowMs: number): DeviceEntry {
    const known = this.#entries.get(device);
    if (known !== undefined) return known;
    if (this.#entries.size >= this.#max) this.#forgetLongestUnheard();
    const place = this.#freePlaces.pop() ?? this.#places++;
    const entry = new DeviceEntry(device, place, nowMs, this.tick);
    this.#entries.set(device, entry);
    return entry;
  }

  /** Takes up an entry of an earlier run at its place, in the order of places. Null where there is no room for it. */
  restore(device: string, place: number, firstSeenMs: number): DeviceEntry | null {
    if (this.#entries.has(device) || place < this.#places || place >= this.#max) return null;
    for (; this.#places < place; this.#places += 1) this.#freePlaces.push(this.#places);
    this.#places = place + 1;
    const entry = new DeviceEntry(device, place, firstSeenMs, 0);
    entry.seenTick = -1;
    this.#entries.set(device, entry);
    return entry;
  }

  entries(): IterableIterator<DeviceEntry> {
    return this.#entries.values();
  }

  has(device: string): boolean {
    return this.#entries.has(device);
  }

  /** Latest heard first. Only of those that are told a report is made: one of 50,000 would hold up everybody else. */
  list({ silent }: DeviceFilter = {}, limit: number = Number.POSITIVE_INFINITY): readonly DeviceReport[] {
    const entries = [...this.#entries.values()].filter((entry) => silent !== true || entry.isSilent);
    return entries
      .sort((a, b) => b.lastSeenMs - a.lastSeenMs)
      .slice(0, limit)
      .map((entry) => this.reportOf(entry));
  }

  report(device: string): DeviceReport | null {
    const entry = this.#entries.get(device);
    return entry === undefined ? null : this.reportOf(entry);
  }

  reportOf(entry: DeviceEntry): DeviceReport {
    const { clocks, book, nowMs } = this.#options;
    const atMs = nowMs();
    const { device, source, address, client, schemas, readings, rejected, lastCode } = entry;
    const isWatched = entry.expectEveryMs > 0;
    return {
      device,
      alias: book.of(device)?.alias ?? null,
      firstSeenMs: entry.firstSeenMs,
      lastSeenMs: entry.lastSeenMs,
      source,
      address,
      client,
      schemas: [...schemas],
      ratePerMinute: Math.round(entry.rateAt(atMs) * 1000) / 1000,
      readings,
      rejected,
      lastCode,
      ...entry.gapsAndMissing(),
      clock: clocks.report(device, atMs),
      state: isWatched ? (entry.isSilent ? 'silent' : 'online') : null,
      expectEveryMs: isWatched ? entry.expectEveryMs : null,
    };
  }

  /**
   * The gateway's own clock was set, `byMs` further: what was heard in this run before got a time of the clock that was
   * not set, and gets its own now.
   */
  gatewayClockSet(byMs: number, startedMs: number): void {
    for (const entry of this.#entries.values()) {
      if (entry.seenTick < 0) continue;
      entry.lastSeenMs += byMs;
      entry.rateFromS += Math.trunc(byMs / 1000);
      if (entry.firstSeenMs >= startedMs && entry.firstSeenMs + byMs <= entry.lastSeenMs)
        entry.firstSeenMs += byMs;
      entry.isChanged = true;
    }
  }

  #take(entry: DeviceEntry, reading: Reading, outcome: OutcomeKind, message: Message, nowMs: number): void {
    const isPassedOn = typeof message.relay?.arrivedMs === 'number';
    entry.take(reading, outcome, message, nowMs, isPassedOn ? this.#tickAt(nowMs) : this.tick);
    const { sentUs } = reading;
    // One that is older than the last would turn the clock back (see `DeviceEntry.take`).
    if (sentUs === null || nowMs < entry.lastSeenMs) return;
    // Once a second: no clock changes faster, and a busy device costs no more than a slow one.
    const second = Math.trunc(nowMs / 1000);
    if (second === entry.clockAtS || outcome === 'duplicate') return;
    entry.clockAtS = second;
    this.#options.clocks.observe(entry.device, sentUs, nowMs);
  }

  /** Where a peer kept a reading for long, its device was heard then: it may have fallen silent since. */
  #tickAt(arrivedMs: number): number {
    const agoMs = Math.max(0, Math.min(MAX_AGO_MS, this.#options.nowMs() - arrivedMs));
    return this.tick - Math.trunc(agoMs / TICK_MS);
  }

  /**
   * An eighth at a time, so that the search is paid for seldom. Those that sent one valid reading at most go first: a
   * client that invents a device for each message pushes out its own, not one that sends once an hour.
   */
  #forgetLongestUnheard(): void {
    const byAge = [...this.#entries.values()].sort(
      (a, b) =>
        Number(isKnownAgain(a)) - Number(isKnownAgain(b)) ||
        a.seenTick - b.seenTick ||
        a.lastSeenMs - b.lastSeenMs,
    );
    for (const entry of byAge.slice(0, Math.ceil(this.#max / 8))) {
      entry.isForgotten = true;
      this.#entries.delete(entry.device);
      this.#options.clocks.forget(entry.device);
      this.#freePlaces.push(entry.place);
      this.vacated.add(entry.place);
    }
    this.#last = null;
  }
}

function isKnownAgain({ readings, rejected }: DeviceEntry): boolean {
  return readings - rejected > 1;
}
