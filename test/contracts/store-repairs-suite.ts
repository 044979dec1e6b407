import { describe, expect, it } from 'vitest';
import type { NewRejection, RejectionFilter, Store } from '../../gateway/store-contract.ts';
import {
  commitPoints,
  pendingLines,
  rejectionOf,
  type StoreHarness,
  storeOfEachTest,
} from './store-harness.ts';

const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;
const KIB = 1024;

/** What every implementation of `Store` promises of rejected readings that are replayed, deleted, looked through. */
export function storeRepairsSuite(name: string, harness: StoreHarness): void {
  describe(`${name}: repairing rejected readings`, () => {
    const current = storeOfEachTest(harness);
    const { open } = current;
    const crash = async (): Promise<Store> => await current.again('crash');

    async function reject(store: Store, ...given: Partial<NewRejection>[]): Promise<string[]> {
      const group = store.group();
      const ids = given.map((each) => group.reject(rejectionOf(each)));
      await group.committed;
      return ids;
    }
    const elements = (n: number, given: Partial<NewRejection> = {}): Partial<NewRejection>[] =>
      Array.from({ length: n }, (_, index) => ({ index, payload: Buffer.from(`[${index}]`), ...given }));
    async function resolve(store: Store, ids: readonly string[], kind: 'stored' | 'split'): Promise<void> {
      const group = store.group();
      for (const id of ids) group.resolve(id, kind);
      await group.committed;
    }
    const idsOf = (store: Store, filter: RejectionFilter = {}): string[] =>
      store.rejections({ limit: 10_000, ...filter }).map(({ id }) => id);
    function closes(store: Store): void {
      const { codes, rejectedEvicted, rejectedReplayed, rejectedDiscarded } = store.account();
      const ever = Object.values(codes).reduce((sum, n) => sum + n, 0);
      const { rejectedCount, rejectedOpenCount, rejectedBytes } = store.status();
      expect(rejectedOpenCount + rejectedEvicted + rejectedReplayed + rejectedDiscarded).toBe(ever);
      expect(idsOf(store)).toHaveLength(rejectedOpenCount);
      expect(idsOf(store, { state: 'all' })).toHaveLength(rejectedCount);
      expect(rejectedBytes === 0).toBe(rejectedCount === 0);
    }

    describe('a replay', () => {
      it('ends them in the transaction that stores the reading, and never twice', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        const ids = await reject(store, {}, ...elements(5));
        const [first = '', second = '', third = ''] = ids;
        const group = store.group();
        group.point('m v=1 1\n');
        group.resolve(first, 'stored');
        group.resolve(third, 'duplicate');
        expect(store.rejection(first)).toMatchObject({ resolved: null });
        await group.committed;
        current.deps.clock.advance(5);
        await resolve(store, [first, 'r999', 'nonsense', second], 'split');
        const atMs = current.deps.clock.nowMs();
        for (const each of [store, await crash()]) {
          expect(pendingLines(each, 'a')).toEqual(['m v=1 1\n']);
          expect(each.rejection(first)?.resolved).toEqual({ kind: 'stored', atMs: atMs - 5 });
          expect(each.rejection(third)?.resolved).toEqual({ kind: 'duplicate', atMs: atMs - 5 });
          expect(each.rejection(second)?.resolved).toEqual({ kind: 'split', atMs });
          expect(idsOf(each)).toEqual(ids.slice(3).reverse());
          expect(idsOf(each, { state: 'resolved' })).toEqual([third, second, first]);
          expect(each.rejection(ids[3] ?? '')?.payload.toString()).toBe('[2]');
          expect(each.account()).toMatchObject({ rejectedReplayed: 3, rejectedEvicted: 0 });
          expect(each.account().codes.invalid).toBe(6);
          closes(each);
        }
      });

      it('costs no more room than they had, and leaves with them', async () => {
        const store = await open({ rejected: { maxBytes: 64 * KIB, maxAgeMs: 1e12 } });
        const ids = await reject(store, ...elements(100));
        const { rejectedBytes } = store.status();
        await resolve(store, ids, 'stored');
        expect(store.status()).toMatchObject({ rejectedBytes, rejectedCount: 100, rejectedOpenCount: 0 });
        for (let i = 0; i < 40; i += 1) await reject(store, ...elements(40));
        expect(store.rejection(ids[0] ?? '')).toBeNull();
        expect(store.account()).toMatchObject({ rejectedReplayed: 100 });
        for (const each of [store, await crash()]) closes(each);
      });

      it('of one that has to make room in the same transaction counts it once', async () => {
        const store = await open({ rejected: { maxBytes: 64 * KIB, maxAgeMs: 1e12 } });
        const ids: string[] = [];
        for (let i = 0; i < 7; i += 1) ids.push(...(await reject(store, { payload: Buffer.alloc(4 * KIB) })));
        const group = store.group();
        for (const id of ids.slice(0, 3)) group.resolve(id, 'stored');
        for (let i = 0; i < 6; i += 1) group.reject(rejectionOf({ payload: Buffer.alloc(4 * KIB) }));
        await group.committed;
        expect(store.rejection(ids[0] ?? '')).toBeNull();
        expect(store.account().rejectedReplayed).toBe(3);
        for (const each of [store, await crash()]) closes(each);
      });

      it('does not keep them from growing too old', async () => {
        const store = await open({
          rejected: { maxBytes: KIB * KIB, maxAgeMs: 1000 },
          upkeepEveryMs: 60_000,
        });
        const ids = await reject(store, ...elements(3, { atMs: current.deps.clock.nowMs() }));
        await resolve(store, ids.slice(0, 2), 'stored');
        current.deps.clock.advance(60_000);
        await expect.poll(() => store.status().rejectedCount).toBe(0);
        expect(store.account()).toMatchObject({ rejectedReplayed: 2, rejectedEvicted: 1 });
        for (const each of [store, await crash()]) closes(each);
      });
    });

    describe('deleting', () => {
      it('takes single readings of a message, and the message with the last', async () => {
        const store = await open();
        const ids = await reject(store, ...elements(4), { client: 'c2' });
        await resolve(store, ids.slice(0, 1), 'stored');
        expect(await store.discardRejections([...ids.slice(0, 2), ids[1] ?? '', 'r99', 'x'])).toBe(2);
        for (const each of [store, await crash()]) {
          expect(each.rejection(ids[0] ?? '')).toBeNull();
          expect(each.rejection(ids[1] ?? '')).toBeNull();
          expect(each.rejection(ids[2] ?? '')?.payload.toString()).toBe('[2]');
          expect(each.account()).toMatchObject({ rejectedReplayed: 1, rejectedDiscarded: 1 });
          closes(each);
        }
        const later = await crash();
        expect(await later.discardRejections(ids)).toBe(3);
        expect(later.status()).toMatchObject({ rejectedCount: 0, rejectedBytes: 0, rejectedOpenCount: 0 });
        expect(await later.discardRejections(ids)).toBe(0);
        closes(await crash());
      });

      it('takes thousands', async () => {
        const store = await open();
        const ids: string[] = [];
        for (let i = 0; i < 30; i += 1) {
          const group = store.group();
          for (let k = 0; k < 20; k += 1) {
            const client = `c${i * 20 + k}`;
            for (const each of elements(2, { client })) ids.push(group.reject(rejectionOf(each)));
          }
          await group.committed;
        }
        expect(await store.discardRejections(ids.slice(1))).toBe(1199);
        expect(idsOf(store, { state: 'all' })).toEqual(ids.slice(0, 1));
        closes(await crash());
      });
    });

    describe('what a sink refused', () => {
      async function refuse(store: Store, sink: string, n: number): Promise<string[]> {
        await commitPoints(store, n);
        const rejected = Array.from({ length: n }, (_, i) => ({
          line: Buffer.from(`m v=${i} 1\n`),
          words: 'no',
          device: 'd1',
        }));
        const throughSeq = store.status().lastSeq;
        const before = new Set(idsOf(store));
        await store.settle(sink, { throughSeq, written: 0, rejected });
        return idsOf(store).filter((id) => !before.has(id));
      }

      it('is written after all by its replay: ledger and rejections say so together, once', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        store.openSink('b', BLOCK);
        const ofA = await refuse(store, 'a', 5);
        await store.settle('b', { throughSeq: store.status().lastSeq, written: 5, rejected: [] });
        const [other = ''] = await reject(store, {});
        expect(await store.settleReplayed('a', [...ofA.slice(0, 3), other, 'r9999'])).toBe(3);
        expect(await store.settleReplayed('a', ofA.slice(0, 3))).toBe(0);
        expect(await store.settleReplayed('b', ofA)).toBe(0);
        for (const each of [store, await crash()]) {
          const [a, b] = each.sinks();
          expect(a).toMatchObject({ stored: 5, written: 3, rejected: 2, pending: 0 });
          expect(b).toMatchObject({ stored: 5, written: 5, rejected: 0 });
          expect(each.account().codes['sink-rejected']).toBe(5);
          expect(each.rejection(ofA[0] ?? '')?.resolved).toMatchObject({ kind: 'written' });
          expect(each.rejection(other)?.resolved).toBeNull();
          closes(each);
        }
        await expect(store.settleReplayed('nobody', ofA)).rejects.toMatchObject({ code: 'sink-unknown' });
      });

      it('never makes a ledger negative, where the sink was forgotten and added anew', async () => {
        const store = await open();
        store.openSink('a', BLOCK);
        const ids = await refuse(store, 'a', 4);
        const reopened = await current.again('reopen');
        await reopened.forgetSink('a');
        reopened.openSink('a', BLOCK);
        expect(await reopened.settleReplayed('a', ids)).toBe(4);
        expect(reopened.sinks()[0]).toMatchObject({ written: 0, rejected: 0 });
      });
    });

    describe('finding', () => {
      it('goes by every part of a filter', async () => {
        const store = await open();
        const [a = '', b = '', c = ''] = await reject(
          store,
          { topic: 'plant/1/temp', schema: 's1', atMs: 100, client: 'x' },
          { topic: 'plant/2/temp', schema: 's2', atMs: 200, client: 'y' },
          { topic: 'plant', schema: null, atMs: 300, client: 'y' },
        );
        await resolve(store, [b], 'stored');
        const found = (filter: RejectionFilter): string[] => idsOf(store, { state: 'all', ...filter });
        expect(found({ topic: 'plant/1/temp' })).toEqual([a]);
        expect(found({ topic: 'plant/+/temp' })).toEqual([b, a]);
        expect(found({ topic: 'plant/#' })).toEqual([c, b, a]);
        expect(found({ schema: 's2' })).toEqual([b]);
        expect(found({ sinceMs: 200 })).toEqual([c, b]);
        expect(found({ untilMs: 200 })).toEqual([a]);
        expect(found({ sinceMs: 200, client: 'y', topic: '+' })).toEqual([c]);
        expect(found({ sink: 'influx' })).toEqual([]);
        expect(idsOf(store, { state: 'resolved' })).toEqual([b]);
        expect(idsOf(store)).toEqual([c, a]);
      });

      it('goes page by page from the oldest, each exactly once, whatever the page', async () => {
        const store = await open();
        const all: string[] = [];
        for (let i = 0; i < 12; i += 1) {
          all.push(...(await reject(store, ...elements(7, { client: `c${i % 2}`, device: `d${i % 3}` }))));
        }
        await store.discardRejections(all.slice(10, 12));
        const held = all.filter((_, i) => i < 10 || i >= 12);
        for (const limit of [1, 3, 7, 100]) {
          expect(pages(store, {}, limit)).toEqual(held);
          expect(pages(store, { client: 'c1' }, limit)).toEqual(
            held.filter((id) => idsOf(store, { client: 'c1' }).includes(id)),
          );
          expect(pages(store, { device: 'd2' }, limit)).toEqual(idsOf(store, { device: 'd2' }).reverse());
        }
        const { next } = store.rejectionPage({}, null, 5);
        await store.discardRejections(held.slice(0, 20));
        const rest = store.rejectionPage({}, next, 1000).rejections.map(({ id }) => id);
        expect(rest).toEqual(held.slice(20));
        expect(() => store.rejectionPage({}, '../x', 1)).toThrowError(
          expect.objectContaining({ code: 'usage' }),
        );
      });

      it('looks at a bounded part of a large store at a time', async () => {
        const store = await open({ maxBytes: 128 * KIB * KIB });
        const all: string[] = [];
        for (let i = 0; i < 12; i += 1)
          all.push(...(await reject(store, { payload: Buffer.alloc(512 * KIB) })));
        const [wanted = ''] = await reject(store, { device: 'rare' });
        const first = store.rejectionPage({ device: 'rare' }, null, 100);
        expect(first.rejections).toEqual([]);
        expect(first.next).not.toBeNull();
        expect(pages(store, { device: 'rare' }, 100)).toEqual([wanted]);
        expect(pages(store, {}, 100)).toEqual([...all, wanted]);
      });
    });

    function pages(store: Store, filter: RejectionFilter, limit: number): string[] {
      const ids: string[] = [];
      let after: string | null = null;
      do {
        const page = store.rejectionPage(filter, after, limit);
        expect(page.rejections.length).toBeLessThanOrEqual(limit);
        ids.push(...page.rejections.map(({ id }) => id));
        after = page.next;
      } while (after !== null);
      return ids;
    }
  });
}
