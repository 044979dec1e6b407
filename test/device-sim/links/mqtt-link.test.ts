import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { MQTT_FAULTS, type MqttFault, type Outgoing } from '../../../device-sim/contracts.ts';
import { seededRandom } from '../../../device-sim/random.ts';
import { until } from '../../support/processes.ts';
import { startBrokenBroker } from './broken-broker.ts';
import { linkUnderTest, mqttSpec } from './link-under-test.ts';
import { CONNACK, serve } from './scripted-server.ts';

/** Those that do not wait for seconds. */
const QUICK_FAULTS = MQTT_FAULTS.filter((fault) => fault !== 'half-open' && fault !== 'slow-consumer');

function messages(faults: readonly (MqttFault | null)[]): Outgoing[] {
  return faults.map((fault, token) => ({
    token,
    topic: `sensors/ü${token % 3}/environment`,
    payload: Buffer.from(`{"n":${token}}`),
    fault,
  }));
}

describe('an MQTT link', () => {
  it('has every message acknowledged exactly once, whatever is cut, and loses none', {
    timeout: 60_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<1 | 2>(1, 2),
        fc.array(fc.option(fc.constantFrom<MqttFault>(...QUICK_FAULTS), { freq: 2 }), {
          minLength: 1,
          maxLength: 60,
        }),
        fc.integer({ min: 1, max: 30 }),
        fc.nat(),
        async (qos, faults, maxInFlight, seed) => {
          const broker = await startBrokenBroker(seededRandom(seed), { cutChance: 0.08, cutsUpTo: 15 });
          const all = messages(faults);
          const tested = linkUnderTest(mqttSpec({ qos, maxInFlight, reconnectMinMs: 1, reconnectMaxMs: 5 }), {
            url: broker.url,
            random: seededRandom(seed),
          });
          try {
            await tested.sendAll(all);
          } finally {
            await broker.close();
            tested.ticker.stop();
          }
          const tokens = all.map(({ token }) => token);
          expect([...tested.acknowledged].sort((a, b) => a - b)).toEqual(tokens);
          expect(tested.refused).toEqual([]);
          const sent = new Set(broker.arrivals.map(({ payload }) => payload));
          expect(sent.size).toBe(all.length);
          // QoS 2: once for each transfer, and `duplicate` is two of them.
          if (qos === 2) {
            const wanted = all.flatMap(({ payload, fault }) =>
              fault === 'duplicate' ? [String(payload), String(payload)] : [String(payload)],
            );
            expect([...broker.taken].sort()).toEqual(wanted.sort());
          }
        },
      ),
      { numRuns: 25 },
    );
  });

  it('sends again with the same packet id and DUP, in the order of the first time', async () => {
    const broker = await startBrokenBroker(seededRandom(1), { cutChance: 0, cutsUpTo: 0 });
    const tested = linkUnderTest(mqttSpec(), { url: broker.url });
    await tested.sendAll(messages(['lost-puback', null, null, 'cut', null]));
    await broker.close();
    const first = new Map<string, number>();
    for (const { payload, packetId, dup } of broker.arrivals) {
      if (!first.has(payload)) first.set(payload, packetId);
      else expect(dup).toBe(true);
      expect(first.get(payload)).toBe(packetId);
    }
    expect([...first.keys()]).toEqual(
      messages([null, null, null, null, null]).map(({ payload }) => `${payload}`),
    );
    expect(tested.link.resent).toBeGreaterThanOrEqual(2);
    expect(tested.lost).toEqual(
      ['cut in mid-packet, on purpose', 'an acknowledgement was lost, on purpose'].slice(0, 2),
    );
    tested.ticker.stop();
  });

  it('sends a duplicate as a second transfer without DUP, which is acknowledged to nobody', async () => {
    const broker = await startBrokenBroker(seededRandom(1), { cutChance: 0, cutsUpTo: 0 });
    const tested = linkUnderTest(mqttSpec(), { url: broker.url });
    await tested.sendAll(messages(['duplicate']));
    await broker.close();
    expect(broker.arrivals.map(({ packetId, dup }) => [packetId, dup])).toEqual([
      [1, false],
      [2, false],
    ]);
    expect(tested.acknowledged).toEqual([0]);
    tested.ticker.stop();
  });

  it('lets a held message be overtaken by the next one, and not for ever', async () => {
    const broker = await startBrokenBroker(seededRandom(1), { cutChance: 0, cutsUpTo: 0 });
    const tested = linkUnderTest(mqttSpec(), { url: broker.url });
    await tested.sendAll(messages(['reorder', null, 'reorder']));
    await broker.close();
    expect(broker.arrivals.map(({ payload }) => payload)).toEqual(['{"n":1}', '{"n":0}', '{"n":2}']);
    tested.ticker.stop();
  });

  it('tells QoS 0 messages as acknowledged when they left, and as refused when they are lost', async () => {
    const url = await serve((socket) => void socket.write(CONNACK));
    const tested = linkUnderTest(mqttSpec({ qos: 0 }), { url });
    await tested.sendAll(messages([null, 'duplicate', 'cut', 'reorder', null]));
    expect(tested.acknowledged).toHaveLength(5);
    tested.ticker.stop();
  });

  it('says in words why it was refused, and tries again', async () => {
    const url = await serve((socket, n) => {
      socket.write(n < 2 ? generate({ cmd: 'connack', returnCode: 4, sessionPresent: false }) : CONNACK);
    });
    const tested = linkUnderTest(mqttSpec(), { url });
    tested.link.open();
    await until('it is connected', () => tested.link.canSend);
    expect(tested.lost).toEqual(Array(2).fill('refused: wrong user name or password'));
    await tested.link.close(0);
    tested.ticker.stop();
  });

  it.each([
    ['nothing listens', 'mqtt://127.0.0.1:1', /nothing listens there/],
    ['the url is of another kind', 'http://127.0.0.1:1', /not spoken here/],
    ['the url is none', 'nonsense', /Invalid URL/],
  ])('never throws, and says why it cannot connect: %s', async (_, url, words) => {
    const tested = linkUnderTest(mqttSpec(), { url });
    tested.link.open();
    await until('it tried twice', () => tested.lost.length >= 2);
    expect(tested.lost[0]).toMatch(words);
    await tested.link.close(0);
    tested.ticker.stop();
  });

  it('survives whatever it is answered', { timeout: 30_000 }, async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 200 }), async (garbage) => {
        const url = await serve((socket, n) => {
          socket.on('data', () => undefined);
          if (n === 0) socket.end(Buffer.from(garbage));
          else if (n === 1) socket.end(Buffer.concat([CONNACK, garbage]));
          else socket.write(CONNACK);
        });
        const tested = linkUnderTest(mqttSpec(), { url });
        tested.link.open();
        await until('it is connected again', () => tested.lost.length >= 2 && tested.link.canSend, {
          everyMs: 2,
        });
        await tested.link.close(0);
        tested.ticker.stop();
      }),
      { numRuns: 50 },
    );
  });

  it('gives up a gateway that says nothing any more while something is unacknowledged', async () => {
    let nowMs = 0;
    const timers = new Set<() => void>();
    const url = await serve((socket) => void socket.write(CONNACK));
    const { createTicker } = await import('../../../device-sim/links/ticker.ts');
    const ticker = createTicker({
      monotonicMs: () => nowMs,
      setTimer: (_delayMs, callback) => {
        timers.add(callback);
        return () => void timers.delete(callback);
      },
    });
    const advance = (ms: number): void => {
      nowMs += ms;
      const due = [...timers];
      timers.clear();
      for (const callback of due) callback();
    };
    const tested = linkUnderTest(mqttSpec({ keepaliveSeconds: 0 }), { url, ticker });
    tested.link.open();
    await until('it is connected', () => tested.link.canSend);
    for (let i = 0; i < 10; i += 1) advance(20_000);
    expect(tested.lost).toEqual([]);
    tested.link.send({ token: 1, topic: 'a', payload: Buffer.from('1'), fault: null });
    advance(20_000);
    expect(tested.lost).toEqual([]);
    for (let i = 0; i < 3; i += 1) advance(10_000);
    expect(tested.lost).toEqual(['nothing came for 30 s']);
    await tested.link.close(0);
  });

  it('does not keep its port waiting when it is closed before it was ever connected', async () => {
    const tested = linkUnderTest(mqttSpec(), { url: 'mqtt://127.0.0.1:1' });
    tested.link.open();
    await tested.link.close(60_000);
    expect(tested.link.canSend).toBe(false);
    tested.ticker.stop();
  });
});
