import { describe, expect, it } from 'vitest';
import { createTopicsSeen, DEFAULT_TOPICS_SEEN_LIMITS } from '../../gateway/operations/topics-seen.ts';

describe('topics seen', () => {
  it('counts each topic, busiest first, with a sample of what it carries', () => {
    const topics = createTopicsSeen();
    topics.saw('a', Buffer.from('1'), ['environment.v1'], 10);
    topics.saw('b', Buffer.from('2'), [], 11);
    topics.saw('b', Buffer.from('3'), [], 5_000);
    expect(topics.list()).toEqual([
      { topic: 'b', count: 2, schemas: [], lastMs: 5_000, sample: Buffer.from('3') },
      { topic: 'a', count: 1, schemas: ['environment.v1'], lastMs: 10, sample: Buffer.from('1') },
    ]);
  });

  it('keeps its own copy of the sample, and no more than its beginning', () => {
    const topics = createTopicsSeen();
    const payload = Buffer.alloc(10_000, 'x');
    topics.saw('a', payload, [], 0);
    payload.fill('y');
    expect(topics.list()[0]?.sample).toEqual(Buffer.alloc(DEFAULT_TOPICS_SEEN_LIMITS.sampleBytes, 'x'));
  });

  it('is bounded: when full, topics not seen for longest give way', () => {
    const topics = createTopicsSeen({ ...DEFAULT_TOPICS_SEEN_LIMITS, maxTopics: 80 });
    for (let i = 0; i < 1_000; i += 1) {
      topics.saw(`t${i}`, Buffer.from('1'), [], i);
      topics.saw('steady', Buffer.from('1'), [], i);
    }
    const list = topics.list();
    expect(list.length).toBeLessThanOrEqual(80);
    expect(list[0]).toMatchObject({ topic: 'steady', count: 1_000 });
  });
});
