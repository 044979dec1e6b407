import type { Message, OutcomeKind, Reading, RejectionCode } from '../contracts.ts';

export const MAX_SCHEMAS = 8;
/** Whole numbers for years of listening: see `DeviceEntry`. */
export const TICK_MS = 100;
/** A number that leaves out more than this is another count, not a gap. */
const MAX_GAP = 1_000_000;
/** The rate is told over windows of at least this, and leans on some ten minutes. */
const RATE_WINDOW_S = 60;
const RATE_MEMORY_S = 600;
/** Stands for no number: a field that holds whole numbers alone needs no memory of its own. */
const NONE = -0x8000_0000;
const FURTHEST_MS = 0x7fff_ffff;

/**
 * What is known of one device. Numbers and shared texts, changed in place: a reading allocates nothing, but for the
 * first of a schema. What each reading touches comes first and is whole numbers where it can be, because with
 * thousands of devices it is the memory it touches that a reading costs. Ticks are tenths of a second of listening (see
 * `Silence`): they stand still while the gateway takes nothing.
 */
export class DeviceEntry {
  readonly device: string;
  /** To be kept. */
  isChanged: boolean = true;
  lastSeenMs: number;
  source = '';
  address: string | null = null;
  client = '';
  readings = 0;
  /** When it was last heard, and when something valid came; ticks. */
  seenTick: number;
  validTick: number;
  rateFromS: number;
  rateCount = -1;
  /** Of `schemas` the first: most devices have no other. */
  #firstSchema: string | null = null;
  /** Of its last reading. Whether a device numbers all its readings or those of each schema is not known: both are followed. */
  seq = NONE;
  /** The second in which its clock was looked at last. */
  clockAtS = 0;
  #behindMs = NONE;

  /** Where it is kept among the documents. */
  readonly place: number;
  firstSeenMs: number;
  readonly schemas: string[] = [];
  rejected = 0;
  lastCode: RejectionCode | null = null;
  /** -1 before the first window is over. The reading that begins it is not counted in it. */
  ratePerMinute = -1;
  gaps = 0;
  missing = 0;
  /** As `seq`, for each of `schemas` once there are several. */
  readonly schemaSeqs: number[] = [];
  schemaGaps = 0;
  schemaMissing = 0;
  isSilent: boolean = false;
  /** What the outside was told last; null: nothing since the start. */
  toldState: 'online' | 'silent' | null = null;
  /** 0: nobody said. */
  expectEveryMs = 0;
  /** The expectation has to be worked out: a schema is new. */
  isExpectationStale: boolean = true;
  /** Readings at the last time its own measurement was written. */
  measuredReadings = 0;
  /** It had to make room: no longer in the registry. */
  isForgotten: boolean = false;

  constructor(device: string, place: number, nowMs: number, tick: number) {
    this.device = device;
    this.place = place;
    this.firstSeenMs = nowMs;
    this.lastSeenMs = nowMs;
    this.rateFromS = Math.trunc(nowMs / 1000);
    this.seenTick = tick;
    this.validTick = tick;
  }

  /** How far the own time of its last reading was behind arrival; null where it had none. */
  get behindMs(): number | null {
    return this.#behindMs === NONE ? null : this.#behindMs;
  }

  /** @param nowMs, tick when it arrived at a gateway: at a peer, where one passed it on */
  take(reading: Reading, outcome: OutcomeKind, message: Message, nowMs: number, tick: number): void {
    this.isChanged = true;
    // A peer has passed it on, and later ones were heard before: it counts, and says nothing of how things are.
    const isLate = nowMs < this.lastSeenMs && typeof message.relay?.arrivedMs === 'number';
    if (!isLate) this.#heard(message, nowMs);
    // A new device may be one that a peer has heard long ago.
    if (this.readings === 0) this.validTick = Math.min(this.validTick, tick);
    this.seenTick = this.readings === 0 ? tick : Math.max(this.seenTick, tick);
    this.readings += 1;
    if (outcome === 'rejected') {
      this.rejected += 1;
      if (!isLate) this.lastCode = reading.kind === 'bad' ? reading.code : null;
    } else {
      this.validTick = Math.max(this.validTick, tick);
    }
    const nowS = Math.trunc(nowMs / 1000);
    if (nowS - this.rateFromS < RATE_WINDOW_S && nowS >= this.rateFromS) this.rateCount += 1;
    else if (!isLate) this.#closeRate(nowS);
    const { schema, seq, sentUs } = reading;
    const at = schema === this.#firstSchema ? 0 : this.#schemaAt(schema);
    if (isLate) return;
    if (seq !== null && outcome !== 'duplicate') this.#takeSeq(seq, at);
    if (sentUs !== null)
      this.#behindMs = Math.trunc(Math.max(-FURTHEST_MS, Math.min(FURTHEST_MS, nowMs - sentUs / 1000)));
  }

