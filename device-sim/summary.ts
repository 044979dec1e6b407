/** What a run offered and what came of it. */
import type { Latencies } from './latencies.ts';

export interface Counts {
  /** Readings the fleet was due to send. */
  offered: number;
  /** Due, but the device had too many unacknowledged, or no connection. Never sent. */
  heldBack: number;
  sent: number;
  badSent: number;
  /** At QoS 0: handed to the connection. */
  acknowledged: number;
  badAcknowledged: number;
  /** The client gave up on it. */
  failed: number;
  /** Receipts of rejected readings that came back. */
  receipts: number;
  reconnects: number;
}

export interface Summary extends Readonly<Counts> {
  readonly devices: number;
  readonly seconds: number;
  readonly unacknowledged: number;
  readonly p50Ms: number | null;
  readonly p99Ms: number | null;
}

export function newCounts(): Counts {
  return {
    offered: 0,
    heldBack: 0,
    sent: 0,
    badSent: 0,
    acknowledged: 0,
    badAcknowledged: 0,
    failed: 0,
    receipts: 0,
    reconnects: 0,
  };
}

export function summaryOf(counts: Counts, latencies: Latencies, devices: number, seconds: number): Summary {
  return {
    devices,
    seconds: Number(seconds.toFixed(1)),
    ...counts,
    unacknowledged: counts.sent - counts.acknowledged,
    p50Ms: latencies.percentile(50),
    p99Ms: latencies.percentile(99),
  };
}

export function describeSummary(summary: Summary): string {
  const { devices, seconds, offered, heldBack, sent, badSent, acknowledged, unacknowledged } = summary;
  const lines = [
    `${devices} devices, ${seconds} s`,
    `offered      ${offered}${heldBack > 0 ? ` (${heldBack} held back: no room or no connection)` : ''}`,
    `sent         ${sent}, of them ${badSent} bad on purpose`,
    `acknowledged ${acknowledged}${unacknowledged > 0 ? ` (${unacknowledged} not)` : ', all of them'}`,
  ];
  if (summary.p50Ms !== null) {
    lines.push(
      `PUBLISH to acknowledgement: half within ${summary.p50Ms} ms, 99 % within ${summary.p99Ms} ms`,
    );
  }
  if (summary.receipts > 0)
    lines.push(`receipts     ${summary.receipts} (one tells a device why its reading was rejected)`);
  if (summary.reconnects > 0) lines.push(`reconnects   ${summary.reconnects}`);
  return lines.join('\n');
}
