import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Writes } from '../../gateway/store/storage.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { quiet, testDeps } from '../contracts/store-harness.ts';
import { copyOf } from './copy-of.ts';

const MIB = 2 ** 20;
/** What one value may cost in pages, as the storage on disk reckons it. */
const WRITE_BYTES = 12_288;

/** Keeps what lies there after each transaction, and what each of them may cost at most beside the record of a group. */
class WatchedStorage extends MemoryStorage {
  readonly costs: number[] = [];
  readonly states: MemoryStorage[] = [];
  isWatched: boolean = false;

  override async commit(write: (writes: Writes) => void): Promise<void> {
    let cost = 0;
    await super.commit((writes) =>
      write({
        put: (table, key, value) => {
          if (table !== 'log') cost += WRITE_BYTES + value.length;
          writes.put(table, key, value);
        },
        remove: (table, key) => {
          if (table !== 'log') cost += WRITE_BYTES;
          writes.remove(table, key);
        },
      }),
    );
    if (!this.isWatched) return;
    this.costs.push(cost);
    this.states.push(await copyOf(this));
  }
}

async function identify(store: Store, groups: number, devices: number, each: number): Promise<void> {
  for (let i = 0; i < groups; i += 1) {
    const group = store.group();
    for (let d = 0; d < devices; d += 1) {
      for (let k = 0; k < each; k += 1) group.identify(`d${d}`, { high: i, low: k });
    }
    group.receive('mqtt', 'd0', devices * each);
    group.count('mqtt', 'd0', 'duplicate', devices * each);
    await group.committed;
  }
}

/** Of each device, in order. */
function identitiesOf(store: Store): Map<string, number[]> {
  const found = new Map<string, number[]>();
  for (const { device, high, low } of store.identities) {
    const all = found.get(device) ?? [];
    if (all.push(high * 1000 + low) === 1) found.set(device, all);
  }
  return found;
}

describe('folding large windows', () => {
  it('takes several small transactions, and a crash between any two of them loses and doubles nothing', {
    timeout: 60_000,
  }, async () => {
    const storage = new WatchedStorage();
    const store = createMemoryStore({ storage, foldGroups: 7 }, testDeps());
    await identify(store, 6, 120, 65);
    const expected = identitiesOf(store);
    storage.isWatched = true;
    store.countLater('mqtt', 'd0', 'forwarded', 1);
    await identify(store, 1, 0, 0);
    for (let i = 0; i < 10; i += 1) await quiet(store);
    expect(storage.costs.length).toBeGreaterThan(5);
    expect(storage.costs.filter((cost) => cost > MIB).length).toBeGreaterThan(2);
    expect(Math.max(...storage.costs)).toBeLessThan(2 * MIB);
    for (const state of storage.states) {
      const crashed = createMemoryStore({ storage: state }, testDeps());
      expect(identitiesOf(crashed)).toEqual(expected);
      expect(crashed.account().total).toMatchObject({ received: 46_801, duplicate: 46_800 });
    }
    expect(store.status().liveBytes).toBe(0);
  });

  it('writes the window of a busy client once, however many transactions that of identities takes', async () => {
    const storage = new WatchedStorage();
    const store = createMemoryStore({ storage, foldGroups: 60 }, testDeps());
    let packetId = 0;
    const publish = async (): Promise<void> => {
      const group = store.group();
      packetId += 1;
      group.remember({ client: 'c', packetId, hashHigh: 1, hashLow: packetId, readings: 1, state: 1 });
      await group.committed;
    };
    await identify(store, 50, 120, 10);
    for (let i = 0; i < 9; i += 1) await publish();
    const written = new Map<string, number>();
    const commit = storage.commit.bind(storage);
    storage.commit = (write) =>
      commit((writes) =>
        write({
          put: (table, key, value) => {
            const [name = ''] = String(key).split('/');
            if (table === 'state') written.set(name, (written.get(name) ?? 0) + 1);
            writes.put(table, key, value);
          },
          remove: (table, key) => writes.remove(table, key),
        }),
      );
    // The first of them makes the fold due; the others come while its transactions go on.
    for (let i = 0; i < 40; i += 1) await publish();
    await quiet(store);
    expect(written.get('log')).toBeGreaterThan(3);
    expect(written.get('transfers')).toBe(1);
    await store.close();
    const known = [...createMemoryStore({ storage }, testDeps()).transfers].map((key) => key.packetId);
    expect(known).toEqual(Array.from({ length: 49 }, (_, i) => i + 1));
  });

  it('comes to an end while readings go on', async () => {
    const storage = new WatchedStorage();
    const store = createMemoryStore({ storage, foldGroups: 10 }, testDeps());
    await identify(store, 150, 200, 5);
    await quiet(store);
    const { liveBytes } = store.status();
    await identify(store, 150, 200, 5);
    await quiet(store);
    expect(store.status().liveBytes).toBeLessThan(2 * Math.max(liveBytes, MIB));
    await store.close();
    expect(identitiesOf(createMemoryStore({ storage }, testDeps()))).toEqual(identitiesOf(store));
  });

  it('writes little for a single reading, however full the windows are', async () => {
    const storage = new WatchedStorage();
    const store = createMemoryStore({ storage, foldGroups: 1, maxIdentitiesPerDevice: 4096 }, testDeps());
    for (let i = 0; i < 50; i += 1) await identify(store, 1, 32, 100);
    for (let i = 0; i < 10; i += 1) await quiet(store);
    let bytes = 0;
    const commit = storage.commit.bind(storage);
    storage.commit = (write) =>
      commit((writes) =>
        write({
          put: (table, key, value) => {
            if (String(key).startsWith('identit')) bytes += value.length;
            writes.put(table, key, value);
          },
          remove: (table, key) => writes.remove(table, key),
        }),
      );
    await identify(store, 1, 1, 1);
    await quiet(store);
    expect([...store.identities].length).toBe(32 * 4096);
    expect(bytes).toBeGreaterThan(0);
    expect(bytes).toBeLessThan(32 * 1100);
  });
});
