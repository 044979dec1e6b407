import { describe, expect, test } from 'vitest';
import { systemClock } from '../gateway/clocks/clock.ts';
import { createTopicsSeen } from '../gateway/operations/topics-seen.ts';
import { createOperations, type OperationsDeps } from '../gateway/operations.ts';
import type { ExplainedReading, ForwardStatus } from '../gateway/operations-contract.ts';
import type { DiscardReport, RejectionRecordPage } from '../gateway/rejected-contract.ts';
import type { SinkHealth } from '../gateway/sink-contract.ts';
import { MemoryStorage } from '../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../gateway/store/memory-store.ts';
import type { NewRejection, Store, StoreStatus } from '../gateway/store-contract.ts';
import { DEVICE } from './commands/fake-operations.ts';

/** A gateway that runs, and of which there is nothing to tell. */
const QUIET = {
  ...{ startedMs: 0, sources: () => [], forwards: () => [], sinkHealth: () => [] },
  clockTrouble: () => null,
};

function memoryStore(storage = new MemoryStorage()): Store {
  return createMemoryStore({ storage }, { clock: systemClock, events: { emit: () => undefined } });
}

function operationsOver(
  store: Store,
  changes: Partial<OperationsDeps> = {},
): ReturnType<typeof createOperations> {
  return createOperations({
    version: '1.2.3',
    pid: 4711,
    running: { ...QUIET, topics: createTopicsSeen() },
    store,
    configuredSinks: new Set(['embedded']),
    configuredForwards: new Set<string>(),
    schemas: () => [],
    schemaErrors: () => 0,
    nearest: () => 'the nearest',
    explain: () => {
      throw new Error('not asked');
    },
    replay: {
      page: async () => {
        throw new Error('not asked');
      },
      today: () => [],
    },
    history: { schemaText: () => null, currentText: () => null, versionOf: () => null },
    ledgers: {
      seriesReport: () => ({
        ...{ total: 0, budget: 100, refusedReadings: 0, estimatedRefusedSeries: 0 },
        measurements: [],
        devices: [],
      }),
      seriesOf: () => 0,
      fieldsReport: () => [],
      forgetField: async () => false,
    },
    devices: { list: () => [], report: () => null },
    clock: systemClock,
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
    running: { ...QUIET, sinkHealth: () => whole, topics: createTopicsSeen() },
  };
}

function troubledStore(store: Store, status: StoreStatus): Store {
  const ledgers = { sinks: () => store.sinks(), outboxes: () => store.outboxes() };
  return Object.assign(Object.create(store), { status: () => status, ...ledgers });
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

  test('what is kept for sinks and forwards of old degrades it, with the way out; where nothing is, not a word', async () => {
    const storage = new MemoryStorage();
    const before = memoryStore(storage);
    const outbox = { maxBacklogBytes: 1e9, whenFull: 'block' } as const;
    for (const name of ['embedded', 'old'])
      before.openSink(name, { maxBacklogBytes: null, whenFull: 'block' });
    for (const name of ['gone', 'empty', 'cloud', 'peer/attic']) before.openOutbox(name, outbox);
    const group = before.group();
    group.receive('mqtt', 'd', 2);
    group.count('mqtt', 'd', 'stored', 2);
    for (const line of ['m f=1 1\n', 'm f=2 2\n']) group.point(line);
    for (const name of ['gone', 'cloud', 'peer/attic']) group.forward(name, 't', Buffer.from('a'));
    await group.committed;
    await before.close();
    const store = memoryStore(storage);
    // As at a start, when nothing has been opened yet: the configuration alone says who is in it.
    const operations = operationsOver(store, { configuredForwards: new Set(['cloud']) });
    const [sink, forward] = [
      (await operations.sinks()).find(({ name }) => name === 'old'),
      (await operations.forwards()).find(({ name }) => name === 'gone'),
    ];
    expect(await operations.health()).toEqual({
      status: 'degraded',
      reasons: [
        `sink old is no longer configured, and 2 points (${sink?.pendingBytes} bytes) wait for it: configure it again, or throw that away with \`sinks forget old\``,
        `forward gone is no longer configured, and 1 message (${forward?.pendingBytes} bytes) waits for it: configure it again, or throw that away with \`sinks forget gone\``,
        expect.stringMatching(
          /^forward peer\/attic is no longer configured, .* waits for it: list that peer again, in all gateways \(where it has another name now: with standIn and its new name\), or throw that away with `sinks forget peer\/attic`$/,
        ),
      ],
    });
    for (const name of ['old', 'gone', 'peer/attic']) await operations.forgetSink(name);
    expect(await operations.health()).toEqual({ status: 'ok', reasons: [] });
    await store.close();
  });

  test.each(['full', 'unavailable', 'closed'] as const)(
    'a store that is %s makes it unavailable',
    async (state) => {
      const store = memoryStore();
      const status: StoreStatus = { ...store.status(), state, reason: 'because' };
      const troubled = troubledStore(store, status);
      const operations = operationsOver(troubled);
      expect(await operations.health()).toMatchObject({
        status: 'unavailable',
        reasons: [expect.stringContaining('because')],
      });
      await store.close();
    },
  );

  test('a store that is full because a forward is, says also what keeps the forward from sending', async () => {
    const store = memoryStore();
    const status: StoreStatus = {
      ...store.status(),
      state: 'full',
      reason: 'the backlog of forward up is full',
    };
    const troubled = troubledStore(store, status);
    const { running } = withHealth();
    const forward: ForwardStatus = {
      ...{ name: 'up', taken: 9, sent: 2, dropped: 0, pending: 7, pendingBytes: 700, configured: true },
      ...{ url: 'mqtt://h', state: 'retrying', reason: 'nobody listens', sinceMs: 0 },
      ...{ oldestPendingMs: 0, lastSentMs: null },
    };
    const operations = operationsOver(troubled, {
      running: running === null ? null : { ...running, forwards: () => [forward] },
    });
    expect(await operations.health()).toEqual({
      status: 'unavailable',
      reasons: [
        'the store takes no readings: the backlog of forward up is full',
        expect.stringMatching(/^forward up is retrying since .*: nobody listens$/),
      ],
    });
    await store.close();
  });
});

