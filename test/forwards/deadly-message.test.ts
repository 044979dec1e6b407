import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bench, bench, connectionOf, noted, put, quiet, upTo } from './forwarder-bench.ts';

const QUOTA_EXCEEDED = 0x97;

const isDeadly = (text: string): boolean => text.startsWith('deadly');
/** As large as those. */
const wide = (n: number): string[] => upTo(n).map((text) => text.padEnd(20));
const reasonOf = ({ forwarder }: Bench): string => forwarder.status().reason ?? '';

/** Until the first connection that lasts. */
async function connections(link: Bench, cannotTake: (text: string) => boolean): Promise<number> {
  for (let n = 1; n <= 200; n += 1) if ((await connectionOf(link, cannotTake)) === 'lasts') return n;
  return Number.NaN;
}

async function cuts(link: Bench, times: number, cannotTake = isDeadly): Promise<void> {
  for (let i = 0; i < times; i += 1) await connectionOf(link, cannotTake);
}

function toldDrops({ deps }: Bench): readonly unknown[] {
  return deps.events.all.filter(({ name }) => name === 'forward.refused-message').map(({ fields }) => fields);
}

describe('a message at which the broker ends the connection each time', () => {
  it('is dropped, named and counted, once the broker has taken another one thrice and ended at this one', async () => {
    const link = bench();
    await put(link.store, ['deadly'], 'camera');
    await put(link.store, wide(5));
    // Ten times at the message, three trials of two, and one that lasts.
    expect(await connections(link, isDeadly)).toBe(17);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 5, dropped: 1, pending: 0 });
    expect(toldDrops(link)).toEqual([
      { forward: 'up', topic: 'camera', words: expect.stringMatching('at its 6 bytes, each time.*as large') },
    ]);
    expect([...new Set(link.broker.texts)]).toEqual(['deadly', ...wide(5)]);
    expect(link.broker.texts.slice(-5)).toEqual(wide(5));
    expect(link.forwarder.status().reason).not.toContain('deadly');
  });

  it('is sent alone from the third time on, and named from then on, with how often it was', async () => {
    const link = bench();
    await put(link.store, ['deadly'], 'camera');
    await put(link.store, upTo(5));
    await cuts(link, 2);
    expect(reasonOf(link)).toBe('the broker closed the connection');
    for (let times = 3; times <= 10; times += 1) {
      link.broker.sent.length = 0;
      await cuts(link, 1);
      expect(link.broker.texts).toEqual(['deadly']);
      expect(link.forwarder.status().state).toBe('retrying');
      expect(reasonOf(link)).toContain(`at a message of 6 bytes on camera (${times} of 10)`);
    }
    const told = link.deps.events.all.filter(({ name }) => name === 'forward.lost').at(-1);
    expect(told?.fields?.reason).toContain('(10 of 10)');
    // What is the matter stays true while a connection is tried.
    link.broker.open();
    expect(link.forwarder.status()).toMatchObject({
      state: 'retrying',
      reason: expect.stringContaining('camera'),
    });
  });

  it('says what the broker says of it, where that says something (MQTT 5)', async () => {
    const link = bench();
    await put(link.store, ['deadly']);
    for (let i = 0; i < 3; i += 1) {
      link.broker.open();
      link.broker.cut('the broker disconnected: packet too large');
      await quiet();
    }
    expect(reasonOf(link)).toMatch(/3 of 10.*; the broker disconnected: packet too large$/);
  });

  it('is held against a message of another topic, and one that is as large, where there is one', async () => {
    const link = bench();
    await put(link.store, ['deadly'.padEnd(5_000), 'same'.padEnd(5_000), 'more'], 't');
    await put(link.store, ['other'], 'u');
    await put(link.store, ['x'.repeat(6_000)], 'large');
    await cuts(link, 11);
    link.broker.sent.length = 0;
    await cuts(link, 1);
    expect(link.broker.sent.map(({ topic }) => topic)).toEqual(['large', 't']);
    expect(reasonOf(link)).toContain('takes others (1 of 3)');
  });

  it('is held against one of its own topic where there is no other, and is dropped', async () => {
    const link = bench();
    const [first = '', ...others] = wide(3);
    await put(link.store, [first, 'deadly', ...others]);
    expect(await connections(link, isDeadly)).toBe(17);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 3, dropped: 1, pending: 0 });
    expect([...new Set(link.broker.texts.filter((text) => !isDeadly(text)))]).toEqual(wide(3));
  });

  it('is dropped also where many that are deadly lie behind it: others are tried until one comes through', async () => {
    const link = bench({ maxInFlight: 3 });
    await put(
      link.store,
      upTo(6).map((i) => `deadly ${i}`),
    );
    await put(link.store, ['good'.padEnd(20)]);
    expect(await connections(link, isDeadly)).toBeLessThan(200);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 1, dropped: 6, pending: 0 });
  });

  it('waits for company, with words, where nothing else waits, and is dropped when that has come', async () => {
    const link = bench();
    await put(link.store, ['deadly'], 'camera');
    await cuts(link, 40);
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0, pending: 1 });
    expect(reasonOf(link)).toContain('a message of 6 bytes on camera, the only one that waits');
    await put(link.store, ['good'.padEnd(20)]);
    expect(await connections(link, isDeadly)).toBeLessThan(9);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 1, dropped: 1, pending: 0 });
  });

  it('is sent, and nothing is dropped, where the broker has been mended meanwhile', async () => {
    for (const before of [5, 10, 11, 12, 15]) {
      const link = bench();
      await put(link.store, ['deadly', ...upTo(3)]);
      await cuts(link, before);
      expect(await connections(link, () => false)).toBe(1);
      await noted(link.deps);
      expect(link.outbox.ledger()).toMatchObject({ sent: 4, dropped: 0, pending: 0 });
      expect(link.forwarder.status().reason).not.toContain('message of');
    }
  });
});

