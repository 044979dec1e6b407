import { describe, expect, test } from 'vitest';
import type { GatewayConfig, SerialPortConfig } from '../../gateway/config/gateway-config.ts';
import { parseConfig } from '../../gateway/config/load-config.ts';
import { isGatewayError, problemText } from '../../gateway/errors.ts';
import { serialEntries, serialProblems } from '../../gateway/wiring/serial-entries.ts';

function parse(text: string): GatewayConfig {
  return parseConfig(text, { file: 'gateway.yaml', cwd: '/etc/telemetry', environment: {} });
}

/** The ports of a `serial:` list, one YAML flow map for each. */
function ports(...entries: readonly string[]): readonly SerialPortConfig[] {
  return parse(`serial:\n${entries.map((entry) => `  - ${entry}\n`).join('')}`).serial;
}

function problemsOf(...entries: readonly string[]): string[] {
  try {
    ports(...entries);
    return [];
  } catch (error) {
    if (!isGatewayError(error, 'config-invalid')) throw error;
    return error.problems.map(problemText);
  }
}

describe('a serial port in the configuration', () => {
  test('needs no more than a path and a topic', () => {
    expect(ports('{ path: /dev/serial/by-id/usb-1a86-if00, topic: t }')).toEqual([
      {
        name: 'usb-1a86-if00',
        device: 'usb-1a86-if00',
        path: '/dev/serial/by-id/usb-1a86-if00',
        match: null,
        each: false,
        baudRate: 115_200,
        dataBits: 8,
        parity: 'none',
        stopBits: 1,
        rtscts: false,
        framing: { kind: 'line', maxFrameBytes: 8192 },
        format: null,
        topic: 't',
        settleMs: 0,
        silenceMs: null,
        ack: false,
        downlink: [],
      },
    ]);
    expect(parse('serial:\n').serial).toEqual([]);
  });

  test('is named by its name, its device or its path', () => {
    const names = ports(
      '{ path: /dev/a, topic: t, name: x, device: y }',
      '{ path: /dev/b, topic: t, device: z }',
      '{ path: "/dev/ttyUSB*", topic: t, each: true }',
      '{ match: { vendorId: "0403" }, topic: t }',
      '{ path: ./here, topic: t }',
    ).map(({ name, device }) => [name, device]);
    expect(names).toEqual([
      ['x', 'y'],
      ['z', 'z'],
      ['ttyUSB', 'ttyUSB'],
      ['serial3', 'serial3'],
      ['here', 'here'],
    ]);
    expect(ports('{ path: ./here, topic: t }')[0]?.path).toBe('/etc/telemetry/here');
    expect(ports('{ path: COM3, topic: t }')[0]?.path).toBe('COM3');
  });

  test('has a framing by its kind or with options, bounded by maxFrame where it does not say so itself', () => {
    const framings = ports(
      '{ path: /a, topic: t, framing: slip, maxFrame: 1KiB }',
      '{ path: /b, topic: t, framing: { kind: line, delimiterBytes: "0D 0A" } }',
      '{ path: /c, topic: t, framing: { kind: cobs, maxFrameBytes: 100 }, maxFrame: 1KiB }',
      '{ path: /d, topic: t, framing: pms5003 }',
    ).map(({ framing }) => framing);
    expect(framings).toEqual([
      { kind: 'slip', maxFrameBytes: 1024 },
      { kind: 'line', maxFrameBytes: 8192, delimiterBytes: '0D 0A' },
      { kind: 'cobs', maxFrameBytes: 100 },
      { kind: 'pms5003' },
    ]);
  });

  test.each([
    ['{ path: /a }', 'needs topic'],
    ['{ topic: t }', 'needs path, or match'],
    ['{ path: /a, match: { vendorId: "0403" }, topic: t }', 'cannot stand beside path'],
    ['{ match: {}, topic: t }', 'needs vendorId, productId or serialNumber'],
    ['{ match: { vendorId: 0403 }, topic: t }', 'four hexadecimal digits in quotes'],
    ['{ path: "/dev/*/x", topic: t }', 'only in its last part'],
    ['{ path: /a, topic: "a/+" }', 'without wildcards'],
    ['{ path: /a, topic: "a/{site}" }', 'only {device}'],
    ['{ path: /a, topic: gateway/x }', 'is reserved'],
    ['{ path: /a, topic: $SYS/x }', 'is reserved'],
    ['{ path: /a, topic: t, maxFrame: 1MiB }', 'from 1B to 64KiB'],
    ['{ path: /a, topic: t, settle: 2h }', 'at most 60s'],
    ['{ path: /a, topic: t, silence: 5ms }', 'at least 1s'],
    ['{ path: /a, topic: t, stopBits: 3 }', 'must be 1 or 2'],
    ['{ path: /a, topic: t, framing: lines }', 'must be line, slip'],
    ['{ path: /a, topic: t, framing: { kind: fixed } }', 'needs magic'],
    ['{ path: /a, topic: t, format: jsonn }', 'must be json'],
    ['{ path: /a, topic: t, device: a/b }', 'a name of letters'],
    ['{ path: /a, topic: t, baudrate: 9600 }', 'did you mean baudRate?'],
  ])('%s is wrong, with its place', (entry, words) => {
    const [problem] = problemsOf(entry);
    expect(problem).toMatch(/^gateway\.yaml:2:\d+ \/serial\/0/);
    expect(problem).toContain(words);
  });

  test('has a name and a device of its own', () => {
    expect(problemsOf('{ path: /a, topic: t, name: x }', '{ path: /b, topic: t, name: x }')).toEqual([
      'gateway.yaml:3:5 /serial/1 needs a name of its own: another port is x',
    ]);
    expect(
      problemsOf('{ path: /a, topic: t, name: x, device: d }', '{ path: /b, topic: t, name: y, device: d }'),
    ).toEqual(['gateway.yaml:3:5 /serial/1 needs a device of its own: another port is the device d']);
  });
});

describe('what the serial source is given', () => {
  test('is the format in its canonical text, and whether it reads a header line', () => {
    const entries = serialEntries(
      ports(
        '{ path: /a, topic: t, format: csv }',
        '{ path: /b, topic: t, format: { csv: { delimiter: ";" } } }',
        '{ path: /c, topic: t, format: { csv: { decimal: ",", columns: [a, b] } } }',
        '{ path: /d, topic: t }',
        '{ path: /e, topic: t, format: { csv: { delimiter: space } } }',
      ),
    );
    expect(entries.map(({ format, csvHeader }) => [format, csvHeader])).toEqual([
      ['csv', 'marks'],
      ['{"csv":{"delimiter":";"}}', 'marks'],
      ['{"csv":{"columns":["a","b"],"decimal":","}}', null],
      [null, null],
      ['{"csv":{"delimiter":"space"}}', 'blanks'],
    ]);
  });

  test('makes sense, or it is said what does not', () => {
    const wrong = ports(
      '{ path: /a, name: a, topic: t, framing: { kind: line, delimiter: ";", delimiterBytes: "0A" } }',
      '{ path: /b, name: b, topic: t, format: { regex: { pattern: "(" } } }',
    );
    expect(serialProblems(wrong)).toEqual([
      expect.stringMatching(/^serial port a: framing: delimiter and delimiterBytes/),
      expect.stringMatching(/^serial port b: format: /),
    ]);
    expect(() => serialEntries(wrong)).toThrow(/^serial port a/);
  });
});
