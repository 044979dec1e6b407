import { beforeEach, describe, expect, it } from 'vitest';
import type { Relay } from '../../../gateway/contracts.ts';
import { GatewayError } from '../../../gateway/errors.ts';
import { helloTopic } from '../../../gateway/peer-hello.ts';
import { packParcel, parcelTopic } from '../../../gateway/peer-parcel.ts';
import type { MqttLimits } from '../../../gateway/sources/mqtt-broker/limits.ts';
import { FORWARDED } from './support/fake-ingest.ts';
import { type Harness, settle, startBroker } from './support/harness.ts';
import type { PublishOptions, RawClient } from './support/raw-client.ts';

const ARRIVED_MS = Date.UTC(2026, 2, 1);
const TOPIC = parcelTopic('attic');
const ID = 'gateway-attic-peer';

function parcel(topic: string, payload = '{"seq":1}', relay: Relay | null = null): Buffer {
  return packParcel({ source: 'house', topic, payload: Buffer.from(payload), relay }, ARRIVED_MS);
}

/** Of a gateway that shares with the attic and the cellar. */
function startHome(limits: Partial<MqttLimits> = {}): Promise<Harness> {
  return startBroker(limits, [], undefined, ['attic', 'cellar']);
}

function passOn(peer: RawClient, bytes: Buffer | string, options: PublishOptions = {}): void {
  peer.publish(TOPIC, bytes.toString('utf8'), options);
}

describe('what a peer passes on', () => {
  it('is taken as the message that it was, at each QoS, with its time and where it came from', async () => {
    const { ingest, connect } = await startHome();
    const peer = await connect(ID, { username: 'gate' });
    const relay = { contentType: 'text/csv', userProperties: new Map([['site', 'b']]) };
    for (const qos of [0, 1, 2] as const)
      passOn(peer, parcel(`sensors/${qos}`, `${qos}\n`, relay), { qos, id: 7 + qos, retain: true });
    await peer.next('puback');
    await peer.next('pubrec');
    expect(ingest.messages).toHaveLength(3);
    for (const [qos, message] of ingest.messages.entries()) {
      expect(message).toMatchObject({
        ...{ source: 'peer', topic: `sensors/${qos}`, client: ID, username: 'gate', address: '127.0.0.1' },
        ...{ device: null, retain: false, format: null, receipts: false },
        relay: { ...relay, isShared: true, arrivedMs: ARRIVED_MS, broker: 'house' },
      });
      expect(message.payload.toString()).toBe(`${qos}\n`);
      if (qos === 0) expect(message.transfer).toBeNull();
      else expect(message.transfer).toMatchObject({ qos, packetId: 7 + qos, dup: false });
    }
  });

  it('is acknowledged only after the commit, in its place among others', async () => {
    const { ingest, connect } = await startHome();
    ingest.automatic = false;
    const peer = await connect(ID);
    passOn(peer, parcel('t'), { qos: 1, id: 1 });
    peer.publish('t', 'as any client', { qos: 1, id: 2 });
    passOn(peer, parcel('t'), { qos: 2, id: 3 });
    await settle();
    expect(ingest.messages).toHaveLength(3);
    expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    ingest.commit();
    await peer.next('pubrec');
    const answers = peer.packets.slice(1).map(({ cmd, messageId }) => `${cmd} ${messageId}`);
    expect(answers).toEqual(['puback 1', 'puback 2', 'pubrec 3']);
    peer.send({ cmd: 'pubrel', messageId: 3 });
    expect((await peer.next('pubcomp')).messageId).toBe(3);
    expect(ingest.releasedIds).toEqual([`${ID}:3`]);
  });

  it('holds up what comes behind it at QoS 0 as well, until it is on disk', async () => {
    const { ingest, connect } = await startHome();
    ingest.automatic = false;
    const peer = await connect(ID);
    passOn(peer, parcel('t'));
    await settle();
    passOn(peer, parcel('t'));
    await settle();
    expect(ingest.messages).toHaveLength(1);
    ingest.commit();
    await settle();
    expect(ingest.messages).toHaveLength(2);
    ingest.commit();
    await peer.ping();
  });

  it('says that it comes again where it does', async () => {
    const { ingest, connect } = await startHome();
    const peer = await connect(ID, { clean: false });
    passOn(peer, parcel('t'), { qos: 2, id: 9 });
    await peer.next('pubrec');
    passOn(peer, parcel('t'), { qos: 2, id: 9, dup: true });
    await peer.count('pubrec', 2);
    expect(ingest.messages.map(({ transfer }) => transfer?.dup)).toEqual([false, true]);
  });

  it('is not acknowledged where it could not be committed, or there is no room: the peer has to send it again', async () => {
    const { ingest, events, connect } = await startHome();
    ingest.automatic = false;
    const peer = await connect(ID);
    passOn(peer, parcel('t'), { qos: 1, id: 1 });
    await settle();
    ingest.failCommit(new GatewayError('store-unavailable', 'the disk is full'));
    await peer.ended();
    ingest.outcomeOf = () => {
      throw new GatewayError('store-full', 'no room');
    };
    const again = await connect(ID);
    passOn(again, parcel('t'), { qos: 2, id: 1 });
    await again.ended();
    expect([...peer.all('puback'), ...again.all('pubrec')]).toEqual([]);
    expect(events.named('mqtt.refused').map(({ reason }) => reason)).toEqual(['the disk is full', 'no room']);
  });

  it('reaches no subscriber: neither as it came, nor under its own topic, nor is it retained', async () => {
    const { ingest, broker, connect } = await startHome();
    ingest.outcomeOf = () => FORWARDED;
    const reader = await connect('reader');
    await reader.subscribe({ '#': 1, 'gateway/#': 1, [TOPIC]: 1 });
    const peer = await connect(ID);
    for (const qos of [0, 1, 2] as const) passOn(peer, parcel('t/1'), { qos, id: 4 + qos, retain: true });
    await peer.next('pubrec');
    await reader.ping();
    expect(reader.all('publish')).toEqual([]);
    expect(broker.holdings().retainedMessages).toBe(0);
    expect(ingest.messages).toHaveLength(3);
  });

  it('may be of any topic that another broker has sent: also where clients here may not publish on it', async () => {
    const { ingest, events, connect } = await startHome({ maxTopicBytes: 40, maxTopicLevels: 3 });
    const peer = await connect(ID);
    const topics = ['a/b/c/d/e', 'x'.repeat(1024), '$SYS/broker/uptime'];
    for (const [i, topic] of topics.entries()) {
      passOn(peer, parcel(topic), { qos: 1, id: i + 1 });
      await peer.next('puback');
    }
    expect(ingest.messages.map(({ topic }) => topic)).toEqual(topics);
    peer.publish('a/b/c/d/e', 'x', { qos: 1 });
    await peer.ended();
    expect(events.named('mqtt.disconnected')).toMatchObject([{ reason: 'topic has too many levels' }]);
  });
});

