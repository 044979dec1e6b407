import { expect, test } from 'vitest';
import { forwardTroubles } from '../../gateway/operations/forward-troubles.ts';
import type { ForwardStatus } from '../../gateway/operations-contract.ts';

const NOW_MS = Date.UTC(2026, 0, 2);

const WAITING: ForwardStatus = {
  ...{ name: 'cloud', taken: 9, sent: 2, dropped: 0, pending: 7, pendingBytes: 700, configured: true },
  ...{ url: 'mqtt://h', state: 'connected', reason: null },
  oldestPendingMs: NOW_MS - 34_500,
  sinceMs: NOW_MS - 3_600_000,
  lastSentMs: NOW_MS - 34_500,
};

test('a forward that is not connected is told of: since when, why', () => {
  const away: ForwardStatus = {
    ...WAITING,
    ...{ state: 'retrying', reason: 'nobody listens', sinceMs: NOW_MS },
  };
  expect(forwardTroubles(away, NOW_MS)).toEqual([
    'forward cloud is retrying since 2026-01-02T00:00:00.000Z: nobody listens',
  ]);
  expect(forwardTroubles({ ...away, state: 'refused', reason: null }, NOW_MS)).toEqual([
    'forward cloud is refused since 2026-01-02T00:00:00.000Z: no reason given',
  ]);
  expect(forwardTroubles({ ...away, state: 'stopped' }, NOW_MS)).toEqual([]);
});

test('one that is still connecting is told of when that takes longer than it should', () => {
  const connecting: ForwardStatus = { ...WAITING, state: 'connecting', sinceMs: NOW_MS - 5_001 };
  expect(forwardTroubles(connecting, NOW_MS)).toEqual([
    'forward cloud is connecting since 2026-01-01T23:59:54.999Z: it has not answered yet',
  ]);
  expect(forwardTroubles(connecting, NOW_MS - 1)).toEqual([]);
});

test('one that is connected and acknowledges nothing of what waits is told of after half a minute', () => {
  const words = 'forward cloud is connected, but has not answered for 34 s; 7 messages wait';
  expect(forwardTroubles(WAITING, NOW_MS)).toEqual([words]);
  expect(forwardTroubles({ ...WAITING, lastSentMs: null }, NOW_MS)).toEqual([words]);
  expect(forwardTroubles(WAITING, NOW_MS - 5_000)).toEqual([]);
});

test.each([
  ['nothing waits', { pending: 0, oldestPendingMs: null }],
  ['it gets on with a long backlog', { oldestPendingMs: NOW_MS - 86_400_000, lastSentMs: NOW_MS - 200 }],
  ['it is connected anew', { sinceMs: NOW_MS - 1_000, lastSentMs: NOW_MS - 86_400_000 }],
  ['what waits has only just come', { oldestPendingMs: NOW_MS - 10, lastSentMs: NOW_MS - 86_400_000 }],
])('it is not taken for silent where %s', (_, changes) => {
  expect(forwardTroubles({ ...WAITING, ...changes }, NOW_MS)).toEqual([]);
});
