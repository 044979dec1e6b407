import { describe, expect, it } from 'vitest';
import type { OutboxOptions } from '../../gateway/store/outboxes-table.ts';
import type { Hash, Outbox, OutboxLedger, Store } from '../../gateway/store-contract.ts';
import {
  addPoints,
  commitPoints,
  pendingLines,
  quiet,
  type StoreHarness,
  storeOfEachTest,
} from './store-harness.ts';

const BLOCK: OutboxOptions = { maxBacklogBytes: 2 ** 30, whenFull: 'block' };
const ALL = { maxMessages: 1e6, maxBytes: 1e9 };

/** What every implementation of `Store` promises of outboxes and of the last payloads. */
export function storeOutboxSuite(name: string, harness: StoreHarness): void {
  describe(`${name}: outboxes`, () => {
    const current = storeOfEachTest(harness);
    const { open, again } = current;

    let number = 0;
    async function put(store: Store, outbox: string, n: number, bytes = 0): Promise<string[]> {
      const group = store.group();
      const texts: string[] = [];
      for (let i = 0; i < n; i += 1) {
        number += 1;
        const text = `${number} ü${'x'.repeat(bytes)}`;
        group.forward(outbox, `t/${number % 3}`, Buffer.from(text));
        texts.push(text);
      }
      await group.committed;
      return texts;
    }
    const waiting = (outbox: Outbox): string[] =>
      (outbox.read(null, ALL)?.messages ?? []).map(({ payload }) => payload.toString());
    const closes = ({ taken, sent, dropped, pending }: OutboxLedger): boolean =>
      taken === sent + dropped + pending;

    it('holds what was committed, in order and byte for byte, with its topics', async () => {
      const store = await open();
      const outbox = store.openOutbox('up', BLOCK);
      expect(outbox.read(null, ALL)).toBeNull();
      const group = store.group();
      group.forward('up', 'ä/b', Buffer.from([0, 255, 10]));
      group.forward('up', 'c', Buffer.alloc(0));
      expect(outbox.read(null, ALL)).toBeNull();
      await group.committed;
      expect(outbox.read(null, ALL)?.messages).toEqual([
        { topic: 'ä/b', payload: Buffer.from([0, 255, 10]) },
        { topic: 'c', payload: Buffer.alloc(0) },
      ]);
      const more: string[] = [];
      for (const n of [1, 300, 2]) more.push(...(await put(store, 'up', n)));
      expect(waiting(outbox).slice(2)).toEqual(more);
    });

    it('is read in slices of any size, each going on where the last one ended', async () => {
      const store = await open();
      const outbox = store.openOutbox('up', BLOCK);
      const all: string[] = [];
      for (const n of [5, 1, 7, 3]) all.push(...(await put(store, 'up', n)));
      for (const limits of [
        { maxMessages: 1, maxBytes: 1e9 },
        { maxMessages: 4, maxBytes: 1e9 },
        { maxMessages: 1e6, maxBytes: 1 },
        { maxMessages: 1e6, maxBytes: 11 },
      ]) {
        const read: string[] = [];
        let slice = outbox.read(null, limits);
        while (slice !== null) {
          expect(slice.through).toHaveLength(slice.messages.length);
          read.push(...slice.messages.map(({ payload }) => payload.toString()));
          slice = outbox.read(slice.through.at(-1) ?? null, limits);
        }
        expect(read).toEqual(all);
      }
    });

    it.each(['reopen', 'crash'] as const)('goes on in the middle of a group after %s', async (how) => {
      let store = await open();
      let outbox = store.openOutbox('up', BLOCK);
      const all = [...(await put(store, 'up', 3)), ...(await put(store, 'up', 5))];
      const slice = outbox.read(null, ALL);
      const place = slice?.through[4];
      if (place === undefined) throw new Error('there is no fifth message');
      const before = outbox.ledger().pendingBytes;
      await outbox.sent(place, 1);
      // The group in which it is takes up as much as before.
      expect(outbox.ledger().pendingBytes).toBeGreaterThan(before / 2);
      for (let i = 0; i < 2; i += 1) {
        expect(outbox.ledger()).toMatchObject({ taken: 8, sent: 4, dropped: 1, pending: 3 });
        expect(waiting(outbox)).toEqual(all.slice(5));
        store = await again(how);
        expect(store.outboxes()).toMatchObject([{ name: 'up', configured: false, pending: 3 }]);
        outbox = store.openOutbox('up', BLOCK);
      }
      all.push(...(await put(store, 'up', 2)));
      expect(waiting(outbox)).toEqual(all.slice(5));
      await outbox.sent(outbox.read(null, ALL)?.through.at(-1) ?? place);
      expect(outbox.ledger()).toMatchObject({ taken: 10, sent: 9, dropped: 1, pending: 0, pendingBytes: 0 });
      outbox = (await again(how)).openOutbox('up', BLOCK);
      expect(outbox.ledger()).toMatchObject({ taken: 10, sent: 9, oldestPendingMs: null });
    });

    it('passes a place by that lies before its cursor, and refuses one that does not exist', async () => {
      const store = await open();
      const outbox = store.openOutbox('up', BLOCK);
      await put(store, 'up', 4);
      const through = outbox.read(null, ALL)?.through ?? [];
      await outbox.sent(through[2] ?? { seq: 0, count: 0 });
      await outbox.sent(through[0] ?? { seq: 0, count: 0 }, 1);
      expect(outbox.ledger()).toMatchObject({ sent: 3, dropped: 0, pending: 1 });
      await expect(outbox.sent({ seq: 1, count: 5 })).rejects.toMatchObject({ code: 'usage' });
      await expect(outbox.sent({ seq: 9, count: 1 })).rejects.toMatchObject({ code: 'usage' });
      expect(outbox.ledger()).toMatchObject({ sent: 3, pending: 1 });
    });

    it('neither keeps readings back from sinks nor holds up the trimming of the log', async () => {
      const store = await open({ foldGroups: 2 });
      store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
      const outbox = store.openOutbox('up', BLOCK);
      const lines: string[] = [];
      const sent: string[] = [];
      for (let i = 0; i < 20; i += 1) {
        sent.push(...(await put(store, 'up', 1)));
        lines.push(...(await commitPoints(store, 1)));
      }
      expect(pendingLines(store, 'a')).toEqual(lines);
      await store.settle('a', { throughSeq: store.status().lastSeq, written: 20, rejected: [] });
      await quiet(store);
      for (const how of ['crash', 'reopen'] as const) {
        expect(waiting(how === 'crash' ? outbox : store.openOutbox('up', BLOCK))).toEqual(sent);
        expect(waiting((await again(how)).openOutbox('up', BLOCK))).toEqual(sent);
      }
    });

    it('tells whoever listens that there is something, once it is on disk', async () => {
      const store = await open();
      const outbox = store.openOutbox('up', BLOCK);
      store.openOutbox('other', BLOCK);
      const seen: number[] = [];
      outbox.onMessages(() => seen.push(waiting(outbox).length));
      await put(store, 'other', 1);
      await commitPoints(store, 1);
      await put(store, 'up', 2);
      expect(seen).toEqual([2]);
    });

    it('leaves out what is for an outbox that nobody has', async () => {
      const store = await open();
      await put(store, 'nobody', 3);
      expect(store.outboxes()).toEqual([]);
      expect(waiting(store.openOutbox('nobody', BLOCK))).toEqual([]);
    });

    it('refuses readings at the limit of one that blocks, names it, and takes them again', async () => {
      const store = await open();
      const outbox = store.openOutbox('up', { maxBacklogBytes: 20_000, whenFull: 'block' });
      await put(store, 'up', 10, 1500);
      expect(store.status().state).toBe('open');
      await put(store, 'up', 10, 1500);
      expect(store.status()).toMatchObject({
        state: 'full',
        reason: expect.stringMatching(/forward up .*raise maxBacklog.*drop-oldest/),
      });
      expect(() => store.group()).toThrow('forward up');
      await outbox.sent(outbox.read(null, ALL)?.through.at(-1) ?? { seq: 0, count: 0 });
      await quiet(store);
      expect(store.status()).toMatchObject({ state: 'open', liveBytes: expect.any(Number) });
      await commitPoints(store, 1);
    });

    it('tells that one is full which refuses, and takes everything all the same', {
      timeout: 30_000,
    }, async () => {
      let store = await open();
      const refuse: OutboxOptions = { maxBacklogBytes: 20_000, whenFull: 'refuse' };
      store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
      let outbox = store.openOutbox('up', refuse);
      store.openOutbox('other', refuse);
      expect([store.outboxIsFull('up'), store.outboxIsFull('nobody')]).toEqual([false, false]);
      const all = await put(store, 'up', 10, 1500);
      expect(store.outboxIsFull('up')).toBe(false);
      all.push(...(await put(store, 'up', 10, 1500)));
      expect([store.outboxIsFull('up'), store.outboxIsFull('other')]).toEqual([true, false]);
      expect(store.status()).toMatchObject({ state: 'open', reason: null });
      const lines = await commitPoints(store, 3);
      await put(store, 'other', 1);
      // Nor is anything lost of what is put into it nevertheless.
      all.push(...(await put(store, 'up', 1)));
      await quiet(store);
      expect(pendingLines(store, 'a')).toEqual(lines);
      expect(waiting(outbox)).toEqual(all);
      expect(outbox.ledger()).toMatchObject({ taken: 21, dropped: 0, pending: 21 });

      store = await again('crash');
      expect(store.outboxIsFull('up'), 'in no configuration').toBe(false);
      outbox = store.openOutbox('up', refuse);
      expect(store.outboxIsFull('up'), 'known again from the disk').toBe(true);
      const through = outbox.read(null, ALL)?.through ?? [];
      await outbox.sent(through[4] ?? { seq: 0, count: 0 });
      expect(store.outboxIsFull('up'), 'the group in which it is takes up as much as before').toBe(true);
      await outbox.sent(through[9] ?? { seq: 0, count: 0 });
      expect(store.outboxIsFull('up'), 'there is room').toBe(false);
      expect(waiting(outbox)).toEqual(all.slice(10));
      all.push(...(await put(store, 'up', 10, 1500)));
      expect(store.outboxIsFull('up')).toBe(true);
      await outbox.sent(outbox.read(null, ALL)?.through.at(-1) ?? { seq: 0, count: 0 });
      expect(store.outboxIsFull('up')).toBe(false);
      expect(outbox.ledger()).toMatchObject({ taken: 31, sent: 31, dropped: 0, pendingBytes: 0 });
    });

    it('never tells that one is full which blocks, or drops', async () => {
      const store = await open();
      for (const whenFull of ['drop-oldest', 'block'] as const) {
        store.openOutbox(whenFull, { maxBacklogBytes: 1_000, whenFull });
        await put(store, whenFull, 3, 1500);
        expect(store.outboxIsFull(whenFull)).toBe(false);
      }
      expect(store.status()).toMatchObject({
        state: 'full',
        reason: expect.stringContaining('forward block'),
      });
    });

    it('tells that one is full at its part of the store, however much it was promised', async () => {
      const store = await open({ maxBytes: 200_000, rejected: { maxBytes: 0, maxAgeMs: 1e9 } });
      for (const name of ['up', 'down'])
        store.openOutbox(name, { maxBacklogBytes: 2 ** 30, whenFull: 'refuse' });
      for (let i = 0; !store.outboxIsFull('up') && i < 100; i += 1) await put(store, 'up', 1, 1900);
      const up = store.outboxes().find(({ name: each }) => each === 'up');
      expect(up?.pendingBytes).toBeGreaterThan(45_000);
      expect(up?.pendingBytes).toBeLessThan(55_000);
      expect([store.outboxIsFull('up'), store.outboxIsFull('down')]).toEqual([true, false]);
      expect(store.status().state).toBe('open');
    });

    it('drops the oldest of one that is told so, counts them, and leaves the newest', {
      timeout: 30_000,
    }, async () => {
      const store = await open();
      store.openOutbox('calm', BLOCK);
      const calm = await put(store, 'calm', 5, 100);
      const outbox = store.openOutbox('up', { maxBacklogBytes: 40_000, whenFull: 'drop-oldest' });
      const all: string[] = [];
      for (let i = 0; i < 100; i += 1) all.push(...(await put(store, 'up', 9, 100)));
      await quiet(store);
      const ledger = outbox.ledger();
      expect(ledger).toMatchObject({ taken: 900, sent: 0 });
      expect(ledger.dropped).toBeGreaterThan(500);
      expect(closes(ledger)).toBe(true);
      expect(ledger.pendingBytes).toBeLessThanOrEqual(40_000);
      expect(waiting(outbox)).toEqual(all.slice(ledger.dropped));
      expect(current.deps.events.count('forward.dropped')).toBeGreaterThan(0);
      const after = (await again('crash')).openOutbox('up', BLOCK);
      expect(after.ledger()).toMatchObject({ taken: 900, dropped: ledger.dropped });
      expect(waiting(after)).toEqual(all.slice(ledger.dropped));
      expect(waiting(current.store.openOutbox('calm', BLOCK))).toEqual(calm);
    });

    it('counts as part of the store: with the log it never takes more than the store may', async () => {
      const store = await open({ maxBytes: 200_000, rejected: { maxBytes: 0, maxAgeMs: 1e9 } });
      store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
      const outbox = store.openOutbox('up', { maxBacklogBytes: 60_000, whenFull: 'drop-oldest' });
      for (let i = 0; i < 40; i += 1) await put(store, 'up', 1, 1900);
      await quiet(store);
      expect(outbox.ledger().pendingBytes).toBeLessThanOrEqual(60_000);
      let taken = 0;
      while (store.status().state === 'open') {
        await commitPoints(store, 50);
        taken += 1;
      }
      expect(store.status().reason).toMatch(/the outboxes of forwards and peers \d+, of the 200000 /);
      expect(taken).toBeGreaterThan(20);
      expect(store.status().liveBytes).toBeLessThan(210_000);
      await outbox.sent(outbox.read(null, ALL)?.through.at(-1) ?? { seq: 0, count: 0 });
      await quiet(store);
      expect(store.status().state).toBe('open');
    });

    it('never takes more than half of the store, however much it was promised', async () => {
      const store = await open({ maxBytes: 200_000, rejected: { maxBytes: 0, maxAgeMs: 1e9 } });
      for (const name of ['up', 'down']) store.openOutbox(name, BLOCK);
      while (store.status().state === 'open') await put(store, 'up', 1, 1900);
      expect(store.outboxes()[0]?.pendingBytes).toBeLessThan(55_000);
    });

    it('drops the log for its own limit, not for an outbox that fills its part', async () => {
      const store = await open({
        maxBytes: 100_000,
        whenFull: 'drop-oldest',
        foldGroups: 3,
        rejected: { maxBytes: 0, maxAgeMs: 1e9 },
      });
      store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
      store.openOutbox('up', { maxBacklogBytes: 2 ** 30, whenFull: 'drop-oldest' });
      for (let i = 0; i < 100; i += 1) {
        await put(store, 'up', 2, 1000);
        await commitPoints(store, 20);
      }
      await quiet(store);
      expect(store.status().liveBytes).toBeLessThanOrEqual(100_000);
      expect(store.sinks()[0]?.pending).toBeGreaterThan(200);
      expect(store.outboxes()[0]?.pending).toBeGreaterThan(20);
    });

    it('is kept when its forward is gone, until it is forgotten; then nothing of it is left', {
      timeout: 30_000,
    }, async () => {
      let store = await open();
      store.openOutbox('up', BLOCK);
      store.openOutbox('other', BLOCK);
      for (let i = 0; i < 230; i += 1) await put(store, 'up', 1);
      const other = await put(store, 'other', 2);
      await expect(store.forgetOutbox('up')).rejects.toMatchObject({ code: 'sink-configured' });
      store = await again('reopen');
      await expect(store.forgetOutbox('nobody')).rejects.toMatchObject({ code: 'sink-unknown' });
      expect(store.outboxes()).toMatchObject([{ name: 'other' }, { name: 'up', pending: 230 }]);
      // Also one that is not configured goes on taking what is put into it.
      await put(store, 'up', 1);
      expect(store.outboxes()).toMatchObject([{ name: 'other' }, { name: 'up', pending: 231 }]);
      const last = store.outboxes()[1];
      expect(await store.forgetOutbox('up')).toEqual(last);
      store = await again('crash');
      expect(store.outboxes()).toMatchObject([{ name: 'other', pending: 2 }]);
      const anew = store.openOutbox('up', BLOCK);
      expect(waiting(anew)).toEqual([]);
      const news = await put(store, 'up', 2);
      await quiet(store);
      expect(waiting(anew)).toEqual(news);
      expect(waiting(store.openOutbox('other', BLOCK))).toEqual(other);
    });

    it('says loudly that one is kept which is in no configuration', async () => {
      let store = await open();
      store.openOutbox('up', BLOCK);
      await put(store, 'up', 3);
      store = await again('reopen', { upkeepEveryMs: 1000 });
      current.deps.clock.advance(11_000);
      await quiet(store);
      expect(current.deps.events.all).toContainEqual({
        name: 'store.forward-unclaimed',
        fields: { forward: 'up', messages: 3 },
      });
    });

    it('says nothing of one that is in no configuration and empty, until something is put into it', async () => {
      let store = await open();
      const outbox = store.openOutbox('up', BLOCK);
      await put(store, 'up', 3);
      await outbox.sent(outbox.read(null, ALL)?.through.at(-1) ?? { seq: 0, count: 0 });
      store = await again('reopen', { upkeepEveryMs: 1000 });
      for (let i = 0; i < 3; i += 1) {
        current.deps.clock.advance(3_600_000);
        await quiet(store);
      }
      expect(current.deps.events.count('store.forward-unclaimed')).toBe(0);
      expect(store.outboxes()).toMatchObject([{ name: 'up', taken: 3, sent: 3, pending: 0 }]);
      await put(store, 'up', 1);
      current.deps.clock.advance(11_000);
      await quiet(store);
      expect(current.deps.events.count('store.forward-unclaimed')).toBe(1);
    });

    it('gives a message that was not committed to nobody', async () => {
      const store = await open();
      const outbox = store.openOutbox('up', BLOCK);
      await put(store, 'up', 1);
      const group = store.group();
      group.forward('up', 't', Buffer.from('lost'));
      group.rememberLast({ high: 1, low: 1 }, { high: 2, low: 2 });
      await again('crash');
      const after = current.store.openOutbox('up', BLOCK);
      expect(after.ledger().taken).toBe(1);
      expect([...current.store.lastPayloads]).toEqual([]);
      await group.committed;
      expect(outbox.ledger().taken).toBe(2);
    });
  });

  describe(`${name}: the last payloads`, () => {
    const { open, again } = storeOfEachTest(harness);
    const hash = (n: number): Hash => ({ high: (n * 2_654_435_761) >>> 0, low: n });
    const all = (store: Store): Map<number, number> =>
      new Map([...store.lastPayloads].map(([topic, payload]) => [topic.low, payload.low]));

    it.each(['reopen', 'crash'] as const)(
      'are each topic’s newest, also after %s',
      { timeout: 30_000 },
      async (how) => {
        let store = await open();
        const model = new Map<number, number>();
        for (let round = 0; round < 60; round += 1) {
          const group = store.group();
          for (let i = 0; i < 200; i += 1) {
            const topic = round % 7 === 0 ? (round * 131 + i) % 2_000 : i;
            group.rememberLast(hash(topic), hash(round * 1_000 + i));
            model.set(topic, round * 1_000 + i);
          }
          addPoints(group, round % 2);
          await group.committed;
          if (round % 25 === 24) store = await again(how);
        }
        expect(all(store)).toEqual(model);
        expect(all(await again(how))).toEqual(model);
      },
    );
  });
}
