import { crc32 } from 'node:zlib';
import type { OutboxMessage } from '../store-contract.ts';
import { ByteReader, damaged } from './bytes.ts';
import { costOf } from './storage.ts';

/**
 * # What one group has put into one outbox
 *
 * A value of the table `outbox`, under the number of the outbox and that of the group (`outboxKey`). All numbers are
 * little-endian.
 *
 * ```
 *   0  u8   version of this layout: 1
 *   1  3 ×  0
 *   4  u32  CRC-32 of bytes 0 to 3 and everything from byte 8 on
 *   8  f64  arrival of the group's first message, ms since 1970-01-01 UTC
 *  16  f64  messages of this and all earlier groups since the outbox was added   ┐ the marks
 *  24  f64  the same for what the values take up in the file                     ┘
 *  32  u32  messages
 *  36  [u32 bytes of the topic, u32 bytes of the payload, topic in UTF-8, payload]…
 * ```
 *
 * The marks are running totals, as those of the log are: what waits is a difference of two of them.
 */
const VERSION = 1;
const HEADER_BYTES = 36;
const CRC_FROM = 8;
const MESSAGE_HEADER_BYTES = 8;
/** Groups of one outbox; a number of an outbox and of a group together stay exact in a double. */
const SEQS = 2 ** 40;
export const MAX_OUTBOX_NUMBER = 2 ** 12;

export interface OutboxMarks {
  readonly messages: number;
  readonly bytes: number;
}

export interface ParcelHeader {
  readonly arrivedMs: number;
  readonly marks: OutboxMarks;
  readonly count: number;
}

/** Where the group `seq` lies among the values of outbox `number`; also for the ends of a range. */
export function outboxKey(number: number, seq: number): number {
  return number * SEQS + Math.min(seq, SEQS - 1);
}

export function outboxNumberOf(key: number): number {
  return Math.trunc(key / SEQS);
}

export function seqOf(key: number): number {
  return key % SEQS;
}

/** The messages of a group that is open, for one outbox. */
export class OutboxParcel {
  readonly #parts: Buffer[] = [];
  bytes = 0;

  /** Copies the message; returns what it takes. */
  add(topic: string, payload: Buffer): number {
    const topicBytes = Buffer.byteLength(topic);
    const part = Buffer.allocUnsafe(MESSAGE_HEADER_BYTES + topicBytes + payload.length);
    part.writeUInt32LE(topicBytes, 0);
    part.writeUInt32LE(payload.length, 4);
    part.write(topic, MESSAGE_HEADER_BYTES, topicBytes, 'utf8');
    payload.copy(part, MESSAGE_HEADER_BYTES + topicBytes);
    this.#parts.push(part);
    this.bytes += part.length;
    return part.length;
  }

  encode(before: OutboxMarks, arrivedMs: number): { readonly value: Buffer; readonly marks: OutboxMarks } {
    const value = Buffer.allocUnsafe(HEADER_BYTES + this.bytes);
    const count = this.#parts.length;
    const marks = { messages: before.messages + count, bytes: before.bytes + costOf(value.length) };
    value.writeUInt32LE(VERSION, 0);
    value.writeDoubleLE(arrivedMs, 8);
    value.writeDoubleLE(marks.messages, 16);
    value.writeDoubleLE(marks.bytes, 24);
    value.writeUInt32LE(count, 32);
    let at = HEADER_BYTES;
    for (const part of this.#parts) at += part.copy(value, at);
    value.writeUInt32LE(crcOf(value), 4);
    return { value, marks };
  }
}

function crcOf(value: Buffer): number {
  return crc32(value.subarray(CRC_FROM), crc32(value.subarray(0, 4)));
}

function open(value: Buffer, key: number): { header: ParcelHeader; reader: ByteReader; what: string } {
  const what = `group ${seqOf(key)} of outbox ${outboxNumberOf(key)}`;
  const reader = new ByteReader(value, what);
  const version = reader.u32();
  if (version !== VERSION) throw damaged(what, `its layout is ${version}, not ${VERSION}`);
  if (reader.u32() !== crcOf(value)) throw damaged(what, 'its checksum does not match');
  const arrivedMs = reader.f64();
  const marks = { messages: reader.f64(), bytes: reader.f64() };
  return { header: { arrivedMs, marks, count: reader.u32() }, reader, what };
}

/** @throws GatewayError `store-damaged`. */
export function decodeParcelHeader(value: Buffer, key: number): ParcelHeader {
  return open(value, key).header;
}

/** Its messages from position `skip` on, as views into `value`. @throws GatewayError `store-damaged`. */
export function* messagesOf(value: Buffer, key: number, skip: number): Generator<OutboxMessage> {
  const { header, reader, what } = open(value, key);
  for (let i = 0; i < header.count; i += 1) {
    const topicBytes = reader.u32();
    const payloadBytes = reader.u32();
    if (i < skip) {
      reader.bytes(topicBytes + payloadBytes);
      continue;
    }
    yield { topic: reader.text(topicBytes), payload: reader.bytes(payloadBytes) };
  }
  if (reader.left !== 0) throw damaged(what, `there are ${reader.left} bytes behind its last message`);
}
