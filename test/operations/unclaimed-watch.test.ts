import { expect, test } from 'vitest';
import { watchUnclaimed } from '../../gateway/operations/unclaimed-watch.ts';
import type { Account, Tally } from '../../gateway/store-contract.ts';
import { LeapingClock } from '../support/leaping-clock.ts';

function accountOf(sources: Record<string, Tally>): Account {
  return {
    total: tally(0, 0),
    sources,
    devices: new Map(),
    codes: {
      ...{ undecodable: 0, 'no-route': 0, invalid: 0, 'time-out-of-range': 0, 'type-conflict': 0 },
      ...{ cardinality: 0, 'too-large': 0, 'sink-rejected': 0 },
    },
    rejectedEvicted: 0,
    rejectedReplayed: 0,
    rejectedDiscarded: 0,
  };
}

function tally(forwarded: number, stored: number): Tally {
  return { received: forwarded + stored, stored, duplicate: 0, rejected: 0, forwarded, refused: 0 };
}

test('a broker whose messages no schema claims is told of once, one that brings a reading is not', async () => {
  const clock = new LeapingClock();
  const emitted: unknown[] = [];
  // What came before the start does not count.
  let account = accountOf({ house: tally(0, 7), site: tally(3, 0) });
  const stopping = new AbortController();
  const watching = watchUnclaimed(
    {
      store: { account: () => account },
      brokers: ['house', 'site', 'quiet'],
      events: { emit: (name, fields) => emitted.push([name, fields]) },
      clock,
    },
    stopping.signal,
  );
  await clock.pass(61_000);
  expect(emitted).toEqual([]);
  account = accountOf({ house: tally(5, 7), site: tally(9, 1) });
  await clock.pass(60_000);
  expect(emitted).toEqual([['broker.unclaimed', { broker: 'house', messages: 5 }]]);
  account = accountOf({ house: tally(50, 7), site: tally(90, 1) });
  await clock.pass(120_000);
  expect(emitted).toHaveLength(1);
  stopping.abort();
  await watching;
});

test('it ends by itself where no broker is read', async () => {
  const stopping = new AbortController();
  await watchUnclaimed(
    {
      store: { account: () => accountOf({}) },
      brokers: [],
      events: { emit: () => undefined },
      clock: new LeapingClock(),
    },
    stopping.signal,
  );
});
