import type { RejectionCode, Violation } from '../contracts.ts';
import { printable, printableBytes } from '../printable.ts';
import type { RejectionCause } from '../rejected-contract.ts';
import type { Rejection } from '../store-contract.ts';

/** Causes kept apart; what comes beyond them is only counted. */
const MAX_CAUSES = 1_000;
const MAX_DEVICES = 100;
const MAX_MESSAGE = 240;
/** An example keeps all its words: the remedy stands at their end. */
const MAX_EXAMPLE_MESSAGE = 640;
const MAX_SAMPLE_BYTES = 256;

/** What a time that cannot be is told by: of one reading, not of the cause. */
const MOMENT = String.raw`(?:[-+\dT:.]+Z|a time beyond the calendar)`;
const TOLD = new RegExp(`^is ${MOMENT}, `);
const NOW = new RegExp(String.raw` \(${MOMENT}\)`);
const IN_UNIT = new RegExp(`(; in \\w+ it would be) ${MOMENT}`);
const FAR = /^is \d[\d a-z]*? (?=(?:ahead of|behind) its arrival)/;
const DEVICE_CLOCK = /; the clock of this device: [\s\S]*$/;

/** Why a rejection stays one: as it was said when it came, or as it would be said today. */
export interface Why {
  readonly code: RejectionCode;
  readonly schema: string | null;
  readonly violations: readonly Violation[];
}

/** What is looked at of a rejection. */
export type CountedRejection = Pick<Rejection, 'sink' | 'id' | 'device' | 'atMs' | 'payload'> & Why;

interface Gathered extends Omit<RejectionCause, 'devices' | 'count' | 'firstMs' | 'lastMs' | 'moreDevices'> {
  count: number;
  readonly devices: Set<string>;
  moreDevices: boolean;
  firstMs: number;
  lastMs: number;
}

/**
 * Groups rejections by cause: code, schema, sink, and the first violation's place and words. Bounded: at most 1,000
 * causes with 100 devices each, whatever senders invent.
 */
export class CauseCounter {
  readonly #causes = new Map<string, Gathered>();
  /** Rejections whose cause was one too many. */
  others = 0;

  add(rejection: Rejection | CountedRejection, why: Why = rejection): void {
    const [violation] = why.violations;
    const pointer = generalPointer(violation?.pointer ?? '');
    const message = generalMessage(violation?.message ?? '', why.code);
    const { code, schema } = why;
    const { sink, id, device, atMs, payload } = rejection;
    const key = keyOf({ code, schema, sink, pointer, message });
    const known = this.#causes.get(key);
    if (known !== undefined) {
      known.count += 1;
      known.firstMs = Math.min(known.firstMs, atMs);
      known.lastMs = Math.max(known.lastMs, atMs);
      if (device !== null) addDevice(known, device);
      return;
    }
    if (this.#causes.size >= MAX_CAUSES) {
      this.others += 1;
      return;
    }
    const example = {
      id,
      message: printable(violation?.message ?? '', MAX_EXAMPLE_MESSAGE),
      payload: printableBytes(payload, MAX_SAMPLE_BYTES),
    };
    this.#causes.set(key, {
      ...{ code, schema, sink, pointer, message, example },
      count: 1,
      devices: new Set(device === null ? [] : [device]),
      moreDevices: false,
      firstMs: atMs,
      lastMs: atMs,
    });
  }

  /** Puts in what was grouped elsewhere. */
  merge(causes: readonly RejectionCause[]): void {
    for (const cause of causes) {
      const key = keyOf(cause);
      const known = this.#causes.get(key);
      if (known === undefined) {
        if (this.#causes.size >= MAX_CAUSES) this.others += cause.count;
        else this.#causes.set(key, { ...cause, devices: new Set(cause.devices) });
        continue;
      }
      known.count += cause.count;
      known.firstMs = Math.min(known.firstMs, cause.firstMs);
      known.lastMs = Math.max(known.lastMs, cause.lastMs);
      known.moreDevices ||= cause.moreDevices;
      for (const device of cause.devices) addDevice(known, device);
    }
  }

  /** Most frequent first. */
  list(): readonly RejectionCause[] {
    return [...this.#causes.values()]
      .sort((a, b) => b.count - a.count || a.firstMs - b.firstMs)
      .map((cause) => ({ ...cause, devices: [...cause.devices] }));
  }
}

function addDevice(cause: Gathered, device: string): void {
  if (cause.devices.has(device)) return;
  if (cause.devices.size < MAX_DEVICES) cause.devices.add(device);
  else cause.moreDevices = true;
}

function keyOf({
  code,
  schema,
  sink,
  pointer,
  message,
}: Pick<RejectionCause, 'code' | 'schema' | 'sink' | 'pointer' | 'message'>): string {
  return JSON.stringify([code, schema, sink, pointer, message]);
}

/** The place without positions in lists: `/samples/17` is `/samples/*`. */
function generalPointer(pointer: string): string {
  return printable(pointer.replace(/\/\d+(?=\/|$)/g, '/*'), MAX_MESSAGE);
}

/**
 * The words without what differs from reading to reading. Of a schema's violation that is the value that came (`got …`):
 * the limit it broke is part of the cause. Of a time that cannot be it is the moments: the limit stays. Of all else it is
 * whatever is quoted or a number.
 */
function generalMessage(message: string, code: RejectionCode): string {
  const text = message.slice(0, 2 * MAX_MESSAGE);
  const general =
    code === 'time-out-of-range'
      ? generalTime(text)
      : code === 'invalid'
        ? text
            .replace(/\bgot string [\s\S]*$/, 'got a string')
            .replace(/\bgot (number|boolean) \S+$/, 'got a $1')
            .replace(/\bgot an array of \d+$/, 'got an array')
        : text
            .replace(/"(?:[^"\\]|\\.)*"?/g, '"…"')
            .replace(/'[^']*'/g, "'…'")
            .replace(/[-+]?\d(?:[\d.:TZ+-]*[\dZ])?/g, 'N');
  return printable(general, MAX_MESSAGE);
}

function generalTime(text: string): string {
  return text
    .replace(TOLD, 'is ')
    .replace(FAR, 'is ')
    .replace(NOW, '')
    .replace(IN_UNIT, '$1 right')
    .replace(DEVICE_CLOCK, '');
}
