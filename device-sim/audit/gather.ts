/** The passes over the ledger, the database and the rejections that put everything of one device into one bucket. */
import { join } from 'node:path';
import { type Digest, type Fault, MQTT_FAULTS, PAYLOAD_FAULTS, SERIAL_FAULTS } from '../contracts.ts';
import type { ReadableLedger } from '../ledger/read-ledger.ts';
import type { AuditStore, GatewayView, RejectedReading, TimeRange } from './audit-contract.ts';
import type { AuditUnits } from './audit-units.ts';
import { BucketFiles } from './bucket-files.ts';
import { matchIntervals } from './match-intervals.ts';
import { nsOfMs, rejectionInterval } from './match-rules.ts';
import {
  orderNs,
  REJECTION_BYTES,
  ROW_BYTES,
  readRejection,
  SENT_READING_BYTES,
  type SentReading,
  writeReading,
  writeRejection,
  writeRow,
} from './spilled.ts';
import { TimeCover } from './time-cover.ts';

/** By the number that a spilled reading has. */
export const FAULT_NAMES: readonly (Fault | null)[] = [
  null,
  ...PAYLOAD_FAULTS,
  ...MQTT_FAULTS,
  ...SERIAL_FAULTS,
];
/** With these a reading may reach the gateway twice, without a sign that it is the same. */
const SENDS_TWICE: ReadonlySet<Fault | null> = new Set<Fault>(['duplicate', ...SERIAL_FAULTS]);

const ANSWER_BYTES = 12;
/** Answers are brought to their readings so many readings at a time. */
const CHUNK_READINGS = 1_000_000;
/** Rejections whose device the gateway could not tell. */
const MOST_UNNAMED = 1_000_000;

export interface Gathered {
  readonly readings: BucketFiles;
  readonly rows: BucketFiles;
  readonly rejections: BucketFiles;
  readonly buckets: number;
  /** Rows of the measurements that belong to devices which the ledger does not know. */
  strangers: number;
  /** Where the database has to be looked at. */
  cover: TimeCover;
}

export function prepare(folder: string, buckets: number, startMs: number): Gathered {
  return {
    readings: new BucketFiles(join(folder, 'readings'), SENT_READING_BYTES),
    rows: new BucketFiles(join(folder, 'rows'), ROW_BYTES),
    rejections: new BucketFiles(join(folder, 'rejections'), REJECTION_BYTES),
    buckets,
    strangers: 0,
    cover: new TimeCover(nsOfMs(startMs)),
  };
}

/** Rejections whose device is not known, by payload. */
export interface Unnamed {
  /** Moments of arrival, ms since 1970. */
  readonly moments: ReadonlyMap<bigint, readonly number[]>;
  /** Units for which the gateway told of such a payload whose it is, by payload: the others are not theirs. */
  readonly named: ReadonlyMap<bigint, ReadonlySet<number>>;
}

/** @throws Error where the gateway cannot be asked. */
export async function gatherRejections(
  into: Gathered,
  gateway: GatewayView,
  ledger: ReadableLedger,
  units: AuditUnits,
  options: { readonly sinceMs: number; readonly ignored: ReadonlySet<string> },
): Promise<Unnamed> {
  const moments = new Map<bigint, number[]>();
  let count = 0;
  const numbers = new Map(ledger.measurements.map((name, number) => [name, number]));
  for await (const rejection of gateway.rejected(options.sinceMs)) {
    if (rejection.point !== null) {
      addRefused(into, rejection.point, numbers, units, options.ignored);
      continue;
    }
    const unit = rejection.device === null ? null : units.ofDeviceName(rejection.device);
    const payload = numberOf(rejection.payload);
    if (unit !== null) {
      into.rejections.add(unit % into.buckets, (buffer, at) =>
        writeRejection({ unit, atMs: rejection.atMs, payload }, buffer, at),
      );
      continue;
    }
    count += 1;
    if (count > MOST_UNNAMED) throw new Error(`more than ${MOST_UNNAMED} rejected readings name no device`);
    const same = moments.get(payload);
    if (same === undefined) moments.set(payload, [rejection.atMs]);
    else same.push(rejection.atMs);
  }
  const named = new Map([...moments.keys()].map((payload) => [payload, new Set<number>()]));
  into.rejections.flush();
  for (let bucket = 0; moments.size > 0 && bucket < into.buckets; bucket += 1) {
    for (const { buffer, at } of into.rejections.records(bucket)) {
      const { payload, unit } = readRejection(buffer, at);
      named.get(payload)?.add(unit);
    }
  }
  return { moments, named };
}

