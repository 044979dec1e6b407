import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../gateway/errors.ts';
import { DUPLICATE, deferred, FORWARDED } from './support/fake-ingest.ts';
import { settle, startBroker } from './support/harness.ts';
import { publishPacket } from './support/raw-client.ts';

describe('an acknowledgement', () => {
  it('leaves only after the commit, for QoS 1 and QoS 2', async () => {
    const { ingest, connect } = await startBroker();
    ingest.automatic = false;
    const client = await connect('c1');
    client.publish('a', 'x', { qos: 1, id: 7 });
    client.publish('a', 'y', { qos: 2, id: 8 });
    await settle();
    expect(ingest.messages).toHaveLength(2);
    expect(client.all('puback')).toEqual([]);
    expect(client.all('pubrec')).toEqual([]);
    ingest.commit();
    expect((await client.next('puback')).messageId).toBe(7);
    expect((await client.next('pubrec')).messageId).toBe(8);
  });

  it('leaves in the order of arrival, also where groups are committed out of order', async () => {
    const { ingest, connect } = await startBroker();
    ingest.automatic = false;
    const client = await connect('c1');
    const late = deferred();
    const early = deferred();
    const real = ingest.ingest.bind(ingest);
    ingest.ingest = (message) => ({
      ...real(message),
      committed: message.payload.toString() === 'late' ? late.promise : early.promise,
    });
    client.publish('a', 'late', { qos: 1, id: 1 });
    client.publish('a', 'early', { qos: 1, id: 2 });
    client.publish('a', 'late', { qos: 2, id: 3 });
    await settle();
    early.resolve();
    await settle();
    expect(client.packets.map(({ cmd }) => cmd)).toEqual(['connack']);
    late.resolve();
    await client.count('pubrec', 1);
    const answers = client.packets.slice(1).map(({ cmd, messageId }) => `${cmd} ${messageId}`);
    expect(answers).toEqual(['puback 1', 'puback 2', 'pubrec 3']);
  });

  it('comes once for each of very many messages of many clients, in order', async () => {
    const { ingest, connect } = await startBroker();
    const clients = await Promise.all(Array.from({ length: 10 }, (_, i) => connect(`c${i}`)));
    const n = 2000;
    for (const client of clients) {
      client.sendBytes(
        Buffer.concat(
          Array.from({ length: n }, (_, i) => publishPacket('a/b', `${i}`, { qos: 1, id: i + 1 })),
        ),
      );
    }
    for (const client of clients) {
      await client.count('puback', n);
      expect(client.all('puback').map(({ messageId }) => messageId)).toEqual(
        Array.from({ length: n }, (_, i) => i + 1),
      );
    }
    expect(ingest.messages).toHaveLength(10 * n);
    const first = ingest.messages.filter(({ client }) => client === 'c3').map(({ payload }) => `${payload}`);
    expect(first).toEqual(Array.from({ length: n }, (_, i) => `${i}`));
  });

  it('is not sent for what was not committed: the client is disconnected instead', async () => {
    const { ingest, events, connect } = await startBroker();
    ingest.automatic = false;
    const client = await connect('c1');
    client.publish('a', 'x', { qos: 1, id: 7 });
    await settle();
    ingest.failCommit(new GatewayError('store-unavailable', 'the disk is full'));
    await client.ended();
    expect(client.all('puback')).toEqual([]);
    expect(events.named('mqtt.refused')).toEqual([{ client: 'c1', reason: 'the disk is full' }]);
    ingest.automatic = true;
    const again = await connect('c1');
    again.publish('a', 'x', { qos: 1, id: 7, dup: true });
    await again.next('puback');
  });

  it.each([
    ['a refusal', new GatewayError('store-full', 'full'), 'mqtt.refused'],
    ['a bug', new TypeError('oops'), 'hook.failed'],
  ] as const)(
    'is not sent where ingest throws %s, nor for anything behind it',
    async (_what, error, event) => {
      const { ingest, events, connect } = await startBroker();
      const client = await connect('c1');
      ingest.outcomeOf = (message) => {
        if (message.payload.toString() === 'bad') throw error;
        return FORWARDED;
      };
      client.sendBytes(
        Buffer.concat([
          publishPacket('a', 'bad', { qos: 1, id: 1 }),
          publishPacket('a', 'good', { qos: 1, id: 2 }),
        ]),
      );
      await client.ended();
      expect(client.all('puback')).toEqual([]);
      expect(ingest.messages).toEqual([]);
      expect(events.named(event)).toHaveLength(1);
      const other = await connect('c2');
      other.publish('a', 'fine', { qos: 1, id: 1 });
      await other.next('puback');
    },
  );

  it('says nothing about QoS 0, which is let go while little is uncommitted', async () => {
    const { ingest, connect } = await startBroker({ freeQos0Bytes: 500 });
    ingest.automatic = false;
    const client = await connect('c1');
    for (let i = 0; i < 5; i += 1) {
      client.publish('a', `${i}`);
      await client.ping();
    }
    expect(ingest.messages).toHaveLength(5);
    // 5 messages of 64 and some bytes are uncommitted; with these it is too much.
    client.publish('a', 'x'.repeat(400));
    await client.ping();
    client.publish('a', 'waits for its commit');
    await settle();
    expect(ingest.messages).toHaveLength(7);
    client.publish('a', 'is not even read');
    await settle();
    expect(ingest.messages).toHaveLength(7);
    ingest.commit();
    await client.ping();
    expect(ingest.messages).toHaveLength(8);
    ingest.commit();
  });

  it('is waited for no longer than half the keepalive: then the client is disconnected', async () => {
    const { ingest, events, clock, connect } = await startBroker();
    ingest.automatic = false;
    const brief = await connect('brief', { keepalive: 10 });
    const patient = await connect('patient', { keepalive: 600 });
    brief.publish('a', 'x', { qos: 1 });
    patient.publish('a', 'x', { qos: 1 });
    await settle();
    clock.advance(4900);
    await settle();
    expect(brief.closed).toBe(false);
    clock.advance(300);
    await brief.ended();
    expect(events.named('mqtt.refused')).toMatchObject([{ client: 'brief' }]);
    clock.advance(9000);
    await settle();
    expect(patient.closed).toBe(false);
    clock.advance(1500);
    await patient.ended();
    ingest.commit();
    await settle();
    expect([...brief.all('puback'), ...patient.all('puback')]).toEqual([]);
  });

  it('waits for room while too much is uncommitted', async () => {
    const { ingest, broker, clock, connect } = await startBroker({ maxUncommittedBytes: 1000 });
    ingest.automatic = false;
    const [one, two] = [await connect('one'), await connect('two')];
    one.publish('a', 'x'.repeat(2000), { qos: 1 });
    await settle();
    two.publish('a', 'y', { qos: 1 });
    await settle();
    expect(ingest.messages).toHaveLength(1);
    expect(broker.holdings().uncommittedBytes).toBeGreaterThan(1000);
    ingest.commit();
    await one.next('puback');
    clock.advance(250);
    await settle();
    expect(ingest.messages).toHaveLength(2);
    ingest.commit();
    await two.next('puback');
    expect(broker.holdings().uncommittedBytes).toBe(0);
  });

  it('names the transfer, so that its repeat can be told', async () => {
    const { ingest, connect } = await startBroker();
    const first = await connect('c1', { username: 'ann' });
    first.publish('a', 'x', { qos: 1, id: 5 });
    await first.next('puback');
    const second = await connect('c1');
    second.publish('a', 'x', { qos: 1, id: 5, dup: true });
    second.publish('a', 'x', { qos: 0, retain: true });
    await second.next('puback');
    await second.ping();
    const [one, two, three] = ingest.messages;
    expect(one).toMatchObject({
      source: 'mqtt',
      topic: 'a',
      client: 'c1',
      username: 'ann',
      device: null,
      retain: false,
    });
    expect(one?.transfer).toMatchObject({ packetId: 5, qos: 1, dup: false });
    expect(two?.transfer).toMatchObject({ packetId: 5, qos: 1, dup: true });
    expect(two?.username).toBeNull();
    expect(two?.transfer?.connection).not.toBe(one?.transfer?.connection);
    expect(one?.transfer?.connection).not.toBe(0);
    expect(three).toMatchObject({ transfer: null, retain: true });
    await first.ended();
  });
});

