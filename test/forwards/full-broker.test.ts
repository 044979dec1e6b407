/** A broker that is full cuts the connection at large messages and takes small ones, like one that has a limit. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeptNumber } from '../../gateway/forwards/largest-taken.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { type Bench, bench, connectionOf, noted, put, upTo } from './forwarder-bench.ts';

const HOUR_MS = 3_600_000;
const isLarge = (text: string): boolean => text.length > 1_000;
const large = (name: string, bytes = 20_000): string => name.padEnd(bytes, '.');
const reasonOf = ({ forwarder }: Bench): string => forwarder.status().reason ?? '';
/** What connections are made after: a minute. */
const PAUSE_MS = 60_000;

/** How long it takes until a connection lasts, ms; with pauses as the link makes them. */
async function untilLasting(
  link: Bench,
  cannotTake: (text: string) => boolean,
  most = 1_000,
): Promise<number> {
  const { clock } = link.deps;
  const startMs = clock.nowMs();
  for (let n = 0; n < most; n += 1) {
    if ((await connectionOf(link, cannotTake)) === 'lasts') return clock.nowMs() - startMs;
    clock.advance(PAUSE_MS);
  }
  return Number.NaN;
}

/** Several hours. */
async function staysFull(link: Bench, connections = 300): Promise<void> {
  for (let i = 0; i < connections; i += 1) {
    expect(await connectionOf(link, isLarge)).toBe('cut');
    link.deps.clock.advance(PAUSE_MS);
  }
}

async function alternating(link: Bench, from: number, to: number): Promise<string[]> {
  const texts: string[] = [];
  for (let i = from; i < to; i += 1) {
    const text = i % 2 === 0 ? `small ${i} ` : large(`${i} `);
    await put(link.store, [text], i % 2 === 0 ? 'd1' : 'd2');
    texts.push(text);
  }
  return texts;
}

describe('a broker that is full for a while', () => {
  it('loses nothing of what is not larger than the largest it has taken, however long that is', async () => {
    const link = bench();
    const before = await alternating(link, 0, 4);
    await connectionOf(link, () => false);
    const behind = await alternating(link, 5, 12);
    await staysFull(link);
    expect(link.outbox.ledger()).toMatchObject({ sent: 4, dropped: 0, pending: 7 });
    expect(reasonOf(link)).toContain('nothing is given up');
    link.broker.sent.length = 0;
    expect(await connectionOf(link, () => false)).toBe('lasts');
    await noted(link.deps);
    expect([before.length, link.broker.texts]).toEqual([4, behind]);
    expect(link.outbox.ledger()).toMatchObject({ sent: 11, dropped: 0, pending: 0 });
  });

  it('is not sent small messages again and again to find that out, and the words say that it may be full', async () => {
    const link = bench();
    await alternating(link, 1, 2);
    await connectionOf(link, () => false);
    await put(link.store, [large('suspect')], 'd2');
    await put(link.store, upTo(5), 'd1');
    link.broker.sent.length = 0;
    await staysFull(link, 60);
    expect(new Set(link.broker.texts)).toEqual(new Set([large('suspect'), ...upTo(5)]));
    // Only those that were under way beside it, before it was sent alone.
    expect(link.broker.texts.filter((text) => text === '0').length).toBeLessThan(4);
    expect(reasonOf(link)).toContain('has taken one as large before: perhaps it has no room; it waits');
  });

  it('loses nothing after a restart either, when what it took before is not known', async () => {
    const storage = new MemoryStorage();
    const before = bench({}, storage);
    await alternating(before, 0, 4);
    await connectionOf(before, () => false);
    await noted(before.deps);
    const link = bench({}, storage);
    await put(link.store, [large('suspect')], 'd2');
    await put(link.store, upTo(5), 'd1');
    await staysFull(link);
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0, pending: 6 });
    expect(reasonOf(link)).toContain('whether it has taken one as large before is not known; it waits');
    expect(await untilLasting(link, () => false)).toBeGreaterThan(0);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0, pending: 0 });
  });

  it('property: is full and has room by turns, and gets everything that is not larger than the first', {
    timeout: 60_000,
  }, async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 12 });
    const rooms = fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(sizes, rooms, async (all, days) => {
        const link = bench({ maxInFlight: 4 });
        await put(link.store, ['first'.padEnd(3_100)], 't0');
        await connectionOf(link, () => false);
        for (const [i, size] of all.entries()) await put(link.store, [`${i} `.padEnd(size)], `t${i % 3}`);
        for (const room of days) {
          for (let i = 0; i < 3; i += 1) await connectionOf(link, (text) => text.length > room);
          link.deps.clock.advance(HOUR_MS);
        }
        await untilLasting(link, () => false);
        await noted(link.deps);
        expect(link.outbox.ledger()).toMatchObject({ sent: all.length + 1, dropped: 0, pending: 0 });
      }),
      { numRuns: 25 },
    );
  });
});

