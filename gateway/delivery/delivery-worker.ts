/**
 * The loop of one sink on a thread of its own: it opens the log itself, and only settlements, health and events cross
 * to the main thread, which alone writes to the store. Started by `delivery-host.ts`.
 */
import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { systemClock } from '../clocks/clock.ts';
import type { SinkConfig } from '../config/gateway-config.ts';
import { DeliveryLoop, type DeliveryPorts } from '../delivery.ts';
import { GatewayError } from '../errors.ts';
import type { EventFields, EventName } from '../monitoring/events.ts';
import type { SinkHealth } from '../sink-contract.ts';
import { openLogReader } from '../store/log-reader.ts';
import type { Settlement } from '../store-contract.ts';
import type { ReplayedLines } from './delivery-replay.ts';
import { batchLimitsOf, createSink } from './delivery-sink.ts';

/** `workerData`. */
export interface WorkerStart {
  readonly config: SinkConfig;
  readonly dataDir: string;
  /** Of the store. */
  readonly path: string;
  readonly storeId: string;
  readonly cursor: number;
  readonly throughSeq: number;
}

export type ToWorker =
  | { readonly kind: 'wake'; readonly throughSeq: number }
  | { readonly kind: 'settled'; readonly error: string | null }
  /** One at a time; answered by `replayed`. */
  | { readonly kind: 'replay'; readonly lines: Uint8Array }
  | { readonly kind: 'stop'; readonly deadlineMs: number };

export type FromWorker =
  /** One at a time; answered by `settled`. */
  | { readonly kind: 'settle'; readonly settlement: Settlement }
  | { readonly kind: 'replayed'; readonly result: ReplayedLines }
  | { readonly kind: 'health'; readonly health: SinkHealth }
  | { readonly kind: 'wrote'; readonly points: number; readonly ms: number }
  | { readonly kind: 'event'; readonly name: EventName; readonly fields: EventFields }
  /** It has ended as it was told to. */
  | { readonly kind: 'stopped' };

function portsOver(port: MessagePort): { ports: DeliveryPorts; settled: (error: string | null) => void } {
  const say = (message: FromWorker): void => port.postMessage(message);
  let answer: ((error: string | null) => void) | null = null;
  return {
    settled: (error) => answer?.(error),
    ports: {
      settle: (settlement) =>
        new Promise((resolve, reject) => {
          answer = (error) =>
            error === null ? resolve() : reject(new GatewayError('store-unavailable', error));
          say({ kind: 'settle', settlement });
        }),
      report: (health) => say({ kind: 'health', health }),
      wrote: (points, ms) => say({ kind: 'wrote', points, ms }),
      emit: (name, fields) => say({ kind: 'event', name, fields }),
    },
  };
}

async function work(port: MessagePort, start: WorkerStart): Promise<void> {
  const { config, dataDir, path, storeId, cursor, throughSeq } = start;
  const { ports, settled } = portsOver(port);
  const loop = new DeliveryLoop(
    { sink: createSink(config, dataDir), reader: openLogReader(path), ports, clock: systemClock },
    { name: config.name, storeId, cursor, throughSeq, batch: batchLimitsOf(config) },
  );
  port.on('message', (message: ToWorker) => {
    if (message.kind === 'wake') loop.wake(message.throughSeq);
    else if (message.kind === 'settled') settled(message.error);
    else if (message.kind === 'replay') {
      const { buffer, byteOffset, byteLength } = message.lines;
      void loop
        .replay(Buffer.from(buffer, byteOffset, byteLength))
        .then((result) => port.postMessage({ kind: 'replayed', result } satisfies FromWorker));
    } else loop.stop(message.deadlineMs);
  });
  await loop.run();
  port.postMessage({ kind: 'stopped' } satisfies FromWorker);
  port.close();
}

// An error that nobody caught ends the thread, and the host starts it again. The loop catches all it can: a thread that
// ends in the middle of native work (DuckDB's) can take the process along, which loses nothing, as `kill -9` does not.
if (!isMainThread && parentPort !== null) await work(parentPort, workerData);
