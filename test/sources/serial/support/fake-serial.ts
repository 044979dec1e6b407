import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import type { LineSettings, OpenPort, PortListener } from '../../../../gateway/sources/serial/open-port.ts';
import type { SystemRoots } from '../../../../gateway/sources/serial/port-identity.ts';
import type { SerialEntry } from '../../../../gateway/sources/serial/serial-entry.ts';
import {
  createSerialSource,
  type SerialSource,
  type SerialSourceDeps,
} from '../../../../gateway/sources/serial.ts';
import { temporaryFolder } from '../../../support/temporary-folder.ts';
import { FakeIngest } from '../../mqtt-broker/support/fake-ingest.ts';
import { HeldClock, RecordedEvents } from '../../mqtt-broker/support/harness.ts';

/** A port whose device is the test. */
export class FakePort implements OpenPort {
  readonly path: string;
  readonly settings: LineSettings;
  readonly written: string[] = [];
  /** Of writes that wait: the device does not read. */
  stuck: boolean = false;
  waitingBytes = 0;
  closed: boolean = false;
  discarded: boolean | null = null;
  #listener: PortListener | null = null;
  #failWaiting: ((error: Error) => void)[] = [];

  constructor(path: string, settings: LineSettings) {
    this.path = path;
    this.settings = settings;
  }

  listen(listener: PortListener): void {
    this.#listener = listener;
  }

  write(bytes: Buffer): Promise<void> {
    if (this.closed) return Promise.reject(new Error('the port is closed'));
    if (!this.stuck) {
      this.written.push(bytes.toString());
      return Promise.resolve();
    }
    this.waitingBytes += bytes.length;
    return new Promise((_, reject) => {
      this.#failWaiting.push(reject);
    });
  }

  close(discard: boolean): Promise<void> {
    this.closed = true;
    this.discarded = discard;
    for (const reject of this.#failWaiting.splice(0)) reject(new Error('the port was lost'));
    return Promise.resolve();
  }

  send(bytes: string | Buffer): void {
    this.#listener?.data(Buffer.from(bytes));
  }

  hangUp(reason = 'the device hung up'): void {
    this.#listener?.lost(reason);
  }
}

export const ENTRY: SerialEntry = {
  name: 'greenhouse',
  device: 'greenhouse',
  path: null,
  match: null,
  each: false,
  topic: 'sensors/{device}/environment',
  baudRate: 115_200,
  dataBits: 8,
  parity: 'none',
  stopBits: 1,
  rtscts: false,
  framing: { kind: 'line', first: true },
  format: null,
  csvHeader: null,
  settleMs: 0,
  silenceMs: null,
  ack: false,
  downlink: [],
};

export interface SerialBench {
  readonly source: SerialSource;
  readonly ingest: FakeIngest;
  readonly events: RecordedEvents;
  readonly clock: HeldClock;
  /** Every port that was opened, in order. */
  readonly opened: FakePort[];
  readonly results: { readonly topic: string; readonly result: unknown }[];
  /** A folder in the place of `/dev`. */
  readonly dev: string;
  /** Why opening fails; null: it does not. */
  refusal: Error | null;
  plug(name: string): string;
  unplug(name: string): void;
  /** Lets this time pass in steps of the source's own pace. */
  pass(ms: number): Promise<void>;
  /** The port that was opened last. */
  port(): FakePort;
  payloads(): string[];
}

const benches: SerialBench[] = [];
afterEach(async () => {
  for (const { source, clock } of benches.splice(0)) {
    const stopped = source.stop(0);
    await turns();
    clock.advance(60_000);
    await stopped;
  }
});

export async function turns(n = 10): Promise<void> {
  for (let i = 0; i < n; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** A serial source over files in the place of ports: a file that is there is a port that is plugged in. */
export async function startSerial(
  entries: (dev: string) => readonly Partial<SerialEntry>[],
  options: {
    readonly plugged?: readonly string[];
    readonly deps?: Partial<SerialSourceDeps>;
    readonly roots?: SystemRoots;
  } = {},
): Promise<SerialBench> {
  const dev = options.roots?.dev ?? temporaryFolder('dev');
  const roots = options.roots ?? { dev, sys: join(dev, 'no-sys'), proc: join(dev, 'no-proc'), etc: dev };
  const plug = (name: string): string => {
    writeFileSync(join(dev, name), '');
    return join(dev, name);
  };
  for (const name of options.plugged ?? []) plug(name);
  const ingest = new FakeIngest();
  const events = new RecordedEvents();
  const clock = new HeldClock();
  const opened: FakePort[] = [];
  const results: { topic: string; result: unknown }[] = [];
  const source = createSerialSource(
    entries(dev).map((entry) => ({ ...ENTRY, ...entry })),
    {
      ingest,
      events,
      clock,
      roots,
      random: () => 0.5,
      openPort: async (path, settings) => {
        await turns(1);
        if (bench.refusal !== null) throw bench.refusal;
        const port = new FakePort(path, settings);
        opened.push(port);
        return port;
      },
      publishResult: (topic, payload) => results.push({ topic, result: JSON.parse(payload.toString()) }),
      ...options.deps,
    },
  );
  const bench: SerialBench = {
    source,
    ingest,
    events,
    clock,
    opened,
    results,
    dev,
    refusal: null,
    plug,
    unplug: (name) => rmSync(join(dev, name)),
    async pass(ms) {
      for (let passed = 0; passed < ms; passed += 250) {
        clock.advance(Math.min(250, ms - passed));
        await turns(6);
      }
    },
    port() {
      const port = opened.at(-1);
      if (port === undefined) throw new Error('no port was opened');
      return port;
    },
    payloads: () => ingest.messages.map(({ payload }) => payload.toString()),
  };
  benches.push(bench);
  await source.start();
  await turns();
  return bench;
}
