import { describe, expect, it } from 'vitest';
import { createArrivalClock } from '../gateway/clocks/arrival-clock.ts';
import { createOwnMeasurements } from '../gateway/own-measurements.ts';
import { createMemoryStore } from '../gateway/store/memory-store.ts';
import type { Store } from '../gateway/store-contract.ts';
import { bad, type Devices, devices, MESSAGE, point } from './ledgers/devices-under-test.ts';
import { LeapingClock } from './support/leaping-clock.ts';

class Gateway {
  readonly seen: Devices = devices(5_000);
  readonly clock = new LeapingClock();
  readonly told: string[] = [];
  readonly store: Store;
  readonly own: ReturnType<typeof createOwnMeasurements>;
  #readUpTo = 0;

  constructor(maxBytes = 2 ** 24) {
    const events = { emit: (name: string) => void this.told.push(name) };
    this.store = createMemoryStore({ maxBytes }, { clock: this.clock, events });
    this.own = createOwnMeasurements({
      everyMs: 60_000,
      store: this.store,
      devices: this.seen,
      book: this.seen.book,
      arrival: createArrivalClock(this.clock, 0),
      events,
      clock: this.clock,
    });
  }

  hear(device: string): void {
    const nowMs = this.clock.nowMs();
    this.seen.nowMs = nowMs;
    const sentUs = (nowMs - 1500) * 1000;
    this.seen.registry.saw(point(device, { sentUs, seq: 1 }), device, 'stored', MESSAGE, nowMs);
  }

  /** The lines of one round, without their times. */
  async round(): Promise<string[]> {
    await this.own.measure();
    await this.clock.settle();
    const { lastSeq } = this.store.status();
    const lines: string[] = [];
    const reader = this.store.reader();
    for (;;) {
      const slice = reader.read(this.#readUpTo, lastSeq, { maxPoints: 10_000, maxBytes: 2 ** 24 });
      if (slice === null) return lines;
      this.#readUpTo = slice.lastSeq;
      lines.push(
        ...slice.lines
          .toString()
          .trim()
          .split('\n')
          .map((line) => line.replace(/ \d+$/, '')),
      );
    }
  }
}

describe('the measurements of the gateway itself', () => {
  it('are readings like any other, and the account closes over them', async () => {
    const gateway = new Gateway();
    gateway.store.openSink('s', { maxBacklogBytes: null, whenFull: 'block' });
    gateway.seen.book.settings.set('b', { alias: 'bath room' });
    for (let i = 0; i < 3; i += 1) {
      gateway.hear('a');
      await gateway.clock.pass(2000);
    }
    gateway.seen.registry.saw(bad('b'), 'b', 'rejected', MESSAGE, gateway.clock.nowMs());
    const seconds = gateway.clock.nowMs() / 1000;
    expect(await gateway.round()).toEqual([
      `gateway_devices,device=a last_seen=${seconds - 2},readings=3i,rejected=0i,missing=0i,lag=0,clock_offset=-1.5`,
      `gateway_devices,device=bath\\ room last_seen=${seconds},readings=1i,rejected=1i,missing=0i`,
      'gateway_account,sink=s stored=0i,written=0i,rejected=0i,dropped=0i,pending=0i',
    ]);
    expect(await gateway.round()).toEqual([
      'gateway_account,source=gateway received=3i,stored=3i,duplicate=0i,rejected=0i,forwarded=0i,refused=0i',
      'gateway_account,sink=s stored=3i,written=0i,rejected=0i,dropped=0i,pending=3i',
    ]);
    const { received, stored } = gateway.store.account().devices.get('gateway') ?? {};
    expect({ received, stored }).toEqual({ received: 5, stored: 5 });
    await gateway.store.close();
  });

  it('come every so often, and only of devices heard of since', async () => {
    const gateway = new Gateway();
    const ended = new AbortController();
    const running = gateway.own.run(ended.signal);
    gateway.hear('a');
    await gateway.clock.pass(59_000);
    expect(gateway.store.status().lastSeq).toBe(0);
    await gateway.clock.pass(1_000);
    await gateway.clock.settle();
    expect(gateway.store.account().sources).toMatchObject({ gateway: { stored: 1 } });
    ended.abort();
    await running;
    await gateway.store.close();
  });

  it('are of at most a thousand devices a round, and nobody is left out for ever', async () => {
    const gateway = new Gateway();
    const told = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      for (let i = 0; i < 2_500; i += 1) gateway.hear(`d${i}`);
      const lines = (await gateway.round()).filter((line) => line.startsWith('gateway_devices'));
      expect(lines).toHaveLength(1_000);
      for (const line of lines) told.add(line.split(' ')[0] ?? '');
    }
    expect(told.size).toBe(2_500);
    await gateway.store.close();
  });

  it('are left out while the store takes nothing', async () => {
    const gateway = new Gateway();
    gateway.hear('a');
    await gateway.store.close();
    await gateway.own.measure();
    expect(gateway.told).toEqual([]);
  });

  it('leave out a device whose name no line can carry', async () => {
    const gateway = new Gateway();
    gateway.hear('line\nbreak');
    gateway.hear('good');
    const lines = await gateway.round();
    expect(lines.filter((line) => line.startsWith('gateway_devices'))).toHaveLength(1);
    expect(gateway.told).toEqual([]);
    await gateway.store.close();
  });
});
