import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumOf, createChecksum } from '../../../gateway/sources/framing/checksums.ts';
import type { FramingOptions } from '../../../gateway/sources/framing/framing-options.ts';
import { chunkSizes, collecting, cut, framed, reasons, texts } from './framed.ts';

/** A frame of a PMS5003 with these 26 bytes of data. */
function pms5003(data: Uint8Array): Buffer {
  const frame = Buffer.concat([Buffer.from([0x42, 0x4d, 0, 28]), data, Buffer.alloc(2)]);
  frame.writeUInt16BE(
    frame.subarray(0, 30).reduce((sum, byte) => sum + byte, 0),
    30,
  );
  return frame;
}

function sumOf(runs: readonly { bytes: number }[]): number {
  return runs.reduce((sum, { bytes }) => sum + bytes, 0);
}

describe('PMS5003', () => {
  it('every intact frame is recovered where others lose 2 of their 32 bytes', () => {
    const sent = fc.record({
      data: fc.uint8Array({ minLength: 26, maxLength: 26 }),
      lost: fc.option(fc.uniqueArray(fc.nat(31), { minLength: 2, maxLength: 2 })),
    });
    fc.assert(
      fc.property(fc.array(sent, { maxLength: 60 }), chunkSizes, (frames, sizes) => {
        const whole = frames.map(({ data, lost }) => ({ frame: pms5003(data), lost }));
        const stream = Buffer.concat(
          whole.map(({ frame, lost }) => Buffer.from(frame.filter((_, at) => !lost?.includes(at)))),
        );
        const result = framed({ kind: 'pms5003' }, ...cut(stream, sizes));
        const intact = whole.filter(({ lost }) => lost === null).map(({ frame }) => frame);
        expect(result.frames).toEqual(intact);
        expect(sumOf(result.discarded)).toBe(stream.length - 32 * intact.length);
      }),
      { numRuns: 200 },
    );
  });

  it('a frame inside of a frame that was cut short is recovered at once, not a frame later', () => {
    const { framer, frames } = collecting({ kind: 'pms5003' });
    const frame = pms5003(Buffer.alloc(26, 9));
    framer.push(frame.subarray(0, 20));
    framer.push(frame);
    expect(frames).toEqual([frame]);
  });
});

describe('SDS011', () => {
  const frame = Buffer.from('aac0d4043a0aa1601dab', 'hex');

  it('sum and tail must be right', () => {
    const badSum = Buffer.from(frame);
    badSum[8] = 0x1e;
    const badTail = Buffer.from(frame);
    badTail[9] = 0xac;
    const result = framed({ kind: 'sds011' }, badSum, frame, badTail, Buffer.of(1, 2), frame);
    expect(result.frames).toEqual([frame, frame]);
    expect(reasons(result)).toEqual(['bad-checksum:10', 'noise:12']);
  });
});

describe('fixed frames', () => {
  it('may have their checksum anywhere, over anything', () => {
    const options: FramingOptions = {
      kind: 'fixed',
      magic: '01',
      length: 6,
      checksum: 'crc16-modbus',
      checksumAt: 1,
      checksumFrom: 3,
      checksumTo: 6,
      endian: 'little',
    };
    // CRC-16/MODBUS of 'abc' is 0x5749.
    expect(framed(options, '\x01\x49\x57abc', '\x01\x49\x57abd').frames).toEqual([
      Buffer.from('\x01\x49\x57abc'),
    ]);
  });
});

describe('frames with a length', () => {
  const crc: FramingOptions = {
    kind: 'length',
    header: 'AA 55',
    checksum: 'crc16-ccitt',
    endian: 'big',
    checksumOver: 'payload',
  };
  const good = Buffer.from('aa5509313233343536373839 29b1'.replace(' ', ''), 'hex');

  it('give the payload, or the whole of it', () => {
    expect(texts(framed(crc, good))).toEqual(['123456789']);
    expect(framed({ ...crc, gives: 'frame' }, good).frames).toEqual([good]);
  });

  it('count what the option says', () => {
    const at = (counts: 'payload' | 'rest' | 'frame', size: number, adjust = 0) =>
      texts(
        framed(
          {
            kind: 'length',
            header: 'AA',
            sizeOffset: 2,
            sizeBytes: 2,
            endian: 'big',
            counts,
            adjust,
            checksum: 'sum8',
            checksumOver: 'payload',
          },
          Buffer.from([0xaa, 9, 0, size, 1, 2, 3, 6]),
        ),
      );
    expect(at('payload', 3)).toEqual(['\x01\x02\x03']);
    expect(at('rest', 4)).toEqual(['\x01\x02\x03']);
    expect(at('frame', 8)).toEqual(['\x01\x02\x03']);
    expect(at('payload', 4, -1)).toEqual(['\x01\x02\x03']);
    expect(at('rest', 5)).toEqual([]);
  });

  it('are found inside of a bad one, whose size reaches over them', () => {
    const result = framed(crc, Buffer.from('aa5520', 'hex'), good, good, Buffer.alloc(40), good);
    expect(texts(result)).toEqual(['123456789', '123456789', '123456789']);
    expect(reasons(result)).toEqual(['bad-checksum:3', 'noise:40']);
  });

  it('behind a false beginning come out when the line goes quiet', () => {
    const { framer, frames, discarded } = collecting(crc);
    framer.push(Buffer.concat([Buffer.from('aa55ff', 'hex'), good]));
    expect(frames).toEqual([]);
    framer.idle();
    expect(frames.map(String)).toEqual(['123456789']);
    expect(discarded.map(({ reason, bytes }) => `${reason}:${bytes}`)).toEqual(['cut-short:3']);
    framer.push(good);
    framer.idle();
    expect(frames.map(String)).toEqual(['123456789', '123456789']);
  });

  it('of a size beyond the bound are noise at once: nothing waits for four gigabytes', () => {
    const { framer, frames } = collecting({ ...crc, sizeBytes: 4 });
    framer.push(Buffer.from('aa55ffffffff', 'hex'));
    framer.push(Buffer.from('aa5500000009313233343536373839 29b1'.replace(' ', ''), 'hex'));
    expect(frames.map(String)).toEqual(['123456789']);
  });

  it('are found all through a stream many times longer than the longest of them', () => {
    const sent = fc.array(
      fc.record({ payload: fc.uint8Array({ minLength: 1, maxLength: 200 }), noise: fc.nat(30) }),
      {
        minLength: 20,
        maxLength: 60,
      },
    );
    const checksum = createChecksum('crc32');
    const options: FramingOptions = {
      kind: 'length',
      header: 'AA 55',
      checksum: 'crc32',
      maxFrameBytes: 200,
    };
    fc.assert(
      fc.property(sent, fc.integer({ min: 1, max: 3000 }), (parts, size) => {
        const stream = parts.flatMap(({ payload, noise }) => {
          const frame = Buffer.concat([Buffer.of(0xaa, 0x55, payload.length), payload, Buffer.alloc(4)]);
          frame.writeUInt32LE(checksumOf(checksum, frame, 0, frame.length - 4), frame.length - 4);
          return [Buffer.alloc(noise, 0xaa), frame];
        });
        const result = framed(options, ...cut(Buffer.concat(stream), [size]));
        expect(result.frames).toEqual(parts.map(({ payload }) => Buffer.from(payload)));
        expect(sumOf(result.discarded)).toBe(parts.reduce((sum, { noise }) => sum + noise, 0));
      }),
      // To make such streams smaller would take minutes.
      { numRuns: 50, endOnFailure: true },
    );
  });
});
