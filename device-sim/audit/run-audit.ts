import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadableLedger } from '../ledger/read-ledger.ts';
import type { AuditStore, Finding, GatewayCounts, GatewayView, ReadingEnd } from './audit-contract.ts';
import { AuditUnits } from './audit-units.ts';
import {
  FAULT_NAMES,
  gatherReadings,
  gatherRejections,
  gatherRows,
  prepare,
  type Unnamed,
} from './gather.ts';
import { matchBucket } from './match-bucket.ts';
import { nsOfMs } from './match-rules.ts';
import { makeOwnFolder } from './own-folder.ts';
import { type Counts, Tally, type UnitCounts } from './tally.ts';

export interface AuditSettings {
  /** For the sinks of the gateway to write what they have; 0: not at all. */
  readonly waitMs: number;
  /** By how much the clocks of sender and gateway may differ. */
  readonly slackMs: number;
  /** By how much a stored own time may differ, because the gateway corrects clocks. */
  readonly clockToleranceMs: number;
  /** The sink whose drops count; null: the one that dropped least. */
  readonly sink: string | null;
  /** What the gateway had counted before the run; null: nobody knows, so what it dropped explains nothing. */
  readonly before: GatewayCounts | null;
  /** Of each kind of finding, how many are named. */
  readonly mostNamed: number;
  /** Readings and rows in memory at once; 100,000 unless given. */
  readonly mostAtOnce?: number;
  readonly signal: AbortSignal;
}

export interface AuditResult {
  /** Nothing that was acknowledged is lost or altered. */
  readonly good: boolean;
  readonly scenario: string;
  readonly seed: number;
  readonly store: string;
  readonly gateway: string | null;
  readonly total: Counts;
  /** Where the acknowledged readings ended; their sum is `total.acknowledged`. */
  readonly acknowledged: Readonly<Partial<Record<ReadingEnd, number>>>;
  /** Of the lost ones: what the gateway dropped, or rejections that it no longer keeps, since the run began. */
  readonly dropped: number;
  /** It counts some as dropped, and what it had counted before the run is not known. */
  readonly droppedUnknown: number;
  readonly lostUnexplained: number;
  /** Points that still wait in the gateway for the database. */
  readonly pending: number;
  readonly late: number;
  readonly latestMs: number;
  /** Rows in the same measurements and times, of devices that the ledger does not know. */
  readonly strangers: number;
  readonly devices: readonly UnitCounts[];
  readonly findings: readonly Finding[];
}

/** Where a reading ends in one of these, the audit has seen something. */
const PROVING_ENDS = [
  'stored',
  'rejected',
  'lost',
  'altered-value',
  'altered-time',
  'stored-though-bad',
  'rejected-though-good',
] as const satisfies readonly ReadingEnd[];
const MOST_AT_ONCE = 100_000;
const BUCKET_READINGS = 40_000;
const MOST_BUCKETS = 512;
/** Around the run, in the database. */
const MARGIN_MS = 60_000;
const POLL_MS = 250;
/** Where nothing moves for so long, nothing writes. */
const STANDSTILL_MS = 20_000;
/** A field that the gateway adds where it corrects a clock. */
const ADDED_BY_CORRECTION = 'device_time';

/**
 * Compares the ledger of a run with what a database and a gateway hold. Its memory does not grow with the number of
 * readings: everything is first spread over temporary files in the ledger's folder, then compared device by device.
 *
 * @throws Error in plain words where it cannot be made: the database or the gateway cannot be asked, the ledger is damaged,
 * nothing of the run is there and nothing had to be.
 */
