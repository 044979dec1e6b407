/** Under this name goes what finds no place of its own. */
export const OTHER = '(other)';

/** Longer names (in UTF-16 units) get no place of their own. */
const MAX_NAME_LENGTH = 1024;

/** Numbers for names, given out in order and never taken back. Bounded; 0 is `(other)`. */
export class Names {
  readonly #max: number;
  readonly #byName = new Map<string, number>([[OTHER, 0]]);
  readonly #names: string[] = [OTHER];
  /** Names below this number are in the folded state; a record has to carry the others. */
  folded = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#names.length;
  }

  /** The name's number; a new one where there is room, else that of `(other)`. */
  indexOf(name: string): number {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    if (this.#names.length > this.#max || name.length > MAX_NAME_LENGTH) return 0;
    this.#byName.set(name, this.#names.length);
    return this.#names.push(name) - 1;
  }

  nameOf(index: number): string {
    return this.#names[index] ?? OTHER;
  }

  /** Takes up a name from disk. Numbers that were skipped stay unused until they come. */
  restore(index: number, name: string): void {
    while (this.#names.length < index) this.#names.push(OTHER);
    this.#names[index] = name;
    if (name !== OTHER) this.#byName.set(name, index);
  }
}
