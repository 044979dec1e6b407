import fc from 'fast-check';
import { generate, type Packet } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import { type AnswerHandler, AnswerReader } from '../../../device-sim/links/answer-reader.ts';

function recorder(): { said: string[]; handler: AnswerHandler } {
  const said: string[] = [];
  return {
    said,
    handler: {
      connack: (code, sessionPresent) => {
        said.push(`connack ${code} ${sessionPresent}`);
        return code === 0;
      },
      answered: (kind, packetId) => said.push(`${kind} ${packetId}`) > 0,
      published: (qos, packetId) => said.push(`publish ${qos} ${packetId}`) > 0,
      pingresp: () => void said.push('pingresp'),
    },
  };
}

const packet = fc.oneof(
  fc.record({
    cmd: fc.constantFrom('puback' as const, 'pubrec' as const, 'pubrel' as const, 'pubcomp' as const),
    messageId: fc.integer({ min: 1, max: 65_535 }),
  }),
  fc.record({ cmd: fc.constant('pingresp' as const) }),
  fc.record({
    cmd: fc.constant('publish' as const),
    topic: fc.constantFrom('a', 'gateway/receipts/ü'),
    payload: fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom<0 | 1 | 2>(0, 1, 2),
    dup: fc.constant(false),
    retain: fc.boolean(),
    messageId: fc.integer({ min: 1, max: 65_535 }),
  }),
);

function spoken(each: Packet): string {
  if (each.cmd === 'publish') return `publish ${each.qos} ${each.qos === 0 ? 0 : each.messageId}`;
  return each.cmd === 'pingresp' ? 'pingresp' : `${each.cmd} ${each.messageId}`;
}

describe('what a gateway answers', () => {
  it('is read the same however it is cut into chunks', () => {
    fc.assert(
      fc.property(fc.array(packet), fc.array(fc.integer({ min: 1, max: 50 })), (packets, cuts) => {
        const bytes = Buffer.concat([
          generate({ cmd: 'connack', returnCode: 0, sessionPresent: true }),
          ...packets.map((each) => generate(each)),
        ]);
        const { said, handler } = recorder();
        const reader = new AnswerReader(handler);
        let at = 0;
        for (const size of [...cuts, bytes.length]) {
          expect(reader.push(bytes.subarray(at, at + size))).toBe(true);
          at += size;
        }
        expect(said).toEqual(['connack 0 true', ...packets.map(spoken)]);
      }),
    );
  });

  it('never throws, whatever comes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), fc.boolean(), (chunks, connected) => {
        const reader = new AnswerReader(recorder().handler);
        if (connected) reader.push(Buffer.from([0x20, 2, 0, 0]));
        for (const chunk of chunks) if (!reader.push(Buffer.from(chunk))) return;
      }),
    );
  });

  it.each([
    ['an answer before CONNACK', [0x40, 2, 0, 1]],
    ['a CONNACK of another length', [0x20, 3, 0, 0, 0]],
    ['a length of five bytes', [0x20, 2, 0, 0, 0x30, 0xff, 0xff, 0xff, 0xff, 1]],
    ['more than a device is told', [0x20, 2, 0, 0, 0x30, 0xff, 0xff, 0xff, 0x7f]],
    ['a PUBACK without an id', [0x20, 2, 0, 0, 0x40, 0]],
    ['a PUBLISH with QoS 3', [0x20, 2, 0, 0, 0x36, 3, 0, 1, 97]],
    ['a topic beyond its packet', [0x20, 2, 0, 0, 0x30, 3, 0, 9, 97]],
    ['a packet for gateways only', [0x20, 2, 0, 0, 0xc0, 0]],
  ])('is refused: %s', (_, bytes) => {
    expect(new AnswerReader(recorder().handler).push(Buffer.from(bytes))).toBe(false);
  });
});
