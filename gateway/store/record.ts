import { crc32 } from 'node:zlib';
import { REJECTION_CODES } from '../contracts.ts';
import type { IdentityKey, TransferKey } from '../store-contract.ts';
import { ByteReader, type ByteWriter, damaged } from './bytes.ts';
import { costOf } from './storage.ts';

/**
 * # The record of a commit group
 *
 * Everything that one commit makes true of the readings is in one value of the table `log`, under the group's number
 * (seq). Numbers rise by one; only a prefix is ever deleted. All numbers are little-endian.
 *
 * ```
 *   0  u8   version of this layout: 2
 *   1  u8   flags: 1 = some points have a provisional arrival time (`arrival-bases.ts`)
 *   2  u16  0
 *   4  u32  CRC-32 of bytes 0 to 3 and everything from byte 8 on
 *   8  f64  arrival of the group's first message, ms since 1970-01-01 UTC
 *  16  f64  the arrival clock's high-water mark, ms
 *  24  f64  points of this and all earlier groups since the store was made     ┐
 *  32  f64  the same for bytes of line protocol                                 ├ the marks
 *  40  f64  the same for what the records take up in the file                   ┘
 *  48  f64  the next rejection id
 *  56  u32  points in this group
 *  60  u32  bytes of the section: names        [u8 0 source | 1 device, u16 index, u16 length, UTF-8]…
 *  64  u32  bytes of the section: tallies      [u16 device, u8 source, u8 column, u32 readings]…
 *  68  u32  bytes of the section: codes        [u8 code, u32 rejections]…
 *  72  u32  bytes of the section: clients      UTF-8 names with a NUL between two
 *  76  u32  bytes of the section: transfers    [u16 client, u16 packet id, u32 hash, u32 hash, u16 readings, u8 state]…
 *  80  u32  bytes of the section: identities   [u16 length, UTF-8 device, u16 n, n × (u32 high, u32 low)]…
 *  84  u32  bytes of the section: lines        the points as UTF-8 line protocol, each ending in "\n"
 *  88  u32  the highest provisional arrival time in it: seconds,      ┐ 0 where there is none
 *  92  u32                                          and nanoseconds   ┘
 *  96  the sections, in this order, with nothing between or behind them
 * ```
 *
 * Layout 1, which is still read: no flags, the CRC from byte 8 on, no identities, lines at 80, the sections from 84 on. Its
 * tallies have no column `received`: it is the sum of the others.
 *
 * Invariants
 * - The marks are running totals. What lies between two groups (the backlog of a sink, the live bytes of the log) is a
 *   difference of two marks: nothing has to be scanned. They survive trimming, as the folded state keeps the last ones.
 * - A column is a position in `OUTCOMES`, or 5 = received (an outcome that is added one day is 6); a code is one in
 *   `REJECTION_CODES`. Those lists may only grow at their end.
 * - A device is a number in the account's table. A record names each device that was not yet folded when it was
 *   written, so a replay of the records behind the last fold always knows the name.
 * - A record without points (forwarded or duplicate messages only) is no work for a sink: readers pass over it.
 * - A reader checks the CRC, the version, that the sections fill the value, and each section's own shape. Anything else
 *   is `store-damaged`: a broken record is never skipped silently.
 */
export const RECORD_VERSION = 2;

const HEADER_BYTES = 96;
const SECTIONS = 7;
const HEADER_BYTES_1 = 84;
const SECTIONS_1 = 6;
const CRC_FROM = 8;
const UNCHECKED_FROM = 4;
const IS_PROVISIONAL = 1;
const NUL = '\0';

/** Of the columns of a tally, those before are outcomes. */
export const RECEIVED = 5;
const COLUMNS = 6;
const NS_DIGITS = 9;
const MOST_IDENTITIES = 0xffff;

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
  /** By device: high and low half of each, by turns. */
  readonly identities: ReadonlyMap<string, readonly number[]>;
  readonly lines: readonly string[];
  /** The highest provisional arrival time in the lines, at most 17 digits; null where there is none. */
  readonly provisionalNs: string | null;
}

export interface RecordHeader {
  readonly arrivedMs: number;
  readonly highWaterMs: number;
  readonly nextRejectionId: number;
  readonly points: number;
  readonly marks: Marks;
  readonly provisionalNs: string | null;
}

export interface RecordContents extends RecordHeader {
  readonly names: readonly RecordName[];
  readonly tallies: ReadonlyMap<number, number>;
  readonly codes: ReadonlyMap<number, number>;
  readonly transfers: readonly TransferKey[];
  readonly identities: readonly IdentityKey[];
  /** A view into the record. */
  readonly lines: Buffer;
}

const COLUMN_BITS = 3;
const SOURCE_BITS = 8;

/** One number for a device, a source and a column, so that counting needs no object per reading. */
export function tallyKey(device: number, source: number, column: number): number {
  return (((device << SOURCE_BITS) | source) << COLUMN_BITS) | column;
}

