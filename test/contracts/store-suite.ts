import { describe, expect, it } from 'vitest';
import type { Store, TransferKey } from '../../gateway/store-contract.ts';
import {
  addPoints,
  commitPoints,
  linesOf,
  pendingLines,
  quiet,
  rejectionOf,
  type StoreHarness,
  storeOfEachTest,
} from './store-harness.ts';

const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;
const KIB = 1024;

/** What every implementation of `Store` promises. */
export function storeSuite(name: string, harness: StoreHarness): void {
  describe(name, () => {
    const current = storeOfEachTest(harness);
    const { open, again } = current;

    describe('groups', () => {
      it('makes every committed line readable, in order and byte for byte', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        const lines: string[] = [];
        for (const n of [1, 3, 500, 2]) lines.push(...(await commitPoints(store, n)));
        expect(pendingLines(store, 'a')).toEqual(lines);
      });

      it('shares one promise, and one seq, among everything that joins before the commit', async () => {
        const store = await open();
        const seqs: number[] = [];
        store.onCommit((seq) => seqs.push(seq));
        const groups = [1, 2, 3].map(() => store.group());
        for (const group of groups) addPoints(group, 1);
        expect(new Set(groups.map(({ committed }) => committed)).size).toBe(1);
        await groups[0]?.committed;
        expect(seqs).toEqual([1]);
        await commitPoints(store, 1);
        expect(seqs).toEqual([1, 2]);
      });

      it('never spreads what is added at once over two groups, and closes a group that is full', async () => {
        const store = await open({ maxGroupPoints: 10 });
        store.openSink('a', BLOCK);
        const one = store.group();
        addPoints(one, 25);
        const two = store.group();
        expect(two).not.toBe(one);
        addPoints(two, 1);
        await Promise.all([one.committed, two.committed]);
        const slice = store.reader().read(0, 2, { maxPoints: 1, maxBytes: 1 });
        expect(slice).toMatchObject({ firstSeq: 1, lastSeq: 1, points: 25 });
      });

      it('resolves a group to which nothing was added', async () => {
        const store = await open();
        await store.group().committed;
        expect(store.status().lastSeq).toBe(0);
      });

      it('waits for company as long as it is told to', async () => {
        const store = await open({ commitDelayMs: 500 });
        const group = store.group();
        let isCommitted = false;
        const { committed } = addPoints(group, 1);
        const seen = committed.then(() => {
          isCommitted = true;
        });
        await quiet(store);
        expect(isCommitted).toBe(false);
        expect(store.group()).toBe(group);
        current.deps.clock.advance(500);
        await seen;
        expect(isCommitted).toBe(true);
      });

      it('keeps the arrival clock from going back', async () => {
        const store = await open();
        store.group().arrivedAt(5000);
        await commitPoints(store, 1);
        store.group().arrivedAt(4000);
        await commitPoints(store, 1);
        expect((await again('crash')).highWaterMs).toBe(5000);
        expect((await again('reopen')).highWaterMs).toBe(5000);
      });

      it('does not announce groups that hold nothing for a sink, and passes over them when reading', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        const seqs: number[] = [];
        store.onCommit((seq) => seqs.push(seq));
        const group = store.group();
        group.count('mqtt', 'd1', 'forwarded', 3);
        await group.committed;
        expect(seqs).toEqual([]);
        const reader = store.reader();
        expect(reader.read(0, 1, { maxPoints: 10, maxBytes: 1000 })).toBeNull();
        await commitPoints(store, 2);
        expect(reader.read(0, 2, { maxPoints: 10, maxBytes: 1000 })).toMatchObject({
          firstSeq: 2,
          lastSeq: 2,
        });
        expect(store.sinks()[0]).toMatchObject({ stored: 2, pending: 2 });
      });

      it('reads whole groups within the limits, at least one', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        for (const n of [4, 4, 4, 10]) await commitPoints(store, n);
        const reader = store.reader();
        const read = (after: number, maxPoints: number, maxBytes: number): number | undefined =>
          reader.read(after, 4, { maxPoints, maxBytes })?.lastSeq;
        expect(read(0, 8, 1e6)).toBe(2);
        expect(read(0, 11, 1e6)).toBe(2);
        expect(read(0, 1, 1)).toBe(1);
        expect(read(3, 5, 1e6)).toBe(4);
        expect(read(0, 100, 1e6)).toBe(4);
        expect(reader.read(4, 4, { maxPoints: 1, maxBytes: 1 })).toBeNull();
        expect(reader.read(0, 2, { maxPoints: 100, maxBytes: 1e6 })?.lastSeq).toBe(2);
      });
    });

    describe('the account', () => {
      it.each(['reopen', 'crash'] as const)('is the same after %s', async (how) => {
        const store = await open({ foldGroups: 3 });
        for (let i = 0; i < 8; i += 1) {
          const group = store.group();
          addPoints(group, 2, `device ${i % 3}`, 'mqtt');
          group.count('serial', `device ${i}`, 'duplicate', 2);
          group.count('mqtt', '__proto__', 'forwarded', 1);
          group.count('__proto__', 'constructor', 'refused', 1);
          group.reject(rejectionOf({ code: 'no-route' }));
          group.count('mqtt', 'd1', 'rejected', 1);
          await group.committed;
        }
        const before = store.account();
        expect(before.total).toEqual({
          received: 16,
          stored: 16,
          duplicate: 16,
          rejected: 8,
          forwarded: 8,
          refused: 8,
        });
        expect(before.devices.get('__proto__')?.forwarded).toBe(8);
        expect(new Map(Object.entries(before.sources)).get('__proto__')?.refused).toBe(8);
        expect(before.codes['no-route']).toBe(8);
        expect((await again(how)).account()).toEqual(before);
        expect((await again(how)).account()).toEqual(before);
      });

      it('counts devices beyond its bound under (other), each reading still once', async () => {
        const store = await open({ maxDevices: 5 });
        for (let i = 0; i < 12; i += 1) await commitPoints(store, 1, `d${i}`);
        const check = (account: ReturnType<Store['account']>): void => {
          expect(account.total.stored).toBe(12);
          expect(account.devices.size).toBe(6);
          expect(account.devices.get('(other)')?.stored).toBe(7);
        };
        check(store.account());
        check((await again('crash')).account());
      });

      it('takes up with the next group what was counted while nothing was taken', async () => {
        const store = await open();
        store.countLater('mqtt', 'd1', 'refused', 4);
        store.countLater('mqtt', 'd1', 'forwarded', 2);
        expect(store.account().total.refused).toBe(0);
        await commitPoints(store, 1);
        expect(store.account().total).toMatchObject({
          received: 7,
          stored: 1,
          refused: 4,
          forwarded: 2,
        });
        store.countLater('mqtt', 'd1', 'refused', 1);
        expect((await again('reopen')).account().total).toMatchObject({ received: 8, refused: 5 });
      });

      it('keeps what was received apart from what became of it: a difference shows', async () => {
        const store = await open({ foldGroups: 2 });
        for (let i = 0; i < 3; i += 1) {
          const group = store.group();
          group.receive('mqtt', 'd1', 5);
          group.count('mqtt', 'd1', 'stored', 4);
          await group.committed;
        }
        for (const each of [store, await again('crash')]) {
          const { total, devices, sources } = each.account();
          for (const tally of [total, devices.get('d1'), sources.mqtt]) {
            expect(tally).toMatchObject({ received: 15, stored: 12 });
          }
        }
      });
    });

    describe('transfers', () => {
      const key = (client: string, packetId: number, state: 0 | 1 | 2 = 1): TransferKey => ({
        client,
        packetId,
        hashHigh: 0xffff_fff0 + (packetId % 10),
        hashLow: packetId * 7,
        readings: packetId % 5,
        state,
      });

      it.each(['reopen', 'crash'] as const)('are remembered after %s, oldest first', async (how) => {
        const store = await open({ foldGroups: 4 });
        const keys = Array.from({ length: 30 }, (_, i) => key('client ü/1', i + 1));
        for (const each of keys) {
          const group = store.group();
          group.remember(each);
          await group.committed;
        }
        expect([...(await again(how)).transfers]).toEqual(keys);
        expect([...(await again(how)).transfers]).toEqual(keys);
      });

      it('keeps the newest of each client, and is not pushed out by another', async () => {
        const store = await open({ maxTransfersPerClient: 16, foldGroups: 5 });
        const quietOne = store.group();
        quietOne.remember(key('quiet', 1));
        await quietOne.committed;
        for (let i = 1; i <= 40; i += 1) {
          const group = store.group();
          group.remember(key('busy', i));
          await group.committed;
        }
        const kept = [...(await again('crash')).transfers];
        expect(kept.filter(({ client }) => client === 'quiet')).toHaveLength(1);
        expect(kept.filter(({ client }) => client === 'busy').map(({ packetId }) => packetId)).toEqual(
          Array.from({ length: 16 }, (_, i) => 25 + i),
        );
      });

      it('are bounded over all clients, with an equal share for each', async () => {
        const store = await open({ maxTransfers: 512, maxClients: 20, foldGroups: 10 });
        const clients = Array.from({ length: 20 }, (_, i) => `c${i}`);
        for (let i = 0; i < 100; i += 1) {
          const group = store.group();
          for (const client of clients) group.remember(key(client, i));
          await group.committed;
        }
        const kept = [...(await again('crash')).transfers];
        expect(kept.length).toBeLessThanOrEqual(512);
        for (const client of clients) {
          expect(kept.filter((each) => each.client === client).length).toBeGreaterThanOrEqual(16);
        }
      });

      it('forgets whoever sent nothing for longest when there are too many clients', async () => {
        const store = await open({ maxClients: 8 });
        for (let i = 0; i < 9; i += 1) {
          const group = store.group();
          group.remember(key(`c${i}`, 1));
          await group.committed;
        }
        const clients = new Set([...(await again('reopen')).transfers].map(({ client }) => client));
        expect(clients.has('c0')).toBe(false);
        expect(clients.has('c8')).toBe(true);
      });

      it('are over with their PUBREL', async () => {
        const store = await open();
        const group = store.group();
        group.remember(key('c', 1, 2));
        group.remember(key('c', 2, 2));
        await group.committed;
        const later = store.group();
        later.remember({ ...key('c', 1, 0), hashHigh: 0, hashLow: 0, readings: 0 });
        await later.committed;
        expect([...(await again('crash')).transfers]).toEqual([key('c', 2, 2)]);
      });

      it('are all over where the session is lost, those of this client alone, and what comes then is remembered', async () => {
        const store = await open();
        const group = store.group();
        for (const state of [1, 2] as const) group.remember(key('c', state, state));
        group.remember(key('d', 1));
        await group.committed;
        const later = store.group();
        later.remember({ client: 'c', packetId: 0, hashHigh: 0, hashLow: 0, readings: 0, state: 0 });
        later.remember(key('c', 3));
        await later.committed;
        const kept = [...(await again('crash')).transfers].sort((a, b) => a.packetId - b.packetId);
        expect(kept).toEqual([key('d', 1), key('c', 3)]);
      });

      it('are all over with it that were left open under one id', async () => {
        const store = await open();
        const group = store.group();
        for (const hashLow of [1, 2]) group.remember({ ...key('c', 1, 2), hashLow });
        group.remember({ ...key('c', 1, 0), hashHigh: 0, hashLow: 0, readings: 0 });
        await group.committed;
        expect([...(await again('crash')).transfers]).toEqual([]);
      });
    });

    describe('sinks', () => {
      it('close their account after settling, refusing and reopening', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        await commitPoints(store, 5);
        const [line = ''] = await commitPoints(store, 3);
        await commitPoints(store, 2);
        await store.settle('a', {
          throughSeq: 2,
          written: 7,
          rejected: [{ line: Buffer.from(line), words: 'field type conflict', device: 'd1' }],
        });
        const expected = {
          name: 'a',
          cursor: 2,
          stored: 10,
          written: 7,
          rejected: 1,
          dropped: 0,
          pending: 2,
          oldestPendingMs: current.deps.clock.nowMs(),
          configured: true,
        };
        expect(store.sinks()[0]).toMatchObject(expected);
        expect(store.account().codes['sink-rejected']).toBe(1);
        const [refused] = store.rejections({ code: 'sink-rejected' });
        expect(refused).toMatchObject({
          sink: 'a',
          device: 'd1',
          violations: [{ pointer: '', message: 'field type conflict' }],
        });
        expect(refused?.payload.toString()).toBe(line);
        const later = await again('crash');
        expect(later.sinks()[0]).toMatchObject({ ...expected, configured: false });
        expect(later.account().codes['sink-rejected']).toBe(1);
        expect(later.openSink('a', BLOCK)).toMatchObject(expected);
      });

      it('begin at the oldest record held', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        await commitPoints(store, 5);
        expect(store.openSink('b', BLOCK)).toMatchObject({ cursor: 0, stored: 5, pending: 5 });
      });

      it('pin the log as long as one of them lacks it, and let go of what all have', async () => {
        const store = await open({ foldGroups: 1 });
        store.openSink('a', BLOCK);
        store.openSink('b', BLOCK);
        const all: string[] = [];
        for (let i = 0; i < 100; i += 1) all.push(...(await commitPoints(store, 1)));
        await store.settle('a', { throughSeq: 100, written: 100, rejected: [] });
        await quiet(store);
        expect(pendingLines(store, 'b')).toEqual(all);
        await store.settle('b', { throughSeq: 90, written: 90, rejected: [] });
        await quiet(store);
        expect(store.reader().read(0, 100, { maxPoints: 1, maxBytes: 1 })?.firstSeq).toBe(91);
        expect(pendingLines(store, 'b')).toEqual(all.slice(90));
        expect(store.openSink('late', BLOCK)).toMatchObject({ cursor: 90, stored: 10 });
      });

      it('let go of nothing that the counters on disk do not have yet', async () => {
        const store = await open({ foldGroups: 1000 });
        store.openSink('a', BLOCK);
        for (let i = 0; i < 100; i += 1) await commitPoints(store, 1);
        await store.settle('a', { throughSeq: 100, written: 100, rejected: [] });
        await quiet(store);
        const later = await again('crash');
        expect(later.account().total.stored).toBe(100);
        expect(later.sinks()[0]).toMatchObject({ stored: 100, written: 100, pending: 0 });
      });

      it.each([0, 2, 4, 6])(
        'close their account also when opened while the log is being trimmed (%i)',
        async (turns) => {
          const store = await open({ foldGroups: 4 });
          store.openSink('a', BLOCK);
          for (let i = 0; i < 3; i += 1) await commitPoints(store, 1);
          await store.settle('a', { throughSeq: 3, written: 3, rejected: [] });
          // The fourth group makes a fold due, which then deletes all four.
          const group = store.group();
          group.count('mqtt', 'd1', 'forwarded', 1);
          await group.committed;
          for (let i = 0; i < turns; i += 1) await null;
          store.openSink('late', BLOCK);
          await quiet(store);
          const lines = await commitPoints(store, 2);
          for (const each of [store, await again('crash')]) {
            const ledger = each.sinks().find(({ name: sink }) => sink === 'late');
            expect(ledger).toMatchObject({ pending: ledger?.stored });
            expect(pendingLines(each, 'late').slice(-2)).toEqual(lines);
            expect(pendingLines(each, 'late')).toHaveLength(ledger?.pending ?? -1);
          }
        },
      );

      it('pin it also when they are no longer configured, until they are forgotten', async () => {
        const store = await open({ foldGroups: 1 });
        store.openSink('gone', BLOCK);
        for (let i = 0; i < 100; i += 1) await commitPoints(store, 1);
        const later = await again('reopen');
        expect(later.sinks()).toMatchObject([{ name: 'gone', configured: false, pending: 100 }]);
        const bytes = later.status().liveBytes;
        expect(bytes).toBeGreaterThan(0);
        const [last] = later.sinks();
        // What was taken before is in it.
        void commitPoints(later, 2);
        const pendingBytes = expect.any(Number);
        expect(await later.forgetSink('gone')).toEqual({ ...last, pending: 102, stored: 102, pendingBytes });
        await quiet(later);
        expect(later.sinks()).toEqual([]);
        expect(later.status().liveBytes).toBe(0);
      });

      it('are spoken of, once an hour, when they are no longer configured and hold something back', async () => {
        let store = await open();
        store.openSink('gone', BLOCK);
        store = await again('reopen', { upkeepEveryMs: 1000 });
        const pass = async (ms: number): Promise<void> => {
          current.deps.clock.advance(ms);
          await quiet(store);
        };
        const told = (): unknown[] =>
          current.deps.events.all
            .filter(({ name }) => name === 'store.sink-unclaimed')
            .map(({ fields }) => fields);
        await pass(11_000);
        await pass(3_600_000);
        expect(told()).toEqual([]);
        await commitPoints(store, 2);
        await pass(11_000);
        expect(told()).toEqual([{ sink: 'gone', points: 2 }]);
        await pass(3_500_000);
        expect(told()).toHaveLength(1);
        await pass(200_000);
        expect(told()).toHaveLength(2);
        await store.forgetSink('gone');
        await pass(3_700_000);
        expect(told()).toHaveLength(2);
      });

      it('can only be forgotten when known and not configured', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        await expect(store.forgetSink('a')).rejects.toMatchObject({ code: 'sink-configured' });
        await expect(store.forgetSink('b')).rejects.toMatchObject({ code: 'sink-unknown' });
        await expect(store.settle('b', { throughSeq: 0, written: 0, rejected: [] })).rejects.toMatchObject({
          code: 'sink-unknown',
        });
      });

      it('say so when a settlement does not add up, and keep the account closed', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        await commitPoints(store, 5);
        await store.settle('a', { throughSeq: 1, written: 3, rejected: [] });
        expect(current.deps.events.all).toContainEqual({
          name: 'store.settle-mismatch',
          fields: { sink: 'a', points: -2 },
        });
        expect(store.sinks()[0]).toMatchObject({ stored: 5, written: 5, pending: 0 });
      });

      it('lose their own oldest alone when their own backlog is full, each point counted', async () => {
        const store = await open();
        store.openSink('small', { maxBacklogBytes: 2000, whenFull: 'drop-oldest' });
        store.openSink('large', BLOCK);
        const all: string[] = [];
        for (let i = 0; i < 60; i += 1) all.push(...(await commitPoints(store, 2)));
        await quiet(store);
        const [small, large] = store.sinks();
        expect(large).toMatchObject({ stored: 120, pending: 120, dropped: 0 });
        expect(small?.pendingBytes).toBeLessThanOrEqual(2000);
        expect(small).toMatchObject({ stored: 120, written: 0 });
        expect((small?.dropped ?? 0) + (small?.pending ?? 0)).toBe(120);
        expect(pendingLines(store, 'small')).toEqual(all.slice(small?.dropped ?? 0));
        expect(pendingLines(store, 'large')).toEqual(all);
      });

      it('refuse new readings when the backlog of a blocking one is full', async () => {
        const store = await open();
        store.openSink('a', { maxBacklogBytes: 500, whenFull: 'block' });
        await commitPoints(store, 50);
        expect(() => store.group()).toThrowError(expect.objectContaining({ code: 'store-full' }));
        expect(store.status()).toMatchObject({ state: 'full', reason: expect.stringContaining('sink a') });
        await store.settle('a', { throughSeq: 1, written: 50, rejected: [] });
        await commitPoints(store, 1);
        expect(store.status()).toMatchObject({ state: 'open', reason: null });
      });
    });

    describe('when full', () => {
      it('refuses, takes again when the sinks have caught up, and loses nothing', async () => {
        const store = await open({ maxBytes: 256 * KIB, foldGroups: 5 });
        store.openSink('a', BLOCK);
        const all: string[] = [];
        let refused = 0;
        for (let i = 0; i < 200; i += 1) {
          try {
            all.push(...(await commitPoints(store, 50)));
          } catch (error) {
            expect(error).toMatchObject({ code: 'store-full' });
            store.countLater('mqtt', 'd1', 'refused', 50);
            refused += 50;
          }
        }
        expect(refused).toBeGreaterThan(0);
        expect(store.status().state).toBe('full');
        expect(pendingLines(store, 'a')).toEqual(all);
        await store.settle('a', { throughSeq: store.status().lastSeq, written: all.length, rejected: [] });
        await quiet(store);
        expect(store.status().state).toBe('open');
        all.push(...(await commitPoints(store, 10)));
        expect(store.account().total).toMatchObject({ stored: all.length, refused });
        expect(store.sinks()[0]).toMatchObject({ stored: all.length, pending: 10 });
      });

      it('drops the oldest if so configured, and counts every one for each sink that lacks it', async () => {
        const store = await open({ maxBytes: 256 * KIB, whenFull: 'drop-oldest', foldGroups: 5 });
        store.openSink('a', BLOCK);
        store.openSink('b', BLOCK);
        const all: string[] = [];
        for (let i = 0; i < 40; i += 1) all.push(...(await commitPoints(store, 50)));
        await store.settle('b', { throughSeq: 20, written: 1000, rejected: [] });
        for (let i = 0; i < 160; i += 1) all.push(...(await commitPoints(store, 50)));
        await quiet(store);
        expect(store.status().state).toBe('open');
        expect(store.status().liveBytes).toBeLessThanOrEqual(store.status().maxBytes);
        const [a, b] = store.sinks();
        expect(a).toMatchObject({ stored: 10_000, written: 0 });
        expect(b).toMatchObject({ stored: 10_000, written: 1000 });
        expect((a?.dropped ?? 0) + (a?.pending ?? 0)).toBe(10_000);
        expect(b?.dropped).toBe((a?.dropped ?? 0) - 1000);
        expect(pendingLines(store, 'a')).toEqual(all.slice(a?.dropped));
        const later = await again('crash');
        expect(later.sinks()).toMatchObject([{ dropped: a?.dropped }, { dropped: b?.dropped }]);
        expect(pendingLines(later, 'a')).toEqual(all.slice(a?.dropped));
        expect(later.account().total.stored).toBe(10_000);
      });

      it('does not call lost what a sink had been writing while it was dropped', async () => {
        const store = await open({ maxBytes: 64 * KIB, whenFull: 'drop-oldest', foldGroups: 5 });
        store.openSink('a', BLOCK);
        for (let i = 0; i < 5; i += 1) await commitPoints(store, 50);
        const slice = store.reader().read(0, 5, { maxPoints: 1000, maxBytes: 1e6 });
        expect(slice?.points).toBe(250);
        for (let i = 0; i < 50; i += 1) await commitPoints(store, 50);
        await quiet(store);
        const dropped = store.sinks()[0]?.dropped ?? 0;
        expect(dropped).toBeGreaterThan(250);
        await store.settle('a', { throughSeq: 5, written: 250, rejected: [] });
        expect(store.sinks()[0]).toMatchObject({ stored: 2750, written: 250, dropped: dropped - 250 });
        expect(current.deps.events.count('store.settle-mismatch')).toBe(0);
      });

      it('bounds what waits for its commit', async () => {
        const store = await open({ maxQueuedBytes: 4000, maxGroupPoints: 10 });
        const taken: Promise<void>[] = [];
        expect(() => {
          for (let i = 0; i < 1000; i += 1) taken.push(addPoints(store.group(), 10).committed);
        }).toThrowError(expect.objectContaining({ code: 'store-unavailable' }));
        await Promise.all(taken);
        await commitPoints(store, 1);
      });
    });

    describe('documents', () => {
      it('are there after a restart', async () => {
        const store = await open();
        expect(store.document('schemas')).toBeNull();
        await store.setDocument('schemas', '{"ü":1}');
        await store.setDocument('__proto__', 'x');
        expect(store.document('schemas')).toBe('{"ü":1}');
        const later = await again('crash');
        expect(later.document('schemas')).toBe('{"ü":1}');
        expect(later.document('__proto__')).toBe('x');
      });

      it('are bounded in size', async () => {
        const store = await open();
        await expect(store.setDocument('d', 'x'.repeat(KIB * KIB + 1))).rejects.toMatchObject({
          code: 'too-large',
        });
        await expect(store.setDocument('n'.repeat(600), 'x')).rejects.toMatchObject({ code: 'usage' });
        await store.setDocument('d', 'x'.repeat(KIB * KIB));
        expect(store.document('d')).toHaveLength(KIB * KIB);
      });
    });

    describe('closing', () => {
      it('commits what was taken, and takes nothing more', async () => {
        const store = await open({ commitDelayMs: 1000 });
        const { committed } = addPoints(store.group(), 3);
        const closed = store.close();
        expect(() => store.group()).toThrowError(expect.objectContaining({ code: 'stopping' }));
        await committed;
        await closed;
        await expect(store.setDocument('d', 'x')).rejects.toMatchObject({ code: 'stopping' });
        expect((await again('reopen')).account().total.stored).toBe(3);
      });
    });

    it('keeps its id', async () => {
      const store = await open();
      expect(store.id).toMatch(/^[0-9a-f]{32}$/);
      await commitPoints(store, 1);
      expect((await again('crash')).id).toBe(store.id);
      expect((await again('reopen')).id).toBe(store.id);
    });

    it('reads lines of any text', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      const line = `m,t=\\ \\,ü v="${'😀'.repeat(500)}",w=1i 1\n`;
      const group = store.group();
      group.point(line);
      await group.committed;
      const slice = store.reader().read(0, 1, { maxPoints: 1, maxBytes: 1 });
      expect(linesOf(slice?.lines ?? Buffer.alloc(0))).toEqual([line]);
    });
  });
}
