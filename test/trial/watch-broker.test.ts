import { beforeAll, describe, expect, test } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { MAX_PACKET_BYTES, type Watched, watchBroker } from '../../gateway/trial/watch-broker.ts';
import { CONNECTION } from '../support/broker-connection.ts';
import { LeapingClock } from '../support/leaping-clock.ts';
import { type LiveBehaviour, ScriptedLiveBroker } from './scripted-live-broker.ts';

const FOR_MS = 15_000;

interface Trial {
  readonly broker: ScriptedLiveBroker;
  readonly clock: LeapingClock;
  readonly topics: string[];
  /** Its end: what was watched, or why it could not be. */
  end(): Promise<Watched | string>;
}

function trial(behaviour: LiveBehaviour = {}): Trial {
  const broker = new ScriptedLiveBroker(behaviour);
  const clock = new LeapingClock();
  const topics: string[] = [];
  let ended: Watched | string | null = null;
  void watchBroker(CONNECTION, {
    ...{ filters: ['#'], forMs: FOR_MS, clock, random: () => 1, open: broker.open },
    signal: new AbortController().signal,
    onMessage: ({ topic }) => topics.push(topic),
  }).then(
    (watched) => {
      ended = watched;
    },
    (error: unknown) => {
      ended = isGatewayError(error, 'broker-unavailable') ? error.message : `unexpected: ${String(error)}`;
    },
  );
  return {
    ...{ broker, clock, topics },
    async end() {
      await clock.until(() => ended !== null);
      return ended ?? 'never';
    },
  };
}

// A link loads it when it is first needed, and the clock of these tests does not wait for that.
beforeAll(() => import('mqtt'));

describe('listening to a broker', () => {
  test('tells what came, for as long as it was asked to', async () => {
    const { broker, clock, topics, end } = trial();
    await clock.until(() => broker.got.includes('subscribe'));
    broker.publish('a/b', '1');
    expect(await end()).toEqual({
      subscriptions: [{ filter: '#', grantedQos: 0, words: null }],
      ...{ elapsedMs: FOR_MS, heardMs: FOR_MS, reconnected: 0, lost: null, passedOver: 0 },
    });
    expect(topics).toEqual(['a/b']);
    expect(broker.got).toEqual(['connect', 'subscribe', 'unsubscribe', 'disconnect']);
  });

  test('ends where the subscription is never answered, and says so', async () => {
    expect(await trial({ subscribes: () => false }).end()).toBe(
      'mqtt://broker.test: it took the connection, and did not answer the subscription within 10 s',
    );
  });

  test('ends where nothing answers at all', async () => {
    expect(await trial({ answers: null }).end()).toContain('no MQTT broker answers there: nothing came');
  });

  test.each([
    ['HTTP/1.1 400 Bad Request\r\n\r\n', 'no MQTT broker answers there, but a web server'],
    ['\x15\x03\x01\x00\x02\x02\x0a', 'what speaks TLS: try mqtts://'],
    ['+PONG\r\n', 'what came is no answer to CONNECT'],
  ])('says at once that what answers %j is no MQTT broker', async (answers, words) => {
    const { clock, end } = trial({ answers });
    expect(await end()).toContain(words);
    expect(clock.monotonicMs()).toBe(0);
  });

  test('a broker that goes away and stays away is told, with how long it was heard', async () => {
    let isThere: boolean = true;
    const { broker, clock, end } = trial({ isThere: () => isThere });
    await clock.until(() => broker.got.includes('subscribe'));
    await clock.pass(5_000);
    isThere = false;
    const lostAtMs = clock.nowMs();
    broker.cut();
    expect(await end()).toMatchObject({
      ...{ elapsedMs: FOR_MS, heardMs: 5_000, reconnected: 0 },
      lost: { atMs: lostAtMs, reason: 'the broker closed the connection' },
    });
  });

  test('one that comes back is listened to again, and the pause is no time of listening', async () => {
    const { broker, clock, topics, end } = trial();
    await clock.until(() => broker.got.includes('subscribe'));
    await clock.pass(5_000);
    broker.cut();
    await clock.until(() => broker.got.filter((each) => each === 'subscribe').length === 2);
    broker.publish('back', '1');
    const watched = await end();
    expect(watched).toMatchObject({ elapsedMs: FOR_MS, heardMs: FOR_MS - 500, reconnected: 1, lost: null });
    expect(topics).toEqual(['back']);
  });

  test('one that comes back and does not answer the subscription counts as away', async () => {
    const { broker, clock, end } = trial({ subscribes: (connection) => connection === 1 });
    await clock.until(() => broker.got.includes('subscribe'));
    await clock.pass(1_000);
    broker.cut();
    expect(await end()).toMatchObject({ heardMs: 1_000, lost: { reason: expect.any(String) } });
  });

  test('a message beyond all measure is counted, and what comes behind it is heard', async () => {
    const { broker, clock, topics, end } = trial();
    await clock.until(() => broker.got.includes('subscribe'));
    const length = MAX_PACKET_BYTES + 1;
    broker.write(
      Buffer.from([
        0x30,
        (length & 0x7f) | 0x80,
        ((length >> 7) & 0x7f) | 0x80,
        ((length >> 14) & 0x7f) | 0x80,
        length >> 21,
      ]),
    );
    const chunk = Buffer.alloc(2 ** 20);
    for (let left = length; left > 0; left -= chunk.length) broker.write(chunk.subarray(0, left));
    broker.publish('behind', '1');
    expect(await end()).toMatchObject({ passedOver: 1, reconnected: 0 });
    expect(topics).toEqual(['behind']);
  });
});
