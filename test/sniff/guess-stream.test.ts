import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Guess } from '../../gateway/sniff/guess-parts.ts';
import { guessStream } from '../../gateway/sniff/guess-stream.ts';
import { readAtRate } from '../support/uart-rates.ts';

const number = fc.integer({ min: -4000, max: 12_500 }).map((n) => n / 100);
const pair = fc.tuple(number, number);
const pairs = fc.array(pair, { minLength: 40, maxLength: 80 });
/** Of a line that floats, and of a boot loader at another rate. */
const bootNoise = fc.array(fc.constantFrom(0, 1, 0x7f, 0x80, 0xfe, 0xff), { maxLength: 40 });
type Pairs = readonly (readonly [number, number])[];

function checked(sentence: string): string {
  let sum = 0;
  for (const byte of Buffer.from(sentence)) sum ^= byte;
  return `$${sentence}*${sum.toString(16).toUpperCase().padStart(2, '0')}\r\n`;
}

function pms5003(a: number, b: number): Buffer {
  const frame = Buffer.alloc(32);
  frame.writeUInt32BE(0x424d001c);
  frame.writeUInt16BE(Math.round(Math.abs(a) * 100), 4);
  frame.writeUInt16BE(Math.round(Math.abs(b) * 100), 16);
  frame.writeUInt16BE(
    frame.subarray(0, 30).reduce((sum, byte) => sum + byte, 0),
    30,
  );
  return frame;
}

function sds011(a: number, b: number): Buffer {
  const frame = Buffer.from('aac0000000000000 00ab'.replace(' ', ''), 'hex');
  frame.writeUInt16LE(Math.round(Math.abs(a) * 100), 2);
  frame.writeUInt16LE(Math.round(Math.abs(b) * 100), 4);
  frame[8] = frame.subarray(2, 8).reduce((sum, byte) => sum + byte, 0) & 0xff;
  return frame;
}

function slip(payload: Uint8Array): Buffer {
  const inner = [...payload].flatMap((byte) =>
    byte === 0xc0 ? [0xdb, 0xdc] : byte === 0xdb ? [0xdb, 0xdd] : [byte],
  );
  return Buffer.from([0xc0, ...inner, 0xc0]);
}

function cobs(payload: Uint8Array): Buffer {
  const out: number[] = [];
  for (const block of Buffer.from(payload).toString('latin1').split('\0'))
    out.push(block.length + 1, ...Buffer.from(block, 'latin1'));
  return Buffer.from([...out, 0]);
}

function crc16Modbus(bytes: Uint8Array): Buffer {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return Buffer.of(crc & 0xff, crc >>> 8);
}

function record(a: number, b: number): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeFloatLE(a, 0);
  bytes.writeFloatLE(b, 4);
  bytes.writeUInt32BE(0x01c0db00, 8);
  return bytes;
}

const lines =
  (each: (a: number, b: number) => string, first = '') =>
  (values: Pairs) =>
    Buffer.from(first + values.map(([a, b]) => each(a, b)).join(''));
const frames = (each: (a: number, b: number) => Buffer) => (values: Pairs) =>
  Buffer.concat(values.map(([a, b]) => each(a, b)));

/** What devices send, and what it is to be taken for. */
const DEVICES: readonly {
  readonly name: string;
  readonly send: (values: Pairs) => Buffer;
  readonly guess: Partial<Guess>;
  /** It can be joined at any byte. */
  readonly anywhere?: false;
}[] = [
  {
    name: 'lines of JSON',
    send: lines((a, b) => `{"t":${a},"h":${b}}\r\n`),
    guess: { kind: 'json', framing: { kind: 'line' }, format: 'json' },
  },
  {
    name: 'JSON with CR alone',
    send: lines((a, b) => `{"t":${a},"h":${b}}\r`),
    guess: { kind: 'json', framing: { kind: 'line', delimiterBytes: '0D' } },
  },
  {
    name: 'CSV with a header',
    send: lines((a, b) => `${a},${b}\n`, 'temperature,humidity\n'),
    guess: { kind: 'csv-header', format: 'csv' },
    anywhere: false,
  },
  {
    name: 'CSV with a header and decimal commas',
    send: lines((a, b) => `${a.toFixed(2)};${b.toFixed(2)}\n`.replaceAll('.', ','), 't;h\n'),
    guess: { kind: 'csv-header', format: { csv: { decimal: ',' } } },
    anywhere: false,
  },
  {
    name: 'a table with a header, parted by blanks',
    send: lines((a, b) => `${a}  ${b}\n`, 'temperature humidity\n'),
    guess: { kind: 'csv-header', format: { csv: { delimiter: 'space' } } },
    anywhere: false,
  },
  {
    name: 'bare CSV',
    send: lines((a, b) => `${a},${b}\r\n`),
    guess: { kind: 'csv', format: { csv: { columns: ['value1', 'value2'] } } },
  },
  {
    name: 'numbers parted by blanks',
    send: lines((a, b) => `${a} ${b}\n`),
    guess: { kind: 'csv', format: { csv: { columns: ['value1', 'value2'], delimiter: 'space' } } },
  },
  {
    name: 'one number a line',
    send: lines((a) => `${a}\n`),
    guess: { kind: 'csv', format: { csv: { columns: ['value'] } } },
  },
  {
    name: 'the Serial Plotter',
    send: lines((a, b) => `temperature:${a}\thumidity:${b}\r\n`),
    guess: { kind: 'plotter', format: 'plotter' },
  },
  {
    name: 'the Serial Plotter with commas',
    send: lines((a, b) => `temperature:${a},humidity:${b}\n`),
    guess: { kind: 'plotter' },
  },
  {
    name: 'key=value',
    send: lines((a, b) => `t=${a} h=${b} state=on\n`),
    guess: { kind: 'key-value', format: 'key-value' },
  },
  {
    name: 'NMEA',
    send: lines(
      (a) =>
        checked(`GPGSV,1,1,00`) +
        checked(`GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,${Math.abs(a)},M,46.9,M,,`),
    ),
    guess: { kind: 'nmea', framing: { kind: 'nmea', sentences: ['GGA'] }, format: 'nmea' },
  },
  {
    name: 'a PMS5003',
    send: frames(pms5003),
    guess: { kind: 'pms5003', framing: { kind: 'pms5003' }, format: 'pms5003' },
  },
  { name: 'an SDS011', send: frames(sds011), guess: { kind: 'sds011', format: 'sds011' } },
  {
    name: 'SLIP',
    send: frames((a, b) => slip(record(a, b))),
    guess: { kind: 'slip', framing: { kind: 'slip' }, format: null },
  },
  {
    name: 'SLIP with JSON',
    send: frames((a, b) => slip(Buffer.from(JSON.stringify({ a, b })))),
    guess: { kind: 'slip', format: 'json' },
  },
  {
    name: 'COBS',
    send: frames((a, b) => cobs(record(a, b))),
    guess: { kind: 'cobs', framing: { kind: 'cobs' }, format: null },
  },
  {
    name: 'COBS with a CRC',
    send: frames((a, b) => cobs(Buffer.concat([record(a, b), crc16Modbus(record(a, b))]))),
    guess: { kind: 'cobs', framing: { kind: 'cobs', checksum: 'crc16-modbus' } },
  },
];

