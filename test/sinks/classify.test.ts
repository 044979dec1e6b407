import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Answer, classify } from '../../gateway/sinks/classify.ts';

const NOW = Date.UTC(2026, 0, 1);
type Answered = Extract<Answer, { kind: 'answered' }>;

function answer(status: number, body = '', rest: Partial<Answered> = {}): Answer {
  return {
    kind: 'answered',
    status,
    body,
    headers: {},
    verifiedV3: false,
    receivedMs: NOW,
    lineAt: (index) => ['m f=1', 'm f="x"', 'm f=2'][index] ?? null,
    ...rest,
  };
}

const json = JSON.stringify;
const V1 = json({ error: 'partial write: something about a line dropped=0' });
const V2 = json({ code: 'invalid', message: 'unable to parse a line' });
const V3 = json({
  error: 'partial write of line protocol occurred',
  data: [{ line_number: 2, original_line: 'm f="x"', error_message: 'invalid column type' }],
});
const HTML = '<html><body>It works!</body></html>';
const BODIES = [
  '',
  '{}',
  '[]',
  'null',
  '"x"',
  HTML,
  V1,
  V2,
  V3,
  '{"error":',
  '{"error":""}',
  '{"error":7}',
  '{"ok":true}',
];
const INFLUX = new Set([V1, V2, V3]);

describe('what an answer means', () => {
  it('is decided for every status and body, and only 204 is written', () => {
    for (let status = 200; status <= 599; status += 1) {
      for (const body of BODIES) {
        for (const verifiedV3 of [false, true]) {
          const { kind } = classify(answer(status, body, { verifiedV3 }));
          const expected = ((): string => {
            if (status === 204) return 'written';
            if (status === 201 && verifiedV3) {
              if (INFLUX.has(body)) return 'isolate';
              return ['', '{}', '{"ok":true}'].includes(body) ? 'written' : 'pause';
            }
            if (status < 400) return 'pause';
            if (status === 400 || status === 422) return INFLUX.has(body) ? 'isolate' : 'pause';
            if (status === 413) return 'halve';
            if (status === 408 || status === 425 || status === 429 || status >= 500) return 'retry';
            return 'pause';
          })();
          expect(`${status} ${body} ${verifiedV3}: ${kind}`).toBe(
            `${status} ${body} ${verifiedV3}: ${expected}`,
          );
        }
      }
    }
  });

  it('never throws and never lets through what does not print, whatever the server says', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 200, max: 599 }),
        fc.oneof(
          fc.string({ unit: 'binary', maxLength: 2000 }),
          fc.json(),
          fc.constant(json({ error: '\u001b[2J\n\u0000' })),
        ),
        fc.string({ unit: 'binary' }),
        (status, body, header) => {
          const decision = classify(
            answer(status, body, { headers: { 'retry-after': header, location: header } }),
          );
          if (decision.kind === 'written') return;
          expect(decision.reason).not.toMatch(/\p{Cc}/u);
          expect(decision.reason.length).toBeLessThan(5000);
        },
      ),
    );
  });

  it('takes the time of Retry-After, in seconds or as a date', () => {
    const retryAfter = (value: string): unknown =>
      classify(answer(429, '', { headers: { 'retry-after': value } }));
    expect(retryAfter('2')).toMatchObject({ kind: 'retry', afterMs: 2000 });
    expect(retryAfter('0')).toMatchObject({ afterMs: 0 });
    expect(retryAfter(new Date(NOW + 90_000).toUTCString())).toMatchObject({ afterMs: 90_000 });
    expect(retryAfter(new Date(NOW - 90_000).toUTCString())).toMatchObject({ afterMs: 0 });
    for (const nonsense of ['', 'soon', '-1', '1.5', '99999999999999999999']) {
      expect(retryAfter(nonsense)).toMatchObject({ afterMs: null });
    }
    expect(classify(answer(503, '', { headers: { 'retry-after': '7' } }))).toMatchObject({ afterMs: 7000 });
  });

  it('finds the conflict that InfluxDB 1 and 2 name, also with quotes in the names', () => {
    const words =
      'partial write: field type conflict: input field "f "1" on measurement "m x,y" is type float, already exists as type integer dropped=2';
    const conflict = { field: 'f "1', measurement: 'm x,y', type: 'float' };
    expect(classify(answer(400, json({ error: words })))).toEqual({
      kind: 'isolate',
      reason: words,
      badLines: null,
      conflict,
    });
    expect(
      classify(answer(422, json({ code: 'unprocessable entity', message: `failure writing: ${words}` }))),
    ).toMatchObject({ conflict });
  });

  it('takes the lines that InfluxDB 3 lists, if they are the lines that were sent', () => {
    expect(classify(answer(400, V3))).toMatchObject({
      badLines: [{ line: 1, words: 'invalid column type' }],
    });
    const shifted = V3.replace('"line_number":2', '"line_number":3');
    expect(classify(answer(400, shifted))).toMatchObject({ kind: 'isolate', badLines: null });
    const one = json({ error: 'e', data: { line_number: 1, original_line: 'm f=1', error_message: 'w' } });
    expect(classify(answer(400, one))).toMatchObject({ badLines: [{ line: 0, words: 'w' }] });
  });

  it('pauses where InfluxDB refuses the request rather than a line', () => {
    for (const words of ['database is required', 'retention policy not found: x', 'invalid precision']) {
      expect(classify(answer(400, json({ error: words })))).toMatchObject({ kind: 'pause' });
    }
  });

  it('says what to do in plain words', () => {
    const reasonOf = (given: Answer): string => {
      const decision = classify(given);
      return decision.kind === 'written' ? '' : decision.reason;
    };
    expect(reasonOf(answer(401, json({ error: 'authorization failed' })))).toBe(
      'the server does not accept the credentials (401: authorization failed); check the token, or the user and password',
    );
    expect(reasonOf(answer(404, json({ error: 'database not found: "d"' })))).toContain(
      'create the database',
    );
    expect(reasonOf(answer(200, HTML))).toContain('a proxy');
    const moved = answer(302, '', { headers: { location: 'https://me:pw@else.example/x?token=secret' } });
    expect(reasonOf(moved)).toContain('redirects to https://else.example/x');
    expect(reasonOf(moved)).not.toMatch(/secret|pw/);
  });

  it('tries again where no answer came, and waits for somebody where a certificate is wrong', () => {
    const failed = (code: string | null): unknown => classify({ kind: 'failed', code, message: 'words' });
    for (const code of ['ECONNREFUSED', 'ENOTFOUND', 'ECONNRESET', 'ETIMEDOUT', 'EWHATEVER', null]) {
      expect(failed(code)).toMatchObject({ kind: 'retry', afterMs: null });
    }
    for (const code of [
      'CERT_HAS_EXPIRED',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'EPROTO',
      'HPE_INVALID_CONSTANT',
    ]) {
      expect(failed(code)).toMatchObject({ kind: 'pause' });
    }
    expect(failed('ECONNREFUSED')).toMatchObject({ reason: expect.stringContaining('nothing listens') });
  });
});
