import { crc32 } from 'node:zlib';
import { OUTCOMES, REJECTION_CODES } from '../contracts.ts';
import type { TransferKey } from '../store-contract.ts';
import { ByteReader, type ByteWriter, damaged } from './bytes.ts';
import { costOf } from './storage.ts';

/**
 * # The record of a commit group
 *
 * Everything that one commit makes true of the readings is in one value of the table `log`, under the group's number
 * (seq). Numbers rise by one; only a prefix is ever deleted. All numbers are little-endian.
 *
 * ```
 *   0  u8   version of this layout: 1
 *   1  u8   0, three times
 *   4  u32  CRC-32 of everything from byte 8 on
 *   8  f64  arrival of the group's first message, ms since 1970-01-01 UTC
 *  16  f64  the arrival clock's high-water mark, ms
 *  24  f64  points of this and all earlier groups since the store was made     ┐
 *  32  f64  the same for bytes of line protocol                                 ├ the marks
 *  40  f64  the same for what the records take up in the file                   ┘
 *  48  f64  the next rejection id
 *  56  u32  points in this group
 *  60  u32  bytes of the section: names        [u8 0 source | 1 device, u16 index, u16 length, UTF-8]…
 *  64  u32  bytes of the section: tallies      [u16 device, u8 source, u8 outcome, u32 readings]…
 *  68  u32  bytes of the section: codes        [u8 code, u32 rejections]…
 *  72  u32  bytes of the section: clients      UTF-8 names with a NUL between two
 *  76  u32  bytes of the section: transfers    [u16 client, u16 packet id, u32 hash, u32 hash, u16 readings, u8 state]…
 *  80  u32  bytes of the section: lines        the points as UTF-8 line protocol, each ending in "\n"
 *  84  the sections, in this order, with nothing between or behind them
 * ```
 *
 * Invariants
 * - The marks are running totals. What lies between two groups (the backlog of a sink, the live bytes of the log) is a
 *   difference of two marks: nothing has to be scanned. They survive trimming, as the folded state keeps the last ones.
 * - Outcome and code are positions in `OUTCOMES` and `REJECTION_CODES`: those lists may only grow at their end.
 * - A device is a number in the account's table. A record names each device that was not yet folded when it was
 *   written, so a replay of the records behind the last fold always knows the name.
 * - A record without points (forwarded or duplicate messages only) is no work for a sink: readers pass over it.
 * - A reader checks the CRC, the version, that the sections fill the value, and each section's own shape. Anything else
 *   is `store-damaged`: a broken record is never skipped silently.
 */
export const RECORD_VERSION = 1;

const HEADER_BYTES = 84;
const CRC_FROM = 8;
const NUL = '\0';

/** Running totals over all groups since the store was made. */
export interface Marks {
  readonly points: number;
  readonly bytes: number;
  readonly cost: number;
}

export const NO_MARKS: Marks = { points: 0, bytes: 0, cost: 0 };

export interface RecordName {
  readonly kind: 'source' | 'device';
  readonly index: number;
  readonly name: string;
}

/** What is put into a record. */
export interface RecordInput {
  readonly arrivedMs: number;
  readonly highWaterMs: number;
  readonly nextRejectionId: number;
  readonly before: Marks;
  readonly names: readonly RecordName[];
  /** By `tallyKey`. */
  readonly tallies: ReadonlyMap<number, number>;
  /** By position in `REJECTION_CODES`. */
  readonly codes: ReadonlyMap<number, number>;
  readonly transfers: readonly TransferKey[];
  readonly lines: readonly string[];
}

export interface RecordHeader {
  readonly arrivedMs: number;
  readonly highWaterMs: number;
  readonly nextRejectionId: number;
  readonly points: number;
  readonly marks: Marks;
}

export interface RecordContents extends RecordHeader {
  readonly names: readonly RecordName[];
  readonly tallies: ReadonlyMap<number, number>;
  readonly codes: ReadonlyMap<number, number>;
  readonly transfers: readonly TransferKey[];
  /** A view into the record. */
  readonly lines: Buffer;
}

const OUTCOME_BITS = 3;
const SOURCE_BITS = 8;

/** One number for a device, a source and an outcome, so that counting needs no object per reading. */
export function tallyKey(device: number, source: number, outcome: number): number {
  return (((device << SOURCE_BITS) | source) << OUTCOME_BITS) | outcome;
}

export function tallyParts(key: number): { device: number; source: number; outcome: number } {
  return {
    device: key >>> (SOURCE_BITS + OUTCOME_BITS),
    source: (key >>> OUTCOME_BITS) & 0xff,
    outcome: key & 0b111,
  };
}

/** Writes the record into `writer` and returns its marks. */
export function encodeRecord(writer: ByteWriter, input: RecordInput): Marks {
  writer.reset();
  const joined = input.lines.join('');
  for (let i = 0; i < HEADER_BYTES; i += 4) writer.u32(0);
  const ends: number[] = [];
  writeNames(writer, input.names);
  ends.push(writer.at);
  for (const [key, n] of input.tallies) {
    const { device, source, outcome } = tallyParts(key);
    writer.u16(device);
    writer.u8(source);
    writer.u8(outcome);
    writer.u32(n);
  }
  ends.push(writer.at);
  for (const [code, n] of input.codes) {
    writer.u8(code);
    writer.u32(n);
  }
  ends.push(writer.at);
  const clients = clientTable(input.transfers);
  // A NUL cannot be in a name that a source lets in; were it, the names behind it would shift.
  writer.text([...clients.keys()].map((name) => name.replaceAll(NUL, '\ufffd')).join(NUL));
  ends.push(writer.at);
  writeTransfers(writer, input.transfers, clients);
  ends.push(writer.at);
  const linesFrom = writer.at;
  writer.text(joined);
  ends.push(writer.at);

  const total = writer.at;
  const marks: Marks = {
    points: input.before.points + input.lines.length,
    bytes: input.before.bytes + (total - linesFrom),
    cost: input.before.cost + costOf(total),
  };
  writer.at = CRC_FROM;
  writer.f64(input.arrivedMs);
  writer.f64(input.highWaterMs);
  writer.f64(marks.points);
  writer.f64(marks.bytes);
  writer.f64(marks.cost);
  writer.f64(input.nextRejectionId);
  writer.u32(input.lines.length);
  let from = HEADER_BYTES;
  for (const end of ends) {
    writer.u32(end - from);
    from = end;
  }
  writer.at = total;
  const crc = crc32(writer.written().subarray(CRC_FROM));
  writer.at = 0;
  writer.u8(RECORD_VERSION);
  writer.u8(0);
  writer.u16(0);
  writer.u32(crc);
  writer.at = total;
  return marks;
}

