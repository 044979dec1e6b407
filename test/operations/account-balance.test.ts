import { expect, test } from 'vitest';
import { balanceOf, imbalanceWords } from '../../gateway/operations/account-balance.ts';
import { watchAccount } from '../../gateway/operations/account-watch.ts';
import type { Account, SinkLedger, Tally } from '../../gateway/store-contract.ts';
import { SINK } from '../commands/fake-operations.ts';
import { LeapingClock } from '../support/leaping-clock.ts';

function tally(received: number, stored: number, rejected = 0): Tally {
  return { received, stored, duplicate: 0, rejected, forwarded: 0, refused: 0 };
}

function accountOf(changes: Partial<Account> = {}): Account {
  return {
    total: tally(12, 10, 2),
    sources: { mqtt: tally(12, 10, 2) },
    devices: new Map([['kitchen', tally(12, 10, 2)]]),
    codes: {
      ...{ undecodable: 0, 'no-route': 0, invalid: 2, 'time-out-of-range': 0, 'type-conflict': 0 },
      ...{ cardinality: 0, 'too-large': 0, 'sink-rejected': 0 },
    },
    rejectedEvicted: 0,
    rejectedReplayed: 0,
    rejectedDiscarded: 0,
    ...changes,
  };
}

test('an account that closes has no imbalance anywhere', () => {
  expect(balanceOf(accountOf(), [SINK])).toEqual({ imbalances: [], sum: 0 });
});

test('each place where readings got lost, or counted twice, is named', () => {
  const lost = accountOf({
    total: tally(13, 10, 2),
    sources: { mqtt: tally(12, 11, 2), replay: tally(1, 0) },
    devices: new Map([['kitchen', tally(13, 10, 2)]]),
  });
  const sink: SinkLedger = { ...SINK, stored: 1203 };
  const { imbalances, sum } = balanceOf(lost, [sink]);
  expect(imbalances).toEqual([
    { scope: 'total', name: '', received: 13, accounted: 12, difference: 1 },
    { scope: 'source', name: 'mqtt', received: 12, accounted: 13, difference: -1 },
    { scope: 'source', name: 'replay', received: 1, accounted: 0, difference: 1 },
    { scope: 'sink', name: 'influx', received: 1203, accounted: 1200, difference: 3 },
    { scope: 'device', name: 'kitchen', received: 13, accounted: 12, difference: 1 },
  ]);
  expect(sum).toBe(7);
  expect(imbalances.map(imbalanceWords)[4]).toBe(
    'device kitchen: received 13, accounted for 12 (difference 1)',
  );
});

test('a bug that touches every device fills no memory, and is counted whole', () => {
  const devices = new Map(Array.from({ length: 5000 }, (_, i) => [`d${i}`, tally(1, 0)] as const));
  const { imbalances, sum } = balanceOf(accountOf({ devices }), []);
  expect([imbalances.length, sum]).toEqual([1000, 5000]);
});

test('it is looked at every minute, and said as an error each time', async () => {
  const clock = new LeapingClock();
  const emitted: unknown[] = [];
  let account = accountOf();
  const stopping = new AbortController();
  const watching = watchAccount(
    {
      store: { account: () => account, sinks: () => [] },
      events: { emit: (name, fields) => emitted.push([name, fields]) },
      clock,
    },
    stopping.signal,
  );
  await clock.pass(61_000);
  expect(emitted).toEqual([]);
  account = accountOf({ total: tally(13, 10, 2) });
  await clock.pass(120_000);
  expect(emitted).toEqual(
    Array.from({ length: 2 }, () => [
      'account.imbalance',
      { difference: 1, places: 1, first: 'in total: received 13, accounted for 12 (difference 1)' },
    ]),
  );
  stopping.abort();
  await watching;
});

test('a look that fails is told, and the next one comes', async () => {
  const clock = new LeapingClock();
  const emitted: string[] = [];
  let looks = 0;
  const stopping = new AbortController();
  const watching = watchAccount(
    {
      store: {
        account() {
          looks += 1;
          throw new Error('the disk');
        },
        sinks: () => [],
      },
      events: { emit: (name) => emitted.push(name) },
      clock,
    },
    stopping.signal,
  );
  await clock.pass(121_000);
  expect(looks).toBe(2);
  expect(emitted).toEqual(['hook.failed', 'hook.failed']);
  stopping.abort();
  await watching;
});
