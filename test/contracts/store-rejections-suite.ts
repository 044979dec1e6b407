import { describe, expect, it } from 'vitest';
import type { Store } from '../../gateway/store-contract.ts';
import { commitPoints, rejectionOf, type StoreHarness, storeOfEachTest } from './store-harness.ts';

const KIB = 1024;

/** What every implementation of `Store` promises of rejected readings. */
export function storeRejectionsSuite(name: string, harness: StoreHarness): void {
  describe(`${name}: rejected readings`, () => {
    const current = storeOfEachTest(harness);
    const { open } = current;
    const crash = async (): Promise<Store> => await current.again('crash');

    async function reject(
      store: Store,
      n: number,
      given: Parameters<typeof rejectionOf>[0],
    ): Promise<string[]> {
      const group = store.group();
      const ids: string[] = [];
      for (let i = 0; i < n; i += 1) ids.push(group.reject(rejectionOf(given)));
      group.count('mqtt', 'd1', 'rejected', n);
      await group.committed;
      return ids;
    }

    it('are kept whole, under an id that grows, with the raw bytes', async () => {
      const store = await open();
      const payload = Buffer.from([0, 1, 2, 0xff, 0xfe]);
      const group = store.group();
      const given = rejectionOf({
        payload,
        client: 'c/1',
        index: 3,
        username: 'ü',
        format: '{"csv":{}}',
        schemaVersion: 'v1',
      });
      const first = group.reject(given);
      const second = group.reject(
        rejectionOf({ code: 'undecodable', device: null, schema: null, violations: [] }),
      );
      payload.fill(9);
      await group.committed;
      const expected = { ...given, payload: Buffer.from([0, 1, 2, 0xff, 0xfe]), id: first, resolved: null };
      for (const each of [store, await crash()]) {
        expect(each.rejection(first)).toEqual(expected);
        expect(each.rejection(second)).toMatchObject({ id: second, code: 'undecodable', device: null });
        expect(each.rejections({}).map(({ id }) => id)).toEqual([second, first]);
      }
      expect(Number.parseInt(second.slice(1), 36)).toBeGreaterThan(Number.parseInt(first.slice(1), 36));
    });

    it('are not there before their group is committed', async () => {
      const store = await open({ commitDelayMs: 1000 });
      const group = store.group();
      const id = group.reject(rejectionOf());
      expect(store.rejection(id)).toBeNull();
      current.deps.clock.advance(1000);
      await group.committed;
      expect(store.rejection(id)).not.toBeNull();
    });

    it('keep the payload of one message once, however many of its elements are bad', async () => {
      const store = await open();
      const payload = Buffer.alloc(50 * KIB, 'x');
      const group = store.group();
      const ids = Array.from({ length: 200 }, (_, index) => group.reject(rejectionOf({ payload, index })));
      const other = group.reject(rejectionOf({ payload, index: 0 }));
      await group.committed;
      expect(store.status().rejectedCount).toBe(201);
      expect(store.status().rejectedBytes).toBeLessThan(200 * KIB);
      const last = store.rejection(ids[199] ?? '');
      expect(last).toMatchObject({ id: ids[199], index: 199 });
      expect(last?.payload.equals(payload)).toBe(true);
      expect(store.rejection(other)).toMatchObject({ index: 0 });
      expect(store.rejections({ limit: 3 }).map(({ index }) => index)).toEqual([0, 199, 198]);
    });

    it('are written together where they are elements of one message, each with its own bytes', async () => {
      const store = await open();
      const group = store.group();
      const ids = Array.from({ length: 2500 }, (_, index) =>
        group.reject(rejectionOf({ payload: Buffer.from(`{"n":${index}}`), index, violations: [] })),
      );
      const other = group.reject(rejectionOf({ client: 'c2', index: 9999 }));
      await group.committed;
      for (const each of [store, await crash()]) {
        expect(each.status().rejectedCount).toBe(2501);
        expect(each.status().rejectedBytes).toBeLessThan(2500 * 250);
        for (const index of [0, 999, 1000, 2499]) {
          const found = each.rejection(ids[index] ?? '');
          expect(found).toMatchObject({ id: ids[index], index });
          expect(found?.payload.toString()).toBe(`{"n":${index}}`);
        }
        expect(each.rejection(other)).toMatchObject({ client: 'c2' });
        expect(each.rejections({ limit: 10_000 }).map(({ id }) => id)).toEqual([other, ...ids.toReversed()]);
      }
    });

    it('never use an id twice, not after a crash either', async () => {
      let store = await open({ rejected: { maxBytes: 1, maxAgeMs: 1 } });
      const seen = new Set<string>();
      for (let i = 0; i < 4; i += 1) {
        for (const id of await reject(store, 3, {})) {
          expect(seen.has(id)).toBe(false);
          seen.add(id);
        }
        store = await crash();
      }
      expect(seen.size).toBe(12);
    });

    it('can be found by code, device and client, newest first', async () => {
      const store = await open();
      await reject(store, 1, { client: 'a', device: 'x', code: 'invalid' });
      await reject(store, 1, { client: 'b', device: 'x', code: 'too-large' });
      await reject(store, 2, { client: 'a', device: 'y', code: 'too-large' });
      const found = (filter: Parameters<Store['rejections']>[0]): number => store.rejections(filter).length;
      expect(found({})).toBe(4);
      expect(found({ client: 'a' })).toBe(3);
      expect(found({ device: 'x' })).toBe(2);
      expect(found({ code: 'too-large' })).toBe(3);
      expect(found({ client: 'a', device: 'x' })).toBe(1);
      expect(found({ client: 'nobody' })).toBe(0);
      expect(found({ limit: 2 })).toBe(2);
      expect(store.rejection('r')).toBeNull();
      expect(store.rejection('rzzz')).toBeNull();
      expect(store.rejection('../x')).toBeNull();
    });

    it('of a flood push out their own kind, never those of a quiet client', async () => {
      const store = await open({ rejected: { maxBytes: 64 * KIB, maxAgeMs: 1e12 } });
      const quietIds = await reject(store, 3, { client: 'quiet' });
      const flood: string[] = [];
      for (let i = 0; i < 40; i += 1) flood.push(...(await reject(store, 50, { client: 'babbling' })));
      const quietLater = await reject(store, 2, { client: 'quiet' });
      for (const each of [store, await crash()]) {
        const { rejectedBytes, rejectedMaxBytes, rejectedCount } = each.status();
        expect(rejectedBytes).toBeLessThanOrEqual(rejectedMaxBytes);
        expect(each.account().rejectedEvicted).toBe(2005 - rejectedCount);
        for (const id of [...quietIds, ...quietLater]) expect(each.rejection(id)).not.toBeNull();
        expect(each.rejection(flood[0] ?? '')).toBeNull();
        expect(each.rejection(flood.at(-1) ?? '')).not.toBeNull();
        expect(each.rejections({ limit: 10_000 })).toHaveLength(rejectedCount);
      }
    });

    it('that alone exceed the room make nobody else lose anything', async () => {
      const store = await open({ rejected: { maxBytes: 64 * KIB, maxAgeMs: 1e12 } });
      const ids = await reject(store, 20, { client: 'quiet' });
      const [huge = ''] = await reject(store, 1, { client: 'huge', payload: Buffer.alloc(200 * KIB) });
      expect(store.rejection(huge)).toBeNull();
      for (const id of ids) expect(store.rejection(id)).not.toBeNull();
      expect(store.account().rejectedEvicted).toBe(1);
    });

    it('go when they are too old, counted', async () => {
      const store = await open({ rejected: { maxBytes: KIB * KIB, maxAgeMs: 1000 }, upkeepEveryMs: 60_000 });
      await reject(store, 5, { atMs: current.deps.clock.nowMs() });
      await commitPoints(store, 1);
      current.deps.clock.advance(500);
      const [young = ''] = await reject(store, 1, { atMs: current.deps.clock.nowMs() + 60_000 });
      current.deps.clock.advance(60_000);
      await expect.poll(() => store.status().rejectedCount).toBe(1);
      expect(store.rejection(young)).not.toBeNull();
      expect(store.account().rejectedEvicted).toBe(5);
      expect((await crash()).account()).toMatchObject({ rejectedEvicted: 5 });
    });
  });
}
