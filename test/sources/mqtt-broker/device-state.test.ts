import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { deviceStateTopic } from '../../../gateway/sources/mqtt-broker/device-state.ts';
import { remoteIp } from '../../../gateway/sources/mqtt-broker/remote-ip.ts';
import { topicProblem } from '../../../gateway/sources/mqtt-broker/topics.ts';
import { startBroker } from './support/harness.ts';

describe('the topic of a device', () => {
  it('is a valid one for every name, and tells the name', () => {
    const limits = { maxTopicBytes: 10_000, maxTopicLevels: 4 };
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 60 }), (device) => {
        const topic = deviceStateTopic(device);
        expect(topicProblem(topic, limits)).toBeNull();
        const [, , level = '', last, ...rest] = topic.split('/');
        expect([last, ...rest]).toEqual(['state']);
        expect(decodeURIComponent(level)).toBe(device);
      }),
    );
    expect(deviceStateTopic('kitchen')).toBe('gateway/devices/kitchen/state');
    expect(deviceStateTopic('a/b 50%')).toBe('gateway/devices/a%2Fb 50%25/state');
    expect(topicProblem(deviceStateTopic('\ud800'), limits)).toBeNull();
  });
});

describe('the state of a device', () => {
  it('reaches subscribers now and later, and goes with an empty one', async () => {
    const { broker, connect } = await startBroker();
    const topic = deviceStateTopic('kitchen');
    const now = await connect('now');
    await now.subscribe({ 'gateway/devices/+/state': 1 });
    broker.publishState(topic, Buffer.from('{"state":"silent"}'), true);
    expect(await now.next('publish')).toMatchObject({ topic, qos: 1, retain: false });
    const later = await connect('later');
    await later.subscribe({ 'gateway/devices/#': 0 });
    expect(await later.next('publish')).toMatchObject({ topic, qos: 0, retain: true });
    expect(broker.holdings().retainedMessages).toBe(1);
    broker.publishState(topic, Buffer.alloc(0), true);
    expect(broker.holdings().retainedMessages).toBe(0);
    const last = await connect('last');
    await last.subscribe({ 'gateway/#': 0 });
    await last.ping();
    expect(last.all('publish')).toEqual([]);
  });

  it('is kept in a room of its own, which clients cannot fill, and which is bounded', async () => {
    const { broker, connect, events } = await startBroker({ maxRetainedMessages: 1, maxStates: 2 });
    const client = await connect('c1');
    for (const topic of ['a', 'b', 'c']) client.publish(topic, 'x', { qos: 1, retain: true });
    await client.count('puback', 3);
    expect(broker.holdings().retainedMessages).toBe(1);
    for (const device of ['d', 'e', 'f']) {
      broker.publishState(deviceStateTopic(device), Buffer.from('{}'), true);
    }
    expect(broker.holdings().retainedMessages).toBe(3);
    expect(events.named('mqtt.retained-full')).toHaveLength(3);
  });

  it('is not for clients to publish, nor anything else for the gateway', async () => {
    const { broker, connect, events, ingest } = await startBroker();
    const client = await connect('c1');
    client.publish('gateway/devices/kitchen/state', '{"state":"online"}', { qos: 1, retain: true });
    await client.ended();
    expect(ingest.messages).toEqual([]);
    const other = await connect('c2');
    await other.subscribe({ '#': 0, 'gateway/#': 0 });
    for (const topic of ['sensors/a', 'gateway/receipts/c2', '$SYS/x', 'gateway/devices/+/state']) {
      broker.publishState(topic, Buffer.from('x'), true);
    }
    await other.ping();
    expect(other.all('publish')).toEqual([]);
    expect(broker.holdings().retainedMessages).toBe(0);
    expect(events.named('hook.failed')).toHaveLength(4);
  });
});

describe('the address of a client', () => {
  it('is an IP address without its zone', () => {
    const of = (remoteAddress: string): string | null => remoteIp({ remoteAddress });
    expect(of('192.168.1.5')).toBe('192.168.1.5');
    expect(of('::ffff:192.168.1.5')).toBe('192.168.1.5');
    expect(of('fe80::1%eth0')).toBe('fe80::1');
    expect(remoteIp({ remoteAddress: undefined })).toBeNull();
  });
});
