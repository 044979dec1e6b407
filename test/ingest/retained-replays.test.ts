import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Message, Relay } from '../../gateway/contracts.ts';
import { createRetainedReplays, type RetainedReplays } from '../../gateway/ingest/retained-replays.ts';
import type { Hash } from '../../gateway/store-contract.ts';
import { FakeGroup, FakeStore, MESSAGE, settled } from '../ledgers/fake-store.ts';

class LastGroup extends FakeGroup {
  readonly last: [Hash, Hash][] = [];
  constructor() {
    super(new FakeStore());
  }
  override rememberLast(topic?: Hash, payload?: Hash): void {
    if (topic !== undefined && payload !== undefined) this.last.push([topic, payload]);
  }
}

function relayed(topic: string, payload: string, source = 'upstream'): Message {
  const relay = { contentType: null, userProperties: new Map<string, string>() };
  return { ...MESSAGE, source, client: source, topic, payload: Buffer.from(payload), retain: true, relay };
}

describe('a message that another broker keeps and repeats', () => {
  it('is recognised by topic and payload, of its own source only', async () => {
    const retained = createRetainedReplays();
    const group = new LastGroup();
    retained.remember(relayed('a/b', '1'), group);
    await group.commit();
    expect(retained.find(relayed('a/b', '1'))).toEqual({ original: null });
    expect(retained.find(relayed('a/b', '2'))).toBeNull();
    expect(retained.find(relayed('a/c', '1'))).toBeNull();
    expect(retained.find(relayed('a/b', '1', 'another'))).toBeNull();
  });

  it('is a reading where what it has besides its payload is not the same, or could not be read before', async () => {
    const retained = createRetainedReplays();
    const group = new LastGroup();
    const plain = relayed('a/b', '1');
    const withRelay = (relay: Partial<Relay>): Message => ({
      ...plain,
      relay: { contentType: null, userProperties: new Map(), ...relay },
    });
    const unread = (name: string) => ({ names: new Map([[name, 'too-long' as const]]), others: null });
    const different = [
      plain,
      withRelay({ contentType: 'text/csv' }),
      withRelay({ userProperties: new Map([['site', 'north']]) }),
      withRelay({ unread: unread('site') }),
      withRelay({ unread: unread('note') }),
      withRelay({ unread: { names: new Map(), others: 'too-many' } }),
    ];
    for (const kept of different) {
      retained.remember(kept, group);
      expect(different.filter((each) => retained.find(each) !== null)).toEqual([kept]);
    }
  });

  it('is held against the last message of the topic, not against any before it', () => {
    const retained = createRetainedReplays();
    const group = new LastGroup();
    for (const payload of ['1', '2']) retained.remember(relayed('a/b', payload), group);
    expect(retained.find(relayed('a/b', '1')), 'it changed back while nobody looked').toBeNull();
    expect(retained.find(relayed('a/b', '2'))).not.toBeNull();
  });

  it('is acknowledged not before its original, and is a reading where that was not committed', async () => {
    const retained = createRetainedReplays();
    const group = new LastGroup();
    retained.remember(relayed('a/b', '1'), group);
    expect(retained.find(relayed('a/b', '1'))?.original).toBe(group.committed);
    await group.fail();
    expect(retained.find(relayed('a/b', '1'))).toBeNull();
  });

  it('is a reading where what came last is not certain, also after a restart', async () => {
    const retained = createRetainedReplays();
    const group = new LastGroup();
    retained.remember(relayed('a/b', '1'), group);
    retained.forget(relayed('a/b', '2'), group);
    await group.commit();
    expect(retained.find(relayed('a/b', '1'))).toBeNull();
    const restarted = createRetainedReplays();
    restarted.restore(group.last);
    expect(restarted.find(relayed('a/b', '1'))).toBeNull();
    expect(restarted.find(relayed('a/b', '2'))).toBeNull();
  });

  it('is a reading again when there are too many topics: those not seen for longest go', async () => {
    const retained = createRetainedReplays(3);
    const group = new LastGroup();
    for (const topic of ['a', 'b', 'c']) retained.remember(relayed(topic, '1'), group);
    expect(retained.find(relayed('a', '1'))).not.toBeNull();
    retained.remember(relayed('d', '1'), group);
    expect(['a', 'b', 'c', 'd'].filter((topic) => retained.find(relayed(topic, '1')) !== null)).toEqual([
      'a',
      'c',
      'd',
    ]);
  });

  type Step =
    | { readonly do: 'live' | 'replay' | 'uncertain'; readonly topic: string; readonly payload: string }
    | { readonly do: 'begin' | 'commit' | 'fail' | 'crash' };

  const topic = fc.constantFrom('a', 'b');
  const payload = fc.constantFrom('1', '2', '3');
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant('replay' as const), topic, payload }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant('live' as const), topic, payload }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('uncertain' as const), topic, payload }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('begin', 'commit', 'fail', 'crash') }) },
  );

  /** One that keeps what it was told, in words. */
  interface Kept {
    readonly group: LastGroup;
    readonly messages: { readonly topic: string; readonly payload: string | null }[];
  }

  it('property: is never taken for known unless it is, and always if it is, over failed groups and crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        let retained: RetainedReplays = createRetainedReplays();
        /** On disk: of each topic the payload kept last, and what the store remembers. */
        const disk = new Map<string, string | null>();
        const remembered = new Map<string, [Hash, Hash]>();
        let under: Kept[] = [];
        let open: Kept = { group: new LastGroup(), messages: [] };
        /** The last attempt of each topic, and the group that carries it (null: the disk). */
        let attempts = new Map<string, { payload: string | null; kept: Kept | null; isLost: boolean }>();
        const attempt = (topic: string, payload: string | null): void => {
          open.messages.push({ topic, payload });
          attempts.set(topic, { payload, kept: open, isLost: false });
        };
        for (const each of steps) {
          if ('topic' in each) {
            const message = relayed(each.topic, each.payload);
            if (each.do === 'replay') {
              const found = retained.find(message);
              const last = attempts.get(each.topic);
              const isKnown = last !== undefined && !last.isLost && last.payload === each.payload;
              expect(found !== null).toBe(isKnown);
              if (found !== null) {
                expect(found.original).toBe(last?.kept?.group.committed ?? null);
                continue;
              }
            }
            if (each.do === 'uncertain') retained.forget(message, open.group);
            else retained.remember(message, open.group);
            attempt(each.topic, each.do === 'uncertain' ? null : each.payload);
            continue;
          }
          if (each.do === 'begin' || under.length === 0) {
            under.push(open);
            open = { group: new LastGroup(), messages: [] };
          }
          const [first, ...others] = under;
          if (first === undefined || each.do === 'begin') continue;
          if (each.do === 'crash') {
            under = [];
            open = { group: new LastGroup(), messages: [] };
            retained = createRetainedReplays();
            retained.restore(remembered.values());
            attempts = new Map(
              [...disk].map(([topic, payload]) => [topic, { payload, kept: null, isLost: false }]),
            );
            continue;
          }
          under = others;
          if (each.do === 'commit') {
            await first.group.commit();
            for (const { topic, payload } of first.messages) disk.set(topic, payload);
            for (const pair of first.group.last) remembered.set(`${pair[0].high} ${pair[0].low}`, pair);
          } else await first.group.fail();
          await settled();
          for (const [topic, last] of attempts) {
            if (last.kept !== first) continue;
            attempts.set(topic, { ...last, kept: null, isLost: each.do === 'fail' });
          }
        }
      }),
      { numRuns: 300 },
    );
  });
});
