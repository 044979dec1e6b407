import type { GatewayConfig } from '../config/gateway-config.ts';
import type { Clock } from '../contracts.ts';
import { type Delivery, startDelivery } from '../delivery/delivery-host.ts';
import type { GatewayLedgers } from '../ledgers/ledgers.ts';
import type { Events } from '../monitoring/events.ts';
import type { SinkReplays } from '../replay/replay-to-sinks.ts';
import type { SinkHealth } from '../sink-contract.ts';
import type { Store } from '../store-contract.ts';
import { watchFieldTypes } from './field-types-watch.ts';

export interface DeliveriesDeps {
  readonly store: Store;
  readonly ledgers: Pick<GatewayLedgers, 'learn'>;
  readonly clock: Clock;
  readonly events: Events;
  readonly onWrite: (sink: string, ms: number) => void;
}

export interface Deliveries {
  health(): readonly SinkHealth[];
  /** The way to one sink, for points that it once refused. */
  readonly replays: SinkReplays;
}

/** From the stop signal until the last write; what is not written by then waits in the store. */
const LAST_WRITES_MS = 5_000;

/** Starts the loop of each sink, and asks their databases what types they hold. Adds to `up` what stops it. */
export function startDeliveries(
  { sinks, dataDir }: GatewayConfig,
  { store, ledgers, clock, events, onWrite }: DeliveriesDeps,
  up: (() => Promise<void>)[],
): Deliveries {
  const fieldTypes = watchFieldTypes({
    sinks,
    clock,
    events,
    learn: (sink, types) => ledgers.learn(sink, types),
  });
  up.push(() => fieldTypes.stop());
  const running = new Map<string, Delivery>();
  // Before the first runs: where a later one cannot start, those before it are stopped all the same.
  up.push(async () => {
    await Promise.all([...running.values()].map((delivery) => delivery.stop(LAST_WRITES_MS)));
  });
  for (const sink of sinks) {
    const { maxBacklogBytes, whenFull } =
      sink.type === 'influxdb' ? sink : { maxBacklogBytes: null, whenFull: 'block' as const };
    const { cursor } = store.openSink(sink.name, { maxBacklogBytes, whenFull });
    const delivery = startDelivery(sink, cursor, {
      store,
      events: fieldTypes.events,
      clock,
      mode: 'worker',
      dataDir,
      onWrite: (name, _points, ms) => onWrite(name, ms),
    });
    running.set(sink.name, delivery);
  }
  return {
    health: () => [...running.values()].map((delivery) => delivery.health()),
    replays: (name) => running.get(name) ?? { why: `there is no sink ${name} in the configuration any more` },
  };
}
