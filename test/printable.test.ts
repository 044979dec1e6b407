import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printable, printableBytes } from '../gateway/printable.ts';

describe('text that somebody else chose', () => {
  test('no escape sequence reaches a terminal', () => {
    expect(printable('\u001b[2J\u001b]0;owned\u0007')).toBe('\\x1b[2J\\x1b]0;owned\\x07');
    expect(printable('a\u009b31mb')).toBe('a\\x9b31mb');
  });

  test('it stays on one line', () => {
    expect(printable('a\nb\r\nc\u2028d\te')).toBe('a\\nb\\r\\nc\\u2028d\\te');
  });

  test('nothing reorders or hides what stands around it', () => {
    expect(printable('user\u202Etxt.exe\u200b\u2066')).toBe('user\\u202etxt.exe\\u200b\\u2066');
    expect(printable('\u{E0041}')).toBe('\\u{e0041}');
    expect(printable('\ud800')).toBe('\\ud800');
  });

  test('what prints is left alone', () => {
    expect(printable('{"t": 21.5, "ort": "Küche 東京 😀"}')).toBe('{"t": 21.5, "ort": "Küche 東京 😀"}');
  });

  test('whatever comes, only printing characters leave, and cutting keeps that', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.integer({ min: 0, max: 40 }), (text, max) => {
        expect(printable(text)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
        expect(printable(text, max)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});

describe('bytes that somebody else chose', () => {
  test('are text where they are UTF-8, else escaped byte by byte', () => {
    expect(printableBytes(Buffer.from('Küche\u0000'))).toBe('Küche\\x00');
    expect(printableBytes(Buffer.from([0x41, 0xff, 0x0a]))).toBe('A\\xff\\n');
  });

  test('a cut falls between characters', () => {
    const text = 'aé東😀';
    const bytes = Buffer.from(text);
    for (let max = 0; max < bytes.length; max += 1) {
      const shown = printableBytes(bytes, max);
      expect(shown.endsWith('…')).toBe(true);
      expect(text.startsWith(shown.slice(0, -1))).toBe(true);
    }
    expect(printableBytes(bytes, bytes.length)).toBe(text);
  });

  test('whatever comes, only printing characters leave', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.integer({ min: 0, max: 20 }), (bytes, max) => {
        expect(printableBytes(bytes, max)).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
      }),
    );
  });
});
