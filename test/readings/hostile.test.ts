import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { decodeLine } from '../../gateway/line-protocol/decode.ts';
import { hostileText } from '../line-protocol/points.ts';
import { messageOn } from '../support/message.ts';
import { ARRIVAL_NS, inText, interpret, lineOf, problemsOf, readingsOf, schema } from './under-test.ts';

const HELD_MS = 100;

function heldMs(work: () => void): number {
  const startedMs = performance.now();
  work();
  return performance.now() - startedMs;
}

describe('a pattern in a schema cannot hang the process', () => {
  it.each([
    '^(a+)+$',
    '^(a|a)*$',
    '^([a-z]+)*\\d$',
    '(x+x+)+y',
    '^(.*)*$b',
    '^(a?){60}a{60}$',
    'a.{100}$',
    '[ab]*a[ab]{200}$',
  ])('%s on a text made for it', (pattern) => {
    const readings = readingsOf(
      schema({ properties: { s: { type: 'string', pattern } }, patternProperties: { [pattern]: true } }),
    );
    for (const text of [`${'a'.repeat(2000)}!`, 'x'.repeat(2048), 'a'.repeat(100_000)]) {
      expect(heldMs(() => interpret(readings, 't/d', { s: text, [text]: 1 }))).toBeLessThan(HELD_MS);
    }
  });

  it('because what cannot be matched in linear time is refused when it is loaded', () => {
    for (const pattern of ['(?=a)b', '(a)\\1', '((((a{30}){30}){30}){30})', '(', `${'a'.repeat(600)}`]) {
      expect(problemsOf(schema({ properties: { s: { type: 'string', pattern } } })).join(), pattern).toMatch(
        /\/properties\/s\/pattern (cannot be used|is longer|is too large)/,
      );
    }
    expect(problemsOf(schema({ patternProperties: { '(?!x)': true } })).join()).toMatch(/patternProperties/);
  });

  it('nor can many texts in one message: what it may cost is bounded as a whole', () => {
    const random = (i: number): string =>
      Array.from({ length: 2000 }, (_, j) => 'ab'[Math.imul(i * 2000 + j, 2_654_435_761) >>> 31]).join('');
    const many = Array.from({ length: 500 }, (_, i) => ({ temperature: 1, s: random(i) }));
    const readings = readingsOf(
      schema({ properties: { s: { type: 'string', pattern: '[ab]*a[ab]{200}$' } } }),
    );
    interpret(readings, 't/d', many.slice(0, 1));
    let last: unknown;
    expect(heldMs(() => (last = interpret(readings, 't/d', many).at(-1)))).toBeLessThan(2 * HELD_MS);
    expect(last).toMatchObject({ violations: [{ message: expect.stringMatching(/too much text/) }] });
    expect(lineOf(readings, 't/d', { temperature: 1, s: 'b' })).toMatch(/must match/);
  });

  it('and says what a pattern wants, or that the text is too long for one', () => {
    const readings = readingsOf(
      schema({ properties: { s: { type: 'string', pattern: '^[A-Z]{2}-\\d+$' } } }),
    );
    expect(lineOf(readings, 't/d', { s: 'AB-12' })).toBe(`m,device=d s="AB-12" ${ARRIVAL_NS}`);
    expect(lineOf(readings, 't/d', { s: 'ab\u001b[2J' })).toBe(
      'invalid: /s must match ^[A-Z]{2}-\\d+$, got string "ab\\x1b[2J"',
    );
    expect(lineOf(readings, 't/d', { s: `AB-${'1'.repeat(5000)}` })).toMatch(
      /must have at most 2048 characters/,
    );
  });

  it('nor can a format', () => {
    for (const format of [
      'email',
      'uri',
      'hostname',
      'date-time',
      'duration',
      'ipv6',
      'uri-reference',
      'byte',
    ]) {
      const readings = readingsOf(schema({ properties: { s: { type: 'string', format } } }));
      for (const text of [
        'a@'.repeat(50_000),
        '1.'.repeat(50_000),
        `${'a'.repeat(1000)}!`,
        '::'.repeat(500),
      ]) {
        expect(heldMs(() => interpret(readings, 't/d', { s: text }))).toBeLessThan(HELD_MS);
      }
    }
  });
});

