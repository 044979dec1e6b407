import type { Key, Table, Writes } from './storage.ts';

/** Writes that are collected before the transaction to which they belong begins. */
export class HeldWrites implements Writes {
  readonly #held: { readonly table: Table; readonly key: Key; readonly value: Buffer | null }[] = [];

  put(table: Table, key: Key, value: Buffer): void {
    this.#held.push({ table, key, value });
  }

  remove(table: Table, key: Key): void {
    this.#held.push({ table, key, value: null });
  }

  writeTo(writes: Writes): void {
    for (const { table, key, value } of this.#held) {
      if (value === null) writes.remove(table, key);
      else writes.put(table, key, value);
    }
  }
}