  /** Readings a minute; falls when nothing comes any more. */
  rateAt(nowMs: number): number {
    const passedS = nowMs / 1000 - this.rateFromS;
    if (passedS < RATE_WINDOW_S && this.ratePerMinute >= 0) return this.ratePerMinute;
    const recent = ((this.rateCount + 1) * 60) / Math.max(RATE_WINDOW_S, passedS);
    return this.ratePerMinute < 0 ? recent : Math.min(this.ratePerMinute, recent);
  }

  /** The numbers that were left out, by whichever way of counting leaves out fewer. */
  gapsAndMissing(): { readonly seqGaps: number; readonly missing: number } {
    return this.schemas.length > 1 && this.schemaMissing < this.missing
      ? { seqGaps: this.schemaGaps, missing: this.schemaMissing }
      : { seqGaps: this.gaps, missing: this.missing };
  }

  /** Adds a schema, while there is room. Its place in `schemas`, -1 where it has none. */
  addSchema(schema: string): number {
    if (this.schemas.length >= MAX_SCHEMAS) return -1;
    if (this.schemas.length === 0) this.#firstSchema = schema;
    if (this.schemas.length === 1) {
      // Until now it was the same.
      this.schemaSeqs.push(this.seq);
      this.schemaGaps = this.gaps;
      this.schemaMissing = this.missing;
    }
    this.schemas.push(schema);
    if (this.schemas.length > 1) this.schemaSeqs.push(NONE);
    this.isExpectationStale = true;
    return this.schemas.length - 1;
  }

  #heard({ source, address, client }: Message, nowMs: number): void {
    this.lastSeenMs = nowMs;
    if (this.source !== source) this.source = source;
    if (this.address !== address) this.address = address;
    if (this.client !== client) this.client = client;
  }

  #closeRate(nowS: number): void {
    const passedS = nowS - this.rateFromS;
    if (passedS > 0) {
      const rate = ((this.rateCount + 1) * 60) / passedS;
      if (this.ratePerMinute < 0) this.ratePerMinute = rate;
      else this.ratePerMinute += (rate - this.ratePerMinute) * (1 - Math.exp(-passedS / RATE_MEMORY_S));
    }
    // Else the gateway's clock was set back.
    this.rateFromS = nowS;
    this.rateCount = 0;
  }

  #schemaAt(schema: string | null): number {
    if (schema === null) return -1;
    const at = this.schemas.indexOf(schema);
    return at === -1 ? this.addSchema(schema) : at;
  }

  #takeSeq(seq: number, at: number): void {
    const left = leftOut(this.seq, seq);
    this.seq = seq;
    if (left > 0) {
      this.gaps += 1;
      this.missing += left;
    }
    if (at === -1 || this.schemas.length < 2) return;
    const leftBySchema = leftOut(this.schemaSeqs[at] ?? NONE, seq);
    this.schemaSeqs[at] = seq;
    if (leftBySchema > 0) {
      this.schemaGaps += 1;
      this.schemaMissing += leftBySchema;
    }
  }
}

/** A lower number is a restart, and the same one a repeat: nothing is missing. */
function leftOut(before: number, seq: number): number {
  const left = before === NONE ? 0 : seq - before - 1;
  return left > 0 && left <= MAX_GAP ? left : 0;
}
