import { isUtf8 } from 'node:buffer';
import type { Expected, PlannedReading } from '../contracts.ts';
import { digestOfFields } from '../field-digest.ts';
import type { OwnTime } from './own-time.ts';
import type { PayloadJudges } from './payload-judge.ts';
import { isSchemaObject, propertyPath, type ReadingSchema, valueAt } from './reading-schemas.ts';
import type { Mapping } from './stored-reading.ts';
import type { Captures } from './topic-captures.ts';

/** What the device's clock said when it made a reading. */
export interface SaidTime {
  /** Since the start of the run. */
  offsetUs: number;
  /** How far its clock is ahead. */
  shiftUs: number;
  /** Where the clock counts from: `epoch` is one that was never set, and says `shiftUs` since 1970. */
  base: 'start' | 'epoch';
  subNs: number;
  /** What it put into the reading; null: nothing. */
  value: number | string | null;
}

export type Verdict = Pick<PlannedReading, 'fate' | 'expected' | 'recognisable'>;

/** Where a reading goes, besides its value. */
export interface Place {
  readonly captures: Captures;
  /** The property that the payload is the bare value of; null: a whole reading. */
  readonly field: string | null;
}

/** What becomes of payloads of one schema: docs/schemas.md, put into code a second time. */
export interface Verdicts {
  /** Of a payload as bytes. */
  ofBytes(payload: Buffer, said: SaidTime, place: Place): Verdict;
  /** Of a value that was decoded from one; a bare value is in its property. */
  ofValue(value: unknown, said: SaidTime, place: Place): Verdict;
}

export interface VerdictDeps {
  readonly schema: ReadingSchema;
  readonly judges: PayloadJudges;
  readonly mapping: Mapping;
  readonly time: OwnTime | null;
  readonly startMs: number;
  /** Other schemas of the run have the same topics, and `select` tells them apart. */
  readonly sharesTopics: boolean;
  /** A clock of the fleet may be wrong. */
  readonly hasClockFaults: boolean;
  readonly undigested: ReadonlySet<string>;
}

const REJECTED: Verdict = Object.freeze({ fate: 'rejected', expected: null, recognisable: false });
const UNKNOWN: Verdict = Object.freeze({ fate: 'either', expected: null, recognisable: false });
/** How late a reading may come without that a time too far ahead is one no more. */
const LATE_US = 30 * 60 * 1e6;
/** Clocks of two machines differ by less. */
const CLOCKS_APART_US = 60 * 1e6;
const MAX_SCALAR_BYTES = 256;

export function createVerdicts(deps: VerdictDeps): Verdicts {
  const { schema, judges, mapping, time, startMs, sharesTopics, hasClockFaults, undigested } = deps;
  const select = Object.entries(schema.telemetry.select ?? {});
  const identity = (schema.telemetry.identity ?? []).map(propertyPath);
  const isOthers = (value: unknown): boolean =>
    sharesTopics &&
    (!isSchemaObject(value) || select.some(([name, constant]) => valueAt(value, [name]) !== constant));

  /** `null`: arrival. */
  type TimeFate = {
    readonly fate: PlannedReading['fate'];
    readonly time: Expected['time'];
    readonly isOwn: boolean;
  };
  const ARRIVAL: TimeFate = { fate: 'stored', time: null, isOwn: false };
  const BAD_TIME: TimeFate = { fate: 'rejected', time: null, isOwn: false };
  const UNSURE: TimeFate = { fate: 'either', time: null, isOwn: false };

  const timeOf = (value: unknown, said: SaidTime): TimeFate => {
    if (time === null) return ARRIVAL;
    const found = valueAt(value, time.path);
    if (found === undefined || found === null) return ARRIVAL;
    if (time.isAge) {
      if (said.value === null || Number(found) !== Number(said.value)) return UNSURE;
      return { ...ARRIVAL, time: { ns: -time.ageNs(Number(found)), base: 'arrival' } };
    }
    const isSaid = found === said.value || (said.value !== null && String(found) === String(said.value));
    if (!isSaid) return otherTime(time.parse(found), said);
    if (time.policy !== 'trust' && hasClockFaults) return { ...UNSURE, isOwn: said.base === 'start' };
    if (said.base === 'epoch') return BAD_TIME;
    const ns = BigInt(said.offsetUs + said.shiftUs) * 1000n + BigInt(said.subNs);
    const own = { time: { ns, base: said.base }, isOwn: true } as const;
    if (startMs * 1000 + said.offsetUs + said.shiftUs < time.fromUs) return BAD_TIME;
    if (said.shiftUs <= time.aheadUs - CLOCKS_APART_US) return { fate: 'stored', ...own };
    return said.shiftUs > time.aheadUs + LATE_US ? BAD_TIME : { fate: 'either', ...own };
  };

  const otherTime = (us: number, { offsetUs }: SaidTime): TimeFate => {
    if (Number.isNaN(us)) return BAD_TIME;
    if (time === null || time.policy !== 'trust') return UNSURE;
    const latestUs = startMs * 1000 + offsetUs + time.aheadUs + LATE_US;
    return us < time.fromUs || us > latestUs ? BAD_TIME : UNSURE;
  };

  const ofValue = (value: unknown, said: SaidTime, { captures, field }: Place): Verdict => {
    if (field === null && isOthers(value)) return UNKNOWN;
    const taken = (field === null ? judges.whole : judges.bare(field)).take(value);
    if (taken === null) return REJECTED;
    const stored = mapping.store(taken.value, captures);
    if (stored === null) return REJECTED;
    const { fate, time: ownTime, isOwn } = timeOf(taken.value, said);
    if (fate === 'rejected') return REJECTED;
    const isNamed = identity.length > 0 && identity.every((path) => isName(valueAt(taken.value, path)));
    const entries =
      undigested.size === 0 ? stored.entries : stored.entries.filter(({ name }) => !undigested.has(name));
    return {
      fate,
      expected: { measurement: stored.measurement, fields: digestOfFields(entries), time: ownTime },
      recognisable: isOwn || isNamed,
    };
  };

  return {
    ofValue,
    ofBytes(payload, said, place) {
      const decoded = place.field === null ? decodedJson(payload) : decodedScalar(payload);
      // What cannot be read is in nobody's schema: it is rejected whoever shares the topic.
      if (decoded === null) return REJECTED;
      // A list of readings; of one, here.
      const list: readonly unknown[] = Array.isArray(decoded.value) ? decoded.value : [decoded.value];
      if (list.length !== 1) return list.length === 0 ? REJECTED : UNKNOWN;
      return ofValue(place.field === null ? list[0] : { [place.field]: list[0] }, said, place);
    },
  };
}

function isName(value: unknown): boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function decodedJson(payload: Buffer): { readonly value: unknown } | null {
  if (payload.length === 0 || !isUtf8(payload)) return null;
  const hasMark = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
  try {
    return { value: JSON.parse(payload.toString('utf8', hasMark ? 3 : 0)) };
  } catch {
    return null;
  }
}

/** A bare value: JSON, or else a short text. */
function decodedScalar(payload: Buffer): { readonly value: unknown } | null {
  const json = decodedJson(payload);
  if (json !== null || payload.length > MAX_SCALAR_BYTES || payload.length === 0 || !isUtf8(payload))
    return json;
  const text = payload.toString('utf8').trim();
  return text === '' || /^[{["]/.test(text) ? null : { value: text };
}
