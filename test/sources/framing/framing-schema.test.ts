import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../../gateway/package-root.ts';
import type { FramingOptions } from '../../../gateway/sources/framing/framing-options.ts';
import { framingProblem } from '../../../gateway/sources/framing/framing-problem.ts';

const ajv = new Ajv2020({ useDefaults: true, strictTypes: false, allowUnionTypes: true });
ajv.addKeyword('expected');
const isFraming = ajv.compile(
  JSON.parse(readFileSync(join(PACKAGE_ROOT, 'schemas/framing.schema.json'), 'utf8')),
);

/** With every option there is. */
const FULL: readonly FramingOptions[] = [
  { kind: 'line', delimiter: '\r\n', first: true, maxFrameBytes: 100 },
  { kind: 'line', delimiterBytes: '03' },
  { kind: 'slip', first: true, maxFrameBytes: 1 },
  { kind: 'cobs', checksum: 'crc32', endian: 'big', first: true, maxFrameBytes: 65_536 },
  { kind: 'length', header: 'AA' },
  {
    kind: 'length',
    header: 'AA 55',
    sizeOffset: 3,
    sizeBytes: 2,
    endian: 'big',
    counts: 'rest',
    adjust: -1,
    checksum: 'crc16-xmodem',
    checksumOver: 'behind-header',
    gives: 'frame',
    maxFrameBytes: 1000,
  },
  { kind: 'fixed', magic: 'AA', length: 4 },
  {
    kind: 'fixed',
    magic: 'AA',
    length: 12,
    tail: 'AB',
    checksum: 'crc16-modbus',
    checksumAt: 3,
    checksumFrom: 5,
    checksumTo: 11,
    endian: 'little',
  },
  { kind: 'nmea', sentences: ['RMC'], withoutChecksum: true, maxFrameBytes: 100 },
  { kind: 'pms5003' },
  { kind: 'sds011' },
];

describe('the JSON Schema of framings', () => {
  it.each(FULL)('takes every option, and its defaults change no meaning: $kind', (options) => {
    const filled: FramingOptions = structuredClone(options);
    expect(isFraming(filled), JSON.stringify(isFraming.errors)).toBe(true);
    expect(framingProblem(filled)).toBeNull();
    expect(framingProblem(options)).toBeNull();
  });

  it('takes the kinds that need no options by their name alone', () => {
    for (const kind of ['line', 'slip', 'cobs', 'nmea', 'pms5003', 'sds011'])
      expect(isFraming(kind)).toBe(true);
    for (const kind of ['length', 'fixed', 'json', '']) expect(isFraming(kind)).toBe(false);
  });

  it('refuses options of another kind, and values out of range', () => {
    for (const wrong of [
      {},
      { kind: 'morse' },
      { kind: 'line', header: 'AA' },
      { kind: 'pms5003', length: 30 },
      { kind: 'length' },
      { kind: 'length', header: 'AA 5' },
      { kind: 'length', header: 'AA', sizeBytes: 3 },
      { kind: 'fixed', magic: 'AA' },
      { kind: 'cobs', checksum: 'sum8' },
      { kind: 'slip', maxFrameBytes: 65_537 },
      { kind: 'nmea', sentences: ['GPRMC'] },
    ])
      expect(isFraming(wrong), JSON.stringify(wrong)).toBe(false);
  });
});
