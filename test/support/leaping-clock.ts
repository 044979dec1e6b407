/** A clock that stands still until nothing else happens, then leaps to whoever sleeps the shortest. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../../gateway/contracts.ts';

interface Sleeper {
  readonly dueMs: number;
  readonly wake: () => void;
}

export class LeapingClock implements Clock {
  /** Every sleep that was asked for, ms. */
  readonly sleeps: number[] = [];
  private ms = 0;
  private readonly startMs: number;
  private readonly sleepers = new Set<Sleeper>();

  constructor(startMs = 1_700_000_000_000) {
    this.startMs = startMs;
  }

  nowMs(): number {
    return this.startMs + this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.sleeps.push(ms);
    return new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const sleeper: Sleeper = {
        dueMs: this.ms + ms,
        wake: () => {
          this.sleepers.delete(sleeper);
          signal?.removeEventListener('abort', sleeper.wake);
          resolve();
        },
      };
      this.sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake, { once: true });
    });
  }

  /** How many sleep now. */
  get sleeping(): number {
    return this.sleepers.size;
  }

  /** Lets everything happen that can without time passing. */
  async settle(): Promise<void> {
    for (let i = 0; i < 20; i += 1) await turn();
  }

  /** Lets time pass, leap by leap, until it is so. @throws Error when `withinMs` have passed in vain. */
  async until(isSo: () => boolean, withinMs = 3_600_000): Promise<void> {
    const endMs = this.ms + withinMs;
    for (;;) {
      await this.settle();
      if (isSo()) return;
      const [next] = [...this.sleepers].sort((a, b) => a.dueMs - b.dueMs);
      if (next === undefined || next.dueMs > endMs) throw new Error(`in vain: ${String(isSo)}`);
      this.ms = Math.max(this.ms, next.dueMs);
      next.wake();
    }
  }

  /** Exactly so long. */
  async pass(ms: number): Promise<void> {
    const end = this.ms + ms;
    let over = false;
    const sleeper: Sleeper = { dueMs: end, wake: () => (over = this.sleepers.delete(sleeper)) };
    this.sleepers.add(sleeper);
    await this.until(() => over, ms);
  }
}
