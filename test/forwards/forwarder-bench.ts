import { createForwarder, type Forwarder, type ForwardOptions } from '../../gateway/forwards/forwarder.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import type { Outbox, Store } from '../../gateway/store-contract.ts';
import { type TestDeps, testDeps } from '../contracts/store-harness.ts';
import { CONNECTION, ScriptedBroker } from './scripted-broker.ts';

export interface Bench {
  readonly store: Store;
  readonly outbox: Outbox;
  readonly broker: ScriptedBroker;
  readonly forwarder: Forwarder;
  readonly deps: TestDeps;
  readonly storage: MemoryStorage;
}

/** A forwarder between a store in memory and a broker that is moved by hand. */
export function bench(given: Partial<ForwardOptions> = {}, storage = new MemoryStorage()): Bench {
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
    { outbox, connect: broker.connect, events: deps.events, clock: deps.clock, random: () => 0.5 },
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