/**
 * Gives rejections without a device to the readings with their payload that can have become them: many devices say the
 * same nonsense, such as nothing at all, and each moment goes to the one that has to have it.
 */
function addUnnamed(
  into: Gathered,
  { moments }: Unnamed,
  candidates: readonly SentReading[],
  slackNs: bigint,
): void {
  let items = [...moments].flatMap(([payload, times]) => times.map((atMs) => ({ payload, atMs })));
  const done = new Set<SentReading>();
  for (const slack of [0n, slackNs]) {
    items = matchIntervals({
      readings: candidates.filter((reading) => !done.has(reading)),
      items,
      keyOfReading: ({ payload }) => String(payload),
      keyOfItem: ({ payload }) => String(payload),
      timeNsOf: ({ atMs }) => nsOfMs(atMs),
      intervalOf: (reading) => rejectionInterval(reading, slack),
      onMatch: (reading, { atMs, payload }) => {
        const { unit } = reading;
        done.add(reading);
        into.rejections.add(unit % into.buckets, (buffer, at) =>
          writeRejection({ unit, atMs, payload }, buffer, at),
        );
      },
    });
  }
}

/** What a database refused is kept as the point that it was. */
function addRefused(
  into: Gathered,
  { measurement, row }: NonNullable<RejectedReading['point']>,
  numbers: ReadonlyMap<string, number>,
  units: AuditUnits,
  ignored: ReadonlySet<string>,
): void {
  const number = numbers.get(measurement);
  const whose = units.identify(row, ignored);
  if (number === undefined || whose === null) return;
  into.rows.add(whose.unit % into.buckets, (buffer, at) =>
    writeRow(
      {
        unit: whose.unit,
        measurement: number,
        timeNs: row.timeNs,
        digest: numberOf(whose.digest),
        refused: true,
      },
      buffer,
      at,
    ),
  );
}

/** @throws Error where the ledger is damaged. */
export function gatherReadings(
  into: Gathered,
  ledger: ReadableLedger,
  units: AuditUnits,
  unnamed: Unnamed | null,
  options: { readonly folder: string; readonly slackNs: bigint },
): void {
  const startNs = nsOfMs(ledger.run.startMs);
  const answers = spillAnswers(ledger, options.folder);
  const candidates: SentReading[] = [];
  let chunk = new AnswerChunk(-1, 0);
  for (const reading of ledger.readings()) {
    const { number } = reading;
    if (number >= chunk.end) chunk = AnswerChunk.read(answers, Math.floor(number / CHUNK_READINGS));
    const unit = units.ofDevice(reading.device);
    const device = ledger.run.devices[reading.device];
    const { expected } = reading;
    const time = expected?.time ?? null;
    const stepNs = BigInt(device?.timeUnitNs ?? 1);
    const ownNs =
      time === null || time.base === 'arrival' ? null : time.base === 'start' ? startNs + time.ns : time.ns;
    const ageNs = time?.base === 'arrival' ? -time.ns : 0n;
    const payload = numberOf(reading.payload);
    const sent: SentReading = {
      unit,
      device: reading.device,
      n: reading.n,
      saidNs: startNs + BigInt(Math.floor(reading.offsetUs)) * 1000n,
      answeredNs: chunk.answeredNs(number, startNs),
      acknowledged: chunk.kind(number) === 1,
      promised: device?.promises ?? true,
      fate: reading.fate,
      recognisable: reading.recognisable,
      sentTwice: SENDS_TWICE.has(reading.wayFault),
      payloadFault: FAULT_NAMES.indexOf(reading.payloadFault),
      wayFault: FAULT_NAMES.indexOf(reading.wayFault),
      payload,
      expected:
        expected === null
          ? null
          : {
              measurement: expected.measurement,
              digest: numberOf(expected.fields),
              timeNs: ownNs === null ? null : ownNs - (((ownNs % stepNs) + stepNs) % stepNs),
              ageNs,
            },
    };
    into.readings.add(unit % into.buckets, (buffer, at) => writeReading(sent, buffer, at));
    into.cover.said(sent.answeredNs ?? sent.saidNs);
    if (sent.expected !== null && (sent.expected.timeNs !== null || ageNs > 0n))
      into.cover.expect(orderNs(sent));
    if (unnamed?.named.get(payload)?.has(unit) === false) {
      candidates.push(sent);
      if (candidates.length > MOST_UNNAMED)
        throw new Error(`more than ${MOST_UNNAMED} readings look like rejected ones that name no device`);
    }
  }
  if (unnamed !== null) addUnnamed(into, unnamed, candidates, options.slackNs);
}

