import { expect, test } from 'vitest';
import type { RejectionCode } from '../../gateway/contracts.ts';
import { filterOf, parseMoment, selectedBy } from '../../gateway/operations/rejected-query.ts';
import { CauseCounter } from '../../gateway/operations/rejection-causes.ts';
import type { Rejection } from '../../gateway/store-contract.ts';

function rejectionOf(id: string, message: string, changes: Partial<Rejection> = {}): Rejection {
  return {
    id,
    code: 'invalid',
    source: 'mqtt',
    topic: 't',
    client: 'c',
    device: 'd',
    schema: 's.v1',
    index: null,
    atMs: 1000,
    payload: Buffer.from('{}'),
    violations: [{ pointer: '/a', message }],
    sink: null,
    username: null,
    format: null,
    relay: null,
    schemaVersion: null,
    resolved: null,
    ...changes,
  };
}

function causesIn(...rejections: readonly Rejection[]): ReturnType<CauseCounter['list']> {
  const counter = new CauseCounter();
  for (const each of rejections) counter.add(each);
  return counter.list();
}

test.each<[RejectionCode, string, string, string]>([
  [
    'invalid',
    'must be number, got string "21.5"',
    'must be number, got string "x, got 7"',
    'must be number, got a string',
  ],
  [
    'invalid',
    'the only one is declared missing: got string "nan"',
    'the only one is declared missing: got string "unavailable"',
    'the only one is declared missing: got a string',
  ],
  [
    'invalid',
    'must be <= 125, got number 999',
    'must be <= 125, got number 1e300',
    'must be <= 125, got a number',
  ],
  [
    'invalid',
    'must be array, got an array of 3',
    'must be array, got an array of 9',
    'must be array, got an array',
  ],
  ['undecodable', 'not JSON at byte 17: "{x"', 'not JSON at byte 3: "}"', 'not JSON at byte N: "…"'],
  [
    'time-out-of-range',
    "is 2026-03-01T13:02:03.500Z, more than 1h ahead of this gateway's clock (2026-03-01T12:00:00.000Z)",
    "is a time beyond the calendar, more than 1h ahead of this gateway's clock (2026-03-01T12:00:07.000Z)",
    "is more than 1h ahead of this gateway's clock",
  ],
  [
    'time-out-of-range',
    'is 1970-01-21T12:19:26.400Z, before 2000-01-01T00:00:00.000Z; in ms it would be 2026-03-01T12:00:00.000Z: check telemetry.time.unit',
    'is 1970-01-21T12:19:26.401Z, before 2000-01-01T00:00:00.000Z; in ms it would be 2026-03-01T12:00:01.000Z: check telemetry.time.unit',
    'is before 2000-01-01T00:00:00.000Z; in ms it would be right: check telemetry.time.unit',
  ],
  [
    'time-out-of-range',
    'is 2026-03-01T09:00:00.000Z, 3 h 0 min behind its arrival, more than telemetry.time.tolerance; the clock of this device: 3 h 0 min behind',
    'is 2026-03-01T09:05:00.000Z, 12 d 4 h behind its arrival, more than telemetry.time.tolerance',
    'is behind its arrival, more than telemetry.time.tolerance',
  ],
  [
    'sink-rejected',
    "conflict on 'a' at 2026-03-01T12:00:00Z",
    "conflict on 'b' at 2025-01-01T00:00:00Z",
    "conflict on '…' at N",
  ],
])('%s: what differs from reading to reading does not tell causes apart', (code, one, two, message) => {
  const causes = causesIn(rejectionOf('r1', one, { code }), rejectionOf('r2', two, { code }));
  expect(causes).toMatchObject([{ message, count: 2, example: { id: 'r1' } }]);
});

