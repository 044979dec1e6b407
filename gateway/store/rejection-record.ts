import { crc32 } from 'node:zlib';
import type { RejectionCode, Relay, UnreadProperties, UnreadReason, Violation } from '../contracts.ts';
import type { NewRejection, Rejection } from '../store-contract.ts';
import { ByteReader, damaged } from './bytes.ts';

/**
 * The rejected readings of one message are kept together: an array of a thousand bad elements is one entry to write, to
 * find and to evict rather than a thousand. Their ids follow one another.
 *
 * ```
 *  0  u8   version of this layout: 2
 *  1  u32  CRC-32 of everything from byte 5 on
 *  5  u32  length of the JSON
 *  9  u32  readings
 * 13  of each reading [u8 how it ended: 0 it is open | a position in `ENDS`, f64 when, ms]
 *     the JSON: what the readings share, and of each one what it has of its own
 *     the payloads, to the end; a reading's own is `bytes` of them from `at` (all of them where it does not say)
 * ```
 *
 * How a reading ended is beside the JSON so that a record stays as long as it is when one ends. Layout 1, which is still
 * read, has the JSON at 9, and no readings that have ended. Members may join the JSON without another layout: a reader
 * that does not know one passes over it, and does without one that is not there.
 */
const REJECTION_VERSION = 2;
const CRC_AT = 1;
const CRC_FROM = 5;
const HEADER_BYTES_1 = 9;
const HEADER_BYTES = 13;
const END_BYTES = 9;

/** By the number in the record. This list may only grow at its end. */
const ENDS = ['open', 'stored', 'duplicate', 'split', 'written', 'discarded'] as const;
export type End = Exclude<(typeof ENDS)[number], 'open'>;

/** Of one message, this many keep their violations; the others keep code and index. */
const MAX_DETAILED = 256;
const MAX_VIOLATIONS = 50;
const MAX_MESSAGE_LENGTH = 1000;
const MAX_POINTER_LENGTH = 500;
/** Of a content type and user properties, in UTF-8; as much again of the names of those that are not kept. */
const MAX_RELAY_BYTES = 1024;
/** Beyond either, a further record begins: one is read, and evicted, as a whole. */
const MAX_TOGETHER = 1000;
const MAX_TOGETHER_BYTES = 256 * 1024;

interface Shared {
  readonly source: string;
  readonly topic: string;
  readonly client: string;
  readonly atMs: number;
  readonly sink: string | null;
  /** Not in layout 1. */
  readonly username?: string | null;
  readonly format?: string | null;
  /** Only of what came from another broker. */
  readonly relay?: KeptRelay;
}

/** `Relay` as the JSON has it. */
interface KeptRelay {
  readonly contentType: string | null;
  readonly userProperties: readonly (readonly [name: string, value: string])[];
  readonly unread?: readonly (readonly [name: string, why: UnreadReason])[];
  readonly othersUnread?: UnreadReason;
  readonly isShared?: true;
}

interface Own {
  readonly code: RejectionCode;
  readonly device: string | null;
  readonly schema: string | null;
  readonly index: number | null;
  readonly schemaVersion?: string | null;
  readonly violations: readonly Violation[];
  readonly at?: number;
  readonly bytes?: number;
}

/** The rejected readings of one message, on their way to the disk. */
export class RejectedMessage {
  readonly firstId: number;
  readonly shared: Shared;
  readonly own: Own[] = [];
  /** Copies. */
  readonly payloads: Buffer[] = [];
  payloadBytes = 0;
  /** The last payload, to recognise it in the next reading; let go with the group. */
  #given: Buffer | null = null;
  /** As it was given, to recognise the message in the next reading. */
  readonly #relay: Relay | null;

  constructor(firstId: number, rejection: NewRejection) {
    const { source, topic, client, atMs, sink, username, format, relay } = rejection;
    this.firstId = firstId;
    this.#relay = relay;
    const shared = { source, topic, client, atMs, sink, username, format };
    this.shared = relay === null ? shared : { ...shared, relay: keptRelay(relay) };
  }