describe('what cannot be what a peer passes on', () => {
  const UNREADABLE = 'what a peer passes on cannot be read: is it of another version?';
  const NOT_HERE = 'only the gateway may publish under gateway/ and $SYS/';
  const bad = (topic: string): Buffer => parcel(topic);

  it.each<[string, string, Buffer | string, string]>([
    ['nothing', TOPIC, '', UNREADABLE],
    ['no parcel', TOPIC, '{"temperature":1}', UNREADABLE],
    ['a parcel without a topic', TOPIC, '{}\nx', UNREADABLE],
    [
      'a parcel of an empty topic',
      TOPIC,
      bad(''),
      'a peer passes on a message with a bad topic: empty topic',
    ],
    ['a wildcard', TOPIC, bad('a/#'), 'a peer passes on a message with a bad topic: wildcard in topic'],
    [
      'a control character',
      TOPIC,
      bad('a\u0000'),
      'a peer passes on a message with a bad topic: control character in topic',
    ],
    [
      'a topic that is too long',
      TOPIC,
      bad('x'.repeat(1025)),
      'a peer passes on a message with a bad topic: topic too long',
    ],
    [
      'half a character',
      TOPIC,
      bad('a\ufffd'),
      'a peer passes on a message with a bad topic: topic is not valid UTF-8',
    ],
    ['a receipt', TOPIC, bad('gateway/receipts/c1'), 'a peer passes on what belongs to a gateway itself'],
    ['a parcel in a parcel', TOPIC, bad(TOPIC), 'a peer passes on what belongs to a gateway itself'],
    ['a parcel of nobody', 'gateway/peers/', bad('t'), NOT_HERE],
    ['a parcel for nobody', 'gateway/peers', bad('t'), NOT_HERE],
    ['a parcel below', `${TOPIC}/x`, bad('t'), NOT_HERE],
    ['an answer to a question', helloTopic('attic', '0'.repeat(32)), bad('t'), NOT_HERE],
    ['a parcel of a stranger', parcelTopic('roof'), bad('t'), 'no peer of this gateway is called roof'],
    [
      'a parcel of one with a long name',
      parcelTopic('x'.repeat(100)),
      bad('t'),
      `no peer of this gateway is called ${'x'.repeat(64)}…`,
    ],
  ])('%s: ends the connection with words, at each QoS, and others go on', async (_, topic, bytes, words) => {
    const { ingest, events, connect } = await startHome();
    const other = await connect('other');
    for (const qos of [0, 1, 2] as const) {
      const peer = await connect(ID);
      peer.publish(topic, bytes.toString('utf8'), { qos, id: 5 });
      await peer.ended();
      expect([...peer.all('puback'), ...peer.all('pubrec')]).toEqual([]);
    }
    const reasons = events.named('mqtt.disconnected');
    expect(reasons).toEqual(
      Array.from({ length: 3 }, () => ({ client: ID, address: '127.0.0.1', reason: words })),
    );
    expect(events.named('hook.failed')).toEqual([]);
    expect(ingest.messages).toEqual([]);
    other.publish('t', 'x', { qos: 1 });
    await other.next('puback');
  });

  it('a last will under gateway/: nobody lets a gateway in that has one', async () => {
    const { socket } = await startHome();
    const client = await socket();
    client.sendConnect(ID, { will: { topic: TOPIC, payload: parcel('t') } });
    expect((await client.next('connack')).returnCode).toBe(5);
  });
});

