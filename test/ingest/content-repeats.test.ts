import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Ingest, Message } from '../../gateway/contracts.ts';
import { createFormats } from '../../gateway/formats/formats.ts';
import { createInterpret } from '../../gateway/ingest/interpret.ts';
import { createKeep } from '../../gateway/ingest/keep.ts';
import { createRepeats } from '../../gateway/ingest/repeats.ts';
import { createRetainedReplays } from '../../gateway/ingest/retained-replays.ts';
import { createIngest } from '../../gateway/ingest.ts';
import { GroupsUnderWay } from '../../gateway/ledgers/groups-under-way.ts';
import { Identities } from '../../gateway/ledgers/identities.ts';
import { createTopicsSeen } from '../../gateway/operations/topics-seen.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { TABLES } from '../../gateway/store/storage.ts';
import type { Store } from '../../gateway/store-contract.ts';
import { pendingLines, testDeps } from '../contracts/store-harness.ts';
import { arrival, readingsOf, schema } from '../readings/under-test.ts';
import { ledgersWith } from '../support/no-ledgers.ts';

const SCHEMA = schema({
  telemetry: { time: { property: 'ts', unit: 'ms' } },
  properties: { ts: { type: 'integer' }, temperature: { type: 'number' } },
});
const SINK = 'sink';
/** Before the clock of the tests. */
const SENT_MS = 1_600_000_000_000;
const RELAY = { contentType: null, userProperties: new Map<string, string>() };

/** A gateway over this disk. Its commits fail as `fails` says. */
function gatewayOn(storage: MemoryStorage, fails: () => boolean): { ingest: Ingest; store: Store } {
  const deps = testDeps();
  const { clock } = deps;
  const synced = async (): Promise<void> => {
    if (fails()) throw new Error('the disk fails');
  };
  const store = createMemoryStore({ storage }, { ...deps, synced });
  // Without a sink that waits for them, points are let go.
  store.openSink(SINK, { maxBacklogBytes: null, whenFull: 'block' });
  const identities = new Identities(
    new GroupsUnderWay((error) => {
      throw error;
    }),
  );
  identities.restore(store.identities);
  const repeats = createRepeats(clock);
  repeats.restore(store.transfers);
  const formats = createFormats();
  const ledgers = ledgersWith({
    judge: ({ device, identity }) => (identity === null ? null : identities.judge(device, identity)),
    keep: ({ device, identity }, group) => {
      if (identity !== null) identities.keep(device, identity, group);
    },
  });
  const ingest = createIngest({
    readings: readingsOf(SCHEMA),
    interpret: createInterpret({ formats, maxPayloadBytes: 10_000 }),
    keep: createKeep({ formats, ledgers, versionOf: () => null }),
    store,
    repeats,
    retained: createRetainedReplays(),
    forwards: null,
    homes: null,
    arrival,
    topics: createTopicsSeen(),
    clock,
    unrouted: 'forward',
    maxPayloadBytes: 10_000,
  });
  return { ingest, store };
}

/** What is on disk when the power goes; what was under way is not. */
async function afterPowerCut(storage: MemoryStorage): Promise<MemoryStorage> {
  const copy = new MemoryStorage();
  await copy.commit((writes) => {
    for (const table of TABLES)
      for (const { key, value } of storage.entries(table)) writes.put(table, key, value);
  });
  storage.fail = new Error('the power is gone');
  return copy;
}

function storedIn(store: Store): number[] {
  return pendingLines(store, SINK).map((line) => Number(/temperature=(\d+)/.exec(line)?.[1]));
}

async function quiet(): Promise<void> {
  for (let i = 0; i < 6; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

type Step = 'publish' | 'resend' | 'again' | 'wait' | 'fail' | 'restart';

test('what a broker passes on with a time of its own is stored once, however often it comes, and never lost when acknowledged', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.constantFrom<Step>('publish', 'publish', 'publish', 'resend', 'again', 'wait', 'fail', 'restart'),
        { maxLength: 50 },
      ),
      fc.constantFrom(1 as const, 2 as const),
      async (steps, qos) => {
        let storage = new MemoryStorage();
        let failures = 0;
        let connection = 1;
        let packetId = 0;
        let count = 0;
        const fails = (): boolean => failures > 0 && failures-- > 0;
        let gateway = gatewayOn(storage, fails);
        const acknowledged = new Set<number>();
        /** What the broker has not been acknowledged, by packet id. */
        const open = new Map<number, number>();

        const send = (id: number, value: number, dup: boolean): void => {
          const from = gateway;
          const over = connection;
          const payload = Buffer.from(JSON.stringify({ ts: SENT_MS - value, temperature: value }));
          const message: Message = {
            ...{ source: 'house', topic: 't/kitchen', payload, client: 'broker/house', username: null },
            ...{ device: null, retain: false, address: null, format: null, receipts: false, relay: RELAY },
            transfer: { packetId: id, qos, dup, connection: over },
          };
          try {
            from.ingest.ingest(message).committed.then(
              () => {
                if (from !== gateway || over !== connection) return;
                acknowledged.add(value);
                open.delete(id);
                if (qos === 2) void from.ingest.released('broker/house', id).catch(() => undefined);
              },
              () => {
                if (from === gateway && over === connection) connection += 1;
              },
            );
          } catch {
            connection += 1;
          }
        };
        const publish = (value: number): void => {
          packetId += 1;
          open.set(packetId, value);
          send(packetId, value, false);
        };
        const resendAll = (): void => {
          connection += 1;
          for (const [id, value] of open) send(id, value, true);
        };

        const restart = async (): Promise<void> => {
          storage = await afterPowerCut(storage);
          gateway = gatewayOn(storage, fails);
        };

        for (const step of steps) {
          if (step === 'publish') publish(count++);
          else if (step === 'resend') resendAll();
          // The publisher was cut off from its broker, and sends to it once more.
          else if (step === 'again' && count > 0) publish(count - 1 - (packetId % Math.min(count, 3)));
          else if (step === 'wait') await quiet();
          else if (step === 'fail') failures = 1;
          else if (step === 'restart') await restart();
        }
        failures = 0;
        await restart();
        resendAll();
        await quiet();

        expect(open.size).toBe(0);
        expect(acknowledged.size).toBe(count);
        expect(storedIn(gateway.store).sort((a, b) => a - b)).toEqual([...Array(count).keys()]);
      },
    ),
    { numRuns: 100 },
  );
}, 60_000);
