/** What the audit puts aside in temporary files: readings with their answers, rows of the database, rejections. */

/** A reading of the ledger, with what was answered. Times in ns since 1970. */
export interface SentReading {
  readonly unit: number;
  readonly device: number;
  readonly n: number;
  readonly saidNs: bigint;
  /** When it was answered; null: never. */
  readonly answeredNs: bigint | null;
  readonly acknowledged: boolean;
  /** Its acknowledgement is a promise. */
  readonly promised: boolean;
  readonly fate: 'stored' | 'rejected' | 'either';
  readonly recognisable: boolean;
  /** It was sent twice on purpose. */
  readonly sentTwice: boolean;
  /** Positions in a table of fault names, 0: none. Of the payload, and on the way. */
  readonly payloadFault: number;
  readonly wayFault: number;
  readonly payload: bigint;
  /** What the database must hold; null where nobody can say. */
  readonly expected: {
    readonly measurement: number;
    readonly digest: bigint;
    /** Null: its time of arrival, less its age. */
    readonly timeNs: bigint | null;
    readonly ageNs: bigint;
  } | null;
}

export interface SpilledRow {
  readonly unit: number;
  readonly measurement: number;
  readonly timeNs: bigint;
  /** 0 where the database does not tell fields. */
  readonly digest: bigint;
  /** It is no row, but a point that the database refused, kept as a rejection. */
  readonly refused: boolean;
}

export interface SpilledRejection {
  readonly unit: number;
  readonly atMs: number;
  readonly payload: bigint;
}

export const SENT_READING_BYTES = 72;
export const ROW_BYTES = 28;
export const REJECTION_BYTES = 20;

const FATES = ['stored', 'rejected', 'either'] as const;
const ACKNOWLEDGED = 1;
const PROMISED = 2;
const RECOGNISABLE = 4;
const SENT_TWICE = 8;
const ANSWERED = 16;
const EXPECTED = 32;
const OWN_TIME = 64;
const AGE = 128;

export function writeReading(reading: SentReading, into: Buffer, at: number): void {
  const { expected } = reading;
  into.writeUInt32LE(reading.unit, at);
  into.writeUInt32LE(reading.device, at + 4);
  into.writeUInt32LE(reading.n, at + 8);
  into.writeUInt32LE(expected?.measurement ?? 0, at + 12);
  into.writeBigInt64LE(reading.saidNs, at + 16);
  into.writeBigInt64LE(reading.answeredNs ?? 0n, at + 24);
  into.writeBigUInt64LE(reading.payload, at + 32);
  into.writeBigUInt64LE(expected?.digest ?? 0n, at + 40);
  into.writeBigInt64LE(expected?.timeNs ?? expected?.ageNs ?? 0n, at + 48);
  into[at + 56] = FATES.indexOf(reading.fate);
  into[at + 57] = reading.payloadFault;
  into[at + 59] = reading.wayFault;
  into[at + 58] =
    (reading.acknowledged ? ACKNOWLEDGED : 0) |
    (reading.promised ? PROMISED : 0) |
    (reading.recognisable ? RECOGNISABLE : 0) |
    (reading.sentTwice ? SENT_TWICE : 0) |
    (reading.answeredNs === null ? 0 : ANSWERED) |
    (expected === null ? 0 : EXPECTED) |
    (expected === null ? 0 : expected.timeNs === null ? AGE : OWN_TIME);
}

export function readReading(from: Buffer, at: number): SentReading {
  const flags = from.readUInt8(at + 58);
  return {
    unit: from.readUInt32LE(at),
    device: from.readUInt32LE(at + 4),
    n: from.readUInt32LE(at + 8),
    saidNs: from.readBigInt64LE(at + 16),
    answeredNs: (flags & ANSWERED) === 0 ? null : from.readBigInt64LE(at + 24),
    acknowledged: (flags & ACKNOWLEDGED) !== 0,
    promised: (flags & PROMISED) !== 0,
    fate: FATES[from.readUInt8(at + 56)] ?? 'either',
    recognisable: (flags & RECOGNISABLE) !== 0,
    sentTwice: (flags & SENT_TWICE) !== 0,
    payloadFault: from.readUInt8(at + 57),
    wayFault: from.readUInt8(at + 59),
    payload: from.readBigUInt64LE(at + 32),
    expected:
      (flags & EXPECTED) === 0
        ? null
        : {
            measurement: from.readUInt32LE(at + 12),
            digest: from.readBigUInt64LE(at + 40),
            timeNs: (flags & OWN_TIME) === 0 ? null : from.readBigInt64LE(at + 48),
            ageNs: (flags & AGE) === 0 ? 0n : from.readBigInt64LE(at + 48),
          },
  };
}

export function writeRow(row: SpilledRow, into: Buffer, at: number): void {
  into.writeUInt32LE(row.unit, at);
  into.writeUInt32LE(row.measurement, at + 4);
  into.writeBigInt64LE(row.timeNs, at + 8);
  into.writeBigUInt64LE(row.digest, at + 16);
  into.writeUInt32LE(row.refused ? 1 : 0, at + 24);
}

export function readRow(from: Buffer, at: number): SpilledRow {
  return {
    unit: from.readUInt32LE(at),
    measurement: from.readUInt32LE(at + 4),
    timeNs: from.readBigInt64LE(at + 8),
    digest: from.readBigUInt64LE(at + 16),
    refused: from.readUInt32LE(at + 24) === 1,
  };
}

export function writeRejection(rejection: SpilledRejection, into: Buffer, at: number): void {
  into.writeUInt32LE(rejection.unit, at);
  into.writeDoubleLE(rejection.atMs, at + 4);
  into.writeBigUInt64LE(rejection.payload, at + 12);
}

export function readRejection(from: Buffer, at: number): SpilledRejection {
  return {
    unit: from.readUInt32LE(at),
    atMs: from.readDoubleLE(at + 4),
    payload: from.readBigUInt64LE(at + 12),
  };
}

/** The time by which readings are put in order: their own, else when they were said, less their age. */
export function orderNs({ expected, saidNs }: SentReading): bigint {
  return expected?.timeNs ?? saidNs - (expected?.ageNs ?? 0n);
}
