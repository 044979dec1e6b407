import { describe, expect, it } from 'vitest';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Outbox, Store } from '../../gateway/store-contract.ts';
import { addPoints, commitPoints, quiet, testDeps } from '../contracts/store-harness.ts';

const ALL = { maxMessages: 1e6, maxBytes: 1e9 };
const BLOCK = { maxBacklogBytes: 2 ** 20, whenFull: 'block' } as const;

const waiting = (outbox: Outbox): string[] =>
  (outbox.read(null, ALL)?.messages ?? []).map(({ payload }) => payload.toString());

async function put(store: Store, text: string): Promise<void> {
  const group = store.group();
  addPoints(group, 1);
  group.forward('up', 't', Buffer.from(text));
  group.rememberLast({ high: 1, low: 1 }, { high: 0, low: text.length });
  await group.committed;
}

describe('a disk that fails', () => {
  it.each(['the write', 'the sync'])(
    'where %s fails, nothing of the group is forwarded, and it heals',
    async (what) => {
      const storage = new MemoryStorage();
      let failing: Error | null = null;
      const deps = {
        ...testDeps(),
        synced: async () => {
          if (what === 'the sync' && failing !== null) throw failing;
        },
      };
      const store = createMemoryStore({ storage }, deps);
      const outbox = store.openOutbox('up', BLOCK);
      await put(store, 'a');
      failing = new Error('no disk');
      if (what === 'the write') storage.fail = failing;
      await expect(put(store, 'refused')).rejects.toMatchObject({ code: 'store-unavailable' });
      expect(() => store.group()).toThrow('no disk');
      failing = null;
      storage.fail = null;
      for (let i = 0; store.status().state !== 'open' && i < 50; i += 1) {
        deps.clock.advance(5_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
      // The next group takes its number, and has nothing for the outbox.
      await commitPoints(store, 1);
      expect(waiting(outbox)).toEqual(['a']);
      await put(store, 'bb');
      expect(waiting(outbox)).toEqual(['a', 'bb']);
      const after = createMemoryStore({ storage }, testDeps());
      expect(waiting(after.openOutbox('up', BLOCK))).toEqual(['a', 'bb']);
      expect([...after.lastPayloads].map(([, { low }]) => low)).toEqual([2]);
      expect(after.outboxes()).toMatchObject([{ taken: 2, pending: 2 }]);
    },
  );

  it('that is full takes no readings, and sending what waits makes room all the same', async () => {
    const storage = new MemoryStorage();
    const store = createMemoryStore({ storage }, testDeps());
    const outbox = store.openOutbox('up', BLOCK);
    await put(store, 'a');
    storage.shorten = { state: 'full', reason: 'the disk is full' };
    await quiet(store);
    await outbox.sent({ seq: 1, count: 1 });
    expect(store.status()).toMatchObject({ state: 'full', reason: 'the disk is full' });
    expect(() => store.group()).toThrow('the disk is full');
    expect(outbox.ledger()).toMatchObject({ sent: 1, pending: 0 });
    expect([...storage.entries('outbox')]).toEqual([]);
  });
});
