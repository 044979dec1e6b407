/**
 * What one gateway hands over to a peer: a message of a shared subscription whose readings the peer keeps. It travels as
 * the payload of a PUBLISH on `gateway/peers/{who sends it}`: one line of JSON about the message, a line feed, and the
 * payload as it came.
 */
import {
  MAX_USER_PROPERTIES,
  type Message,
  type Relay,
  UNREAD_REASONS,
  type UnreadProperties,
  type UnreadReason,
} from './contracts.ts';

/** A message as it was when it came to the gateway that passes it on. */
export interface Parcel {
  readonly topic: string;
  readonly payload: Buffer;
  /** With `arrivedMs`, and with `broker` where the peer says so. */
  readonly relay: Relay;
}

/** The packet that brings a parcel is at most so much larger than the payload in it: the head, the topic, what MQTT adds. */
export const MAX_PARCEL_OVERHEAD_BYTES = 129 * 1024;

const PREFIX = 'gateway/peers/';
const LINE_FEED = 0x0a;
/** More than a topic, 32 properties of 256 bytes and the names of unread ones take, also where each byte is escaped. */
const MAX_HEAD_BYTES = 128 * 1024;
/** 2000-01-01, and the year 2200: outside of them nobody's clock is set. */
const FIRST_MS = 946_684_800_000;
const LAST_MS = 7_258_118_400_000;
/** Beyond, one of two clocks is wrong. */
const MAX_AHEAD_MS = 3_600_000;

/** Where the gateway of this name publishes its parcels. */
export function parcelTopic(name: string): string {
  return PREFIX + name;
}

/** Whose parcels come on this topic; null where none do. */
export function parcelSender(topic: string): string | null {
  if (topic.length <= PREFIX.length || !topic.startsWith(PREFIX)) return null;
  return topic.includes('/', PREFIX.length) ? null : topic.slice(PREFIX.length);
}

/** @param arrivedMs null: the clock of this gateway is not set */
export function packParcel(
  { source, topic, payload, relay }: Pick<Message, 'source' | 'topic' | 'payload' | 'relay'>,
  arrivedMs: number | null,
): Buffer {
  const head = {
    topic,
    broker: source,
    ...(arrivedMs === null ? {} : { arrivedMs: Math.trunc(arrivedMs) }),
    ...(relay === null || relay.contentType === null ? {} : { contentType: relay.contentType }),
    ...(relay === null || relay.userProperties.size === 0
      ? {}
      : { userProperties: [...relay.userProperties] }),
    ...(relay?.unread === undefined
      ? {}
      : { unread: [...relay.unread.names], othersUnread: relay.unread.others }),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), payload]);
}

/** Null where it is none. The payload is a view of `bytes`. */
export function unpackParcel(bytes: Buffer): Parcel | null {
  const end = bytes.subarray(0, MAX_HEAD_BYTES).indexOf(LINE_FEED);
  if (end === -1) return null;
  let head: unknown;
  try {
    head = JSON.parse(bytes.toString('utf8', 0, end));
  } catch {
    return null;
  }
  if (typeof head !== 'object' || head === null) return null;
  const { topic, broker, arrivedMs, contentType, userProperties, unread, othersUnread } = head as Readonly<
    Record<string, unknown>
  >;
  if (typeof topic !== 'string') return null;
  if (contentType !== undefined && typeof contentType !== 'string') return null;
  const properties = propertiesOf(userProperties, MAX_USER_PROPERTIES);
  if (properties === null) return null;
  const known = unread === undefined ? undefined : unreadOf(unread, othersUnread);
  if (known === null) return null;
  return {
    topic,
    payload: bytes.subarray(end + 1),
    relay: {
      contentType: contentType ?? null,
      userProperties: properties,
      ...(known === undefined ? {} : { unread: known }),
      isShared: true,
      arrivedMs: isTime(arrivedMs) ? arrivedMs : null,
      ...(typeof broker === 'string' ? { broker } : {}),
    },
  };
}

/**
 * A peer's clock that is far ahead of ours counts as not set. What it brings would be the newest for as long: a rejected reading
 * of the year 2199 would keep all that are rejected after it from ageing.
 * @param nowMs by our clock, which is set
 */
export function withBelievableArrival(message: Message, nowMs: number): Message {
  const { relay } = message;
  if (relay === null || typeof relay.arrivedMs !== 'number') return message;
  return relay.arrivedMs <= nowMs + MAX_AHEAD_MS
    ? message
    : { ...message, relay: { ...relay, arrivedMs: null } };
}

function isTime(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= FIRST_MS && value <= LAST_MS;
}

function propertiesOf(value: unknown, max: number): ReadonlyMap<string, string> | null {
  if (value === undefined) return new Map();
  if (!Array.isArray(value) || value.length > max) return null;
  const properties = new Map<string, string>();
  for (const pair of value) {
    if (!Array.isArray(pair)) return null;
    const [name, text]: readonly unknown[] = pair;
    if (typeof name !== 'string' || typeof text !== 'string') return null;
    properties.set(name, text);
  }
  return properties;
}

function unreadOf(names: unknown, others: unknown): UnreadProperties | null {
  const reasons = propertiesOf(names, 2 * MAX_USER_PROPERTIES);
  if (reasons === null || (others !== null && !isReason(others))) return null;
  const known = new Map<string, UnreadReason>();
  for (const [name, why] of reasons) {
    if (!isReason(why)) return null;
    known.set(name, why);
  }
  return { names: known, others };
}

function isReason(value: unknown): value is UnreadReason {
  return UNREAD_REASONS.some((reason) => reason === value);
}