describe('beside peers', () => {
  it('a gateway without peers takes no parcels, and leaves those that send them alone otherwise', async () => {
    const { ingest, events, connect } = await startBroker();
    const peer = await connect(ID);
    await peer.subscribe({ 'gateway/peers': 0 });
    passOn(peer, parcel('t'), { qos: 1, id: 1 });
    await peer.ended();
    expect(peer.all('puback')).toEqual([]);
    expect(events.named('mqtt.disconnected')).toMatchObject([
      { client: ID, reason: 'no peer of this gateway is called attic' },
    ]);
    expect(ingest.messages).toEqual([]);
  });

  it('bridge states are acknowledged and let go, at each QoS, and downlinks taken', async () => {
    const taken: string[] = [];
    const { ingest, connect } = await startBroker({}, [], (client, device, payload) => {
      taken.push(`${client} ${device} ${payload}`);
      return client === 'dashboard';
    });
    const bridge = await connect('bridge');
    const state = '$SYS/broker/connection/house.gateway/state';
    for (const qos of [0, 1, 2] as const) bridge.publish(state, '1', { qos, id: 4 + qos, retain: true });
    await bridge.next('puback');
    await bridge.next('pubrec');
    expect(taken).toEqual([]);
    const dashboard = await connect('dashboard');
    dashboard.publish('gateway/serial/shed/write', 'on', { qos: 1 });
    await dashboard.next('puback');
    expect(taken).toEqual(['dashboard shed on']);
    expect(ingest.messages).toEqual([]);
  });
});

