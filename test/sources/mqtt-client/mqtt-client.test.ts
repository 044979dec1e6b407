import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { systemClock } from '../../../gateway/clocks/clock.ts';
import type { Clock } from '../../../gateway/contracts.ts';
import { GatewayError } from '../../../gateway/errors.ts';
import { encodeReceipt } from '../../../gateway/sources/mqtt-broker/receipts.ts';
import { messageOn } from '../../support/message.ts';
import { until } from '../../support/processes.ts';
import { deferred, rejected, STORED } from '../mqtt-broker/support/fake-ingest.ts';
import { ALWAYS, GroupedIngest, messagesOf, quickClock, READER, sourceOn } from './reading-source.ts';
import { type Scripted, ScriptedBroker } from './scripted-broker.ts';

function receiptOf(topic: string): string {
  const outcome = rejected('r');
  if (outcome.kind !== 'rejected') throw new Error('unreachable');
  return encodeReceipt(topic, outcome, 3).toString();
}

/** Takes numbers from a list, over and over. */
function cycle(numbers: readonly number[]): () => number {
  let i = 0;
  return () => {
    const number = numbers[i % numbers.length] ?? 0;
    i += 1;
    return number;
  };
}

describe('reading from another broker', () => {
  test('acknowledges only what is on disk, in the order of arrival, and in the end everything, over cuts and failures', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          qoses: fc.array(fc.constantFrom(0 as const, 1 as const, 2 as const), {
            minLength: 1,
            maxLength: 40,
          }),
          version: fc.constantFrom(4 as const, 5 as const),
          window: fc.integer({ min: 1, max: 12 }),
          maxInFlight: fc.integer({ min: 1, max: 8 }),
          chunks: fc.array(fc.integer({ min: 1, max: 90 }), { minLength: 1, maxLength: 7 }),
          cuts: fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: 20 }),
          ends: fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 1, maxLength: 9 }),
          refusals: fc.array(fc.integer({ min: 0, max: 12 }), { minLength: 1, maxLength: 20 }),
        }),
        async ({ qoses, version, window, maxInFlight, chunks, cuts, ends, refusals }) => {
          const messages = messagesOf(qoses);
          // Only so many, or it would never end.
          let troubles = 12;
          const next = { cut: cycle(cuts), end: cycle(ends), refusal: cycle(refusals), chunk: cycle(chunks) };
          const trouble = (yes: boolean): boolean => yes && troubles-- > 0;
          const ingest = new GroupedIngest(() => trouble(next.refusal() === 0));
          const wrong: string[] = [];
          let answered: Scripted[] = [];
          let connection = 0;
          const broker: ScriptedBroker = new ScriptedBroker({
            protocolVersion: version,
            messages,
            window,
            chunkBytes: next.chunk,
            cuts: () => trouble(next.cut() === 0),
            onAnswer(kind, message) {
              if (connection !== broker.connections) answered = [];
              connection = broker.connections;
              if (kind === 'pubcomp') return;
              if (!ingest.committed.has(message.topic)) wrong.push(`${kind} ${message.id} is not on disk`);
              if (message.state !== 'sent') wrong.push(`${kind} ${message.id} twice`);
              answered.push(message);
              const order = broker.sentNow.filter(({ qos }) => qos > 0);
              answered.forEach((each, i) => {
                if (order[i] !== each) wrong.push(`${each.id} was acknowledged out of order`);
              });
            },
          });
          const source = sourceOn(broker, ingest, {
            connection: { ...READER, protocolVersion: version },
            maxInFlight,
          });
          await source.start();
          await until(
            'everything is acknowledged',
            () => {
              ingest.endGroup(trouble(next.end() === 0));
              return broker.done && ingest.uncommitted === 0;
            },
            { everyMs: 1, timeoutMs: 10_000 },
          );
          await source.stop(100);
          expect(wrong).toEqual([]);
          const lost = messages.filter(({ qos, topic }) => qos > 0 && !ingest.committed.has(topic));
          expect(lost).toEqual([]);
        },
      ),
      { numRuns: 60 },
    );
  }, 60_000);

  test('takes no more than may be in flight, whatever the broker sends', async () => {
    const messages = messagesOf(Array.from({ length: 300 }, (_, i) => ([0, 1, 2] as const)[i % 3] ?? 1));
    const ingest = new GroupedIngest();
    const broker = new ScriptedBroker({ ...ALWAYS, protocolVersion: 4, messages, window: 300 });
    const source = sourceOn(broker, ingest, { maxInFlight: 16 });
    await source.start();
    await until('it is full', () => source.status().inFlight === 16);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([ingest.taken.length, source.status().inFlight]).toEqual([16, 16]);
    await until('all came', () => {
      ingest.endGroup(false);
      return broker.done && ingest.taken.length === 300;
    });
    expect(ingest.mostUncommitted).toBe(16);
    expect(ingest.released_.length).toBe(100);
    await source.stop(100);
  });

  test('hands over what the broker says, and not more', async () => {
    const ingest = new GroupedIngest();
    const broker = new ScriptedBroker({
      ...ALWAYS,
      protocolVersion: 4,
      messages: messagesOf([2]),
      window: 1,
    });
    const source = sourceOn(broker, ingest);
    await source.start();
    const [message] = await until('it came', () => (ingest.taken.length === 1 ? ingest.taken : null));
    expect(message).toEqual({
      source: 'house',
      topic: 'sensors/m1',
      payload: Buffer.from('{"n":0}'),
      client: 'broker/house',
      username: null,
      device: null,
      transfer: { packetId: 1, qos: 2, dup: false, connection: 1 },
      retain: false,
      address: 'broker.test:1883',
      format: null,
      receipts: false,
      relay: { contentType: null, userProperties: new Map() },
    });
    expect(ingest.cleared).toBe(1);
    ingest.endGroup(false);
    await until('it is done with', () => broker.done);
    // No client of the embedded broker can have that name: ids with a `/` are refused there.
    expect([...ingest.clients]).toEqual(['broker/house']);
    broker.cut();
    await until('it is connected again', () => source.status().reconnected === 1);
    // The broker still knew us: nothing was cleared, nothing subscribed to again.
    expect(ingest.cleared).toBe(1);
    expect(broker.got.filter((cmd) => cmd === 'subscribe').length).toBe(1);
    await source.stop(1000);
    expect(broker.got.at(-1)).toBe('disconnect');
    expect(source.status().state).toBe('stopped');
  });

  test('at its end acknowledges what is committed in time, then says goodbye', async () => {
    const ingest = new GroupedIngest();
    const broker = new ScriptedBroker({
      ...ALWAYS,
      protocolVersion: 5,
      messages: messagesOf([1, 1, 1]),
      window: 3,
    });
    const source = sourceOn(broker, ingest, { connection: { ...READER, protocolVersion: 5 } }, [], {
      clock: systemClock,
    });
    await source.start();
    await until('they came', () => ingest.taken.length === 3);
    const stopped = source.stop(5000);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(broker.got).not.toContain('puback');
    ingest.endGroup(false);
    await stopped;
    await until('it heard all', () => broker.got.at(-1) === 'disconnect');
    expect(broker.done).toBe(true);
  });

  test('at its end takes nothing more, also where the connection is made again meanwhile', async () => {
    const ingest = new GroupedIngest();
    const broker = new ScriptedBroker({
      ...ALWAYS,
      protocolVersion: 4,
      messages: messagesOf([1, 2]),
      window: 1,
    });
    const source = sourceOn(broker, ingest, {}, [], { clock: systemClock });
    await source.start();
    await until('one came', () => ingest.taken.length === 1);
    const stopped = source.stop(5000);
    broker.cut();
    await until('it is sent again', () => broker.connections === 2 && broker.sentNow.length > 0);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(ingest.taken.length).toBe(1);
    ingest.endGroup(false);
    await stopped;
    expect([ingest.taken.length, broker.got.includes('puback')]).toEqual([1, false]);
  });

  test('is not connected, as far as anybody is told, before the broker has answered what is to be read', async () => {
    const events: string[] = [];
    const broker = new ScriptedBroker({ ...ALWAYS, protocolVersion: 4, messages: [], window: 1 });
    let isBroken: boolean = true;
    const source = sourceOn(broker, new GroupedIngest(), {}, events, {
      remembered: {
        get() {
          if (isBroken) throw new Error('unreadable');
          return null;
        },
        set: async () => undefined,
      },
    });
    await source.start();
    await until('it failed twice', () => events.filter((event) => event.includes('unreadable')).length > 1);
    expect(source.status()).toMatchObject({
      state: 'connecting',
      reason: 'it has not answered the subscriptions yet',
    });
    expect(broker.got).not.toContain('subscribe');
    isBroken = false;
    await until('it is subscribed to', () => source.status().state === 'connected');
    expect([broker.connections, broker.got.filter((cmd) => cmd === 'subscribe').length]).toEqual([1, 1]);
    await source.stop(100);
  });

  test('waits for one connection at a time to try again what it could not subscribe to, and not beyond its end', async () => {
    let waiting = 0;
    let waits = 0;
    const clock: Clock = {
      ...quickClock,
      async sleep(ms, signal) {
        if (ms !== 5_000) return await quickClock.sleep(ms, signal);
        waiting += 1;
        waits += 1;
        await new Promise((resolve) => signal?.addEventListener('abort', resolve, { once: true }));
        waiting -= 1;
      },
    };
    const broker = new ScriptedBroker({ ...ALWAYS, protocolVersion: 4, messages: [], window: 1 });
    const unreadable = (): never => {
      throw new Error('unreadable');
    };
    const source = sourceOn(broker, new GroupedIngest(), {}, [], {
      clock,
      remembered: { get: unreadable, set: async () => undefined },
    });
    await source.start();
    for (const connections of [1, 2, 3]) {
      await until('it waits', () => broker.connections === connections && waits === connections);
      await until('nobody else does', () => waiting === 1);
      broker.cut();
    }
    await source.stop(100);
    await until('nobody waits', () => waiting === 0);
  });

  test('subscribes with a new session only once it is on disk that the old one is over, and says that it is lost', async () => {
    let knows: boolean = true;
    const first = deferred();
    const events: string[] = [];
    const ingest = new GroupedIngest();
    const broker = new ScriptedBroker({
      ...ALWAYS,
      ...{ protocolVersion: 4, messages: [], window: 1, knows: () => knows },
    });
    const subscribed = (): number => broker.got.filter((cmd) => cmd === 'subscribe').length;
    const lost = (): string[] => events.filter((event) => event.startsWith('broker.session-lost'));
    const source = sourceOn(broker, ingest, {}, events);
    await source.start();
    await until('it is subscribed to', () => source.status().state === 'connected');
    // There was none before.
    expect([ingest.cleared, lost(), subscribed()]).toEqual([1, [], 1]);
    broker.cut();
    await until('it is there again', () => broker.connections === 2 && source.status().state === 'connected');
    expect(ingest.cleared).toBe(1);

    knows = false;
    ingest.forgets = () => first.promise;
    broker.cut();
    await until('it has lost the session', () => broker.connections === 3 && ingest.cleared === 2);
    expect(source.status()).toMatchObject({ sessionsLost: 1 });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([subscribed(), source.status().state]).toEqual([1, 'connecting']);
    // It is not: so it is said again, though the broker knows this session by now.
    knows = true;
    ingest.forgets = () => Promise.resolve();
    first.reject(new GatewayError('store-unavailable', 'the disk fails'));
    await until('it is subscribed to again', () => subscribed() === 2);
    expect([ingest.cleared, broker.connections, lost()]).toEqual([
      3,
      4,
      ['broker.session-lost {"broker":"house","client":"reader"}'],
    ]);
    expect(events).toContainEqual(expect.stringMatching(/^broker.refused .*the disk fails/));
    await source.stop(100);
  });

  test('tells no loss of a session that is not to be kept, and where the broker keeps it for a shorter time', async () => {
    const told: string[][] = [];
    for (const some of [{ cleanStart: true }, { sessionExpirySeconds: 0 }, { sessionExpirySeconds: 60 }]) {
      const events: string[] = [];
      const broker = new ScriptedBroker({
        ...ALWAYS,
        ...{ protocolVersion: 5, messages: [], window: 1, knows: () => false, sessionExpiryInterval: 30 },
      });
      const connection = { ...READER, protocolVersion: 5 as const, ...some };
      const source = sourceOn(broker, new GroupedIngest(), { connection }, events);
      await source.start();
      await until('it is subscribed to', () => source.status().state === 'connected');
      broker.cut();
      await until('it is again', () => broker.connections === 2 && source.status().state === 'connected');
      told.push([...new Set(events.filter((event) => event.startsWith('broker.session')))]);
      await source.stop(100);
    }
    const shortened = (asked: number): string =>
      `broker.session-shortened {"broker":"house","asked":${asked},"granted":30}`;
    expect(told).toEqual([
      [shortened(3600)],
      [],
      [shortened(60), 'broker.session-lost {"broker":"house","client":"reader"}'],
    ]);
  });

  test('leaves out what is the gateway’s own, and says so, but acknowledges it', async () => {
    const receipt = receiptOf('sensors/kitchen');
    // What a device sends where receipts go is a reading all the same.
    const topics = [
      ...['gateway/receipts/x', 'answers/kitchen', 'a/'.repeat(40), 'sensors/ok', 'answers/attic', 'answers'],
    ];
    const messages = topics.map(
      (topic, i): Scripted => ({
        ...{ id: i + 1, topic, qos: 1, state: 'waiting' },
        payload: topic === 'answers/kitchen' ? receipt : '{"id":1,"v":2}',
      }),
    );
    const ingest = new GroupedIngest();
    const events: string[] = [];
    const broker = new ScriptedBroker({ ...ALWAYS, protocolVersion: 4, messages, window: 9 });
    const source = sourceOn(broker, ingest, { receipts: 'answers' }, events);
    await source.start();
    await until('all are acknowledged', () => {
      ingest.endGroup(false);
      return broker.done;
    });
    expect(ingest.taken.map(({ topic }) => topic)).toEqual(['sensors/ok', 'answers/attic', 'answers']);
    expect(source.status()).toMatchObject({ messages: 6, dropped: 3 });
    expect(events.filter((event) => event.startsWith('broker.not-taken')).length).toBe(2);
    await source.stop(100);
  });

  test('tells there of what a peer has read from it and is rejected here, once that is on disk, where receipts are asked for', async () => {
    for (const receipts of ['answers', null]) {
      const broker = new ScriptedBroker({ ...ALWAYS, protocolVersion: 4, messages: [], window: 1 });
      const source = sourceOn(broker, new GroupedIngest(), { receipts });
      await source.start();
      await until('it is connected', () => source.status().state === 'connected');
      const parcel = messageOn('sensors/x', '{}', { source: 'peer', client: 'gateway-attic-peer' });
      const [first, failing] = [deferred(), deferred()];
      source.tookFromPeer(parcel, { outcomes: [...STORED, rejected('r1', 7)], committed: first.promise });
      source.tookFromPeer(parcel, { outcomes: STORED, committed: first.promise });
      source.tookFromPeer(parcel, { outcomes: [rejected('r2')], committed: failing.promise });
      failing.promise.catch(() => undefined);
      failing.reject(new GatewayError('store-unavailable', 'the disk fails'));
      await new Promise((resolve) => setTimeout(resolve, 10));
      expect(broker.published).toEqual([]);
      first.resolve();
      // Its goodbye comes behind all that it had to say.
      await source.stop(1000);
      expect(source.status().inFlight).toBe(0);
      const receipt = 'answers/house {"id":"r1","topic":"sensors/x","code":"invalid","at":';
      if (receipts === null) expect(broker.published).toEqual([]);
      else expect(broker.published).toEqual([expect.stringContaining(receipt)]);
    }
  });

  test('while there is no room for what comes, it says why, in one line, and goes on reading once there is some', async () => {
    const events: string[] = [];
    let isFull: boolean = true;
    let lasts: boolean = false;
    const ingest = new GroupedIngest(() => isFull);
    const messages = messagesOf([1, 1]);
    const broker = new ScriptedBroker({ ...ALWAYS, protocolVersion: 4, messages, window: 2 });
    const pauses: number[] = [];
    const clock: Clock = {
      ...quickClock,
      // Whether a connection has lasted.
      async sleep(ms, signal) {
        if (ms !== 10_000) pauses.push(ms);
        if (ms !== 10_000) await quickClock.sleep(ms, signal);
        else await until('it is over', () => lasts || signal?.aborted === true, { everyMs: 1 });
      },
    };
    const source = sourceOn(broker, ingest, {}, events, { clock });
    await source.start();
    await until('it was dropped often', () => pauses.length >= 20);
    expect(source.status()).toMatchObject({
      state: 'retrying',
      reason: 'it is not read for the moment: the store is full',
    });
    isFull = false;
    await until('it reads on', () => {
      ingest.endGroup(false);
      return broker.done;
    });
    expect(source.status()).toMatchObject({
      state: 'retrying',
      reason: 'it is not read for the moment: the store is full',
    });
    lasts = true;
    await until('all is well', () => source.status().state === 'connected');
    // We hung up: it is not lost.
    const lines = events.filter((event) => !/^broker.refused .*the store is full/.test(event));
    expect(lines).toEqual([
      expect.stringMatching(/^broker.connected /),
      expect.stringMatching(/^broker.connected /),
    ]);
    await source.stop(100);
  });

  test('does not hurry back to a broker over which what it sent has met a bug', async () => {
    const pauses: number[] = [];
    const clock: Clock = {
      ...quickClock,
      async sleep(ms, signal) {
        pauses.push(ms);
        await quickClock.sleep(ms, signal);
      },
    };
    const ingest = new GroupedIngest(() => {
      throw new TypeError('a bug');
    });
    const broker = new ScriptedBroker({
      ...ALWAYS,
      protocolVersion: 4,
      messages: messagesOf([1]),
      window: 1,
    });
    const source = sourceOn(broker, ingest, {}, [], { clock, random: () => 1 });
    await source.start();
    await until('it was dropped often', () => pauses.length >= 9);
    await source.stop(100);
    expect(pauses.slice(0, 9)).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  });

  test('hurries back where what was taken could not be committed', async () => {
    const pauses: number[] = [];
    const clock: Clock = {
      ...quickClock,
      async sleep(ms, signal) {
        if (ms !== 10_000) pauses.push(ms);
        await quickClock.sleep(ms, signal);
      },
    };
    const ingest = new GroupedIngest();
    const broker = new ScriptedBroker({
      ...ALWAYS,
      protocolVersion: 4,
      messages: messagesOf([1]),
      window: 1,
    });
    const source = sourceOn(broker, ingest, {}, [], { clock, random: () => 1 });
    await source.start();
    await until('it was dropped often', () => {
      ingest.endGroup(true);
      return pauses.length >= 6;
    });
    await source.stop(100);
    expect(pauses.slice(0, 6)).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  });

  test('is told of by name when the broker refuses it, without hurry and without the password', async () => {
    const events: string[] = [];
    const broker = new ScriptedBroker({
      ...ALWAYS,
      protocolVersion: 4,
      messages: [],
      window: 1,
      connackCode: 5,
    });
    const source = sourceOn(
      broker,
      new GroupedIngest(),
      { connection: { ...READER, username: 'u', password: 'hush' } },
      events,
    );
    await source.start();
    await until('it is refused', () => source.status().state === 'refused' && broker.connections > 2);
    expect(source.status().reason).toMatch(/not authorised/);
    expect(events).toEqual([expect.stringMatching(/^broker.turned-away .*not authorised/)]);
    expect(JSON.stringify(source.status())).not.toContain('hush');
    await source.stop(100);
  });
});
