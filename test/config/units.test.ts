import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseDuration, parseQuota, parseSize, quotaBytes } from '../../gateway/config/units.ts';

test('sizes and durations carry their unit', () => {
  expect(parseSize('2GiB')).toBe(2 ** 31);
  expect(parseSize('1.5 MiB')).toBe(1.5 * 2 ** 20);
  expect(parseSize('10MB')).toBe(1e7);
  expect(parseSize('0B')).toBe(0);
  expect(parseDuration('30d')).toBe(30 * 86_400_000);
  expect(parseDuration('0ms')).toBe(0);
  expect(parseDuration('1.5s')).toBe(1500);
});

test('anything else is no size and no duration', () => {
  for (const text of [
    '',
    '12',
    'GiB',
    '-1MiB',
    '1e3MB',
    '1 mib',
    '1MiB ',
    '1  MiB',
    '99999999999999TiB',
    '1constructor',
  ])
    expect(parseSize(text), text).toBeNull();
  for (const text of ['5', '5m', '1 week', 'toString', '-1s']) expect(parseDuration(text), text).toBeNull();
});

test('a quota is a size, or a percentage of the whole', () => {
  expect(parseQuota('10%')).toEqual({ percent: 10 });
  expect(parseQuota('256MiB')).toEqual({ bytes: 2 ** 28 });
  expect(parseQuota('101%')).toBeNull();
  expect(quotaBytes({ percent: 10 }, 2000)).toBe(200);
  expect(quotaBytes({ bytes: 7 }, 2000)).toBe(7);
});

test('whatever the text, the answer is a safe whole number or null', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.tuple(fc.float(), fc.constantFrom('B', 'GiB', 's', '%')).map((a) => a.join('')),
      ),
      (text) => {
        for (const value of [parseSize(text), parseDuration(text)])
          if (value !== null) expect(Number.isSafeInteger(value) && value >= 0).toBe(true);
      },
    ),
  );
});
