import { afterAll, describe, expect, it } from 'vitest';
import { FORWARDED, STORED } from './support/fake-ingest.ts';
import { settle, startBroker } from './support/harness.ts';
import { watchLoop } from './support/loop-watch.ts';
import { connectPacket, publishPacket, RawClient } from './support/raw-client.ts';

/** A small generator of its own, so that a failure can be repeated by its seed. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.trunc((state / 2 ** 32) * below);
  };
}

const SECONDS = 4;
const MIB = 1024 * 1024;

/** One packet out of a hat, valid or nearly so. */
function anyPacket(random: (below: number) => number): Buffer {
  const topics = [
    'a',
    'a/b',
    '+',
    '#',
    'gateway/receipts/c1',
    '$SYS/x',
    '__proto__',
    'a\u0000',
    'é',
    'a+',
    '',
  ];
  const topic = (): Buffer => {
    const name = Buffer.from(topics[random(topics.length)] ?? 'a');
    return Buffer.concat([Buffer.from([0, name.length]), name]);
  };
  const id = Buffer.from([random(2), random(4)]);
  const bodies = [
    (): Buffer => Buffer.concat([topic(), Buffer.from([0, 1]), Buffer.alloc(random(200))]),
    (): Buffer => Buffer.concat([id, topic(), Buffer.from([random(4)]), topic(), Buffer.from([random(3)])]),
    (): Buffer => Buffer.concat([id, topic(), topic()]),
    (): Buffer => id,
    (): Buffer => Buffer.alloc(0),
    (): Buffer => Buffer.from(Array.from({ length: random(40) }, () => random(256))),
  ];
  const firsts = [
    0x30, 0x31, 0x32, 0x33, 0x34, 0x3a, 0x3d, 0x82, 0xa2, 0x40, 0x50, 0x62, 0x70, 0xc0, 0xe0, 0x10,
  ];
  const body = (bodies[random(bodies.length)] ?? Buffer.alloc)(0);
  const first = random(20) === 0 ? random(256) : (firsts[random(firsts.length)] ?? 0x30);
  const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
  return Buffer.concat([Buffer.from([first, ...length]), body]);
}

describe('random bytes', () => {
  const seed = Date.now() >>> 0;
  afterAll(() => console.info(`fuzz seed ${seed}`));

  it(`for ${SECONDS} s neither end the broker, nor hold it up, nor fill its memory`, async () => {
    const { port, broker, ingest, events, clock, connect } = await startBroker();
    const random = randomNumbers(seed);
    ingest.outcomeOf = ({ payload }) => {
      ingest.messages.length = 0;
      return payload.length % 2 === 0 ? STORED : FORWARDED;
    };
    const watch = watchLoop(() => clock.advance(2));
    const untilMs = performance.now() + SECONDS * 1000;
    const malformed: string[] = [];
    let sockets = 0;
    let memoryBefore = 0;
    while (performance.now() < untilMs) {
      const round = Array.from({ length: 10 }, async () => {
        const client = await RawClient.open(port);
        sockets += 1;
        const chunks = Array.from({ length: 30 }, () => anyPacket(random));
        // Most get past CONNECT, or nothing else would be reached.
        if (random(4) > 0) chunks.unshift(connectPacket(`c${random(5)}`, { clean: random(2) === 0 }));
        for (let at = 0; at < chunks.length && !client.closed; at += 1) {
          client.sendBytes(chunks[at] ?? Buffer.alloc(0));
          if (random(8) === 0) await new Promise((resolve) => setImmediate(resolve));
        }
        await new Promise((resolve) => setTimeout(resolve, random(10)));
        malformed.push(...client.malformed);
        client.destroy();
      });
      await Promise.allSettled(round);
      if (memoryBefore === 0 && sockets > 100) memoryBefore = process.memoryUsage().rss;
    }
    watch.stop();
    await settle();
    expect(events.named('hook.failed')).toEqual([]);
    expect(malformed).toEqual([]);
    expect(sockets).toBeGreaterThan(200);
    expect(watch.longestMs).toBeLessThan(100);
    expect(process.memoryUsage().rss - memoryBefore).toBeLessThan(100 * MIB);
    expect(broker.connections()).toBe(0);
    expect(broker.connectedClients()).toBe(0);
    const client = await connect('fine');
    client.sendBytes(publishPacket('a', 'x', { qos: 1 }));
    await client.next('puback');
  }, 30_000);
});
