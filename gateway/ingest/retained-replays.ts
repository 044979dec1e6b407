import type { Message } from '../contracts.ts';
import type { Group, Hash } from '../store-contract.ts';
import { hashTransfer, type TransferHash } from './transfer-hash.ts';

/**
 * Recognises what another broker only repeats. A broker sends the message that it keeps for a topic at each subscription
 * (MQTT 3.1.1, 3.3.1.3), and says so; that is a reading only where it differs from the last one of this topic, in its payload,
 * its content type or its user properties.
 *
 * "The last one" is the last message of the topic that was kept here, however it came: as a repetition or live, stored,
 * duplicate or rejected. It is remembered in the group with the readings it held, so it is known exactly when they are,
 * also after a crash. Where that is not certain, nothing is known, and a repetition is taken for a reading: a double can
 * be seen, a loss cannot. So it is taken for one as well
 *
 * - when more than `MAX_TOPICS` topics are in use, for those not heard of for longest;
 * - on a topic where some messages are retained and others are not: what the broker keeps is then not the last one;
 * - where a broker sends the repetition behind a newer message of the topic (overlapping subscriptions of different QoS).
 *
 * Live messages are never held against anything: two of the same payload are two readings.
 */
export interface RetainedReplays {
  /** Null: a reading, to be taken as any other. */
  find(message: Message): RetainedRepeat | null;
  /** What is in `group` of this message is all there is to know of it. */
  remember(message: Message, group: Group): void;
  /** What the topic brought last is not certain, or gone. */
  forget(message: Message, group: Group): void;
  /** Takes up what the store remembered. */
  restore(last: Iterable<readonly [topic: Hash, payload: Hash]>): void;
}

export interface RetainedRepeat {
  /** The original's commit where it is still under way. */
  readonly original: Promise<void> | null;
}

/** Some 150 bytes each. */
export const MAX_TOPICS = 100_000;

/** A group, until it is known what became of it. */
interface UnderWay {
  readonly committed: Promise<void>;
  state: 'open' | 'committed' | 'failed';
}

interface Last {
  /** The lower half of the topic's hash: the key holds only a part of it. */
  readonly topicLow: number;
  high: number;
  low: number;
  /** Null: it has been committed. */
  group: UnderWay | null;
}

/** Of a payload that is not known. */
const UNKNOWN: Hash = Object.freeze({ high: 0, low: 0 });
/** Sources are named in the configuration. */
const MAX_SOURCES = 1_000;

export function createRetainedReplays(maxTopics: number = MAX_TOPICS): RetainedReplays {
  /** Least recently seen first. */
  const topics = new Map<number, Last>();
  const sources = new Map<string, Buffer>();
  const topic: TransferHash = { high: 0, low: 0 };
  const payload: TransferHash = { high: 0, low: 0 };
  let current: UnderWay | null = null;

  function bytesOf(source: string): Buffer {
    const known = sources.get(source);
    if (known !== undefined) return known;
    const bytes = Buffer.from(source);
    if (sources.size < MAX_SOURCES) sources.set(source, bytes);
    return bytes;
  }

  /** Both hashes, into `topic` and `payload`; returns the key of the topic. */
  function look(message: Message): number {
    hashTransfer(message.topic, bytesOf(message.source), topic);
    hashTransfer(propertiesOf(message), message.payload, payload);
    return keyOf(topic);
  }

  function underWay(group: Group): UnderWay {
    if (current?.committed === group.committed) return current;
    const entered: UnderWay = { committed: group.committed, state: 'open' };
    current = entered;
    group.committed.then(
      () => {
        entered.state = 'committed';
      },
      () => {
        entered.state = 'failed';
      },
    );
    return entered;
  }

  function set(key: number, last: Last): void {
    topics.delete(key);
    if (topics.size >= maxTopics) {
      const [oldest] = topics.keys();
      if (oldest !== undefined) topics.delete(oldest);
    }
    topics.set(key, last);
  }

  return {
    find(message) {
      const key = look(message);
      const last = topics.get(key);
      if (last === undefined || last.topicLow !== topic.low) return null;
      if (last.high !== payload.high || last.low !== payload.low || isUnknown(last)) return null;
      if (last.group?.state === 'failed') {
        topics.delete(key);
        return null;
      }
      if (last.group?.state === 'committed') last.group = null;
      set(key, last);
      return { original: last.group?.committed ?? null };
    },

    remember(message, group) {
      const key = look(message);
      const last = topics.get(key);
      const entered = underWay(group);
      group.rememberLast(hashOf(topic), hashOf(payload));
      if (last !== undefined && last.topicLow === topic.low) {
        last.high = payload.high;
        last.low = payload.low;
        last.group = entered;
        set(key, last);
      } else set(key, { topicLow: topic.low, high: payload.high, low: payload.low, group: entered });
    },

    forget(message, group) {
      topics.delete(look(message));
      group.rememberLast(hashOf(topic), UNKNOWN);
    },

    restore(lastOnes) {
      for (const [of, { high, low }] of lastOnes) {
        if (isUnknown({ high, low })) topics.delete(keyOf(of));
        else set(keyOf(of), { topicLow: of.low, high, low, group: null });
      }
    },
  };
}

/**
 * As one text, the same for the same ones in the same order; a broker keeps it (MQTT 5, 3.3.2.3.7). Empty for none. One that
 * could not be read is not as good as none: of a message without it more may be stored.
 */
function propertiesOf({ relay }: Message): string {
  if (relay === null) return '';
  const { contentType, userProperties, unread } = relay;
  if (contentType === null && userProperties.size === 0 && unread === undefined) return '';
  const others = unread === undefined ? [] : [{ unread: [...unread.names], others: unread.others }];
  return JSON.stringify([contentType, ...userProperties, ...others]);
}

/** 53 of the 64 bits. */
function keyOf({ high, low }: Hash): number {
  return high * 2 ** 21 + (low >>> 11);
}

function hashOf({ high, low }: Hash): Hash {
  return { high, low };
}

function isUnknown({ high, low }: Hash): boolean {
  return high === 0 && low === 0;
}
