import type { ValueRules } from './value-rules.ts';

/** The numbers that rules allow, as far apart as a device would send them. */
export interface NumberGrid {
  readonly lowest: number;
  readonly highest: number;
  /** The allowed number next to one. */
  snap(value: number): number;
}

const LARGEST = Number.MAX_SAFE_INTEGER;
const TRIES = 200;

/**
 * @param decimals digits after the point; more where the range is too narrow for them
 * @returns null where no number was found
 */
export function numberGrid(rules: ValueRules, isInteger: boolean, decimals: number): NumberGrid | null {
  const { minimum, maximum, aboveMinimum, belowMaximum, multiples } = rules;
  const lowest = Math.max(minimum, aboveMinimum, isInteger ? -LARGEST : Number.NEGATIVE_INFINITY);
  const highest = Math.min(maximum, belowMaximum, isInteger ? LARGEST : Number.POSITIVE_INFINITY);
  if (lowest > highest) return null;
  const fits = (value: number): boolean =>
    value >= minimum &&
    value <= maximum &&
    value > aboveMinimum &&
    value < belowMaximum &&
    (!isInteger || Number.isSafeInteger(value)) &&
    multiples.every((step) => Number.isInteger(value / step));

  const tryWith = (at: (k: number) => number, indexOf: (value: number) => number): NumberGrid | null => {
    const snap = (value: number): number | null => {
      const clamped = Math.min(highest, Math.max(lowest, value));
      const k = Math.round(indexOf(clamped));
      for (let away = 0; away < TRIES; away += 1) {
        const up = at(k + away);
        if (fits(up)) return up + 0;
        const down = at(k - away);
        if (fits(down)) return down + 0;
      }
      return null;
    };
    const start = snap(Math.min(highest, Math.max(lowest, 0)));
    if (start === null) return null;
    return { lowest, highest, snap: (value) => snap(value) ?? start };
  };

  const step = multiples.length === 0 ? null : commonMultiple(multiples);
  if (step !== null)
    return (
      tryWith(
        (k) => k * step,
        (value) => value / step,
      ) ??
      tryWith(
        (k) => decimal(k, step),
        (value) => value / step,
      )
    );
  if (isInteger)
    return tryWith(
      (k) => k,
      (value) => value,
    );
  for (let digits = decimals; digits <= 15; digits += 1) {
    const scale = Number(`1e${digits}`);
    const grid = tryWith(
      (k) => k / scale,
      (value) => value * scale,
    );
    if (grid !== null) return grid;
  }
  const middle = lowest / 2 + highest / 2;
  return fits(middle) ? { lowest, highest, snap: () => middle } : null;
}

/** k × step, rounded as a decimal: 3 × 0.1 is 0.3 then. */
function decimal(k: number, step: number): number {
  return Number((k * step).toFixed(12));
}

/** Of whole numbers their least common multiple; of others the largest of them. */
function commonMultiple(steps: readonly number[]): number {
  if (!steps.every((step) => Number.isSafeInteger(step))) return Math.max(...steps);
  return steps.reduce((a, b) => {
    let x = a;
    let y = b;
    while (y !== 0) [x, y] = [y, x % y];
    return (a / x) * b;
  });
}
