import { describe, expect, it } from 'vitest';
import type { Store } from '../../gateway/store-contract.ts';
import { commitPoints, pendingLines, quiet, type StoreHarness, storeOfEachTest } from './store-harness.ts';

const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;
const BASE = '1700000000000000000';
const LATER_BASE = '1800000000000000000';
const SECOND_NS = 1_000_000_000n;

/** What every implementation of `Store` promises of readings that arrive before the gateway's clock is set. */
export function storeArrivalSuite(name: string, harness: StoreHarness): void {
  describe(`${name}: provisional arrival times`, () => {
    const current = storeOfEachTest(harness);
    const { open, again } = current;

    /** A group with a point at each of these times; a device's own time among them stays what it is. */
    async function commitAt(store: Store, ...times: string[]): Promise<void> {
      const group = store.group();
      group.markProvisional();
      for (const ns of times) group.point(`m,device=d1 v="a 1 2" ${ns}\n`);
      group.count('mqtt', 'd1', 'stored', times.length);
      await group.committed;
    }
    const timesOf = (store: Store, sink = 'a'): string[] =>
      pendingLines(store, sink).map((line) => line.slice(line.lastIndexOf(' ') + 1, -1));
    const based = (ns: string, base = BASE): string => String(BigInt(ns) + BigInt(base));

    it('hold the log back at the first group that has them, and no earlier', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      const before = await commitPoints(store, 2);
      await commitAt(store, '5', '6');
      await commitPoints(store, 2);
      expect(pendingLines(store, 'a')).toEqual(before);
      expect(store.reader().read(1, 3, { maxPoints: 100, maxBytes: 1e6 })).toBeNull();
      expect(store.sinks()[0]).toMatchObject({ stored: 6, pending: 6 });
    });

    it.each(['stay', 'reopen', 'crash'] as const)('become real ones with the base (%s)', async (how) => {
      const store = await open();
      store.openSink('a', BLOCK);
      await commitAt(store, '5', '1650000000000000000', '99999999999999999');
      await commitAt(store, '200');
      await store.setArrivalBase(BASE);
      await commitPoints(store, 1);
      const own = '1650000000000000000';
      const expected = [based('5'), own, based('99999999999999999'), based('200')];
      const later = how === 'stay' ? store : await again(how);
      expect(timesOf(later).slice(0, 4)).toEqual(expected);
      expect(timesOf(later)).toHaveLength(5);
      expect(pendingLines(later, 'a')[0]).toBe(`m,device=d1 v="a 1 2" ${based('5')}\n`);
    });

    it('are the same lines however often the base is set, and by whichever', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      await commitAt(store, '5');
      await store.setArrivalBase(BASE);
      const lines = pendingLines(store, 'a');
      await store.setArrivalBase(BASE);
      await store.setArrivalBase(LATER_BASE);
      expect(pendingLines(store, 'a')).toEqual(lines);
      const later = await again('crash');
      await later.setArrivalBase(LATER_BASE);
      expect(pendingLines(later, 'a')).toEqual(lines);
    });

    it('have the base that came next, also where the clock was lost and set several times', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      await commitAt(store, '5');
      await store.setArrivalBase(BASE);
      const later = await again('crash');
      await commitAt(later, '7');
      expect(timesOf(later)).toEqual([based('5')]);
      expect(later.provisionalNs).toBe('7');
      await later.setArrivalBase(LATER_BASE);
      for (const each of [later, await again('crash')]) {
        expect(timesOf(each)).toEqual([based('5'), based('7', LATER_BASE)]);
      }
    });

    it('that wait for their commit when the base comes get it, too', async () => {
      const store = await open({ commitDelayMs: 1000, maxGroupPoints: 2 });
      store.openSink('a', BLOCK);
      const groups = ['1', '2', '3'].map((ns) => {
        const group = store.group();
        group.markProvisional();
        group.point(`m v=1 ${ns}\n`);
        group.point(`m v=2 ${ns}0\n`);
        return group.committed;
      });
      const open1 = store.group();
      open1.markProvisional();
      open1.point('m v=1 4\n');
      const set = store.setArrivalBase(BASE);
      open1.point('m v=1 1700000000000000009\n');
      current.deps.clock.advance(1000);
      await Promise.all([...groups, open1.committed, set]);
      for (const each of [store, await again('crash')]) {
        const expected = ['1', '10', '2', '20', '3', '30', '4'].map((ns) => based(ns));
        expect(timesOf(each)).toEqual([...expected, '1700000000000000009']);
        expect(each.provisionalNs).toBe('0');
      }
    });

    it('go on from where they were after a restart, and from nothing after the base', async () => {
      const store = await open({ foldGroups: 2 });
      store.openSink('a', BLOCK);
      expect(store.provisionalNs).toBe('0');
      await commitAt(store, '99', '12345678901234567', '7');
      await commitAt(store, '100');
      expect(store.provisionalNs).toBe('12345678901234567');
      expect((await again('crash')).provisionalNs).toBe('12345678901234567');
      const later = await again('reopen');
      expect(later.provisionalNs).toBe('12345678901234567');
      await later.setArrivalBase(BASE);
      expect(later.provisionalNs).toBe('0');
      expect((await again('crash')).provisionalNs).toBe('0');
      expect((await again('reopen')).provisionalNs).toBe('0');
    });

    it('are announced when the base is there, so that whoever waits goes on', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      const heard: number[] = [];
      store.onCommit((seq) => heard.push(seq));
      await commitAt(store, '5');
      await store.setArrivalBase(BASE);
      expect(heard).toEqual([1, 1]);
    });

    it('count only where a line has one', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      await commitAt(store, '1650000000000000000');
      const empty = store.group();
      empty.markProvisional();
      empty.count('mqtt', 'd1', 'forwarded', 1);
      await empty.committed;
      expect(timesOf(store)).toEqual(['1650000000000000000']);
      expect(store.provisionalNs).toBe('0');
    });

    it('are settled, trimmed and forgotten like others', async () => {
      const store = await open({ foldGroups: 1 });
      store.openSink('a', BLOCK);
      for (let i = 1; i <= 100; i += 1) await commitAt(store, String(i));
      await store.setArrivalBase(BASE);
      await store.settle('a', { throughSeq: 100, written: 100, rejected: [] });
      await quiet(store);
      expect(store.status().liveBytes).toBe(0);
      await commitAt(store, '3');
      await store.setArrivalBase(LATER_BASE);
      for (const each of [store, await again('crash')]) {
        expect(timesOf(each)).toEqual([based('3', LATER_BASE)]);
        expect(each.sinks()[0]).toMatchObject({ stored: 101, written: 100, pending: 1 });
      }
    });

    it('are dropped like others where the store is full, each point counted', async () => {
      const store = await open({ maxBytes: 64 * 1024, whenFull: 'drop-oldest', foldGroups: 5 });
      store.openSink('a', BLOCK);
      const all = Array.from({ length: 3000 }, (_, i) => String(i + 1));
      for (let i = 0; i < all.length; i += 50) await commitAt(store, ...all.slice(i, i + 50));
      await quiet(store);
      const { dropped = 0, pending = 0 } = store.sinks()[0] ?? {};
      expect(dropped).toBeGreaterThan(0);
      expect(dropped + pending).toBe(3000);
      await store.setArrivalBase(BASE);
      for (const each of [store, await again('crash')]) {
        expect(timesOf(each)).toEqual(all.slice(dropped).map((ns) => based(ns)));
      }
    });

    it('tell how long a group has waited by its real time once that is known', async () => {
      const store = await open();
      store.openSink('a', BLOCK);
      const wallMs = current.deps.clock.nowMs();
      await commitAt(store, String(5n * SECOND_NS));
      expect(store.sinks()[0]?.oldestPendingMs).toBe(wallMs);
      await store.setArrivalBase(LATER_BASE);
      const realMs = Number(BigInt(LATER_BASE) / 1_000_000n) + 5000;
      expect(store.sinks()[0]?.oldestPendingMs).toBe(realMs);
      expect(store.reader().read(0, 1, { maxPoints: 1, maxBytes: 1 })?.oldestMs).toBe(realMs);
    });

    it('refuse a base that is no time', async () => {
      const store = await open();
      for (const wrong of ['', '-1', '1e18', '12345678901234567890', 'x']) {
        await expect(store.setArrivalBase(wrong)).rejects.toMatchObject({ code: 'usage' });
      }
      await store.setArrivalBase(BASE);
      expect(store.provisionalNs).toBe('0');
    });
  });
}
