import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import type { Clock } from '../../gateway/contracts.ts';
import { createEvents } from '../../gateway/monitoring/create-events.ts';
import { EVENTS, type EventRule, type Events } from '../../gateway/monitoring/events.ts';

interface Line {
  readonly level: string;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly message: string;
}

function setUp(): { events: Events; lines: Line[]; registry: Registry; passMs: (ms: number) => void } {
  let nowMs = 0;
  const clock: Clock = { nowMs: () => nowMs, monotonicMs: () => nowMs, sleep: async () => undefined };
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
    passMs: (ms) => {
      nowMs += ms;
    },
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
  const { events, lines, registry, passMs } = setUp();
  for (let i = 0; i < 1000; i += 1) events.emit('hook.failed', { hook: 'x', error: `e${i}` });
  expect(lines.map(({ message }) => message)).toEqual(['internal error in x, contained: e0']);
  passMs(10_000);
  events.emit('hook.failed', { hook: 'x', error: 'later' });
  expect(lines[1]).toMatchObject({
    fields: { heldBack: 999 },
    message: 'internal error in x, contained: later (and 999 more like it before)',
  });
  expect(await registry.metrics()).toContain('gateway_events_total{event="hook.failed"} 1001');
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