export async function runAudit(
  ledger: ReadableLedger,
  store: AuditStore,
  gateway: GatewayView | null,
  settings: AuditSettings,
): Promise<AuditResult> {
  const counts = gateway === null ? null : await untilWritten(gateway, settings);
  const folder = makeOwnFolder(ledger.folder, 'audit-');
  try {
    const units = new AuditUnits(ledger.run.devices);
    const ignored = new Set(settings.clockToleranceMs > 0 ? [ADDED_BY_CORRECTION] : []);
    const buckets = Math.min(MOST_BUCKETS, Math.max(1, Math.ceil(ledger.count / BUCKET_READINGS)));
    const gathered = prepare(folder, buckets, ledger.run.startMs);
    const sinceMs = ledger.run.startMs - settings.slackMs;
    const unnamed: Unnamed | null =
      gateway === null
        ? null
        : await gatherRejections(gathered, gateway, ledger, units, { sinceMs, ignored });
    gatherReadings(gathered, ledger, units, unnamed, { folder, slackNs: nsOfMs(settings.slackMs) });
    const marginNs = nsOfMs(Math.max(MARGIN_MS, settings.slackMs));
    await gatherRows(gathered, store, ledger, units, gathered.cover.ranges(marginNs), ignored);
    for (const files of [gathered.readings, gathered.rows, gathered.rejections]) files.flush();

    const tally = new Tally({
      units: units.all,
      devices: ledger.run.devices.map(({ name }) => name),
      measurements: ledger.measurements,
      faults: FAULT_NAMES,
      mostNamed: settings.mostNamed,
      lateNs: nsOfMs(settings.slackMs),
    });
    const mostAtOnce = settings.mostAtOnce ?? MOST_AT_ONCE;
    const rules = {
      slackNs: nsOfMs(settings.slackMs),
      clockToleranceNs: nsOfMs(settings.clockToleranceMs),
      resolutionNs: store.resolutionNs,
      runFromNs: nsOfMs(ledger.run.startMs),
      runToNs: gathered.cover.lastNs,
      tellsFields: store.tellsFields,
      knowsRejected: gateway !== null,
      mostCarried: 2 * mostAtOnce,
    };
    for (let bucket = 0; bucket < buckets; bucket += 1) {
      settings.signal.throwIfAborted();
      matchBucket(bucket, gathered, units, rules, tally, mostAtOnce);
    }
    if (PROVING_ENDS.every((end) => tally.total[end] === 0)) throw new Error(nothingProven(tally.total));
    return resultOf(ledger, store, gateway, { tally, counts, settings, strangers: gathered.strangers });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function nothingProven({ sent, acknowledged }: Counts): string {
  if (sent === 0) return 'the ledger has no reading';
  if (acknowledged === 0) return 'no reading was acknowledged, and none is there: it would prove nothing';
  return 'no acknowledgement of this run promises what this database could show, and nothing is there: it would prove nothing';
}

function resultOf(
  { run }: ReadableLedger,
  store: AuditStore,
  gateway: GatewayView | null,
  found: {
    tally: Tally;
    counts: GatewayCounts | null;
    settings: Pick<AuditSettings, 'sink' | 'before'>;
    strangers: number;
  },
): AuditResult {
  const { tally, counts, settings, strangers } = found;
  const { total, lostByFate } = tally;
  const sinks = (counts?.sinks ?? []).filter(({ name }) => settings.sink === null || name === settings.sink);
  const since = admitted(counts, settings.before, settings.sink);
  const explained =
    Math.min(lostByFate.stored, since.dropped) + Math.min(lostByFate.rejected, since.rejectionsGone);
  const dropped = settings.before === null ? 0 : explained;
  const devices = [...tally.units.values()].sort((a, b) => (a.device < b.device ? -1 : 1));
  const lostUnexplained = total.lost - dropped;
  return {
    good: lostUnexplained === 0 && total['altered-value'] === 0 && total['altered-time'] === 0,
    scenario: run.scenario,
    seed: run.seed,
    store: store.name,
    gateway: gateway?.name ?? null,
    total,
    acknowledged: Object.fromEntries(tally.acknowledgedEnds),
    dropped,
    droppedUnknown: settings.before === null ? explained : 0,
    lostUnexplained,
    pending: sinks.reduce((sum, { pending }) => sum + pending, 0),
    late: tally.late,
    latestMs: devices.reduce((latest, { latestMs }) => Math.max(latest, latestMs), 0),
    strangers,
    devices,
    findings: tally.findings,
  };
}

/** What the gateway dropped since it was asked before. Which of several sinks is meant nobody said: the least of all. */
function admitted(
  counts: GatewayCounts | null,
  before: GatewayCounts | null,
  sink: string | null,
): { readonly dropped: number; readonly rejectionsGone: number } {
  const drops = (counts?.sinks ?? [])
    .filter(({ name }) => sink === null || name === sink)
    .map(({ name, dropped }) => dropped - (before?.sinks.find((each) => each.name === name)?.dropped ?? 0));
  return {
    dropped: drops.length === 0 ? 0 : Math.max(0, Math.min(...drops)),
    rejectionsGone: Math.max(0, (counts?.rejectionsGone ?? 0) - (before?.rejectionsGone ?? 0)),
  };
}

/** Until no sink has anything left to write, or nothing moves any more. */
async function untilWritten(
  gateway: GatewayView,
  { waitMs, sink, signal }: AuditSettings,
): Promise<GatewayCounts> {
  const deadline = performance.now() + waitMs;
  let last = -1;
  let movedAt = performance.now();
  for (;;) {
    const counts = await gateway.counts();
    const pending = counts.sinks
      .filter(({ name }) => sink === null || name === sink)
      .reduce((sum, each) => sum + each.pending, 0);
    const now = performance.now();
    if (pending !== last) movedAt = now;
    last = pending;
    if (pending === 0 || now >= deadline || now - movedAt > STANDSTILL_MS) return counts;
    await sleep(POLL_MS, undefined, { signal });
  }
}
