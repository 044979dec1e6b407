import type { SentReading } from './spilled.ts';

/**
 * Gives readings the items (rows, rejections) of their key that lie in their intervals (`null`: no end), so that as many
 * readings as possible get one: in the order of time each item goes to the reading whose interval ends first. Acknowledged
 * readings before all others. Returns the items that are left. O(n log n) while few intervals overlap.
 */
export function matchIntervals<T>(task: {
  readonly readings: readonly SentReading[];
  readonly items: readonly T[];
  readonly keyOfReading: (reading: SentReading) => string;
  readonly keyOfItem: (item: T) => string;
  readonly timeNsOf: (item: T) => bigint;
  readonly intervalOf: (reading: SentReading) => readonly [fromNs: bigint, toNs: bigint | null];
  readonly onMatch: (reading: SentReading, item: T) => void;
}): T[] {
  if (task.readings.length === 0 || task.items.length === 0) return [...task.items];
  const readings = groupBy(task.readings, task.keyOfReading);
  const left: T[] = [];
  for (const [key, items] of groupBy(task.items, task.keyOfItem)) {
    const waiting = readings.get(key);
    const rest = waiting === undefined ? items : matchGroup(waiting, items, task);
    for (const item of rest) left.push(item);
  }
  return left;
}

interface Waiting {
  readonly reading: SentReading;
  readonly fromNs: bigint;
  readonly toNs: bigint | null;
}

function matchGroup<T>(
  readings: readonly SentReading[],
  items: readonly T[],
  task: Pick<Parameters<typeof matchIntervals<T>>[0], 'timeNsOf' | 'intervalOf' | 'onMatch'>,
): T[] {
  let free = items.toSorted((a, b) => compare(task.timeNsOf(a), task.timeNsOf(b)));
  for (const acknowledged of [true, false]) {
    const coming = readings
      .filter((reading) => reading.acknowledged === acknowledged)
      .map((reading): Waiting => {
        const [fromNs, toNs] = task.intervalOf(reading);
        return { reading, fromNs, toNs };
      })
      .sort((a, b) => compare(a.fromNs, b.fromNs));
    const open = new OpenIntervals();
    const rest: T[] = [];
    let next = 0;
    for (const item of free) {
      const timeNs = task.timeNsOf(item);
      for (let at = coming[next]; at !== undefined && at.fromNs <= timeNs; at = coming[next]) {
        open.add(at);
        next += 1;
      }
      const first = open.take(timeNs);
      if (first === null) rest.push(item);
      else task.onMatch(first.reading, item);
    }
    free = rest;
  }
  return free;
}

/** Intervals that have begun, the one that ends first in front; of those that end together the one that began first. */
class OpenIntervals {
  private sorted: Waiting[] = [];
  private head = 0;

  add(waiting: Waiting): void {
    let low = this.head;
    for (let high = this.sorted.length; low < high; ) {
      const middle = (low + high) >>> 1;
      const other = this.sorted[middle];
      if (other !== undefined && endsBefore(waiting, other)) high = middle;
      else low = middle + 1;
    }
    this.sorted.splice(low, 0, waiting);
  }

  /** Those that are over are forgotten. */
  take(timeNs: bigint): Waiting | null {
    for (let first = this.sorted[this.head]; first !== undefined; first = this.sorted[this.head]) {
      this.head += 1;
      if (this.head > 1024) {
        this.sorted = this.sorted.slice(this.head);
        this.head = 0;
      }
      if (first.toNs === null || first.toNs >= timeNs) return first;
    }
    return null;
  }
}

function endsBefore(a: Waiting, b: Waiting): boolean {
  return a.toNs !== null && (b.toNs === null || a.toNs < b.toNs);
}

export function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
