import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { systemClock } from '../../gateway/clocks/clock.ts';
import { openLmdbStore } from '../../gateway/store/lmdb-store.ts';
import { commitPoints, RecordedEvents } from '../contracts/store-harness.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const UPKEEP = { timeout: 5000, interval: 20 };

describe('a store whose folder is moved away or deleted under it', () => {
  it('acknowledges nothing, says so, and goes on when the folder is back', async () => {
    const parent = temporaryFolder('lost');
    const dir = join(parent, 'store');
    const store = await openLmdbStore(
      { dir, minFreeDiskBytes: 0, maxBytes: 2 ** 26, foldGroups: 20, upkeepEveryMs: 20 },
      { clock: systemClock, events: new RecordedEvents() },
    );
    try {
      await commitPoints(store, 5);
      renameSync(dir, join(parent, 'away'));
      await vi.waitFor(() => expect(store.status()).toMatchObject({ state: 'unavailable' }), UPKEEP);
      expect(store.status()).toMatchObject({ reason: expect.stringContaining('was deleted or moved') });
      await expect(commitPoints(store, 5)).rejects.toMatchObject({ code: 'store-unavailable' });
      renameSync(join(parent, 'away'), dir);
      await vi.waitFor(() => expect(store.status().state).toBe('open'), UPKEEP);
      await commitPoints(store, 5);
    } finally {
      await store.close();
    }
  });
});
