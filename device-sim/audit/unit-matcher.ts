/**
 * Brings what was sent and what was found of one device together.
 *
 * A reading with a time of its own is found by that time, rounded down to its unit (the gateway may add digits below it),
 * and the digest of its fields. One without is found by its digest among the rows that arrived between its being said
 * and its being answered; if clocks differ, within the slack around that. Rejections are found by their payload, in the
 * same interval: an equal one of another run proves nothing. What is left over is judged at the end, when nothing more can come: there with another value, with another time, twice,
 * nowhere, or nobody's.
 *
 * It is fed in pieces, in order of time, and carries over what has not found its match: a time of arrival may lie behind
 * the readings of the next piece. Acknowledged readings choose first: of two equal ones, of which one never arrived, the
 * acknowledged one is not called lost.
 */
import type { SurplusKind } from './audit-contract.ts';
import type { AuditUnit } from './audit-units.ts';
import { judgeLeftovers } from './judge-leftovers.ts';
import { groupBy, matchIntervals } from './match-intervals.ts';
import { arrivalInterval, floor, type MatchRules, nsOfMs, rejectionInterval } from './match-rules.ts';
import type { SentReading, SpilledRejection, SpilledRow } from './spilled.ts';
import type { Tally } from './tally.ts';

/** A reading without a time of its own that has been found, for the repeats that may follow. */
export interface Found {
  readonly reading: SentReading;
  readonly row: SpilledRow;
}

export class UnitMatcher {
  private readonly unit: AuditUnit;
  private readonly rules: MatchRules;
  private readonly tally: Tally;
  private readonly steps: readonly bigint[];
  private sent: SentReading[] = [];
  private rows: SpilledRow[] = [];
  private rejections: SpilledRejection[] = [];
  /** Those of this piece and of the one before. */
  private found: readonly (readonly Found[])[] = [];
  /** Sent twice on purpose, and found twice: a third would be one too many. */
  private excused = new WeakSet<SentReading>();

  constructor(unit: AuditUnit, rules: MatchRules, tally: Tally) {
    this.unit = unit;
    this.rules = rules;
    this.tally = tally;
    const units = unit.timeUnitsNs.length === 0 ? [1n] : unit.timeUnitsNs;
    this.steps = [...new Set(units.map((ns) => (ns > rules.resolutionNs ? ns : rules.resolutionNs)))];
  }

  feed(
    sent: readonly SentReading[],
    rows: readonly SpilledRow[],
    rejections: readonly SpilledRejection[],
  ): void {
    const oldRows = new Set(this.rows);
    const acknowledgedFirst = [...this.sent, ...sent].sort(
      (a, b) => Number(b.acknowledged) - Number(a.acknowledged),
    );
    this.sent = acknowledgedFirst;
    this.rows = [...this.rows, ...rows];
    this.rejections = [...this.rejections, ...rejections];
    this.byOwnTime();
    this.found = [...this.found.slice(-1), this.byArrival()];
    this.takeRejections();
    this.takeRepeats(oldRows);
    if (this.sent.length + this.rows.length > this.rules.mostCarried) this.judge();
  }

  /** Nothing more comes. */
  finish(): void {
    this.takeRepeats(null);
    this.judge();
    this.found = [];
  }

  private key(measurement: number, timeNs: bigint, digest: bigint): string {
    return this.rules.tellsFields ? `${measurement} ${timeNs} ${digest}` : `${measurement} ${timeNs}`;
  }

  private byOwnTime(): void {
    const waiting = new Map<string, SentReading[]>();
    for (const reading of this.sent) {
      const { expected } = reading;
      if (expected === null || expected.timeNs === null) continue;
      for (const step of this.steps) {
        const key = this.key(expected.measurement, floor(expected.timeNs, step), expected.digest);
        const same = waiting.get(key);
        if (same === undefined) waiting.set(key, [reading]);
        else if (!same.includes(reading)) same.push(reading);
      }
    }
    if (waiting.size === 0) return;
    const done = new Map<SentReading, SpilledRow>();
    const claimed = new Set<string>();
    const rest: SpilledRow[] = [];
    for (const row of this.rows) {
      let match: SentReading | null = null;
      let again: SentReading | null = null;
      let twin: SentReading | null = null;
      for (const step of this.steps) {
        const same = waiting.get(this.key(row.measurement, floor(row.timeNs, step), row.digest));
        const open = same?.filter((reading) => !done.has(reading));
        // Other bytes first: what was said again has no row of its own.
        match ??= open?.find((reading) => !claimed.has(bytesKey(reading))) ?? null;
        again ??= open?.[0] ?? null;
        twin ??= same?.[0] ?? null;
      }
      match ??= again;
      if (match !== null) {
        done.set(match, row);
        if (saidTime(match) !== null) claimed.add(bytesKey(match));
      } else if (twin !== null) this.surplus(twin, row);
      else rest.push(row);
    }
    this.rows = rest;
    this.takeSaidAgain(done);
    this.settle(done);
  }

  /** The same bytes with the same time of their own are the same reading, said again: one row is all there is to be. */
  private takeSaidAgain(done: Map<SentReading, SpilledRow>): void {
    const open = this.sent.filter((reading) => saidTime(reading) !== null && !done.has(reading));
    if (open.length === 0) return;
    const rows = new Map<string, SpilledRow>();
    for (const [reading, row] of done) rows.set(bytesKey(reading), row);
    for (const reading of open) {
      const row = rows.get(bytesKey(reading));
      if (row !== undefined) done.set(reading, row);
    }
  }

