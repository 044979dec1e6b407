/** The whole gateway in this process, so that a test can hold its clock. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { createRemoteOperations } from '../../gateway/commands/remote-operations.ts';
import { loadConfig } from '../../gateway/config/load-config.ts';
import type { Clock } from '../../gateway/contracts.ts';
import { createGateway } from '../../gateway/gateway.ts';
import type { EventFields, EventName } from '../../gateway/monitoring/events.ts';
import type { Operations } from '../../gateway/operations-contract.ts';
import { freePorts, until } from './processes.ts';

/** Runs with the machine's clock, but can be moved: time passes (`advance`), or somebody sets the wall clock (`set`). */
export class SteeredClock implements Clock {
  #wallOffsetMs: number;
  #passedMs = 0;

  constructor(startMs: number) {
    this.#wallOffsetMs = startMs - performance.now();
  }

  nowMs(): number {
    return this.monotonicMs() + this.#wallOffsetMs;
  }

  monotonicMs(): number {
    return performance.now() + this.#passedMs;
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const dueMs = this.monotonicMs() + ms;
    while (this.monotonicMs() < dueMs && signal?.aborted !== true) {
      const restMs = dueMs - this.monotonicMs();
      await new Promise((resolve) => setTimeout(resolve, Math.min(20, Math.max(1, restMs))));
    }
  }

  advance(ms: number): void {
    this.#passedMs += ms;
  }

  set(wallMs: number): void {
    this.#wallOffsetMs = wallMs - this.monotonicMs();
  }
}

export interface InProcessGateway {
  readonly port: number;
  readonly url: string;
  readonly operations: Operations;
  readonly events: readonly { readonly name: EventName; readonly fields: EventFields }[];
  stop(): Promise<void>;
}

export async function runGatewayHere(
  dir: string,
  settings: Readonly<Record<string, unknown>>,
  clock: Clock,
): Promise<InProcessGateway> {
  const [port = 0, httpPort = 0] = await freePorts(2);
  const file = join(dir, 'gateway.yaml');
  const config = {
    data: join(dir, 'data'),
    ...settings,
    mqtt: { listeners: [{ port }] },
    http: { port: httpPort },
  };
  writeFileSync(file, JSON.stringify(config, null, 2));
  const events: { name: EventName; fields: EventFields }[] = [];
  const loaded = loadConfig({ file, cwd: dir, environment: {} });
  const gateway = createGateway(loaded, {
    clock,
    events: { emit: (name, fields = {}) => void events.push({ name, fields }) },
    registry: new Registry(),
    version: 'test',
    nodeVersion: process.version,
    pid: process.pid,
  });
  const stopping = new AbortController();
  let failed: unknown = null;
  const ended = gateway.run(stopping.signal).catch((error: unknown) => {
    failed = error;
  });
  await until('the gateway runs', () => {
    if (failed !== null) throw failed;
    return events.some(({ name }) => name === 'gateway.started');
  });
  return {
    port,
    url: `http://127.0.0.1:${httpPort}`,
    operations: createRemoteOperations(loaded.dataDir),
    events,
    stop: async () => {
      stopping.abort('the test is over');
      await ended;
      if (failed !== null) throw failed;
    },
  };
}