test('what tells of another cause does', () => {
  const causes = causesIn(
    rejectionOf('r1', 'must be <= 125, got number 999'),
    rejectionOf('r2', 'must be <= 60, got number 999'),
    rejectionOf('r3', 'must be <= 125, got number 999', { schema: 's.v2' }),
    rejectionOf('r4', 'must be <= 125, got number 999', { code: 'time-out-of-range' }),
    rejectionOf('r5', 'must be <= 125, got number 999', { sink: 'influx' }),
  );
  expect(causes).toHaveLength(5);
  const places = ['/samples/3/t', '/samples/17/t', '/samples/17/u'].map((pointer, i) =>
    rejectionOf(`r${i}`, 'no', { violations: [{ pointer, message: 'no' }] }),
  );
  expect(causesIn(...places).map(({ pointer, count }) => [pointer, count])).toEqual([
    ['/samples/*/t', 2],
    ['/samples/*/u', 1],
  ]);
});

test('a cause says who and when, most frequent first, also put together from parts', () => {
  const parts = [
    causesIn(rejectionOf('r1', 'rare'), rejectionOf('r2', 'often', { atMs: 500, device: 'e' })),
    causesIn(rejectionOf('r3', 'often', { atMs: 900 }), rejectionOf('r4', 'often', { device: null })),
  ];
  const counter = new CauseCounter();
  for (const part of parts) counter.merge(part);
  expect(counter.list()).toMatchObject([
    { message: 'often', count: 3, devices: ['e', 'd'], moreDevices: false, firstMs: 500, lastMs: 1000 },
    { message: 'rare', count: 1, example: { id: 'r1', message: 'rare', payload: '{}' } },
  ]);
});

test('senders who invent causes and devices fill no memory', () => {
  const counter = new CauseCounter();
  for (let i = 0; i < 3000; i += 1) {
    counter.add(rejectionOf(`r${i}`, `${'x'.repeat(i % 7)}é${String.fromCodePoint(0x4e00 + i)}`));
    counter.add(rejectionOf(`q${i}`, 'same', { device: `d${i}`, schema: null }));
  }
  const causes = counter.list();
  expect(causes).toHaveLength(1000);
  expect(causes[0]).toMatchObject({ message: 'same', count: 3000, moreDevices: true });
  expect(causes[0]?.devices).toHaveLength(100);
  expect(causes.reduce((sum, { count }) => sum + count, 0) + counter.others).toBe(6000);
});

test('a time is a moment of ISO 8601, or how long ago', () => {
  const nowMs = Date.UTC(2026, 2, 1, 12);
  expect(parseMoment('2h', nowMs)).toBe(nowMs - 7_200_000);
  expect(parseMoment('7d', nowMs)).toBe(nowMs - 7 * 86_400_000);
  expect(parseMoment('2026-03-01', nowMs)).toBe(Date.UTC(2026, 2, 1));
  expect(parseMoment('2026-03-01T12:00Z', nowMs)).toBe(nowMs);
  expect(parseMoment('2026-03-01 12:00:00.5+01:00', nowMs)).toBe(nowMs - 3_600_000 + 500);
  for (const text of [
    '',
    'yesterday',
    '2026-03-01T12:00',
    '12',
    '2026-13-01',
    '999999999999999d',
    '5 parsecs',
  ])
    expect(() => parseMoment(text, nowMs), text).toThrow(expect.objectContaining({ code: 'usage' }));
  expect(filterOf({ device: 'd', since: '1h', until: '2026-03-01' }, nowMs)).toEqual({
    device: 'd',
    sinceMs: nowMs - 3_600_000,
    untilMs: Date.UTC(2026, 2, 1),
  });
});

test('to choose nothing is not to choose everything', () => {
  for (const selection of [
    {},
    { filter: {} },
    { filter: { limit: 5 } },
    { ids: [] },
    { ids: ['r1'], all: true },
  ])
    expect(() => selectedBy(selection, 0), JSON.stringify(selection)).toThrow(
      expect.objectContaining({ code: 'usage' }),
    );
  expect(selectedBy({ all: true }, 0)).toEqual({ kind: 'filter', filter: {} });
  expect(selectedBy({ filter: { code: 'invalid' } }, 0)).toEqual({
    kind: 'filter',
    filter: { code: 'invalid' },
  });
  expect(selectedBy({ ids: ['r1', 'r2', 'r1'] }, 0)).toEqual({ kind: 'ids', ids: ['r1', 'r2'] });
});
