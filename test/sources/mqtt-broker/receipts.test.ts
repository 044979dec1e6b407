import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../gateway/contracts.ts';
import { encodeReceipt, MAX_RECEIPT_BYTES } from '../../../gateway/sources/mqtt-broker/receipts.ts';
import { rejected, STORED } from './support/fake-ingest.ts';
import { settle, startBroker } from './support/harness.ts';

describe('a receipt', () => {
  it('goes to the sender alone, after the commit, whoever else subscribes', async () => {
    const { connect, ingest } = await startBroker();
    ingest.automatic = false;
    ingest.outcomeOf = () => [rejected('r-17', 4)];
    const sender = await connect('c1');
    expect(await sender.subscribe({ 'gateway/receipts/c1': 1 })).toEqual([1]);
    const spy = await connect('spy', { clean: false });
    await spy.subscribe({ '#': 1, '+/+/+': 1, '+/receipts/c1': 1, 'gateway/#': 1, 'gateway/+/c1': 1 });
    sender.publish('sensors/c1/environment', 'bad', { qos: 1, id: 1 });
    await settle();
    expect(sender.all('publish')).toEqual([]);
    ingest.commit();
    const { topic, qos, retain, payload } = await sender.next('publish');
    expect({ topic, qos, retain }).toEqual({ topic: 'gateway/receipts/c1', qos: 0, retain: false });
    expect(JSON.parse(payload.toString())).toEqual({
      id: 'r-17',
      topic: 'sensors/c1/environment',
      code: 'invalid',
      at: '2023-11-14T22:13:20.000Z',
      seq: 4,
    });
    await spy.ping();
    expect(spy.all('publish')).toEqual([]);
    const late = await connect('late');
    await late.subscribe({ 'gateway/#': 0, '#': 0 });
    await late.ping();
    expect(late.all('publish')).toEqual([]);
  });

  it.each(['gateway/receipts/#', 'gateway/receipts/+', 'gateway/#', 'gateway/+/c1'])(
    'reaches its sender through %s too, but no one else',
    async (filter) => {
      const { connect, ingest } = await startBroker();
      ingest.outcomeOf = () => [rejected('r1')];
      const [sender, other] = [await connect('c1'), await connect('c2')];
      await sender.subscribe({ [filter]: 0 });
      await other.subscribe({ [filter]: 0 });
      // QoS 0 gets receipts as well.
      sender.publish('a', 'bad');
      await sender.next('publish');
      await other.ping();
      expect(other.all('publish')).toEqual([]);
    },
  );

  it('is not sent unless asked for', async () => {
    const { connect, ingest } = await startBroker();
    ingest.outcomeOf = () => [rejected('r1')];
    const client = await connect('c1');
    await client.subscribe({ '#': 0 });
    client.publish('a', 'bad', { qos: 1, id: 1 });
    await client.next('puback');
    await client.ping();
    expect(client.all('publish')).toEqual([]);
  });

  it('comes for each bad reading, so many at once, and then says how many were held back', async () => {
    const { connect, ingest, clock } = await startBroker({ receiptBurst: 3, receiptsPerSecond: 1 });
    ingest.outcomeOf = ({ payload }) =>
      payload.toString() === 'many'
        ? [...STORED, ...Array.from({ length: 10 }, (_, i): Outcome => rejected(`r${i}`))]
        : [rejected('last')];
    const client = await connect('c1');
    await client.subscribe({ 'gateway/receipts/c1': 0 });
    client.publish('a', 'many', { qos: 1 });
    await client.next('puback');
    await client.ping();
    expect(client.all('publish')).toHaveLength(3);
    clock.advance(1000);
    client.publish('a', 'one', { qos: 1 });
    await client.count('publish', 4);
    expect(JSON.parse(String(client.all('publish')[3]?.payload))).toMatchObject({
      id: 'last',
      suppressed: 7,
    });
  });

  it('has at most 200 bytes, whatever the topic', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', maxLength: 1024 }),
        fc.nat(),
        fc.integer(),
        (topic, suppressed, seq) => {
          const outcome = rejected('00000000-0000-0000-0000-000000000000', seq);
          if (outcome.kind !== 'rejected') throw new Error('unreachable');
          const receipt = encodeReceipt(topic, outcome, suppressed);
          expect(receipt.length).toBeLessThanOrEqual(MAX_RECEIPT_BYTES);
          const told: unknown = JSON.parse(receipt.toString());
          expect(told).toMatchObject({ id: outcome.id, code: 'invalid', seq });
        },
      ),
    );
  });
});
