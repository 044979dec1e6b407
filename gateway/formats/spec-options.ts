/** Options of a format that make no sense, in words with their place: `csv.columns: …`. Does not leave this stage. */
export class SpecProblem extends Error {}

/** The options of one format as they were written, read one by one. Each reading throws a SpecProblem in words. */
export class SpecOptions {
  private readonly path: string;
  private readonly members: ReadonlyMap<string, unknown>;

  /** Refuses members that are not `known`: a typing error would pass in silence. */
  constructor(path: string, value: unknown, known: readonly string[]) {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw new SpecProblem(`${path} must have its options in an object: ${known.join(', ') || 'none'}`);
    this.path = path;
    this.members = new Map(Object.entries(value));
    for (const name of this.members.keys()) {
      if (!known.includes(name))
        throw new SpecProblem(
          `${path} has no option ${JSON.stringify(name.slice(0, 40))}; there are: ${known.join(', ') || 'none'}`,
        );
    }
  }

  has(name: string): boolean {
    return this.members.get(name) !== undefined;
  }

  raw(name: string): unknown {
    return this.members.get(name);
  }

  fail(name: string, words: string): never {
    throw new SpecProblem(`${this.path}.${name} ${words}`);
  }

  text(name: string, maxLength: number): string {
    const value = this.members.get(name);
    if (typeof value !== 'string' || value === '' || value.length > maxLength)
      this.fail(name, `must be a text of 1 to ${maxLength} characters`);
    return value;
  }

  oneOf<const T extends string | number>(name: string, words: readonly T[], fallback: T): T {
    const value = this.members.get(name);
    if (value === undefined) return fallback;
    return words.find((word) => word === value) ?? this.fail(name, `must be one of ${words.join(', ')}`);
  }

  integer(name: string, min: number, max: number): number {
    const value = this.members.get(name);
    if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
      this.fail(name, `must be a whole number from ${min} to ${max}`);
    return value;
  }

  number(name: string, fallback: number): number {
    const value = this.members.get(name);
    if (value === undefined) return fallback;
    if (typeof value !== 'number' || !Number.isFinite(value)) this.fail(name, 'must be a number');
    return value;
  }

  list(name: string, min: number, max: number): readonly unknown[] {
    const value = this.members.get(name);
    if (!Array.isArray(value) || value.length < min || value.length > max)
      this.fail(name, `must be a list of ${min} to ${max}`);
    return value;
  }
}
