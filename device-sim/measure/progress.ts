import type { Measurements } from './measurements.ts';

/** Where progress is shown. */
export interface Display {
  /** A terminal: one line, drawn over and over; else a line each time. */
  readonly live: boolean;
  /** Characters of a line; of a live display. */
  readonly columns: number;
  /** Draws the line over the one before; '' takes it away. */
  draw(line: string): void;
  /** Prints a line that stays. */
  say(line: string): void;
}

export interface ProgressClock {
  monotonicMs(): number;
  setTimer(delayMs: number, callback: () => void): () => void;
}

const LIVE_MS = 250;
const PLAIN_MS = 5000;
const BAR = 20;

/** Shows how a run goes until the answer is called. */
export function showProgress(measurements: Measurements, display: Display, clock: ProgressClock): () => void {
  const everyMs = display.live ? LIVE_MS : PLAIN_MS;
  let lastMs = clock.monotonicMs();
  let lastAcknowledged = 0;
  let cancel: () => void;
  const show = (): void => {
    const nowMs = clock.monotonicMs();
    const { acknowledged } = measurements.total();
    const perSecond = ((acknowledged - lastAcknowledged) * 1000) / Math.max(1, nowMs - lastMs);
    const line = progressLine(measurements, perSecond, display.live);
    if (display.live) display.draw(line.slice(0, display.columns - 1));
    else display.say(line);
    measurements.recent.reset();
    lastMs = nowMs;
    lastAcknowledged = acknowledged;
    cancel = clock.setTimer(everyMs, show);
  };
  cancel = clock.setTimer(everyMs, show);
  return () => {
    cancel();
    if (display.live) display.draw('');
  };
}

/** How a run goes, on one line. */
export function progressLine(measurements: Measurements, perSecond: number, bar: boolean): string {
  const { connected, connections, elapsedMs, plannedMs, settling, inFlight, waiting, recent } = measurements;
  if (elapsedMs === null) return `connecting: ${connected} of ${connections} up`;
  const parts: string[] = [];
  const seconds = Math.round(elapsedMs / 1000);
  if (plannedMs === null || plannedMs === 0) parts.push(`${duration(seconds)}`);
  else {
    const share = Math.min(1, elapsedMs / plannedMs);
    const done = Math.floor(share * BAR);
    if (bar) parts.push(`[${'#'.repeat(done)}${'·'.repeat(BAR - done)}]`);
    parts.push(`${Math.floor(share * 100)} %`);
  }
  parts.push(`${Math.round(perSecond)}/s`, `${inFlight} in flight`);
  if (waiting > 0) parts.push(`${waiting} waiting`);
  if (connected < connections) parts.push(`${connected} of ${connections} up`);
  const p50 = recent.percentile(50);
  const p99 = recent.percentile(99);
  if (p50 !== null && p99 !== null) parts.push(`p50 ${p50} ms, p99 ${p99} ms`);
  const heldBack = measurements.total().heldBack;
  if (heldBack > 0) parts.push(`${heldBack} held back`);
  if (settling) parts.push('waiting for the last acknowledgements');
  else if (plannedMs !== null) parts.push(`${duration(Math.round((plannedMs - elapsedMs) / 1000))} left`);
  return parts.join('  ');
}

function duration(seconds: number): string {
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