describe('a message that is too large for the broker', () => {
  it('is dropped, named and counted, once smaller ones were taken and it was not for an hour', async () => {
    const link = bench();
    await put(link.store, ['taken'], 'd1');
    await connectionOf(link, isLarge);
    await put(link.store, [large('too large')], 'd2');
    await put(link.store, upTo(5), 'd1');
    const reasons: string[] = [];
    let soonestMs = 0;
    const startMs = link.deps.clock.nowMs();
    while (link.deps.events.count('forward.refused-message') === 0 && soonestMs < 5 * HOUR_MS) {
      reasons.push(reasonOf(link));
      await connectionOf(link, isLarge);
      link.deps.clock.advance(1_000);
      soonestMs = link.deps.clock.nowMs() - startMs;
      if (soonestMs < HOUR_MS) expect(link.outbox.ledger().dropped).toBe(0);
    }
    expect(soonestMs).toBeLessThan(2 * HOUR_MS);
    await untilLasting(link, isLarge);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 6, dropped: 1, pending: 0 });
    const told = link.deps.events.all.find(({ name }) => name === 'forward.refused-message');
    expect(told?.fields).toMatchObject({
      topic: 'd2',
      words: expect.stringContaining('at its 20000 bytes, each time, and takes smaller ones'),
    });
    expect(reasons.join('\n')).toMatch(
      /larger than all that it has taken, and takes smaller ones \(3 times\).*make room, or raise the limit/,
    );
    // Not a burden meanwhile: about one each ten minutes.
    expect(link.broker.texts.filter((text) => text === '0').length).toBeLessThan(20);
  });

  it('makes the next ones, which are not smaller, go sooner', async () => {
    const link = bench();
    await put(link.store, [large('too large')], 'd2');
    await put(link.store, [large('and this', 21_000), large('and that', 22_000)], 'd2');
    await put(link.store, upTo(5), 'd1');
    const tookMs = await untilLasting(link, isLarge);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 5, dropped: 3, pending: 0 });
    expect(tookMs).toBeLessThan(3 * HOUR_MS);
  });

  it('is dropped after a restart too, where it was written down what was taken', async () => {
    let text: string | null = null;
    const largestTaken: KeptNumber = {
      get: () => text,
      async set(given) {
        text = given;
      },
    };
    const storage = new MemoryStorage();
    const before = bench({}, storage, { largestTaken });
    await put(before.store, ['taken'.padEnd(500)], 'd1');
    await connectionOf(before, () => false);
    await noted(before.deps);
    expect(text).toBe('502');
    const link = bench({}, storage, { largestTaken });
    await put(link.store, [large('too large')], 'd2');
    await put(link.store, upTo(5), 'd1');
    expect(await untilLasting(link, isLarge)).toBeGreaterThan(HOUR_MS);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 6, dropped: 1, pending: 0 });
  });

  it('waits after a restart where it was written down that one as large was taken', async () => {
    const largestTaken: KeptNumber = { get: () => '30000', set: async () => undefined };
    const link = bench({}, new MemoryStorage(), { largestTaken });
    await put(link.store, [large('suspect')], 'd2');
    await put(link.store, upTo(5), 'd1');
    await staysFull(link);
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0 });
  });
});
