import { describe, expect, it } from 'vitest';
import { LastPayloads, topicKey } from '../../gateway/store/last-payloads.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import type { Hash } from '../../gateway/store-contract.ts';

const topicOf = (n: number): Hash => ({ high: 0xdead_0000 + n, low: n });

/** One group that remembers these topics, each with `payload`. */
async function remember(
  last: LastPayloads,
  storage: MemoryStorage,
  seq: number,
  topics: readonly number[],
  payload: number,
): Promise<void> {
  const notes = new Map(
    topics.map((n) => {
      const topic = topicOf(n);
      const note = { topicHigh: topic.high, topicLow: topic.low, payloadHigh: 0, payloadLow: payload };
      return [topicKey(topic), note] as const;
    }),
  );
  const change = last.commit(notes, seq);
  await storage.commit(change.write);
  change.done();
}

function opened(storage: MemoryStorage, maxTopics?: number): LastPayloads {
  const last = new LastPayloads(storage, maxTopics);
  last.load();
  return last;
}

const topicsOf = (last: LastPayloads): number[] => [...last].map(([{ low }]) => low).sort((a, b) => a - b);

describe('the last payloads of topics', () => {
  it('take up no more for being heard often: what is out of date goes', async () => {
    const storage = new MemoryStorage();
    const last = opened(storage);
    const some = Array.from({ length: 100 }, (_, i) => i);
    await remember(last, storage, 1, [...some, 1_000, 1_001], 7);
    for (let seq = 2; seq < 400; seq += 1) await remember(last, storage, seq, some, seq);
    let bytes = 0;
    for (const { value } of storage.entries('last')) bytes += value.length;
    expect(bytes).toBeLessThan(24 * 6_000);
    for (const each of [last, opened(storage)]) {
      const payloads = new Map([...each].map(([topic, { low }]) => [topic.low, low]));
      expect(payloads.get(5)).toBe(399);
      // Carried along with the others for as long as they count.
      expect(payloads.get(1_000)).toBe(7);
      expect(payloads.size).toBe(102);
    }
  });

  it('are bounded: what was remembered longest ago goes, also where it was carried along since', async () => {
    const storage = new MemoryStorage();
    const last = opened(storage, 10);
    for (let n = 0; n < 8; n += 1) await remember(last, storage, n + 1, [n], 0);
    await remember(last, storage, 20, [0], 0);
    for (let n = 8; n < 12; n += 1) await remember(last, storage, 100 + n, [n], 0);
    const kept = [0, 3, 4, 5, 6, 7, 8, 9, 10, 11];
    expect(topicsOf(last)).toEqual(kept);
    expect(topicsOf(opened(storage, 10))).toEqual(kept);
  });
});