describe('what a device sends', () => {
  for (const { name, send, guess, anywhere = true } of DEVICES) {
    test(`is told, wherever the sample begins and ends: ${name}`, () => {
      fc.assert(
        fc.property(pairs, fc.nat(60), fc.nat(60), (values, before, behind) => {
          const bytes = send(values);
          const sample = bytes.subarray(anywhere ? before : 0, bytes.length - behind);
          const found = guessStream(sample);
          expect(found).toMatchObject(guess);
          expect(found.samples.length).toBeGreaterThan(0);
        }),
        { numRuns: 40 },
      );
    });
  }

  test('is told behind what a board says when it starts', () => {
    fc.assert(
      fc.property(pairs, bootNoise, (values, noise) => {
        for (const { send, guess } of DEVICES.filter(({ guess: { kind } }) => kind !== 'csv-header'))
          expect(
            guessStream(Buffer.concat([Buffer.from(noise), Buffer.from('\nbooting v1.2\n'), send(values)]))
              .kind,
          ).toBe(guess.kind);
      }),
      { numRuns: 15 },
    );
  });

  test('is text where it is lines that no format reads', () => {
    const bytes = Buffer.from('Temp is 21.5 degrees\nall is well today\nTemp is 21.6 degrees – fine\n');
    expect(guessStream(bytes)).toMatchObject({ kind: 'text', framing: { kind: 'line' }, format: null });
  });

  test('is nothing where nothing came, and sentences that tell no position are still sentences', () => {
    expect(guessStream(Buffer.alloc(0))).toMatchObject({ kind: 'nothing', framing: null });
    const sentences = Buffer.from(checked('GPGSV,1,1,00').repeat(5));
    expect(guessStream(sentences)).toMatchObject({ kind: 'nmea', framing: { kind: 'nmea' }, format: null });
  });
});

describe('a guess', () => {
  test('makes nothing of noise, throws for nothing, and depends on the bytes alone', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 300, maxLength: 3000 }), (noise) => {
        const guess = guessStream(Buffer.from(noise));
        expect(guess).toEqual(guessStream(Buffer.from(noise)));
        expect(guess.explainedBytes).toBeLessThanOrEqual(guess.bytes);
      }),
      { numRuns: 100 },
    );
    // fast-check's bytes are biased to few values; a device's noise is not.
    let state = 1;
    const random = Buffer.from(
      Uint8Array.from({ length: 64 * 1024 }, () => {
        state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
        return state >>> 16;
      }),
    );
    for (let size = 50; size <= random.length; size *= 2)
      expect(guessStream(random.subarray(0, size)).kind, `${size}`).toBe('binary');
  });

  test('is none at another baud rate than the one that was sent with', () => {
    const rates = [4800, 9600, 19_200, 38_400, 57_600, 115_200];
    const values = Array.from({ length: 40 }, (_, i) => [20 + i / 7, 40 + i / 3] as const).map(
      ([a, b]) => [Number(a.toFixed(2)), Number(b.toFixed(2))] as const,
    );
    for (const { name, send, guess } of DEVICES)
      for (const sentAt of rates)
        for (const readAt of rates) {
          const { kind } = guessStream(readAtRate(send(values), sentAt, readAt));
          if (sentAt === readAt) expect(kind, `${name} at ${sentAt}`).toBe(guess.kind);
          else expect(kind, `${name} at ${sentAt}, read at ${readAt}`).toMatch(/^(?:binary|text)$/);
        }
  });
});
