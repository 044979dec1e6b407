import { describe, expect, test } from 'vitest';
import { systemClock } from '../gateway/clock.ts';
import { createOperations, type OperationsDeps } from '../gateway/operations.ts';
import type { SinkHealth } from '../gateway/sink-contract.ts';
import { createMemoryStore } from '../gateway/store/memory-store.ts';
import type { Store, StoreStatus } from '../gateway/store-contract.ts';
import { createTopicsSeen } from '../gateway/topics-seen.ts';

function memoryStore(): Store {
  return createMemoryStore({}, { clock: systemClock, events: { emit: () => undefined } });
}

function operationsOver(
  store: Store,
  changes: Partial<OperationsDeps> = {},
): ReturnType<typeof createOperations> {
  return createOperations({
    version: '1.2.3',
    pid: 4711,
    running: { startedMs: 0, sources: () => [], sinkHealth: () => [], topics: createTopicsSeen() },
    store,
    configuredSinks: new Set(['embedded']),
    schemas: () => [],
    schemaErrors: () => 0,
    nearest: () => 'the nearest',
    explain: () => {
      throw new Error('not asked');
    },
    ...changes,
  });
}

function withHealth(...health: readonly Partial<SinkHealth>[]): Pick<OperationsDeps, 'running'> {
  const whole = health.map(
    (part): SinkHealth => ({
      name: 's',
      state: 'idle',
      reason: null,
      sinceMs: 0,
      lastWriteMs: null,
      ...part,
    }),
  );
  return {
    running: { startedMs: 0, sources: () => [], sinkHealth: () => whole, topics: createTopicsSeen() },
  };
}

describe('health', () => {
  test('is ok while the store commits and the sinks write', async () => {
    const store = memoryStore();
    expect(await operationsOver(store, withHealth({ state: 'writing' })).health()).toEqual({
      status: 'ok',
      reasons: [],
    });
    await store.close();
  });

  test('a sink that is down and a schema that is broken degrade it, each with its reason', async () => {
    const store = memoryStore();
    const operations = operationsOver(store, {
      ...withHealth(
        { state: 'paused', reason: 'wrong token' },
        { name: 't', state: 'retrying', reason: 'away' },
      ),
      schemaErrors: () => 2,
    });
    expect(await operations.health()).toEqual({
      status: 'degraded',
      reasons: [
        'sink s is paused: wrong token',
        'sink t is retrying: away',
        expect.stringContaining('2 schema file(s)'),
      ],
    });
    await store.close();
  });

  test.each(['full', 'unavailable', 'closed'] as const)(
    'a store that is %s makes it unavailable',
    async (state) => {
      const store = memoryStore();
      const status: StoreStatus = { ...store.status(), state, reason: 'because' };
      const troubled: Store = Object.assign(Object.create(store), { status: () => status });
      const operations = operationsOver(troubled);
      expect(await operations.health()).toMatchObject({
        status: 'unavailable',
        reasons: [expect.stringContaining('because')],
      });
      await store.close();
    },
  );
});

describe('what can be asked of a store', () => {
  test('the account names at most a thousand devices, the busiest, and counts them all', async () => {
    const store = memoryStore();
    const group = store.group();
    for (let i = 0; i < 1500; i += 1) group.count('mqtt', `d${i}`, 'forwarded', i + 1);
    await group.committed;
    const account = await operationsOver(store).account();
    expect(account.deviceCount).toBe(1500);
    expect(account.devices).toHaveLength(1000);
    expect(account.devices[0]).toMatchObject({ device: 'd1499', forwarded: 1500 });
    expect(JSON.parse(JSON.stringify(account))).toEqual(account);
    expect(await operationsOver(store).deviceAccount('d0')).toMatchObject({ forwarded: 1 });
    await expect(operationsOver(store).deviceAccount('nope')).rejects.toMatchObject({ code: 'not-found' });
    await store.close();
  });

  test('a rejection comes with its raw bytes in base64, and as text that is safe to show', async () => {
    const store = memoryStore();
    const payload = Buffer.from([0x1b, 0x5b, 0xff, 0x0a]);
    const group = store.group();
    const id = group.reject({
      code: 'invalid',
      source: 'mqtt',
      topic: 't',
      client: 'c',
      device: 'd',
      schema: null,
      index: null,
      atMs: 5,
      payload,
      violations: [{ pointer: '/a', message: 'no' }],
      sink: null,
    });
    await group.committed;
    const operations = operationsOver(store);
    expect(await operations.rejection(id)).toMatchObject({
      payloadBase64: payload.toString('base64'),
      payloadText: '\\x1b[\\xff\\n',
      payloadBytes: 4,
    });
    expect(await operations.rejected({ device: 'd' })).toMatchObject([{ id, client: 'c' }]);
    expect(await operations.rejected({ device: 'other' })).toEqual([]);
    await expect(operations.rejection('nope')).rejects.toMatchObject({ code: 'not-found' });
    await store.close();
  });

  test('a sink in use is not forgotten; one of old is', async () => {
    const store = memoryStore();
    store.openSink('embedded', { maxBacklogBytes: null, whenFull: 'block' });
    const operations = operationsOver(store);
    await expect(operations.forgetSink('embedded')).rejects.toMatchObject({ code: 'sink-configured' });
    await expect(operations.forgetSink('nope')).rejects.toMatchObject({ code: 'sink-unknown' });
    expect(await operations.sinks()).toMatchObject([{ name: 'embedded', configured: true, state: null }]);
    await store.close();
  });

  test('topics come busiest first, made safe, with the nearest schema where none claims', async () => {
    const store = memoryStore();
    const topics = createTopicsSeen();
    topics.saw('a', Buffer.from('\u001b'), [], 1);
    topics.saw('b', Buffer.from('1'), ['s.v1'], 1);
    topics.saw('b', Buffer.from('1'), ['s.v1'], 2);
    const running = { startedMs: 0, sources: () => [], sinkHealth: () => [], topics };
    expect(await operationsOver(store, { running }).topics()).toEqual([
      { topic: 'b', count: 2, schemas: ['s.v1'], lastMs: 2, sample: '1', nearest: null },
      { topic: 'a', count: 1, schemas: [], lastMs: 1, sample: '\\x1b', nearest: 'the nearest' },
    ]);
    await expect(operationsOver(store, { running: null }).topics()).rejects.toMatchObject({
      code: 'not-running',
    });
    await store.close();
  });
});

test('topics are compared with the schemas by turns, so that a thousand strange ones hold up nobody', async () => {
  const store = memoryStore();
  const topics = createTopicsSeen();
  for (let i = 0; i < 100; i += 1) topics.saw(`strange/${i}`, Buffer.from('x'), [], i);
  let atOnce = 0;
  let mostAtOnce = 0;
  const nearest = (): string => {
    atOnce += 1;
    mostAtOnce = Math.max(mostAtOnce, atOnce);
    return 'near';
  };
  const running = { startedMs: 0, sources: () => [], sinkHealth: () => [], topics };
  const asked = operationsOver(store, { running, nearest }).topics();
  let isDone = false;
  void asked.then(() => {
    isDone = true;
  });
  while (!isDone) {
    await new Promise((resolve) => setImmediate(resolve));
    atOnce = 0;
  }
  expect(await asked).toHaveLength(100);
  expect(mostAtOnce).toBeLessThan(20);
  await store.close();
});
