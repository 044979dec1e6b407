import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseScenario } from '../../../device-sim/scenario/load-scenario.ts';
import { countingModel, HeldClock, runNoted } from './engine-under-test.ts';

const STEADY = 'fleets: [{ devices: 5, rate: 20/s }]\nstages: [{ stage: hold, for: 2s }]';

describe('the schedule is honest', () => {
  test('a server that stalls for ten seconds shows them, though hardly anything was in flight', async () => {
    const { measurements, links } = await runNoted(
      'fleets: [{ devices: 1, rate: 100/s }]\nstages: [{ stage: hold, for: 20s }]',
      { maxInFlight: 10, stalls: [{ fromMs: 6_000, toMs: 16_000 }] },
    );
    expect(links[0]?.sent.length).toBe(2000);
    const [fleet] = measurements.fleets;
    expect(fleet?.latency.percentile(99)).toBeGreaterThan(9_500);
    expect(fleet?.latency.percentile(99)).toBeLessThan(10_100);
    // From the sending it looks as if nothing had happened: ten readings of two thousand were slow.
    expect(fleet?.service.percentile(99)).toBeLessThan(10);
  });

  test('what is never answered counts with the time that it waited', async () => {
    const { measurements, acknowledged, closed } = await runNoted(
      STEADY,
      { stalls: [{ fromMs: 0, toMs: 1e9 }], maxInFlight: 1 },
      { settleMs: 3_000 },
    );
    expect(acknowledged).toEqual([]);
    expect(closed).toBe(true);
    const [fleet] = measurements.fleets;
    expect(fleet?.counts).toMatchObject({ offered: 196, sent: 5, acknowledged: 0 });
    expect(measurements.waiting).toBe(191);
    expect(fleet?.latency.count).toBe(196);
    expect(fleet?.latency.percentile(100)).toBeGreaterThanOrEqual(4_900);
  });

  test('what the simulator is late itself is told apart', async () => {
    const clock = new HeldClock(() => 30);
    const { measurements } = await runNoted(STEADY, { maxInFlight: 1, stalls: [] }, { clock });
    expect(measurements.ownDelay.percentile(100)).toBeGreaterThan(25);
    expect(measurements.ownDelay.percentile(100)).toBeLessThan(70);
  });

  test('no reading is late because its devices took long to make', async () => {
    const clock = new HeldClock();
    const starts: number[] = [];
    const { measurements } = await runNoted(
      STEADY,
      {},
      {
        clock,
        createModel: (startMs) => {
          clock.spend(900);
          starts.push(startMs - clock.nowMs());
          return countingModel(parseScenario(STEADY, 'test.yaml'));
        },
      },
    );
    expect(measurements.ownDelay.percentile(100)).toBeLessThan(5);
    // The time in its payload is the one at which it was due.
    expect(starts[1]).toBe(0);
  });

  test('a device is due at a steady rate, whatever the server does', async () => {
    const { ledger } = await runNoted(STEADY, { stalls: [{ fromMs: 1_500, toMs: 2_500 }], maxInFlight: 1 });
    const offsets = ledger.map((line) => line.split(' ')).filter(([, device]) => device === '0');
    const steps = offsets.slice(1).map(([at], i) => Number(at) - Number(offsets[i]?.[0]));
    expect(steps.every((step) => Math.abs(step - 50_000) <= 1)).toBe(true);
  });
});

