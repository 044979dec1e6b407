import { beforeEach, describe, expect, it } from 'vitest';
import type { Clock, Message, Point, Readings } from '../gateway/contracts.ts';
import { createFormats } from '../gateway/formats/formats.ts';
import { createForwards, type Forwards } from '../gateway/ingest/forwards.ts';
import { createInterpret } from '../gateway/ingest/interpret.ts';
import { createKeep } from '../gateway/ingest/keep.ts';
import { createRepeats } from '../gateway/ingest/repeats.ts';
import { createRetainedReplays } from '../gateway/ingest/retained-replays.ts';
import { createIngest } from '../gateway/ingest.ts';
import type { Judgement, Ledgers } from '../gateway/ledger-contract.ts';
import { createTopicsSeen } from '../gateway/operations/topics-seen.ts';
import type { ReplayReport } from '../gateway/rejected-contract.ts';
import { createPinnedArrival } from '../gateway/replay/pinned-arrival.ts';
import type { SinkReplays } from '../gateway/replay/replay-to-sinks.ts';
import { createReplay, type Replay } from '../gateway/replay.ts';
import { createMemoryStore } from '../gateway/store/memory-store.ts';
import type { RejectionFilter, Store } from '../gateway/store-contract.ts';
import { arrival, readingsOf, schema } from './readings/under-test.ts';
import { messageOn } from './support/message.ts';
import { ledgersWith } from './support/no-ledgers.ts';

const NOW_MS = 1_750_000_000_000;
const THEN_MS = NOW_MS - 5 * 86_400_000;

const NUMBER = schema({ properties: { temperature: { type: 'number' } }, required: ['temperature'] });
const TEXT = schema({ properties: { temperature: { type: 'string' } }, required: ['temperature'] });
const TIMED_TEXT = schema({
  telemetry: { time: { property: 'ts', unit: 'ms' } },
  properties: { temperature: { type: 'string' }, ts: { type: 'integer' } },
});

let nowMs = 0;
let monotonicMs = 0;
const clock: Clock = {
  nowMs: () => nowMs,
  monotonicMs: () => monotonicMs,
  sleep: () => new Promise(() => undefined),
};
const formats = createFormats();
const interpret = createInterpret({ formats, maxPayloadBytes: 10_000 });
let store: Store;

beforeEach(() => {
  nowMs = THEN_MS;
  monotonicMs = 0;
  store = createMemoryStore({}, { clock, events: { emit: () => undefined } });
});

function send(payload: string | Buffer, readings: Readings, rest: Partial<Message> = {}): Promise<void> {
  const ingest = createIngest({
    readings,
    interpret,
    keep: createKeep({ formats, ledgers: ledgersWith(), versionOf: () => 'v1' }),
    store,
    repeats: createRepeats(clock),
    retained: createRetainedReplays(),
    forwards: null,
    homes: null,
    arrival,
    topics: createTopicsSeen(),
    clock,
    unrouted: 'reject',
    maxPayloadBytes: 10_000,
  });
  return ingest.ingest(messageOn('t/kitchen', payload, rest)).committed;
}

const NO_SINKS: SinkReplays = () => ({ why: 'no sinks here' });

function replayUnder(
  readings: Readings,
  ledgers: Partial<Ledgers> = {},
  sinks: SinkReplays = NO_SINKS,
  trueMs: (atMs: number) => number | null = () => nowMs,
  forwards: Forwards | null = null,
): Replay {
  nowMs = NOW_MS;
  return createReplay({
    trueMs,
    ...{ store, readings, interpret, formats, clock, sinks },
    ledgers: ledgersWith(ledgers),
    versionOf: () => 'v2',
    forwards,
  });
}

async function replayAll(
  replay: Replay,
  { dryRun = false, filter = {} }: { dryRun?: boolean; filter?: RejectionFilter } = {},
): Promise<Omit<ReplayReport, 'next' | 'causes' | 'atMost'> & { causes: string[] }> {
  const total = { looked: 0, stored: 0, duplicate: 0, written: 0, still: 0, anew: 0, gone: 0 };
  const causes: string[] = [];
  let after: string | null = null;
  do {
    const page: ReplayReport = await replay.page(
      { kind: 'filter', filter },
      { dryRun, after, limit: 7, run: 'test' },
    );
    for (const key of KEYS) total[key] += page[key];
    causes.push(...page.causes.map((cause) => `${cause.code} ${cause.pointer} ${cause.message}`.trim()));
    after = page.next;
  } while (after !== null);
  return { ...total, causes: [...new Set(causes)] };
}
const KEYS = ['looked', 'stored', 'duplicate', 'written', 'still', 'anew', 'gone'] as const;
const NONE = { looked: 0, stored: 0, duplicate: 0, written: 0, still: 0, anew: 0, gone: 0, causes: [] };

