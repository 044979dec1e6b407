/** The time as links know it, so that tests can hold it. */
export interface LinkClock {
  /** ms; never goes back. */
  monotonicMs(): number;
  /** Calls once after `delayMs`; the answer calls it off. */
  setTimer(delayMs: number, callback: () => void): () => void;
}

/** Who is woken. Must not throw. */
export interface Tickable {
  /** It looks for itself what is due. */
  wake(nowMs: number): void;
}

/** Who gathers what leaves together. Must not throw. */
export interface Flushable {
  /** Whatever ran just now has ended. */
  flush(): void;
}

/** One timer for all links of a run: 15,000 connections with a keepalive each cost one timeout. */
export interface Ticker {
  /** Of the clock; ms. */
  monotonicMs(): number;
  /**
   * Wakes a link at this time, or up to `STEP_MS` later; at the latest after `HORIZON_MS`. Returns when that will be: a
   * link that is woken before the time it was told last has changed its mind since, and ignores it.
   */
  wakeAt(who: Tickable, atMs: number): number;
  /** Calls its `flush` before anything else happens. */
  soon(who: Flushable): void;
  /** Nobody is woken any more. */
  stop(): void;
}

const STEP_MS = 20;
/** Bounds what waits for links that have changed their mind: they are woken for nothing, once. */
const HORIZON_MS = 30_000;

export function createTicker(clock: LinkClock): Ticker {
  const slots = new Map<number, Tickable[]>();
  let done = Math.floor(clock.monotonicMs() / STEP_MS);
  let cancel: (() => void) | null = null;
  let stopped = false;
  let gathered: Flushable[] = [];

  function arm(): void {
    if (cancel !== null || stopped) return;
    cancel = clock.setTimer(STEP_MS, tick);
  }

  function tick(): void {
    cancel = null;
    const nowMs = clock.monotonicMs();
    const until = Math.floor(nowMs / STEP_MS);
    while (done < until && slots.size > 0) {
      done += 1;
      const slot = slots.get(done);
      if (slot === undefined) continue;
      slots.delete(done);
      for (const who of slot) who.wake(nowMs);
    }
    done = Math.max(done, until);
    if (slots.size > 0) arm();
  }

  function flushAll(): void {
    const all = gathered;
    gathered = [];
    for (const who of all) who.flush();
  }

  return {
    monotonicMs: () => clock.monotonicMs(),
    wakeAt(who, atMs) {
      if (stopped) return Number.POSITIVE_INFINITY;
      if (slots.size === 0) done = Math.max(done, Math.floor(clock.monotonicMs() / STEP_MS));
      const nearest = Math.min(atMs, clock.monotonicMs() + HORIZON_MS);
      const number = Math.max(done + 1, Math.ceil(nearest / STEP_MS));
      const slot = slots.get(number);
      if (slot === undefined) slots.set(number, [who]);
      else slot.push(who);
      arm();
      return number * STEP_MS;
    },
    soon(who) {
      gathered.push(who);
      if (gathered.length === 1) queueMicrotask(flushAll);
    },
    stop() {
      stopped = true;
      cancel?.();
      cancel = null;
      slots.clear();
    },
  };
}

/** The machine's own. */
export const systemClock: LinkClock = {
  monotonicMs: () => performance.now(),
  setTimer(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};