export function tallyParts(key: number): { device: number; source: number; column: number } {
  return {
    device: key >>> (SOURCE_BITS + COLUMN_BITS),
    source: (key >>> COLUMN_BITS) & 0xff,
    column: key & 0b111,
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
    const { device, source, column } = tallyParts(key);
    writer.u16(device);
    writer.u8(source);
    writer.u8(column);
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
  writeIdentities(writer, input.identities);
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
  const ns = input.provisionalNs;
  writer.u32(Number(ns?.slice(0, -NS_DIGITS) ?? 0));
  writer.u32(Number(ns?.slice(-NS_DIGITS) ?? 0));
  writer.at = 0;
  writer.u8(RECORD_VERSION);
  writer.u8(ns === null ? 0 : IS_PROVISIONAL);
  writer.u16(0);
  writer.at = total;
  const crc = crcOf(writer.written());
  writer.at = UNCHECKED_FROM;
  writer.u32(crc);
  writer.at = total;
  return marks;
}

function crcOf(value: Buffer): number {
  return crc32(value.subarray(CRC_FROM), crc32(value.subarray(0, UNCHECKED_FROM)));
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

function writeIdentities(writer: ByteWriter, identities: ReadonlyMap<string, readonly number[]>): void {
  for (const [device, halves] of identities) {
    for (let from = 0; from < halves.length; from += 2 * MOST_IDENTITIES) {
      const to = Math.min(halves.length, from + 2 * MOST_IDENTITIES);
      writer.shortText(device);
      writer.u16((to - from) / 2);
      writer.u32s(halves, from, to);
    }
  }
}

interface Opened {
  readonly header: RecordHeader;
  readonly reader: ByteReader;
  readonly sections: readonly number[];
  readonly what: string;
  readonly version: number;
}

function open(value: Buffer, seq: number): Opened {
  const what = `group ${seq} of the log`;
  const reader = new ByteReader(value, what);
  const version = reader.u8();
  if (version !== 1 && version !== RECORD_VERSION) {
    throw damaged(what, `its layout is ${version}, not ${RECORD_VERSION}`);
  }
  const isProvisional = version > 1 && (reader.u8() & IS_PROVISIONAL) !== 0;
  reader.at = UNCHECKED_FROM;
  const crc = reader.u32();
  const isWhole = crc === (version === 1 ? crc32(value.subarray(CRC_FROM)) : crcOf(value));
  if (!isWhole) throw damaged(what, 'its checksum does not match');
  const arrivedMs = reader.f64();
  const highWaterMs = reader.f64();
  const marks: Marks = { points: reader.f64(), bytes: reader.f64(), cost: reader.f64() };
  const nextRejectionId = reader.f64();
  const points = reader.u32();
  const sections = Array.from({ length: version === 1 ? SECTIONS_1 : SECTIONS }, () => reader.u32());
  const provisionalNs = isProvisional ? digitsOf(reader.u32(), reader.u32()) : null;
  reader.at = version === 1 ? HEADER_BYTES_1 : HEADER_BYTES;
  const length = sections.reduce((sum, bytes) => sum + bytes, reader.at);
  if (length !== value.length) throw damaged(what, `it has ${value.length} bytes instead of ${length}`);
  // Of layout 1 there are no identities.
  if (version === 1) sections.splice(SECTIONS_1 - 1, 0, 0);
  const header = { arrivedMs, highWaterMs, nextRejectionId, points, marks, provisionalNs };
  return { header, reader, sections, what, version };
}

function digitsOf(seconds: number, nanoseconds: number): string {
  return seconds === 0 ? String(nanoseconds) : `${seconds}${String(nanoseconds).padStart(NS_DIGITS, '0')}`;
}

/** @throws GatewayError `store-damaged`. */
export function decodeHeader(value: Buffer, seq: number): RecordHeader {
  return open(value, seq).header;
}

/** The points and nothing else: what delivery needs. @throws GatewayError `store-damaged`. */
export function decodeLines(value: Buffer, seq: number): { header: RecordHeader; lines: Buffer } {
  const { header, sections } = open(value, seq);
  return { header, lines: value.subarray(value.length - (sections[SECTIONS - 1] ?? 0)) };
}

/** @throws GatewayError `store-damaged`. */
export function decodeRecord(value: Buffer, seq: number): RecordContents {
  const { header, reader, sections, what, version } = open(value, seq);
  const [
    namesBytes = 0,
    talliesBytes = 0,
    codesBytes = 0,
    clientsBytes = 0,
    transfersBytes = 0,
    identitiesBytes = 0,
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
      const column = reader.u8();
      if (column >= COLUMNS) throw damaged(what, `there is no outcome ${column}`);
      return [tallyKey(device, source, column), reader.u32()];
    }),
  );
  if (version === 1) addReceived(tallies);
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
  const identities = section<IdentityKey[]>(identitiesBytes, () => {
    const device = reader.shortText();
    const n = reader.u16();
    return Array.from({ length: n }, () => ({ device, high: reader.u32(), low: reader.u32() }));
  }).flat();
  return { ...header, names, tallies, codes, transfers, identities, lines: reader.bytes(linesBytes) };
}

/** What came in was what is counted: nothing else was known then. */
function addReceived(tallies: Map<number, number>): void {
  for (const [key, n] of [...tallies]) {
    const { device, source } = tallyParts(key);
    const received = tallyKey(device, source, RECEIVED);
    tallies.set(received, (tallies.get(received) ?? 0) + n);
  }
}
