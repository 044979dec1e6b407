import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { testDeps } from '../contracts/store-harness.ts';
import { LeapingClock } from '../support/leaping-clock.ts';

const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;

describe('what is refused while a store is full', () => {
  it('is counted within seconds, and takes up next to no room however long that lasts', async () => {
    const clock = new LeapingClock();
    const store = createMemoryStore(
      { maxBytes: 100_000, rejected: { maxBytes: 10_000, maxAgeMs: 86_400_000 }, upkeepEveryMs: SECOND_MS },
      { ...testDeps(), clock },
    );
    store.openSink('influx', { maxBacklogBytes: null, whenFull: 'block' });
    for (let i = 0; store.status().state === 'open'; i += 1) {
      const group = store.group();
      group.point(`m,device=d x=${i}i ${i}\n`);
      await group.committed;
    }
    const refusedFor = async (ms: number): Promise<void> => {
      for (let passed = 0; passed < ms; passed += SECOND_MS) {
        store.countLater('mqtt', 'd', 'refused', 1);
        await clock.pass(SECOND_MS);
      }
    };
    await refusedFor(3 * SECOND_MS);
    expect(store.account().total.refused).toBeGreaterThan(0);
    const { lastSeq } = store.status();
    await refusedFor(HOUR_MS);
    // One a minute, and no more.
    expect(store.status().lastSeq - lastSeq).toBeLessThan(HOUR_MS / 60_000 + 10);
    expect(store.account().total.refused).toBeGreaterThan(HOUR_MS / SECOND_MS - 120);
    await store.close();
  });
});
