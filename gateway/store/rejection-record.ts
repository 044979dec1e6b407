import { crc32 } from 'node:zlib';
import type { RejectionCode, Violation } from '../contracts.ts';
import type { NewRejection, Rejection } from '../store-contract.ts';
import { ByteReader, damaged } from './bytes.ts';

/**
 * The rejected readings of one message are kept together: an array of a thousand bad elements is one entry to write, to
 * find and to evict rather than a thousand. Their ids follow one another.
 *
 * ```
 *  0  u8   version of this layout: 1
 *  1  u32  CRC-32 of everything from byte 5 on
 *  5  u32  length of the JSON
 *  9  the JSON: what the readings share, and of each one what it has of its own
 *     the payloads, to the end; a reading's own is `bytes` of them from `at` (all of them where it does not say)
 * ```
 */
const REJECTION_VERSION = 1;
const CRC_AT = 1;
const CRC_FROM = 5;
const HEADER_BYTES = 9;

/** Of one message, this many keep their violations; the others keep code and index. */
const MAX_DETAILED = 256;
const MAX_VIOLATIONS = 50;
const MAX_MESSAGE_LENGTH = 1000;
const MAX_POINTER_LENGTH = 500;
/** Beyond either, a further record begins: one is read, and evicted, as a whole. */
const MAX_TOGETHER = 1000;
const MAX_TOGETHER_BYTES = 256 * 1024;

interface Shared {
  readonly source: string;
  readonly topic: string;
  readonly client: string;
  readonly atMs: number;
  readonly sink: string | null;
}

interface Own {
  readonly code: RejectionCode;
  readonly device: string | null;
  readonly schema: string | null;
  readonly index: number | null;
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

  constructor(firstId: number, rejection: NewRejection) {
    const { source, topic, client, atMs, sink } = rejection;
    this.firstId = firstId;
    this.shared = { source, topic, client, atMs, sink };
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
      rejection.sink === shared.sink
    );
  }

  /** Returns by how many bytes of payload it grew. */
  add(rejection: NewRejection): number {
    const { code, device, schema, index, payload } = rejection;
    const bytes = payload.length;
    const grown = payload === this.#given ? 0 : bytes;
    if (payload !== this.#given) this.payloads.push(Buffer.from(payload));
    this.#given = payload;
    this.payloadBytes += grown;
    const at = this.payloadBytes - bytes;
    const violations = this.own.length < MAX_DETAILED ? rejection.violations.slice(0, MAX_VIOLATIONS) : [];
    this.own.push({ code, device, schema, index, violations: violations.map(shortened), at, bytes });
    return grown;
  }
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
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(REJECTION_VERSION, 0);
  header.writeUInt32LE(json.length, CRC_FROM);
  const value = Buffer.concat([header, json, ...message.payloads]);
  value.writeUInt32LE(crc32(value.subarray(CRC_FROM)), CRC_AT);
  return value;
}

/** @throws GatewayError `store-damaged`. */
export function decodeRejected(value: Buffer, firstId: number): Rejection[] {
  const what = `rejection ${rejectionId(firstId)}`;
  const reader = new ByteReader(value, what);
  const version = reader.u8();
  if (version !== REJECTION_VERSION)
    throw damaged(what, `its layout is ${version}, not ${REJECTION_VERSION}`);
  if (reader.u32() !== crc32(value.subarray(CRC_FROM))) throw damaged(what, 'its checksum does not match');
  const json = reader.text(reader.u32());
  const payloads = reader.bytes(reader.left);
  // Written by `encodeRejected`, and the checksum says it is as it was written.
  const { own, ...shared } = JSON.parse(json) as Shared & { own: Own[] };
  return own.map(({ at = 0, bytes = payloads.length, ...each }, i) => ({
    ...shared,
    ...each,
    id: rejectionId(firstId + i),
    payload: payloads.subarray(at, at + bytes),
  }));
}
