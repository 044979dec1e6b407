import {
  type Finding,
  READING_ENDS,
  type ReadingEnd,
  SURPLUS_KINDS,
  type SurplusKind,
} from './audit-contract.ts';
import type { AuditUnit } from './audit-units.ts';
import { orderNs, type SentReading, type SpilledRow } from './spilled.ts';

export type Counts = Record<ReadingEnd | SurplusKind | 'sent' | 'acknowledged', number>;

export interface UnitCounts extends Counts {
  readonly device: string;
  /** Of readings with a time of arrival: the latest after it was said, ms; 0 where there is none. */
  latestMs: number;
}

/** Ends that are as they should be: no example of them is kept. */
const EXPECTED_ENDS: ReadonlySet<ReadingEnd | SurplusKind> = new Set([
  'stored',
  'rejected',
  'not-arrived',
  'no-promise',
  'not-looked-for',
  'allowed-repeat',
]);

/** Counts where each reading ended, for each device and in all, and keeps a bounded number of them by name. */
export class Tally {
  readonly total: Counts = noCounts();
  readonly units = new Map<number, UnitCounts>();
  readonly findings: Finding[] = [];
  /** Lost ones by what they should have become: the gateway's counts of what it dropped may explain them. */
  readonly lostByFate = { stored: 0, rejected: 0 };
  /** Acknowledged readings by where they ended. */
  readonly acknowledgedEnds = new Map<ReadingEnd, number>();
  /** Readings stored with a time of arrival further behind than `lateNs`. */
  late = 0;
  private readonly named = new Map<string, number>();
  private readonly names: TallyNames;

  constructor(names: TallyNames) {
    this.names = names;
  }

  reading(reading: SentReading, end: ReadingEnd, row: SpilledRow | null): void {
    const unit = this.of(reading.unit);
    for (const counts of [this.total, unit]) {
      counts.sent += 1;
      counts[end] += 1;
      if (reading.acknowledged) counts.acknowledged += 1;
    }
    if (reading.acknowledged) this.acknowledgedEnds.set(end, (this.acknowledgedEnds.get(end) ?? 0) + 1);
    if (end === 'lost') this.lostByFate[reading.fate === 'rejected' ? 'rejected' : 'stored'] += 1;
    if (end === 'stored' && row !== null && reading.expected?.timeNs === null && !row.refused) {
      const lateNs = row.timeNs - orderNs(reading);
      unit.latestMs = Math.max(unit.latestMs, Number(lateNs / 1_000_000n));
      if (lateNs > this.names.lateNs) this.late += 1;
    }
    if (!EXPECTED_ENDS.has(end)) this.name(end, reading.unit, reading, row);
  }

  surplus(kind: SurplusKind, unitIndex: number, row: SpilledRow | null, reading: SentReading | null): void {
    this.total[kind] += 1;
    this.of(unitIndex)[kind] += 1;
    if (!EXPECTED_ENDS.has(kind)) this.name(kind, unitIndex, reading, row);
  }

  /** One that no reading explains. */
  unexpectedRejection(unitIndex: number, atMs: number): void {
    this.total['unexpected-rejection'] += 1;
    this.of(unitIndex)['unexpected-rejection'] += 1;
    this.keep({
      ...NOTHING,
      kind: 'unexpected-rejection',
      device: this.names.units[unitIndex]?.name ?? '',
      rejectedAt: isoOf(BigInt(Math.floor(atMs)) * 1_000_000n),
    });
  }

  private faultsOf({ payloadFault, wayFault }: SentReading): string[] {
    return [payloadFault, wayFault].flatMap((number) => this.names.faults[number] ?? []);
  }

  private keep(finding: Finding): void {
    const named = this.named.get(finding.kind) ?? 0;
    if (named >= this.names.mostNamed) return;
    this.named.set(finding.kind, named + 1);
    this.findings.push(finding);
  }

  private of(index: number): UnitCounts {
    let counts = this.units.get(index);
    if (counts === undefined) {
      counts = { device: this.names.units[index]?.name ?? '', latestMs: 0, ...noCounts() };
      this.units.set(index, counts);
    }
    return counts;
  }

  private name(
    kind: Finding['kind'],
    unit: number,
    reading: SentReading | null,
    row: SpilledRow | null,
  ): void {
    const measurement = row?.measurement ?? reading?.expected?.measurement;
    const expectedNs = reading?.expected?.timeNs ?? null;
    this.keep({
      ...NOTHING,
      kind,
      device:
        reading === null ? (this.names.units[unit]?.name ?? '') : (this.names.devices[reading.device] ?? ''),
      n: reading?.n ?? null,
      saidAt: reading === null ? null : isoOf(reading.saidNs),
      storedAt: row === null ? null : isoOf(row.timeNs),
      expectedAt: expectedNs === null ? null : isoOf(expectedNs),
      measurement: measurement === undefined ? null : (this.names.measurements[measurement] ?? null),
      faults: reading === null ? [] : this.faultsOf(reading),
    });
  }
}

const NOTHING = {
  n: null,
  saidAt: null,
  storedAt: null,
  rejectedAt: null,
  expectedAt: null,
  measurement: null,
  faults: [],
} as const;

export interface TallyNames {
  readonly units: readonly AuditUnit[];
  readonly devices: readonly string[];
  readonly measurements: readonly string[];
  readonly faults: readonly (string | null)[];
  /** Of each kind, how many are kept by name. */
  readonly mostNamed: number;
  /** Beyond this an arrival counts as late. */
  readonly lateNs: bigint;
}

/** ISO 8601 with nanoseconds. */
export function isoOf(ns: bigint): string {
  const belowSecond = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const date = new Date(Number((ns - belowSecond) / 1_000_000n));
  if (Number.isNaN(date.getTime())) return `${ns} ns`;
  return `${date.toISOString().slice(0, -5)}.${String(belowSecond).padStart(9, '0')}Z`;
}

function noCounts(): Counts {
  // Exactly the keys of the type.
  return Object.fromEntries(
    ['sent', 'acknowledged', ...READING_ENDS, ...SURPLUS_KINDS].map((key) => [key, 0]),
  ) as Counts;
}
