import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { decoded, undecodable } from './decoded.ts';

/** One field at the beginning. */
const one = (type: string, more = {}) => ({ binary: { fields: [{ name: 'v', offset: 0, type, ...more }] } });

describe('binary', () => {
  it.each([
    ['u8', 'ff', 255],
    ['i8', 'ff', -1],
    ['u16', '0102', 0x0201],
    ['i16', 'feff', -2],
    ['u24', '010203', 0x030201],
    ['i24', 'feffff', -2],
    ['u32', 'ffffffff', 4294967295],
    ['i32', 'ffffffff', -1],
    ['u64', 'ffffffffffffffff', '18446744073709551615'],
    ['i64', 'ffffffffffffffff', '-1'],
    ['f32', '0000ac41', 21.5],
    ['f32', 'cdcccc3d', 0.1],
    ['f64', '000000000000f87f', null],
    ['f64', '9a9999999999b93f', 0.1],
  ])('reads %s, the low byte first', (type, hex, value) => {
    expect(decoded(one(type), Buffer.from(hex, 'hex'))).toEqual({ v: value });
    const reversed = Buffer.from(hex, 'hex').reverse();
    expect(decoded(one(type, { endian: 'big' }), reversed)).toEqual({ v: value });
    const big = { binary: { endian: 'big', fields: [{ name: 'v', offset: 0, type }] } };
    expect(decoded(big, reversed)).toEqual({ v: value });
  });

  it('scales to the nearest number: 0.3, not 0.30000000000000004', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffff }), fc.constantFrom(0.1, 0.01, 0.001), (raw, scale) => {
        const payload = Buffer.alloc(2);
        payload.writeUInt16LE(raw);
        const digits = Math.round(-Math.log10(scale));
        expect(decoded(one('u16', { scale }), payload)).toEqual({ v: Number(`${raw}e-${digits}`) });
      }),
    );
    expect(decoded(one('i8', { scale: 0.5, add: -40 }), Buffer.of(255))).toEqual({ v: -40.5 });
    expect(decoded(one('u64', { scale: 0.001 }), Buffer.from('e803000000000000', 'hex'))).toEqual({ v: 1 });
  });

  it('takes bits and texts', () => {
    expect(decoded(one('u8', { bits: { from: 2, count: 3 } }), Buffer.of(0b10110100))).toEqual({ v: 0b101 });
    expect(decoded(one('i32', { bits: { from: 31 } }), Buffer.from('00000080', 'hex'))).toEqual({ v: 1 });
    expect(decoded(one('text', { length: 6 }), Buffer.from('ab \0xy'))).toEqual({ v: 'ab' });
  });

  it('has no value where a number is none or infinite, and shows bytes of a text that are no UTF-8', () => {
    for (const bytes of [
      [0, 0, 0xc0, 0x7f],
      [0, 0, 0x80, 0x7f],
      [0, 0, 0x80, 0xff],
    ])
      expect(decoded(one('f32', {}), Buffer.from(bytes))).toEqual({ v: null });
    expect(decoded(one('text', { length: 2 }), Buffer.from([0x61, 0xff]))).toEqual({ v: 'a\ufffd' });
  });

  it('refuses a payload of another length, at the byte where it differs', () => {
    const spec = { binary: { length: 4, fields: [{ name: 'v', offset: 2, type: 'u16' }] } };
    expect(() => decoded(spec, Buffer.alloc(5))).toThrow(undecodable(/5 bytes where 4 .* byte 4/));
    expect(() => decoded(one('u32'), Buffer.alloc(3))).toThrow(
      undecodable(/ends at byte 3, before the end of "v"/),
    );
    expect(decoded(one('u8'), Buffer.alloc(9))).toEqual({ v: 0 });
  });
});

describe('dust sensors', () => {
  const pms = Buffer.from('424d001c00050009000a00050009000a03e50129003000080002000197000' + '2bf', 'hex');
  const sds = Buffer.from('aac0d4043a0aa1601dab', 'hex');
  const file = join(PACKAGE_ROOT, 'schemas/readings/air-quality.v1.json');
  const fields = Object.keys(JSON.parse(readFileSync(file, 'utf8')).properties);

  it('name their fields as the air-quality schema that ships with the gateway', () => {
    expect(decoded('pms5003', pms)).toMatchObject({ pm1: 5, pm2_5: 9, pm10: 10, particles_0_3: 997 });
    expect(decoded('sds011', sds)).toEqual({ pm2_5: 123.6, pm10: 261.8, sensor_id: 'a160' });
    expect(fields).toEqual(expect.arrayContaining(['pm1', 'pm2_5', 'pm10']));
  });

  it('take no frame that is damaged anywhere', () => {
    for (const [spec, frame] of [
      ['pms5003', pms],
      ['sds011', sds],
    ] as const) {
      for (let at = 0; at < frame.length; at += 1) {
        const damaged = Buffer.from(frame);
        damaged[at] = (frame[at] ?? 0) ^ 0x10;
        expect(() => decoded(spec, damaged)).toThrow(undecodable(/byte \d+.*; a frame/));
      }
      expect(() => decoded(spec, frame.subarray(1))).toThrow(undecodable(/bytes where \d+ are expected/));
    }
  });
});