function writeNames(writer: ByteWriter, names: readonly RecordName[]): void {
  for (const { kind, index, name } of names) {
    writer.u8(kind === 'source' ? 0 : 1);
    writer.u16(index);
    writer.shortText(name);
  }
}

function clientTable(transfers: readonly TransferKey[]): Map<string, number> {
  const clients = new Map<string, number>();
  for (const { client } of transfers) if (!clients.has(client)) clients.set(client, clients.size);
  return clients;
}

function writeTransfers(
  writer: ByteWriter,
  transfers: readonly TransferKey[],
  clients: ReadonlyMap<string, number>,
): void {
  for (const transfer of transfers) {
    writer.u16(clients.get(transfer.client) ?? 0);
    writer.u16(transfer.packetId);
    writer.u32(transfer.hashHigh);
    writer.u32(transfer.hashLow);
    writer.u16(Math.min(transfer.readings, 0xffff));
    writer.u8(transfer.state);
  }
}

interface Opened {
  readonly header: RecordHeader;
  readonly reader: ByteReader;
  readonly sections: readonly number[];
  readonly what: string;
}

function open(value: Buffer, seq: number): Opened {
  const what = `group ${seq} of the log`;
  const reader = new ByteReader(value, what);
  const version = reader.u8();
  if (version !== RECORD_VERSION) throw damaged(what, `its layout is ${version}, not ${RECORD_VERSION}`);
  reader.at = 4;
  const crc = reader.u32();
  if (crc32(value.subarray(CRC_FROM)) !== crc) throw damaged(what, 'its checksum does not match');
  const arrivedMs = reader.f64();
  const highWaterMs = reader.f64();
  const marks: Marks = { points: reader.f64(), bytes: reader.f64(), cost: reader.f64() };
  const nextRejectionId = reader.f64();
  const points = reader.u32();
  const sections = Array.from({ length: 6 }, () => reader.u32());
  const length = sections.reduce((sum, bytes) => sum + bytes, HEADER_BYTES);
  if (length !== value.length) throw damaged(what, `it has ${value.length} bytes instead of ${length}`);
  return { header: { arrivedMs, highWaterMs, nextRejectionId, points, marks }, reader, sections, what };
}

/** @throws GatewayError `store-damaged`. */
export function decodeHeader(value: Buffer, seq: number): RecordHeader {
  return open(value, seq).header;
}

/** The points and nothing else: what delivery needs. @throws GatewayError `store-damaged`. */
export function decodeLines(value: Buffer, seq: number): { header: RecordHeader; lines: Buffer } {
  const { header, sections } = open(value, seq);
  return { header, lines: value.subarray(value.length - (sections[5] ?? 0)) };
}

/** @throws GatewayError `store-damaged`. */
export function decodeRecord(value: Buffer, seq: number): RecordContents {
  const { header, reader, sections, what } = open(value, seq);
  const [
    namesBytes = 0,
    talliesBytes = 0,
    codesBytes = 0,
    clientsBytes = 0,
    transfersBytes = 0,
    linesBytes = 0,
  ] = sections;
  const section = <T>(bytes: number, one: () => T): T[] => {
    const end = reader.at + bytes;
    const all: T[] = [];
    while (reader.at < end) all.push(one());
    if (reader.at !== end) throw damaged(what, `a section ends at byte ${reader.at} instead of ${end}`);
    return all;
  };
  const names = section<RecordName>(namesBytes, () => ({
    kind: reader.u8() === 0 ? 'source' : 'device',
    index: reader.u16(),
    name: reader.shortText(),
  }));
  const tallies = new Map(
    section(talliesBytes, (): [number, number] => {
      const device = reader.u16();
      const source = reader.u8();
      const outcome = reader.u8();
      if (outcome >= OUTCOMES.length) throw damaged(what, `there is no outcome ${outcome}`);
      return [tallyKey(device, source, outcome), reader.u32()];
    }),
  );
  const codes = new Map(
    section(codesBytes, (): [number, number] => {
      const code = reader.u8();
      if (code >= REJECTION_CODES.length) throw damaged(what, `there is no rejection code ${code}`);
      return [code, reader.u32()];
    }),
  );
  const clients = reader.text(clientsBytes).split(NUL);
  const transfers = section(transfersBytes, (): TransferKey => {
    const client = clients[reader.u16()];
    const packetId = reader.u16();
    const hashHigh = reader.u32();
    const hashLow = reader.u32();
    const readings = reader.u16();
    const state = reader.u8();
    if (client === undefined || (state !== 0 && state !== 1 && state !== 2)) {
      throw damaged(what, 'a transfer in it makes no sense');
    }
    return { client, packetId, hashHigh, hashLow, readings, state };
  });
  return { ...header, names, tallies, codes, transfers, lines: reader.bytes(linesBytes) };
}
