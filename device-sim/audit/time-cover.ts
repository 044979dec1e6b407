import type { TimeRange } from './audit-contract.ts';

const MINUTE_NS = 60_000_000_000n;
/** Minutes outside the run, of devices whose clocks are wrong. Beyond so many everything between them is taken too. */
const MOST_MINUTES = 50_000;
const MOST_RANGES = 200;

/** Which times of a database a run can have touched: from its start to its end, and wherever its clocks were wrong. */
export class TimeCover {
  private readonly startNs: bigint;
  private endNs: bigint;
  private readonly minutes = new Set<number>();
  private overflow: { from: number; to: number } | null = null;

  constructor(startNs: bigint) {
    this.startNs = startNs;
    this.endNs = startNs;
  }

  get lastNs(): bigint {
    return this.endNs;
  }

  /** Something happened in the run. */
  said(ns: bigint): void {
    if (ns > this.endNs) this.endNs = ns;
  }

  /** A reading claims this time. */
  expect(ns: bigint): void {
    if (ns >= this.startNs && ns <= this.endNs) return;
    const minute = Number(ns / MINUTE_NS);
    if (this.overflow !== null) {
      this.overflow.from = Math.min(this.overflow.from, minute);
      this.overflow.to = Math.max(this.overflow.to, minute);
      return;
    }
    this.minutes.add(minute);
    if (this.minutes.size <= MOST_MINUTES) return;
    const sorted = [...this.minutes].sort((a, b) => a - b);
    this.overflow = { from: sorted[0] ?? minute, to: sorted.at(-1) ?? minute };
    this.minutes.clear();
  }

  /** In order, without overlap, `marginNs` wider than the run on both sides; at most 200. */
  ranges(marginNs: bigint): TimeRange[] {
    const pieces: TimeRange[] = [{ fromNs: this.startNs - marginNs, toNs: this.endNs + marginNs }];
    for (const minute of this.minutes) pieces.push(range(minute, minute));
    if (this.overflow !== null) pieces.push(range(this.overflow.from, this.overflow.to));
    pieces.sort((a, b) => (a.fromNs < b.fromNs ? -1 : 1));
    let joined = join(pieces, 0n);
    for (let gapNs = MINUTE_NS; joined.length > MOST_RANGES; gapNs *= 2n) joined = join(joined, gapNs);
    return joined;
  }
}

/** With the minutes beside it: a time that was altered a little is still found. */
function range(fromMinute: number, toMinute: number): TimeRange {
  return { fromNs: BigInt(fromMinute - 1) * MINUTE_NS, toNs: BigInt(toMinute + 2) * MINUTE_NS };
}

function join(sorted: readonly TimeRange[], gapNs: bigint): TimeRange[] {
  const joined: TimeRange[] = [];
  for (const { fromNs, toNs } of sorted) {
    const last = joined.at(-1);
    if (last === undefined || fromNs > last.toNs + gapNs) joined.push({ fromNs, toNs });
    else if (toNs > last.toNs) joined[joined.length - 1] = { fromNs: last.fromNs, toNs };
  }
  return joined;
}