function linesIn(): string[] {
  const slice = store.reader().read(0, store.status().lastSeq, { maxPoints: 10_000, maxBytes: 1_000_000 });
  return slice === null ? [] : (slice.lines.toString().match(/.*\n/g) ?? []).map((line) => line.trimEnd());
}

function theAccountCloses(): void {
  const { total, sources, devices, codes, ...rejected } = store.account();
  for (const { received, ...outcomes } of [total, ...Object.values(sources), ...devices.values()])
    expect(Object.values(outcomes).reduce((sum, n) => sum + n, 0)).toBe(received);
  const { rejectedEvicted, rejectedReplayed, rejectedDiscarded } = rejected;
  expect(Object.values(codes).reduce((sum, n) => sum + n, 0)).toBe(
    store.status().rejectedOpenCount + rejectedEvicted + rejectedReplayed + rejectedDiscarded,
  );
}

describe('a replay', () => {
  it('stores what today’s schemas accept, once, with its first times', async () => {
    const was = readingsOf(NUMBER);
    const times: number[] = [];
    for (let i = 0; i < 20; i += 1) {
      nowMs = THEN_MS + i * 1000;
      times.push(nowMs);
      await send('{"temperature":"21.5"}', was);
    }
    const replay = replayUnder(readingsOf(TEXT));
    expect(await replayAll(replay, { dryRun: true })).toEqual({ ...NONE, looked: 20, stored: 20 });
    expect(linesIn()).toEqual([]);
    expect(await replayAll(replay)).toEqual({ ...NONE, looked: 20, stored: 20 });
    expect(linesIn().map((line) => line.replace(/\d{6}$/, ''))).toEqual(
      times.map((ms) => `m,device=kitchen temperature="21.5" ${ms}`),
    );
    expect(await replayAll(replay)).toEqual(NONE);
    expect(linesIn()).toHaveLength(20);
    expect(store.account().sources.replay).toMatchObject({ received: 20, stored: 20 });
    expect(store.account()).toMatchObject({ rejectedReplayed: 20, codes: { invalid: 20 } });
    theAccountCloses();
  });

  it('leaves what would still be rejected as it was, and says why', async () => {
    const was = readingsOf(NUMBER);
    await send('{"temperature":"21.5"}', was);
    await send('{"temperature":true}', was);
    await send('{', was);
    const before = store.rejections({});
    const report = await replayAll(replayUnder(readingsOf(TEXT)));
    expect(report).toMatchObject({ looked: 3, stored: 1, still: 2 });
    expect(report.causes).toEqual([
      'invalid /temperature must be string, got a boolean',
      expect.stringMatching(/^undecodable /),
    ]);
    expect(store.rejections({})).toEqual(before.filter(({ payload }) => !payload.includes('21.5')));
    expect(store.account().sources.replay).toMatchObject({ received: 1, stored: 1, rejected: 0 });
    theAccountCloses();
  });

  it('takes the reading’s own time against the moment it came, not against today', async () => {
    const was = readingsOf(NUMBER);
    const ahead = THEN_MS + 2 * 3_600_000;
    await send(`{"temperature":"21.5","ts":${THEN_MS - 5000}}`, was);
    await send(`{"temperature":"21.5","ts":${ahead}}`, was);
    const report = await replayAll(replayUnder(readingsOf(TIMED_TEXT)));
    expect(report).toMatchObject({ stored: 1, still: 1 });
    expect(report.causes[0]).toMatch(/^time-out-of-range/);
    expect(linesIn()).toEqual([
      expect.stringMatching(new RegExp(`^m,device=kitchen temperature="21.5" ${THEN_MS - 5000}\\d{6}$`)),
    ]);
  });

  it('gives readings that came in one millisecond times of their own, the same ones each time', () => {
    const times = Array.from({ length: 1000 }, (_, i) =>
      createPinnedArrival(`r${(1_234_567 + i).toString(36)}`, THEN_MS).nextNs(),
    );
    expect(new Set(times).size).toBe(1000);
    for (const time of times) expect(time).toMatch(new RegExp(`^${THEN_MS}[5-9]\\d{5}$`));
    expect(createPinnedArrival(`r${(1_234_567).toString(36)}`, THEN_MS + 0.25).nextNs()).toBe(times[0]);
    // Whole lists of one millisecond, too: a point with the time of another would take its place.
    const lists = Array.from({ length: 20 }, (_, i) => {
      const arrivals = createPinnedArrival(`r${(1_234_567 + i).toString(36)}`, THEN_MS);
      return Array.from({ length: 300 }, () => arrivals.nextNs());
    });
    expect(new Set(lists.flat()).size).toBe(20 * 300);
    const list = createPinnedArrival('r1', THEN_MS);
    expect(new Set(Array.from({ length: 500 }, () => list.nextNs())).size).toBe(500);
  });

  it('gives what came before the gateway’s clock was set its real time, and waits until that is known', async () => {
    nowMs = Date.UTC(2000, 0, 1) + 60_000;
    await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    let byMs: number | null = null;
    const replay = replayUnder(readingsOf(TEXT), {}, NO_SINKS, (atMs) =>
      byMs === null ? null : atMs + byMs,
    );
    const report = await replayAll(replay);
    expect(report).toMatchObject({ stored: 0, still: 1 });
    expect(report.causes[0]).toMatch(/it is not set yet/);
    expect(linesIn()).toEqual([]);
    byMs = THEN_MS - Date.UTC(2000, 0, 1);
    expect(await replayAll(replay)).toMatchObject({ stored: 1, still: 0 });
    expect(linesIn()).toEqual([
      expect.stringMatching(new RegExp(`^m,device=kitchen temperature="21.5" ${THEN_MS + 60_000}\\d{6}$`)),
    ]);
  });

  it('takes apart a list that had been kept whole', async () => {
    const nothing = readingsOf(schema({ telemetry: { topics: ['elsewhere/{device}'] } }));
    await send('[{"temperature":"1"},{"temperature":true},{"temperature":"3"}]', nothing);
    expect(store.rejections({})).toMatchObject([{ code: 'no-route', index: null }]);
    const replay = replayUnder(readingsOf(TEXT));
    expect(await replayAll(replay, { dryRun: true })).toMatchObject({ stored: 2, anew: 1, still: 0 });
    const page = await replay.page(
      { kind: 'filter', filter: {} },
      { dryRun: false, after: null, limit: 1, run: null },
    );
    expect(page).toMatchObject({ looked: 1, stored: 2, anew: 1, still: 0 });
    expect(linesIn()).toHaveLength(2);
    expect(store.rejections({})).toMatchObject([
      { code: 'invalid', index: 1, atMs: THEN_MS, source: 'replay', schemaVersion: 'v2' },
    ]);
    expect(store.rejections({ state: 'resolved' })).toMatchObject([{ resolved: { kind: 'split' } }]);
    expect(store.account().sources.replay).toMatchObject({ received: 3, stored: 2, rejected: 1 });
    theAccountCloses();
    expect(await replayAll(replay)).toMatchObject({ looked: 1, stored: 0, still: 1 });
  });

  it('keeps what another broker said of it: content type and user properties', async () => {
    const tags = { telemetry: { tags: [{ userProperty: 'site' }] } };
    const relay = { contentType: 'application/cbor', userProperties: new Map([['site', 'north']]) };
    const cbor = Buffer.concat([Buffer.of(0xa1, 0x6b), Buffer.from('temperature'), Buffer.of(0x61, 0x35)]);
    await send(cbor, readingsOf(schema({ ...tags, required: ['temperature'] })), { relay });
    expect(store.rejections({})).toMatchObject([{ code: 'invalid', relay }]);
    const text = schema({ ...tags, properties: { temperature: { type: 'string' } } });
    expect(await replayAll(replayUnder(readingsOf(text)))).toMatchObject({ stored: 1 });
    expect(linesIn()).toEqual([expect.stringMatching(/^m,device=kitchen,site=north temperature="5" \d+$/)]);
  });

  it('sends on what it stores, in the group of the reading', async () => {
    await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const took: string[] = [];
    const forwards = createForwards([{ name: 'up', topics: ['#'], send: 'valid', prefix: '' }]);
    const spied: Forwards | null = forwards && {
      ...forwards,
      replayed: (message, readings, outcomes) =>
        took.push(`${message.topic} ${readings.length} ${outcomes[0]?.kind}`),
    };
    const replay = replayUnder(readingsOf(TEXT), {}, NO_SINKS, undefined, spied);
    await replayAll(replay, { dryRun: true });
    expect(took).toEqual([]);
    await replayAll(replay);
    expect(took).toEqual(['t/kitchen 1 stored']);
  });

  it('keeps who sent it: client, user name, device, format', async () => {
    const was = readingsOf(NUMBER);
    await send('21,5', was, { format: '{"csv":{"columns":["temperature"]}}', username: 'u', device: 'port' });
    const seen: Message[] = [];
    const now = readingsOf(TEXT);
    const spying: Readings = {
      route: (topic) => {
        const route = now.route(topic);
        return route === null
          ? null
          : {
              ...route,
              schemas: route.schemas,
              deviceOf: (message) => route.deviceOf(message),
              interpret: (value, message, ...rest) => {
                seen.push(message);
                return route.interpret(value, message, ...rest);
              },
            };
      },
    };
    const [rejection] = store.rejections({});
    await replayAll(replayUnder(spying), { dryRun: true });
    await replayAll(replayUnder(spying));
    for (const message of seen)
      expect(message).toMatchObject({
        client: 'c1',
        username: 'u',
        device: rejection?.device,
        transfer: null,
      });
    // A question moves no counter of the mapping; nobody waits for an answer to either.
    expect(new Set(seen.map(({ source }) => source))).toEqual(
      seen.length === 0 ? new Set() : new Set(['explain', 'replay']),
    );
  });

  it('does not lay to a device what had been laid to its client', async () => {
    const fromPort = schema({ telemetry: { topics: ['nowhere'], device: 'port' } });
    await send('{"temperature":1}', readingsOf(NUMBER), { topic: 'nowhere' });
    expect(store.rejections({})).toMatchObject([{ code: 'no-route', device: 'client:c1' }]);
    expect(await replayAll(replayUnder(readingsOf(fromPort)))).toMatchObject({ stored: 0, still: 1 });
    await send('{"temperature":1}', readingsOf(NUMBER), { topic: 'nowhere', device: 'boiler' });
    expect(await replayAll(replayUnder(readingsOf(fromPort)))).toMatchObject({ stored: 1, still: 1 });
    expect(linesIn()).toEqual([expect.stringMatching(/^m,device=boiler /)]);
  });
});

