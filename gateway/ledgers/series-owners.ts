/** Whoever series belong to: a device, a measurement. */
export interface Owner {
  readonly name: string;
  readonly index: number;
  /** How many series; exact. */
  count: number;
}

/** Names with a number each and an exact count; one whose count falls to nothing is forgotten, its number given out again. */
export class SeriesOwners<T extends Owner> {
  readonly #byName = new Map<string, T>();
  readonly #byIndex: (T | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #make: (name: string, index: number) => T;

  constructor(make: (name: string, index: number) => T) {
    this.#make = make;
  }

  get(name: string): T | null {
    return this.#byName.get(name) ?? null;
  }

  at(index: number): T | null {
    return this.#byIndex[index] ?? null;
  }

  /** One series more. */
  take(name: string): T {
    let owner = this.#byName.get(name);
    if (owner === undefined) {
      const index = this.#free.pop() ?? this.#byIndex.length;
      owner = this.#make(name, index);
      this.#byName.set(name, owner);
      this.#byIndex[index] = owner;
    }
    owner.count += 1;
    return owner;
  }

  /** One series less. Returns the owner. */
  drop(index: number): T | null {
    const owner = this.#byIndex[index];
    if (owner === undefined) return null;
    owner.count -= 1;
    if (owner.count === 0) {
      this.#byName.delete(owner.name);
      this.#byIndex[index] = undefined;
      this.#free.push(index);
    }
    return owner;
  }

  values(): Iterable<T> {
    return this.#byName.values();
  }

  /** Those with most series first, equals by name. */
  top(n: number): T[] {
    return [...this.#byName.values()]
      .sort((a, b) => b.count - a.count || (a.name < b.name ? -1 : 1))
      .slice(0, n);
  }
}
