import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWallClock, RELEASED_MS, type WallClock } from '../../gateway/clocks/wall-clock.ts';
import { GatewayError } from '../../gateway/errors.ts';
import type { EventName } from '../../gateway/monitoring/events.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { LeapingClock } from '../support/leaping-clock.ts';

const IN_2000 = Date.UTC(2000, 0, 1);
const NOW = Date.UTC(2026, 5, 1);
const HOUR = 3_600_000;

/** A machine whose wall clock can be set. */
class Machine {
  readonly uptime: LeapingClock = new LeapingClock(0);
  wallMs: number;
  readonly told: string[] = [];
  readonly bases: string[] = [];
  readonly sets: number[] = [];
  readonly steps: number[] = [];
  readonly files = new Set<string>();
  highWaterMs = 0;
  provisionalNs = '0';
  untilFile: string | null = null;
  failures = 0;
  readonly #ended = new AbortController();

  constructor(wallMs: number) {
    this.wallMs = wallMs;
  }

  start(): WallClock {
    const { uptime } = this;
    const wallClock = createWallClock({
      clock: {
        nowMs: () => this.wallMs + uptime.monotonicMs(),
        monotonicMs: () => uptime.monotonicMs(),
        sleep: (ms, signal) => uptime.sleep(ms, signal),
      },
      events: { emit: (name: EventName) => void this.told.push(name) },
      store: {
        highWaterMs: this.highWaterMs,
        provisionalNs: this.provisionalNs,
        setArrivalBase: (baseNs) => {
          if (this.failures > 0) {
            this.failures -= 1;
            return Promise.reject(new GatewayError('store-unavailable', 'the disk'));
          }
          this.bases.push(baseNs);
          return Promise.resolve();
        },
      },
      untilFile: this.untilFile,
      fileExists: (file) => this.files.has(file),
      onSet: (byMs) => this.sets.push(byMs),
      onStepped: (byMs) => this.steps.push(byMs),
    });
    void wallClock.run(this.#ended.signal);
    return wallClock;
  }

  end(): void {
    this.#ended.abort();
  }

  /** The clock is set to `ms` from now on. */
  set(ms: number): void {
    this.wallMs = ms - this.uptime.monotonicMs();
  }

  async pass(ms: number): Promise<void> {
    await this.uptime.pass(ms);
  }
}

describe('the clock of a machine that', () => {
  it('was not set at first says later when it was what it called an early time', async () => {
    const machine = new Machine(Date.UTC(2000, 0, 1));
    const wall = machine.start();
    await machine.pass(60_000);
    const earlyMs = Date.UTC(2000, 0, 1) + 60_000;
    expect(wall.trueMs(earlyMs)).toBeNull();
    machine.set(NOW);
    await machine.pass(1_000);
    expect(wall.trueMs(earlyMs)).toBe(NOW);
    expect(wall.trueMs(earlyMs + 3_600_000)).toBe(NOW + 1_000);
    // Of an earlier run.
    expect(wall.trueMs(0)).toBe(NOW + 1_000);
    machine.end();
  });

  it('is set from the start gives real times, and nothing is said', async () => {
    const machine = new Machine(NOW);
    machine.highWaterMs = NOW - 5;
    const { arrival } = machine.start();
    expect(arrival.isProvisional).toBe(false);
    expect(arrival.nextNs()).toBe(`${NOW}000000`);
    await machine.pass(HOUR);
    expect({ ...machine }).toMatchObject({ told: [], bases: [], steps: [] });
    machine.end();
  });

  it('starts in 2000 and is set an hour later gives every reading its time', async () => {
    const machine = new Machine(IN_2000);
    machine.highWaterMs = NOW - HOUR;
    const { arrival } = machine.start();
    await machine.pass(1000);
    const given: { ns: string; trueMs: number }[] = [];
    for (let i = 0; i < 3_600; i += 1) {
      given.push({ ns: arrival.nextNs(), trueMs: NOW + machine.uptime.monotonicMs() });
      expect(arrival.isProvisional).toBe(true);
      expect(arrival.highWaterMs).toBe(machine.highWaterMs);
      await machine.pass(1000);
    }
    machine.wallMs = NOW;
    await machine.pass(1000);
    expect(arrival.isProvisional).toBe(false);
    const [base = ''] = machine.bases;
    for (const { ns, trueMs } of given) {
      expect(ns).toMatch(/^\d{17}$/);
      expect(BigInt(ns) + BigInt(base)).toBe(BigInt(trueMs) * 1_000_000n);
    }
    expect(machine.sets).toEqual([NOW - IN_2000]);
    expect(machine.told).toEqual(['clock.unset', 'clock.set']);
    const last = BigInt(given.at(-1)?.ns ?? 0) + BigInt(base);
    expect(BigInt(arrival.nextNs())).toBeGreaterThan(last);
    expect(machine.bases).toHaveLength(1);
    machine.end();
  });

  it('starts at its last shutdown is waited for', async () => {
    const machine = new Machine(NOW - HOUR);
    machine.highWaterMs = NOW;
    const { arrival, trouble } = machine.start();
    await machine.pass(60_000);
    expect(arrival.isProvisional).toBe(true);
    expect(trouble()).toMatch(
      /^the clock of this machine is not set \(it says 2026-05-31T23:00:59Z, and .*clock\.untilFile/,
    );
    machine.set(NOW + 120_000);
    await machine.pass(1000);
    expect(arrival.isProvisional).toBe(false);
    expect(trouble()).toBeNull();
    machine.end();
  });

  it('set back while it runs is told of until it has caught up', async () => {
    const machine = new Machine(NOW);
    const { arrival, trouble } = machine.start();
    await machine.pass(1000);
    arrival.nextNs();
    expect(trouble()).toBeNull();
    machine.set(NOW - HOUR);
    await machine.pass(1000);
    const words = trouble();
    expect(words).toContain('3600 s behind the last time of arrival');
    expect(words).toContain('until 2026-06-01T00:00:01Z');
    await machine.pass(HOUR);
    expect(trouble()).toBeNull();
    machine.end();
  });

  it('nobody sets is taken as it is after ten minutes, if it can be right at all', async () => {
    const machine = new Machine(NOW);
    machine.highWaterMs = NOW + 365 * 24 * HOUR;
    const { arrival } = machine.start();
    arrival.nextNs();
    await machine.pass(599_000);
    expect(arrival.isProvisional).toBe(true);
    await machine.pass(2_000);
    expect(arrival.isProvisional).toBe(false);
    expect(machine.told).toEqual(['clock.unset', 'clock.unconfirmed']);
    // What was measured by the clock of the last run does not hold for this one.
    expect(machine.steps).toHaveLength(1);
    machine.end();

    const without = new Machine(IN_2000);
    const { arrival: never } = without.start();
    await without.pass(2 * HOUR);
    expect(never.isProvisional).toBe(true);
    without.end();
  });

  it('is set when a file says so is believed then, and not before', async () => {
    const machine = new Machine(NOW);
    machine.untilFile = '/run/synchronized';
    // Wrong by a year, once: the file knows better.
    machine.highWaterMs = NOW + 365 * 24 * HOUR;
    const { arrival } = machine.start();
    await machine.pass(HOUR);
    expect(arrival.isProvisional).toBe(true);
    machine.files.add('/run/synchronized');
    await machine.pass(1000);
    expect(arrival.isProvisional).toBe(false);
    expect(machine.told).toEqual(['clock.unset', 'clock.set']);
    machine.end();
  });

  it('is moved later is told, with how far; one that is corrected little by little is not', async () => {
    const machine = new Machine(NOW);
    machine.start();
    await machine.pass(5_000);
    machine.wallMs += HOUR;
    await machine.pass(5_000);
    machine.wallMs -= 10_000;
    await machine.pass(5_000);
    for (let i = 0; i < 60; i += 1) {
      machine.wallMs += 500;
      await machine.pass(1000);
    }
    expect(machine.steps).toEqual([HOUR, -10_000]);
    expect(machine.told).toEqual(['clock.stepped', 'clock.stepped']);
    machine.end();
  });
});

describe('provisional times', () => {
  it('go on above those of a run before, which come to lie right before this one', async () => {
    const machine = new Machine(IN_2000);
    machine.provisionalNs = '10000000005000007';
    const { arrival } = machine.start();
    const first = arrival.nextNs();
    expect(BigInt(first)).toBeGreaterThan(BigInt(machine.provisionalNs));
    machine.set(NOW);
    await machine.pass(1000);
    const [base = ''] = machine.bases;
    expect(BigInt(machine.provisionalNs) + BigInt(base)).toBeLessThan(BigInt(NOW) * 1_000_000n);
    expect(BigInt(machine.provisionalNs) + BigInt(base)).toBeGreaterThan(BigInt(NOW - 10) * 1_000_000n);
    machine.end();
  });

  it('of a run before get theirs also where the clock is set from the start', () => {
    const machine = new Machine(NOW);
    machine.provisionalNs = '10000000005000007';
    machine.start();
    expect(machine.bases).toHaveLength(1);
    machine.end();
  });

  it('get the same base again until the store has kept it', async () => {
    const machine = new Machine(IN_2000);
    machine.failures = 3;
    const { arrival } = machine.start();
    const ns = arrival.nextNs();
    machine.set(NOW);
    await machine.pass(10_000);
    expect(machine.bases).toHaveLength(1);
    expect(BigInt(ns) + BigInt(machine.bases[0] ?? 0)).toBeLessThanOrEqual(BigInt(NOW) * 1_000_000n);
    expect(machine.told.filter((name) => name === 'clock.not-kept')).toHaveLength(3);
    machine.end();
  });

  it('never collide with one another or with real ones, and never go back, whenever the clock is set', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({ waitMs: fc.integer({ min: 0, max: 3_000 }), n: fc.integer({ min: 1, max: 40 }) }),
          {
            minLength: 2,
            maxLength: 8,
          },
        ),
        fc.nat(7),
        async (bursts, setAt) => {
          const machine = new Machine(IN_2000);
          const { arrival } = machine.start();
          const given: { ns: bigint; isProvisional: boolean }[] = [];
          for (const [i, { waitMs, n }] of bursts.entries()) {
            if (i === setAt) machine.set(NOW);
            await machine.pass(waitMs);
            for (let j = 0; j < n; j += 1) {
              const { isProvisional } = arrival;
              given.push({ ns: BigInt(arrival.nextNs()), isProvisional });
            }
          }
          machine.set(NOW + 100_000);
          await machine.pass(1_000);
          machine.end();
          const base = BigInt(machine.bases[0] ?? 0);
          const times = given.map(({ ns, isProvisional }) => (isProvisional ? ns + base : ns));
          for (let i = 1; i < times.length; i += 1)
            expect(times[i] ?? 0n).toBeGreaterThan(times[i - 1] ?? 0n);
        },
      ),
      { numRuns: 25 },
    );
  });

  it('become real in the store, also those of a group that waits while the clock is set', async () => {
    const machine = new Machine(IN_2000);
    const { uptime } = machine;
    const clock = {
      nowMs: () => machine.wallMs + uptime.monotonicMs(),
      monotonicMs: () => uptime.monotonicMs(),
      sleep: (ms: number, signal?: AbortSignal) => uptime.sleep(ms, signal),
    };
    const events = { emit: () => undefined };
    const store = createMemoryStore({}, { clock, events });
    const wallClock = createWallClock({
      clock,
      events,
      store,
      untilFile: null,
      fileExists: () => false,
      onSet: () => undefined,
      onStepped: () => undefined,
    });
    wallClock.look();
    const { arrival } = wallClock;
    const take = (): Promise<void> => {
      const group = store.group();
      group.point(`m v=1 ${arrival.nextNs()}\n`);
      if (arrival.isProvisional) group.markProvisional();
      group.arrivedAt(arrival.highWaterMs);
      return group.committed;
    };
    await take();
    const waiting = take();
    machine.set(NOW);
    wallClock.look();
    const joined = take();
    await Promise.all([waiting, joined]);
    await take();
    await uptime.settle();
    const slice = store.reader().read(0, store.status().lastSeq, { maxPoints: 100, maxBytes: 1e6 });
    const times = (slice?.lines.toString() ?? '')
      .trim()
      .split('\n')
      .map((line) => line.slice(line.lastIndexOf(' ') + 1));
    expect(times).toHaveLength(4);
    for (const ns of times) expect(Math.abs(Number(ns) / 1e6 - NOW)).toBeLessThan(1000);
    expect(new Set(times).size).toBe(4);
    await store.close();
  });
});

describe('the release of this program', () => {
  it('is a time that has been', () => {
    expect(RELEASED_MS).toBeLessThan(Date.now());
  });
});
