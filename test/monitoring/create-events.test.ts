import { setImmediate as turn } from 'node:timers/promises';
import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Clock } from '../../gateway/contracts.ts';
import { createEvents, type LoggedEvents } from '../../gateway/monitoring/create-events.ts';
import { EVENTS, type EventRule } from '../../gateway/monitoring/events.ts';

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

/** Time passes by hand. */
class HandClock implements Clock {
  #ms = 0;
  #sleepers: {
    readonly dueMs: number;
    readonly wake: () => void;
    readonly signal: AbortSignal | undefined;
  }[] = [];

  nowMs = (): number => this.#ms;
  monotonicMs = (): number => this.#ms;
  sleep = (ms: number, signal?: AbortSignal): Promise<void> =>
    new Promise((wake) => {
      this.#sleepers.push({ dueMs: this.#ms + ms, wake, signal });
      signal?.addEventListener('abort', () => wake(), { once: true });
    });

  get sleepers(): readonly unknown[] {
    return this.#sleepers.filter(({ signal }) => signal?.aborted !== true);
  }

  /** Nobody is woken yet. */
  skip(ms: number): void {
    this.#ms += ms;
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.#ms + ms;
    for (;;) {
      const [next] = this.#sleepers.toSorted((a, b) => a.dueMs - b.dueMs);
      if (next === undefined || next.dueMs > endMs) break;
      this.#ms = Math.max(this.#ms, next.dueMs);
      this.#sleepers = this.#sleepers.filter((each) => each !== next);
      next.wake();
      await turn();
    }
    this.#ms = endMs;
  }
}

interface SetUp {
  readonly events: LoggedEvents;
  readonly lines: Line[];
  readonly registry: Registry;
  readonly clock: HandClock;
  messages(): string[];
}

function setUp(): SetUp {
  const clock = new HandClock();
  const lines: Line[] = [];
  const keep =
    (level: string) =>
    (fields: Readonly<Record<string, unknown>>, message: string): void => {
      lines.push({ level, fields, message });
    };
  const log = { debug: keep('debug'), info: keep('info'), warn: keep('warn'), error: keep('error') };
  const registry = new Registry();
  return {
    events: createEvents(log, registry, clock),
    lines,
    registry,
    clock,
    messages: () => lines.map(({ message }) => message),
  };
}

test('an event is one line, in words and in fields, and one count', async () => {
  const { events, lines, registry } = setUp();
  events.emit('gateway.stopping', { reason: 'SIGTERM' });
  expect(lines).toEqual([
    { level: 'info', fields: { event: 'gateway.stopping', reason: 'SIGTERM' }, message: 'stopping: SIGTERM' },
  ]);
  expect(await registry.metrics()).toContain('gateway_events_total{event="gateway.stopping"} 1');
});

test('a flood is counted in full, logged in part, and the next line says how many were held back', async () => {
  const { events, lines, registry, clock } = setUp();
  for (let i = 0; i < 1000; i += 1) events.emit('hook.failed', { hook: 'x', error: `e${i}` });
  expect(lines.map(({ message }) => message)).toEqual(['internal error in x, contained: e0']);
  clock.skip(10_000);
  events.emit('hook.failed', { hook: 'x', error: 'later' });
  expect(lines[1]).toMatchObject({
    fields: { heldBack: 999 },
    message: 'internal error in x, contained: later (and 999 more like it before)',
  });
  expect(await registry.metrics()).toContain('gateway_events_total{event="hook.failed"} 1001');
});

test('what was held back of a burst is told when its time is over, though nothing more comes', async () => {
  const { events, lines, clock, messages } = setUp();
  for (let points = 1; points <= 9; points += 1) events.emit('store.dropped', { points, sink: 'a' });
  await clock.pass(9_999);
  expect(messages()).toHaveLength(1);
  expect(clock.sleepers.length).toBe(1);
  await clock.pass(1);
  expect(messages()).toEqual([
    '1 points that sink a did not have yet made room for newer ones',
    '9 points that sink a did not have yet made room for newer ones (10 s ago, and 7 more like it before)',
  ]);
  expect(lines[1]?.fields).toEqual({
    event: 'store.dropped',
    points: 9,
    sink: 'a',
    heldBack: 7,
    agoSeconds: 10,
  });
  expect(clock.sleepers.length).toBe(0);
  await clock.pass(3_000);
  events.emit('store.dropped', { points: 10, sink: 'a' });
  await clock.pass(7_000);
  expect(messages()).toEqual([
    ...messages().slice(0, 2),
    '10 points that sink a did not have yet made room for newer ones (7 s ago)',
  ]);
});

