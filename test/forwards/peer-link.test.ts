import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Bench, bench, connectionOf, noted, put, quiet, upTo } from './forwarder-bench.ts';

const NOT_AUTHORISED = 0x87;
/** As `peers:` has it. */
const PEER = { givesUp: false, topics: [], maxInFlight: 1000 };

/** The other side ends the connection soon after it was sent something, `times` over. */
async function endConnections({ broker, deps }: Bench, times: number): Promise<void> {
  for (let i = 0; i < times; i += 1) {
    broker.open();
    deps.clock.advance(50);
    broker.cut('the broker closed the connection');
    await quiet();
  }
}

async function acknowledgeAll({ broker, deps }: Bench): Promise<void> {
  broker.open();
  while (broker.unanswered.length > 0) {
    broker.acknowledge(1);
    await quiet();
  }
  await noted(deps);
}

describe('what waits for a peer', () => {
  it('is never given up, though it ends the connection at the same message fifty times', async () => {
    const link = bench(PEER);
    const { store, broker, outbox, deps } = link;
    await put(store, ['deadly', ...upTo(5)]);
    await endConnections(link, 50);
    expect(outbox.ledger()).toMatchObject({ taken: 6, sent: 0, dropped: 0, pending: 6 });
    expect(deps.events.count('forward.refused-message')).toBe(0);
    expect(broker.texts.filter((text) => text === 'deadly')).toHaveLength(50);
    broker.sent.length = 0;
    await acknowledgeAll(link);
    expect(broker.texts).toEqual(['deadly', ...upTo(5)]);
    expect(outbox.ledger()).toMatchObject({ sent: 6, dropped: 0, pending: 0 });
  });

  it('is given up where it is for a forward like any other', async () => {
    const link = bench({ ...PEER, givesUp: true, topics: ['#'] });
    await put(link.store, ['deadly', ...upTo(5).map((text) => text.padEnd(6))]);
    for (let i = 0; i < 20; i += 1) await connectionOf(link, (text) => text === 'deadly');
    expect(link.deps.events.count('forward.refused-message')).toBe(1);
    await noted(link.deps);
    expect(link.outbox.ledger()).toMatchObject({ sent: 5, dropped: 1, pending: 0 });
  });

  it('waits where it is not authorised, though no filter of a configuration says that it is wanted', async () => {
    const link = bench(PEER);
    const { store, broker, outbox, forwarder, deps } = link;
    await put(store, upTo(3));
    broker.open();
    broker.refuse(NOT_AUTHORISED, 'not authorised');
    await quiet();
    expect(forwarder.status()).toMatchObject({ state: 'refused', pending: 3, dropped: 0 });
    deps.clock.advance(60_000);
    await quiet();
    broker.cut('sent again');
    broker.sent.length = 0;
    await acknowledgeAll(link);
    expect(broker.texts).toEqual(upTo(3));
    expect(outbox.ledger()).toMatchObject({ sent: 3, dropped: 0, pending: 0 });
  });

  it('property: comes there in order, however the connection ends, and is never dropped', async () => {
    const step = fc.constantFrom('cut' as const, 'cut' as const, 'acknowledge' as const, 'put' as const);
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const link = bench(PEER);
        const { store, broker, outbox } = link;
        let count = 0;
        broker.open();
        for (const each of steps) {
          if (each === 'put') {
            await put(store, [String(count)]);
            count += 1;
          } else if (each === 'acknowledge') {
            broker.acknowledge(1);
            await quiet();
          } else {
            broker.cut('gone');
            await quiet();
            broker.open();
          }
        }
        broker.cut('gone');
        await acknowledgeAll(link);
        expect([...new Set(broker.texts)]).toEqual(upTo(count));
        expect(outbox.ledger()).toMatchObject({ taken: count, sent: count, dropped: 0, pending: 0 });
      }),
      { numRuns: 50 },
    );
  });
});