  /** Whether `rejection` is a further element of this message's array. */
  continuesWith(rejection: NewRejection): boolean {
    const { shared } = this;
    const last = this.own.at(-1)?.index ?? null;
    const bytes = rejection.payload === this.#given ? 0 : rejection.payload.length;
    return (
      rejection.index !== null &&
      last !== null &&
      rejection.index > last &&
      this.own.length < MAX_TOGETHER &&
      this.payloadBytes + bytes <= MAX_TOGETHER_BYTES &&
      rejection.atMs === shared.atMs &&
      rejection.topic === shared.topic &&
      rejection.client === shared.client &&
      rejection.source === shared.source &&
      rejection.sink === shared.sink &&
      rejection.username === shared.username &&
      rejection.format === shared.format &&
      rejection.relay === this.#relay
    );
  }

  /** Returns by how many bytes of payload it grew. */
  add(rejection: NewRejection): number {
    const { code, device, schema, index, schemaVersion, payload } = rejection;
    const bytes = payload.length;
    const grown = payload === this.#given ? 0 : bytes;
    if (payload !== this.#given) this.payloads.push(Buffer.from(payload));
    this.#given = payload;
    this.payloadBytes += grown;
    const at = this.payloadBytes - bytes;
    const violations = this.own.length < MAX_DETAILED ? rejection.violations.slice(0, MAX_VIOLATIONS) : [];
    this.own.push({
      code,
      device,
      schema,
      index,
      schemaVersion,
      violations: violations.map(shortened),
      at,
      bytes,
    });
    return grown;
  }
}

/** At most `MAX_RELAY_BYTES`: the content type first, then the user properties that fit, in their order. */
function keptRelay({ contentType, userProperties, unread, isShared }: Relay): KeptRelay {
  const fits = bounded(MAX_RELAY_BYTES);
  const type = contentType !== null && fits(contentType) ? contentType : null;
  const kept: (readonly [string, string])[] = [];
  const left: [string, UnreadReason][] = [...(unread?.names ?? [])];
  for (const pair of userProperties) {
    const [name, text] = pair;
    if (fits(name + text)) kept.push(pair);
    else left.push([name, 'not-kept']);
  }
  // Without them, a replay would take what is not kept for absent.
  const nameFits = bounded(MAX_RELAY_BYTES);
  const named = left.filter(([name]) => nameFits(name));
  const others = unread?.others ?? (named.length < left.length ? 'not-kept' : null);
  return {
    contentType: type,
    userProperties: kept,
    ...(named.length === 0 ? {} : { unread: named }),
    ...(others === null ? {} : { othersUnread: others }),
    ...(isShared === true ? { isShared } : {}),
  };
}

/** Takes texts of so many bytes together, and says of each whether it still fits. */
function bounded(maxBytes: number): (text: string) => boolean {
  let left = maxBytes;
  return (text) => {
    // Cheaper than to count the bytes of what is far too long.
    const bytes = text.length > left ? text.length : Buffer.byteLength(text);
    if (bytes > left) return false;
    left -= bytes;
    return true;
  };
}

function relayOf({ relay }: Shared): Relay | null {
  if (relay === undefined) return null;
  const { contentType, userProperties, isShared } = relay;
  const unread = unreadOf(relay);
  return {
    contentType,
    userProperties: new Map(userProperties),
    ...(unread === null ? {} : { unread }),
    ...(isShared === true ? { isShared } : {}),
  };
}

function unreadOf({ unread, othersUnread }: KeptRelay): UnreadProperties | null {
  if (unread === undefined && othersUnread === undefined) return null;
  return { names: new Map(unread), others: othersUnread ?? null };
}

function shortened({ pointer, message }: Violation): Violation {
  return {
    pointer: pointer.slice(0, MAX_POINTER_LENGTH),
    message: message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message,
  };
}

export function rejectionId(id: number): string {
  return `r${id.toString(36)}`;
}

/** Null where the text is no id. */
export function parseRejectionId(text: string): number | null {
  if (!/^r[0-9a-z]{1,11}$/.test(text)) return null;
  const id = Number.parseInt(text.slice(1), 36);
  return Number.isSafeInteger(id) ? id : null;
}

export function encodeRejected(message: RejectedMessage): Buffer {
  const json = Buffer.from(JSON.stringify({ ...message.shared, own: message.own }));
  return withHeader(json, Buffer.alloc(message.own.length * END_BYTES), message.payloads);
}

function withHeader(json: Buffer, ends: Buffer, payloads: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(REJECTION_VERSION, 0);
  header.writeUInt32LE(json.length, CRC_FROM);
  header.writeUInt32LE(ends.length / END_BYTES, HEADER_BYTES_1);
  const value = Buffer.concat([header, ends, json, ...payloads]);
  value.writeUInt32LE(crc32(value.subarray(CRC_FROM)), CRC_AT);
  return value;
}

interface Parts {
  readonly json: Buffer;
  /** None in layout 1. */
  readonly ends: Buffer;
  readonly payloads: Buffer;
}

function parts(value: Buffer, what: string): Parts {
  const reader = new ByteReader(value, what);
  const version = reader.u8();
  if (version !== 1 && version !== REJECTION_VERSION) {
    throw damaged(what, `its layout is ${version}, not ${REJECTION_VERSION}`);
  }
  if (reader.u32() !== crc32(value.subarray(CRC_FROM))) throw damaged(what, 'its checksum does not match');
  const jsonBytes = reader.u32();
  const ends = version === 1 ? Buffer.alloc(0) : reader.bytes(reader.u32() * END_BYTES);
  return { json: reader.bytes(jsonBytes), ends, payloads: reader.bytes(reader.left) };
}

/** Every reading of the record, in the order of their ids; null is one that was deleted. @throws GatewayError `store-damaged`. */
export function decodeRejected(value: Buffer, firstId: number): (Rejection | null)[] {
  const { json, ends, payloads } = parts(value, `rejection ${rejectionId(firstId)}`);
  // Written by `encodeRejected`, and the checksum says it is as it was written.
  const { own, ...shared } = JSON.parse(json.toString()) as Shared & { own: Own[] };
  const relay = relayOf(shared);
  return own.map(({ at = 0, bytes = payloads.length, schemaVersion = null, ...each }, i) => {
    const end = ends.length === 0 ? 'open' : (ENDS[ends.readUInt8(i * END_BYTES)] ?? 'open');
    if (end === 'discarded') return null;
    return {
      ...shared,
      username: shared.username ?? null,
      format: shared.format ?? null,
      relay,
      ...each,
      schemaVersion,
      id: rejectionId(firstId + i),
      payload: payloads.subarray(at, at + bytes),
      resolved: end === 'open' ? null : { kind: end, atMs: ends.readDoubleLE(i * END_BYTES + 1) },
    };
  });
}

/** The record anew, in today's layout, its readings at these positions ended so. */
export function withEnds(
  value: Buffer,
  firstId: number,
  changes: ReadonlyMap<number, End>,
  atMs: number,
): Buffer {
  const { json, ends, payloads } = parts(value, `rejection ${rejectionId(firstId)}`);
  const readings = ends.length === 0 ? decodeRejected(value, firstId).length : ends.length / END_BYTES;
  const changed = Buffer.alloc(readings * END_BYTES);
  ends.copy(changed);
  for (const [position, end] of changes) {
    changed.writeUInt8(ENDS.indexOf(end), position * END_BYTES);
    changed.writeDoubleLE(atMs, position * END_BYTES + 1);
  }
  return withHeader(json, changed, [payloads]);
}