test('a flood that goes on is one line in each ten seconds, not two', async () => {
  const { events, clock, messages } = setUp();
  for (let i = 0; i < 100; i += 1) {
    events.emit('mqtt.retained-full');
    await clock.pass(1_000);
  }
  expect(messages().length).toBeLessThanOrEqual(11);
  const told = messages().map((text) => 1 + Number(/and (\d+) more/.exec(text)?.[1] ?? 0));
  expect(told.reduce((sum, each) => sum + each, 0)).toBeGreaterThanOrEqual(90);
});

test('trouble with one broker, forward or sink hides none with another', () => {
  const { events, messages } = setUp();
  for (const broker of ['north', 'south'])
    for (let i = 0; i < 3; i += 1)
      events.emit('broker.cannot-connect', { broker, address: 'h', reason: 'nobody listens' });
  for (const forward of ['a', 'b', 'a', 'b'])
    events.emit('forward.lost', { forward, url: 'mqtt://h', reason: 'cut' });
  for (const field of ['t', 'rh'])
    events.emit('types.differ', { sink: 's', field, measurement: 'm', held: 'float', type: 'string' });
  expect(messages().map((text) => /(?:broker|forward|field) (\w+)/.exec(text)?.[1])).toEqual([
    ...['north', 'south', 'a', 'b', 't', 'rh'],
  ]);
});

test('names that senders choose cannot fill the log, nor the memory, and whoever comes later is told of again', async () => {
  const { events, clock, messages } = setUp();
  for (let i = 0; i < 10_000; i += 1)
    events.emit('mqtt.client-refused', {
      client: `c${i}`,
      address: `10.0.${i >> 8}.${i & 255}`,
      reason: 'no',
    });
  expect(messages()).toHaveLength(1);
  for (let i = 0; i < 10_000; i += 1) events.emit('types.conflict', { device: `d${i}`, words: 'no' });
  expect(messages()).toHaveLength(1 + 32 + 1);
  expect(clock.sleepers.length).toBe(1);
  await clock.pass(10_000);
  expect(messages().slice(34)).toEqual([
    expect.stringContaining('(10 s ago, and 9998 more like it before)'),
    expect.stringMatching(/device d9999 .*\(10 s ago, and 9966 more like it before\)$/),
  ]);
  events.emit('types.conflict', { device: 'late', words: 'no' });
  events.emit('types.conflict', { device: 'later', words: 'no' });
  expect(messages().slice(36)).toEqual([
    expect.stringContaining('device late '),
    expect.stringContaining('device later '),
  ]);
});

test('the shorter of two times ends when it is over, whichever began first, with one timer for both', async () => {
  const { events, clock, messages } = setUp();
  for (const granted of [1, 2]) events.emit('broker.session-shortened', { broker: 'b', granted, asked: 9 });
  for (const hook of ['x', 'x']) events.emit('hook.failed', { hook, error: 'e' });
  expect(clock.sleepers.length).toBe(1);
  await clock.pass(10_000);
  expect(messages().map((text) => text.slice(0, 14))).toEqual([
    ...['broker b keeps', 'internal error', 'internal error'],
  ]);
  await clock.pass(3_590_000);
  expect(messages()[3]).toContain('for 2 s while');
});

test('a stop tells at once what is held back, before its last line, and leaves no timer', async () => {
  const { events, clock, messages } = setUp();
  for (const error of ['1', '2', '3']) events.emit('hook.failed', { hook: 'x', error });
  events.emit('gateway.stopped');
  events.stop();
  expect(clock.sleepers.length).toBe(0);
  expect(messages()).toEqual([
    'internal error in x, contained: 1',
    'internal error in x, contained: 3 (and 1 more like it before)',
    'stopped',
  ]);
});

test('a sender’s words cannot break out of the line, nor fill the log', () => {
  const { events, lines } = setUp();
  events.emit('hook.failed', { hook: 'a\nb\u001b[31m', error: 'x'.repeat(100_000) });
  expect(lines[0]?.message).toMatch(/^internal error in a\\nb\\x1b\[31m, contained: x{512}…$/);
});

test('each event’s text has its fields in braces only', () => {
  for (const [name, { text }] of Object.entries<EventRule>(EVENTS)) {
    expect(text, name).not.toMatch(/[{}](?<!\{)(?<!\w\})/);
    expect(text.replace(/\{\w+\}/g, ''), name).not.toMatch(/[{}\n]/);
  }
});
