import { describe, expect, it } from 'vitest';
import type { IdentityKey, Store } from '../../gateway/store-contract.ts';
import { commitPoints, quiet, type StoreHarness, storeOfEachTest } from './store-harness.ts';

const KIB = 1024;

/** What every implementation of `Store` promises of identities and documents: what ledgers remember with it. */
export function storeMemorySuite(name: string, harness: StoreHarness): void {
  describe(`${name}: what it remembers`, () => {
    const current = storeOfEachTest(harness);
    const { open, again } = current;

    const key = (device: string, n: number): IdentityKey => ({ device, high: 0xffff_ffff - n, low: n });
    async function identify(store: Store, ...keys: IdentityKey[]): Promise<void> {
      const group = store.group();
      for (const each of keys) group.identify(each.device, each);
      await group.committed;
    }
    const of = (store: Store, device: string): number[] =>
      [...store.identities].filter((each) => each.device === device).map(({ low }) => low);
    const upTo = (n: number, from = 0): number[] => Array.from({ length: n - from }, (_, i) => from + i);

    describe('identities', () => {
      it.each(['reopen', 'crash'] as const)('are there after %s, oldest first', async (how) => {
        const store = await open({ foldGroups: 4 });
        const keys = upTo(30).map((n) => key('device ü', n));
        for (const each of keys) await identify(store, each);
        expect([...store.identities]).toEqual(keys);
        expect([...(await again(how)).identities]).toEqual(keys);
        expect([...(await again(how)).identities]).toEqual(keys);
      });

      it('are not there before their group is committed', async () => {
        const store = await open();
        const group = store.group();
        group.identify('d1', key('d1', 1));
        expect([...store.identities]).toEqual([]);
        await group.committed;
        expect([...store.identities]).toEqual([key('d1', 1)]);
      });

      it.each([17, 128, 500, 1300])('keep the newest of each device, %i at a time', async (atOnce) => {
        const store = await open({ maxIdentitiesPerDevice: 1000, foldGroups: 3 });
        await identify(store, key('quiet', 1));
        for (let n = 0; n < 2600; n += atOnce) {
          await identify(store, ...upTo(Math.min(2600, n + atOnce), n).map((i) => key('busy', i)));
          if (n % 900 === 0) await quiet(store);
        }
        for (const how of ['crash', 'reopen', 'crash'] as const) {
          const later = await again(how);
          expect(of(later, 'quiet')).toEqual([1]);
          expect(of(later, 'busy')).toEqual(upTo(2600, 1600));
        }
        await identify(await again('crash'), ...upTo(2650, 2600).map((i) => key('busy', i)));
        expect(of(await again('crash'), 'busy')).toEqual(upTo(2650, 1650));
      });

      it('are bounded over all devices, with an equal part for each', async () => {
        const store = await open({ maxIdentities: 2048, maxIdentityDevices: 20, foldGroups: 10 });
        const devices = upTo(20).map((n) => `d${n}`);
        for (let n = 0; n < 400; n += 10) {
          await identify(store, ...devices.flatMap((device) => upTo(n + 10, n).map((i) => key(device, i))));
        }
        const later = await again('crash');
        expect([...later.identities].length).toBeLessThanOrEqual(2048);
        for (const device of devices) {
          const kept = of(later, device);
          expect(kept.length).toBeGreaterThanOrEqual(64);
          expect(kept).toEqual(upTo(400, 400 - kept.length));
        }
      });

      it('of devices that sent nothing for longest go when there are too many', async () => {
        const store = await open({ maxIdentityDevices: 8, foldGroups: 2 });
        for (let i = 0; i < 12; i += 1) {
          await identify(store, ...upTo(300).map((n) => key(`d${i}`, n)));
          await quiet(store);
        }
        for (const how of ['crash', 'reopen'] as const) {
          const devices = new Set([...(await again(how)).identities].map(({ device }) => device));
          expect(devices.size).toBeLessThanOrEqual(8);
          expect(devices.has('d0')).toBe(false);
          expect(devices.has('d11')).toBe(true);
        }
      });
    });

    describe('documents', () => {
      it('are listed by the beginning of their names, in order', async () => {
        const store = await open();
        await store.setDocuments(
          new Map([
            ['types/b', '2'],
            ['types/a', '1'],
            ['types', 'no'],
            ['typesx', 'no'],
            ['types/ü', '3'],
            ['other', 'no'],
          ]),
        );
        for (const each of [store, await again('crash')]) {
          expect([...each.documents('types/')]).toEqual([
            ['types/a', '1'],
            ['types/b', '2'],
            ['types/ü', '3'],
          ]);
          expect([...each.documents('')]).toHaveLength(6);
          expect([...each.documents('nothing')]).toEqual([]);
        }
      });

      it('change together or not at all, and are deleted with null', async () => {
        const store = await open();
        await store.setDocuments(new Map(Object.entries({ a: '1', b: '2' })));
        await store.setDocuments(new Map(Object.entries({ a: null, c: '3', x: null })));
        const bad = new Map(Object.entries({ d: '4', ['n'.repeat(513)]: 'x' }));
        await expect(store.setDocuments(bad)).rejects.toMatchObject({ code: 'usage' });
        for (const each of [store, await again('crash')]) {
          expect(Object.fromEntries(each.documents(''))).toEqual({ b: '2', c: '3' });
        }
      });

      it('are noted with a group, the last text under each name', async () => {
        const store = await open({ commitDelayMs: 1000 });
        const group = store.group();
        group.note('n/1', 'a');
        group.note('n/1', 'b');
        group.note('n/__proto__', 'c');
        expect(store.document('n/1')).toBeNull();
        await store.close();
        const later = await again('reopen');
        expect([...later.documents('n/')].flat()).toEqual(['n/1', 'b', 'n/__proto__', 'c']);
      });

      it('that cannot be kept never keep their group from being committed', async () => {
        const store = await open();
        const group = store.group();
        group.note('n'.repeat(513), 'x');
        group.note('ü'.repeat(257), 'x');
        group.note('', 'x');
        group.note('a\0b', 'x');
        group.note('half \ud800', 'x');
        group.note('long', 'x'.repeat(16 * KIB + 1));
        group.note('fits', 'x'.repeat(16 * KIB));
        group.note('n'.repeat(512), 'x');
        await group.committed;
        expect([...store.documents('')].map(([each]) => each)).toEqual(['fits', 'n'.repeat(512)]);
        for (const odd of ['', 'a\0b', 'n'.repeat(5000)]) expect(store.document(odd)).toBeNull();
      });

      it('are bounded in one group, and close it for the next message', async () => {
        const store = await open();
        const group = store.group();
        for (let i = 0; i < 600; i += 1) group.note(`n${i}`, 'x');
        expect(store.group()).not.toBe(group);
        await group.committed;
        expect([...store.documents('n')]).toHaveLength(512);
      });

      it('are bounded in number and bytes for groups, with room left for the gateway itself', async () => {
        const store = await open({ maxDocuments: 10, maxNoteBytes: 400 });
        const group = store.group();
        for (let i = 0; i < 20; i += 1) group.note(`n${i}`, 'x');
        await group.committed;
        expect([...store.documents('n')]).toHaveLength(10);
        expect(current.deps.events.all).toMatchObject([
          { name: 'hook.failed', fields: { error: expect.stringContaining('10 notes') } },
        ]);
        await store.setDocument('own', 'y'.repeat(500));
        const check = async (each: Store): Promise<void> => {
          const later = each.group();
          later.note('n3', 'changed');
          later.note('n4', '');
          later.note('another', 'z');
          await later.committed;
          expect(each.document('n3')).toBe('x');
          expect(each.document('n4')).toBe('');
          expect(each.document('another')).toBeNull();
          expect(each.document('own')).toHaveLength(500);
        };
        await check(store);
        await check(await again('reopen'));
      });

      it('are found in the store of one that crashed with its group, or not at all', async () => {
        const store = await open();
        await commitPoints(store, 1);
        const group = store.group();
        group.note('n', 'x');
        const later = await again('crash');
        expect(later.document('n')).toBeNull();
        await group.committed;
      });
    });
  });
}