describe('a QoS 2 transfer', () => {
  it('is complete when its release is on disk', async () => {
    const { ingest, connect } = await startBroker();
    const release = deferred();
    ingest.releaseCommits = release.promise;
    const client = await connect('c1');
    client.publish('a', 'x', { qos: 2, id: 9 });
    await client.next('pubrec');
    client.send({ cmd: 'pubrel', messageId: 9 });
    await settle();
    expect(ingest.releasedIds).toEqual(['c1:9']);
    expect(client.all('pubcomp')).toEqual([]);
    release.resolve();
    expect((await client.next('pubcomp')).messageId).toBe(9);
  });

  it('is not completed where the release cannot be kept', async () => {
    const { ingest, connect } = await startBroker();
    const client = await connect('c1');
    ingest.released = () => {
      throw new GatewayError('store-full', 'full');
    };
    client.send({ cmd: 'pubrel', messageId: 9 });
    await client.ended();
    expect(client.all('pubcomp')).toEqual([]);
  });

  it('reaches subscribers once however often it is sent, also over two connections', async () => {
    const { ingest, connect } = await startBroker();
    ingest.outcomeOf = () => FORWARDED;
    const reader = await connect('reader');
    await reader.subscribe({ '#': 0 });
    const client = await connect('c1', { clean: false });
    client.publish('a', 'x', { qos: 2, id: 9 });
    client.publish('a', 'x', { qos: 2, id: 9, dup: true });
    await client.count('pubrec', 2);
    client.destroy();
    const again = await connect('c1', { clean: false });
    again.publish('a', 'x', { qos: 2, id: 9, dup: true });
    await again.next('pubrec');
    again.send({ cmd: 'pubrel', messageId: 9 });
    await again.next('pubcomp');
    again.publish('a', 'new', { qos: 2, id: 9 });
    await again.next('pubrec');
    await reader.count('publish', 2);
    expect(reader.all('publish').map(({ payload }) => `${payload}`)).toEqual(['x', 'new']);
  });

  it('is not forwarded when ingest calls it a repeat', async () => {
    const { ingest, connect } = await startBroker();
    ingest.outcomeOf = () => DUPLICATE;
    const client = await connect('c1');
    await client.subscribe({ '#': 0 });
    client.publish('a', 'x', { qos: 2, id: 9 });
    await client.next('pubrec');
    client.publish('a', 'x', { qos: 1, id: 10, retain: true });
    await client.next('puback');
    await client.ping();
    expect(client.all('publish')).toEqual([]);
  });

  it('may be left open only so often, and what was taken until then is answered: so a client that comes back gets on', async () => {
    const { events, connect } = await startBroker({ maxInFlight: 3 });
    const client = await connect('c1');
    for (let id = 1; id <= 4; id += 1) client.publish('a', 'x', { qos: 2, id });
    await client.ended();
    expect(client.all('pubrec').map(({ messageId }) => messageId)).toEqual([1, 2, 3]);
    expect(events.named('mqtt.disconnected')).toMatchObject([
      { client: 'c1', reason: 'too many QoS 2 messages await their PUBREL' },
    ]);
  });

  it('is forgotten with a clean session, but only by a client that was let in', async () => {
    const { ingest, socket, connect } = await startBroker();
    const client = await connect('c1');
    client.destroy();
    await settle();
    expect(ingest.cleared).toEqual(['c1', 'c1']);
    const stranger = await socket();
    stranger.sendConnect('c1', { will: { topic: '$SYS/x', payload: Buffer.from('') } });
    expect((await stranger.next('connack')).returnCode).toBe(5);
    await stranger.ended();
    await settle();
    expect(ingest.cleared).toEqual(['c1', 'c1']);
  });
});
