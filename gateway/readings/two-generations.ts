/**
 * A bounded map that forgets what was not used for longest, roughly, at the price of two lookups: when the young
 * generation is full it becomes the old one, and the old one is let go. It holds at most twice `size` entries.
 */
export class TwoGenerations<V> {
  private readonly size: number;
  private young = new Map<string, V>();
  private old = new Map<string, V>();
  private forgot = false;

  constructor(size: number) {
    this.size = size;
  }

  /** Whether any entry was ever let go. */
  get hasForgotten(): boolean {
    return this.forgot;
  }

  /** As `get`, but asking does not count as use. */
  peek(key: string): V | undefined {
    return this.young.get(key) ?? this.old.get(key);
  }

  get(key: string): V | undefined {
    const value = this.young.get(key);
    if (value !== undefined) return value;
    const older = this.old.get(key);
    if (older !== undefined) this.set(key, older);
    return older;
  }

  set(key: string, value: V): void {
    if (this.young.size >= this.size && !this.young.has(key)) {
      this.forgot ||= this.old.size > 0;
      this.old = this.young;
      this.young = new Map();
    }
    this.young.set(key, value);
  }
}
