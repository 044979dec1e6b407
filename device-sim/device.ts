/** One simulated device: its topic, its signals, and now and then a bad reading. */
import { badPayload, type Fault } from './faults.ts';
import { type Random, seededRandom } from './random.ts';
import type { ReadingSchema } from './reading-schemas.ts';
import { type Signal, signalFor } from './signals.ts';

export interface SimulatedReading {
  readonly topic: string;
  readonly payload: string;
  /** What is wrong with it; null when nothing is. */
  readonly fault: Fault | null;
}

export interface Device {
  readonly name: string;
  next(): SimulatedReading;
}

export interface DeviceOptions {
  readonly index: number;
  readonly schema: ReadingSchema;
  readonly seed: number;
  /** 0 to 1. */
  readonly badShare: number;
  readonly nowMs: () => number;
}

/** A device whose readings, but for their time, depend on index, schema and seed alone. */
export function createDevice(options: DeviceOptions): Device {
  const { index, schema, seed, badShare, nowMs } = options;
  const random = seededRandom(seed * 1_000_003 + index * 7919);
  const name = `sim-${String(index + 1).padStart(4, '0')}`;
  const pattern = topicPattern(schema);
  const signals = signalsOf(schema, random, nowMs);
  const readingOf = (): Record<string, unknown> => {
    const reading: Record<string, unknown> = {};
    for (const [property, signal] of signals) {
      const value = signal();
      if (value !== undefined) reading[property] = value;
    }
    return Object.assign(reading, schema.telemetry.select);
  };
  return {
    name,
    next: () => {
      const reading = readingOf();
      if (pattern.includes('{field}')) return bareReading(schema, pattern, name, reading, random, badShare);
      const topic = fill(pattern, name, '');
      if (random.next() >= badShare) return { topic, payload: JSON.stringify(reading), fault: null };
      return { topic, ...badPayload(schema, reading, random) };
    },
  };
}

function bareReading(
  schema: ReadingSchema,
  pattern: string,
  name: string,
  reading: Readonly<Record<string, unknown>>,
  random: Random,
  badShare: number,
): SimulatedReading {
  const time = schema.telemetry.time?.property;
  const [field = '', value = null] =
    Object.entries(reading).find(([property, value]) => property !== time && typeof value === 'number') ?? [];
  const topic = fill(pattern, name, field);
  if (random.next() >= badShare) return { topic, payload: JSON.stringify(value), fault: null };
  return { topic, payload: '{', fault: 'undecodable' };
}

/** The first topic that names the device; else the first one without `{field}`; else the first. */
function topicPattern(schema: ReadingSchema): string {
  const { topics } = schema.telemetry;
  const whole = topics.filter((topic) => !topic.includes('{field}'));
  return whole.find((topic) => topic.includes('{device}')) ?? whole[0] ?? topics[0] ?? schema.$id;
}

function fill(pattern: string, device: string, field: string): string {
  return pattern.replace(/\{([^}]*)\}/g, (_, capture: string) => {
    if (capture === 'device') return device;
    if (capture === 'field') return field;
    return `${capture.replace('+', '')}-1`;
  });
}

function signalsOf(schema: ReadingSchema, random: Random, nowMs: () => number): [string, Signal][] {
  const { time } = schema.telemetry;
  return Object.entries(schema.properties ?? {}).map(([property, rule]) => [
    property,
    time?.property === property ? timeSignal(time, nowMs) : signalFor(property, rule, random, nowMs),
  ]);
}

function timeSignal(time: NonNullable<ReadingSchema['telemetry']['time']>, nowMs: () => number): Signal {
  if (time.kind === 'age') return () => 0;
  switch (time.unit) {
    case 's':
      return () => Math.floor(nowMs() / 1000);
    case 'us':
      return () => nowMs() * 1000;
    case 'ns':
      return () => `${nowMs()}000000`;
    case 'iso':
      return () => new Date(nowMs()).toISOString();
    default:
      return nowMs;
  }
}