describe('repeats and ledgers', () => {
  const DUPLICATE: Judgement = { kind: 'duplicate', original: null };

  it('a reading that had been stored after all ends as a duplicate', async () => {
    await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const replay = replayUnder(readingsOf(TEXT), { judge: () => DUPLICATE });
    expect(await replayAll(replay, { dryRun: true })).toMatchObject({ duplicate: 1, stored: 0 });
    expect(await replayAll(replay)).toMatchObject({ duplicate: 1, stored: 0, still: 0 });
    expect(linesIn()).toEqual([]);
    expect(store.rejections({ state: 'resolved' })).toMatchObject([{ resolved: { kind: 'duplicate' } }]);
    theAccountCloses();
  });

  it('a dry run counts repeats among the rejected readings as the replay then does, from page to page', async () => {
    const identified = { telemetry: { identity: ['seq'] } };
    const seq = { type: 'integer' };
    const was = schema({ ...identified, properties: { temperature: { type: 'number' }, seq } });
    const now = schema({ ...identified, properties: { temperature: { type: 'string' }, seq } });
    for (let i = 0; i < 24; i += 1) await send(`{"temperature":"${i}","seq":${i % 9}}`, readingsOf(was));
    // The same name is another reading where another device gives it.
    await send('{"temperature":"1","seq":1}', readingsOf(was), { topic: 't/cellar' });
    const known = new Set<string>();
    const keyOf = ({ device, identity }: Point): string => `${device} ${identity?.high} ${identity?.low}`;
    const replay = replayUnder(readingsOf(now), {
      judge: (point) => (known.has(keyOf(point)) ? DUPLICATE : null),
      keep: (point) => void known.add(keyOf(point)),
    });
    const counts = { looked: 25, stored: 10, duplicate: 15, still: 0 };
    expect(await replayAll(replay, { dryRun: true })).toMatchObject(counts);
    // From the beginning again: the first is forgotten.
    expect(await replayAll(replay, { dryRun: true })).toMatchObject(counts);
    expect(known.size).toBe(0);
    expect(await replayAll(replay)).toMatchObject(counts);
    expect(linesIn()).toHaveLength(10);
  });

  it('a page of a dry run that cannot know the ones before it says that its count is the most', async () => {
    for (let i = 0; i < 3; i += 1) await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const replay = replayUnder(readingsOf(TEXT));
    const page = (after: string | null, run: string | null): Promise<ReplayReport> =>
      replay.page({ kind: 'filter', filter: {} }, { dryRun: true, after, limit: 1, run });
    const first = await page(null, 'a');
    expect(first).toMatchObject({ stored: 1, atMost: false });
    expect(await page(first.next, 'a')).toMatchObject({ stored: 1, atMost: false });
    expect(await page(first.next, null)).toMatchObject({ stored: 1, atMost: true });
    expect(await page(first.next, 'unheard of')).toMatchObject({ stored: 1, atMost: true });
    monotonicMs += 31_000;
    expect(await page(first.next, 'a')).toMatchObject({ stored: 1, atMost: true });
  });

  it('is no repeat of an original that is not stored in the end: the rejection is not given up for it', async () => {
    await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    let failOriginal: (error: Error) => void = () => undefined;
    const original = new Promise<void>((_, reject) => {
      failOriginal = reject;
    });
    const underWay: Judgement[] = [{ kind: 'duplicate', original }];
    const replay = replayUnder(readingsOf(TEXT), {
      judge: () => underWay[0] ?? null,
    });
    const replaying = replayAll(replay);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(store.rejections({})).toHaveLength(1);
    underWay.pop();
    failOriginal(new Error('the disk is full'));
    expect(await replaying).toMatchObject({ stored: 1, duplicate: 0 });
    expect(linesIn()).toHaveLength(1);
    theAccountCloses();
  });

  it('what a ledger objects to stays rejected, for its reason of today', async () => {
    await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const judge = (): Judgement => ({
      kind: 'bad',
      code: 'type-conflict',
      violations: [{ pointer: '/temperature', message: 'is float since device x' }],
    });
    const report = await replayAll(replayUnder(readingsOf(TEXT), { judge }));
    expect(report).toMatchObject({
      still: 1,
      causes: ['type-conflict /temperature is float since device x'],
    });
    expect(store.rejections({})).toMatchObject([{ code: 'invalid', resolved: null }]);
  });

  it('a device was not heard because somebody replays', async () => {
    await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const kept: string[] = [];
    const replay = replayUnder(readingsOf(TEXT), {
      keep: (point) => void kept.push(point.device),
      saw: () => expect.unreachable(),
    });
    await replayAll(replay);
    expect(kept).toEqual(['kitchen']);
  });
});

