import {
  MAX_CONTENT_TYPE_BYTES,
  MAX_PROPERTY_BYTES,
  UserProperties,
} from '../../broker-link/message-properties.ts';
import type { Relay } from '../../contracts.ts';
import { qosOf } from '../mqtt-broker/publication.ts';

/** A PUBLISH as another broker sends it. Its payload is a view of what was read. */
export interface InboundPublish {
  readonly topic: string;
  readonly payload: Buffer;
  readonly qos: 0 | 1 | 2;
  readonly dup: boolean;
  readonly retain: boolean;
  /** 0 with QoS 0. */
  readonly packetId: number;
  readonly relay: Relay;
}

const NO_PROPERTIES: Pick<Relay, 'userProperties'> = { userProperties: new Map() };
const PLAIN: Relay = Object.freeze({ contentType: null, ...NO_PROPERTIES });

/** What is wrong with it, in words, where it is no PUBLISH. The body is `buffer[start, end)`. */
export function decodePublish(
  first: number,
  buffer: Buffer,
  start: number,
  end: number,
  protocolVersion: 4 | 5,
): InboundPublish | string {
  const qos = qosOf(first);
  if (qos === null || end - start < 2) return 'malformed PUBLISH';
  const topicEnd = start + 2 + buffer.readUInt16BE(start);
  let at = qos === 0 ? topicEnd : topicEnd + 2;
  if (at > end) return 'malformed PUBLISH';
  const packetId = qos === 0 ? 0 : buffer.readUInt16BE(topicEnd);
  if (qos > 0 && packetId === 0) return 'packet id 0';
  let relay = PLAIN;
  if (protocolVersion === 5) {
    const properties = decodeProperties(buffer, at, end);
    if (typeof properties === 'string') return properties;
    ({ relay, end: at } = properties);
  }
  return {
    topic: buffer.toString('utf8', start + 2, topicEnd),
    payload: buffer.subarray(at, end),
    qos,
    dup: (first & 8) !== 0,
    retain: (first & 1) === 1,
    packetId,
    relay,
  };
}

const CONTENT_TYPE = 0x03;
const TOPIC_ALIAS = 0x23;
const USER_PROPERTY = 0x26;
const MALFORMED = 'malformed properties in PUBLISH';

/** The rest of what a PUBLISH may carry (MQTT 5, 3.3.2.3), by the bytes it takes; -1: two of length and as many as they say. */
const SKIPPED: ReadonlyMap<number, number> = new Map([
  [0x01, 1],
  [0x02, 4],
  [0x08, -1],
  [0x09, -1],
]);
const SUBSCRIPTION_IDENTIFIER = 0x0b;

function decodeProperties(
  buffer: Buffer,
  start: number,
  limit: number,
): { readonly relay: Relay; readonly end: number } | string {
  const length = readVariable(buffer, start, limit);
  if (length === null) return MALFORMED;
  const end = length.next + length.value;
  if (end > limit) return MALFORMED;
  if (length.value === 0) return { relay: PLAIN, end };
  let contentType: string | null = null;
  let properties: UserProperties | null = null;
  let at = length.next;
  while (at < end) {
    const id = buffer[at] ?? 0;
    at += 1;
    if (id === CONTENT_TYPE) {
      const next = textEnd(buffer, at, end);
      if (next === null) return MALFORMED;
      contentType = text(buffer, at, next, MAX_CONTENT_TYPE_BYTES);
      at = next;
    } else if (id === USER_PROPERTY) {
      const middle = textEnd(buffer, at, end);
      const next = middle === null ? null : textEnd(buffer, middle, end);
      if (middle === null || next === null) return MALFORMED;
      const name = text(buffer, at, middle, MAX_PROPERTY_BYTES);
      // No schema can ask for one whose name is too long.
      if (name !== null) {
        properties ??= new UserProperties();
        properties.add(name, text(buffer, middle, next, MAX_PROPERTY_BYTES));
      }
      at = next;
    } else if (id === SUBSCRIPTION_IDENTIFIER) {
      const skipped = readVariable(buffer, at, end);
      if (skipped === null) return MALFORMED;
      at = skipped.next;
    } else if (id === TOPIC_ALIAS) return 'a topic alias, which it was told not to use';
    else {
      const bytes = SKIPPED.get(id);
      if (bytes === undefined) return MALFORMED;
      const next = bytes === -1 ? textEnd(buffer, at, end) : at + bytes;
      if (next === null || next > end) return MALFORMED;
      at = next;
    }
  }
  return { relay: { contentType, ...(properties?.relay ?? NO_PROPERTIES) }, end };
}

/** A variable byte integer (MQTT 5, 1.5.5). */
function readVariable(
  buffer: Buffer,
  at: number,
  end: number,
): { readonly value: number; readonly next: number } | null {
  let value = 0;
  for (let i = 0; i < 4 && at + i < end; i += 1) {
    const byte = buffer[at + i] ?? 0;
    value += (byte & 0x7f) * 0x80 ** i;
    if (byte < 0x80) return { value, next: at + i + 1 };
  }
  return null;
}

function textEnd(buffer: Buffer, at: number, end: number): number | null {
  if (at + 2 > end) return null;
  const next = at + 2 + buffer.readUInt16BE(at);
  return next > end ? null : next;
}

/** Null where it is too long to be kept. */
function text(buffer: Buffer, at: number, next: number, maxBytes: number): string | null {
  return next - at - 2 > maxBytes ? null : buffer.toString('utf8', at + 2, next);
}
