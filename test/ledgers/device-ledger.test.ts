import { describe, expect, it } from 'vitest';
import { createDeviceLedger, type DeviceLedger } from '../../gateway/ledgers/device-ledger.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { MESSAGE, point, TestBook } from './devices-under-test.ts';

const HOUR = 3_600_000;
/** Of a run of the gateway: what outlives it. */
const documents = new Map<string, string>();

function ledger(clock: LeapingClock, isProvisional = false): DeviceLedger {
  return createDeviceLedger({
    store: {
      documents: () => documents,
      setDocuments: (changes) => {
        for (const [name, text] of changes) if (text !== null) documents.set(name, text);
        return Promise.resolve();
      },
    },
    book: new TestBook(),
    isProvisional: () => isProvisional,
    expectEveryMs: () => 60_000,
    isListening: () => true,
    onState: () => undefined,
    events: { emit: () => undefined },
    clock,
  });
}

function hear(devices: DeviceLedger, clock: LeapingClock, aheadMs: number): void {
  const nowMs = clock.nowMs();
  devices.saw(point('d', { sentUs: (nowMs + aheadMs) * 1000 }), 'd', 'stored', MESSAGE, nowMs);
}

describe('the devices of a gateway', () => {
  it('are kept every minute and at the stop, and are there after a restart', async () => {
    const clock = new LeapingClock();
    const devices = ledger(clock);
    devices.start();
    for (let i = 0; i < 6; i += 1) {
      hear(devices, clock, 3 * HOUR);
      await clock.pass(10_000);
    }
    expect(documents.size).toBe(1);
    await clock.pass(5 * 60_000);
    expect(devices.figures()).toEqual({ devices: 1, silentDevices: 1 });
    hear(devices, clock, 3 * HOUR);
    await devices.stop();

    const again = ledger(clock);
    // As at each start, once the clock is found to be set.
    again.gatewayClockSet(0);
    expect(again.report('d')).toMatchObject({ readings: 7, clock: { words: '3 h 0 min ahead' } });
    expect(again.clocks.offsetUs('d', clock.nowMs())).toBe(3 * HOUR * 1000);
    expect(again.list({ silent: true }).map(({ device }) => device)).toEqual(['d']);
    again.gatewayClockStepped();
    expect(again.clocks.diagnosis('d')).toBe('unknown');
    await again.stop();
  });

  it('do not fall silent while the gateway stops', async () => {
    documents.clear();
    const clock = new LeapingClock();
    const devices = ledger(clock);
    devices.start();
    hear(devices, clock, 0);
    await clock.pass(10_000);
    devices.rest();
    await clock.pass(5 * 60_000);
    expect(devices.figures()).toEqual({ devices: 1, silentDevices: 0 });
    await devices.stop();
  });

  it('are not held to a clock of the gateway that is not set', async () => {
    documents.clear();
    const clock = new LeapingClock();
    const devices = ledger(clock, true);
    for (let i = 0; i < 6; i += 1) {
      hear(devices, clock, 26 * 365 * 24 * HOUR);
      await clock.pass(10_000);
    }
    expect(devices.report('d')).toMatchObject({ readings: 6, clock: { diagnosis: 'unknown' } });
    await devices.stop();
  });
});
