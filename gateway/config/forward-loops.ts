import { commonFilter } from '../broker-link/topic-filter.ts';
import { brokerKey } from './broker-connection.ts';
import type { BrokerConfig, ForwardConfig, ListenerConfig } from './gateway-config.ts';
import { isOwnListener } from './own-listener.ts';

type Forward = Pick<ForwardConfig, 'name' | 'connection' | 'topics' | 'prefix'>;

/** Where what goes out may come in again. */
interface Entrances {
  readonly brokers: readonly Pick<BrokerConfig, 'name' | 'connection' | 'subscribe'>[];
  /** Of the embedded broker. */
  readonly listeners: readonly ListenerConfig[];
}

/** Circles over more forwards than this are not looked for. */
const MOST_IN_A_CIRCLE = 4;

/**
 * What this one forwards comes in again, perhaps goes on over others, and would be forwarded by it again; in words, or
 * null where it would not, as far as a configuration shows. A circle over several is told of the first of them. What comes
 * in under a topic that is not forwarded goes round once at most, and is no loop.
 */
export function loopProblem(first: Forward, all: readonly Forward[], entrances: Entrances): string | null {
  // Those before it have told of the circles that they are in.
  const others = all.slice(all.indexOf(first) + 1);
  return follow(first, first.topics, []);

  function follow(by: Forward, topics: readonly string[], before: readonly Forward[]): string | null {
    const sent = topics.map((filter) => underPrefix(by.prefix, filter));
    for (const { filters, words } of comingBack(by, sent, entrances)) {
      if (common(filters, first.topics).length > 0) return problemIn([...before, by], words);
      for (const other of others) {
        if (other === by || before.includes(other) || before.length + 2 > MOST_IN_A_CIRCLE) continue;
        const taken = common(filters, other.topics);
        const found = taken.length === 0 ? null : follow(other, taken, [...before, by]);
        if (found !== null) return found;
      }
    }
    return null;
  }
}

interface Way {
  readonly filters: readonly string[];
  /** As an object of "sends to". */
  readonly words: { readonly place: string; readonly remedy: string };
}

function comingBack(
  { connection }: Forward,
  sent: readonly string[],
  { brokers, listeners }: Entrances,
): readonly Way[] {
  const ways: Way[] = brokers
    .filter((broker) => brokerKey(broker.connection) === brokerKey(connection))
    .map(({ name, subscribe }) => ({
      filters: common(
        sent,
        subscribe.map(({ filter }) => filter),
      ),
      words: {
        place: `the broker that is read as ${name} what is read from there`,
        remedy: 'Give it a prefix, or other topics, that brokers: does not subscribe to',
      },
    }));
  if (isOwnListener(connection, listeners))
    ways.push({
      filters: sent,
      words: {
        place: 'this gateway itself what it forwards',
        remedy: 'Give it a prefix that its topics do not take in',
      },
    });
  return ways;
}

function problemIn(circle: readonly Forward[], { place, remedy }: Way['words']): string {
  const [, ...others] = circle.map(({ name }) => name);
  return others.length === 0
    ? `sends to ${place}: a loop. ${remedy}`
    : `sends what comes back to it by way of the forward ${others.join(', then ')}, which sends to ${place}: a loop. Give one of them a prefix, or topics, that do not lead back`;
}

/** A filter that takes at least what `filter` takes, with `prefix` before it. */
function underPrefix(prefix: string, filter: string): string {
  const isWholeLevel = prefix === '' || prefix.endsWith('/');
  if (isWholeLevel || !/^[+#]/.test(filter)) return prefix + filter;
  return prefix.slice(0, prefix.lastIndexOf('/') + 1) + filter;
}

/** Filters for what one of each side takes. */
function common(some: readonly string[], others: readonly string[]): readonly string[] {
  const found = new Set<string>();
  for (const a of some)
    for (const b of others) {
      const both = commonFilter(a, b);
      if (both !== null) found.add(both);
    }
  return [...found];
}
