import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Outcome } from '../../../gateway/contracts.ts';
import {
  encodeReceipt,
  encodeTaken,
  isReceipt,
  MAX_RECEIPT_BYTES,
} from '../../../gateway/sources/mqtt-broker/receipts.ts';
import { DUPLICATE, FORWARDED, rejected, STORED } from './support/fake-ingest.ts';
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
        fc.string({ unit: 'binary', maxLength: 300 }),
        fc.nat(),
        fc.integer(),
        (topic, suppressed, seq) => {
          const outcome = rejected('00000000-0000-0000-0000-000000000000', seq);
          if (outcome.kind !== 'rejected') throw new Error('unreachable');
          const receipt = encodeReceipt(topic, outcome, suppressed);
          expect(receipt.length).toBeLessThanOrEqual(MAX_RECEIPT_BYTES);
          const told: unknown = JSON.parse(receipt.toString());
          expect(told).toMatchObject({ id: outcome.id, code: 'invalid', seq });
          const taken = encodeTaken(topic, { kind: 'duplicate', atMs: seq, seq, n: 20_000 }, suppressed);
          expect(taken.length).toBeLessThanOrEqual(MAX_RECEIPT_BYTES);
          expect([isReceipt(receipt), isReceipt(taken)]).toEqual([true, false]);
          expect(JSON.parse(taken.toString())).toMatchObject({ code: 'duplicate', seq, n: 20_000 });
        },
      ),
    );
  });
});

const AT_MS = 1_700_000_000_000;
const AT = '2023-11-14T22:13:20.000Z';

/** As ingest answers: a receipt where the schema or somebody who listens asks for it. */
function stored(seq: number | null, asked: { bySchema: boolean } | null): Outcome {
  return { kind: 'stored', receipt: asked === null ? null : { atMs: AT_MS, seq, ...asked } };
}

function told(client: { all(cmd: 'publish'): { topic: string; payload: string | Buffer }[] }): unknown[] {
  return client.all('publish').map(({ topic, payload }) => [topic, JSON.parse(String(payload))]);
}

describe('a receipt of a good reading', () => {
  it('comes after the commit where its schema asks for it, to QoS 0 as well, and stalls nobody', async () => {
    const { connect, ingest } = await startBroker();
    ingest.automatic = false;
    ingest.outcomeOf = () => [stored(7, { bySchema: true })];
    const client = await connect('c1');
    await client.subscribe({ 'gateway/receipts/c1': 0 });
    client.publish('sensors/c1/environment', 'good');
    // More is read of it meanwhile: QoS 0 waits for nothing.
    await client.ping();
    client.publish('sensors/c1/environment', 'another');
    await client.ping();
    expect(ingest.messages.map(({ receipts }) => receipts)).toEqual([false, false]);
    expect(client.all('publish')).toEqual([]);
    ingest.commit();
    await client.count('publish', 2);
    const receipt = { topic: 'sensors/c1/environment', code: 'stored', at: AT, seq: 7 };
    expect(told(client)[0]).toEqual(['gateway/receipts/c1', receipt]);
  });

  it('never comes of a group that was not committed', async () => {
    const { connect, ingest } = await startBroker();
    ingest.automatic = false;
    ingest.outcomeOf = () => [stored(7, { bySchema: true })];
    const client = await connect('c1');
    await client.subscribe({ 'gateway/receipts/c1': 0, 'gateway/receipts/c1/all': 0 });
    client.publish('a', 'good');
    await client.ping();
    ingest.failCommit(new Error('disk full'));
    await client.ping();
    expect(client.all('publish')).toEqual([]);
  });

  it('comes on …/all of every reading, whatever its schema asks for', async () => {
    const { connect, ingest } = await startBroker();
    const answers: Record<string, readonly Outcome[]> = {
      stored: [stored(1, { bySchema: false })],
      asked: [stored(2, { bySchema: true })],
      repeated: DUPLICATE,
      ordinary: FORWARDED,
      bad: [rejected('r1', 3)],
    };
    ingest.outcomeOf = ({ topic }) => answers[topic] ?? STORED;
    const client = await connect('c1');
    await client.subscribe({ 'gateway/receipts/c1/#': 0 });
    for (const topic of Object.keys(answers)) client.publish(topic, 'x', { qos: 1 });
    await client.count('publish', 7);
    expect(ingest.messages.every(({ receipts }) => receipts)).toBe(true);
    const own = 'gateway/receipts/c1';
    const every = `${own}/all`;
    expect(told(client)).toEqual([
      [every, { topic: 'stored', code: 'stored', at: AT, seq: 1 }],
      [own, { topic: 'asked', code: 'stored', at: AT, seq: 2 }],
      [every, { topic: 'asked', code: 'stored', at: AT, seq: 2 }],
      [every, expect.objectContaining({ topic: 'repeated', code: 'duplicate', seq: null })],
      [every, expect.objectContaining({ topic: 'ordinary', code: 'forwarded', seq: null })],
      [own, { id: 'r1', topic: 'bad', code: 'invalid', at: AT, seq: 3 }],
      [every, { id: 'r1', topic: 'bad', code: 'invalid', at: AT, seq: 3 }],
    ]);
  });

  it('is one for all readings of a list that ended alike, with their number', async () => {
    const { connect, ingest } = await startBroker();
    const asked = { bySchema: true };
    ingest.outcomeOf = () => [
      stored(10, asked),
      rejected('r1', 11),
      stored(12, asked),
      { kind: 'duplicate', receipt: { atMs: AT_MS, seq: 13, ...asked } },
      stored(14, null),
    ];
    const client = await connect('c1');
    await client.subscribe({ 'gateway/receipts/c1': 0 });
    client.publish('a', 'list', { qos: 1 });
    await client.count('publish', 3);
    expect(told(client).map((each) => (Array.isArray(each) ? each[1] : null))).toEqual([
      { id: 'r1', topic: 'a', code: 'invalid', at: AT, seq: 11 },
      { topic: 'a', code: 'stored', at: AT, seq: 10, n: 2 },
      { topic: 'a', code: 'duplicate', at: AT, seq: 13 },
    ]);
  });

  it('never crowds out those of rejections', async () => {
    const limits = { takenReceiptBurst: 2, takenReceiptsPerSecond: 1, receiptBurst: 2, receiptsPerSecond: 1 };
    const { connect, ingest, clock } = await startBroker(limits);
    ingest.outcomeOf = ({ topic }) =>
      topic === 'bad' ? [rejected('r')] : [stored(null, { bySchema: true })];
    const client = await connect('c1');
    await client.subscribe({ 'gateway/receipts/c1': 0 });
    for (let i = 0; i < 9; i += 1) client.publish('good', 'x');
    client.publish('bad', 'x');
    await client.count('publish', 3);
    clock.advance(1000);
    client.publish('good', 'x');
    await client.count('publish', 4);
    const codes = told(client).map((each) => (Array.isArray(each) ? each[1] : null));
    expect(codes).toMatchObject([
      { code: 'stored' },
      { code: 'stored' },
      { code: 'invalid' },
      { code: 'stored', suppressed: 7 },
    ]);
    expect(codes[2]).not.toHaveProperty('suppressed');
  });
});

