import {
  createForwarder,
  type Forwarder,
  type ForwarderDeps,
  type ForwardOptions,
} from '../../gateway/forwards/forwarder.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Outbox, Store } from '../../gateway/store-contract.ts';
import { type TestDeps, testDeps } from '../contracts/store-harness.ts';
import { CONNECTION } from '../support/broker-connection.ts';
import { ScriptedBroker } from './scripted-broker.ts';

export interface Bench {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly broker: ScriptedBroker;
  readonly forwarder: Forwarder;
  readonly deps: TestDeps;
  readonly storage: MemoryStorage;
}

/** A forwarder between a store in memory and a broker that is moved by hand. */
export function bench(
  given: Partial<ForwardOptions> = {},
  storage = new MemoryStorage(),
  more: Pick<ForwarderDeps, 'largestTaken'> = {},
): Bench {
  const deps = testDeps();
  const store = createMemoryStore({ storage }, deps);
  const outbox = store.openOutbox('up', { maxBacklogBytes: 2 ** 30, whenFull: 'block' });
  const broker = new ScriptedBroker();
  const forwarder = createForwarder(
    {
      name: 'up',
      connection: CONNECTION,
      topics: ['#'],
      prefix: '',
      retain: false,
      maxInFlight: 10,
      givesUp: true,
      ...given,
    },
    { outbox, connect: broker.connect, events: deps.events, clock: deps.clock, random: () => 0.5, ...more },
  );
  forwarder.start();
  return { store, outbox, broker, forwarder, deps, storage };
}

export async function put(store: Store, texts: readonly string[], topic = 't'): Promise<void> {
  const group = store.group();
  for (const text of texts) group.forward('up', topic, Buffer.from(text));
  await group.committed;
  await quiet();
}

/** Lets everything happen that was begun. */
export async function quiet(): Promise<void> {
  for (let i = 0; i < 12; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** How far it is has been written, however lately that was done the last time. */
export async function noted({ clock }: TestDeps): Promise<void> {
  await quiet();
  clock.advance(1_000);
  await quiet();
}

export const upTo = (n: number, from = 0): string[] =>
  Array.from({ length: n - from }, (_, i) => String(from + i));

/**
 * One connection to a broker that acknowledges one by one, and cuts at what it `cannotTake`, or as soon as it has lasted
 * `lastsMs`. Ends with the connection, or, still connected, when nothing has come for two minutes.
 */
export async function connectionOf(
  { broker, deps: { clock } }: Pick<Bench, 'broker' | 'deps'>,
  cannotTake: (text: string) => boolean,
  lastsMs = Number.POSITIVE_INFINITY,
): Promise<'cut' | 'lasts'> {
  const untilMs = clock.nowMs() + lastsMs;
  broker.open();
  for (let idleMs = 0; idleMs < 120_000; ) {
    await quiet();
    const [first] = broker.unanswered;
    const isOver = clock.nowMs() >= untilMs;
    if (isOver || (first !== undefined && cannotTake(first.payload))) {
      if (!isOver) clock.advance(50);
      broker.cut('the broker closed the connection');
      await quiet();
      return 'cut';
    }
    if (first === undefined) {
      clock.advance(1_000);
      idleMs += 1_000;
    } else {
      // It takes its time.
      clock.advance(50);
      if (clock.nowMs() < untilMs) broker.acknowledge(1);
      idleMs = 0;
    }
  }
  broker.cut('the test is over');
  return 'lasts';
}
