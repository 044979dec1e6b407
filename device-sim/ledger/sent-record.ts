/**
 * # The ledger on disk
 *
 * A folder with five files (and `gateway-before.json` where the run had a gateway to ask, see audit/counts-before.ts). Numbers are little-endian; a reading's number is its position, from 0.
 *
 * - `run.json`: the run and its devices (`run-file.ts`). Written first, whole.
 * - `sent.bin`: a record of 56 bytes for each reading, before it is sent. Nothing in it depends on when the run was made,
 *   so two runs of one scenario and seed have the same bytes:
 *
 * ```
 *   0  u32  device, a position in the list of `run.json`
 *   4  u32  n, the reading's number within its device
 *   8  f64  said so many µs after the start of the run
 *  16  u8   fate: 0 stored, 1 rejected, 2 either
 *  17  u8   fault of the payload: 0 none, else a position in `PAYLOAD_FAULTS` + 1
 *  18  u8   fault on the way: 0 none, else a position in `MQTT_FAULTS` followed by `SERIAL_FAULTS`, + 1
 *  19  u8   flags: 1 recognisable, 2 it is known what the database must hold, 4 it has a time of its own,
 *           8 that time counts from 1970, 16 from its arrival (else from the start of the run)
 *  20  u32  measurement, a line number in `measurements.ndjson`, from 0
 *  24  i64  its own time, ns
 *  32  u32  digest of the fields, high half     ┐ 0 where it is not known
 *  36  u32                         low half     ┘ what the database must hold
 *  40  u32  0
 *  44  u32  0
 *  48  u32  0
 *  52  u32  CRC-32 of the bytes before
 * ```
 *
 * - `payloads.bin`: 8 bytes for each reading, the digest of its payload (u32 high, u32 low). A payload may carry the time
 *   of day, so this file differs from run to run. By it a rejected reading is found.
 * - `measurements.ndjson`: a JSON string a line, in the order in which they were first used.
 * - `acks.bin`: 12 bytes for each answer, in the order in which they came:
 *
 * ```
 *   0  u32  number of the reading
 *   4  u32  ms after the start of the run
 *   8  u32  1 acknowledged, 2 refused
 * ```
 *
 * All but `run.json` are only appended to, in this order: measurements, payloads, sent, acks. So what is behind the last
 * whole record of `sent.bin` is torn, and whatever was acknowledged is in `sent.bin`. What is appended goes to the
 * operating system in the same turn of the event loop: a kill loses nothing of earlier turns. A power cut may.
 */
import { crc32 } from 'node:zlib';
import {
  type Digest,
  type Fault,
  MQTT_FAULTS,
  PAYLOAD_FAULTS,
  type PlannedReading,
  SERIAL_FAULTS,
} from '../contracts.ts';

export const SENT_BYTES = 56;
export const PAYLOAD_BYTES = 8;
export const ACK_BYTES = 12;
export const ACKNOWLEDGED = 1;
export const REFUSED = 2;
const CRC_AT = 52;

const RECOGNISABLE = 1;
const EXPECTED = 2;
const OWN_TIME = 4;
const SINCE_1970 = 8;
const SINCE_ARRIVAL = 16;

const FATES = ['stored', 'rejected', 'either'] as const;
const WAY_FAULTS: readonly Fault[] = [...MQTT_FAULTS, ...SERIAL_FAULTS];

/** A record of `sent.bin`. */
export interface SentRecord {
  readonly device: number;
  readonly n: number;
  readonly offsetUs: number;
  readonly fate: PlannedReading['fate'];
  readonly payloadFault: Fault | null;
  readonly wayFault: Fault | null;
  readonly recognisable: boolean;
  /** What the database must hold; null where nobody can say. */
  readonly expected: {
    /** A line number in `measurements.ndjson`. */
    readonly measurement: number;
    readonly fields: Digest;
    readonly time: NonNullable<PlannedReading['expected']>['time'];
  } | null;
}

/** What goes into a record: `measurement` is the number of its name, 0 where nothing is expected. */
export function writeSentRecord(
  into: Buffer,
  at: number,
  reading: PlannedReading,
  measurement: number,
  offsetUs: number,
  wayFault: Fault | null,
): void {
  const { expected, fault, fate } = reading;
  const time = expected?.time ?? null;
  into.fill(0, at, at + SENT_BYTES);
  into.writeUInt32LE(reading.device, at);
  into.writeUInt32LE(reading.n, at + 4);
  into.writeDoubleLE(offsetUs, at + 8);
  into[at + 16] = FATES.indexOf(fate);
  into[at + 17] = fault === null ? 0 : PAYLOAD_FAULTS.indexOf(fault) + 1;
  into[at + 18] = wayFault === null ? 0 : WAY_FAULTS.indexOf(wayFault) + 1;
  into[at + 19] =
    (reading.recognisable ? RECOGNISABLE : 0) |
    (expected === null ? 0 : EXPECTED) |
    (time === null ? 0 : OWN_TIME) |
    (time?.base === 'epoch' ? SINCE_1970 : time?.base === 'arrival' ? SINCE_ARRIVAL : 0);
  if (expected !== null) {
    into.writeUInt32LE(measurement, at + 20);
    if (time !== null) into.writeBigInt64LE(BigInt.asIntN(64, time.ns), at + 24);
    into.writeUInt32LE(expected.fields.high, at + 32);
    into.writeUInt32LE(expected.fields.low, at + 36);
  }
  into.writeUInt32LE(crc32(into.subarray(at, at + CRC_AT)), at + CRC_AT);
}

/** @throws Error where the record is not as it was written. */
export function readSentRecord(from: Buffer, at: number): SentRecord {
  if (crc32(from.subarray(at, at + CRC_AT)) !== from.readUInt32LE(at + CRC_AT)) {
    throw new Error('a record of it is damaged');
  }
  const flags = from.readUInt8(at + 19);
  return {
    device: from.readUInt32LE(at),
    n: from.readUInt32LE(at + 4),
    offsetUs: from.readDoubleLE(at + 8),
    fate: FATES[from.readUInt8(at + 16)] ?? 'either',
    payloadFault: PAYLOAD_FAULTS[from.readUInt8(at + 17) - 1] ?? null,
    wayFault: WAY_FAULTS[from.readUInt8(at + 18) - 1] ?? null,
    recognisable: (flags & RECOGNISABLE) !== 0,
    expected:
      (flags & EXPECTED) === 0
        ? null
        : {
            measurement: from.readUInt32LE(at + 20),
            fields: { high: from.readUInt32LE(at + 32), low: from.readUInt32LE(at + 36) },
            time: (flags & OWN_TIME) === 0 ? null : { ns: from.readBigInt64LE(at + 24), base: baseOf(flags) },
          },
  };
}

function baseOf(flags: number): 'start' | 'epoch' | 'arrival' {
  if ((flags & SINCE_ARRIVAL) !== 0) return 'arrival';
  return (flags & SINCE_1970) === 0 ? 'start' : 'epoch';
}
