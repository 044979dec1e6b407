import fc from 'fast-check';
import { generate, type IPublishPacket } from 'mqtt-packet';
import { describe, expect, test } from 'vitest';
import { decodePublish, type InboundPublish } from '../../../gateway/sources/mqtt-client/publish-packet.ts';

type Publish = Omit<IPublishPacket, 'cmd'>;

/** Behind its fixed header. */
function bodyStart(packet: Buffer): number {
  let at = 1;
  while ((packet[at] ?? 0) >= 0x80) at += 1;
  return at + 1;
}

function decode(packet: Buffer, protocolVersion: 4 | 5): InboundPublish | string {
  return decodePublish(packet[0] ?? 0, packet, bodyStart(packet), packet.length, protocolVersion);
}

function encode(packet: Publish, protocolVersion: 4 | 5): Buffer {
  return generate({ cmd: 'publish', ...packet }, { protocolVersion });
}

const word = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
  .filter((text) => !text.includes('\0'));
const basics = fc.record({
  topic: word.filter((text) => !/[+#]/.test(text)),
  payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
  retain: fc.boolean(),
  messageId: fc.integer({ min: 1, max: 65_535 }),
});

describe('a PUBLISH of another broker', () => {
  test('is read as it was written, with MQTT 3.1.1 and 5', () => {
    fc.assert(
      fc.property(basics, fc.constantFrom(4 as const, 5 as const), (packet, version) => {
        const dup = packet.qos > 0;
        const { topic, payload, qos, retain, messageId } = packet;
        expect(decode(encode({ ...packet, dup }, version), version)).toEqual({
          topic,
          payload,
          qos,
          dup,
          retain,
          packetId: qos === 0 ? 0 : messageId,
          relay: { contentType: null, userProperties: new Map() },
        });
      }),
    );
  });

  test('tells its content type and user properties, whatever else it carries', () => {
    fc.assert(
      fc.property(
        basics,
        fc.record(
          {
            payloadFormatIndicator: fc.boolean(),
            messageExpiryInterval: fc.integer({ min: 1, max: 1e6 }),
            responseTopic: fc.constant('answer/here'),
            correlationData: fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
            subscriptionIdentifier: fc.integer({ min: 1, max: 268_435_455 }),
            contentType: fc.constant('application/json'),
          },
          { requiredKeys: [] },
        ),
        fc.uniqueArray(fc.tuple(word, word), { maxLength: 5, selector: ([name]) => name }),
        (packet, properties, pairs) => {
          const named = pairs.filter(([name]) => name !== '__proto__');
          const read = decode(
            encode(
              {
                ...packet,
                dup: false,
                properties: {
                  ...properties,
                  ...(named.length === 0 ? {} : { userProperties: Object.fromEntries(named) }),
                },
              },
              5,
            ),
            5,
          );
          expect(read).toMatchObject({ topic: packet.topic, payload: packet.payload });
          const relay = typeof read === 'string' ? null : read.relay;
          expect(relay?.contentType).toBe(properties.contentType ?? null);
          expect(relay?.userProperties).toEqual(new Map(named));
        },
      ),
    );
  });

  test('keeps at most 32 user properties, of a name that comes twice the last, and of what is long its name', () => {
    const userProperties = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`k${i}`, `v${i}`]));
    const base = { topic: 't', payload: Buffer.of(), qos: 0, dup: false, retain: false } as const;
    const many = decode(encode({ ...base, properties: { userProperties } }, 5), 5);
    expect(typeof many === 'string' ? 0 : many.relay.userProperties.size).toBe(32);
    expect(typeof many === 'string' ? null : many.relay.unread?.names.get('k39')).toBe('too-many');
    const twice = decode(
      encode(
        {
          ...base,
          properties: { userProperties: { a: ['1', '2'], long: 'x'.repeat(257), __proto: 'p' } },
        },
        5,
      ),
      5,
    );
    expect(typeof twice === 'string' ? null : twice.relay).toEqual({
      contentType: null,
      userProperties: new Map([
        ['a', '2'],
        ['__proto', 'p'],
      ]),
      unread: { names: new Map([['long', 'too-long']]), others: null },
    });
    const longName = decode(
      encode({ ...base, properties: { userProperties: { ['n'.repeat(257)]: 'x' } } }, 5),
      5,
    );
    expect(typeof longName === 'string' ? null : longName.relay, 'nobody can ask for it').toEqual({
      contentType: null,
      userProperties: new Map(),
    });
  });

  test('in pieces or with any bytes it is read or refused, and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.integer({ min: 0x30, max: 0x3f }), (bytes, first) => {
        const buffer = Buffer.from(bytes);
        for (const version of [4, 5] as const) {
          const read = decodePublish(first, buffer, 0, buffer.length, version);
          if (typeof read !== 'string') expect(read.payload.length).toBeLessThanOrEqual(buffer.length);
        }
      }),
    );
  });

  test('with a topic alias, or packet id 0, is refused', () => {
    const aliased = encode(
      {
        topic: 't',
        payload: Buffer.of(),
        qos: 0,
        dup: false,
        retain: false,
        properties: { topicAlias: 1 },
      },
      5,
    );
    expect(decode(aliased, 5)).toMatch(/topic alias/);
    expect(decode(Buffer.from([0x32, 5, 0, 1, 0x61, 0, 0]), 4)).toBe('packet id 0');
    expect(decode(Buffer.from([0x36, 5, 0, 1, 0x61, 0, 1]), 4)).toBe('malformed PUBLISH');
  });
});
