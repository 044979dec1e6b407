import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { relayOfProperties, UserProperties } from '../../gateway/broker-link/message-properties.ts';
import type { UnreadReason } from '../../gateway/contracts.ts';

const LONG = 'x'.repeat(257);

/** The last text that a message had for each name; null where it is too long. */
function lastTexts(pairs: readonly (readonly [string, string])[]): Map<string, string | null> {
  return new Map(pairs.map(([name, text]) => [name, Buffer.byteLength(text) > 256 ? null : text]));
}

describe('the user properties of a message', () => {
  test('of a name that comes twice, the last one counts, also where that is the one too long', () => {
    expect(
      relayOfProperties([
        ['a', '1'],
        ['a', LONG],
      ]),
    ).toEqual({ userProperties: new Map(), unread: { names: new Map([['a', 'too-long']]), others: null } });
    const read = relayOfProperties([
      ['a', LONG],
      ['a', '1'],
    ]);
    expect(read).toStrictEqual({ userProperties: new Map([['a', '1']]) });
  });

  test('beyond the first 32 leave their names, and beyond 32 of those, that there were more', () => {
    const properties = (n: number) =>
      relayOfProperties(Array.from({ length: n }, (_, i): [string, string] => [`k${i}`, 'v']));
    expect(properties(32)).not.toHaveProperty('unread');
    const { userProperties, unread } = properties(64);
    expect([userProperties.size, unread?.names.size, unread?.others]).toEqual([32, 32, null]);
    expect(unread?.names.get('k32')).toBe('too-many');
    expect(properties(65).unread).toMatchObject({ others: 'too-many' });
    const long = relayOfProperties(
      Array.from({ length: 12 }, (_, i): [string, string] => [`${i}`.padEnd(256, 'k'), LONG]),
    );
    expect([long.unread?.names.size, long.unread?.others], 'names of 2 KiB').toEqual([8, 'too-long']);
  });

  test('property: are known, or known to be unread; what a message did not have is never among them', () => {
    const name = fc.oneof(
      fc.nat(80).map((i) => `k${i}`),
      fc.constant('__proto__'),
    );
    const text = fc.constantFrom('', 'north', 'ü'.repeat(128), 'ü'.repeat(129), LONG);
    fc.assert(
      fc.property(fc.array(fc.tuple(name, text), { maxLength: 120 }), (pairs) => {
        const properties = new UserProperties();
        for (const [each, value] of pairs)
          properties.add(each, Buffer.byteLength(value) > 256 ? null : value);
        const { userProperties, unread } = properties.relay;
        expect(userProperties.size).toBeLessThanOrEqual(32);
        const names: ReadonlyMap<string, UnreadReason> = unread?.names ?? new Map();
        expect(names.size).toBeLessThanOrEqual(32);
        const last = lastTexts(pairs);
        for (const [each, value] of last) {
          if (userProperties.has(each)) expect(userProperties.get(each)).toBe(value);
          else expect(names.has(each) || (unread?.others ?? null) !== null).toBe(true);
        }
        for (const each of [...userProperties.keys(), ...names.keys()]) expect(last.has(each)).toBe(true);
      }),
    );
  });
});
