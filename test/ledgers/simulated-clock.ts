/** A device with a clock of its own, as its readings arrive: late by the network, or later by a buffer; never early. */

export interface SimulatedReading {
  readonly sentUs: number;
  readonly arrivalMs: number;
}

export interface SimulatedClock {
  readonly fromMs: number;
  readonly forMs: number;
  readonly everyMs: number;
  /** What its clock says at a moment. */
  readonly ownMs: (trueMs: number) => number;
  /** Network delay up to so much, evenly spread. */
  readonly delayMs?: number;
  /** While it is offline it keeps its readings, and sends them as fast as `flushEveryMs` when it is back, oldest first. */
  readonly offline?: readonly (readonly [fromMs: number, toMs: number])[];
  readonly flushEveryMs?: number;
  readonly random?: () => number;
}

export function simulate(clock: SimulatedClock): SimulatedReading[] {
  const { fromMs, forMs, everyMs, ownMs, delayMs = 0, offline = [], flushEveryMs = 50 } = clock;
  const random = clock.random ?? randomFrom(1);
  const readings: SimulatedReading[] = [];
  let flushed = Number.NEGATIVE_INFINITY;
  for (let trueMs = fromMs; trueMs < fromMs + forMs; trueMs += everyMs) {
    const sentUs = Math.round(ownMs(trueMs) * 1000);
    const away = offline.find(([from, to]) => trueMs >= fromMs + from && trueMs < fromMs + to);
    if (away === undefined) {
      readings.push({ sentUs, arrivalMs: Math.round(trueMs + random() * delayMs) });
      continue;
    }
    flushed = Math.max(fromMs + away[1], flushed + flushEveryMs);
    readings.push({ sentUs, arrivalMs: Math.round(flushed + random() * delayMs) });
  }
  // By arrival: what is sent live overtakes what is still being flushed.
  return readings.sort((a, b) => a.arrivalMs - b.arrivalMs);
}

/** Numbers from 0 to 1 that are the same in each run (a 32-bit multiply-and-xorshift generator). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x9e37_79b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85eb_ca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2_ae35);
    return ((mixed ^ (mixed >>> 16)) >>> 0) / 2 ** 32;
  };
}
