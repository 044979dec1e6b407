/** Reads a ledger, also one whose writer was killed, a piece at a time. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Digest } from '../contracts.ts';
import { type RunFile, readRunFile } from './run-file.ts';
import {
  ACK_BYTES,
  ACKNOWLEDGED,
  PAYLOAD_BYTES,
  readSentRecord,
  SENT_BYTES,
  type SentRecord,
} from './sent-record.ts';

export interface LedgerReading extends SentRecord {
  readonly number: number;
  readonly payload: Digest;
}

export interface LedgerAnswer {
  readonly number: number;
  readonly kind: 'acknowledged' | 'refused';
  /** ms after the start of the run, rounded up. */
  readonly offsetMs: number;
}

export interface ReadableLedger {
  readonly folder: string;
  readonly run: RunFile;
  /** Whole records. */
  readonly count: number;
  readonly measurements: readonly string[];
  /** In the order of their numbers. @throws Error where it is damaged (a torn end is not damage). */
  readings(): Generator<LedgerReading, undefined>;
  /**
   * In the order in which they came. A reading may have several.
   * @throws Error where one is of a reading that is not there: a kill leaves no such thing, so the end of it was lost since.
   */
  answers(): Generator<LedgerAnswer, undefined>;
  /**
   * SHA-256, in hexadecimal, of what was sent and by whom: equal for two runs of one scenario and seed, as far as both
   * went.
   */
  digest(): string;
}

const PIECE_RECORDS = 4096;

/** @throws Error where there is no ledger. */
export function openLedger(folder: string): ReadableLedger {
  const run = readRunFile(folder);
  const path = (name: string): string => join(folder, name);
  const count = Math.min(
    wholeRecords(path('sent.bin'), SENT_BYTES),
    wholeRecords(path('payloads.bin'), PAYLOAD_BYTES),
  );
  const measurements = readNames(path('measurements.ndjson'));

  return {
    folder,
    run,
    count,
    measurements,
    *readings() {
      const payloads = pieces(path('payloads.bin'), PAYLOAD_BYTES, count);
      let number = 0;
      for (const piece of pieces(path('sent.bin'), SENT_BYTES, count)) {
        const next = payloads.next();
        const digests = next.done === true ? Buffer.alloc(0) : next.value;
        for (let i = 0; (i + 1) * SENT_BYTES <= piece.length; i += 1) {
          const record = readOne(folder, number, piece, i * SENT_BYTES);
          const high = digests.readUInt32LE(i * PAYLOAD_BYTES);
          const low = digests.readUInt32LE(i * PAYLOAD_BYTES + 4);
          yield { ...record, number, payload: { high, low } };
          number += 1;
        }
      }
      return undefined;
    },
    *answers() {
      const whole = wholeRecords(path('acks.bin'), ACK_BYTES);
      for (const piece of pieces(path('acks.bin'), ACK_BYTES, whole)) {
        for (let at = 0; at + ACK_BYTES <= piece.length; at += ACK_BYTES) {
          const number = piece.readUInt32LE(at);
          if (number >= count)
            throw new Error(
              `${folder} has an answer to reading ${number}, but only ${count} readings: sent.bin or payloads.bin has lost its end`,
            );
          const kind = piece.readUInt32LE(at + 8) === ACKNOWLEDGED ? 'acknowledged' : 'refused';
          yield { number, kind, offsetMs: piece.readUInt32LE(at + 4) };
        }
      }
      return undefined;
    },
    digest: () => {
      const hash = createHash('sha256');
      hash.update(JSON.stringify(run.devices));
      hash.update(JSON.stringify(measurements));
      for (const piece of pieces(path('sent.bin'), SENT_BYTES, count)) hash.update(piece);
      return hash.digest('hex');
    },
  };
}

function readOne(folder: string, number: number, piece: Buffer, at: number): SentRecord {
  try {
    return readSentRecord(piece, at);
  } catch (error) {
    throw new Error(`${join(folder, 'sent.bin')}, reading ${number}: ${String(error)}`, { cause: error });
  }
}

function wholeRecords(path: string, recordBytes: number): number {
  return existsSync(path) ? Math.floor(statSync(path).size / recordBytes) : 0;
}

/** The first `records` of a file, some at a time. A piece is valid until the next one is asked for. */
function* pieces(path: string, recordBytes: number, records: number): Generator<Buffer, undefined> {
  if (records === 0) return undefined;
  const file = openSync(path, 'r');
  try {
    const buffer = Buffer.alloc(PIECE_RECORDS * recordBytes);
    for (let from = 0; from < records; from += PIECE_RECORDS) {
      const wanted = Math.min(PIECE_RECORDS, records - from) * recordBytes;
      let length = 0;
      while (length < wanted) {
        const read = readSync(file, buffer, length, wanted - length, from * recordBytes + length);
        if (read === 0) throw new Error(`${path} became shorter while it was read`);
        length += read;
      }
      yield buffer.subarray(0, length);
    }
  } finally {
    closeSync(file);
  }
  return undefined;
}

/** A torn last line is no name: no whole record refers to it. */
function readNames(path: string): string[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.slice(0, -1).map((line) => String(JSON.parse(line)));
}
