import { describe, expect, test } from 'vitest';
import type { BrokerSession, SubscribeResult } from '../../../gateway/broker-link/broker-session.ts';
import { Subscriptions, type Wanted } from '../../../gateway/sources/mqtt-client/subscriptions.ts';

interface World {
  readonly asked: string[];
  readonly refused: string[];
  text: string | null;
  /** Filters that the broker takes; the others it refuses. */
  readonly takes: Set<string>;
  /** The most that it grants of one. */
  readonly qos: Map<string, 0 | 1>;
  /** Left out: there are to be none. */
  readonly failures?: unknown[];
}

function world(...takes: readonly string[]): World {
  return { asked: [], refused: [], text: null, takes: new Set(takes), qos: new Map() };
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
            ? { filter, grantedQos: the.qos.get(filter) ?? qos, words: null }
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
    lowered: (filter, words) => the.refused.push(`${filter} lowered: ${words}`),
    failed: (error) => {
      if (the.failures === undefined) throw error;
      the.failures.push(error);
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

  test('are made only once the broker has answered: not where the connection ended first, or asking failed', async () => {
    const the = world('a', 'b');
    const ours = subscriptions(the, 'a', 'b');
    const there = session(the, true);
    expect(await ours.bring({ ...there, subscribe: async () => null }, true)).toBe(false);
    expect(await ours.bring({ ...there, closed: true }, true)).toBe(false);
    the.asked.length = 0;
    expect(await ours.bring(there, true)).toBe(true);
    expect(the.asked).toEqual(['+a,b']);
    const failures: unknown[] = [];
    const failing = subscriptions({ ...the, failures }, 'a', 'refused');
    const broken = async (): Promise<never> => {
      throw new Error('a bug');
    };
    expect(await failing.bring({ ...there, subscribe: broken }, true)).toBe(false);
    expect(failures).toEqual([new Error('a bug')]);
    expect(await failing.bring(there, true), 'a refusal is an answer').toBe(true);
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
    expect(ours.troubled).toEqual([{ filter: 'b', words: 'not authorised', grantedQos: null }]);
    expect(ours.isRefused).toBe(true);
    expect(the.refused).toEqual(['b: not authorised']);
    the.takes.add('b');
    await ours.bring(session(the, true), true);
    expect(the.asked).toEqual(['+a,b', '+b', '+b']);
    expect(ours.troubled).toEqual([]);
    expect(ours.isRefused).toBe(false);
  });

  test('that are taken at a lower QoS are told of until they are not, and asked for again over new connections only', async () => {
    const the = world('a', 'b');
    the.qos.set('b', 0);
    const ours = subscriptions(the, 'a', 'b');
    await ours.bring(session(the, false), true);
    const words =
      'at QoS 0 only, where 1 was asked for, so what is published while the connection is lost does not come: let it grant more, or write qos: 0';
    expect(ours.troubled).toEqual([{ filter: 'b', words, grantedQos: 0 }]);
    // It is subscribed to: there is nothing to try again soon.
    expect(ours.isRefused).toBe(false);
    await ours.bring(session(the, true), false);
    await ours.bring(session(the, true), true);
    expect(the.asked).toEqual(['+a,b', '+b']);
    expect(the.refused).toEqual([`b lowered: ${words}`]);
    the.qos.clear();
    await ours.bring(session(the, true), true);
    expect(ours.troubled).toEqual([]);
    await ours.bring(session(the, true), true);
    expect(the.asked).toEqual(['+a,b', '+b', '+b']);
  });

  test('of a former run are known of, those of another session are not', async () => {
    const the = world('a');
    const ours = subscriptions(the, 'a');
    expect(ours.wereMade).toBe(false);
    await ours.bring(session(the, false), true);
    expect(ours.wereMade).toBe(true);
    expect(subscriptions(the, 'a').wereMade).toBe(true);
    the.text = the.text?.replace('"me"', '"somebody else"') ?? null;
    expect(subscriptions(the, 'a').wereMade).toBe(false);
  });
});
