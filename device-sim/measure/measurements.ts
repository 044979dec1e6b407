import { LatencyHistogram } from './latency-histogram.ts';

/** Readings of a fleet, by what became of them. `offered = sent + heldBack + waiting`. */
export interface Counts {
  /** Due by the schedule; without those of devices that were silent. */
  offered: number;
  silent: number;
  /** Due, but too many were waiting already. Never sent, and in no ledger. */
  heldBack: number;
  /** Handed to the connection. */
  sent: number;
  /** Sent, and to be rejected. */
  badSent: number;
  /** QoS 0 and serial without ack: they left. */
  acknowledged: number;
  badAcknowledged: number;
  refused: number;
  /** Receipts of rejected readings that came back. */
  receipts: number;
  reconnects: number;
}

/** What is known of one fleet. Latencies in ms. */
export class FleetMeasurements {
  readonly counts: Counts = newCounts();
  /** From the time at which the reading was due to its acknowledgement: what a user waits. */
  readonly latency = new LatencyHistogram();
  /** From its sending to its acknowledgement: what the server takes; blind to what waits while it stalls. */
  readonly service = new LatencyHistogram();
}

/** What is known of a run, while it goes on. */
export class Measurements {
  readonly fleets: readonly FleetMeasurements[];
  /** Latencies since somebody looked last. */
  readonly recent = new LatencyHistogram();
  /** From the time at which a reading was due to its planning: what the simulator itself is late, for want of processor. */
  readonly ownDelay = new LatencyHistogram();
  connections = 0;
  /** How many connections have come up, at least once. */
  opened = 0;
  connected = 0;
  /** How long it took until all were up; null: they are not. */
  openMs: number | null = null;
  /** Due and not yet handed to a connection. */
  waiting = 0;
  inFlight = 0;
  /** Since the start of the schedule; null before. */
  elapsedMs: number | null = null;
  /** Of the schedule; null: until interrupted. */
  plannedMs: number | null = null;
  /** Nothing new is sent; the last acknowledgements are awaited. */
  settling: boolean = false;
  /** Messages sent once more. */
  resent: () => number = () => 0;

  constructor(fleets: number) {
    this.fleets = Array.from({ length: fleets }, () => new FleetMeasurements());
  }

  acknowledged(fleet: number, bad: boolean, latencyMs: number, serviceMs: number): void {
    const of = this.fleets[fleet];
    if (of === undefined) return;
    of.counts.acknowledged += 1;
    if (bad) of.counts.badAcknowledged += 1;
    of.latency.record(latencyMs);
    of.service.record(serviceMs);
    this.recent.record(latencyMs);
  }

  total(): Counts {
    const total = newCounts();
    for (const { counts } of this.fleets) {
      for (const name of COUNTS) total[name] += counts[name];
    }
    return total;
  }
}

function newCounts(): Counts {
  return {
    offered: 0,
    silent: 0,
    heldBack: 0,
    sent: 0,
    badSent: 0,
    acknowledged: 0,
    badAcknowledged: 0,
    refused: 0,
    receipts: 0,
    reconnects: 0,
  };
}

// The keys of an object that was just made.
const COUNTS = Object.keys(newCounts()) as (keyof Counts)[];
