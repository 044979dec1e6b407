import { describe, expect, it } from 'vitest';
import type { Relay } from '../../gateway/contracts.ts';
import { TickCounter } from '../../gateway/readings/tick-counter.ts';
import { ARRIVAL_NS, lineOf, NOW_MS, readingsWith, schema } from './under-test.ts';

const SHARED: Relay = { contentType: null, userProperties: new Map(), isShared: true };
const UNITS = ['s', 'ms', 'us', 'iso'] as const;

function gateway(unit: string): ReturnType<typeof readingsWith> {
  const document = schema({
    telemetry: { time: { property: 'ts', unit } },
    properties: { ts: { type: unit === 'iso' ? 'string' : 'integer' } },
  });
  // As gateways have it that know nothing yet: each with digits of its own.
  return readingsWith({ ticks: new TickCounter({ startedMs: NOW_MS }) }, document);
}

function timeIn(unit: (typeof UNITS)[number]): number | string {
  if (unit === 'iso') return new Date(NOW_MS - 1000).toISOString();
  return (NOW_MS - 1000) * { s: 0.001, ms: 1, us: 1000 }[unit];
}

function nsOf(readings: ReturnType<typeof gateway>, reading: object, relay: Relay | null): string {
  return lineOf(readings, 't/a', reading, { relay }).split(' ').at(-1) ?? '';
}

describe('a reading that two gateways got from one shared subscription', () => {
  it.each(UNITS)('is one point for both, within its own tick (%s)', (unit) => {
    const reading = { temperature: 1, ts: timeIn(unit) };
    const [one, two] = [gateway(unit), gateway(unit)];
    const ns = nsOf(one, reading, SHARED);
    expect(ns).toHaveLength(19);
    expect(nsOf(two, { temperature: 7, ts: timeIn(unit) }, SHARED), 'another reading').not.toBe(ns);
    expect(nsOf(two, reading, SHARED)).toBe(ns);
    expect(nsOf(one, reading, SHARED), 'and again').toBe(ns);
    const tickDigits = unit === 'us' ? 16 : 13;
    expect(ns.slice(0, tickDigits)).toBe(`${(NOW_MS - 1000) * 1000}`.slice(0, tickDigits));
    expect(nsOf(two, reading, null), 'only there').not.toBe(nsOf(one, reading, null));
  });

  it('has the time of its arrival where it has none of its own', () => {
    expect(nsOf(gateway('ms'), { temperature: 1 }, SHARED)).toBe(ARRIVAL_NS);
  });
});