describe('who asks what a peer asks', () => {
  const nonce = (digit: string): string => digit.repeat(32);
  const question = (digit: string, asker = 'attic'): string => helloTopic(asker, nonce(digit));
  const leave = async (peer: RawClient, filter: string): Promise<void> => {
    peer.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: [filter] });
    await peer.ping();
  };
  let said = 0;
  const sayHello = (asker: string): Buffer => {
    said += 1;
    return Buffer.from(`hello ${asker} ${said}`);
  };
  beforeEach(() => {
    said = 0;
  });

  it.each([0, 1, 2] as const)(
    'is answered alone, once for each SUBSCRIBE, after its answer (QoS %i)',
    async (qos) => {
      const { broker, connect } = await startBroker({}, [], undefined, [], sayHello);
      const others = [];
      for (const [i, filter] of ['gateway/#', 'gateway/peers/#', '#', question('b')].entries()) {
        const other = await connect(`other-${i}`);
        await other.subscribe({ [filter]: 1 });
        others.push(other);
      }
      said = 0;
      const peer = await connect(ID);
      expect(await peer.subscribe({ [question('a')]: qos })).toEqual([qos]);
      const { topic, payload, retain, qos: at } = await peer.next('publish');
      expect([topic, String(payload), retain, at]).toEqual([question('a'), 'hello attic 1', false, 0]);
      expect(peer.packets.map(({ cmd }) => cmd)).toEqual(['connack', 'suback', 'publish']);
      await peer.subscribe({ [question('a')]: qos });
      await peer.count('publish', 2);
      for (const [i, other] of others.entries()) {
        await other.ping();
        expect(other.all('publish')).toHaveLength(i === 3 ? 1 : 0);
      }
      expect(broker.holdings().retainedMessages).toBe(0);
      expect(broker.holdings().sessions).toBe(0);
    },
  );

  it('may be a client with a session: that does not remember it', async () => {
    const { connect } = await startBroker({}, [], undefined, [], sayHello);
    const peer = await connect(ID, { clean: false });
    await peer.subscribe({ [question('a')]: 1 });
    await peer.next('publish');
    peer.destroy();
    await settle();
    const again = await connect(ID, { clean: false });
    await again.ping();
    expect(again.all('publish')).toEqual([]);
    await again.subscribe({ [question('b')]: 1 });
    expect((await again.next('publish')).topic).toBe(question('b'));
  });

  it('may be a gateway that has another name, or none of its peers: what it is told says so', async () => {
    const { connect } = await startBroker({}, [], undefined, [], sayHello);
    const peer = await connect(ID);
    await peer.subscribe({ [question('a', 'roof')]: 0 });
    expect(String((await peer.next('publish')).payload)).toBe('hello roof 1');
  });

  it('asks one question at a time', async () => {
    const { connect } = await startBroker({}, [], undefined, [], sayHello);
    const peer = await connect(ID);
    const both = await peer.subscribe({ [question('a')]: 0, [question('b')]: 0 });
    expect(both).toEqual([0, 128]);
    await leave(peer, question('b'));
    expect(await peer.subscribe({ [question('b')]: 0 })).toEqual([128]);
    await leave(peer, question('a'));
    expect(await peer.subscribe({ [question('b')]: 0 })).toEqual([0]);
    await peer.count('publish', 2);
    expect(peer.all('publish').map(({ topic }) => topic)).toEqual([question('a'), question('b')]);
  });

  it.each([
    'gateway/peers/hello/#',
    'gateway/peers/hello/+/+',
    `gateway/peers/hello/attic/+`,
    `gateway/peers/hello/+/${nonce('a')}`,
    `${question('a')}/#`,
    question('a').slice(0, -1),
    `${question('a')}a`,
    helloTopic('x'.repeat(65), nonce('a')),
  ])('may not ask by %s', async (filter) => {
    const { events, connect } = await startBroker({}, [], undefined, [], sayHello);
    const other = await connect('other');
    expect(await other.subscribe({ [filter]: 1 })).toEqual([128]);
    expect(events.named('mqtt.subscription-refused')).toMatchObject([{ reason: 'it may not read there' }]);
    await (await connect(ID)).subscribe({ [question('a')]: 0 });
    await other.ping();
    expect(other.all('publish')).toEqual([]);
  });

  it('is told nothing by way of a share, or as an observer', async () => {
    const { connect } = await startBroker({}, ['observer'], undefined, [], sayHello);
    const shares = await connect('shares');
    await shares.subscribe({ [`$share/g/${question('a')}`]: 1 });
    const observer = await connect('observer');
    await observer.subscribe({ 'gateway/#': 1 });
    expect(await observer.subscribe({ 'gateway/peers/hello/#': 1 })).toEqual([128]);
    const peer = await connect(ID);
    await peer.subscribe({ [question('a')]: 0 });
    await peer.next('publish');
    for (const other of [shares, observer]) {
      await other.ping();
      expect(other.all('publish')).toEqual([]);
    }
  });

  it('gets no answer where there is none, or it cannot be given: nothing else ends', async () => {
    const silent = await (await startBroker()).connect(ID);
    await silent.subscribe({ [question('a')]: 0 });
    await silent.ping();
    expect(silent.all('publish')).toEqual([]);
    const { events, connect } = await startBroker({}, [], undefined, [], () => {
      throw new Error('no');
    });
    const peer = await connect(ID);
    await peer.subscribe({ [question('a')]: 0 });
    await peer.ping();
    expect(events.named('hook.failed')).toEqual([{ hook: 'hello', error: 'no' }]);
  });
});