describe('an observer', () => {
  it.each([
    ['gateway/receipts/+', ['gateway/receipts/c1']],
    ['gateway/receipts/+/all', ['gateway/receipts/c1/all']],
    ['gateway/receipts/c1', ['gateway/receipts/c1']],
    ['gateway/receipts/#', ['gateway/receipts/c1', 'gateway/receipts/c1/all']],
    ['gateway/#', ['gateway/receipts/c1', 'gateway/receipts/c1/all']],
  ])('sees on %s what becomes of the readings of every client', async (filter, topics) => {
    const { connect, ingest } = await startBroker({}, ['watch', 'idle']);
    ingest.outcomeOf = () => [rejected('r1')];
    const [observer, other, sender] = [await connect('watch'), await connect('c2'), await connect('c1')];
    expect(await observer.subscribe({ [filter]: 0 })).toEqual([0]);
    await other.subscribe({ 'gateway/#': 0, '#': 0 });
    sender.publish('a', 'bad');
    await observer.count('publish', topics.length);
    await observer.ping();
    await other.ping();
    await sender.ping();
    expect(observer.all('publish').map(({ topic }) => topic)).toEqual(topics);
    expect([...other.all('publish'), ...sender.all('publish')]).toEqual([]);
  });

  it('changes nothing for the clients it watches, and nothing after it has gone', async () => {
    const { connect, ingest } = await startBroker({}, ['watch']);
    ingest.outcomeOf = ({ receipts }) => [stored(1, receipts ? { bySchema: false } : null)];
    const sender = await connect('c1');
    await sender.subscribe({ 'gateway/receipts/c1': 0 });
    const observer = await connect('watch', { clean: false });
    await observer.subscribe({ 'gateway/receipts/+/all': 0 });
    sender.publish('a', 'good', { qos: 1 });
    await observer.count('publish', 1);
    expect(ingest.messages[0]?.receipts).toBe(true);
    observer.destroy();
    await settle();
    sender.publish('a', 'good', { qos: 1 });
    await sender.count('puback', 2);
    await sender.ping();
    expect(sender.all('publish')).toEqual([]);
    expect(ingest.messages[1]?.receipts).toBe(false);
    // Its session brings its subscription back.
    const again = await connect('watch', { clean: false });
    await again.ping();
    sender.publish('a', 'good', { qos: 1 });
    await again.count('publish', 1);
  });

  it('sees what becomes of a will, whose client has gone', async () => {
    const { connect, ingest } = await startBroker({}, ['watch']);
    ingest.outcomeOf = () => [rejected('r1')];
    const observer = await connect('watch');
    await observer.subscribe({ 'gateway/receipts/+': 0 });
    const sender = await connect('c1', { will: { topic: 'gone', payload: Buffer.from('x') } });
    sender.destroy();
    await observer.count('publish', 1);
    expect(told(observer)).toMatchObject([['gateway/receipts/c1', { id: 'r1', topic: 'gone' }]]);
  });

  it('is only who is called so: nobody else may subscribe to the receipts of another', async () => {
    const { connect } = await startBroker({}, ['watch']);
    const client = await connect('c2');
    expect(await client.subscribe({ 'gateway/receipts/c1': 0, 'gateway/receipts/c1/all': 0 })).toEqual([
      128, 128,
    ]);
  });
});

describe('a message', () => {
  it('tells ingest where it came from', async () => {
    const { connect, ingest } = await startBroker();
    const client = await connect('c1');
    client.publish('a', 'x', { qos: 1 });
    await client.next('puback');
    expect(ingest.messages[0]).toMatchObject({ address: '127.0.0.1', format: null, receipts: false });
  });
});
