import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checksumOf, createChecksum } from '../../../gateway/sources/framing/checksums.ts';
import type { FramingOptions } from '../../../gateway/sources/framing/framing-options.ts';
import { framed, reasons, texts } from './framed.ts';

describe('lines', () => {
  const line: FramingOptions = { kind: 'line' };

  it('end with LF, and CR LF is no part of them; empty ones are nothing', () => {
    const result = framed(line, '\n\na\r\nb\n\r\n\n\rc\r\r\n');
    expect(texts(result)).toEqual(['a', 'b', 'c']);
    expect(reasons(result)).toEqual([]);
  });

  it('do not begin before the first delimiter: that may be half a line', () => {
    const result = framed(line, '5,"humidity":40}\n{"t":1}\n');
    expect(texts(result)).toEqual(['{"t":1}']);
    expect(reasons(result)).toEqual(['before-first:16']);
    expect(result.discarded[0]?.last.toString()).toBe('5,"humidity":40}');
    expect(texts(framed({ ...line, first: true }, 'a\nb\n'))).toEqual(['a', 'b']);
  });

  it('are no frames until they have ended', () => {
    const result = framed(line, '\n{"half":');
    expect(texts(result)).toEqual([]);
    expect(reasons(result)).toEqual(['cut-short:8']);
  });

  it('are discarded up to the next delimiter where they are too long, and the next one is a frame', () => {
    const result = framed({ ...line, maxFrameBytes: 4 }, '\n1234\n12345\n1234567890123456789\nok\n');
    expect(texts(result)).toEqual(['1234', 'ok']);
    expect(reasons(result)).toEqual(['too-long:25']);
    expect(reasons(framed({ ...line, maxFrameBytes: 4 }, 'x'.repeat(50)))).toEqual(['before-first:50']);
  });

  it('take delimiters of up to eight bytes, also behind a part of themselves', () => {
    const options: FramingOptions = { kind: 'line', delimiter: 'aab', first: true, maxFrameBytes: 8 };
    expect(texts(framed(options, '1aaab2aab', '3a', 'a', 'b'))).toEqual(['1a', '2', '3']);
    expect(texts(framed(options, `${'x'.repeat(40)}a`, 'ab4aab'))).toEqual(['4']);
    expect(texts(framed({ kind: 'line', delimiterBytes: '03', first: true }, 'a\x03b\r\n\x03'))).toEqual([
      'a',
      'b',
    ]);
  });
});

describe('SLIP', () => {
  const slip: FramingOptions = { kind: 'slip' };

  it('unescapes END and ESC (RFC 1055)', () => {
    const bytes = Buffer.from([0xc0, 1, 0xdb, 0xdc, 0xdb, 0xdd, 2, 0xc0, 0xc0, 3, 0xc0]);
    expect(framed(slip, bytes).frames).toEqual([Buffer.from([1, 0xc0, 0xdb, 2]), Buffer.of(3)]);
  });

  it('discards a packet with an escape that is none, and finds the next', () => {
    const result = framed(slip, Buffer.from([0xc0, 1, 0xdb, 5, 0xc0, 7, 0xdb, 0xc0, 9, 0xc0]));
    expect(result.frames).toEqual([Buffer.of(9)]);
    expect(reasons(result)).toEqual(['bad-encoding:5']);
  });

  it('holds the bound to the packet as it is unescaped', () => {
    const packet = (n: number) => [...Array(n).fill([0xdb, 0xdc]).flat(), 0xc0];
    const result = framed(
      { ...slip, maxFrameBytes: 3 },
      Buffer.from([0xc0, ...packet(3), ...packet(4), 1, 0xc0]),
    );
    expect(result.frames).toEqual([Buffer.of(0xc0, 0xc0, 0xc0), Buffer.of(1)]);
    expect(reasons(result)).toEqual(['too-long:9']);
  });
});

describe('COBS', () => {
  /** As in the paper of Cheshire and Baker, written for the test. */
  function stuffed(packet: Uint8Array): Buffer {
    const out: number[] = [];
    let block: number[] = [];
    for (const byte of [...packet, 0]) {
      if (byte === 0) {
        out.push(block.length + 1, ...block);
        block = [];
      } else {
        block.push(byte);
        if (block.length === 254) {
          out.push(255, ...block);
          block = [];
        }
      }
    }
    return Buffer.from([...out, 0]);
  }

  it('unstuffs the examples of the paper', () => {
    const cobs: FramingOptions = { kind: 'cobs', first: true };
    const one = Buffer.from([0x01, 0x01, 0x00, 0x03, 0x11, 0x22, 0x02, 0x33, 0x00]);
    expect(framed(cobs, one).frames).toEqual([Buffer.of(0), Buffer.of(0x11, 0x22, 0, 0x33)]);
    const full = Buffer.concat([Buffer.of(0xff), Buffer.alloc(254, 7), Buffer.of(0)]);
    expect(framed(cobs, full).frames).toEqual([Buffer.alloc(254, 7)]);
  });

  it('gives any packet back, with a CRC behind it', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 600 }), { maxLength: 4 }),
        fc.constantFrom('crc16-ccitt', 'crc16-modbus', 'crc32'),
        fc.constantFrom('little', 'big'),
        (packets, kind, endian) => {
          const checksum = createChecksum(kind);
          const sent = packets.map((packet) => {
            const trailer = Buffer.alloc(checksum.bytes);
            const sum = checksumOf(checksum, packet, 0, packet.length);
            if (endian === 'big') trailer.writeUIntBE(sum, 0, checksum.bytes);
            else trailer.writeUIntLE(sum, 0, checksum.bytes);
            return stuffed(Buffer.concat([packet, trailer]));
          });
          const result = framed(
            { kind: 'cobs', checksum: kind, endian, maxFrameBytes: 600, first: true },
            Buffer.concat(sent),
          );
          expect(result.frames).toEqual(packets.map((packet) => Buffer.from(packet)));
          expect(result.discarded).toEqual([]);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('discards a packet that lost a byte, and finds the next', () => {
    const checksum = createChecksum('crc16-modbus');
    const packet = Buffer.from('123456789');
    const trailer = Buffer.alloc(2);
    trailer.writeUInt16LE(checksumOf(checksum, packet, 0, 9));
    const good = stuffed(Buffer.concat([packet, trailer]));
    for (let lost = 0; lost < good.length - 1; lost += 1) {
      const bad = Buffer.concat([good.subarray(0, lost), good.subarray(lost + 1)]);
      const result = framed(
        { kind: 'cobs', checksum: 'crc16-modbus', first: true },
        Buffer.concat([bad, good]),
      );
      expect(texts(result)).toEqual(['123456789']);
      expect(result.discarded.map(({ bytes }) => bytes)).toEqual([good.length - 2]);
    }
  });
});
