import fc from 'fast-check';
import { generate } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { type Relay, UNREAD_REASONS, type UnreadProperties } from '../gateway/contracts.ts';
import {
  MAX_PARCEL_OVERHEAD_BYTES,
  packParcel,
  parcelSender,
  parcelTopic,
  unpackParcel,
} from '../gateway/peer-parcel.ts';

const FIRST_MS = Date.UTC(2000, 0, 1);
const LAST_MS = Date.UTC(2200, 0, 1);
const KIB = 1024;

const PLAIN: Relay = { contentType: null, userProperties: new Map(), isShared: true };

/** Also halves of surrogate pairs, which JSON has to escape. */
const text = fc.string({ unit: 'binary', maxLength: 300 });

/** What another broker may say of a message: see `gateway/sources/mqtt-client/publish-packet.ts`. */
const relay: fc.Arbitrary<Relay> = fc.record({
  contentType: fc.option(text),
  userProperties: fc.array(fc.tuple(text, text), { maxLength: 32 }).map((pairs) => new Map(pairs)),
  isShared: fc.constant(true),
});
const unread: fc.Arbitrary<UnreadProperties> = fc.record({
  names: fc
    .array(fc.tuple(text, fc.constantFrom(...UNREAD_REASONS)), { maxLength: 64 })
    .map((pairs) => new Map(pairs)),
  others: fc.option(fc.constantFrom(...UNREAD_REASONS)),
});
const bytes = fc.uint8Array({ maxLength: 2_000 }).map((array) => Buffer.from(array));

function headed(head: unknown, payload = 'x'): Buffer {
  return Buffer.from(`${typeof head === 'string' ? head : JSON.stringify(head)}\n${payload}`);
}

describe('a message that a peer passes on', () => {
  it('property: comes out as it was, with the time at which it came to the first gateway', () => {
    fc.assert(
      fc.property(
        text,
        bytes,
        fc.option(relay),
        fc.option(fc.integer({ min: FIRST_MS, max: LAST_MS })),
        (topic, payload, before, arrivedMs) => {
          const parcel = unpackParcel(
            packParcel({ source: 'house', topic, payload, relay: before }, arrivedMs),
          );
          expect(parcel?.topic).toBe(topic);
          expect(parcel?.payload.equals(payload)).toBe(true);
          expect(parcel?.relay).toEqual({
            contentType: before?.contentType ?? null,
            userProperties: before?.userProperties ?? new Map(),
            isShared: true,
            arrivedMs,
            broker: 'house',
          });
        },
      ),
      { numRuns: 500 },
    );
  });

  it('property: says which user properties were not read, so that its home does not take them for absent', () => {
    fc.assert(
      fc.property(relay, unread, (before, left) => {
        const message = {
          source: 'house',
          topic: 't',
          payload: Buffer.of(),
          relay: { ...before, unread: left },
        };
        expect(unpackParcel(packParcel(message, null))?.relay.unread).toEqual(left);
      }),
    );
  });

  it('keeps line feeds, zeros and what looks like a head where they are in its payload', () => {
    for (const payload of ['', '\n', '\n\n{"topic":"no"}\n', '{"topic":"no"}\nx', '\0\xff']) {
      const packed = packParcel(
        { source: 'house', topic: 't', payload: Buffer.from(payload, 'latin1'), relay: PLAIN },
        null,
      );
      expect(unpackParcel(packed)).toMatchObject({ topic: 't' });
      expect(unpackParcel(packed)?.payload.toString('latin1')).toBe(payload);
    }
  });

  it('can be read however long the topic, and whatever has to be escaped, that a broker may send', () => {
    const long = '\u0001'.repeat(256);
    const userProperties = new Map(
      Array.from({ length: 32 }, (_, i) => [`${i}`.padEnd(256, '\u0001'), long]),
    );
    const message = { source: 'x'.repeat(64), topic: '"'.repeat(1024), payload: Buffer.from('x') };
    const packed = packParcel(
      { ...message, relay: { ...PLAIN, contentType: long, userProperties } },
      FIRST_MS,
    );
    const packet = generate({
      cmd: 'publish',
      topic: parcelTopic('x'.repeat(64)),
      payload: packed,
      qos: 1,
      messageId: 1,
      dup: false,
      retain: false,
    });
    expect(packet.length - message.payload.length).toBeLessThan(MAX_PARCEL_OVERHEAD_BYTES);
    const parcel = unpackParcel(packed);
    expect(parcel?.relay.userProperties).toEqual(userProperties);
    expect(parcel?.relay.contentType).toBe(long);
    expect(parcel?.payload.toString()).toBe('x');
  });

  it('has its time in whole milliseconds', () => {
    const packed = packParcel(
      { source: 'house', topic: 't', payload: Buffer.from(''), relay: null },
      FIRST_MS + 0.75,
    );
    expect(unpackParcel(packed)?.relay.arrivedMs).toBe(FIRST_MS);
  });

  it.each<[unknown, boolean]>([
    [FIRST_MS, true],
    [LAST_MS, true],
    [FIRST_MS - 1, false],
    [LAST_MS + 1, false],
    [FIRST_MS + 0.5, false],
    [0, false],
    [-1, false],
    [1e300, false],
    [null, false],
    [true, false],
    [`${FIRST_MS}`, false],
    [[FIRST_MS], false],
  ])('with the time %j, is taken; whether it counts as a time: %j', (arrivedMs, isOne) => {
    expect(unpackParcel(headed({ topic: 't', arrivedMs }))?.relay.arrivedMs).toBe(isOne ? arrivedMs : null);
  });

  it.each([
    ['an older version', {}],
    ['one that says it in another way', { broker: { name: 'house' } }],
  ])('of %s does not say which broker it came from, and is taken', (_, more) => {
    expect(unpackParcel(headed({ topic: 't', ...more }))?.relay).not.toHaveProperty('broker');
  });

  it('comes without a time from a gateway whose clock is not set: null, which is not "came from no peer"', () => {
    const packed = packParcel({ source: 'house', topic: 't', payload: Buffer.from('x'), relay: PLAIN }, null);
    expect(unpackParcel(packed)?.relay.arrivedMs).toBeNull();
  });

  it('may say more than is known here: a newer version is understood', () => {
    expect(unpackParcel(headed({ topic: 't', later: { a: 1 } }))?.topic).toBe('t');
  });
});

