import { afterEach } from 'vitest';
import type { Clock } from '../../../../gateway/contracts.ts';
import type { EventFields, EventName, Events } from '../../../../gateway/monitoring/events.ts';
import type { MqttLimits } from '../../../../gateway/sources/mqtt-broker/limits.ts';
import {
  createMqttBroker,
  type MqttBroker,
  type MqttBrokerDeps,
} from '../../../../gateway/sources/mqtt-broker.ts';
import { FakeIngest } from './fake-ingest.ts';
import { type ConnectOptions, RawClient } from './raw-client.ts';

export class RecordedEvents implements Events {
  readonly all: { readonly name: EventName; readonly fields: EventFields }[] = [];

  emit(name: EventName, fields: EventFields = {}): void {
    if (this.all.length < 10_000) this.all.push({ name, fields });
  }

  named(name: EventName): EventFields[] {
    return this.all.filter((event) => event.name === name).map(({ fields }) => fields);
  }
}

/** A clock that stands still until it is moved; whoever sleeps wakes when its time has come. */
export class HeldClock implements Clock {
  #nowMs = 1_000_000;
  readonly #sleepers = new Set<{ atMs: number; wake: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(sleeper);
        signal?.removeEventListener('abort', wake);
        resolve();
      };
      const sleeper = { atMs: this.#nowMs + ms, wake };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', wake);
    });
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.atMs <= this.#nowMs) sleeper.wake();
    }
  }
}

export interface Harness {
  readonly broker: MqttBroker;
  readonly ingest: FakeIngest;
  readonly events: RecordedEvents;
  readonly clock: HeldClock;
  readonly port: number;
  /** A socket that has said nothing yet. */
  socket(): Promise<RawClient>;
  /** A client that was let in. */
  connect(clientId: string, options?: ConnectOptions): Promise<RawClient>;
  stop(): Promise<void>;
}

const running: Harness[] = [];
afterEach(async () => {
  for (const harness of running.splice(0)) await harness.stop();
});

/** A broker on a port of the system's choice. It and its clients end with the test. */
export async function startBroker(
  limits: Partial<MqttLimits> = {},
  observers: readonly string[] = [],
  takeDownlink?: MqttBrokerDeps['takeDownlink'],
  peers: readonly string[] = [],
  sayHello?: MqttBrokerDeps['sayHello'],
): Promise<Harness> {
  const ingest = new FakeIngest();
  const events = new RecordedEvents();
  const clock = new HeldClock();
  const broker = createMqttBroker(
    { listeners: [{ host: '127.0.0.1', port: 0 }], limits, observers },
    {
      ...{ ingest, events, clock, peers: new Set(peers) },
      ...(takeDownlink === undefined ? {} : { takeDownlink }),
      ...(sayHello === undefined ? {} : { sayHello }),
    },
  );
  await broker.start();
  const port = broker.addresses()[0]?.port ?? 0;
  const clients: RawClient[] = [];
  const socket = async (): Promise<RawClient> => {
    const client = await RawClient.open(port);
    clients.push(client);
    return client;
  };
  const harness: Harness = {
    broker,
    ingest,
    events,
    clock,
    port,
    socket,
    async connect(clientId, options) {
      const client = await socket();
      client.sendConnect(clientId, options);
      await client.next('connack');
      return client;
    },
    async stop() {
      for (const client of clients) client.destroy();
      const stopped = broker.stop(0);
      await settle();
      clock.advance(60_000);
      await stopped;
    },
  };
  running.push(harness);
  return harness;
}

/** Lets everything that is under way on this machine arrive. */
export async function settle(turns = 20): Promise<void> {
  for (let i = 0; i < turns; i += 1) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => setTimeout(resolve, 20));
}
