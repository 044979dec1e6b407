/**
 * The engine. Open loop: readings are due by a schedule, whatever the server does, and each is timed from when it was due.
 * What is said, and in which order the ledger has it, depends on the scenario and its seed alone.
 */
import type { LedgerWriter, Link, LinkListener, Model, Scenario } from '../contracts.ts';
import type { LinkNames, LinkSpec } from '../links/link-deps.ts';
import type { Measurements } from '../measure/measurements.ts';
import { deliveryFaults } from './delivery-faults.ts';
import { Dispatcher } from './dispatcher.ts';
import { draw, PURPOSE } from './draw.ts';
import { noLedger } from './no-ledger.ts';
import { Schedule } from './schedule.ts';
import { createTimeline } from './timeline.ts';

export interface EngineClock {
  /** ms since 1970. */
  nowMs(): number;
  /** ms; never goes back. */
  monotonicMs(): number;
  /** Calls once after `delayMs`; the answer calls it off. */
  setTimer(delayMs: number, callback: () => void): () => void;
  /** Calls once when what has come over the network by now is served. */
  afterNetwork(callback: () => void): void;
}

export interface EngineDeps {
  readonly clock: EngineClock;
  /** Of a run that started then; ms since 1970. Its names must not depend on it. */
  createModel(startMs: number): Model;
  /** Null: none is kept. */
  openLedger: ((startMs: number, model: Model) => LedgerWriter) | null;
  createLink(spec: LinkSpec, names: LinkNames, listener: LinkListener): Link;
  /** `new Measurements(scenario.fleets.length)`; read it while the run goes on. */
  readonly measurements: Measurements;
  /** Between two connections that are opened; 0: as fast as they come up. Not with a ramp. */
  readonly connectIntervalMs: number;
  /** How long to wait at the end for what is unacknowledged. */
  readonly settleMs: number;
  readonly maxWaiting?: number;
  readonly maxKeptBytes?: number;
}

const MAX_WAITING = 100_000;
const MAX_KEPT_BYTES = 512 * 2 ** 20;
/** Planned in one go, before connections are served again. */
const SLICE = 1000;
/** Connections that are coming up at once: what the queue of a listening socket takes (511 in Node.js) with room. */
const CONNECT_TOGETHER = 200;
const NOBODY_CONNECTS_MS = 3_000;
const NO_MORE_CONNECT_MS = 15_000;
const LONGEST_SLEEP_MS = 500;

/**
 * Runs the scenario until its stages are over or the signal aborts; then waits, `settleMs` at most, for what is
 * unacknowledged, and closes everything.
 * @throws Error when no connection at all comes up.
 */
export async function runScenario(scenario: Scenario, deps: EngineDeps, signal: AbortSignal): Promise<void> {
  await new Run(scenario, deps, signal).run();
}

class Run {
  readonly #scenario: Scenario;
  readonly #deps: EngineDeps;
  readonly #signal: AbortSignal;
  readonly #timeline: ReturnType<typeof createTimeline>;
  readonly #dispatcher: Dispatcher;
  /** When each connection opens, µs after the start; 0: before. */
  readonly #openUs: number[] = [];
  /** By device. */
  readonly #connectionOf: number[] = [];
  /** The start lies so far ahead: 15,000 devices take a second to make, and their first readings would be late by that. */
  #leadMs = 0;
  #wake: (() => void) | null = null;

