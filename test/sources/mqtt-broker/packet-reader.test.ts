import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type PacketHandler, PacketReader } from '../../../gateway/sources/mqtt-broker/packet-reader.ts';

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
          const budget = { bytes: 0, maxBytes: 10_000 };
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
    const budget = { bytes: 0, maxBytes: 1_000_000 };
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
    const budget = { bytes: 0, maxBytes: 1000 };
    const recorder = new Recorder();
    const reader = new PacketReader(recorder, budget);
    reader.push(Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f]));
    reader.push(encode(0x30, Buffer.from('x')));
    expect(recorder).toMatchObject({ bad: ['packet too large'], packets: [] });
  });

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 })), (chunks) => {
        const budget = { bytes: 0, maxBytes: 5000 };
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
