/** Readings without a gateway around them: schemas as objects, messages as text, clocks that stand. */
import { expect } from 'vitest';
import type { ArrivalClock, Message, Point, Reading, Readings } from '../../gateway/contracts.ts';
import { problemText } from '../../gateway/errors.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { type CompiledReadings, compileReadings } from '../../gateway/readings/compile-readings.ts';
import { compileSchemas } from '../../gateway/readings/load-schemas.ts';
import type { MappingDeps } from '../../gateway/readings/mapping-deps.ts';
import { TickCounter } from '../../gateway/readings/tick-counter.ts';
import { messageOn } from '../support/message.ts';

export const NOW_MS = Date.UTC(2026, 2, 1, 12);
/** The arrival time every reading without its own gets. */
export const ARRIVAL_NS = `${NOW_MS}000042`;

export const arrival: ArrivalClock = { nextNs: () => ARRIVAL_NS, highWaterMs: NOW_MS, isProvisional: false };
const formats = createFormats();

export interface SchemaParts {
  readonly $id?: string;
  readonly telemetry?: object;
  readonly properties?: object;
  readonly [keyword: string]: unknown;
}

/** A whole schema from what matters in a test. */
export function schema({ telemetry = {}, properties, ...rest }: SchemaParts = {}): object {
  return {
    $id: 'test.v1',
    type: 'object',
    ...rest,
    telemetry: { measurement: 'm', topics: ['t/{device}'], ...telemetry },
    properties: { temperature: { type: 'number' }, ...properties },
  };
}

/** Compiles schemas that have to be right. Files are named for their `$id`. */
export function readingsOf(...schemas: readonly object[]): CompiledReadings {
  return readingsWith({}, ...schemas);
}

/** As `readingsOf`, with clocks, a book, … */
export function readingsWith(deps: Partial<MappingDeps>, ...schemas: readonly object[]): CompiledReadings {
  const { schemas: good, problems } = compileSchemas(filesOf(schemas));
  expect(problems.map(problemText)).toEqual([]);
  return compileReadings(good, { ticks: new TickCounter({ fresh: true }), ...deps });
}

/** The problems of schemas, as `file:line:column pointer message`. */
export function problemsOf(...schemas: readonly (object | string)[]): string[] {
  return compileSchemas(filesOf(schemas)).problems.map(problemText);
}

function filesOf(schemas: readonly (object | string)[]): Map<string, string> {
  return new Map(
    schemas.map((value, i) => [
      `${String.fromCharCode(97 + i)}.json`,
      typeof value === 'string' ? value : JSON.stringify(value, null, 2),
    ]),
  );
}

/** When a message comes in. */
export interface Moment {
  readonly arrival?: ArrivalClock;
  readonly nowMs?: number;
}

/** What becomes of a payload: its text, or a value to be sent as JSON. */
export function interpret(
  readings: Readings,
  topic: string,
  payload: unknown,
  more: Partial<Message> & Moment = {},
): readonly Reading[] {
  const { arrival: clock = arrival, nowMs = NOW_MS, ...rest } = more;
  const message = messageOn(topic, typeof payload === 'string' ? payload : JSON.stringify(payload), rest);
  const route = readings.route(topic);
  if (route === null) throw new Error(`no schema claims ${topic}`);
  const value = formats.get(route.format)?.decode(message.payload);
  return route.interpret(value, message, clock, nowMs);
}

/** The line of the one point a payload makes; for a bad reading its code and violations. */
export function lineOf(
  readings: Readings,
  topic: string,
  payload: unknown,
  more: Partial<Message> & Moment = {},
): string {
  const [reading, ...others] = interpret(readings, topic, payload, more);
  expect(others).toEqual([]);
  return reading === undefined ? 'nothing' : inText(reading);
}

/** The one point a payload makes. */
export function pointOf(
  readings: Readings,
  topic: string,
  payload: unknown,
  more: Partial<Message> & Moment = {},
): Point {
  const [reading, ...others] = interpret(readings, topic, payload, more);
  expect(others).toEqual([]);
  if (reading?.kind !== 'point') throw new Error(reading === undefined ? 'nothing' : inText(reading));
  return reading;
}

export function inText(reading: Reading): string {
  if (reading.kind === 'point') return reading.line.trimEnd();
  return `${reading.code}: ${reading.violations.map(({ pointer, message }) => `${pointer} ${message}`.trim()).join('; ')}`;
}
