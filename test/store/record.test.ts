import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Relay } from '../../gateway/contracts.ts';
import { ByteWriter } from '../../gateway/store/bytes.ts';
import {
  decodeHeader,
  decodeLines,
  decodeRecord,
  encodeRecord,
  tallyKey,
} from '../../gateway/store/record.ts';
import {
  decodeRejected,
  encodeRejected,
  parseRejectionId,
  RejectedMessage,
  rejectionId,
} from '../../gateway/store/rejection-record.ts';
import { costOf } from '../../gateway/store/storage.ts';
import { rejectionOf } from '../contracts/store-harness.ts';

const count = fc.integer({ min: 1, max: 0xffff_ffff });
const total = fc.integer({ min: 0, max: 2 ** 52 });
const name = fc.string({ unit: 'grapheme', maxLength: 20 }).map((text) => text.replaceAll('\0', ''));
const transfer = fc.record({
  client: name,
  packetId: fc.integer({ min: 0, max: 0xffff }),
  hashHigh: fc.integer({ min: 0, max: 0xffff_ffff }),
  hashLow: fc.integer({ min: 0, max: 0xffff_ffff }),
  readings: fc.integer({ min: 0, max: 0xffff }),
  state: fc.constantFrom(0 as const, 1 as const, 2 as const),
});
const tally = fc
  .tuple(
    fc.integer({ min: 0, max: 65_000 }),
    fc.integer({ min: 0, max: 255 }),
    fc.integer({ min: 0, max: 5 }),
  )
  .map(([device, source, column]) => tallyKey(device, source, column));
const half = fc.integer({ min: 0, max: 0xffff_ffff });
const identities = fc.dictionary(name, fc.array(fc.tuple(half, half), { minLength: 1 })).map((devices) => {
  return new Map(Object.entries(devices).map(([device, all]) => [device, all.flat()]));
});
const input = fc.record({
  arrivedMs: total,
  highWaterMs: total,
  nextRejectionId: total,
  before: fc.record({ points: total, bytes: total, cost: total }),
  names: fc.array(
    fc.record({
      kind: fc.constantFrom('source' as const, 'device' as const),
      index: fc.integer({ min: 0, max: 65_000 }),
      name,
    }),
  ),
  tallies: fc.array(fc.tuple(tally, count)).map((entries) => new Map(entries)),
  codes: fc.array(fc.tuple(fc.integer({ min: 0, max: 7 }), count)).map((entries) => new Map(entries)),
  transfers: fc.array(transfer),
  identities,
  provisionalNs: fc.option(fc.bigInt({ min: 0n, max: 10n ** 17n - 1n }).map(String)),
  lines: fc.array(fc.string({ unit: 'grapheme' }).map((text) => `${text}\n`)),
});

describe('the record of a group', () => {
  it('gives back what was put in, and adds up the marks', () => {
    const writer = new ByteWriter();
    fc.assert(
      fc.property(input, (given) => {
        const marks = encodeRecord(writer, given);
        const value = Buffer.from(writer.written());
        const decoded = decodeRecord(value, 1);
        const { before, lines, identities, ...rest } = given;
        const keys = [...identities].flatMap(([device, halves]) =>
          halves.flatMap((high, i) => (i % 2 === 0 ? [{ device, high, low: halves[i + 1] }] : [])),
        );
        expect(decoded).toEqual({
          ...rest,
          identities: keys,
          points: lines.length,
          marks,
          lines: Buffer.from(lines.join('')),
        });
        expect(marks).toEqual({
          points: before.points + lines.length,
          bytes: before.bytes + decoded.lines.length,
          cost: before.cost + costOf(value.length),
        });
        expect(decodeHeader(value, 1)).toMatchObject({ marks, points: lines.length });
        expect(decodeLines(value, 1).lines.equals(decoded.lines)).toBe(true);
      }),
    );
  });

  it('is never taken for another when any of it is changed, added or missing', () => {
    const writer = new ByteWriter();
    fc.assert(
      fc.property(input, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, where, flip) => {
        encodeRecord(writer, given);
        const value = Buffer.from(writer.written());
        const changed = Buffer.from(value);
        const at = where % value.length;
        changed.writeUInt8(changed.readUInt8(at) ^ flip, at);
        for (const wrong of [changed, value.subarray(0, at), Buffer.concat([value, Buffer.of(flip)])]) {
          expect(() => decodeRecord(wrong, 7)).toThrowError(
            expect.objectContaining({ code: 'store-damaged', message: expect.stringContaining('group 7') }),
          );
        }
      }),
    );
  });
});

