import type { Group } from '../store-contract.ts';

/** What is told when a group has ended: whether it is on disk, or was never taken. */
export type GroupEnd = (group: number, committed: boolean) => void;

/** Numbers have 32 bits; 0 is for what an earlier run has committed. */
const MAX_GROUP_NUMBER = 0xffff_ffff;

/**
 * The groups whose commit is under way, by number, so that ledgers can say in four bytes which group something came
 * with, and take it back when that group fails. As many as the store has open: a few.
 */
export class GroupsUnderWay {
  readonly #commits = new Map<number, Promise<void>>();
  readonly #ends: GroupEnd[] = [];
  readonly #onFailure: (error: unknown) => void;
  #current: Promise<void> | null = null;
  #number = 0;

  /** `onFailure`: a listener threw; nobody waits for it, so it must not end the process. */
  constructor(onFailure: (error: unknown) => void) {
    this.#onFailure = onFailure;
  }

  whenEnded(listener: GroupEnd): void {
    this.#ends.push(listener);
  }

  /** The group's number: given to it when it is first seen. */
  enter(group: Group): number {
    const { committed } = group;
    if (committed === this.#current) return this.#number;
    this.#current = committed;
    this.#number = this.#number === MAX_GROUP_NUMBER ? 1 : this.#number + 1;
    const number = this.#number;
    this.#commits.set(number, committed);
    committed.then(
      () => this.#end(number, true),
      () => this.#end(number, false),
    );
    return number;
  }

  /** Its commit where that is still under way, else null. */
  commitOf(number: number): Promise<void> | null {
    return this.#commits.get(number) ?? null;
  }

  #end(number: number, committed: boolean): void {
    this.#commits.delete(number);
    for (const listener of this.#ends) {
      try {
        listener(number, committed);
      } catch (error) {
        this.#onFailure(error);
      }
    }
  }
}
