import { describe, expect, it } from 'vitest';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { StoreOptions } from '../../gateway/store/store-options.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { testDeps } from '../contracts/store-harness.ts';

const MAX_BYTES = 100_000;

function storeOf(options: Partial<StoreOptions> = {}): Store {
  const rejected = { maxBytes: 10_000, maxAgeMs: 86_400_000 };
  return createMemoryStore({ maxBytes: MAX_BYTES, rejected, ...options }, testDeps());
}

/** Until it takes no more. */
async function fill(store: Store, forwarded = 0): Promise<void> {
  for (let i = 0; store.status().state === 'open'; i += 1) {
    const group = store.group();
    group.receive('mqtt', 'd', 1);
    group.count('mqtt', 'd', 'stored', 1);
    group.point(`m,device=d x=${i}i ${i}\n`);
    if (forwarded > 0) group.forward('up', 't', Buffer.alloc(forwarded));
    await group.committed;
  }
}

describe('a store that is full', () => {
  it('says how much its log takes up, how much may be, and who is waited for', async () => {
    const store = storeOf();
    store.openSink('influx', { maxBacklogBytes: null, whenFull: 'block' });
    store.openSink('idle', { maxBacklogBytes: null, whenFull: 'block' });
    await fill(store);
    await store.settle('idle', { throughSeq: store.status().lastSeq, written: 0, rejected: [] });
    const { state, reason, liveBytes, maxBytes, lastSeq } = store.status();
    expect({ state, maxBytes }).toEqual({ state: 'full', maxBytes: 90_000 });
    expect(reason).toContain(`the log takes up ${liveBytes} bytes, of the 90000 there are`);
    expect(reason).toContain('(store.maxBytes less 10000 for rejected readings)');
    expect(reason).toMatch(new RegExp(`waiting: .*${lastSeq} points for sink influx`));
    expect(reason).toContain('raise store.maxBytes');
    expect(() => store.group()).toThrow(expect.objectContaining({ code: 'store-full', message: reason }));
    await store.close();
  });

  it('tells the outboxes apart from the log', async () => {
    const store = storeOf();
    store.openSink('influx', { maxBacklogBytes: null, whenFull: 'block' });
    store.openOutbox('up', { maxBacklogBytes: 1e9, whenFull: 'refuse' });
    await fill(store, 300);
    const { reason, liveBytes, lastSeq } = store.status();
    const [, log, outboxes] =
      /log takes up (\d+) bytes, the outboxes .* (\d+), of the/.exec(reason ?? '') ?? [];
    expect(Number(outboxes)).toBeGreaterThan(300 * lastSeq);
    expect(Number(log) + Number(outboxes)).toBe(liveBytes);
    expect(reason).toContain(`${lastSeq} messages for forward up`);
    await store.close();
  });

  it('counts what is about to be committed where that is what does not fit', () => {
    const store = storeOf({ commitDelayMs: 1000 });
    store.openSink('influx', { maxBacklogBytes: null, whenFull: 'block' });
    const take = (): void => {
      for (let i = 0; i < 1000; i += 1) store.group().point(`m x="${'x'.repeat(1000)}" ${i}\n`);
    };
    expect(take).toThrow(
      /^the log takes up 0 bytes, what is about to be committed \d+, of the 90000 .* so there is room in a moment/,
    );
  });
});