  private byArrival(): Found[] {
    const { slackNs, clockToleranceNs, resolutionNs, tellsFields } = this.rules;
    const done = new Map<SentReading, SpilledRow>();
    const keyOf = (measurement: number, digest: bigint): string =>
      tellsFields ? `${measurement} ${digest}` : `${measurement}`;
    // First as if all clocks were one: so each of many equal readings gets its own row, and the missing one is named.
    for (const slack of [0n, slackNs]) {
      const waiting = this.sent.filter(
        ({ expected }) => expected !== null && (expected.timeNs === null || clockToleranceNs > 0n),
      );
      this.rows = matchIntervals({
        readings: waiting.filter((reading) => !done.has(reading)),
        items: this.rows,
        keyOfReading: ({ expected }) => keyOf(expected?.measurement ?? 0, expected?.digest ?? 0n),
        keyOfItem: ({ measurement, digest }) => keyOf(measurement, digest),
        timeNsOf: ({ timeNs }) => timeNs,
        intervalOf: (reading) => arrivalInterval(reading, slack, clockToleranceNs, resolutionNs),
        onMatch: (reading, row) => void done.set(reading, row),
      });
    }
    return this.settle(done);
  }

  private settle(done: ReadonlyMap<SentReading, SpilledRow>): Found[] {
    if (done.size === 0) return [];
    this.sent = this.sent.filter((reading) => !done.has(reading));
    const found: Found[] = [];
    for (const [reading, row] of done) {
      const end = row.refused
        ? reading.fate === 'stored'
          ? 'rejected-though-good'
          : 'rejected'
        : reading.fate === 'rejected'
          ? 'stored-though-bad'
          : 'stored';
      this.tally.reading(reading, end, row);
      found.push({ reading, row });
    }
    return found;
  }

  private takeRejections(): void {
    if (this.rejections.length === 0) return;
    const done = new Map<SentReading, SpilledRejection>();
    // Those that had to be rejected come first; and as if all clocks were one, as with rows.
    for (const isGood of [false, true]) {
      for (const slack of [0n, this.rules.slackNs]) {
        this.rejections = matchIntervals({
          readings: this.sent.filter(
            (reading) => (reading.fate === 'stored') === isGood && !done.has(reading),
          ),
          items: this.rejections,
          keyOfReading: ({ payload }) => String(payload),
          keyOfItem: ({ payload }) => String(payload),
          timeNsOf: ({ atMs }) => nsOfMs(atMs),
          intervalOf: (reading) => rejectionInterval(reading, slack),
          onMatch: (reading, rejection) => void done.set(reading, rejection),
        });
      }
    }
    if (done.size === 0) return;
    for (const reading of done.keys())
      this.tally.reading(reading, reading.fate === 'stored' ? 'rejected-though-good' : 'rejected', null);
    this.sent = this.sent.filter((reading) => !done.has(reading));
    this.excuseRejections([...done.keys()]);
  }

  /** A bad one that was sent twice is rejected twice. */
  private excuseRejections(rejected: readonly SentReading[]): void {
    const twice = groupBy(
      rejected.filter((reading) => reading.sentTwice),
      ({ payload }) => String(payload),
    );
    if (twice.size === 0) return;
    this.rejections = this.rejections.filter(({ payload }) => {
      const twin = twice.get(String(payload))?.find((reading) => this.isExcuse(reading));
      if (twin === undefined) return true;
      this.excused.add(twin);
      this.tally.surplus('allowed-repeat', this.unit.index, null, twin);
      return false;
    });
  }

  /** Rows that nobody claimed, and that look like a reading which has its row: only of those that came a piece ago. */
  private takeRepeats(old: ReadonlySet<SpilledRow> | null): void {
    if (this.rows.length === 0 || !this.rules.tellsFields) return;
    const known = groupBy(this.found.flat(), ({ row }) => `${row.measurement} ${row.digest}`);
    this.rows = this.rows.filter((row) => {
      if (old !== null && !old.has(row)) return true;
      const alike = known.get(`${row.measurement} ${row.digest}`) ?? [];
      const before = alike.filter(({ reading }) => this.repeats(reading, row));
      const twin = before.findLast(({ reading }) => this.isExcuse(reading)) ?? before.at(-1);
      if (twin === undefined) return true;
      this.surplus(twin.reading, row);
      return false;
    });
  }

  /** A second row of a reading without a time of its own lies behind it. */
  private repeats({ expected, saidNs }: SentReading, row: SpilledRow): boolean {
    return expected?.timeNs === null && row.timeNs >= saidNs - expected.ageNs - this.rules.slackNs;
  }

  private isExcuse(reading: SentReading): boolean {
    return reading.sentTwice && !this.excused.has(reading);
  }

  private surplus(reading: SentReading, row: SpilledRow): void {
    let kind: SurplusKind = reading.recognisable ? 'double' : 'unrecognisable-double';
    if (kind === 'unrecognisable-double' && this.isExcuse(reading)) {
      kind = 'allowed-repeat';
      this.excused.add(reading);
    }
    this.tally.surplus(kind, this.unit.index, row, reading);
  }

  private judge(): void {
    judgeLeftovers(this.unit, this.steps, this.rules, this.tally, {
      sent: this.sent,
      rows: this.rows,
      rejections: this.rejections,
    });
    this.sent = [];
    this.rows = [];
    this.rejections = [];
  }
}

function bytesKey(reading: SentReading): string {
  return `${saidTime(reading)} ${reading.payload}`;
}

/** Its own time, by which the gateway knows it again; null: it has none. */
function saidTime({ expected, recognisable }: SentReading): bigint | null {
  return recognisable ? (expected?.timeNs ?? null) : null;
}
