import { describe, expect, it } from 'vitest';
import { accountedClient } from '../../../gateway/sources/mqtt-broker/generated-ids.ts';
import { settle, startBroker } from './support/harness.ts';
import { connectPacket, publishPacket } from './support/raw-client.ts';

/** A fixed header that announces this many bytes. */
function announce(first: number, bytes: number): Buffer {
  const header = [first];
  for (let rest = bytes; ; ) {
    const low = rest % 128;
    rest = Math.trunc(rest / 128);
    header.push(rest > 0 ? low | 128 : low);
    if (rest === 0) return Buffer.from(header);
  }
}

const MIB = 1024 * 1024;

describe('before a client is known', () => {
  it('a CONNECT that announces 256 MB ends the connection at its fifth byte, and costs no memory', async () => {
    const { events, socket, connect } = await startBroker();
    const before = process.memoryUsage().rss;
    for (let i = 0; i < 20; i += 1) {
      const client = await socket();
      client.sendBytes(announce(0x10, 256 * MIB - 1));
      for (let sent = 0; sent < 4; sent += 1) client.sendBytes(Buffer.alloc(MIB));
      await client.ended();
    }
    expect(process.memoryUsage().rss - before).toBeLessThan(100 * MIB);
    expect(events.named('mqtt.disconnected')).toHaveLength(20);
    await connect('fine');
  });

  it('anything but CONNECT ends the connection', async () => {
    const { ingest, socket } = await startBroker();
    for (const bytes of [
      publishPacket('a', 'x'),
      Buffer.from([0xc0, 0]),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    ]) {
      const client = await socket();
      client.sendBytes(bytes);
      await client.ended();
    }
    expect(ingest.messages).toEqual([]);
  });

  it('one that sends nothing is not kept', async () => {
    const { socket, broker } = await startBroker({ connectTimeoutMs: 100 });
    const client = await socket();
    client.sendBytes(connectPacket('slow').subarray(0, 5));
    await client.ended();
    await settle();
    expect(broker.connections()).toBe(0);
  });

  it('a CONNECT in many pieces is taken, with what comes right behind it', async () => {
    const { socket, ingest } = await startBroker();
    const client = await socket();
    const bytes = Buffer.concat([
      connectPacket('bytewise'),
      publishPacket('a', 'x', { qos: 1, id: 1 }),
      publishPacket('a', 'y', { qos: 1, id: 2 }),
    ]);
    for (const byte of bytes) {
      client.sendBytes(Buffer.from([byte]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await client.count('puback', 2);
    const all = await socket();
    all.sendBytes(Buffer.concat([connectPacket('at-once'), publishPacket('a', 'z', { qos: 2, id: 3 })]));
    await all.next('pubrec');
    expect(all.packets.map(({ cmd }) => cmd)).toEqual(['connack', 'pubrec']);
    const taken = ingest.messages.map(({ client: sender, payload }) => `${sender} ${payload}`);
    expect(taken).toEqual(['bytewise x', 'bytewise y', 'at-once z']);
  });

  it('an MQTT 5 client is told what to change, and so is the operator', async () => {
    const { socket, events } = await startBroker();
    const client = await socket();
    client.sendBytes(Buffer.from('101000044d51545405020 03c00000373797a'.replaceAll(' ', ''), 'hex'));
    const connack = await client.next('connack');
    expect(connack.returnCode).toBe(1);
    await client.ended();
    expect(events.all.filter(({ name }) => name !== 'mqtt.listening')).toEqual([
      { name: 'mqtt.version-unsupported', fields: { address: '127.0.0.1' } },
    ]);
  });

  it('too many sockets: the next one is closed at once', async () => {
    const { socket, broker, events } = await startBroker({ maxConnections: 3 });
    for (let i = 0; i < 3; i += 1) await socket();
    await settle();
    const fourth = await socket();
    await fourth.ended();
    expect(broker.connections()).toBe(3);
    expect(events.named('mqtt.too-many-connections')).toHaveLength(1);
  });
});

describe('a client id', () => {
  it.each(['a/b', 'a+', '#', 'a\nb', 'a\u0000b', '\u0085', 'x'.repeat(129), 'é'.repeat(65), '(generated)-1'])(
    'like %j is refused with 2',
    async (clientId) => {
      const { socket, broker, ingest } = await startBroker();
      const client = await socket();
      client.sendConnect(clientId);
      expect((await client.next('connack')).returnCode).toBe(2);
      await client.ended();
      expect(broker.connectedClients()).toBe(0);
      expect(ingest.cleared).toEqual([]);
    },
  );

  it('may be left to the broker with a clean session, and only then', async () => {
    const { socket, ingest } = await startBroker();
    const client = await socket();
    client.sendConnect('');
    expect((await client.next('connack')).returnCode).toBe(0);
    client.publish('a', 'x', { qos: 1 });
    await client.next('puback');
    expect(ingest.messages[0]?.client).toMatch(/^\(generated\)-[\w-]{36}$/);
    const kept = await socket();
    kept.sendConnect('', { clean: false });
    expect((await kept.next('connack')).returnCode).toBe(2);
    const another = await socket();
    another.sendConnect('');
    await another.next('connack');
    another.publish('a', 'x', { qos: 1 });
    await another.next('puback');
    const [first, second] = ingest.messages.map((message) => message.client);
    // A repeat is told by its client: two of them must differ. In the account they are one.
    expect(first).not.toBe(second);
    expect(new Set(ingest.messages.map(({ client }) => accountedClient(client)))).toEqual(
      new Set(['(generated)']),
    );
    expect(accountedClient('kitchen')).toBe('kitchen');
  });

  it.each(['__proto__', 'constructor', 'toString'])('%s is as good as another', async (clientId) => {
    const { connect, ingest } = await startBroker();
    const client = await connect(clientId, { clean: false });
    expect(await client.subscribe({ [`${clientId}/x`]: 1, ['__proto__']: 1 })).toEqual([1, 1]);
    client.publish(`${clientId}/x`, 'x', { qos: 1 });
    await client.next('puback');
    await client.count('publish', 1);
    expect(ingest.messages[0]).toMatchObject({ client: clientId, topic: `${clientId}/x` });
  });

  it('in use is taken over by the newer connection', async () => {
    const { connect, broker } = await startBroker();
    const older = await connect('same');
    const newer = await connect('same');
    await older.ended();
    await newer.ping();
    expect(broker.connectedClients()).toBe(1);
  });
});

describe('publishing', () => {
  it.each([
    ['$SYS/x', 'only the gateway may publish under gateway/ and $SYS/'],
    ['$SYS', 'only the gateway may publish under gateway/ and $SYS/'],
    ['gateway/receipts/other', 'only the gateway may publish under gateway/ and $SYS/'],
    ['gateway', 'only the gateway may publish under gateway/ and $SYS/'],
    ['a\u0000b', 'control character in topic'],
    ['a\nb', 'control character in topic'],
    ['a/+', 'wildcard in topic'],
    ['#', 'wildcard in topic'],
    ['x'.repeat(1025), 'topic too long'],
    ['a/'.repeat(32), 'topic has too many levels'],
  ])('on %j is not allowed', async (topic, reason) => {
    const { connect, ingest, events } = await startBroker();
    for (const qos of [0, 1, 2] as const) {
      const client = await connect('c1');
      const id = Buffer.from(qos === 0 ? [] : [0, 1]);
      const name = Buffer.from(topic);
      const length = Buffer.from([name.length >> 8, name.length & 255]);
      const body = Buffer.concat([length, name, id]);
      client.sendBytes(Buffer.concat([announce(0x30 | (qos << 1), body.length), body]));
      await client.ended();
    }
    expect(events.named('mqtt.disconnected')).toMatchObject([{ reason }, { reason }, { reason }]);
    expect(ingest.messages).toEqual([]);
  });

  it.each([
    ['a topic that is not UTF-8', [0x32, 6, 0, 2, 0xc3, 0x28, 0, 1]],
    ['an empty topic', [0x32, 4, 0, 0, 0, 1]],
    ['packet id 0', [0x32, 5, 0, 1, 0x61, 0, 0]],
    ['QoS 3', [0x36, 5, 0, 1, 0x61, 0, 1]],
    ['a topic longer than the packet', [0x30, 3, 0, 9, 0x61]],
    ['no topic at all', [0x30, 0]],
    ['a remaining length of five bytes', [0x30, 0x80, 0x80, 0x80, 0x80, 1]],
    ['a PUBREL without its flags', [0x60, 2, 0, 1]],
    ['a PUBREC without a packet id', [0x50, 0]],
    ['a packet that only servers send', [0xd0, 0]],
  ])('%s ends the connection', async (_what, bytes) => {
    const { connect, ingest, events } = await startBroker();
    const client = await connect('c1');
    client.sendBytes(Buffer.from(bytes));
    await client.ended();
    expect(ingest.messages).toEqual([]);
    expect(events.named('mqtt.disconnected')).toHaveLength(1);
    expect(events.named('hook.failed')).toEqual([]);
  });

  it('takes the largest packet, and ends the connection at the header of a larger one', async () => {
    const { connect, ingest } = await startBroker();
    const client = await connect('c1');
    const overhead = 2 + 1 + 2;
    client.publish('a', 'x'.repeat(MIB - overhead), { qos: 1, id: 1 });
    await client.next('puback');
    expect(ingest.messages[0]?.payload.length).toBe(MIB - overhead);
    client.sendBytes(announce(0x32, MIB + 1));
    await client.ended();
  });

  it('in tiny pieces costs what has arrived, and no more than all may hold together: the slowest goes', async () => {
    const { connect, events, ingest } = await startBroker({ maxPartialBytes: 300_000 });
    const [one, two] = [await connect('one'), await connect('two')];
    const packet = publishPacket('a', 'x'.repeat(250_000), { qos: 1, id: 1 });
    const begin = (client: typeof one): void => client.sendBytes(packet.subarray(0, 200_000));
    begin(one);
    await settle();
    begin(two);
    await one.ended();
    expect(events.named('mqtt.disconnected')).toMatchObject([
      { client: 'one', reason: 'too much is waiting for the rest of packets' },
    ]);
    two.sendBytes(packet.subarray(200_000));
    await two.next('puback');
    const three = await connect('three');
    begin(three);
    await settle();
    expect(three.closed).toBe(false);
    expect(ingest.messages.map(({ client }) => client)).toEqual(['two']);
  });

  it('by many who never end their packets keeps nobody out; each is answered, or its connection ends', async () => {
    const { connect, events, ingest } = await startBroker({ maxPartialBytes: 4 * MIB });
    const packet = publishPacket('a', 'x'.repeat(500_000), { qos: 1, id: 1 });
    const held = packet.subarray(0, packet.length - 1);
    const slow = await Promise.all(Array.from({ length: 20 }, (_, i) => connect(`slow-${i}`)));
    for (const client of slow) client.sendBytes(held);
    await Promise.any(slow.map((client) => client.ended()));
    for (let i = 0; i < 3; i += 1) {
      const quick = await connect(`quick-${i}`);
      quick.publish('b', 'y'.repeat(300_000), { qos: 1, id: 1 });
      await quick.next('puback');
    }
    const isAnswered = async (client: (typeof slow)[number]): Promise<boolean> => {
      client.sendBytes(packet.subarray(held.length));
      return await Promise.race([client.next('puback').then(() => true), client.ended().then(() => false)]);
    };
    const answered = await Promise.all(slow.map(isAnswered));
    const ended = answered.filter((each) => !each).length;
    expect(events.named('mqtt.disconnected')).toHaveLength(ended);
    expect(ingest.messages).toHaveLength(3 + slow.length - ended);
    expect(slow.length - ended, 'what fits is not thrown out').toBeGreaterThanOrEqual(7);
  });
});

describe('a will', () => {
  it.each(['$SYS/x', 'gateway/receipts/c2', 'a/#', 'a\u0000'])('on %j is not accepted', async (topic) => {
    const { socket, ingest } = await startBroker();
    const client = await socket();
    client.sendConnect('c1', { will: { topic, payload: Buffer.from('x') } });
    expect((await client.next('connack')).returnCode).toBe(5);
    await client.ended();
    await settle();
    expect(ingest.messages).toEqual([]);
  });
});

describe('a bridge of another broker', () => {
  it('is known by its protocol level, and its messages as passed on', async () => {
    const { socket, ingest } = await startBroker();
    const bridge = await socket();
    const connect = connectPacket('c1');
    connect[8] = (connect[8] ?? 0) | 0x80;
    bridge.sendBytes(connect);
    expect((await bridge.next('connack')).returnCode).toBe(0);
    bridge.publish('a', 'x', { qos: 1, retain: true });
    await bridge.next('puback');
    const direct = await socket();
    direct.sendConnect('c2');
    direct.publish('a', 'x', { qos: 1, retain: true });
    await direct.next('puback');
    expect(ingest.messages.map(({ relay, retain }) => [relay !== null, retain])).toEqual([
      [true, false],
      [false, true],
    ]);
  });
});

describe('the state that a Mosquitto bridge tells of itself', () => {
  it('is acknowledged and let go, as a message and as a will: it is no reading', async () => {
    const { connect, socket, ingest } = await startBroker();
    const topic = '$SYS/broker/connection/house.gateway/state';
    const subscriber = await connect('c2');
    await subscriber.subscribe({ '#': 1 });
    const bridge = await socket();
    bridge.sendConnect('c1', { will: { topic, payload: Buffer.from('0'), retain: true } });
    expect((await bridge.next('connack')).returnCode).toBe(0);
    bridge.publish(topic, '1', { qos: 1, id: 7, retain: true });
    expect((await bridge.next('puback')).messageId).toBe(7);
    bridge.destroy();
    await settle();
    await subscriber.ping();
    expect(ingest.messages).toEqual([]);
    expect(subscriber.all('publish')).toEqual([]);
  });
});

describe('a keepalive', () => {
  it('that is over is the end of the connection', async () => {
    const { connect } = await startBroker({ maxKeepaliveSeconds: 1 });
    const client = await connect('c1', { keepalive: 0 });
    await client.ended();
  });

  it('is kept by publishing alone', async () => {
    const { connect } = await startBroker();
    const client = await connect('c1', { keepalive: 1 });
    for (let i = 0; i < 8; i += 1) {
      client.publish('a', 'x', { qos: 1, id: i + 1 });
      await client.next('puback');
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    expect(client.closed).toBe(false);
  });
});

describe('subscribing', () => {
  it('is refused with 128 where it may not read, and for malformed filters', async () => {
    const { connect } = await startBroker();
    const client = await connect('c1');
    const refused = [
      '$SYS/#',
      '$SYS',
      '$SYS/+/new/clients',
      'a+',
      '+a',
      'a#',
      'ab#',
      'a/#/b',
      'a\u0000',
      'x'.repeat(1025),
    ];
    refused.push('gateway/receipts/c2', 'gateway/receipts/c2/all', 'gateway/receipts/c1/x', 'a/'.repeat(40));
    const granted = await client.subscribe(Object.fromEntries(refused.map((filter) => [filter, 1])));
    expect(granted).toEqual(refused.map(() => 128));
    const allowed = [
      'gateway/receipts/c1',
      'gateway/receipts/c1/all',
      'gateway/receipts/c1/#',
      'gateway/receipts/#',
      'gateway/receipts/+',
    ];
    allowed.push('#', '+/+', 'gateway/+/c2', 'gateway/devices/#', '/', 'a//b', '$other/#');
    expect(await client.subscribe(Object.fromEntries(allowed.map((filter) => [filter, 1])))).toEqual(
      allowed.map(() => 1),
    );
  });

  it('is bounded for a client, for all, and for one packet', async () => {
    const { connect, events } = await startBroker({ maxSubscriptionsPerClient: 3, maxSubscriptions: 4 });
    const one = await connect('one');
    expect(await one.subscribe({ a: 0, b: 0, c: 0 })).toEqual([0, 0, 0]);
    expect(await one.subscribe({ d: 0 })).toEqual([128]);
    expect(await one.subscribe({ a: 1 })).toEqual([1]);
    const two = await connect('two');
    expect(await two.subscribe({ a: 0, b: 0 })).toEqual([0, 128]);
    one.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a', 'b'] });
    await one.next('unsuback');
    expect(await one.subscribe({ d: 0 })).toEqual([0]);
    expect(events.named('mqtt.subscription-refused')).toHaveLength(2);
    one.send({
      cmd: 'subscribe',
      messageId: 3,
      subscriptions: Array.from({ length: 4 }, (_, i) => ({ topic: `${i}`, qos: 0 as const })),
    });
    await one.ended();
    await settle();
    expect(await two.subscribe({ x: 0, y: 0 })).toEqual([0, 0]);
  });

  it('leaves nothing behind however often it is changed in one go', async () => {
    const { connect, broker } = await startBroker({ maxSubscriptions: 2 });
    const reader = await connect('reader');
    for (const clean of [true, false]) {
      const client = await connect('flapper', { clean });
      for (let i = 0; i < 300; i += 1) {
        client.send({ cmd: 'unsubscribe', messageId: 1, unsubscriptions: ['t'] });
        client.send({
          cmd: 'subscribe',
          messageId: 2,
          subscriptions: [{ topic: 't', qos: i % 2 === 0 ? 0 : 1 }],
        });
      }
      await client.count('suback', 300);
      client.publish('t', 'x', { qos: 1, id: 3 });
      await client.count('publish', 1);
      await client.ping();
      const [message, ...more] = client.all('publish');
      expect(more).toEqual([]);
      client.send({ cmd: 'puback', messageId: message?.messageId ?? 0 });
      client.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['t'] });
      await client.ping();
      expect(await reader.subscribe({ a: 0, b: 0 })).toEqual([0, 0]);
      reader.send({ cmd: 'unsubscribe', messageId: 4, unsubscriptions: ['a', 'b'] });
      await reader.ping();
      client.destroy();
      await settle();
    }
    expect(broker.holdings().sessions).toBe(0);
  });
});
