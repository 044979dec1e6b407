import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type PacketHandler,
  PacketReader,
  PartialBudget,
} from '../../../gateway/sources/mqtt-broker/packet-reader.ts';

class Recorder implements PacketHandler {
  readonly packets: string[] = [];
  readonly bad: string[] = [];
  pauseAfter: (body: Buffer) => boolean = () => false;

  limitOf(first: number): number {
    return first === 0xff ? -1 : 70_000;
  }

  onPacket(first: number, buffer: Buffer, head: number, start: number, end: number): boolean {
    expect(buffer[head]).toBe(first);
    const body = buffer.subarray(start, end);
    this.packets.push(`${first} ${body.toString('hex')}`);
    return !this.pauseAfter(body);
  }

  onBad(reason: string): void {
    this.bad.push(reason);
  }
}

function encode(first: number, body: Uint8Array): Buffer {
  const header = [first];
  for (let rest = body.length; ; ) {
    const low = rest & 127;
    rest >>= 7;
    header.push(rest > 0 ? low | 128 : low);
    if (rest === 0) return Buffer.concat([Buffer.from(header), body]);
  }
}

const packet = fc.tuple(
  fc.integer({ min: 0, max: 254 }),
  fc.oneof(fc.uint8Array({ maxLength: 20 }), fc.uint8Array({ minLength: 120, maxLength: 300 })),
);

describe('a reader of packets', () => {
  it('finds the same packets however the bytes are cut, and wherever it is paused', () => {
    fc.assert(
      fc.property(
        fc.array(packet, { maxLength: 12 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1 }),
        fc.boolean(),
        (packets, cuts, pauses) => {
          const bytes = Buffer.concat(packets.map(([first, body]) => encode(first, body)));
          const budget = new PartialBudget(10_000);
          const recorder = new Recorder();
          if (pauses) recorder.pauseAfter = (body) => body.length % 2 === 0;
          const reader = new PacketReader(recorder, budget);
          for (let at = 0, i = 0; at < bytes.length; i += 1) {
            const size = cuts[i % cuts.length] ?? 1;
            reader.push(bytes.subarray(at, at + size));
            while (reader.waits) reader.resume();
            at += size;
          }
          expect(recorder.packets).toEqual(
            packets.map(([first, body]) => `${first} ${Buffer.from(body).toString('hex')}`),
          );
          expect(recorder.bad).toEqual([]);
          expect(budget.bytes).toBe(0);
        },
      ),
      { numRuns: 500 },
    );
  });

  it('holds what has come of a packet in about as much memory, byte by byte too', () => {
    const budget = new PartialBudget(1_000_000);
    const recorder = new Recorder();
    const reader = new PacketReader(recorder, budget);
    const bytes = encode(0x30, new Uint8Array(70_000));
    for (let i = 0; i < 10_000; i += 1) reader.push(bytes.subarray(i, i + 1));
    expect(budget.bytes).toBeLessThan(20_000);
    for (let i = 10_000; i < bytes.length; i += 1) reader.push(bytes.subarray(i, i + 1));
    expect(recorder.packets).toHaveLength(1);
    expect(budget.bytes).toBe(0);
  });

  it('is told off once for what is too large, and then reads nothing more', () => {
    const budget = new PartialBudget(1000);
    const recorder = new Recorder();
    const reader = new PacketReader(recorder, budget);
    reader.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    reader.push(encode(0x30, Buffer.from('x')));
    expect(recorder).toMatchObject({ bad: ['packet too large'], packets: [] });
  });

  it('whose packet began first makes room for others, and who began it last does not wait for it', () => {
    const budget = new PartialBudget(10_000);
    const [first, second, third] = [new Recorder(), new Recorder(), new Recorder()];
    const bytes = encode(0x30, new Uint8Array(6_000));
    const [one, two, three] = [first, second, third].map((recorder) => new PacketReader(recorder, budget));
    one?.push(bytes.subarray(0, 3_000));
    two?.push(bytes.subarray(0, 3_000));
    one?.push(bytes.subarray(3_000, 3_001));
    three?.push(bytes.subarray(0, 3_000));
    expect(first.bad, 'also where it grew last').toEqual(['too much is waiting for the rest of packets']);
    two?.push(bytes.subarray(3_000));
    expect([second.packets.length, budget.bytes]).toEqual([1, 3_000]);
    two?.push(bytes.subarray(0, 5_000));
    three?.push(bytes.subarray(3_000));
    expect([third.packets.length, budget.bytes]).toEqual([1, 5_000]);
    one?.push(bytes);
    expect([first.packets, first.bad.length], 'it reads nothing more').toEqual([[], 1]);
  });

  it('of a packet larger than all the room there is goes alone', () => {
    const budget = new PartialBudget(10_000);
    const [small, large] = [new Recorder(), new Recorder()];
    const reader = new PacketReader(small, budget);
    const bytes = encode(0x30, new Uint8Array(500));
    reader.push(bytes.subarray(0, 400));
    new PacketReader(large, budget).push(encode(0x30, new Uint8Array(60_000)).subarray(0, 20_000));
    expect(large.bad).toHaveLength(1);
    reader.push(bytes.subarray(400));
    expect([small.packets.length, budget.bytes]).toEqual([1, 0]);
  });

  it('property: gets all of its packets or is told off once, whoever shares the room, which is never exceeded', () => {
    const chunks = fc.array(fc.tuple(fc.nat(5), fc.integer({ min: 1, max: 900 })), { maxLength: 200 });
    fc.assert(
      fc.property(chunks, fc.integer({ min: 500, max: 4_000 }), (pushes, maxBytes) => {
        const budget = new PartialBudget(maxBytes);
        const bytes = Buffer.concat(
          Array.from({ length: 50 }, (_, i) => encode(0x30, new Uint8Array(i * 37))),
        );
        const readers = Array.from({ length: 6 }, () => {
          const recorder = new Recorder();
          return { recorder, reader: new PacketReader(recorder, budget), at: 0 };
        });
        for (const [who, size] of pushes) {
          const each = readers[who];
          if (each === undefined) continue;
          each.reader.push(bytes.subarray(each.at, each.at + size));
          each.at = Math.min(each.at + size, bytes.length);
          expect(budget.bytes).toBeLessThanOrEqual(maxBytes);
        }
        for (const { recorder, reader, at } of readers) {
          reader.push(bytes.subarray(at));
          expect(recorder.packets.length === 50 ? 0 : 1).toBe(recorder.bad.length);
          reader.end();
        }
        expect(budget.bytes).toBe(0);
      }),
    );
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })), (chunks) => {
        const budget = new PartialBudget(5000);
        const recorder = new Recorder();
        const reader = new PacketReader(recorder, budget);
        for (const chunk of chunks) reader.push(Buffer.from(chunk));
        expect(recorder.bad.length).toBeLessThanOrEqual(1);
        reader.end();
        expect(budget.bytes).toBe(0);
      }),
    );
  });
});