/** @throws Error where the database cannot be asked. */
export async function gatherRows(
  into: Gathered,
  store: AuditStore,
  ledger: ReadableLedger,
  units: AuditUnits,
  ranges: readonly TimeRange[],
  ignored: ReadonlySet<string>,
): Promise<void> {
  for (const [measurement, name] of ledger.measurements.entries()) {
    for await (const row of store.rows(name, ranges)) {
      const whose = units.identify(row, ignored);
      if (whose === null) {
        into.strangers += 1;
        continue;
      }
      const { unit, digest } = whose;
      into.rows.add(unit % into.buckets, (buffer, at) =>
        writeRow(
          { unit, measurement, timeNs: row.timeNs, digest: numberOf(digest), refused: false },
          buffer,
          at,
        ),
      );
    }
  }
}

export function numberOf({ high, low }: Digest): bigint {
  return (BigInt(high) << 32n) | BigInt(low);
}

function spillAnswers(ledger: ReadableLedger, folder: string): BucketFiles {
  const answers = new BucketFiles(join(folder, 'answers'), ANSWER_BYTES);
  for (const { number, kind, offsetMs } of ledger.answers()) {
    answers.add(Math.floor(number / CHUNK_READINGS), (buffer, at) => {
      buffer.writeUInt32LE(number % CHUNK_READINGS, at);
      buffer.writeUInt32LE(offsetMs, at + 4);
      buffer.writeUInt32LE(kind === 'acknowledged' ? 1 : 2, at + 8);
    });
  }
  answers.flush();
  return answers;
}

/** The answers of a million readings. */
class AnswerChunk {
  readonly end: number;
  private readonly from: number;
  private readonly kinds: Uint8Array;
  private readonly offsetsMs: Uint32Array;

  constructor(chunk: number, size: number) {
    this.from = chunk * CHUNK_READINGS;
    this.end = this.from + size;
    this.kinds = new Uint8Array(size);
    this.offsetsMs = new Uint32Array(size);
  }

  static read(answers: BucketFiles, number: number): AnswerChunk {
    const chunk = new AnswerChunk(number, CHUNK_READINGS);
    for (const { buffer, at } of answers.records(number)) {
      const place = buffer.readUInt32LE(at);
      const kind = buffer.readUInt32LE(at + 8);
      // The first acknowledgement counts; one that was refused may be acknowledged when it is sent again.
      if (chunk.kinds[place] === 1 || (chunk.kinds[place] === 2 && kind === 2)) continue;
      chunk.kinds[place] = kind;
      chunk.offsetsMs[place] = buffer.readUInt32LE(at + 4);
    }
    return chunk;
  }

  /** 0 none, 1 acknowledged, 2 refused. */
  kind(number: number): number {
    return this.kinds[number - this.from] ?? 0;
  }

  /** Rounded up to a whole ms. */
  answeredNs(number: number, startNs: bigint): bigint | null {
    if (this.kind(number) === 0) return null;
    return startNs + BigInt(this.offsetsMs[number - this.from] ?? 0) * 1_000_000n;
  }
}