describe('what is sent depends on the scenario and its seed alone', () => {
  const scenario = (seed: number): string => `
seed: ${seed}
fleets:
  - { devices: 4, rate: 30/s, faults: { duplicate: 10%, cut: 10%, reorder: 10% }, mqtt: { devicesPerConnection: 3 } }
  - { name: b, devices: 3, rate: 7/s }
stages: [{ stage: ramp, for: 1s }, { stage: burst, for: 1s, rate: 3 }, { stage: storm, for: 1s, share: 50% }]`;

  test('the ledger is the same however late the machine is and however the server stalls', async () => {
    const calm = await runNoted(scenario(7));
    expect(calm.ledger.length).toBeGreaterThan(400);
    await fc.assert(
      fc.asyncProperty(
        fc.infiniteStream(fc.integer({ min: 0, max: 400 })),
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1_000, max: 4_000 }),
        async (late, maxInFlight, stallMs) => {
          const clock = new HeldClock(() => late.next().value ?? 0);
          const stalls = [{ fromMs: stallMs, toMs: stallMs + 700 }];
          const { ledger } = await runNoted(
            scenario(7),
            { maxInFlight, stalls },
            { clock, settleMs: 60_000 },
          );
          expect(ledger).toEqual(calm.ledger);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('it is in the order of the due times, ties by device', async () => {
    const { ledger } = await runNoted(scenario(7));
    const places = ledger.map((line) => line.split(' ').slice(0, 2).map(Number));
    expect(places).toEqual(places.toSorted(([a = 0, d = 0], [b = 0, e = 0]) => a - b || d - e));
  });

  test('another seed says something else', async () => {
    expect((await runNoted(scenario(8))).ledger).not.toEqual((await runNoted(scenario(7))).ledger);
  });

  test('the faults on the way strike as often as they should', async () => {
    const { ledger } = await runNoted(
      'fleets: [{ devices: 10, rate: 100/s, faults: { cut: 5%, duplicate: 20% } }]\nstages: [{ stage: hold, for: 10s }]',
    );
    const share = (fault: string): number =>
      ledger.filter((line) => line.split(' ')[3] === fault).length / ledger.length;
    expect(share('cut')).toBeCloseTo(0.05, 1);
    expect(share('duplicate')).toBeCloseTo(0.2, 1);
    expect(share('null')).toBeCloseTo(0.75, 1);
  });
});

describe('what waits is bounded', () => {
  test('what is due beyond is held back: counted, not sent, not in the ledger', async () => {
    const { measurements, ledger, links } = await runNoted(
      STEADY,
      { maxInFlight: 1, stalls: [{ fromMs: 0, toMs: 3_600 }] },
      { maxWaiting: 50, settleMs: 20_000 },
    );
    const total = measurements.total();
    const sent = links.reduce((sum, link) => sum + link.sent.length, 0);
    expect(total.heldBack).toBeGreaterThan(100);
    expect(total.offered).toBe(196);
    expect(total.sent + total.heldBack + measurements.waiting).toBe(total.offered);
    expect(ledger.length).toBe(total.sent + measurements.waiting);
    expect(sent).toBe(total.sent);
  });

  test('by bytes, too', async () => {
    const { measurements } = await runNoted(
      STEADY,
      { maxInFlight: 1, stalls: [{ fromMs: 0, toMs: 1e9 }] },
      { maxKeptBytes: 5_000, settleMs: 1 },
    );
    expect(measurements.waiting).toBeLessThan(20);
    expect(measurements.total().heldBack).toBeGreaterThan(150);
  });

  test('and so is what is sent and never answered', async () => {
    const { measurements } = await runNoted(
      STEADY,
      { maxInFlight: 100_000, stalls: [{ fromMs: 0, toMs: 1e9 }] },
      { maxKeptBytes: 5_000, settleMs: 1 },
    );
    expect(measurements.inFlight).toBeLessThan(20);
    expect(measurements.total().heldBack).toBeGreaterThan(150);
  });

  test('what was answered makes room for what is due later', async () => {
    const { measurements } = await runNoted(STEADY, { maxInFlight: 1 }, { maxKeptBytes: 5_000 });
    expect(measurements.total()).toMatchObject({ offered: 196, acknowledged: 196, heldBack: 0 });
  });
});

describe('stages', () => {
  test('a ramp opens connections evenly, and each speaks from then on', async () => {
    const { links, ledger } = await runNoted(
      'fleets: [{ devices: 10, rate: 10/s }]\nstages: [{ stage: ramp, for: 10s }, { stage: hold, for: 1s }]',
    );
    expect(links.map(({ openedMs }) => Math.round(((openedMs ?? 0) - 1_000) / 1000))).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9,
    ]);
    const firstOfLast = ledger.map((line) => line.split(' ')).find(([, device]) => device === '9');
    expect(Number(firstOfLast?.[0])).toBeGreaterThanOrEqual(9_000_000);
    expect(Number(firstOfLast?.[0])).toBeLessThan(9_100_000);
  });

  test('a burst multiplies the rate, a rate of 0 is a pause', async () => {
    const { ledger } = await runNoted(
      `fleets: [{ devices: 10, rate: 10/s }]
stages: [{ stage: hold, for: 1s }, { stage: burst, for: 1s, rate: 5 }, { stage: hold, rate: 0, for: 5s }, { stage: hold, for: 1s }]`,
    );
    const perSecond = Array.from({ length: 8 }, () => 0);
    for (const line of ledger) {
      const second = Math.floor(Number(line.split(' ')[0]) / 1e6);
      perSecond[second] = (perSecond[second] ?? 0) + 1;
    }
    expect(perSecond.map((count) => Math.round(count / 10))).toEqual([10, 50, 0, 0, 0, 0, 0, 10]);
  });

  test('a storm cuts the share of the connections that it says, and they come again', async () => {
    const { links, measurements } = await runNoted(
      `fleets: [{ devices: 200, rate: 1/s }]
stages: [{ stage: hold, for: 1s }, { stage: storm, for: 1s, share: 30% }, { stage: storm, for: 1s }]`,
    );
    const cuts = links.reduce((sum, link) => sum + link.cuts, 0) - 200;
    expect(cuts).toBeGreaterThan(35);
    expect(cuts).toBeLessThan(85);
    expect(measurements.total().reconnects).toBe(200 + cuts);
    expect(measurements.total().acknowledged).toBe(measurements.total().offered);
  });
});

describe('the end', () => {
  test('interrupted, it sends nothing new, and waits for what is unacknowledged', async () => {
    const abort = new AbortController();
    const clock = new HeldClock();
    clock.setTimer(1_000, () => abort.abort());
    const run = await runNoted(
      'fleets: [{ devices: 5, rate: 20/s }]',
      { serviceMs: 500 },
      { clock, signal: abort.signal },
    );
    expect(run.closed).toBe(true);
    expect(run.ledger.length).toBeGreaterThan(90);
    expect(run.ledger.length).toBeLessThan(110);
    expect(run.acknowledged.length).toBe(run.ledger.length);
  });

  test('bad ones are counted apart, and silent ones are not offered', async () => {
    const { measurements } = await runNoted(STEADY);
    const total = measurements.total();
    expect(total).toMatchObject({ offered: 196, silent: 4, sent: 196, acknowledged: 196, heldBack: 0 });
    expect(total.badSent).toBeGreaterThan(20);
    expect(total.badAcknowledged).toBe(total.badSent);
  });

  test('devices share connections where the fleet says so', async () => {
    const { links } = await runNoted(
      'fleets: [{ devices: 10, rate: 1/s, mqtt: { devicesPerConnection: 4 } }]\nstages: [{ stage: hold, for: 2s }]',
    );
    expect(links.map(({ sent }) => sent.length).toSorted((a, b) => a - b)).toEqual([4, 8, 8]);
  });

  test('connections that do not come up keep nobody waiting for long', async () => {
    const opened: number[] = [];
    let made = 0;
    const { measurements } = await runNoted(
      'fleets: [{ devices: 600, rate: 1/s }]\nstages: [{ stage: hold, for: 1s }]',
      {},
      {
        settleMs: 100,
        createLink: (_spec, { index }, listener) => {
          made += 1;
          return {
            open: () => {
              opened.push(index);
              // More of them never come up than are opened together.
              if (index < 100 || index >= 400) listener.onReady();
            },
            canSend: false,
            inFlight: 0,
            resent: 0,
            send: () => undefined,
            cut: () => undefined,
            close: async () => {
              await Promise.resolve();
            },
          };
        },
      },
    );
    expect(made).toBe(600);
    expect(opened.length).toBe(600);
    expect(measurements.opened).toBe(300);
    expect(measurements.openMs).toBeNull();
    expect(measurements.waiting).toBe(600);
  });

  test('where nobody comes up it is one plain error', async () => {
    const refusing = runNoted(
      'fleets: [{ devices: 2 }]',
      {},
      {
        createLink: (_spec, _names, listener) => ({
          open: () => listener.onLost('connection refused'),
          canSend: false,
          inFlight: 0,
          resent: 0,
          send: () => undefined,
          cut: () => undefined,
          close: async () => {
            await Promise.resolve();
          },
        }),
      },
    );
    await expect(refusing).rejects.toThrow('cannot connect to mqtt://127.0.0.1:1883: connection refused');
  });
});
