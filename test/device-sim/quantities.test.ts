import { expect, test } from 'vitest';
import {
  parseBytes,
  parseCount,
  parseDevices,
  parseDuration,
  parsePort,
  parseQos,
  parseRate,
  parseSeed,
  parseShare,
} from '../../device-sim/quantities.ts';

test('rates, durations, shares and counts mean what they say', () => {
  expect(parseRate('10/s')).toBe(10);
  expect(parseRate('6/m')).toBeCloseTo(0.1);
  expect(parseRate('0.5')).toBe(0.5);
  expect(parseDuration('500ms')).toBe(500);
  expect(parseDuration('60')).toBe(60_000);
  expect(parseDuration('2m')).toBe(120_000);
  expect(parseShare('5%')).toBe(0.05);
  expect(parseShare('0.05')).toBe(0.05);
  expect(parseCount('50')).toBe(50);
  expect(parseQos('2')).toBe(2);
  expect(parseRate('1/10s')).toBeCloseTo(0.1);
  expect(parseRate('6/min')).toBeCloseTo(0.1);
  expect(parseDuration('5min')).toBe(300_000);
  expect(parseBytes('64KiB')).toBe(65_536);
  expect(parseBytes('512')).toBe(512);
  expect(parsePort('1883')).toBe(1883);
  expect(parseSeed('4294967295')).toBe(4_294_967_295);
});

test('anything else is refused with an example of what is right', () => {
  expect(() => parseRate('0/s')).toThrow('1/s');
  expect(() => parseRate('fast')).toThrow('1/s');
  expect(() => parseDevices('1e9')).toThrow('1000000');
  expect(() => parseDuration('-1s')).toThrow('60s');
  expect(() => parseShare('101%')).toThrow('5%');
  expect(() => parseCount('1.5')).toThrow('whole number');
  expect(() => parseQos('3')).toThrow('0, 1 or 2');
  expect(() => parseRate('1/0s')).toThrow('1/s');
  expect(() => parseBytes('0B')).toThrow('512B');
  expect(() => parseBytes('1GB')).toThrow('512B');
  expect(() => parsePort('65536')).toThrow('65535');
  expect(() => parseSeed('4294967296')).toThrow('4294967295');
});
