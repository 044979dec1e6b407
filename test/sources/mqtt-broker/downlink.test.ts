import { expect, test } from 'vitest';
import { startBroker } from './support/harness.ts';

/** A broker before a serial source that takes what `dashboard` sends. */
async function startWithPorts() {
  const taken: string[] = [];
  const harness = await startBroker({}, [], (client, device, payload) => {
    if (client !== 'dashboard') return false;
    taken.push(`${device} ${payload}`);
    return true;
  });
  return { harness, taken };
}

test('a client that may writes to a serial port at each QoS, each message once, and ingest sees none of it', async () => {
  const { harness, taken } = await startWithPorts();
  const client = await harness.connect('dashboard');
  client.publish('gateway/serial/shed/write', 'a');
  client.publish('gateway/serial/shed/write', 'b', { qos: 1, id: 7 });
  expect(await client.next('puback')).toMatchObject({ messageId: 7 });
  client.publish('gateway/serial/shed/write', 'c', { qos: 2, id: 8 });
  await client.next('pubrec');
  client.publish('gateway/serial/shed/write', 'c', { qos: 2, id: 8, dup: true });
  await client.count('pubrec', 2);
  client.send({ cmd: 'pubrel', messageId: 8 });
  await client.next('pubcomp');
  expect(taken).toEqual(['shed a', 'shed b', 'shed c']);
  expect(harness.ingest.messages).toEqual([]);
});

test.each([
  ['stranger', 'gateway/serial/shed/write'],
  ['dashboard', 'gateway/serial/shed/result'],
  ['dashboard', 'gateway/serial/a/b/write'],
  ['dashboard', 'gateway/serial//write'],
  ['dashboard', 'gateway/serial/shed/write/more'],
  ['dashboard', 'gateway/receipts/dashboard'],
])('%s may not publish to %s', async (clientId, topic) => {
  const { harness, taken } = await startWithPorts();
  const client = await harness.connect(clientId);
  client.publish(topic, 'x', { qos: 1 });
  await client.ended();
  expect(taken).toEqual([]);
  expect(client.all('puback')).toEqual([]);
});

test('without serial ports nobody may', async () => {
  const harness = await startBroker();
  const client = await harness.connect('dashboard');
  client.publish('gateway/serial/shed/write', 'x', { qos: 1 });
  await client.ended();
});

test('a reading of another source reaches subscribers of its topic, and never a topic of the gateway’s own', async () => {
  const harness = await startBroker();
  const client = await harness.connect('ear');
  await client.subscribe({ 'sensors/#': 1, 'gateway/#': 1 });
  harness.broker.forward('gateway/receipts/ear', Buffer.from('no'));
  harness.broker.forward('sensors/+/x', Buffer.from('no'));
  harness.broker.forward('sensors/shed', Buffer.from('yes'));
  expect(await client.next('publish')).toMatchObject({ topic: 'sensors/shed', qos: 0 });
  await client.ping();
  expect(client.all('publish')).toHaveLength(1);
});
