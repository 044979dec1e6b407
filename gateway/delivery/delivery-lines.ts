/** Lines of a slice, by their places: picked out, put together, searched for a conflict. */

import { decodeLine } from '../line-protocol/decode.ts';
import type { FieldConflict } from '../sink-contract.ts';

const LINE_FEED = 0x0a;

export interface Lines {
  readonly count: number;
  /** One line with its "\n". Shares the slice's memory. */
  at(index: number): Buffer;
  /** These lines, in this order. */
  join(indexes: readonly number[]): Buffer;
}

/** A line break always ends a line: inside strings there is none (`line-protocol/encode.ts`). */
export function splitLines(lines: Buffer): Lines {
  const starts: number[] = [];
  for (let at = 0; at < lines.length; ) {
    starts.push(at);
    const end = lines.indexOf(LINE_FEED, at);
    at = end === -1 ? lines.length : end + 1;
  }
  const at = (index: number): Buffer => lines.subarray(starts[index] ?? lines.length, starts[index + 1]);
  return {
    count: starts.length,
    at,
    join: (indexes) => (indexes.length === starts.length ? lines : Buffer.concat(indexes.map(at))),
  };
}

/** Whether this line has the field that conflicts, with the type that conflicts. */
export function isSuspect(line: Buffer, { measurement, field, type }: FieldConflict): boolean {
  try {
    const point = decodeLine(line);
    return (
      point.measurement === measurement &&
      point.fields.some(([key, value]) => key === field && value.type === type)
    );
  } catch {
    return false;
  }
}

/** Whose reading it was, by its `device` tag; null where that has another name or is left out. */
export function deviceIn(line: Buffer): string | null {
  try {
    return decodeLine(line).tags.find(([key]) => key === 'device')?.[1] ?? null;
  } catch {
    return null;
  }
}
