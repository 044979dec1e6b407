import type { ArrivalClock, Clock } from '../contracts.ts';
import { isGatewayError, messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { Store } from '../store-contract.ts';
import { createSettableArrivalClock } from './arrival-clock.ts';

export interface WallClockDeps {
  readonly clock: Clock;
  readonly events: Events;
  readonly store: Pick<Store, 'highWaterMs' | 'provisionalNs' | 'setArrivalBase'>;
  /** The clock is not set before this file exists, and then it is; null: only its time tells. */
  readonly untilFile: string | null;
  readonly fileExists: (file: string) => boolean;
  /** The clock was set, `byMs` further than it was at the start. */
  readonly onSet: (byMs: number) => void;
  /** The clock, which was set, was moved. */
  readonly onStepped: (byMs: number) => void;
}

/** Whether the clock of this machine can be believed, and what is done until it can. */
export interface WallClock {
  readonly arrival: ArrivalClock;
  /** Looks once a second until `signal` aborts. Never rejects. */
  run(signal: AbortSignal): Promise<void>;
  /** Looks now: also before the first reading. */
  look(): void;
  /**
   * When that was which the clock, not set yet, called `atMs`: exact for this run; of an earlier one nothing is known, and
   * it counts as now. Null while the clock is not set.
   */
  trueMs(atMs: number): number | null;
  /** What is wrong with the times of arrival now, in words with the remedy; null when nothing is. */
  trouble(): string | null;
}

/** This program was made after it. */
export const RELEASED_MS = Date.UTC(2026, 0, 1);
const LOOK_EVERY_MS = 1_000;
/** The mark of the last reading is committed with it, so a clock that is right stands behind it by nothing. */
const BEHIND_MS = 60_000;
/** So long a clock behind the last reading is waited for: that reading may have had a time from the future. */
const WAIT_FOR_SETTING_MS = 600_000;
/** More than time servers correct from one second to the next by slewing. */
const STEP_MS = 2_000;

/**
 * The clock is not set while it is before the release of this program; while `untilFile` does not exist; or, where no
 * such file is configured, while it is behind the last reading that was stored (a machine without a battery starts at
 * the time of its last shutdown), for ten minutes at most: who is wrong, the clock or that reading, nothing else tells.
 *
 * It is looked at between messages, never within one, so that a message has times of one kind.
 */
export function createWallClock(deps: WallClockDeps): WallClock {
  const { clock, events, store, untilFile, fileExists, onSet, onStepped } = deps;
  const arrival = createSettableArrivalClock(clock, store);
  const startedMs = clock.monotonicMs();
  /** By how much the wall clock is ahead of uptime: it moves only when somebody sets it. */
  const aheadMs = (): number => clock.nowMs() - clock.monotonicMs();
  const startedAheadMs = aheadMs();
  const startedWallMs = clock.nowMs();
  /** By how much the clock was wrong before it was set. */
  let setByMs = 0;
  let lookedAheadMs = startedAheadMs;
  let baseNs: string | null = null;
  let isKeeping = false;
  let told: string | null = null;

  /** Why the clock is not to be believed; null when it is. */
  function doubt(): string | null {
    const nowMs = clock.nowMs();
    if (nowMs < RELEASED_MS) return `it says ${iso(nowMs)}`;
    if (untilFile !== null) return fileExists(untilFile) ? null : `${untilFile} does not exist yet`;
    if (nowMs >= store.highWaterMs - BEHIND_MS) return null;
    return `it says ${iso(nowMs)}, and the last reading came at ${iso(store.highWaterMs)}`;
  }

  function lookForSetting(): void {
    const reason = doubt();
    const waitedMs = clock.monotonicMs() - startedMs;
    const isLost = reason !== null && untilFile === null && waitedMs >= WAIT_FOR_SETTING_MS;
    if (reason !== null && !(isLost && clock.nowMs() >= RELEASED_MS)) {
      if (told === null) events.emit('clock.unset', { reason });
      told = reason;
      return;
    }
    baseNs = arrival.set();
    if (reason !== null) events.emit('clock.unconfirmed', { minutes: Math.round(waitedMs / 60_000), reason });
    else if (told !== null) events.emit('clock.set', { seconds: Math.round(waitedMs / 1000) });
    lookedAheadMs = aheadMs();
    setByMs = lookedAheadMs - startedAheadMs;
    onSet(setByMs);
    // It does not agree with the clock of the last run, which measured all that is kept.
    if (reason !== null) onStepped(setByMs);
  }

  function lookForStep(): void {
    const nowAheadMs = aheadMs();
    const byMs = nowAheadMs - lookedAheadMs;
    lookedAheadMs = nowAheadMs;
    if (Math.abs(byMs) <= STEP_MS) return;
    events.emit('clock.stepped', { seconds: Math.round(byMs / 1000) });
    onStepped(byMs);
  }

  /** The store gives the waiting groups their base at once, and keeps it when it can. */
  function keepBase(): void {
    if (baseNs === null || isKeeping) return;
    isKeeping = true;
    store.setArrivalBase(baseNs).then(
      () => {
        baseNs = null;
        isKeeping = false;
      },
      (error: unknown) => {
        isKeeping = false;
        if (!isGatewayError(error, 'stopping')) events.emit('clock.not-kept', { error: messageOf(error) });
      },
    );
  }

  function trouble(): string | null {
    if (arrival.isProvisional)
      return `the clock of this machine is not set (${told ?? 'it was not looked at yet'}): readings stamped by arrival wait for their time. Set it; clock.untilFile can name the file that says that it is set`;
    const behindMs = arrival.highWaterMs - clock.nowMs();
    return behindMs < BEHIND_MS
      ? null
      : `the clock of this machine is ${Math.round(behindMs / 1000)} s behind the last time of arrival, as where it was set back: until ${iso(arrival.highWaterMs)} readings stamped by arrival get times right after that one. If the clock is wrong, set it`;
  }

  function look(): void {
    if (arrival.isProvisional) lookForSetting();
    else lookForStep();
    keepBase();
  }

  return {
    arrival,
    look,
    trouble,
    trueMs(atMs) {
      if (arrival.isProvisional) return null;
      const nowMs = clock.nowMs();
      return atMs < startedWallMs ? nowMs : Math.min(nowMs, atMs + setByMs);
    },
    async run(signal) {
      while (!signal.aborted) {
        try {
          look();
        } catch (error) {
          events.emit('hook.failed', { hook: 'clock', error: messageOf(error) });
        }
        await clock.sleep(LOOK_EVERY_MS, signal);
      }
    },
  };
}

function iso(ms: number): string {
  return new Date(ms).toISOString().slice(0, 19).concat('Z');
}
