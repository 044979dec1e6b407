import { describe, expect, test } from 'vitest';
import type { BrokerSession, SubscribeResult } from '../../../gateway/broker-link/broker-session.ts';
import { Subscriptions, type Wanted } from '../../../gateway/sources/mqtt-client/subscriptions.ts';

interface World {
  readonly asked: string[];
  readonly refused: string[];
  text: string | null;
  /** Filters that the broker takes; the others it refuses. */
  readonly takes: Set<string>;
}

function world(...takes: readonly string[]): World {
  return { asked: [], refused: [], text: null, takes: new Set(takes) };
}

function session(the: World, sessionPresent: boolean): BrokerSession {
  return {
    number: 1,
    sessionPresent,
    limits: { receiveMaximum: 1, maxPacketBytes: null, maxQos: 2, retain: true },
    closed: false,
    async subscribe(filters) {
      if (filters.length > 0) the.asked.push(`+${filters.map(({ filter }) => filter).join()}`);
      return filters.map(
        ({ filter, qos }): SubscribeResult =>
          the.takes.has(filter)
            ? { filter, grantedQos: qos, words: null }
            : { filter, grantedQos: null, words: 'not authorised' },
      );
    },
    async unsubscribe(filters) {
      if (filters.length > 0) the.asked.push(`-${filters.join()}`);
    },
    publish: () => undefined,
  };
}

function subscriptions(the: World, ...filters: readonly string[]): Subscriptions {
  return new Subscriptions({
    wanted: filters.map((filter): Wanted => ({ filter, qos: 1 })),
    owner: 'me',
    remembered: {
      get: () => the.text,
      set: async (text) => {
        the.text = text;
      },
    },
    refused: (filter, words) => the.refused.push(`${filter}: ${words}`),
    failed: (error) => {
      throw error;
    },
  });
}

describe('the subscriptions at another broker', () => {
  test('are made at the start, then only where the broker has forgotten them', async () => {
    const the = world('a', 'b');
    const ours = subscriptions(the, 'a', 'b');
    await ours.bring(session(the, true), true);
    await ours.bring(session(the, true), true);
    await ours.bring(session(the, false), true);
    expect(the.asked).toEqual(['+a,b', '+a,b']);
  });

  test('that are shared are made over each connection: a broker may know the session and have forgotten them', async () => {
    const the = world('a', '$share/g/b');
    const ours = subscriptions(the, 'a', '$share/g/b');
    await ours.bring(session(the, false), true);
    await ours.bring(session(the, true), true);
    await ours.bring(session(the, true), false);
    expect(the.asked).toEqual(['+a,$share/g/b', '+$share/g/b']);
  });

  test('of a former configuration are ended', async () => {
    const the = world('a', 'b');
    await subscriptions(the, 'a', 'b').bring(session(the, false), true);
    the.asked.length = 0;
    await subscriptions(the, 'b').bring(session(the, true), true);
    expect(the.asked).toEqual(['-a', '+b']);
    the.text = 'damaged';
    await subscriptions(the, 'b').bring(session(the, true), true);
    expect(the.asked.at(-1)).toBe('+b');
  });

  test('are ended in a later configuration also where the broker has never confirmed them', async () => {
    const the = world('a', 'b');
    const cutOff = { ...session(the, false), subscribe: async () => null };
    await subscriptions(the, 'a', 'b').bring(cutOff, true);
    const refusing = world();
    refusing.text = the.text;
    await subscriptions(refusing, 'a', 'b').bring(session(refusing, true), true);
    the.text = refusing.text;
    await subscriptions(the, 'b').bring(session(the, true), true);
    expect(the.asked).toEqual(['-a', '+b']);
    await subscriptions(the, 'b').bring(session(the, true), true);
    expect(the.asked).toEqual(['-a', '+b', '+b']);
  });

  test('that are refused are told of once, and asked for again until they are taken', async () => {
    const the = world('a');
    const ours = subscriptions(the, 'a', 'b');
    await ours.bring(session(the, false), true);
    await ours.bring(session(the, false), false);
    expect(ours.refused).toEqual([{ filter: 'b', words: 'not authorised' }]);
    expect(the.refused).toEqual(['b: not authorised']);
    the.takes.add('b');
    await ours.bring(session(the, true), true);
    expect(the.asked).toEqual(['+a,b', '+b', '+b']);
    expect(ours.refused).toEqual([]);
  });
});