describe('nothing is given up', () => {
  it('where the broker takes the connection and cuts it at whatever it is sent: all arrives when it is well', async () => {
    const link = bench();
    await put(link.store, upTo(10), 'a');
    await put(link.store, upTo(20, 10), 'b');
    await cuts(link, 100, () => true);
    expect(link.outbox.ledger()).toMatchObject({ sent: 0, dropped: 0, pending: 20 });
    expect(reasonOf(link)).toContain('and at others too');
    expect(await connections(link, () => false)).toBe(1);
    await noted(link.deps);
    expect([...new Set(link.broker.texts.slice(-20))]).toEqual(upTo(20));
    expect(link.outbox.ledger()).toMatchObject({ sent: 20, dropped: 0, pending: 0 });
  });

  it.each([10, 40, 300, 4_000, 9_000])(
    'where another client has the id and throws this one out after %i ms: all arrives when it is gone',
    async (lastsMs) => {
      const link = bench();
      await put(link.store, upTo(10));
      // The broker is slower than the other client.
      for (let i = 0; i < 60; i += 1) {
        const { broker, deps } = link;
        broker.open();
        deps.clock.advance(lastsMs);
        await quiet();
        broker.cut('the broker closed the connection');
        await quiet();
      }
      expect(link.outbox.ledger()).toMatchObject({ sent: 0, dropped: 0, pending: 10 });
      if (lastsMs < 5_000)
        expect(reasonOf(link)).toContain('while nothing is sent: perhaps another client has the id');
      expect(await connections(link, () => false)).toBeLessThan(3);
      await noted(link.deps);
      expect(link.outbox.ledger()).toMatchObject({ sent: 10, dropped: 0, pending: 0 });
    },
  );

  it('and the order is kept, where the broker is well again by the end of a quiet connection', async () => {
    const link = bench();
    await put(link.store, upTo(5));
    let seen = 0;
    for (let before = 10; before < 20; before += 1) {
      await cuts(link, 1, () => true);
      const { broker, deps } = link;
      broker.sent.length = 0;
      broker.open();
      await quiet();
      if (before > 10 && broker.sent.length === 0) {
        seen += 1;
        deps.clock.advance(60_000);
        await quiet();
        expect(broker.texts).toEqual(['0']);
      }
      deps.clock.advance(50);
      broker.cut('the broker closed the connection');
      await quiet();
    }
    expect(seen).toBeGreaterThan(1);
  });

  it('and the broker is asked again at once after a trial that has shown nothing', async () => {
    const link = bench();
    await put(link.store, ['deadly', ...upTo(3)]);
    await cuts(link, 10);
    link.broker.sent.length = 0;
    link.broker.open();
    link.broker.cut('the broker closed the connection');
    expect(link.broker.texts).toEqual([]);
    link.broker.open();
    expect(link.broker.texts).toEqual(['deadly']);
  });

  it('where the other message is refused for a while', async () => {
    const link = bench();
    await put(link.store, ['deadly'], 'camera');
    await put(link.store, ['0']);
    await cuts(link, 11);
    const { broker, deps, forwarder } = link;
    broker.open();
    await quiet();
    expect(broker.unanswered.map(({ payload }) => payload)).toEqual(['0']);
    broker.refuse(QUOTA_EXCEEDED, 'quota exceeded');
    await quiet();
    expect(forwarder.status()).toMatchObject({ state: 'retrying', reason: 'quota exceeded (topic t)' });
    deps.clock.advance(10_000);
    await quiet();
    expect(broker.unanswered.map(({ payload }) => payload)).toEqual(['deadly']);
    broker.cut('the broker closed the connection');
    await quiet();
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0, pending: 2 });
  });

  it('by a message that is not authorised there: another one is tried', async () => {
    const link = bench();
    await put(link.store, ['deadly'], 'camera');
    await put(link.store, ['denied'.padEnd(20)], 'a');
    await put(link.store, ['good'.padEnd(20)], 'b');
    await cuts(link, 11);
    const { broker, deps } = link;
    broker.open();
    await quiet();
    expect(broker.texts.at(-1)).toContain('denied');
    broker.refuse(0x87, 'not authorised');
    broker.cut('the broker closed the connection');
    deps.clock.advance(60_000);
    await quiet();
    await cuts(link, 3);
    broker.sent.length = 0;
    await cuts(link, 11);
    expect(new Set(broker.texts)).toEqual(new Set(['deadly', 'good'.padEnd(20)]));
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0, pending: 3 });
  });

  it('where the other message is never answered: the connection is made again', async () => {
    const link = bench();
    await put(link.store, ['deadly'], 'camera');
    await put(link.store, ['0']);
    await cuts(link, 11);
    const { broker, deps } = link;
    broker.open();
    await quiet();
    deps.clock.advance(30_000);
    await quiet();
    expect(broker.dropped).toBe(1);
    expect(reasonOf(link)).toContain('and at others too');
    expect(link.outbox.ledger()).toMatchObject({ dropped: 0, pending: 2 });
  });

  it('property: where the broker cuts at random, or is an id that is fought for, then is well again', async () => {
    const kind = fc.constantFrom<'cutter' | 'rival' | 'well'>('cutter', 'cutter', 'rival', 'well');
    await fc.assert(
      fc.asyncProperty(fc.array(kind, { minLength: 5, maxLength: 60 }), async (days) => {
        const link = bench({ maxInFlight: 4 });
        await put(link.store, upTo(3), 'a');
        await put(link.store, upTo(6, 3), 'b');
        for (const day of days) {
          if (day === 'rival') await connectionOf(link, () => false, 40);
          else await connectionOf(link, () => day === 'cutter');
        }
        await connections(link, () => false);
        await noted(link.deps);
        expect(link.outbox.ledger()).toMatchObject({ sent: 6, dropped: 0, pending: 0 });
        expect([...new Set(link.broker.texts)].sort()).toEqual(upTo(6));
      }),
      { numRuns: 40 },
    );
  });
});
