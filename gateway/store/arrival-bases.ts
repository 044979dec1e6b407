import { GatewayError } from '../errors.ts';
import { damaged } from './bytes.ts';
import type { Reading, Writes } from './storage.ts';

/**
 * While the gateway's clock is not set, times of arrival are provisional: nanoseconds of uptime, at most 17 digits, where a
 * real time has 18 or 19. They are stored as they are. When the clock is set, one entry says what to add, and whoever reads
 * the log adds it: the same entry to the same record, so the same lines, however often and on whichever thread.
 *
 * Each entry covers the provisional groups up to `throughSeq` that no earlier one covers; what lies behind the last is
 * held back. State key `arrival-bases`, as JSON.
 */
export interface ArrivalBase {
  readonly throughSeq: number;
  /** Digits. */
  readonly baseNs: string;
}

const KEY = 'arrival-bases';
const MOST_DIGITS = 17;
const BASE = /^\d{1,19}$/;
const NS_PER_MS = 1_000_000n;
const LINE_FEED = 0x0a;
const SPACE = 0x20;

/** @throws GatewayError `store-damaged`. */
export function readBases(reading: Reading): readonly ArrivalBase[] {
  const value = reading.get('state', KEY);
  if (value === null) return [];
  try {
    // Written by `writeBases`; each page of the file is as LMDB wrote it or the store does not open.
    return JSON.parse(value.toString()) as ArrivalBase[];
  } catch (error) {
    throw damaged('the list of arrival times', String(error));
  }
}

export function writeBases(writes: Writes, bases: readonly ArrivalBase[]): void {
  if (bases.length === 0) writes.remove('state', KEY);
  else writes.put('state', KEY, Buffer.from(JSON.stringify(bases)));
}

/** What to add to the provisional times of group `seq`; null while that is not known. */
export function baseOf(bases: readonly ArrivalBase[], seq: number): string | null {
  return bases.find(({ throughSeq }) => seq <= throughSeq)?.baseNs ?? null;
}

/** @throws GatewayError `usage`. */
export function checkBase(baseNs: string): void {
  if (!BASE.test(baseNs)) throw new GatewayError('usage', `${baseNs} is no time in nanoseconds`);
}

/** When a group arrived, ms since 1970: by the wall clock, or where that was not set by its latest provisional time. */
export function arrivedMsOf(
  group: { readonly arrivedMs: number; readonly provisionalNs: string | null },
  baseNs: string | null,
): number {
  if (group.provisionalNs === null || baseNs === null) return group.arrivedMs;
  return Number((BigInt(group.provisionalNs) + BigInt(baseNs)) / NS_PER_MS);
}

/** The later of two provisional times. */
function laterNs(a: string, b: string): string {
  if (a.length !== b.length) return a.length > b.length ? a : b;
  return a > b ? a : b;
}

/** The provisional timestamp of a line (with its "\n"); null where it is a real one. */
function provisionalIn(line: string): string | null {
  const ns = line.slice(line.lastIndexOf(' ') + 1, -1);
  return ns.length <= MOST_DIGITS && /^\d+$/.test(ns) ? ns : null;
}

/** The latest provisional timestamp of these lines; null where there is none. */
export function latestProvisional(lines: readonly string[]): string | null {
  let latest: string | null = null;
  for (const line of lines) {
    const ns = provisionalIn(line);
    if (ns !== null) latest = latest === null ? ns : laterNs(latest, ns);
  }
  return latest;
}

export function withBaseEach(lines: readonly string[], baseNs: string): string[] {
  const base = BigInt(baseNs);
  return lines.map((line) => {
    const ns = provisionalIn(line);
    return ns === null ? line : `${line.slice(0, -1 - ns.length)}${BigInt(ns) + base}\n`;
  });
}

/** The same for lines as they lie in a record. A line break always ends a line (`line-protocol/encode.ts`). */
export function withBase(lines: Buffer, baseNs: string): Buffer {
  const base = BigInt(baseNs);
  const parts: Buffer[] = [];
  let copied = 0;
  for (let at = 0; at < lines.length; ) {
    const found = lines.indexOf(LINE_FEED, at);
    const end = found === -1 ? lines.length : found;
    const from = end === 0 ? 0 : lines.lastIndexOf(SPACE, end - 1) + 1;
    const ns = from > at ? lines.toString('latin1', from, end) : '';
    if (ns.length <= MOST_DIGITS && /^\d+$/.test(ns)) {
      parts.push(lines.subarray(copied, from), Buffer.from(String(BigInt(ns) + base)));
      copied = end;
    }
    at = end + 1;
  }
  parts.push(lines.subarray(copied));
  return Buffer.concat(parts);
}

/** The entries, and which provisional time is the latest without a base. */
export class ArrivalBases {
  bases: readonly ArrivalBase[];
  /** The last group that holds provisional times, and the latest of them in any. */
  last: { readonly seq: number; readonly ns: string } = { seq: 0, ns: '0' };

  constructor(reading: Reading) {
    this.bases = readBases(reading);
  }

  /** Group `seq` holds provisional times, `ns` being the latest. */
  saw(seq: number, ns: string | null): void {
    if (ns === null) return;
    this.last = { seq, ns: this.isWaiting(0) ? laterNs(this.last.ns, ns) : ns };
  }

  /** Whether a group from `firstSeq` on has no base. */
  isWaiting(firstSeq: number): boolean {
    return this.last.seq >= Math.max(1, firstSeq) && baseOf(this.bases, this.last.seq) === null;
  }

  /** The entries that groups from `firstSeq` on need. */
  neededFrom(firstSeq: number): readonly ArrivalBase[] {
    return this.bases.filter(({ throughSeq }) => throughSeq >= firstSeq);
  }
}
