/** Who reads what has come on its socket. */
export interface TurnTaker {
  pump(): void;
}

/** Sockets whose readings are taken before anything else is looked after; each brings a read of 64 KiB at most. */
const READS_A_TURN = 64;

/**
 * Whose turn it is to be read. Node.js hands over everything that has come on any socket before it goes on to the end of
 * commits, timers and other threads: where thousands of clients speak at once, nobody would be answered before all of
 * them were read. So only some are read in one turn of the event loop, and the others, first come first served, in the
 * turns after it. No more wait than there are connections.
 */
export class ReadingTurns {
  readonly #nextTurn: (callback: () => void) => void;
  readonly #waiting = new Set<TurnTaker>();
  #left = READS_A_TURN;
  #isTurnDue: boolean = false;

  /** `nextTurn` calls once in the next turn of the event loop. */
  constructor(nextTurn: (callback: () => void) => void = setImmediate) {
    this.#nextTurn = nextTurn;
  }

  /** Has it read at once while there is room in this turn and nobody waits, else later. It must not throw. */
  take(taker: TurnTaker): void {
    if (this.#left > 0 && this.#waiting.size === 0) {
      this.#left -= 1;
      taker.pump();
    } else this.#waiting.add(taker);
    this.#expectTurn();
  }

  #expectTurn(): void {
    if (this.#isTurnDue) return;
    this.#isTurnDue = true;
    this.#nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#isTurnDue = false;
    this.#left = READS_A_TURN;
    for (const taker of this.#waiting) {
      if (this.#left === 0) break;
      this.#waiting.delete(taker);
      this.#left -= 1;
      taker.pump();
    }
    // What was read here counts for what is left of this turn; the next one begins afresh.
    if (this.#left < READS_A_TURN) this.#expectTurn();
  }
}
