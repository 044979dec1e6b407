import mqtt from 'mqtt';
import { describe, expect, it } from 'vitest';
import { GatewayError } from '../../../gateway/errors.ts';
import { rejected, STORED } from './support/fake-ingest.ts';
import { settle, startBroker } from './support/harness.ts';
import { watchLoop } from './support/loop-watch.ts';
import type { RawClient } from './support/raw-client.ts';

function received(client: RawClient): string[] {
  return client.all('publish').map(({ topic, payload, qos }) => `${topic} ${payload} ${qos}`);
}

const inOrder = (a: string, b: string): number => (a < b ? -1 : 1);

describe('subscribers', () => {
  it('get readings and other messages, once each, with the QoS they were granted', async () => {
    const { connect } = await startBroker();
    const reader = await connect('reader');
    await reader.subscribe({ 'a/#': 0, 'a/+': 1, 'a/b': 0, 'c/+': 2 });
    const writer = await connect('writer');
    writer.publish('a/b', 'one', { qos: 2, id: 1 });
    writer.publish('c/d', 'two', { qos: 1, id: 2 });
    writer.publish('c/d', 'three', { qos: 2, id: 3 });
    writer.publish('c/d', 'four', { qos: 0 });
    writer.publish('elsewhere', 'five', { qos: 1, id: 4 });
    await reader.count('publish', 4);
    await settle();
    expect(received(reader).toSorted(inOrder)).toEqual([
      'a/b one 1',
      'c/d four 0',
      'c/d three 2',
      'c/d two 1',
    ]);
  });

  it('get nothing before it is on disk, and nothing of what is not', async () => {
    const { connect, ingest } = await startBroker();
    ingest.automatic = false;
    const reader = await connect('reader');
    await reader.subscribe({ '#': 0 });
    const writer = await connect('writer');
    writer.publish('a', 'lost', { qos: 1, id: 1, retain: true });
    await settle();
    ingest.failCommit(new GatewayError('store-unavailable', 'broken'));
    await writer.ended();
    const again = await connect('writer');
    again.publish('a', 'kept', { qos: 1, id: 1 });
    await settle();
    expect(received(reader)).toEqual([]);
    ingest.commit();
    await reader.next('publish');
    expect(received(reader)).toEqual(['a kept 0']);
  });

  it('come and go, and each message finds those of its time', async () => {
    const { connect } = await startBroker();
    const writer = await connect('writer');
    const reader = await connect('reader');
    const say = async (text: string): Promise<void> => {
      writer.publish('a', text, { qos: 1 });
      await writer.next('puback');
    };
    await say('before');
    await reader.subscribe({ a: 0 });
    await say('during');
    reader.send({ cmd: 'unsubscribe', messageId: 2, unsubscriptions: ['a'] });
    await reader.next('unsuback');
    await say('after');
    await reader.subscribe({ a: 0 });
    await say('again');
    await reader.ping();
    expect(received(reader)).toEqual(['a during 0', 'a again 0']);
  });

  it('get no message of which every reading was rejected', async () => {
    const { connect, ingest } = await startBroker();
    ingest.outcomeOf = ({ topic }) => (topic === 'bad' ? [rejected('r1')] : [rejected('r2'), ...STORED]);
    const client = await connect('c1');
    await client.subscribe({ '#': 0 });
    client.publish('bad', 'x', { qos: 1, id: 1, retain: true });
    client.publish('mixed', 'y', { qos: 1, id: 2 });
    await client.count('puback', 2);
    await client.next('publish');
    await client.ping();
    expect(received(client)).toEqual(['mixed y 0']);
    expect(await client.subscribe({ bad: 0 })).toEqual([0]);
    await client.ping();
    expect(client.all('publish')).toHaveLength(1);
  });

  it('that read too slowly lose messages; the sender does not wait for them', async () => {
    const { connect, events } = await startBroker({ maxSubscriberBacklogBytes: 100_000 });
    const reader = await connect('reader');
    await reader.subscribe({ '#': 0 });
    reader.socket.pause();
    const writer = await connect('writer');
    const payload = 'x'.repeat(60_000);
    for (let id = 1; id <= 200; id += 1) writer.publish('a', payload, { qos: 1, id });
    await writer.count('puback', 200);
    expect(events.named('mqtt.subscriber-behind').length).toBeGreaterThan(0);
    reader.socket.resume();
    await reader.ping();
    const before = reader.all('publish').length;
    expect(before).toBeLessThan(200);
    writer.publish('a', 'caught up', { qos: 1, id: 201 });
    await reader.count('publish', before + 1);
    expect(`${reader.all('publish').at(-1)?.payload}`).toBe('caught up');
  });

  it('through first level wildcards see neither $ topics nor the gateway’s own', async () => {
    const { connect } = await startBroker();
    const reader = await connect('reader');
    await reader.subscribe({ '#': 0, '+/x': 0, '$other/#': 0 });
    const writer = await connect('writer');
    writer.publish('$other/x', 'asked for', { qos: 1, id: 1 });
    writer.publish('$hidden/x', 'hidden', { qos: 1, id: 2 });
    writer.publish('gatewayish/x', 'plain', { qos: 1, id: 3 });
    await writer.count('puback', 3);
    await reader.ping();
    expect(received(reader)).toEqual(['$other/x asked for 0', 'gatewayish/x plain 0']);
  });
});

