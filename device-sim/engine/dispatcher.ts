import type { LedgerWriter, Link, LinkListener, PlannedReading } from '../contracts.ts';
import type { FleetMeasurements, Measurements } from '../measure/measurements.ts';
import type { DeliveryFault } from './delivery-faults.ts';
import { Queue } from './queue.ts';

/** One reading between its due time and its acknowledgement. */
interface Flight {
  /** Of the ledger; names it to the link. */
  readonly number: number;
  readonly connection: number;
  readonly fleet: number;
  readonly dueMs: number;
  readonly bad: boolean;
  /** What it takes of `maxKeptBytes`. */
  readonly bytes: number;
  /** Until it is sent. */
  message: { readonly topic: string; readonly payload: Buffer; readonly fault: DeliveryFault | null } | null;
  sentMs: number;
}

interface Connection {
  readonly link: Link;
  readonly fleet: number;
  readonly waiting: Queue<Flight>;
  /** It came up at least once. */
  known: boolean;
  up: boolean;
  /** Somebody is sending from its queue: an acknowledgement that comes at once must not begin a second time. */
  busy: boolean;
}

export interface DispatcherDeps {
  readonly measurements: Measurements;
  /** ms; the clock that due times are given in. */
  readonly monotonicMs: () => number;
  /** Something came up, was lost, or was acknowledged. */
  readonly onChange: () => void;
  /** Readings that wait for all connections together. */
  readonly maxWaiting: number;
  /** Of readings that wait or are unacknowledged, for all connections together; about what they take of memory. */
  readonly maxKeptBytes: number;
}

/** Of a reading besides its payload, here and in its link. */
const READING_BYTES = 400;

/**
 * Hands readings to their connections: each waits in the queue of its connection until that can take it. All queues
 * together are bounded, and so is what is unacknowledged: 15,000 connections may have 100 messages under way each. What
 * is due beyond is held back: counted, and never sent.
 */
export class Dispatcher {
  readonly #deps: DispatcherDeps;
  readonly #measurements: Measurements;
  readonly #connections: Connection[] = [];
  readonly #flights = new Map<number, Flight>();
  readonly #filled: Connection[] = [];
  #ledger: LedgerWriter;
  #keptBytes = 0;
  /** The last words of a lost connection. */
  lastWords: string | null = null;
  #resentByClosed = 0;

  constructor(deps: DispatcherDeps, ledger: LedgerWriter) {
    this.#deps = deps;
    this.#measurements = deps.measurements;
    this.#ledger = ledger;
    deps.measurements.resent = () => this.#resentSoFar();
  }

  /** Only before the first reading. */
  set ledger(ledger: LedgerWriter) {
    this.#ledger = ledger;
  }