  constructor(scenario: Scenario, deps: EngineDeps, signal: AbortSignal) {
    this.#scenario = scenario;
    this.#deps = deps;
    this.#signal = signal;
    this.#timeline = createTimeline(scenario.stages);
    this.#dispatcher = new Dispatcher(
      {
        measurements: deps.measurements,
        monotonicMs: () => deps.clock.monotonicMs(),
        onChange: () => this.#wake?.(),
        maxWaiting: deps.maxWaiting ?? MAX_WAITING,
        maxKeptBytes: deps.maxKeptBytes ?? MAX_KEPT_BYTES,
      },
      noLedger(),
    );
  }

  async run(): Promise<void> {
    const { clock, measurements, settleMs } = this.#deps;
    const madeFromMs = clock.monotonicMs();
    this.#makeConnections(this.#deps.createModel(clock.nowMs()));
    this.#leadMs = Math.ceil(clock.monotonicMs() - madeFromMs);
    let deadlineMs = 0;
    try {
      if (this.#timeline.rampUs === 0) await this.#openAll();
      if (!this.#signal.aborted) {
        await this.#speak();
        deadlineMs = settleMs;
      }
    } finally {
      measurements.settling = true;
      const untilMs = clock.monotonicMs() + deadlineMs;
      while (measurements.waiting > 0 && clock.monotonicMs() < untilMs)
        await this.#sleep(untilMs - clock.monotonicMs(), false);
      await this.#dispatcher.close(Math.max(0, untilMs - clock.monotonicMs()));
    }
  }

  /** One for each device, or for so many as the fleet says. */
  #makeConnections(model: Model): void {
    const { fleets } = this.#scenario;
    const { rampUs } = this.#timeline;
    for (const [f, { link, devices }] of fleets.entries()) {
      const together = link.kind === 'mqtt' ? link.devicesPerConnection : 1;
      const connections = Math.ceil(devices / together);
      let member = 0;
      for (const [index, { name, fleet }] of model.devices.entries()) {
        if (fleet !== f) continue;
        const place = Math.floor(member / together);
        if (member % together === 0) {
          const clientId = link.kind === 'mqtt' ? clientIdOf(link.clientId, name, index) : name;
          this.#dispatcher.connect(f, (listener) =>
            this.#deps.createLink(link, { clientId, device: name, index }, listener),
          );
          this.#openUs.push(Math.floor((place / connections) * rampUs));
        }
        this.#connectionOf[index] = this.#openUs.length - 1;
        member += 1;
      }
    }
  }

  /** Before the start: all connections, not too many at once. Goes on without those that do not come up. */
  async #openAll(): Promise<void> {
    const { clock, measurements, connectIntervalMs } = this.#deps;
    const beganMs = clock.monotonicMs();
    let asked = 0;
    let newsMs = beganMs;
    let opened = 0;
    while (!this.#signal.aborted && measurements.opened < measurements.connections) {
      const nowMs = clock.monotonicMs();
      const due =
        connectIntervalMs === 0
          ? asked + CONNECT_TOGETHER
          : Math.floor((nowMs - beganMs) / connectIntervalMs) + 1;
      const until = Math.min(measurements.connections, measurements.opened + CONNECT_TOGETHER, due);
      for (; asked < until; asked += 1) this.#dispatcher.open(asked);
      if (measurements.opened > opened) {
        opened = measurements.opened;
        newsMs = nowMs;
      }
      this.#failIfNobodyConnects(nowMs - beganMs);
      if (nowMs - newsMs > NO_MORE_CONNECT_MS) {
        for (; asked < measurements.connections; asked += 1) this.#dispatcher.open(asked);
        return;
      }
      await this.#sleep(connectIntervalMs > 0 && connectIntervalMs < 100 ? connectIntervalMs : 100, true);
    }
    measurements.openMs = clock.monotonicMs() - beganMs;
  }

  #failIfNobodyConnects(afterMs: number): void {
    const { opened } = this.#deps.measurements;
    const { lastWords } = this.#dispatcher;
    if (opened > 0 || afterMs < (lastWords === null ? NO_MORE_CONNECT_MS : NOBODY_CONNECTS_MS)) return;
    throw new Error(`cannot connect to ${this.#scenario.url}: ${lastWords ?? 'no answer'}`);
  }

  /** From the start of the schedule to its end. */
  async #speak(): Promise<void> {
    const { clock, measurements, openLedger } = this.#deps;
    const { fleets, seed } = this.#scenario;
    const { endUs, rampUs, storms } = this.#timeline;
    const startMs = clock.nowMs() + this.#leadMs;
    const beganMs = clock.monotonicMs() + this.#leadMs;
    const model = this.#deps.createModel(startMs);
    if (openLedger !== null) this.#dispatcher.ledger = openLedger(startMs, model);
    const faultOf = fleets.map((fleet) => deliveryFaults(fleet, seed));
    const schedule = new Schedule(
      model.devices.map(({ fleet }, i) => ({
        ratePerSecond: fleets[fleet]?.ratePerSecond ?? 1,
        fromUs: this.#openUs[this.#connectionOf[i] ?? 0] ?? 0,
      })),
      this.#timeline,
      seed,
    );
    const opening = rampUs === 0 ? [] : this.#inOrderOfOpening();
    let stormsDone = 0;
    measurements.plannedMs = Number.isFinite(endUs) ? endUs / 1000 : null;
    for (;;) {
      const nowUs = (clock.monotonicMs() - beganMs) * 1000;
      measurements.elapsedMs = Math.max(0, Math.min(nowUs, endUs)) / 1000;
      if (this.#signal.aborted) return;
      while (opening.length > 0 && (this.#openUs[opening.at(-1) ?? 0] ?? 0) <= nowUs)
        this.#dispatcher.open(opening.pop() ?? 0);
      const allUp = measurements.openMs === null && measurements.opened === measurements.connections;
      if (allUp) measurements.openMs = nowUs / 1000;
      if (rampUs > 0) this.#failIfNobodyConnects(nowUs / 1000);
      for (let planned = 0; schedule.nextUs <= nowUs && planned < SLICE; planned += 1) {
        const offsetUs = schedule.nextUs;
        const device = schedule.take();
        const of = model.devices[device];
        const reading = of?.next(offsetUs) ?? null;
        const fleet = of?.fleet ?? 0;
        if (reading === null) {
          this.#silent(fleet);
          continue;
        }
        const fault = faultOf[fleet]?.(device, reading.n) ?? null;
        const dueMs = beganMs + offsetUs / 1000;
        measurements.ownDelay.record(clock.monotonicMs() - dueMs);
        this.#dispatcher.plan(this.#connectionOf[device] ?? 0, reading, offsetUs, dueMs, fault);
      }
      this.#dispatcher.send();
      for (
        let storm = storms[stormsDone];
        storm !== undefined && storm.atUs <= nowUs;
        storm = storms[stormsDone]
      ) {
        this.#storm(storm.share, storm.stage);
        stormsDone += 1;
      }
      const nextUs = Math.min(
        schedule.nextUs,
        storms[stormsDone]?.atUs ?? Number.POSITIVE_INFINITY,
        opening.length > 0 ? (this.#openUs[opening.at(-1) ?? 0] ?? 0) : Number.POSITIVE_INFINITY,
        endUs,
      );
      if (nowUs >= endUs && schedule.nextUs > nowUs) return;
      // A timer that is due already is called before any socket is read, and so is the next one: answers would wait for
      // as long as readings are late.
      await new Promise<void>((resolve) => clock.afterNetwork(resolve));
      const pauseMs = nextUs / 1000 - (clock.monotonicMs() - beganMs);
      if (pauseMs > 0) await this.#pause(pauseMs);
    }
  }

  /** The one to open next is the last. */
  #inOrderOfOpening(): number[] {
    const at = this.#openUs;
    return at.map((_, i) => i).sort((a, b) => (at[b] ?? 0) - (at[a] ?? 0) || b - a);
  }

  #silent(fleet: number): void {
    const counts = this.#deps.measurements.fleets[fleet]?.counts;
    if (counts !== undefined) counts.silent += 1;
  }

  #storm(share: number, stage: number): void {
    const { seed } = this.#scenario;
    for (let i = 0; i < this.#openUs.length; i += 1) {
      if (draw(seed, i, stage, PURPOSE.storm) < share) this.#dispatcher.cut(i);
    }
  }

  /** Until the time or the signal; changes of connections are of no interest. */
  async #pause(ms: number): Promise<void> {
    // Whole milliseconds, as timers are: less would come too early, over and over.
    await this.#wait(Math.min(LONGEST_SLEEP_MS, Math.ceil(ms)), (wake) => {
      this.#signal.addEventListener('abort', wake, { once: true });
      return () => this.#signal.removeEventListener('abort', wake);
    });
  }

  /** Until the time, or until something happens to a connection. */
  async #sleep(ms: number, orAborted: boolean): Promise<void> {
    await this.#wait(Math.min(LONGEST_SLEEP_MS, Math.max(1, ms)), (wake) => {
      this.#wake = wake;
      if (orAborted) this.#signal.addEventListener('abort', wake, { once: true });
      return () => {
        this.#wake = null;
        this.#signal.removeEventListener('abort', wake);
      };
    });
  }

  async #wait(ms: number, also: (wake: () => void) => () => void): Promise<void> {
    await new Promise<void>((resolve) => {
      const cancel = this.#deps.clock.setTimer(ms, done);
      const forget = also(done);
      function done(): void {
        cancel();
        forget();
        resolve();
      }
    });
  }
}

function clientIdOf(pattern: string, device: string, index: number): string {
  return pattern.replaceAll('%i', String(index)).replaceAll('%d', device);
}