describe('retained messages', () => {
  it('wait for later subscribers, until they are cleared', async () => {
    const { connect, ingest, broker } = await startBroker();
    const writer = await connect('writer');
    writer.publish('a/1', 'old', { qos: 1, id: 1, retain: true });
    writer.publish('a/1', 'one', { qos: 2, id: 2, retain: true });
    writer.publish('a/2', 'two', { retain: true });
    await writer.ping();
    const reader = await connect('reader');
    await reader.subscribe({ 'a/+': 1 });
    await reader.count('publish', 2);
    expect(received(reader).toSorted(inOrder)).toEqual(['a/1 one 1', 'a/2 two 0']);
    expect(reader.all('publish').map(({ retain }) => retain)).toEqual([true, true]);
    writer.publish('a/1', '', { qos: 1, id: 3, retain: true });
    await reader.count('publish', 3);
    expect(reader.all('publish').at(-1)).toMatchObject({ topic: 'a/1', retain: false });
    expect(ingest.messages.at(-1)).toMatchObject({ retain: true, topic: 'a/1' });
    const late = await connect('late');
    await late.subscribe({ '#': 1 });
    await late.next('publish');
    await late.ping();
    expect(received(late)).toEqual(['a/2 two 0']);
    expect(broker.holdings().retainedMessages).toBe(1);
  });

  it('are bounded in number and bytes, and say so', async () => {
    const { connect, broker, events } = await startBroker({ maxRetainedMessages: 2, maxRetainedBytes: 2000 });
    const client = await connect('c1');
    const keep = async (topic: string, payload: string): Promise<void> => {
      client.publish(topic, payload, { qos: 1, retain: true });
      await client.next('puback');
    };
    await keep('a', 'x');
    await keep('b', 'x');
    await keep('c', 'x');
    expect(broker.holdings().retainedMessages).toBe(2);
    await keep('b', 'x'.repeat(5000));
    expect(broker.holdings().retainedMessages).toBe(1);
    expect(events.named('mqtt.retained-full')).toHaveLength(2);
    await keep('a', '');
    expect(broker.holdings()).toMatchObject({ retainedMessages: 0, retainedBytes: 0 });
  });

  it('by the thousand do not hold up others, nor can a client ask for them without end', async () => {
    const { connect } = await startBroker();
    const writer = await connect('writer');
    for (let i = 0; i < 3000; i += 1) writer.publish(`r/${i}/x`, 'value', { retain: true });
    await writer.ping();
    const greedy = await connect('greedy');
    for (let i = 0; i < 500; i += 1) {
      greedy.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: '+/+/y', qos: 0 }] });
    }
    const watch = watchLoop();
    await greedy.count('suback', 500);
    watch.stop();
    expect(watch.longestMs).toBeLessThan(100);
    const reader = await connect('reader');
    await reader.subscribe({ '#': 0 });
    await reader.count('publish', 3000);
  });
});

