import { expect, it } from 'vitest';
import { DeliveryLoop } from '../gateway/delivery.ts';
import { createMemoryStore } from '../gateway/store/memory-store.ts';
import { RecordedEvents } from './contracts/store-harness.ts';
import { LeapingClock } from './support/leaping-clock.ts';

it('delivers what waited for its time as soon as the clock is set, without anything new arriving', async () => {
  const clock = new LeapingClock();
  const store = createMemoryStore({}, { clock, events: new RecordedEvents() });
  store.openSink('a', { maxBacklogBytes: null, whenFull: 'block' });
  const written: string[] = [];
  const loop = new DeliveryLoop(
    {
      sink: {
        open: async () => null,
        write: async (lines) => {
          written.push(lines.toString());
          return { kind: 'written' };
        },
        close: async () => undefined,
      },
      reader: store.reader(),
      clock,
      ports: {
        settle: (settlement) => store.settle('a', settlement),
        report: () => undefined,
        wrote: () => undefined,
        emit: () => undefined,
      },
    },
    {
      name: 'a',
      storeId: store.id,
      cursor: 0,
      throughSeq: 0,
      batch: { maxPoints: 1000, maxBytes: 1e6, maxAgeMs: 1000 },
    },
  );
  store.onCommit((seq) => loop.wake(seq));
  const running = loop.run();
  for (const ns of ['5', '6']) {
    const group = store.group();
    group.markProvisional();
    group.point(`m v=1 ${ns}\n`);
    await group.committed;
  }
  await clock.pass(60_000);
  expect(written).toEqual([]);
  expect(store.sinks()[0]).toMatchObject({ written: 0, pending: 2 });
  await store.setArrivalBase('1700000000000000000');
  await clock.until(() => store.sinks()[0]?.pending === 0);
  expect(written.join('')).toBe('m v=1 1700000000000000005\nm v=1 1700000000000000006\n');
  expect(store.sinks()[0]).toMatchObject({ written: 2, rejected: 0, dropped: 0 });
  loop.stop(1000);
  await running;
});
