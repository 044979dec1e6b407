import { describe, expect, it } from 'vitest';
import type { ArrivalClock } from '../gateway/contracts.ts';
import { createDeviceClocks } from '../gateway/ledgers/device-clocks.ts';
import { decodeLine } from '../gateway/line-protocol/decode.ts';
import { interpret, NOW_MS, readingsWith, schema } from './readings/under-test.ts';

const S = 1000;
const MIN = 60 * S;
const H = 60 * MIN;

/** A device that sends every 10 s, and what is stored of it under `correct`. */
class Sender {
  nowMs = NOW_MS;
  private readonly clocks = createDeviceClocks({ nowMs: () => this.nowMs, isProvisional: () => false });
  private readonly readings = readingsWith(
    { clocks: this.clocks },
    schema({
      telemetry: { time: { property: 'ts', unit: 'ms', clock: 'correct' } },
      properties: { ts: { type: 'number' } },
    }),
  );

  /** How far from its true time a reading is stored, ms. `clockMs` is what the device takes for the time. */
  send(measuredMs: number, clockMs: number, delayMs = 40): number {
    const arrivalMs = Math.max(this.nowMs, measuredMs + delayMs);
    this.nowMs = arrivalMs;
    const arrival: ArrivalClock = {
      nextNs: () => `${arrivalMs}000000`,
      highWaterMs: arrivalMs,
      isProvisional: false,
    };
    const [reading] = interpret(
      this.readings,
      't/d',
      { temperature: 1, ts: clockMs },
      { arrival, nowMs: arrivalMs },
    );
    if (reading?.kind !== 'point') throw new Error(JSON.stringify(reading));
    if (reading.sentUs !== null) this.clocks.observe('d', reading.sentUs, arrivalMs);
    return Number(decodeLine(reading.line).timestampNs?.slice(0, -6)) - measuredMs;
  }

  /** The largest error of the last half of `minutes`, while the clock is off by `offset(elapsed)`. */
  run(minutes: number, offset: (elapsedMs: number) => number): number {
    const beganMs = this.nowMs;
    let worst = 0;
    for (let elapsed = 0; elapsed < minutes * MIN; elapsed += 10 * S) {
      const measured = beganMs + elapsed;
      const error = Math.abs(this.send(measured, measured + offset(elapsed), 20 + ((elapsed / S) % 70)));
      if (elapsed > (minutes * MIN) / 2) worst = Math.max(worst, error);
    }
    return worst;
  }
}

describe('stored times are right under correct, by what the clock doctor finds out', () => {
  it.each([
    ['a good clock', () => 0],
    ['three hours ahead', () => 3 * H],
    ['a day behind', () => -24 * H],
    ['drifting 2 s/min', (ms: number) => ms / 30],
    ['the time since it started', (ms: number) => ms - NOW_MS],
  ] as const)('%s', (_, offset) => {
    expect(new Sender().run(120, offset)).toBeLessThan(S);
  });

  it('for the buffer of a device that was offline, too: it keeps its place and spacing', () => {
    for (const offset of [0, 3 * H]) {
      const sender = new Sender();
      sender.run(120, () => offset);
      const offlineMs = sender.nowMs;
      sender.nowMs += 5 * H;
      for (let ms = offlineMs; ms < offlineMs + 5 * H; ms += MIN) {
        expect(Math.abs(sender.send(ms, ms + offset))).toBeLessThan(S);
      }
    }
  });
});