describe('a session that is kept', () => {
  it('holds what its client missed, in order, and no more than there is room for', async () => {
    const { connect, broker, events } = await startBroker({ maxOfflineMessages: 5 });
    const reader = await connect('reader', { clean: false });
    expect(await reader.subscribe({ 'a/#': 1, 'a/b': 2, q0: 0 })).toEqual([1, 2, 0]);
    reader.destroy();
    await settle();
    const writer = await connect('writer');
    for (let id = 1; id <= 7; id += 1) writer.publish('a/b', `${id}`, { qos: 2, id });
    writer.publish('q0', 'not for the absent', { qos: 1, id: 8 });
    await writer.count('pubrec', 7);
    expect(events.named('mqtt.offline-full')).toHaveLength(2);
    const back = await connect('reader', { clean: false });
    expect(back.packets[0]).toMatchObject({ cmd: 'connack', sessionPresent: true });
    await back.count('publish', 5);
    expect(received(back)).toEqual(['a/b 1 2', 'a/b 2 2', 'a/b 3 2', 'a/b 4 2', 'a/b 5 2']);
    for (const { messageId = 0 } of back.all('publish')) {
      back.send({ cmd: 'pubrec', messageId });
      await back.next('pubrel');
      back.send({ cmd: 'pubcomp', messageId });
    }
    await back.ping();
    expect(broker.holdings().offlineBytes).toBe(0);
    writer.publish('a/b', 'live', { qos: 1, id: 9 });
    await back.count('publish', 6);
    expect(received(back).at(-1)).toBe('a/b live 1');
  });

  it('sends again what was not acknowledged, marked as such', async () => {
    const { connect } = await startBroker();
    const reader = await connect('reader', { clean: false });
    await reader.subscribe({ a: 1 });
    const writer = await connect('writer');
    writer.publish('a', 'x', { qos: 1 });
    const first = await reader.next('publish');
    expect(first.dup).toBe(false);
    reader.destroy();
    await settle();
    const back = await connect('reader', { clean: false });
    const second = await back.next('publish');
    expect(second).toMatchObject({ dup: true, messageId: first.messageId, qos: 1 });
    back.send({ cmd: 'puback', messageId: second.messageId ?? 0 });
    await back.ping();
    back.destroy();
    await settle();
    const third = await connect('reader', { clean: false });
    await third.ping();
    expect(third.all('publish')).toEqual([]);
  });

  it('ends when its client begins a clean one, and makes room for others when it is away for longest', async () => {
    const { connect, broker, events } = await startBroker({ maxSessions: 2 });
    for (const clientId of ['one', 'two', 'three']) {
      const client = await connect(clientId, { clean: false });
      expect(await client.subscribe({ a: 1 })).toEqual([1]);
      client.destroy();
      await settle();
    }
    expect(broker.holdings().sessions).toBe(2);
    expect(events.named('mqtt.sessions-full')).toEqual([{ client: 'three' }]);
    expect((await connect('one', { clean: false })).packets[0]).toMatchObject({ sessionPresent: false });
    expect((await connect('two', { clean: false })).packets[0]).toMatchObject({ sessionPresent: true });
    await connect('three');
    expect(broker.holdings().sessions).toBe(1);
  });

  it('does not keep subscriptions that were refused', async () => {
    const { connect } = await startBroker();
    const client = await connect('c1', { clean: false });
    expect(await client.subscribe({ 'gateway/receipts/c2': 1, a: 1, 'b+': 1 })).toEqual([128, 1, 128]);
    client.destroy();
    await settle();
    const back = await connect('c1', { clean: false });
    expect(back.packets[0]).toMatchObject({ sessionPresent: true });
    const writer = await connect('writer');
    writer.publish('a', 'x', { qos: 1 });
    await back.next('publish');
  });
});

