import { describe, expect, it } from 'vitest';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import {
  addPoints,
  commitPoints,
  pendingLines,
  quiet,
  rejectionOf,
  testDeps,
} from '../contracts/store-harness.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;

describe('a store whose sync is withheld', () => {
  it('acknowledges nothing, announces nothing and counts nothing', async () => {
    const withheld: (() => void)[] = [];
    const synced = (): Promise<void> => new Promise((resolve) => withheld.push(resolve));
    const options = { dir: temporaryFolder('store'), minFreeDiskBytes: 0, upkeepEveryMs: null };
    const store = await openLmdbStore(options, { ...testDeps(), synced });
    const seen: string[] = [];
    store.onCommit((seq) => seen.push(`group ${seq}`));
    const first = addPoints(store.group(), 2).committed.then(() => seen.push('first'));
    await expect.poll(() => withheld.length).toBe(1);
    // The second collects behind the first, and may not overtake it.
    const second = addPoints(store.group(), 1).committed.then(() => seen.push('second'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(withheld).toHaveLength(1);
    expect(seen).toEqual([]);
    expect(store.account().total.stored).toBe(0);
    expect(store.status().lastSeq).toBe(0);
    withheld.pop()?.();
    await first;
    expect(seen).toEqual(['group 1', 'first']);
    await expect.poll(() => withheld.length).toBe(1);
    withheld.pop()?.();
    await second;
    expect(store.account().total.stored).toBe(3);
    await store.close();
  });
});

describe('a store whose disk fails', () => {
  it('refuses the group and everything behind it, counts its readings as refused, and heals by itself', async () => {
    const deps = testDeps();
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage, maxGroupPoints: 5 }, deps);
    store.openSink('a', BLOCK);
    const kept = await commitPoints(store, 2);

    storage.fail = new Error('EIO: input/output error');
    store.countLater('mqtt', 'd1', 'forwarded', 4);
    const group = store.group();
    addPoints(group, 5);
    const id = group.reject(rejectionOf());
    group.receive('mqtt', 'd1', 1);
    group.count('mqtt', 'd1', 'rejected', 1);
    group.identify('d1', { high: 1, low: 2 });
    group.note('n', 'x');
    group.remember({ client: 'c', packetId: 1, hashHigh: 1, hashLow: 1, readings: 1, state: 1 });
    const queued = store.group();
    addPoints(queued, 3);
    expect(queued).not.toBe(group);
    for (const { committed } of [group, queued]) {
      await expect(committed).rejects.toMatchObject({ code: 'store-unavailable', message: /EIO/ });
    }
    expect(store.status()).toMatchObject({ state: 'unavailable', reason: expect.stringContaining('EIO') });
    expect(() => store.group()).toThrowError(expect.objectContaining({ code: 'store-unavailable' }));
    expect(deps.events.count('store.unavailable')).toBe(1);

    for (let i = 0; i < 5; i += 1) {
      deps.clock.advance(5000);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(store.status().state).toBe('unavailable');
    storage.fail = null;
    deps.clock.advance(5000);
    await expect.poll(() => store.status().state).toBe('open');
    expect(deps.events.count('store.open')).toBe(1);

    const more = await commitPoints(store, 1);
    expect(pendingLines(store, 'a')).toEqual([...kept, ...more]);
    expect(store.account().total).toEqual({
      received: 16,
      stored: 3,
      duplicate: 0,
      rejected: 0,
      forwarded: 4,
      refused: 9,
    });
    expect(store.account().codes.invalid).toBe(0);
    expect(store.rejection(id)).toBeNull();
    const later = createMemoryStore({ storage }, testDeps());
    expect([...later.transfers]).toEqual([]);
    expect([...later.identities]).toEqual([]);
    expect(later.document('n')).toBeNull();
    expect(later.account()).toEqual(store.account());
  });

  it('loses nothing of a fold, a settlement or a document that failed', async () => {
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage, foldGroups: 3 }, testDeps());
    store.openSink('a', BLOCK);
    for (let i = 0; i < 2; i += 1) await commitPoints(store, 4, `d${i}`);
    storage.fail = new Error('EIO');
    const settlement = { throughSeq: 1, written: 4, rejected: [] };
    await expect(store.settle('a', settlement)).rejects.toThrow('EIO');
    await expect(store.setDocument('d', 'x')).rejects.toThrow('EIO');
    expect(store.sinks()[0]).toMatchObject({ written: 0, pending: 8 });
    expect(store.document('d')).toBeNull();
    storage.fail = null;
    await store.settle('a', settlement);
    expect(store.sinks()[0]).toMatchObject({ written: 4, pending: 4 });
    await quiet(store);
    expect(createMemoryStore({ storage }, testDeps()).account()).toEqual(store.account());
  });

  it('loses no identity of a flush that failed, and writes each piece of them once it can', async () => {
    const deps = testDeps();
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage, foldGroups: 4 }, deps);
    const identified: number[] = [];
    for (let i = 0; i < 40; i += 1) {
      const group = store.group();
      for (let k = 0; k < 50; k += 1) {
        group.identify('d1', { high: i, low: k });
        identified.push(i * 1000 + k);
      }
      // Devices that come once: nothing makes their windows be written again.
      for (let k = 0; k < 33; k += 1) group.identify(`once ${i} ${k}`, { high: i, low: k });
      await group.committed;
      storage.fail = i % 3 === 0 ? new Error('EIO') : null;
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      storage.fail = null;
      deps.clock.advance(5000);
      await expect.poll(() => store.status().state).toBe('open');
      await quiet(store);
    }
    const later = createMemoryStore({ storage }, testDeps());
    const kept = [...later.identities];
    const ofD1 = kept.filter(({ device }) => device === 'd1');
    expect(ofD1.map(({ high, low }) => high * 1000 + low)).toEqual(identified);
    expect(kept).toHaveLength(identified.length + 40 * 33);
  });

  it('keeps a replay, a deletion and a base as they were where their transaction failed', async () => {
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage }, testDeps());
    store.openSink('a', BLOCK);
    const group = store.group();
    const id = group.reject(rejectionOf());
    group.point('m v=1 5\n');
    group.markProvisional();
    await group.committed;
    storage.fail = new Error('EIO');
    const replay = store.group();
    replay.resolve(id, 'stored');
    const failed = expect(replay.committed).rejects.toMatchObject({ code: 'store-unavailable' });
    await failed;
    await expect(store.discardRejections([id])).rejects.toThrow('EIO');
    await expect(store.setArrivalBase('1700000000000000000')).rejects.toThrow('EIO');
    storage.fail = null;
    expect(store.rejection(id)).toMatchObject({ resolved: null });
    expect(store.status()).toMatchObject({ rejectedCount: 1, rejectedOpenCount: 1 });
    expect(store.account()).toMatchObject({ rejectedReplayed: 0, rejectedDiscarded: 0 });
    expect(store.provisionalNs).toBe('5');
    expect(pendingLines(store, 'a')).toEqual([]);
    await store.setArrivalBase('1700000000000000000');
    expect(pendingLines(store, 'a')).toEqual(['m v=1 1700000000000000005\n']);
  });

  it('says so when it stops while it is failing, and stops all the same', async () => {
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage }, testDeps());
    await commitPoints(store, 1);
    const { committed } = addPoints(store.group(), 1);
    storage.fail = new Error('EIO');
    await store.close();
    await expect(committed).rejects.toMatchObject({ code: 'store-unavailable' });
    expect(store.status().state).toBe('closed');
  });

  it('still lets go of what the sinks have, when there is no room for groups', async () => {
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage, foldGroups: 1 }, testDeps());
    store.openSink('a', BLOCK);
    for (let i = 0; i < 70; i += 1) await commitPoints(store, 10);
    storage.shorten = { state: 'full', reason: 'the disk is nearly full' };
    await quiet(store);
    await store.settle('a', { throughSeq: 70, written: 700, rejected: [] });
    expect(store.status()).toMatchObject({ state: 'full', reason: 'the disk is nearly full' });
    await quiet(store);
    expect(store.status().liveBytes).toBe(0);
  });
});