  /** Makes a connection of a fleet; says its number. It is not opened yet. */
  connect(fleet: number, create: (listener: LinkListener) => Link): number {
    const number = this.#connections.length;
    this.#connections.push({
      link: create(this.#listener(number, fleet)),
      fleet,
      waiting: new Queue(),
      known: false,
      up: false,
      busy: false,
    });
    this.#measurements.connections += 1;
    return number;
  }

  open(connection: number): void {
    this.#connections[connection]?.link.open();
  }

  cut(connection: number): void {
    this.#connections[connection]?.link.cut();
  }

  get idle(): boolean {
    return this.#measurements.waiting === 0 && this.#flights.size === 0;
  }

  /** Writes it to the ledger, and lets it wait for `send`. Null: held back. `dueMs` on the monotonic clock. */
  plan(
    connection: number,
    reading: PlannedReading,
    offsetUs: number,
    dueMs: number,
    fault: DeliveryFault | null,
  ): number | null {
    const to = this.#connections[connection];
    const counts = this.#countsOf(to);
    if (to === undefined || counts === undefined) return null;
    counts.offered += 1;
    const { topic, payload } = reading;
    const bytes = payload.length + READING_BYTES;
    const full =
      this.#measurements.waiting >= this.#deps.maxWaiting ||
      this.#keptBytes + bytes > this.#deps.maxKeptBytes;
    if (full) {
      counts.heldBack += 1;
      return null;
    }
    const number = this.#ledger.sent(reading, offsetUs, fault);
    this.#measurements.waiting += 1;
    this.#keptBytes += bytes;
    if (to.waiting.length === 0) this.#filled.push(to);
    to.waiting.push({
      number,
      connection,
      fleet: to.fleet,
      dueMs,
      bad: reading.fate === 'rejected',
      bytes,
      message: { topic, payload, fault },
      sentMs: 0,
    });
    return number;
  }

  /** Sends what was planned, as far as the connections can; the ledger is with the operating system before. */
  send(): void {
    this.#ledger.flush();
    for (const connection of this.#filled) this.#drain(connection);
    this.#filled.length = 0;
  }

  /** Closes all; resolves when everything is acknowledged or the time is over. Then the ledger is closed, too. */
  async close(deadlineMs: number): Promise<void> {
    await Promise.all(this.#connections.map(async ({ link }) => await link.close(deadlineMs)));
    this.#resentByClosed = this.#resentSoFar();
    this.#countTheUnanswered();
    await this.#ledger.close();
  }

  #resentSoFar(): number {
    return Math.max(
      this.#resentByClosed,
      this.#connections.reduce((sum, { link }) => sum + link.resent, 0),
    );
  }

  /** Who was never answered waited until now, at least: left out, the worst would be missing from the figures. */
  #countTheUnanswered(): void {
    const nowMs = this.#deps.monotonicMs();
    const count = ({ fleet, dueMs }: Flight): void => {
      this.#measurements.fleets[fleet]?.latency.record(nowMs - dueMs);
    };
    for (const flight of this.#flights.values()) count(flight);
    for (const { waiting } of this.#connections) {
      for (let flight = waiting.take(); flight !== undefined; flight = waiting.take()) count(flight);
    }
  }

  #drain(connection: Connection): void {
    if (connection.busy) return;
    connection.busy = true;
    const { link, waiting } = connection;
    while (waiting.length > 0 && link.canSend) {
      const flight = waiting.take();
      const message = flight?.message;
      if (flight === undefined || message === undefined || message === null) continue;
      flight.message = null;
      flight.sentMs = this.#deps.monotonicMs();
      this.#flights.set(flight.number, flight);
      this.#measurements.waiting -= 1;
      this.#measurements.inFlight += 1;
      const counts = this.#countsOf(connection);
      if (counts !== undefined) {
        counts.sent += 1;
        if (flight.bad) counts.badSent += 1;
      }
      link.send({ token: flight.number, ...message });
    }
    connection.busy = false;
  }

  #listener(number: number, fleet: number): LinkListener {
    const measurements = this.#measurements;
    const connection = (): Connection | undefined => this.#connections[number];
    const counts = (): FleetMeasurements['counts'] | undefined => measurements.fleets[fleet]?.counts;
    return {
      onReady: () => {
        const at = connection();
        if (at === undefined) return;
        if (!at.up) measurements.connected += 1;
        const known = counts();
        if (!at.known) measurements.opened += 1;
        else if (!at.up && known !== undefined) known.reconnects += 1;
        at.known = true;
        at.up = true;
        this.#drain(at);
        this.#deps.onChange();
      },
      onAcknowledged: (token) => {
        const flight = this.#land(token);
        if (flight === undefined) return;
        this.#ledger.acknowledged(token);
        const nowMs = this.#deps.monotonicMs();
        measurements.acknowledged(fleet, flight.bad, nowMs - flight.dueMs, nowMs - flight.sentMs);
        this.#landed(connection());
      },
      onRefused: (token) => {
        const flight = this.#land(token);
        if (flight === undefined) return;
        this.#ledger.refused(token);
        const of = counts();
        if (of !== undefined) of.refused += 1;
        this.#landed(connection());
      },
      onLost: (words) => {
        this.lastWords = words;
        const at = connection();
        if (at?.up === true) measurements.connected -= 1;
        if (at !== undefined) at.up = false;
        this.#deps.onChange();
      },
      onReceipt: () => {
        const of = counts();
        if (of !== undefined) of.receipts += 1;
      },
    };
  }

  /** A second acknowledgement of one reading says nothing new. */
  #land(token: number): Flight | undefined {
    const flight = this.#flights.get(token);
    if (flight !== undefined) {
      this.#flights.delete(token);
      this.#keptBytes -= flight.bytes;
      this.#measurements.inFlight -= 1;
    }
    return flight;
  }

  #landed(connection: Connection | undefined): void {
    if (connection !== undefined && connection.waiting.length > 0) this.#drain(connection);
    if (this.idle) this.#deps.onChange();
  }

  #countsOf(connection: Connection | undefined): FleetMeasurements['counts'] | undefined {
    return connection === undefined ? undefined : this.#measurements.fleets[connection.fleet]?.counts;
  }
}
