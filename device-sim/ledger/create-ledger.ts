import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerWriter } from '../contracts.ts';
import { digestOf } from '../field-digest.ts';
import { type LedgerHeader, writeRunFile } from './run-file.ts';
import {
  ACK_BYTES,
  ACKNOWLEDGED,
  PAYLOAD_BYTES,
  REFUSED,
  SENT_BYTES,
  writeSentRecord,
} from './sent-record.ts';

/** Readings, and answers, that are held before they are written even if the turn has not ended. */
const MOST_HELD = 4096;
const MAX_NUMBER = 0xffff_ffff;

/**
 * Begins the ledger of a run in a new folder; `sent-record.ts` describes its files. `nowMs`: ms since 1970, never going
 * back.
 *
 * Besides `flush`, what was noted is written at the end of each turn of the event loop. Where it cannot be written (the disk is full), `sent`, `flush` and `close` throw from then on.
 * @throws Error where the folder cannot be made, or holds a ledger already.
 */
export function createLedger(
  folder: string,
  header: LedgerHeader,
  nowMs: () => number = steadyClock(),
): LedgerWriter {
  writeRunFile(folder, header);
  const measurements = new Map<string, number>();
  let newNames = '';
  const names = openAppending(folder, 'measurements.ndjson');
  const payloads = new Appender(folder, 'payloads.bin', PAYLOAD_BYTES);
  const sent = new Appender(folder, 'sent.bin', SENT_BYTES);
  const acks = new Appender(folder, 'acks.bin', ACK_BYTES);
  let count = 0;
  let flushing = false;
  let failure: Error | null = null;

  const flush = (): void => {
    if (failure !== null) throw failure;
    try {
      if (newNames !== '') {
        writeAll(names, Buffer.from(newNames));
        newNames = '';
      }
      payloads.flush();
      sent.flush();
      acks.flush();
    } catch (error) {
      failure = new Error(`the ledger ${folder} cannot be written: ${String(error)}`, { cause: error });
      throw failure;
    }
  };

  const flushSoon = (): void => {
    if (flushing) return;
    flushing = true;
    setImmediate(() => {
      flushing = false;
      try {
        flush();
      } catch {
        // Kept in `failure`: whoever notes the next reading is told.
      }
    });
  };

  const numberOf = (measurement: string): number => {
    const known = measurements.get(measurement);
    if (known !== undefined) return known;
    const number = measurements.size;
    measurements.set(measurement, number);
    newNames += `${JSON.stringify(measurement)}\n`;
    return number;
  };

  const answer = (number: number, kind: number): void => {
    // An answer for nothing that was noted would be a mistake of the caller's: it proves nothing, so it is left out.
    if (number >= count || failure !== null) return;
    if (acks.held >= MOST_HELD) {
      try {
        flush();
      } catch {
        return;
      }
    }
    const { buffer, at } = acks.next();
    buffer.writeUInt32LE(number, at);
    buffer.writeUInt32LE(Math.min(MAX_NUMBER, Math.max(0, Math.ceil(nowMs() - header.startMs))), at + 4);
    buffer.writeUInt32LE(kind, at + 8);
    flushSoon();
  };

  return {
    sent: (reading, offsetUs, fault) => {
      if (failure !== null) throw failure;
      if (count > MAX_NUMBER) throw new Error('a ledger holds at most 2^32 readings');
      if (sent.held >= MOST_HELD) flush();
      const measurement = reading.expected === null ? 0 : numberOf(reading.expected.measurement);
      const place = payloads.next();
      const digest = digestOf(reading.payload);
      place.buffer.writeUInt32LE(digest.high, place.at);
      place.buffer.writeUInt32LE(digest.low, place.at + 4);
      const { buffer, at } = sent.next();
      writeSentRecord(buffer, at, reading, measurement, offsetUs, fault);
      count += 1;
      flushSoon();
      return count - 1;
    },
    acknowledged: (number) => answer(number, ACKNOWLEDGED),
    refused: (number) => answer(number, REFUSED),
    flush,
    close: async () => {
      try {
        flush();
        for (const file of [names, payloads.file, sent.file, acks.file]) fsyncSync(file);
      } finally {
        failure ??= new Error('the ledger is closed');
        for (const file of [names, payloads.file, sent.file, acks.file]) closeSync(file);
      }
    },
  };
}

/** The time of day as it is now, going on steadily: `startMs` is of the same moment, whatever was set since the process began. */
function steadyClock(): () => number {
  const originMs = Date.now() - performance.now();
  return () => originMs + performance.now();
}

/** Collects records of one size and appends them together. */
class Appender {
  readonly file: number;
  private readonly recordBytes: number;
  private readonly buffer: Buffer;
  private length = 0;

  constructor(folder: string, name: string, recordBytes: number) {
    this.file = openAppending(folder, name);
    this.recordBytes = recordBytes;
    this.buffer = Buffer.alloc(MOST_HELD * recordBytes);
  }

  get held(): number {
    return this.length / this.recordBytes;
  }

  /** Room for one more; there is some while less than `MOST_HELD` are held. */
  next(): { readonly buffer: Buffer; readonly at: number } {
    const at = this.length;
    this.length += this.recordBytes;
    return { buffer: this.buffer, at };
  }

  flush(): void {
    if (this.length === 0) return;
    writeAll(this.file, this.buffer.subarray(0, this.length));
    this.length = 0;
  }
}

function openAppending(folder: string, name: string): number {
  return openSync(join(folder, name), 'ax');
}

/** A write may take only a part. */
function writeAll(file: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}
