import fc from 'fast-check';
import { type Packet, parser } from 'mqtt-packet';
import { describe, expect, it } from 'vitest';
import type { Outgoing } from '../../../device-sim/contracts.ts';
import { Flights } from '../../../device-sim/links/flights.ts';

function message(token: number, fault: Outgoing['fault'] = null): Outgoing {
  return { token, topic: 'a/ü', payload: Buffer.from(String(token)), fault };
}

function read(bytes: Buffer): Packet {
  const packets: Packet[] = [];
  const parse = parser();
  parse.on('packet', (packet: Packet) => packets.push(packet));
  parse.parse(bytes);
  const [first] = packets;
  if (first === undefined) throw new Error('no packet');
  return first;
}

describe('messages under way', () => {
  it('are acknowledged once each, by nothing but their last answer, in whatever order answers come', () => {
    const answer = fc.record({
      kind: fc.constantFrom<'puback' | 'pubrec' | 'pubcomp'>('puback', 'pubrec', 'pubcomp'),
      packetId: fc.integer({ min: 0, max: 12 }),
    });
    fc.assert(
      fc.property(
        fc.constantFrom<1 | 2>(1, 2),
        fc.array(fc.oneof(fc.constant('send' as const), fc.constant('again' as const), answer), {
          maxLength: 200,
        }),
        (qos, steps) => {
          const flights = new Flights(qos);
          const open = new Map<number, { token: number; released: boolean }>();
          let next = 0;
          for (const step of steps) {
            if (step === 'send') {
              if (flights.size >= 10) continue;
              const id = flights.add(message(next), false) ?? 0;
              expect(open.has(id)).toBe(false);
              flights.packetOf(id);
              open.set(id, { token: next, released: false });
              next += 1;
            } else if (step === 'again') {
              const ids = [...flights.packets()].map((bytes) => read(bytes).messageId ?? 0);
              expect(new Set(ids)).toEqual(new Set(open.keys()));
            } else {
              const entry = open.get(step.packetId);
              const answered = flights[step.kind](step.packetId);
              const isLast = step.kind === 'puback' ? qos === 1 : step.kind === 'pubcomp' && entry?.released;
              if (qos === 2 && step.kind === 'pubrec' && entry !== undefined) entry.released = true;
              if (entry !== undefined && isLast) {
                expect(answered).toBe(entry.token);
                open.delete(step.packetId);
              } else expect(answered).toBe(null);
            }
            expect(flights.size).toBe(open.size);
          }
        },
      ),
    );
  });

  it('are read by another implementation as they were meant, of any size', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<1 | 2>(1, 2),
        fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
        fc.constantFrom(0, 1, 100, 127, 128, 16_000, 16_383, 16_384, 70_000, 2_100_000),
        (qos, topic, length) => {
          const flights = new Flights(qos);
          const payload = Buffer.alloc(length, 'x');
          const id = flights.add({ token: 0, topic, payload, fault: null }, false) ?? 0;
          for (const dup of [false, true]) {
            const packet = read(flights.packetOf(id));
            if (packet.cmd !== 'publish') throw new Error(packet.cmd);
            expect([packet.topic, packet.qos, packet.dup, packet.retain, packet.messageId]).toEqual([
              ...[topic, qos, dup, false, id],
            ]);
            expect(payload.equals(Buffer.from(packet.payload))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('use no packet id that is in use, and never that of SUBSCRIBE', () => {
    const flights = new Flights(1);
    const ids = new Set<number>();
    for (let token = 0; token < 65_534; token += 1) ids.add(flights.add(message(token), false) ?? 0);
    expect([ids.size, Math.min(...ids), Math.max(...ids)]).toEqual([65_534, 1, 65_534]);
    expect(flights.add(message(0), false)).toBe(null);
    flights.packetOf(40_000);
    flights.puback(40_000);
    expect(flights.add(message(0), false)).toBe(40_000);
  });

  it('after PUBREC are PUBRELs, behind what has none', () => {
    const flights = new Flights(2);
    for (let token = 0; token < 3; token += 1) flights.packetOf(flights.add(message(token), false) ?? 0);
    flights.pubrec(2);
    flights.pubrec(1);
    expect([...flights.packets()].map((bytes) => [read(bytes).cmd, read(bytes).messageId])).toEqual([
      ['publish', 3],
      ['pubrel', 2],
      ['pubrel', 1],
    ]);
  });

  it('lose one answer where that is the fault, and the next one counts', () => {
    const once = new Flights(1);
    once.packetOf(once.add(message(7, 'lost-puback'), false) ?? 0);
    expect([once.puback(1), once.puback(1), once.puback(1)]).toEqual(['lost', 7, null]);
    const twice = new Flights(2);
    twice.packetOf(twice.add(message(7, 'lost-puback'), false) ?? 0);
    expect([twice.pubrec(1), twice.pubcomp(1), twice.pubrec(1), twice.pubcomp(1)]).toEqual([
      'lost',
      null,
      null,
      7,
    ]);
  });
});
