import type { AuditUnit } from './audit-units.ts';
import { compare, groupBy } from './match-intervals.ts';
import { arrivalInterval, floor, isWithinRun, type MatchRules } from './match-rules.ts';
import { orderNs, type SentReading, type SpilledRejection, type SpilledRow } from './spilled.ts';
import type { Tally } from './tally.ts';

/** Rows in the interval of one reading; a long outage has many. */
const MOST_LOOKED_AT = 10_000;

interface Leftovers {
  readonly sent: readonly SentReading[];
  readonly rows: readonly SpilledRow[];
  readonly rejections: readonly SpilledRejection[];
}

/**
 * Says what became of readings and rows that have not found each other, from the strongest sign to the weakest: the
 * same time with another value, the same value at another time, another value while a reading was under way; at last
 * lost, or nobody's.
 */
export function judgeLeftovers(
  unit: AuditUnit,
  steps: readonly bigint[],
  rules: MatchRules,
  tally: Tally,
  { sent, rows, rejections }: Leftovers,
): void {
  const free = new Set(rows);
  let open = [...sent];
  const take = (pick: (reading: SentReading) => SpilledRow | undefined, end: Altered): void => {
    open = open.filter((reading) => {
      const row = pick(reading);
      if (row === undefined || !free.delete(row)) return true;
      tally.reading(reading, end(reading), row);
      return false;
    });
  };

  if (rules.tellsFields && free.size > 0 && open.length > 0) {
    for (const step of steps) {
      const byTime = groupBy([...free], ({ measurement, timeNs }) => `${measurement} ${floor(timeNs, step)}`);
      take(
        ({ expected }) =>
          expected === null || expected.timeNs === null
            ? undefined
            : byTime
                .get(`${expected.measurement} ${floor(expected.timeNs, step)}`)
                ?.find((row) => free.has(row)),
        () => 'altered-value',
      );
    }
    const byDigest = groupBy([...free], ({ measurement, digest }) => `${measurement} ${digest}`);
    take(
      (reading) =>
        reading.expected === null
          ? undefined
          : nearest(
              byDigest.get(`${reading.expected.measurement} ${reading.expected.digest}`),
              orderNs(reading),
              free,
              // One that need not be there is not looked for beside the run: another run may have said the same.
              (reading.acknowledged && reading.promised) ||
                !isWithinRun(reading.expected.timeNs ?? reading.saidNs, rules)
                ? () => true
                : ({ timeNs }) => reading.expected?.ageNs === 0n && isWithinRun(timeNs, rules),
            ),
      () => 'altered-time',
    );
    const sorted = [...free].sort((a, b) => compare(a.timeNs, b.timeNs));
    // Without slack: a row that came beside a reading, not while it was under way, is somebody else's.
    take(
      (reading) =>
        reading.acknowledged && reading.expected?.timeNs === null
          ? firstWithin(sorted, arrivalInterval(reading, 0n, 0n, rules.resolutionNs), free, reading)
          : undefined,
      () => 'altered-value',
    );
  }
  if (free.size > 0 && open.length > 0) {
    const sorted = [...free].sort((a, b) => compare(a.timeNs, b.timeNs));
    // Nobody can say what it would look like: that a row came while it was under way is all there is.
    take(
      (reading) =>
        reading.expected === null
          ? firstWithin(sorted, arrivalInterval(reading, rules.slackNs, 0n, rules.resolutionNs), free, null)
          : undefined,
      ({ fate }) => (fate === 'rejected' ? 'stored-though-bad' : 'stored'),
    );
  }
  for (const reading of open) tally.reading(reading, nowhere(reading, rules), null);
  for (const row of free) tally.surplus('unexpected', unit.index, row, null);
  for (const { atMs } of rejections) tally.unexpectedRejection(unit.index, atMs);
}

type Altered = (reading: SentReading) => 'altered-value' | 'altered-time' | 'stored' | 'stored-though-bad';

function nowhere(
  reading: SentReading,
  rules: MatchRules,
): 'lost' | 'no-promise' | 'not-arrived' | 'not-looked-for' {
  if (!reading.acknowledged) return 'not-arrived';
  if (!reading.promised) return 'no-promise';
  return reading.fate === 'stored' || rules.knowsRejected ? 'lost' : 'not-looked-for';
}

function nearest(
  rows: readonly SpilledRow[] | undefined,
  timeNs: bigint,
  free: ReadonlySet<SpilledRow>,
  canBe: (row: SpilledRow) => boolean,
): SpilledRow | undefined {
  let best: SpilledRow | undefined;
  let bestNs = 0n;
  for (const row of rows ?? []) {
    if (!free.has(row) || !canBe(row)) continue;
    const apartNs = row.timeNs < timeNs ? timeNs - row.timeNs : row.timeNs - timeNs;
    if (best === undefined || apartNs < bestNs) {
      best = row;
      bestNs = apartNs;
    }
  }
  return best;
}

/** Of rows in order of time: the first that is free and of the reading's measurement (null: of any). */
function firstWithin(
  sorted: readonly SpilledRow[],
  [fromNs, toNs]: readonly [bigint, bigint | null],
  free: ReadonlySet<SpilledRow>,
  reading: SentReading | null,
): SpilledRow | undefined {
  let low = 0;
  for (let high = sorted.length; low < high; ) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.timeNs ?? 0n) < fromNs) low = middle + 1;
    else high = middle;
  }
  for (let i = low; i < Math.min(sorted.length, low + MOST_LOOKED_AT); i += 1) {
    const row = sorted[i];
    if (row === undefined || (toNs !== null && row.timeNs > toNs)) return undefined;
    if (free.has(row) && (reading === null || reading.expected?.measurement === row.measurement)) return row;
  }
  return undefined;
}