describe('what is no parcel', () => {
  it('property: any bytes whatever are a parcel or null, and never thrown about', () => {
    const head = fc.oneof(
      fc.json(),
      fc.string({ unit: 'binary' }),
      fc
        .record(
          {
            topic: fc.oneof(fc.string(), fc.anything()),
            arrivedMs: fc.anything(),
            contentType: fc.anything(),
            userProperties: fc.oneof(fc.anything(), fc.array(fc.array(fc.anything(), { maxLength: 3 }))),
          },
          { requiredKeys: [] },
        )
        .map((value) => JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? 1 : each))),
    );
    const something = fc.oneof(
      bytes,
      fc.tuple(head, bytes).map(([first, rest]) => Buffer.concat([Buffer.from(`${first}\n`), rest])),
    );
    let parcels = 0;
    fc.assert(
      fc.property(something, (buffer) => {
        const parcel = unpackParcel(buffer);
        if (parcel === null) return;
        parcels += 1;
        expect(typeof parcel.topic).toBe('string');
        expect(parcel.payload.length).toBeLessThan(buffer.length);
        expect(parcel.relay.isShared).toBe(true);
        expect(parcel.relay.arrivedMs).not.toBeUndefined();
        for (const [name, value] of parcel.relay.userProperties)
          expect([typeof name, typeof value]).toEqual(['string', 'string']);
      }),
      { numRuns: 2_000 },
    );
    expect(parcels, 'the test tries some that are').toBeGreaterThan(0);
  });

  const good = { topic: 't' };
  it.each<[string, unknown]>([
    ['nothing', ''],
    ['no JSON', '{"topic":"t"'],
    ['null', null],
    ['a number', 7],
    ['a list', ['t']],
    ['no topic', {}],
    ['a topic that is none', { topic: 7 }],
    ['an inherited topic', '{"__proto__":{"topic":"t"}}'],
    ['a content type that is none', { ...good, contentType: 7 }],
    ['user properties that are no list', { ...good, userProperties: { a: 'b' } }],
    ['a user property that is no pair', { ...good, userProperties: ['ab'] }],
    ['a user property without a value', { ...good, userProperties: [['a']] }],
    ['a user property that is no text', { ...good, userProperties: [['a', 1]] }],
    ['too many user properties', { ...good, userProperties: Array.from({ length: 33 }, () => ['a', 'b']) }],
    ['brackets without end', '['.repeat(100 * KIB)],
  ])('%s', (_, head) => {
    expect(unpackParcel(headed(head))).toBeNull();
  });

  it('a head that never ends, or not within 128 KiB', () => {
    const headOf = (length: number): Buffer => headed('{"topic":"t"}'.padEnd(length, ' '));
    expect(unpackParcel(Buffer.from('{"topic":"t"}'))).toBeNull();
    expect(unpackParcel(headOf(128 * KIB))).toBeNull();
    expect(unpackParcel(headOf(128 * KIB - 1))?.payload.toString()).toBe('x');
  });

  it.each([
    ['a list that is none', { unread: 'site' }],
    ['a reason that is none', { unread: [['site', 'lost']], othersUnread: null }],
    ['no word on others', { unread: [['site', 'too-long']] }],
  ])('unread properties with %s', (_, head) => {
    expect(unpackParcel(headed({ topic: 't', ...head }))).toBeNull();
  });

  it('32 user properties are not too many', () => {
    const userProperties = Array.from({ length: 32 }, (_, i) => [`${i}`, 'b']);
    expect(unpackParcel(headed({ topic: 't', userProperties }))?.relay.userProperties.size).toBe(32);
  });
});

describe('the topic that parcels come on', () => {
  it('is one below gateway/peers/, named for who sends them', () => {
    expect(parcelTopic('attic')).toBe('gateway/peers/attic');
    expect(parcelSender(parcelTopic('attic'))).toBe('attic');
  });

  it.each([
    'gateway/peers',
    'gateway/peers/',
    'gateway/peers/x/y',
    'gateway/peers/x/',
    'gateway/peersx',
    'a',
  ])('is not %j', (topic) => expect(parcelSender(topic)).toBeNull());
});