describe('the record of rejected readings', () => {
  it('gives back each reading of a message with the payload they share', () => {
    fc.assert(
      fc.property(
        fc.uint8Array(),
        fc.array(name, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 1e9 }),
        (bytes, devices, firstId) => {
          const payload = Buffer.from(bytes);
          const given = devices.map((device, index) => rejectionOf({ device, index, payload }));
          const message = new RejectedMessage(firstId, given[0] ?? rejectionOf());
          for (const each of given) message.add(each);
          expect(decodeRejected(encodeRejected(message), firstId)).toEqual(
            given.map((each, i) => ({ ...each, id: rejectionId(firstId + i), resolved: null })),
          );
        },
      ),
    );
  });

  it('keeps what another broker said of the message, as much as there is room for', () => {
    const relayed = (contentType: string | null, properties: readonly (readonly [string, string])[]) => {
      const given = rejectionOf({ relay: { contentType, userProperties: new Map(properties) } });
      const message = new RejectedMessage(1, given);
      message.add(given);
      return decodeRejected(encodeRejected(message), 1)[0]?.relay;
    };
    const properties = [
      ['site', 'nörth'],
      ['__proto__', 'x'],
    ] as const;
    expect(relayed('text/csv', properties)).toEqual({
      contentType: 'text/csv',
      userProperties: new Map(properties),
    });
    expect(relayed(null, [])).toEqual({ contentType: null, userProperties: new Map() });
    const much = relayed('text/csv', [['a', 'ü'.repeat(400)], ['b', 'ü'.repeat(200)], ...properties]);
    expect([...(much?.userProperties.keys() ?? [])]).toEqual(['a', 'site', '__proto__']);
    expect(relayed('x'.repeat(2_000), properties)).toMatchObject({ contentType: null });
  });

  it('keeps which user properties there were besides: a replay must not take them for absent', () => {
    const kept = (relay: Omit<Relay, 'contentType'>): Relay | null | undefined => {
      const given = rejectionOf({ relay: { contentType: null, ...relay } });
      const message = new RejectedMessage(1, given);
      message.add(given);
      return decodeRejected(encodeRejected(message), 1)[0]?.relay;
    };
    const unread = { names: new Map([['site', 'too-long' as const]]), others: null };
    expect(kept({ userProperties: new Map([['a', 'x']]), unread })?.unread).toEqual(unread);
    const large = kept({
      userProperties: new Map([
        ['a', 'x'],
        ['b', 'y'.repeat(1_024)],
      ]),
      unread,
    });
    expect([...(large?.userProperties ?? [])]).toEqual([['a', 'x']]);
    expect([...(large?.unread?.names ?? [])]).toEqual([
      ['site', 'too-long'],
      ['b', 'not-kept'],
    ]);
    const names = Array.from({ length: 32 }, (_, i): [string, string] => [
      `${i}`.padEnd(250, '-'),
      'x'.repeat(250),
    ]);
    const many = kept({ userProperties: new Map(names) });
    expect([many?.userProperties.size, many?.unread?.names.size, many?.unread?.others]).toEqual([
      2,
      4,
      'not-kept',
    ]);
    const more = { names: new Map(), others: 'too-many' as const };
    expect(kept({ userProperties: new Map(), unread: more })?.unread).toEqual(more);
  });

  it('keeps that a message was shared with others, and nothing where it was not', () => {
    const kept = (more: Partial<Relay>): Relay | null | undefined => {
      const given = rejectionOf({ relay: { contentType: null, userProperties: new Map(), ...more } });
      const message = new RejectedMessage(1, given);
      message.add(given);
      return decodeRejected(encodeRejected(message), 1)[0]?.relay;
    };
    const none = { contentType: null, userProperties: new Map() };
    expect(kept({ isShared: true })).toEqual({ ...none, isShared: true });
    expect(
      kept({ isShared: true, arrivedMs: 1_700_000_000_000 }),
      'its time is that of the rejection',
    ).toEqual({
      ...none,
      isShared: true,
    });
    for (const more of [{}, { isShared: false }])
      expect(Object.keys(kept(more) ?? {})).toEqual(['contentType', 'userProperties']);
  });

  it('puts no readings of two messages together', () => {
    const relay = { contentType: null, userProperties: new Map() };
    const message = new RejectedMessage(1, rejectionOf({ index: 0, relay }));
    message.add(rejectionOf({ index: 0, relay }));
    expect(message.continuesWith(rejectionOf({ index: 1, relay }))).toBe(true);
    expect(message.continuesWith(rejectionOf({ index: 1, relay: { ...relay } }))).toBe(false);
    expect(message.continuesWith(rejectionOf({ index: 1 }))).toBe(false);
  });

  it('has ids that can be read back, and refuses any other text', () => {
    fc.assert(fc.property(fc.nat(), (id) => parseRejectionId(rejectionId(id)) === id));
    for (const text of ['', 'r', 'x1', 'r-1', 'rA', 'r1 ', `r${'z'.repeat(12)}`, '__proto__']) {
      expect(parseRejectionId(text)).toBeNull();
    }
  });
});
