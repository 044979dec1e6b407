import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Link, MqttFault } from '../../../device-sim/contracts.ts';
import { createLink } from '../../../device-sim/links/create-link.ts';
import { createTicker, type LinkClock, systemClock } from '../../../device-sim/links/ticker.ts';
import { seededRandom } from '../../../device-sim/random.ts';
import { startBrokenBroker } from './broken-broker.ts';
import { mqttSpec } from './link-under-test.ts';
import { CONNACK, serve } from './scripted-server.ts';

interface Sender {
  readonly link: Link;
  /** What each reading came to, in the order in which it was told. */
  readonly answers: { readonly n: number; readonly hasLeft: boolean }[];
  /** All were handed over, and the link was closed behind them. */
  readonly done: Promise<void>;
}

interface SenderOptions {
  readonly maxInFlight?: number;
  readonly seed?: number;
  /** Of each payload. */
  readonly bytes?: number;
  readonly closeWithinMs?: number;
  readonly clock?: LinkClock;
  readonly onAnswer?: (link: Link, n: number) => void;
}

/** Hands over the next reading whenever it hears anything, as the engine does: also when it hears that one is lost. */
function sendTo(
  url: string,
  faults: readonly (MqttFault | null)[],
  {
    maxInFlight = 5,
    seed = 1,
    bytes = 0,
    closeWithinMs = 60_000,
    clock = systemClock,
    onAnswer,
  }: SenderOptions,
): Sender {
  const answers: { n: number; hasLeft: boolean }[] = [];
  const ticker = createTicker(clock);
  let next = 0;
  let isBusy = false;
  let finish: () => void = () => undefined;
  const handedOver = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const drain = (): void => {
    if (isBusy) return;
    isBusy = true;
    while (next < faults.length && link.canSend) {
      const n = next;
      next += 1;
      const payload = Buffer.from(String(n).padEnd(bytes));
      link.send({ token: n, topic: `t${n}`, payload, fault: faults[n] ?? null });
    }
    isBusy = false;
    if (next === faults.length) finish();
  };
  const answered = (n: number, hasLeft: boolean): void => {
    answers.push({ n, hasLeft });
    onAnswer?.(link, n);
    drain();
  };
  const link = createLink(
    mqttSpec({ qos: 0, keepaliveSeconds: 10, maxInFlight, reconnectMinMs: 1, reconnectMaxMs: 5 }),
    { clientId: 'device', device: 'device', index: 0 },
    {
      onReady: drain,
      onAcknowledged: (n) => answered(n, true),
      onRefused: (n) => answered(n, false),
      onLost: () => undefined,
      onReceipt: () => undefined,
    },
    {
      url,
      username: null,
      password: null,
      tls: { caFile: null, insecure: false },
      ticker,
      random: seededRandom(seed),
      ports: null,
    },
  );
  link.open();
  const done = handedOver.then(async () => {
    await link.close(closeWithinMs);
    ticker.stop();
  });
  return { link, answers, done };
}

/** 50 times as quick. */
const quickClock: LinkClock = {
  monotonicMs: () => systemClock.monotonicMs() * 50,
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 50, callback),
};

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe('an MQTT link with QoS 0', () => {
  it('answers for every reading once, and sends in order, whatever is cut and when', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.option(fc.constantFrom<MqttFault>('cut', 'duplicate'), { freq: 3 }), {
          minLength: 1,
          maxLength: 80,
        }),
        fc.uniqueArray(fc.nat({ max: 79 }), { maxLength: 4 }),
        fc.integer({ min: 1, max: 20 }),
        fc.nat(),
        async (faults, cutsAt, maxInFlight, seed) => {
          const broker = await startBrokenBroker(seededRandom(seed), { cutChance: 0.05, cutsUpTo: 10 });
          const cuts = new Set(cutsAt);
          const { answers, done } = sendTo(broker.url, faults, {
            maxInFlight,
            seed,
            onAnswer: (link, n) => {
              if (cuts.delete(n)) link.cut();
            },
          });
          await done;
          await broker.close();
          expect(answers.map(({ n }) => n).sort((a, b) => a - b)).toEqual(upTo(faults.length));
          // A resend is never behind what was handed over later.
          const came = broker.arrivals.map(({ payload }) => Number(payload));
          expect(came).toEqual([...came].sort((a, b) => a - b));
        },
      ),
      { numRuns: 40 },
    );
  });

  it('keeps a reading that it is handed while it tells that another one is lost, for the next connection', async () => {
    const url = await serve((socket, n) => {
      // The second connection is up, and over, in one turn: what was to be sent once more is lost with it.
      socket.write(n === 1 ? Buffer.concat([CONNACK, Buffer.from([0, 0])]) : CONNACK);
      socket.resume();
    });
    const { link, answers, done } = sendTo(url, ['cut', null, null], { maxInFlight: 1 });
    await done;
    expect(answers).toEqual([
      { n: 0, hasLeft: false },
      { n: 1, hasLeft: true },
      { n: 2, hasLeft: true },
    ]);
    expect(link.inFlight).toBe(0);
  });

  it('loses no more with a broken connection than was under way, also while it does not read', async () => {
    const bytes = 8 * 2 ** 20;
    const url = await serve((socket, n) => {
      let came = 0;
      socket.write(CONNACK);
      socket.on('data', (chunk) => {
        came += chunk.length;
        if (n === 0 && came > bytes) socket.resetAndDestroy();
      });
    });
    // From the first one on it does not read for seconds.
    const faults = ['slow-consumer', null, null, null] as const;
    const { answers, done } = sendTo(url, faults, { maxInFlight: 1, bytes });
    await done;
    expect(answers).toEqual([
      { n: 0, hasLeft: true },
      { n: 1, hasLeft: false },
      { n: 2, hasLeft: true },
      { n: 3, hasLeft: true },
    ]);
  });

  it('has said what became of every reading when it is closed, also of what nobody took', async () => {
    const url = await serve((socket) => {
      socket.write(CONNACK);
      socket.pause();
    });
    const { answers, done } = sendTo(url, [null, null, null], { bytes: 8 * 2 ** 20, closeWithinMs: 50 });
    await done;
    expect(answers).toEqual([0, 1, 2].map((n) => ({ n, hasLeft: false })));
  });

  it('sends what waited for the next connection before what there is room for only then', async () => {
    const topics: string[] = [];
    const url = await serve((socket, n) => {
      socket.write(CONNACK);
      if (n === 0) socket.pause();
      else socket.on('data', (bytes) => topics.push(...(bytes.toString('latin1').match(/t\d/g) ?? [])));
    });
    // 0 fills the connection that falls silent with 2. 1 was to follow 2, and has to wait; there is no room for 3.
    const { answers, done } = sendTo(url, [null, 'reorder', 'half-open', null], {
      maxInFlight: 3,
      bytes: 8 * 2 ** 20,
      clock: quickClock,
    });
    await done;
    expect(topics).toEqual(['t1', 't3']);
    expect(answers).toEqual([
      { n: 0, hasLeft: false },
      { n: 2, hasLeft: false },
      { n: 1, hasLeft: true },
      { n: 3, hasLeft: true },
    ]);
  });
});