describe('what a client sends', () => {
  const readings = readingsOf(
    schema({
      telemetry: {
        topics: ['t/{device}', 't/{device}/{site}'],
        tags: ['site', 'kind'],
        time: { property: 'ts', unit: 'ms' },
      },
      properties: {
        ts: { type: 'integer' },
        kind: { type: 'string' },
        text: { type: 'string' },
        nested: { type: 'object', properties: { a: { type: 'integer' } } },
        list: { type: 'array', items: { type: 'integer' } },
      },
    }),
  );

  it('named __proto__, constructor or toString is a property like others, and changes nothing', () => {
    const payload =
      '{"temperature":1,"__proto__":{"temperature":"x","polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":5,"nested":{"__proto__":{"a":"x"}}}';
    expect(lineOf(readings, 't/d', payload)).toBe(`m,device=d temperature=1 ${ARRIVAL_NS}`);
    expect(lineOf(readings, 't/d', '{"__proto__":{"temperature":1}}')).toMatch(/at least one field/);
    expect('polluted' in {}).toBe(false);
    const closed = readingsOf(schema({ additionalProperties: false }));
    expect(lineOf(closed, 't/d', '{"temperature":1,"__proto__":1}')).toBe(
      'invalid: /__proto__ is not allowed here',
    );
    expect(lineOf(readings, 't/__proto__/constructor', { temperature: 1 })).toBe(
      `m,device=__proto__,site=constructor temperature=1 ${ARRIVAL_NS}`,
    );
  });

  it('makes no empty, endless or hidden tag: such a reading is invalid', () => {
    const payload = { temperature: 1 };
    expect(lineOf(readings, 't/', payload)).toBe(
      'invalid: {device} of the topic must not be empty, got string ""',
    );
    expect(lineOf(readings, `t/${'é'.repeat(129)}`, payload)).toMatch(/at most 256 bytes/);
    expect(lineOf(readings, `t/${'é'.repeat(128)}`, payload)).toMatch(/^m,device=é/);
    expect(lineOf(readings, 't/a\u0000b', payload)).toMatch(/control characters, got string "a\\x00b"/);
    expect(lineOf(readings, 't/a\nb f=1', payload)).toMatch(/control characters/);
    expect(lineOf(readings, 't/C:\\', payload)).toMatch(/backslash/);
    expect(lineOf(readings, 't/d', { temperature: 1, kind: '' })).toMatch(
      /^invalid: \/kind is stored as a tag: must not be empty/,
    );
    expect(lineOf(readings, 't/d', { temperature: 1, kind: 'a,b=c d' })).toMatch(/kind=a\\,b\\=c\\ d /);
    expect(readings.route('t/')?.deviceOf(messageOn('t/', ''))).toBeNull();
  });

  it('as text is kept exactly or refused: no line break, no half character', () => {
    expect(lineOf(readings, 't/d', { text: 'a\nb' })).toBe('invalid: /text must not contain a line break');
    expect(lineOf(readings, 't/d', '{"text":"\\ud800"}')).toBe('invalid: /text must be well-formed Unicode');
    expect(lineOf(readings, 't/d', { text: '\0\r\t"' })).toBe(`m,device=d text="\0\r\t\\"" ${ARRIVAL_NS}`);
  });

  it('has at most twenty violations told, each short and harmless to print', () => {
    const list = Array.from({ length: 10_000 }, () => `\u001b[31m${'x'.repeat(200)}`);
    const [reading] = interpret(readings, 't/d', { list });
    const violations = reading?.kind === 'bad' ? reading.violations : [];
    expect(violations).toHaveLength(21);
    expect(violations.at(-1)).toEqual({ pointer: '', message: 'and 9980 more' });
    for (const { message } of violations) {
      expect(message.length).toBeLessThan(120);
      expect(message).not.toContain('\u001b');
    }
  });

  it('never throws, and what is stored is always one readable line', () => {
    const value = fc.oneof(fc.jsonValue({ maxDepth: 3 }), hostileText, fc.integer(), fc.double());
    const keys = ['temperature', 'ts', 'kind', 'text', 'nested', 'list', 'seq', '__proto__'];
    const payload = fc.oneof(
      fc.dictionary(fc.oneof(fc.constantFrom(...keys), hostileText), value),
      fc.record(
        {
          temperature: fc.double(),
          ts: fc.integer({ min: 0, max: 2 ** 43 }),
          kind: hostileText,
          text: hostileText,
        },
        { requiredKeys: [] },
      ),
      value,
    );
    fc.assert(
      fc.property(payload, hostileText, (sent, device) => {
        try {
          for (const reading of interpret(
            readings,
            `t/${device.replaceAll('/', '')}`,
            JSON.stringify(sent),
          )) {
            if (reading.kind === 'bad') expect(inText(reading)).toMatch(/^(invalid|time-out-of-range): ./);
            else expect(decodeLine(reading.line).measurement).toBe('m');
          }
        } catch (error) {
          // Too deep for the format, which is the step before.
          expect(isGatewayError(error, 'undecodable')).toBe(true);
        }
      }),
      { numRuns: 1500 },
    );
  });
});
