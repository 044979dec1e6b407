import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { backOffMs } from '../../../device-sim/links/back-off.ts';
import { Heartbeat } from '../../../device-sim/links/heartbeat.ts';
import { createTicker, type LinkClock } from '../../../device-sim/links/ticker.ts';
import { seededRandom } from '../../../device-sim/random.ts';

function steered(): LinkClock & { advance(ms: number): void; waiting(): number } {
  let nowMs = 1000;
  let timers: { atMs: number; callback: () => void }[] = [];
  return {
    monotonicMs: () => nowMs,
    setTimer: (delayMs, callback) => {
      const timer = { atMs: nowMs + delayMs, callback };
      timers.push(timer);
      return () => {
        timers = timers.filter((each) => each !== timer);
      };
    },
    waiting: () => timers.length,
    advance: (ms) => {
      nowMs += ms;
      const due = timers.filter(({ atMs }) => atMs <= nowMs);
      timers = timers.filter(({ atMs }) => atMs > nowMs);
      for (const { callback } of due) callback();
    },
  };
}

describe('the ticker', () => {
  it('wakes each one when it said it would, with one timer for all, however late the event loop is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 100_000 }), { minLength: 1, maxLength: 50 }),
        fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 }),
        (delays, steps) => {
          const clock = steered();
          const ticker = createTicker(clock);
          const woken: (number | null)[] = delays.map(() => null);
          const promised = delays.map((delayMs, i) =>
            ticker.wakeAt(
              {
                wake: (nowMs) => {
                  woken[i] ??= nowMs;
                },
              },
              clock.monotonicMs() + delayMs,
            ),
          );
          expect(clock.waiting()).toBe(1);
          for (const step of steps) {
            clock.advance(step);
            expect(clock.waiting()).toBeLessThanOrEqual(1);
          }
          const endMs = clock.monotonicMs();
          promised.forEach((atMs, i) => {
            const delayMs = delays[i] ?? 0;
            // As asked, a step later at most; or at the horizon.
            expect(atMs).toBeGreaterThanOrEqual(1000 + Math.min(delayMs, 30_000));
            expect(atMs).toBeLessThanOrEqual(1000 + Math.min(delayMs, 30_000) + 40);
            const wokenMs = woken[i] ?? null;
            if (wokenMs !== null) expect(wokenMs).toBeGreaterThanOrEqual(atMs);
            else expect(endMs).toBeLessThan(atMs + 20);
          });
        },
      ),
    );
  });

  it('lets everything of a turn leave together, and wakes nobody when it was stopped', async () => {
    const clock = steered();
    const ticker = createTicker(clock);
    const flushed: number[] = [];
    ticker.soon({ flush: () => void flushed.push(1) });
    ticker.soon({ flush: () => void flushed.push(2) });
    expect(flushed).toEqual([]);
    await Promise.resolve();
    expect(flushed).toEqual([1, 2]);
    let woken = 0;
    const who = {
      wake: () => {
        woken += 1;
      },
    };
    ticker.wakeAt(who, 1100);
    ticker.stop();
    clock.advance(60_000);
    expect([woken, clock.waiting(), ticker.wakeAt(who, 1)]).toEqual([0, 0, Number.POSITIVE_INFINITY]);
  });
});

describe('the heartbeat', () => {
  it('pings when nothing else was sent for most of the keepalive, and gives up 30 s after a ping that nobody answers', () => {
    const heart = new Heartbeat(60);
    heart.begin(0);
    expect(heart.check(50_000, false, false)).toBe('fine');
    heart.sent(50_000);
    expect(heart.check(100_000, false, false)).toBe('fine');
    expect(heart.check(104_000, false, false)).toBe('ping');
    heart.answered();
    expect(heart.check(157_000, false, false)).toBe('fine');
    expect(heart.check(158_000, false, false)).toBe('ping');
    expect(heart.check(187_999, false, false)).toBe('fine');
    expect(heart.check(188_000, false, false)).toBe('dead');
  });

  it('takes silence for nothing while it does not listen, or waits for nothing', () => {
    const heart = new Heartbeat(0);
    heart.begin(0);
    expect(heart.check(1e9, false, false)).toBe('fine');
    heart.heard(1e9);
    expect(heart.check(1e9 + 60_000, true, true)).toBe('fine');
    expect(heart.check(1e9 + 80_000, true, false)).toBe('fine');
    expect(heart.check(1e9 + 90_000, true, false)).toBe('dead');
  });
});

describe('the back-off', () => {
  it('stays between its bounds, doubles its upper one, and differs from device to device', () => {
    const random = seededRandom(1);
    for (let attempt = 0; attempt < 40; attempt += 1) {
      const most = Math.min(30_000, 500 * 2 ** (attempt + 1));
      const draws = Array.from({ length: 200 }, () => backOffMs(attempt, 500, 30_000, random));
      expect(Math.min(...draws)).toBeGreaterThanOrEqual(500);
      expect(Math.max(...draws)).toBeLessThan(most);
      expect(Math.max(...draws)).toBeGreaterThan(500 + (most - 500) * 0.9);
    }
    expect(backOffMs(3, 500, 100, random)).toBe(500);
  });
});
