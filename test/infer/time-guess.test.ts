import { describe, expect, test } from 'vitest';
import type { TopicFamily } from '../../gateway/infer/infer-schemas.ts';
import { draftOf, infer, messageOf, NOW_MS, readUnder } from './inference.ts';

const S = NOW_MS / 1000;
const ISO = new Date(NOW_MS).toISOString();

/** One device sends readings whose times are these. */
function timed(times: readonly unknown[], name = 'ts'): readonly TopicFamily[] {
  return infer(
    times.map((time, v) => ({ topic: 'x/d1', payload: JSON.stringify({ [name]: time, v: v + 0.5 }) })),
  );
}
const timeOf = (families: readonly TopicFamily[]): unknown => draftOf(families, 'x/{device}').telemetry.time;
const notesOf = (families: readonly TopicFamily[]): string => families[0]?.draft?.notes.join(' ') ?? '';

describe('the time of a reading', () => {
  test.each([
    ['seconds as text', [`${S}`, `${S + 1}`], 's'],
    ['milliseconds as text', [`${NOW_MS}`, `${NOW_MS + 1}`], 'ms'],
    ['nanoseconds as text', [`${NOW_MS}000000`, `${NOW_MS}000001`], 'ns'],
    ['numbers and texts of digits', [S, `${S + 1}`, S + 2], 's'],
    ['numbers, and words for none', [S, 'unknown', S + 2], 's'],
  ])('is taken from %s', (_, times, unit) => {
    const families = timed(times);
    expect(timeOf(families)).toEqual({ property: 'ts', unit });
    expect(families[0]?.trial).toMatchObject({
      problems: [],
      samples: times.length,
      accepted: times.length,
    });
    expect(readUnder(families, [messageOf('x/d1', JSON.stringify({ ts: times[0], v: 1 }))])[0]).toMatch(
      / v=1 17723664\d{11}$/,
    );
  });

  test('is that of arrival for a few from before the clock was set', () => {
    const families = timed([0, 0, 3, S, S, S, S, S]);
    expect(timeOf(families)).toEqual({ property: 'ts', unit: 's', clock: 'arrival' });
    expect(families[0]?.trial).toMatchObject({ samples: 8, accepted: 8 });
    expect(notesOf(families)).toContain('no time that could be in 3 of 8 readings');
  });

  test.each([
    ['numbers and ISO texts', [S, ISO, S, ISO], 'a number in some readings and a text in others'],
    ['seconds and milliseconds', [S, NOW_MS, S, NOW_MS], 'counts seconds in some readings and milliseconds'],
    ['numbers that count from somewhere else', [1, 2, 3, 4], 'no time since 1970'],
    ['texts in another form', ['1.3.2026, 12:00', '1.3.2026, 12:01'], 'is no time like 2026-03-01T12:00:00Z'],
    ['what stands still', [S - 90_000, S - 90_000], 'does not move with the arrival'],
    ['nanoseconds as numbers', [NOW_MS * 1e6, NOW_MS * 1e6 + 1000], 'have it sent'],
  ])('is not taken from %s, and a note says why', (_, times, words) => {
    const families = timed(times);
    expect(timeOf(families)).toBeUndefined();
    expect(notesOf(families).toLowerCase()).toContain(words.toLowerCase());
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: times.length });
  });

  test('is in the property that most readings have, and a note names the other', () => {
    const families = infer([
      { topic: 'x/d1', payload: JSON.stringify({ timestamp: S, v: 1 }) },
      { topic: 'x/d2', payload: JSON.stringify({ time: ISO, v: 1 }) },
      { topic: 'x/d3', payload: JSON.stringify({ time: ISO, v: 2 }) },
    ]);
    expect(timeOf(families)).toEqual({ property: 'time', unit: 'iso' });
    expect(notesOf(families)).toContain('in /time of some readings, and in /timestamp of others');
  });

  test('is when the network got it, where nothing else tells', () => {
    const at = ISO.replace('Z', '123456Z');
    expect(timeOf(timed([at, at], 'received_at'))).toEqual({ property: 'received_at', unit: 'iso' });
    const both = infer([{ topic: 'x/d1', payload: JSON.stringify({ received_at: ISO, time: ISO, v: 1 }) }]);
    expect(timeOf(both)).toEqual({ property: 'time', unit: 'iso' });
  });

  test('is never one in an object that cannot be declared', () => {
    const table = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`n${i}`, i]));
    const families = infer([
      { topic: 'x/d1', payload: JSON.stringify({ meta: { ts: NOW_MS, ...table }, v: 1 }) },
    ]);
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 1 });
  });
});