describe('one at a time', () => {
  it('another is told so until the first has come to its end, or is not heard of any more', async () => {
    for (let i = 0; i < 4; i += 1) await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const replay = replayUnder(readingsOf(TEXT));
    const page = (run: string | null, dryRun = false): Promise<ReplayReport> =>
      replay.page({ kind: 'filter', filter: {} }, { dryRun, after: null, limit: 1, run });
    const both = [page('a'), page('b')];
    await expect(both[1]).rejects.toMatchObject({ code: 'replay-busy' });
    expect(await both[0]).toMatchObject({ stored: 1 });
    await expect(page('b')).rejects.toMatchObject({ code: 'replay-busy' });
    await expect(page(null)).rejects.toMatchObject({ code: 'replay-busy' });
    expect(await page('b', true)).toMatchObject({ stored: 1 });
    expect(await page('a')).toMatchObject({ stored: 1 });
    monotonicMs += 31_000;
    expect(await page(null)).toMatchObject({ stored: 1 });
    expect(await page('b')).toMatchObject({ stored: 1 });
    theAccountCloses();
  });

  it('a store that takes nothing ends it with the store’s own error, and nothing is lost', async () => {
    for (let i = 0; i < 3; i += 1) await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const replay = replayUnder(readingsOf(TEXT));
    const open = store;
    await open.close();
    await expect(replayAll(replay)).rejects.toMatchObject({ code: 'stopping' });
    expect(open.rejections({})).toHaveLength(3);
  });

  it('by id: each once; what is gone, and what was replayed before, is counted', async () => {
    for (let i = 0; i < 3; i += 1) await send('{"temperature":"21.5"}', readingsOf(NUMBER));
    const ids = store.rejections({}).map(({ id }) => id);
    const replay = replayUnder(readingsOf(TEXT));
    const selected = { kind: 'ids', ids: [...ids.slice(0, 2), 'rzzzz', 'nonsense'] } as const;
    const request = { dryRun: false, limit: 2, run: null };
    const first = await replay.page(selected, { ...request, after: null });
    expect(first).toMatchObject({ looked: 2, stored: 2, gone: 0, next: '2' });
    expect(await replay.page(selected, { ...request, after: first.next })).toMatchObject({
      ...{ looked: 2, stored: 0, gone: 2, next: null },
    });
    expect(await replay.page(selected, { ...request, after: null })).toMatchObject({ stored: 0, gone: 2 });
    expect(linesIn()).toHaveLength(2);
  });
});

