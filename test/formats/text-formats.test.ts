import { describe, expect, it } from 'vitest';
import { decoded, undecodable } from './decoded.ts';

describe('key-value', () => {
  it('takes pairs however they are parted', () => {
    const reading = { t: 21.5, h: 40 };
    for (const text of [
      't=21.5 h=40',
      't=21.5;h=40',
      'T:21.5'.toLowerCase().concat(',h:40'),
      't = 21.5\th : 40\r\n',
      't: 21.5, h: 40',
      't=21.5&h=40',
      't=21.5\nh=40',
    ])
      expect(decoded('key-value', text)).toEqual(reading);
  });

  it('takes texts, quoted ones with anything inside, and nothing as null', () => {
    expect(decoded('key-value', 'at=12:30:00 on=true name="a, b=c" x= y="" z=')).toEqual({
      at: '12:30:00',
      on: true,
      name: 'a, b=c',
      x: null,
      y: '',
      z: null,
    });
  });

  it('refuses what is no pair, with its place', () => {
    expect(() => decoded('key-value', 't=1 boot h=2')).toThrow(
      undecodable(/expected = or : at byte 8, found " h=2"/),
    );
    expect(() => decoded('key-value', '=5')).toThrow(undecodable(/expected a key at byte 0/));
    expect(() => decoded('key-value', 'ö=1 {"t":1}')).toThrow(undecodable(/at byte 6/));
    expect(() => decoded('key-value', 'a="b')).toThrow(undecodable(/quote at byte 2/));
    expect(() => decoded('key-value', ' ;, ')).toThrow(undecodable(/blank/));
  });
});

describe('plotter', () => {
  it('takes labels and bare values, parted by blanks, tabs or commas', () => {
    expect(decoded('plotter', 'a:1\tb:-2.5,c: 3')).toEqual({ a: 1, b: -2.5, c: 3 });
    expect(decoded('plotter', '512 a:7 1023\r\n')).toEqual({ value1: 512, a: 7, value2: 1023 });
    expect(decoded('plotter', 'x:nan,y:-inf,z:ovf')).toEqual({ x: 'nan', y: '-inf', z: 'ovf' });
  });

  it('refuses what is no number, with its place', () => {
    expect(() => decoded('plotter', 'a:1 b:x')).toThrow(
      undecodable(/expected a number at byte 6, found "x"/),
    );
    expect(() => decoded('plotter', 'temperature humidity')).toThrow(undecodable(/at byte 0/));
    expect(() => decoded('plotter', 'a:')).toThrow(undecodable(/at byte 2, found the end/));
  });
});

describe('regex', () => {
  it('makes a value of each named group', () => {
    const spec = { regex: { pattern: '^(?<id>\\w+) (?<t>[-0-9.]+)(?: (?<h>\\d+))?$' } };
    expect(decoded(spec, 'uno 21.5')).toEqual({ id: 'uno', t: 21.5, h: null });
    expect(() => decoded(spec, 'uno warm')).toThrow(
      undecodable(/does not match from byte 0 on, found "uno warm"/),
    );
  });

  it('bounds what a text may cost: no pattern hangs on a text', () => {
    const spec = { regex: { pattern: '(?<a>(x+x+)+y)' } };
    expect(() => decoded(spec, 'x'.repeat(5000))).toThrow(undecodable(/does not match/));
    expect(() => decoded(spec, 'x'.repeat(100_000))).toThrow(undecodable(/longer than the \d+ characters/));
  });
});
