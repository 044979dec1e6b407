import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Key, Table } from '../../gateway/store/storage.ts';
import { commitPoints, quiet, testDeps } from '../contracts/store-harness.ts';

const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;

/** Counts how often a whole group is read, which costs the event loop up to a MiB of copying and checking. */
class WatchedStorage extends MemoryStorage {
  reads = 0;

  override get(table: Table, key: Key): Buffer | null {
    if (table === 'log') this.reads += 1;
    return super.get(table, key);
  }
}

describe('dropping the oldest', () => {
  it('reads few of the groups that it drops', async () => {
    const storage = new WatchedStorage();
    const store = createMemoryStore({ storage, foldGroups: 50 }, testDeps());
    store.openSink('a', BLOCK);
    for (let i = 0; i < 400; i += 1) await commitPoints(store, 1);
    await quiet(store);
    storage.reads = 0;
    store.openSink('a', { maxBacklogBytes: 500, whenFull: 'drop-oldest' });
    await quiet(store);
    expect(store.sinks()[0]?.dropped).toBeGreaterThan(300);
    expect(storage.reads).toBeLessThan(60);
  });
});

describe('a group of the log that cannot be read', () => {
  it('keeps neither a ledger from being read nor later groups from being acknowledged', async () => {
    const deps = testDeps();
    const storage = new MemoryStorage();
    const options = { storage, maxBytes: 64 * 1024, whenFull: 'drop-oldest' as const, foldGroups: 2 };
    const store = createMemoryStore(options, deps);
    store.openSink('a', BLOCK);
    for (let i = 0; i < 10; i += 1) await commitPoints(store, 50);
    await quiet(store);
    await storage.commit((writes) => {
      for (let seq = 1; seq <= 1000; seq += 1) {
        if (storage.get('log', seq) !== null) writes.put('log', seq, Buffer.from('nonsense'));
      }
    });
    expect(store.sinks()).toMatchObject([{ oldestPendingMs: null }]);
    for (let i = 0; i < 60; i += 1) await commitPoints(store, 50);
    expect(store.account().total).toMatchObject({ stored: 70 * 50, refused: 0 });
    expect(deps.events.count('hook.failed')).toBeGreaterThan(0);
  });
});