describe('points that a sink refused', () => {
  const LINES = ['m,device=a f="x" 1\n', 'm,device=b f="y" 2\n', 'm,device=c f="z" 3\n'];

  /** Each of the sinks has refused all of the lines. */
  async function refusedBy(...sinks: readonly string[]): Promise<void> {
    for (const sink of sinks) store.openSink(sink, { maxBacklogBytes: null, whenFull: 'block' });
    const group = store.group();
    for (const line of LINES) {
      group.receive('mqtt', 'a', 1);
      group.count('mqtt', 'a', 'stored', 1);
      group.point(line);
    }
    await group.committed;
    const rejected = LINES.map((line) => ({ line: Buffer.from(line), words: 'conflict', device: null }));
    for (const sink of sinks)
      await store.settle(sink, { throughSeq: store.status().lastSeq, written: 0, rejected });
  }

  it('go to that sink alone, and its ledger says so', async () => {
    await refusedBy('influx', 'other');
    const given: string[] = [];
    const sinks: SinkReplays = (sink) => ({
      replay: async (lines) => {
        given.push(`${sink} ${lines.toString()}`);
        return { written: 2, refused: [{ index: 1, words: 'still a conflict' }] };
      },
    });
    const replay = replayUnder(readingsOf(TEXT), {}, sinks);
    const filter: RejectionFilter = { sink: 'influx' };
    expect(await replayAll(replay, { dryRun: true, filter })).toMatchObject({ written: 3 });
    expect(given).toEqual([]);
    const stored = linesIn().length;
    expect(await replayAll(replay, { filter })).toMatchObject({
      ...{ looked: 3, written: 2, still: 1, stored: 0, causes: ['sink-rejected  still a conflict'] },
    });
    expect(given).toEqual([`influx ${LINES.join('')}`]);
    expect(linesIn()).toHaveLength(stored);
    const ledgers = new Map(store.sinks().map((ledger) => [ledger.name, ledger]));
    expect(ledgers.get('influx')).toMatchObject({ written: 2, rejected: 1 });
    expect(ledgers.get('other')).toMatchObject({ written: 0, rejected: 3 });
    expect(store.rejections({ sink: 'influx' })).toHaveLength(1);
    expect(store.rejections({}).flatMap((each) => replay.today(each))).toEqual([]);
  });

  it('stay, and say why, where their sink is down, gone, or not to be asked', async () => {
    await refusedBy('influx', 'other');
    const sinks: SinkReplays = (sink) =>
      sink === 'other'
        ? { why: 'sink other is not configured any more' }
        : { replay: async () => ({ error: 'the sink is retrying: connection refused' }) };
    const report = await replayAll(replayUnder(readingsOf(TEXT), {}, sinks));
    expect(report).toMatchObject({ looked: 6, written: 0, still: 6 });
    expect(report.causes).toEqual([
      'sink-rejected  the sink is retrying: connection refused',
      'sink-rejected  sink other is not configured any more',
    ]);
    expect(store.rejections({})).toHaveLength(6);
  });
});