describe('a will', () => {
  it('whose forwarding fails does not end the process', async () => {
    const { connect, events } = await startBroker({ maxRetainedMessages: 0 });
    const { emit } = events;
    events.emit = (name, fields) => {
      if (name === 'mqtt.retained-full') throw new Error('the log is full');
      emit.call(events, name, fields);
    };
    (await connect('c1', { will: { topic: 'a', payload: Buffer.from('x'), retain: true } })).destroy();
    await expect.poll(() => events.named('hook.failed')).toMatchObject([{ hook: 'will' }]);
  });

  it('is a message like any other when its client is lost', async () => {
    const { connect, ingest } = await startBroker();
    const reader = await connect('reader');
    await reader.subscribe({ '#': 1 });
    const will = { topic: 'status/c1', payload: Buffer.from('gone'), qos: 1 as const, retain: true };
    const client = await connect('c1', { username: 'ann', will });
    ingest.automatic = false;
    client.destroy();
    await settle();
    expect(ingest.messages).toMatchObject([
      { source: 'mqtt', topic: 'status/c1', client: 'c1', username: 'ann', transfer: null, retain: true },
    ]);
    expect(received(reader)).toEqual([]);
    ingest.commit();
    await reader.next('publish');
    expect(received(reader)).toEqual(['status/c1 gone 1']);
    const late = await connect('late');
    await late.subscribe({ 'status/c1': 0 });
    await late.next('publish');
  });

  it('is not sent after DISCONNECT, nor when it was rejected or refused', async () => {
    const { connect, ingest, events } = await startBroker();
    const reader = await connect('reader');
    await reader.subscribe({ '#': 1 });
    const will = { topic: 'status/c1', payload: Buffer.from('gone') };
    const polite = await connect('polite', { will });
    polite.send({ cmd: 'disconnect' });
    await polite.ended();
    await settle();
    expect(ingest.messages).toEqual([]);
    ingest.outcomeOf = () => [rejected('r1')];
    (await connect('c1', { will })).destroy();
    await settle();
    ingest.outcomeOf = () => {
      throw new GatewayError('store-full', 'full');
    };
    (await connect('c2', { will })).destroy();
    await settle();
    await reader.ping();
    expect(received(reader)).toEqual([]);
    expect(events.named('mqtt.refused')).toMatchObject([{ client: 'c2' }]);
    expect(events.named('hook.failed')).toEqual([]);
  });
});

describe('ordinary clients', () => {
  it('find an ordinary broker', async () => {
    const { port, ingest } = await startBroker();
    const url = `mqtt://127.0.0.1:${port}`;
    const reader = await mqtt.connectAsync(url, { clientId: 'reader', reconnectPeriod: 0 });
    const writer = await mqtt.connectAsync(url, {
      clientId: 'writer',
      reconnectPeriod: 0,
      protocolVersion: 3,
      protocolId: 'MQIsdp',
    });
    const got: string[] = [];
    reader.on('message', (topic, payload) => got.push(`${topic} ${payload}`));
    expect(await reader.subscribeAsync({ 'a/#': { qos: 2 } })).toMatchObject([{ topic: 'a/#', qos: 2 }]);
    for (const qos of [0, 1, 2] as const) await writer.publishAsync(`a/${qos}`, 'x', { qos });
    await settle();
    expect(got.toSorted(inOrder)).toEqual(['a/0 x', 'a/1 x', 'a/2 x']);
    expect(ingest.messages.map(({ transfer }) => transfer?.qos)).toEqual([undefined, 1, 2]);
    await Promise.all([reader.endAsync(true), writer.endAsync(true)]);
  });
});
