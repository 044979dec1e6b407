/**
 * Writes one slice, whole if the sink lets it; else finds the lines that the sink refuses, and writes all others.
 *
 * Parts of it may be written again and again: timestamps are fixed, so a sink keeps one copy. The search ends in one
 * of three ways: every line is either written or refused by itself; one cause refuses most of the slice (then the
 * database is at fault rather than the lines, and somebody must look before thousands of readings are put aside); or
 * it has taken more requests than it may, which also waits for somebody.
 */

import type { Decision } from '../sink-contract.ts';
import { isSuspect, type Lines } from './delivery-lines.ts';

export interface RefusedLine {
  readonly index: number;
  /** The sink's own words. */
  readonly words: string;
}

type Trouble = Extract<Decision, { kind: 'retry' | 'pause' }>;
type Verdict = Exclude<Decision, Trouble>;

export type SliceResult =
  | { readonly kind: 'done'; readonly refused: readonly RefusedLine[] }
  /** Nothing of it is settled: read it anew later. */
  | Trouble
  | { readonly kind: 'stopped' };

/** Sends some lines. `whole`: they are all of the slice. */
export type Send = (lines: Buffer, count: number, whole: boolean) => Promise<Decision>;
/** Waits after trouble with a part; false: stop here. */
export type WaitAfter = (trouble: Trouble) => Promise<boolean>;

/** Fewer refused lines than this are never called most of a slice. */
const MOST_AT_LEAST = 20;
/** So many lines, spread over all that may be bad, tell whether most are. */
const PROBES = 20;
/** Into how many parts suspects are split: about one request a line where all are bad, few where few are. */
const SUSPECT_PARTS = 16;

/** Requests that finding the bad lines of a slice may take: half of it bad with a name, or about a tenth without. */
export function requestBudget(lines: number): number {
  return 200 + Math.ceil(lines * 0.75);
}

export async function deliverSlice(lines: Lines, send: Send, waitAfter: WaitAfter): Promise<SliceResult> {
  const all = Array.from({ length: lines.count }, (_, index) => index);
  const decision = await send(lines.join(all), lines.count, true);
  if (decision.kind === 'written') return { kind: 'done', refused: [] };
  if (decision.kind === 'retry' || decision.kind === 'pause') return decision;
  return await new Search(lines, send, waitAfter).run({ lines: all, suspect: false }, decision);
}

interface Part {
  readonly lines: readonly number[];
  /** All have the field that the sink named. */
  readonly suspect: boolean;
}

class Search {
  private readonly lines: Lines;
  private readonly send: Send;
  private readonly waitAfter: WaitAfter;
  /** Still to be written; the last one next. */
  private readonly parts: Part[] = [];
  private readonly refused: RefusedLine[] = [];
  private readonly causes = new Map<string, number>();
  private requests = 0;
  private probes = 0;
  /** Why it ends early. */
  private end: SliceResult | null = null;

  constructor(lines: Lines, send: Send, waitAfter: WaitAfter) {
    this.lines = lines;
    this.send = send;
    this.waitAfter = waitAfter;
  }

  async run(whole: Part, first: Verdict): Promise<SliceResult> {
    let part: Part | undefined = whole;
    let verdict: Verdict | null = first;
    while (part !== undefined && verdict !== null) {
      await this.learn(part, verdict);
      if (this.end !== null) return this.end;
      part = this.parts.pop();
      verdict = part === undefined ? null : await this.ask(part.lines);
    }
    return this.end ?? { kind: 'done', refused: this.refused };
  }

  /** Waits through trouble. Null: it ends here. */
  private async ask(indexes: readonly number[]): Promise<Verdict | null> {
    for (;;) {
      if (this.requests >= requestBudget(this.lines.count)) {
        const words = this.refused[0]?.words ?? 'none by itself so far';
        return this.endWith(
          `more lines are refused than ${this.requests} requests could find; the first: ${words}`,
        );
      }
      this.requests += 1;
      const decision = await this.send(this.lines.join(indexes), indexes.length, false);
      if (decision.kind !== 'retry' && decision.kind !== 'pause') return decision;
      this.requests -= 1;
      if (await this.waitAfter(decision)) continue;
      this.end = { kind: 'stopped' };
      return null;
    }
  }

