import { GatewayError } from '../errors.ts';
import { ArrivalBases, arrivedMsOf, baseOf } from './arrival-bases.ts';
import { damaged } from './bytes.ts';
import { decodeHeader, decodeLines, type Marks, NO_MARKS, type RecordHeader } from './record.ts';
import { costOf, type Reading } from './storage.ts';

/** What the folded state says of the log; state key `log`. */
export interface FoldedLog {
  /** Groups up to this one are in the folded counters and windows. */
  readonly seq: number;
  readonly marks: Marks;
  readonly highWaterMs: number;
  readonly nextRejectionId: number;
  /** Groups up to this one are in the folded windows; where it is missing, as in the counters. */
  readonly windowsSeq?: number;
  /** The last group with provisional times so far, and the latest of them without a base. */
  readonly provisional?: { readonly seq: number; readonly ns: string };
}

const NOTHING_FOLDED: FoldedLog = { seq: 0, marks: NO_MARKS, highWaterMs: 0, nextRejectionId: 1 };

/**
 * Where the log begins and ends, and its totals there. The numbers of the records it holds are without gaps: a group
 * that could not be committed leaves its number to the next, and only the oldest are ever deleted.
 */
export class Log {
  readonly #reading: Reading;
  /** The oldest group held; `lastSeq + 1` when there is none. */
  firstSeq = 1;
  lastSeq = 0;
  /** Totals before the oldest group held. */
  base: Marks = NO_MARKS;
  /** Totals with the last group. */
  last: Marks = NO_MARKS;
  folded: FoldedLog = NOTHING_FOLDED;
  highWaterMs = 0;
  readonly bases: ArrivalBases;

  constructor(reading: Reading) {
    this.#reading = reading;
    this.bases = new ArrivalBases(reading);
  }

  /** Groups up to this one are in all that is folded. */
  get foldedThrough(): number {
    return foldedThrough(this.folded);
  }

  /** What its records take up. */
  get liveBytes(): number {
    return this.last.cost - this.base.cost;
  }

  load(): void {
    const state = this.#reading.get('state', 'log');
    if (state !== null) this.folded = parseFolded(state);
    const { seq, marks, highWaterMs, provisional } = this.folded;
    if (provisional !== undefined) this.bases.last = provisional;
    this.firstSeq = seq + 1;
    this.lastSeq = seq;
    this.base = marks;
    this.last = marks;
    this.highWaterMs = highWaterMs;
    for (const { key, value } of this.#reading.entries('log', { reverse: true, limit: 1 })) {
      const header = decodeHeader(value, Number(key));
      this.lastSeq = Number(key);
      this.last = header.marks;
      this.highWaterMs = Math.max(highWaterMs, header.highWaterMs);
    }
    for (const { key } of this.#reading.entries('log', { limit: 1 })) this.firstSeq = Number(key);
    if (this.firstSeq <= this.lastSeq) this.base = this.#beforeFirst();
  }

  /** @throws GatewayError `store-damaged` when the group is not there or broken. */
  header(seq: number): RecordHeader {
    const value = this.#reading.get('log', seq);
    if (value === null) throw damaged(`group ${seq} of the log`, 'it is missing');
    return decodeHeader(value, seq);
  }

  /** When group `seq` arrived, ms since 1970, by the base of its times if it has one. */
  arrivedMs(seq: number, header: RecordHeader): number {
    return arrivedMsOf(header, baseOf(this.bases.bases, seq));
  }

  /** The totals with group `seq`. @throws GatewayError */
  marksAt(seq: number): Marks {
    if (seq === this.lastSeq) return this.last;
    if (seq === this.firstSeq - 1) return this.base;
    if (seq < this.firstSeq || seq > this.lastSeq) {
      throw new GatewayError(
        'usage',
        `there is no group ${seq}: ${this.firstSeq} to ${this.lastSeq} are held`,
      );
    }
    return this.header(seq).marks;
  }

  #beforeFirst(): Marks {
    const value = this.#reading.get('log', this.firstSeq);
    if (value === null) throw damaged(`group ${this.firstSeq} of the log`, 'it is missing');
    const { header, lines } = decodeLines(value, this.firstSeq);
    return {
      points: header.marks.points - header.points,
      bytes: header.marks.bytes - lines.length,
      cost: header.marks.cost - costOf(value.length),
    };
  }
}

/** Groups up to this one are in all that is folded. */
export function foldedThrough({ seq, windowsSeq = seq }: FoldedLog): number {
  return Math.min(seq, windowsSeq);
}

export function encodeFolded(folded: FoldedLog): Buffer {
  return Buffer.from(JSON.stringify(folded));
}

function parseFolded(state: Buffer): FoldedLog {
  try {
    // Written by `encodeFolded`; each page of the file is as LMDB wrote it or the store does not open.
    return JSON.parse(state.toString()) as FoldedLog;
  } catch (error) {
    throw damaged('the state', String(error));
  }
}
