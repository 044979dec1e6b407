import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseDevices } from '../../gateway/config/devices-file.ts';
import { problemText } from '../../gateway/errors.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';

function problemsOf(text: string): string[] {
  return parseDevices(text, 'devices.yaml').problems.map(problemText);
}

describe('a devices file', () => {
  test('that ships as an example says what its comments say', () => {
    const { devices, problems } = parseDevices(
      readFileSync(join(PACKAGE_ROOT, 'examples/devices.yaml'), 'utf8'),
      'devices.yaml',
    );
    expect(problems).toEqual([]);
    expect(devices.get('esp32-7c9ebd3f21a4')).toEqual({
      alias: 'greenhouse-1',
      tags: new Map([
        ['site', 'north'],
        ['row', '3'],
      ]),
      calibration: new Map(),
      expectEveryMs: null,
    });
    expect(devices.get('press-3')?.calibration).toEqual(
      new Map([
        ['temperature', [{ scale: 1, offset: -0.4, fromMs: 0 }]],
        [
          'pressure',
          [
            { scale: 1.02, offset: 0, fromMs: 0 },
            { scale: 0.995, offset: 1.5, fromMs: Date.UTC(2026, 2, 1) },
          ],
        ],
      ]),
    );
    expect(devices.get('water-meter-12')?.expectEveryMs).toBe(900_000);
  });

  test('has its calibrations in the order in which they hold', () => {
    const text = `d:
  calibration:
    t: [{ from: "2026-03-01T12:00:00+02:00", scale: 3 }, { from: 2026-01-01, scale: 2 }, { scale: 1.5 }]
`;
    const list = parseDevices(text, 'devices.yaml').devices.get('d')?.calibration.get('t');
    expect(list?.map(({ scale }) => scale)).toEqual([1.5, 2, 3]);
    expect(list?.[2]?.fromMs).toBe(Date.UTC(2026, 2, 1, 10));
  });

  test.each([
    [
      'kitchen:\n  tags:\n    floor: 2\n',
      'devices.yaml:3:5 /kitchen/tags/floor must be a text; a number needs quotes, like "2"',
    ],
    ['kitchen:\n  aliass: x\n', 'devices.yaml:2:3 /kitchen/aliass is not a known key; did you mean alias?'],
    ['a:\n  alias: hall\nb:\n  alias: hall\n', 'devices.yaml:4:3 /b/alias is the alias of a already'],
    ['hall: {}\nb:\n  alias: hall\n', 'devices.yaml:3:3 /b/alias is the name of another device'],
    ['a/b:\n  alias: "x\\ny"\n', 'devices.yaml:2:3 /a~1b/alias must not contain control characters'],
    [
      'a:\n  expectEvery: 5m\n',
      'devices.yaml:2:3 /a/expectEvery must be a duration with its unit, like 30s (ms, s, min, h, d)',
    ],
    ['a:\n  expectEvery: 5ms\n', 'devices.yaml:2:3 /a/expectEvery must be from 1s on'],
    [
      'a:\n  tags: { time: x }\n',
      'devices.yaml:2:11 /a/tags/time is a name that the databases keep for themselves',
    ],
    [
      'a:\n  calibration:\n    t: { scale: 0 }\n',
      'devices.yaml:3:10 /a/calibration/t/scale must not be 0: every value would be the same',
    ],
    [
      'a:\n  calibration:\n    t: { scale: much }\n',
      'devices.yaml:3:10 /a/calibration/t/scale must be a number',
    ],
    [
      'a:\n  calibration:\n    t:\n      - { from: 2026-13-01 }\n',
      'devices.yaml:4:11 /a/calibration/t/0/from is no date of the calendar',
    ],
    [
      'a:\n  calibration:\n    t:\n      - { scale: 1 }\n      - { offset: 1 }\n',
      'devices.yaml:5:9 /a/calibration/t/1 begins at the same time as another one of this field',
    ],
    ['a:\n  alias: x\na:\n  alias: y\n', 'devices.yaml:3:1 this key is there twice'],
    ['- a\n- b\n', 'devices.yaml:1:1 must be a map of keys, not a list'],
  ])('%j is refused at its place', (text, problem) => {
    expect(problemsOf(text)).toEqual([problem]);
  });

  test('lists every problem, and says nothing of any device while it has one', () => {
    const parsed = parseDevices('a:\n  alias: 1\nb:\n  tag: {}\nc:\n  alias: fine\n', 'devices.yaml');
    expect(parsed.problems).toHaveLength(2);
    expect(parsed.devices.size).toBe(0);
  });

  test('may have keys that are something else to JavaScript, and variables that are nothing to it', () => {
    const { devices, problems } = parseDevices(
      '__proto__:\n  alias: p\nconstructor:\n  tags: { toString: "${HOME}" }\n',
      'devices.yaml',
    );
    expect(problems).toEqual([]);
    expect(devices.get('__proto__')?.alias).toBe('p');
    expect(devices.get('constructor')?.tags.get('toString')).toBe('${HOME}');
  });

  test('is told wrong, never thrown out of, whatever is in it', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
        const { devices, problems } = parseDevices(text, 'devices.yaml');
        expect(devices.size === 0 || problems.length === 0).toBe(true);
      }),
    );
  });
});
