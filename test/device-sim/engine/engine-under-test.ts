/** The engine on a clock that tests hold, with a model, links and a ledger that only note what happens. */
import type {
  LedgerWriter,
  Link,
  LinkListener,
  Model,
  Outgoing,
  PlannedReading,
  Scenario,
} from '../../../device-sim/contracts.ts';
import { type EngineDeps, runScenario } from '../../../device-sim/engine/run-scenario.ts';
import { Measurements } from '../../../device-sim/measure/measurements.ts';
import { parseScenario } from '../../../device-sim/scenario/load-scenario.ts';

export class HeldClock {
  #nowMs = 1_000;
  #timers: { atMs: number; call: () => void }[] = [];
  /** How late each timer is. */
  readonly #lateMs: () => number;

  constructor(lateMs: () => number = () => 0) {
    this.#lateMs = lateMs;
  }

  nowMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  /** Somebody computes for so long. */
  spend(ms: number): void {
    this.#nowMs += ms;
  }

  setTimer(delayMs: number, call: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs + this.#lateMs(), call };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer);
    };
  }

  afterNetwork(callback: () => void): void {
    this.setTimer(0, callback);
  }

  /** Lets time pass until the promise is settled. */
  async until<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = promise.finally(() => {
      settled = true;
    });
    done.catch(() => undefined);
    for (;;) {
      await new Promise((resolve) => setImmediate(resolve));
      if (settled) return await done;
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) throw new Error('nothing will ever happen again');
      this.#timers = this.#timers.filter((each) => each !== next);
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.call();
    }
  }
}

/** A server that answers after `serviceMs`; what it has while it stalls is answered when that is over. */
export interface ServerBehaviour {
  readonly serviceMs: number;
  /** On the clock; ms. */
  readonly stalls: readonly { readonly fromMs: number; readonly toMs: number }[];
  readonly maxInFlight: number;
}

class NotedLink implements Link {
  readonly #listener: LinkListener;
  readonly #clock: HeldClock;
  readonly #server: ServerBehaviour;
  readonly sent: Outgoing[] = [];
  inFlight = 0;
  resent = 0;
  cuts = 0;
  openedMs: number | null = null;
  up: boolean = false;

  constructor(listener: LinkListener, clock: HeldClock, server: ServerBehaviour) {
    this.#listener = listener;
    this.#clock = clock;
    this.#server = server;
  }

  get canSend(): boolean {
    return this.inFlight < this.#server.maxInFlight && this.up;
  }

  open(): void {
    this.openedMs = this.#clock.monotonicMs();
    this.#clock.setTimer(1, () => this.#ready());
  }

  #ready(): void {
    this.up = true;
    this.#listener.onReady();
  }

  send(message: Outgoing): void {
    this.sent.push(message);
    this.inFlight += 1;
    this.#answerAfter(this.#server.serviceMs, message.token);
  }

  #answerAfter(delayMs: number, token: number): void {
    const atMs = this.#clock.monotonicMs() + delayMs;
    const stall = this.#server.stalls.find(({ fromMs, toMs }) => fromMs <= atMs && atMs < toMs);
    this.#clock.setTimer(stall === undefined ? delayMs : stall.toMs - this.#clock.monotonicMs(), () => {
      this.inFlight -= 1;
      this.#listener.onAcknowledged(token);
    });
  }

  cut(): void {
    this.cuts += 1;
    this.up = false;
    this.#listener.onLost('cut');
    this.#clock.setTimer(50, () => this.#ready());
  }

  async close(deadlineMs: number): Promise<void> {
    const untilMs = this.#clock.monotonicMs() + deadlineMs;
    while (this.inFlight > 0 && this.#clock.monotonicMs() < untilMs)
      await new Promise<void>((resolve) => this.#clock.setTimer(5, resolve));
  }
}

/** Devices that say their number; every tenth reading of the third one is silence, every seventh of all is bad. */
export function countingModel(scenario: Scenario): Model {
  const devices = scenario.fleets.flatMap(({ devices }, fleet) =>
    Array.from({ length: devices }, () => fleet),
  );
  return {
    devices: devices.map((fleet, device) => {
      let n = -1;
      return {
        name: `sim-${device}`,
        fleet,
        schema: 'example.v1',
        deviceTag: 'device',
        tags: {},
        undigested: [],
        timeUnitNs: null,
        next(offsetUs): PlannedReading | null {
          n += 1;
          if (device === 2 && n % 10 === 9) return null;
          return {
            device,
            n,
            topic: `t/${device}`,
            payload: Buffer.from(`${n} ${offsetUs}`),
            fault: null,
            fate: n % 7 === 6 ? 'rejected' : 'stored',
            expected: null,
            recognisable: false,
          };
        },
      };
    }),
  };
}

export interface NotedRun {
  readonly measurements: Measurements;
  /** As the ledger has them, one line each. */
  readonly ledger: readonly string[];
  readonly acknowledged: readonly number[];
  readonly links: readonly NotedLink[];
  readonly closed: boolean;
}

/** Runs a scenario (YAML) to its end. */
export async function runNoted(
  yaml: string,
  server: Partial<ServerBehaviour> = {},
  options: Partial<EngineDeps> & { clock?: HeldClock; signal?: AbortSignal } = {},
): Promise<NotedRun> {
  const clock = options.clock ?? new HeldClock();
  const scenario = parseScenario(yaml, 'test.yaml');
  const measurements = new Measurements(scenario.fleets.length);
  const ledger: string[] = [];
  const acknowledged: number[] = [];
  const links: NotedLink[] = [];
  let closed = false;
  const writer: LedgerWriter = {
    sent(reading, offsetUs, fault) {
      ledger.push(`${offsetUs} ${reading.device} ${reading.n} ${fault} ${reading.payload.toString()}`);
      return ledger.length - 1;
    },
    acknowledged: (number) => {
      acknowledged.push(number);
    },
    refused: () => undefined,
    flush: () => undefined,
    close: async () => {
      await Promise.resolve();
      closed = true;
    },
  };
  const { signal = new AbortController().signal, ...deps } = options;
  await clock.until(
    runScenario(
      scenario,
      {
        createModel: () => countingModel(scenario),
        openLedger: () => writer,
        createLink: (_spec, _names, listener) => {
          const behaviour = { serviceMs: 2, stalls: [], maxInFlight: 100, ...server };
          const link = new NotedLink(listener, clock, behaviour);
          links.push(link);
          return link;
        },
        measurements,
        connectIntervalMs: 0,
        settleMs: 10_000,
        ...deps,
        clock,
      },
      signal,
    ),
  );
  return { measurements, ledger, acknowledged, links, closed };
}