  private async learn(part: Part, verdict: Verdict): Promise<void> {
    const [first] = part.lines;
    if (verdict.kind === 'written' || first === undefined) return;
    if (part.lines.length === 1) {
      this.refuse(first, verdict.reason);
      if (verdict.kind === 'halve') await this.probe(Array.from({ length: this.lines.count }, (_, i) => i));
    } else if (verdict.kind === 'halve') {
      this.split(part, 2);
    } else if (verdict.badLines !== null && verdict.badLines.length > 0) {
      this.refuseListed(part, verdict.badLines);
    } else {
      await this.separate(part, verdict);
    }
  }

  /** Some lines of the part are bad: those that may be are taken apart, the others go together, and first. */
  private async separate(part: Part, { conflict }: Extract<Verdict, { kind: 'isolate' }>): Promise<void> {
    const suspects =
      conflict === null || part.suspect
        ? []
        : part.lines.filter((index) => isSuspect(this.lines.at(index), conflict));
    if (part.suspect || suspects.length === part.lines.length) {
      this.split({ ...part, suspect: true }, SUSPECT_PARTS);
    } else if (suspects.length === 0) {
      this.split(part, 2);
    } else {
      const apart = new Set(suspects);
      this.split({ lines: suspects, suspect: true }, SUSPECT_PARTS);
      this.parts.push({ lines: part.lines.filter((index) => !apart.has(index)), suspect: false });
    }
    await this.probe(suspects.length > 0 ? suspects : part.lines);
  }

  /**
   * Where more than half of the slice may be bad, lines spread over it are tried one by one. If the sink refuses all
   * of them for one cause, most of it is bad, and to learn that took 20 requests rather than thousands.
   */
  private async probe(candidates: readonly number[]): Promise<void> {
    const few = candidates.length < MOST_AT_LEAST || candidates.length <= this.lines.count / 2;
    if (this.probes > 0 || few || this.end !== null) return;
    let cause: string | null = null;
    let words = '';
    for (let i = 0; i < PROBES; i += 1) {
      const index = candidates[Math.floor((i * candidates.length) / PROBES)];
      this.probes += 1;
      const verdict = index === undefined ? null : await this.ask([index]);
      if (verdict === null || verdict.kind === 'written') return;
      words = verdict.reason;
      if (cause !== null && cause !== causeOf(words)) return;
      cause = causeOf(words);
    }
    this.endWithMost(words);
  }

  private refuseListed(
    part: Part,
    listed: readonly { readonly line: number; readonly words: string }[],
  ): void {
    const words = new Map(listed.map((each) => [each.line, each.words]));
    const rest = part.lines.filter((index, place) => {
      const why = words.get(place);
      if (why !== undefined) this.refuse(index, why);
      return why === undefined;
    });
    if (rest.length === part.lines.length) this.split(part, 2);
    else if (rest.length > 0) this.parts.push({ lines: rest, suspect: false });
  }

  private refuse(index: number, words: string): void {
    const cause = causeOf(words);
    const count = (this.causes.get(cause) ?? 0) + 1;
    this.causes.set(cause, count);
    this.refused.push({ index, words });
    if (count >= MOST_AT_LEAST && count > this.lines.count / 2) this.endWithMost(words);
  }

  private split(part: Part, into: number): void {
    const size = Math.max(1, Math.ceil(part.lines.length / into));
    const pieces: Part[] = [];
    for (let at = 0; at < part.lines.length; at += size) {
      pieces.push({ lines: part.lines.slice(at, at + size), suspect: part.suspect });
    }
    this.parts.push(...pieces.reverse());
  }

  private endWithMost(words: string): void {
    this.endWith(
      `most lines are refused for one cause, so all are kept: ${words}; correct the database (or the schemas), then they are written`,
    );
  }

  private endWith(reason: string): null {
    this.end ??= { kind: 'pause', reason };
    return null;
  }
}

/** Words that differ only in numbers or quoted text tell of one cause. */
function causeOf(words: string): string {
  return words.replace(/'[^']*'|\d+/g, '');
}
