/** More and more connections at the same rate in all, by the simulator: open loop, from the due time. */
import type { Summary } from '../../device-sim/measure/summary.ts';
import { SIMULATOR_MAIN } from '../../test/support/gateway-process.ts';
import { start } from '../../test/support/processes.ts';
import { endAndClean } from '../clean.ts';
import { benchSchemas } from '../contenders.ts';
import { progress } from '../progress.ts';
import type { ConnectionsRow } from './connections-report.ts';
import { type Usage, usageWithin, watchProcess } from './process-usage.ts';
import { type SubjectName, startSubject } from './subjects.ts';

export interface ConnectionsStep {
  readonly connections: number;
  /** Readings per second over all of them. */
  readonly perSecond: number;
  readonly seconds: number;
}

/** What the simulator takes to close its connections and to print. */
const ENDING_MS = 500;

/** Every step on the gateway with InfluxDB, and those of `beside` on Mosquitto as well. */
export async function measureConnections(
  steps: readonly ConnectionsStep[],
  beside: (step: ConnectionsStep) => boolean,
): Promise<ConnectionsRow[]> {
  const rows: ConnectionsRow[] = [];
  for (const step of steps) {
    const subjects: SubjectName[] = beside(step) ? ['gateway', 'mosquitto'] : ['gateway'];
    for (const subject of subjects) {
      const row = await measured(subject, step);
      rows.push(row);
      progress(
        `${subject}, ${row.opened} of ${step.connections} connections in ${row.openSeconds} s: p99 ${row.p99Ms} ms, ${row.acknowledged} of ${row.offered} acknowledged`,
      );
    }
  }
  return rows;
}

async function measured(name: SubjectName, step: ConnectionsStep): Promise<ConnectionsRow> {
  const { connections, perSecond, seconds } = step;
  const schemas = benchSchemas();
  const subject = await startSubject(name, schemas);
  try {
    const child = start(process.execPath, [
      ...[SIMULATOR_MAIN, 'run', '--json', '--url', `mqtt://127.0.0.1:${subject.port}`],
      ...[
        '--schemas',
        schemas,
        '--devices',
        String(connections),
        '--rate',
        rateText(perSecond / connections),
      ],
      ...['--for', `${seconds}s`, '--qos', '1', '--max-in-flight', '2000'],
    ]);
    const server = watchProcess(subject.pid);
    const simulator = watchProcess(child.pid);
    await child.exited;
    const endedMs = performance.now();
    server.stop();
    simulator.stop();
    const summary = summaryFrom(child.stdout(), child.stderr());
    const { fromMs, toMs } = timeUnderLoad(endedMs, seconds, summary.latency?.maxMs ?? 0);
    const of = (samples: typeof server.samples): Usage | null => usageWithin(samples, fromMs, toMs);
    return {
      subject: name,
      ...step,
      opened: summary.connections.opened,
      openSeconds: summary.connections.openSeconds,
      offered: summary.offered,
      acknowledged: summary.acknowledged,
      p50Ms: summary.latency?.p50Ms ?? null,
      p99Ms: summary.latency?.p99Ms ?? null,
      maxMs: summary.latency?.maxMs ?? null,
      ownP99Ms: summary.ownDelay?.p99Ms ?? null,
      server: of(server.samples),
      simulator: of(simulator.samples),
    };
  } finally {
    await subject.stop();
    await endAndClean();
  }
}

/**
 * Surely under load, although only the end of the simulator is known: it ended at most `maxMs` after the schedule was
 * over, when the last reading was acknowledged, and a moment. Empty (`toMs` before `fromMs`) where that is unknown.
 */
export function timeUnderLoad(
  endedMs: number,
  seconds: number,
  maxMs: number,
): { readonly fromMs: number; readonly toMs: number } {
  return { fromMs: endedMs - seconds * 1000, toMs: endedMs - maxMs - ENDING_MS };
}

/** As the simulator reads it: no exponent. */
export function rateText(perSecond: number): string {
  return `${Number(perSecond.toFixed(9))}/s`;
}

/** @throws Error where it is not what `device-sim run --json` prints. */
export function summaryFrom(stdout: string, stderr: string): Summary {
  const problem = new Error(`the simulator printed no summary: ${(stderr || stdout).slice(-2000)}`);
  let value: unknown;
  try {
    value = JSON.parse(stdout);
  } catch {
    throw problem;
  }
  if (!isSummary(value)) throw problem;
  return value;
}

/** What is used of it here. */
function isSummary(value: unknown): value is Summary {
  return (
    typeof value === 'object' &&
    value !== null &&
    'offered' in value &&
    'acknowledged' in value &&
    'latency' in value &&
    'ownDelay' in value &&
    'connections' in value &&
    typeof value.offered === 'number' &&
    typeof value.acknowledged === 'number' &&
    typeof value.latency === 'object' &&
    typeof value.ownDelay === 'object' &&
    typeof value.connections === 'object' &&
    value.connections !== null
  );
}
