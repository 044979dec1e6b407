import type { OutboxPlace } from '../store-contract.ts';

/** A message on its way to the other broker. */
export interface Flight {
  readonly topic: string;
  /** Of its payload. */
  readonly bytes: number;
  /** The place behind it. */
  readonly place: OutboxPlace;
  readonly sentAtMs: number;
  /** `refused`: the other side will never take it, and why. */
  outcome: 'waiting' | 'taken' | { readonly refused: string };
}

/** How far a run of answered messages reaches. */
export interface Done {
  readonly place: OutboxPlace;
  /** Of them, those that the other side will never take. */
  readonly refused: readonly { readonly topic: string; readonly words: string }[];
}

const NONE: Done['refused'] = [];

/** Messages under way, in the order in which they lie in the outbox. Answers may come in any order. */
export class InFlight {
  #flights: Flight[] = [];

  get size(): number {
    return this.#flights.length;
  }

  /** The first that is not answered. */
  get head(): Flight | null {
    return this.#flights[0] ?? null;
  }

  add(flight: Flight): void {
    this.#flights.push(flight);
  }

  /** The connection is gone: none of them will be answered. */
  clear(): void {
    this.#flights = [];
  }

  /** Takes off those at the front that are answered; null when there are none. */
  takeDone(): Done | null {
    let count = 0;
    let refused: { topic: string; words: string }[] | null = null;
    let place: OutboxPlace | null = null;
    for (const { outcome, topic, place: behind } of this.#flights) {
      if (outcome === 'waiting') break;
      if (outcome !== 'taken') {
        refused ??= [];
        refused.push({ topic, words: outcome.refused });
      }
      place = behind;
      count += 1;
    }
    if (place === null) return null;
    this.#flights.splice(0, count);
    return { place, refused: refused ?? NONE };
  }
}
