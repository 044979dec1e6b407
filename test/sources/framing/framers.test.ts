import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGatewayError } from '../../../gateway/errors.ts';
import { createFramer } from '../../../gateway/sources/framing/create-framer.ts';
import type { FramingOptions } from '../../../gateway/sources/framing/framing-options.ts';
import { framingProblem } from '../../../gateway/sources/framing/framing-problem.ts';
import { chunkSizes, collecting, cut, framed } from './framed.ts';

/** One of each kind, with bytes that mean something to it, so that noise comes close to frames. */
const KINDS: readonly { readonly options: FramingOptions; readonly pieces: readonly string[] }[] = [
  { options: { kind: 'line', maxFrameBytes: 20 }, pieces: ['\n', '\r\n', '{"t":21.5}', '\0\xff'] },
  {
    options: { kind: 'line', delimiter: ';;\n', first: true, maxFrameBytes: 20 },
    pieces: [';', ';;', '\n', 'abcdef', ';;\n'],
  },
  { options: { kind: 'slip', maxFrameBytes: 20 }, pieces: ['\xc0', '\xdb', '\xdb\xdc', '\xdb\xdd', 'data'] },
  { options: { kind: 'cobs', maxFrameBytes: 20 }, pieces: ['\0', '\x05data', '\x01', '\x03ab', '\x02a'] },
  {
    options: { kind: 'cobs', checksum: 'crc16-modbus', maxFrameBytes: 20 },
    pieces: ['\0', '\x0c123456789\x37\x4b\0', '\x03ab'],
  },
  {
    options: {
      kind: 'length',
      header: 'AA 55',
      checksum: 'crc16-ccitt',
      endian: 'big',
      checksumOver: 'payload',
      maxFrameBytes: 20,
    },
    pieces: ['\xaa', '\x55', '\xaa\x55', '\xaa\x55\x09123456789\x29\xb1', '\xaa\x55\x03abc'],
  },
  {
    options: {
      kind: 'length',
      header: '01',
      sizeBytes: 2,
      counts: 'frame',
      gives: 'frame',
      maxFrameBytes: 30,
    },
    pieces: ['\x01', '\x01\x05\0', '\x01\x05\0ab', '\x01\x01\x01'],
  },
  {
    options: { kind: 'fixed', magic: '41', length: 6, checksum: 'xor', tail: '5A' },
    pieces: ['A', 'AbcdEZ', 'Z', 'A\0\0\0AZ'],
  },
  { options: { kind: 'pms5003' }, pieces: ['BM', 'BM\0\x1c', `BM\0\x1c${'\0'.repeat(26)}\0\xab`] },
  {
    options: { kind: 'sds011' },
    pieces: ['\xaa', '\xaa\xc0', '\xaa\xc0\xd4\x04\x3a\x0a\xa1\x60\x1d\xab', '\xab'],
  },
  {
    options: { kind: 'nmea', maxFrameBytes: 40 },
    pieces: ['$', '!A*41', '$GPGLL*50\r\n', '*', '\r\n', '$GPTXT'],
  },
  {
    options: { kind: 'nmea', withoutChecksum: true, sentences: ['TXT'], maxFrameBytes: 40 },
    pieces: ['$GPTXT,a\r\n', '$GPGLL*50\r\n', '*', '\r\n', '$GPTXT'],
  },
];

function stream(pieces: readonly string[]): fc.Arbitrary<Buffer> {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...pieces).map((text) => Buffer.from(text, 'latin1')) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 6 }).map((bytes) => Buffer.from(bytes)) },
  );
  return fc.array(piece, { maxLength: 60 }).map((parts) => Buffer.concat(parts));
}

describe('every framer', () => {
  it.each(KINDS)(
    'gives the same for the same bytes however they were cut: $options',
    ({ options, pieces }) => {
      let seen = 0;
      fc.assert(
        fc.property(stream(pieces), chunkSizes, (bytes, sizes) => {
          const whole = framed(options, bytes);
          const inPieces = framed(options, ...cut(bytes, sizes));
          const byByte = framed(options, ...cut(bytes, [1]));
          expect(inPieces.frames).toEqual(whole.frames);
          expect(inPieces.discarded).toEqual(whole.discarded);
          expect(byByte.frames).toEqual(whole.frames);
          expect(byByte.discarded).toEqual(whole.discarded);
          seen += whole.frames.length;
        }),
        { numRuns: 200 },
      );
      expect(seen).toBeGreaterThan(0);
    },
  );

  it.each(KINDS)('never gives an empty frame, nor one beyond its bound: $options', ({ options, pieces }) => {
    const max = 'maxFrameBytes' in options ? (options.maxFrameBytes ?? 0) : 32;
    fc.assert(
      fc.property(stream(pieces), (bytes) => {
        for (const { length } of framed(options, bytes).frames) {
          expect(length).toBeGreaterThan(0);
          expect(length).toBeLessThanOrEqual(max);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('counts endless noise as it comes, in stretches of 4096 bytes with the last 64 of each', () => {
    for (const { options } of KINDS) {
      const { framer, frames, discarded } = collecting(options);
      // Bytes that delimit nothing and begin nothing.
      for (let i = 0; i < 100; i += 1) framer.push(Buffer.alloc(1000, 0x33));
      framer.idle();
      expect(frames).toEqual([]);
      const bytes = discarded.reduce((sum, run) => sum + run.bytes, 0);
      expect(bytes).toBe(100_000);
      expect(discarded[0]?.bytes).toBe(4096);
      expect(discarded.every(({ last }) => last.length === 64)).toBe(true);
    }
  });

  it('keeps nothing of a chunk that is used again afterwards, and gives frames that stay', () => {
    const { framer, frames, discarded } = collecting({ kind: 'line', first: true });
    const chunk = Buffer.from('one\n');
    framer.push(chunk);
    chunk.write('two\n');
    framer.push(chunk);
    chunk.fill(0);
    expect(frames.map(String)).toEqual(['one', 'two']);
    expect(discarded).toEqual([]);
  });

  it('refuses options that make no sense, in words', () => {
    const wrong: FramingOptions[] = [
      { kind: 'line', delimiter: '' },
      { kind: 'line', delimiter: '123456789' },
      { kind: 'line', delimiter: ';', delimiterBytes: '3B' },
      { kind: 'line', delimiterBytes: 'lf' },
      { kind: 'slip', maxFrameBytes: 0 },
      { kind: 'nmea', maxFrameBytes: 1e9 },
      { kind: 'length', header: '' },
      { kind: 'length', header: 'AA 5' },
      { kind: 'length', header: 'AA 55', sizeOffset: 1 },
      { kind: 'fixed', magic: 'AA', length: 0 },
      { kind: 'fixed', magic: 'AA', length: 2, tail: 'AB', checksum: 'sum8' },
      { kind: 'fixed', magic: 'AA', length: 8, checksum: 'sum16', checksumAt: 7 },
      { kind: 'fixed', magic: 'AA', length: 8, checksum: 'sum8', checksumTo: 8 },
      { kind: 'fixed', magic: 'AA', length: 8, checksum: 'sum8', checksumFrom: 5, checksumTo: 5 },
    ];
    const output = { frame: () => undefined, discarded: () => undefined };
    for (const options of wrong) {
      expect(framingProblem(options)).toMatch(/ /);
      expect(() => createFramer(options, output)).toThrow(
        expect.toSatisfy((error) => isGatewayError(error, 'config-invalid')),
      );
    }
    for (const { options } of KINDS) expect(framingProblem(options)).toBeNull();
  });
});
