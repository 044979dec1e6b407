import { describe, expect, it } from 'vitest';
import { DeviceDocuments } from '../../gateway/ledgers/device-documents.ts';
import { LOOK_EVERY_MS, Silence } from '../../gateway/ledgers/silence.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { bad, type Devices, devices, MESSAGE, passedOn, point } from './devices-under-test.ts';

const MINUTE = 60_000;

class Watch {
  readonly seen: Devices = devices(5_000);
  readonly clock = new LeapingClock();
  readonly events: string[] = [];
  readonly states: string[] = [];
  isListening = true;
  expected: number | null = MINUTE;
  isDeaf: boolean = false;
  readonly #ended = new AbortController();

  start(): this {
    const silence = new Silence({
      registry: this.seen.registry,
      book: this.seen.book,
      expectEveryMs: () => this.expected,
      isListening: () => this.isListening,
      onState: (device, state, report) => {
        if (this.isDeaf) throw new Error('nobody can be told');
        expect(report).toMatchObject({ device, state });
        this.states.push(`${device} ${state}`);
      },
      events: { emit: (name, fields = {}) => void this.events.push(`${name} ${String(fields.device)}`) },
      clock: this.clock,
    });
    void silence.run(this.#ended.signal);
    return this;
  }

  end(): void {
    this.#ended.abort();
  }

  async pass(ms: number): Promise<void> {
    await this.clock.pass(ms);
  }

  /** A valid reading now. */
  hear(device = 'd'): void {
    this.seen.registry.saw(point(device), device, 'stored', MESSAGE, this.clock.nowMs());
  }

  /** A valid reading that a peer got so long ago, and passes on now. */
  late(agoMs: number, device = 'd'): void {
    this.seen.nowMs = this.clock.nowMs();
    const arrivedMs = this.seen.nowMs - agoMs;
    this.seen.registry.saw(point(device), device, 'stored', passedOn(arrivedMs), arrivedMs);
  }

  get silent(): number {
    return this.seen.registry.silent;
  }
}

describe('a device that is expected', () => {
  it('is silent when nothing has come for twice as long, and is heard again', async () => {
    const watch = new Watch().start();
    watch.hear();
    await watch.pass(2 * MINUTE);
    expect(watch.states).toEqual(['d online']);
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toEqual(['d online', 'd silent']);
    expect(watch.silent).toBe(1);
    await watch.pass(10 * MINUTE);
    watch.hear();
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toEqual(['d online', 'd silent', 'd online']);
    expect(watch.events).toEqual(['device.silent d', 'device.heard d']);
    expect(watch.silent).toBe(0);
    watch.end();
  });

  it('is silent although it sends, where nothing of it is valid', async () => {
    const watch = new Watch().start();
    for (let i = 0; i < 10; i += 1) {
      watch.seen.registry.saw(bad('d'), 'd', 'rejected', MESSAGE, watch.clock.nowMs());
      await watch.pass(MINUTE / 2);
    }
    expect(watch.states).toEqual(['d online', 'd silent']);
    watch.end();
  });

  it('is not heard again by what a peer got of it long ago', async () => {
    const watch = new Watch().start();
    watch.hear();
    await watch.pass(10 * MINUTE);
    for (const agoMs of [11, 9, 8, 5, 3].map((minutes) => minutes * MINUTE)) {
      watch.late(agoMs);
      await watch.pass(LOOK_EVERY_MS);
    }
    watch.late(7 * MINUTE, 'new');
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toEqual(['d online', 'd silent', 'new silent']);
    watch.late(MINUTE);
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toEqual(['d online', 'd silent', 'new silent', 'd online']);
    watch.end();
  });

  it('is expected as devices.yaml says, whatever its schema does, and at once when that changes', async () => {
    const watch = new Watch().start();
    watch.seen.book.settings.set('d', { expectEveryMs: 10 * MINUTE });
    watch.hear();
    await watch.pass(15 * MINUTE);
    expect(watch.states).toEqual(['d online']);
    watch.seen.book.settings.set('d', { expectEveryMs: 5 * MINUTE });
    watch.seen.book.version += 1;
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toEqual(['d online', 'd silent']);
    watch.end();
  });

  it('is looked for again where a look has failed', async () => {
    const watch = new Watch().start();
    watch.isDeaf = true;
    watch.hear();
    await watch.pass(2 * MINUTE);
    expect(watch.states).toEqual([]);
    expect(watch.events).toEqual([expect.stringContaining('hook.failed')]);
    watch.isDeaf = false;
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toEqual(['d silent']);
    watch.end();
  });

  it('that nobody expects is neither', async () => {
    const watch = new Watch();
    watch.expected = null;
    watch.start().hear();
    await watch.pass(60 * MINUTE);
    expect(watch.states).toEqual([]);
    expect(watch.seen.registry.report('d')).toMatchObject({ state: null, expectEveryMs: null });
    watch.end();
  });
});

describe('nobody falls silent', () => {
  it('while the gateway takes nothing', async () => {
    const watch = new Watch().start();
    watch.hear();
    await watch.pass(MINUTE);
    watch.isListening = false;
    await watch.pass(60 * MINUTE);
    watch.isListening = true;
    await watch.pass(MINUTE / 2);
    expect(watch.states).toEqual(['d online']);
    await watch.pass(MINUTE);
    expect(watch.states).toEqual(['d online', 'd silent']);
    watch.end();
  });

  it('for the time in which the gateway was down; and who was silent before still is, without a second alarm', async () => {
    const documents = new Map<string, string>();
    const store = {
      documents: () => documents,
      setDocuments: (changes: ReadonlyMap<string, string | null>) => {
        for (const [name, text] of changes) if (text !== null) documents.set(name, text);
        return Promise.resolve();
      },
    };
    const events = { emit: () => undefined };
    const before = new Watch().start();
    before.hear('silent');
    await before.pass(3 * MINUTE);
    before.hear('online');
    await before.pass(LOOK_EVERY_MS);
    before.end();
    await new DeviceDocuments({ ...before.seen, store, events }).save();

    const after = new Watch();
    new DeviceDocuments({ ...after.seen, store, events }).load();
    after.start();
    await after.pass(MINUTE);
    expect(new Set(after.states)).toEqual(new Set(['online online', 'silent silent']));
    expect(after.events).toEqual([]);
    await after.pass(2 * MINUTE);
    expect(after.events).toEqual(['device.silent online']);
    after.hear('silent');
    await after.pass(LOOK_EVERY_MS);
    expect(after.events).toEqual(['device.silent online', 'device.heard silent']);
    after.end();
  });
});

describe('many devices', () => {
  it('are told a thousand at a look', async () => {
    const watch = new Watch().start();
    for (let i = 0; i < 2_500; i += 1) watch.hear(`d${i}`);
    await watch.pass(LOOK_EVERY_MS);
    expect(watch.states).toHaveLength(1_000);
    await watch.pass(3 * LOOK_EVERY_MS);
    expect(watch.states).toHaveLength(2_500);
    watch.end();
  });
});