describe('what can be asked of a store', () => {
  test('the account names at most a thousand devices, the busiest, and counts them all', async () => {
    const store = memoryStore();
    const group = store.group();
    for (let i = 0; i < 1500; i += 1) {
      group.receive('mqtt', `d${i}`, i + 1);
      group.count('mqtt', `d${i}`, 'forwarded', i + 1);
    }
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
      username: 'u',
      format: null,
      relay: {
        contentType: 'text/csv',
        userProperties: new Map([['__proto__', 'x']]),
        unread: { names: new Map([['site', 'too-long']]), others: null },
      },
      schemaVersion: null,
    });
    await group.committed;
    const operations = operationsOver(store);
    expect(await operations.rejection(id)).toMatchObject({
      payloadBase64: payload.toString('base64'),
      payloadText: '\\x1b[\\xff\\n',
      payloadBytes: 4,
      relay: { contentType: 'text/csv', userProperties: [['__proto__', 'x']], unread: ['site'] },
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

  test('forwards are shown with their outboxes, also those of old, which can be forgotten', async () => {
    const store = memoryStore();
    const outbox = { maxBacklogBytes: 1e9, whenFull: 'block' } as const;
    const cloud = store.openOutbox('cloud', outbox);
    const group = store.group();
    group.forward('cloud', 't', Buffer.from('x'));
    await group.committed;
    const configuredForwards = new Set(['cloud']);
    const status: ForwardStatus = {
      ...cloud.ledger(),
      ...{ url: 'mqtt://cloud', state: 'retrying', reason: 'nobody listens', sinceMs: 0, lastSentMs: 5 },
    };
    const running: OperationsDeps['running'] = {
      ...QUIET,
      forwards: () => [status],
      topics: createTopicsSeen(),
      clockTrouble: () => 'the clock is wrong',
    };
    const operations = operationsOver(store, { configuredForwards, running });
    expect(await operations.forwards()).toMatchObject([
      { name: 'cloud', configured: true, pending: 1, state: 'retrying', url: 'mqtt://cloud', lastSentMs: 5 },
    ]);
    expect(await operations.health()).toEqual({
      status: 'degraded',
      reasons: [
        'forward cloud is retrying since 1970-01-01T00:00:00.000Z: nobody listens',
        'the clock is wrong',
      ],
    });
    await expect(operations.forgetSink('cloud')).rejects.toMatchObject({ code: 'sink-configured' });
    // The store itself knows it as configured until the next start.
    const later = operationsOver(store, { running: null });
    expect(await later.forwards()).toMatchObject([
      { name: 'cloud', configured: false, state: null, url: null },
    ]);
    await expect(later.forgetSink('cloud')).rejects.toMatchObject({ code: 'sink-configured' });
    await store.close();
  });

  test('what is forgotten says what it was, and how much waited for it: points, messages, nothing', async () => {
    const storage = new MemoryStorage();
    const before = memoryStore(storage);
    const outbox = { maxBacklogBytes: 1e9, whenFull: 'block' } as const;
    before.openSink('embedded', { maxBacklogBytes: null, whenFull: 'block' });
    before.openSink('old', { maxBacklogBytes: null, whenFull: 'block' });
    for (const name of ['gone', 'empty']) before.openOutbox(name, outbox);
    const group = before.group();
    group.receive('mqtt', 'd', 2);
    group.count('mqtt', 'd', 'stored', 2);
    for (const line of ['m f=1 1\n', 'm f=2 2\n']) group.point(line);
    for (const payload of ['a', 'b', 'c']) group.forward('gone', 't', Buffer.from(payload));
    await group.committed;
    await before.close();
    const store = memoryStore(storage);
    const operations = operationsOver(store);
    const [sink] = (await operations.sinks()).filter(({ name }) => name === 'old');
    const [forward] = (await operations.forwards()).filter(({ name }) => name === 'gone');
    expect(await operations.forgetSink('old')).toEqual({
      ...{ name: 'old', kind: 'sink', pending: 2, pendingBytes: sink?.pendingBytes },
    });
    expect(await operations.forgetSink('gone')).toEqual({
      ...{ name: 'gone', kind: 'forward', pending: 3, pendingBytes: forward?.pendingBytes },
    });
    expect(await operations.forgetSink('empty')).toEqual({
      ...{ name: 'empty', kind: 'forward', pending: 0, pendingBytes: 0 },
    });
    expect([await operations.sinks(), await operations.forwards()]).toMatchObject([
      [{ name: 'embedded', pending: 2 }],
      [],
    ]);
    await store.close();
  });

  test('topics come busiest first, made safe, with the nearest schema where none claims', async () => {
    const store = memoryStore();
    const topics = createTopicsSeen();
    topics.saw('a', Buffer.from('\u001b'), [], 1);
    topics.saw('b', Buffer.from('1'), ['s.v1'], 1);
    topics.saw('b', Buffer.from('1'), ['s.v1'], 2);
    const running = { ...QUIET, topics };
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
  const running = { ...QUIET, topics };
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

describe('rejected readings', () => {
  async function rejected(store: Store, ...some: readonly Partial<NewRejection>[]): Promise<string[]> {
    const group = store.group();
    const ids = some.map((each) =>
      group.reject({
        code: 'invalid',
        source: 'mqtt',
        topic: 'sensors/kitchen/environment',
        client: 'c',
        device: 'kitchen',
        schema: 's.v1',
        index: null,
        atMs: 5,
        payload: Buffer.from('{"t":"x"}'),
        violations: [{ pointer: '/t', message: 'must be number, got string "x"' }],
        sink: null,
        username: null,
        format: null,
        relay: null,
        schemaVersion: 'aaaaaaaaaaaa',
        ...each,
      }),
    );
    await group.committed;
    return ids;
  }

  test('one comes with the text of its schema then and now, and what it would be today', async () => {
    const store = memoryStore();
    const [id = '', other = ''] = await rejected(store, {}, { schema: null, schemaVersion: null });
    const today: ExplainedReading = {
      ...{
        kind: 'point',
        device: 'kitchen',
        schema: 's.v1',
        line: 'm t="x" 1',
        duplicate: false,
        clock: null,
      },
    };
    const texts = new Map([['aaaaaaaaaaaa', 'as it was']]);
    const operations = operationsOver(store, {
      history: {
        schemaText: (version) => texts.get(version) ?? null,
        currentText: () => 'as it is',
        versionOf: () => 'bbbbbbbbbbbb',
      },
      replay: { page: () => expect.unreachable(), today: () => [today] },
    });
    expect(await operations.rejection(id)).toMatchObject({
      schemaThen: { version: 'aaaaaaaaaaaa', text: 'as it was' },
      schemaNow: { version: 'bbbbbbbbbbbb', text: 'as it is' },
      today: [today],
      resolved: null,
    });
    expect(await operations.rejection(other)).toMatchObject({ schemaThen: null, schemaNow: null });
    await store.close();
  });

  test('causes are grouped over all that fit, and devices know theirs', async () => {
    const store = memoryStore();
    await rejected(store, {}, {}, { device: 'cellar' }, { code: 'undecodable', schema: null });
    const operations = operationsOver(store);
    const page = await operations.rejectedCauses({}, null);
    expect(page).toMatchObject({ looked: 4, others: 0, next: null });
    expect(page.causes).toMatchObject([
      { code: 'invalid', count: 3, devices: ['kitchen', 'cellar'] },
      { code: 'undecodable', count: 1 },
    ]);
    expect(JSON.parse(JSON.stringify(page))).toEqual(page);
    expect(await operations.rejectedCauses({ device: 'cellar' }, null)).toMatchObject({ looked: 1 });
    await expect(operations.rejectedCauses({ since: 'never' }, null)).rejects.toMatchObject({
      code: 'usage',
    });
    await store.close();
  });

  test('they are exported whole, page by page, and discarded when somebody says which', async () => {
    const store = memoryStore();
    await rejected(store, ...Array.from({ length: 250 }, (_, i) => ({ payload: Buffer.from(`${i}`) })));
    const operations = operationsOver(store);
    const payloads: string[] = [];
    let after: string | null = null;
    do {
      const page: RejectionRecordPage = await operations.rejectedRecords({}, after, 1000);
      expect(page.rejections.length).toBeLessThanOrEqual(100);
      for (const each of page.rejections) payloads.push(Buffer.from(each.payloadBase64, 'base64').toString());
      after = page.next;
    } while (after !== null);
    expect(payloads).toEqual(Array.from({ length: 250 }, (_, i) => `${i}`));
    const nothing = { selection: {}, after: null, limit: 100 };
    await expect(operations.discardRejected(nothing)).rejects.toMatchObject({ code: 'usage' });
    let discarded = 0;
    do {
      const page: DiscardReport = await operations.discardRejected({
        selection: { all: true },
        after,
        limit: 100,
      });
      discarded += page.discarded;
      after = page.next;
    } while (after !== null);
    expect(discarded).toBe(250);
    expect(await operations.account()).toMatchObject({
      rejections: { open: 0, replayed: 0, discarded: 250, evicted: 0 },
    });
    await store.close();
  });
});

describe('devices', () => {
  test('are listed as asked for, at most a thousand; one with all that is known of it', async () => {
    const store = memoryStore();
    const group = store.group();
    group.receive('mqtt', 'kitchen', 1);
    group.count('mqtt', 'kitchen', 'stored', 1);
    await group.committed;
    const reports = [DEVICE, { ...DEVICE, device: 'attic', lastSeenMs: 90_000, state: 'online' as const }];
    const operations = operationsOver(store, {
      devices: {
        list: ({ silent }, limit) =>
          reports.filter(({ state }) => silent !== true || state === 'silent').slice(0, limit / 500),
        report: (name) => reports.find(({ device }) => device === name) ?? null,
      },
    });
    expect((await operations.devices({})).map(({ device }) => device)).toEqual(['kitchen', 'attic']);
    expect((await operations.devices({ silent: true })).map(({ device }) => device)).toEqual(['kitchen']);
    expect(await operations.device('kitchen')).toMatchObject({
      received: 1,
      stored: 1,
      known: DEVICE,
      causes: [],
    });
    expect(await operations.device('attic')).toMatchObject({ received: 0, known: { device: 'attic' } });
    await expect(operations.device('nope')).rejects.toMatchObject({ code: 'not-found' });
    await expect(operations.forgetField('m', 'f')).rejects.toMatchObject({ code: 'not-found' });
    await store.close();
  });
});

test('an account that does not close says where', async () => {
  const store = memoryStore();
  const group = store.group();
  group.receive('mqtt', 'kitchen', 2);
  group.count('mqtt', 'kitchen', 'stored', 1);
  await group.committed;
  expect((await operationsOver(store).account()).imbalances).toEqual([
    { scope: 'total', name: '', received: 2, accounted: 1, difference: 1 },
    { scope: 'source', name: 'mqtt', received: 2, accounted: 1, difference: 1 },
    { scope: 'device', name: 'kitchen', received: 2, accounted: 1, difference: 1 },
  ]);
  await store.close();
});
