import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashedSlots } from '../../gateway/ledgers/hashed-slots.ts';

const SLOTS = 16;

describe('hashed slots', () => {
  it('find what a Map of the same would, whatever is put in and taken out', () => {
    // Few different words, so that keys share halves and homes.
    const word = fc.constantFrom(0, 1, 2, 3, 7, 0x8000_0000, 0xffff_ffff);
    const step = fc.record({ put: fc.boolean(), slot: fc.nat(SLOTS - 1), high: word, low: word });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const slots = new HashedSlots(SLOTS, 1);
        const model = new Map<string, number>();
        const keys = new Map<number, string>();
        for (const { put, slot, high, low } of steps) {
          const key = `${high}/${low}`;
          if (put && !keys.has(slot) && !model.has(key)) {
            slots.put(slot, high, low);
            slots.set(slot, 0, slot * 3);
            model.set(key, slot);
            keys.set(slot, key);
          } else if (!put) {
            slots.free(slot);
            model.delete(keys.get(slot) ?? '');
            keys.delete(slot);
          }
          expect(slots.find(high, low)).toBe(model.get(key) ?? -1);
        }
        for (const [key, slot] of model) {
          const [high, low] = key.split('/').map(Number);
          expect(slots.find(high ?? 0, low ?? 0)).toBe(slot);
          expect(slots.get(slot, 0)).toBe(slot * 3);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('can be full', () => {
    const slots = new HashedSlots(SLOTS, 0);
    for (let slot = 0; slot < SLOTS; slot += 1) slots.put(slot, slot, slot);
    for (let slot = 0; slot < SLOTS; slot += 1) expect(slots.find(slot, slot)).toBe(slot);
    expect(slots.find(99, 99)).toBe(-1);
  });
});
