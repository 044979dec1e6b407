import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TopicFamily } from '../../gateway/infer/infer-schemas.ts';
import { draftOf, inferMessages, messageOf, NOW_MS, readUnder } from './inference.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const S = NOW_MS / 1000;

/** Two devices send something every ten seconds; `of` makes it of the moment of its arrival. */
function live(
  of: (atMs: number, device: number) => Readonly<Record<string, unknown>>,
  { rounds = 6, known = true }: { readonly rounds?: number; readonly known?: boolean } = {},
): readonly TopicFamily[] {
  return inferMessages(
    Array.from({ length: rounds * 2 }, (_, i) => {
      const device = i % 2;
      const atMs = NOW_MS - 60_000 + Math.floor(i / 2) * 10_000;
      const payload = JSON.stringify({ v: i + 0.5, ...of(atMs, device) });
      return messageOf(`x/d${device}`, payload, { atMs: known ? atMs : null });
    }),
  );
}
const timeOf = (families: readonly TopicFamily[]): unknown => draftOf(families, 'x/{device}').telemetry.time;
const notesOf = (families: readonly TopicFamily[]): string => families[0]?.draft?.notes.join(' ') ?? '';
const iso = (ms: number): string => new Date(ms).toISOString();
const local = (ms: number, hours: number): string => iso(ms + hours * HOUR_MS).slice(0, 19);

describe('a time that follows the arrival', () => {
  test.each([
    'tst',
    'recorded_at',
    'recordedAt',
    'phenomenonTime',
    'resultTime',
    'observedAt',
    'eventTime',
    'sampleTime',
    'date',
    'sent_at',
    'reported_at',
    'created_at',
    'dt',
    'bt',
    '@timestamp',
    'Zeitstempel',
    'device_time',
  ])('is taken under the name %s, as a text and as a number', (name) => {
    expect(timeOf(live((ms) => ({ [name]: iso(ms) })))).toEqual({ property: name, unit: 'iso' });
    const numbers = live((ms) => ({ [name]: ms / 1000 }));
    expect(timeOf(numbers)).toEqual({ property: name, unit: 's' });
    expect(numbers[0]?.trial).toMatchObject({ problems: [], samples: 12, accepted: 12 });
  });

  test.each([
    ['t_us', 1000, 'us'],
    ['t_ms', 1, 'ms'],
    ['ts_s', 0.001, 's'],
  ])('is taken from %s', (name, factor, unit) => {
    expect(timeOf(live((ms) => ({ [name]: Math.round(ms * factor) })))).toEqual({ property: name, unit });
  });

  test('is that of the measurement before that of the message, and that before when a network got it', () => {
    const all = live((ms) => ({ received_at: iso(ms), created_at: ms / 1000, tst: ms / 1000 - 20 }));
    expect(timeOf(all)).toEqual({ property: 'tst', unit: 's' });
    const two = live((ms) => ({ received_at: iso(ms), created_at: ms / 1000 }));
    expect(timeOf(two)).toEqual({ property: 'created_at', unit: 's' });
  });

  test('is found three levels deep, after those that are nearer', () => {
    const deep = (ms: number) => ({ state: { reported: { ts: ms } } });
    const families = live(deep);
    expect(timeOf(families)).toEqual({ property: '/state/reported/ts', unit: 'ms' });
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 12 });
    expect(timeOf(live((ms) => ({ ...deep(ms), received_at: iso(ms) })))).toMatchObject({
      property: 'received_at',
    });
  });

  test('is told in a note where its name does not say so', () => {
    expect(notesOf(live((ms) => ({ stamp: ms })))).toContain(
      '/stamp follows the arrival as a time does, and its name does not say of what: the time of arrival counts. If it is when a reading was measured, say "time": {"property": "stamp", "unit": "ms"}',
    );
    expect(notesOf(live((ms) => ({ meta: { ts_text: iso(ms) } })))).toContain(
      '"time": {"property": "/meta/ts_text", "unit": "iso"}',
    );
    // Neither what stands still nor a number like others, nor beside one that is taken.
    expect(notesOf(live(() => ({ boot: iso(NOW_MS - MINUTE_MS), serial: S })))).not.toContain('follows');
    expect(notesOf(live((ms) => ({ stamp: ms, ts: ms })))).not.toContain('/stamp');
  });

  test('is not believed of a counter or in a deep place where no arrival is known', () => {
    const counters = [
      ['tmst', (ms: number) => ({ tmst: 1_000_000_000 + (ms - NOW_MS) / 10_000 })],
      ['t_us', (ms: number) => ({ t_us: 1_000_000_000 + (ms - NOW_MS) / 10_000 })],
      [
        'a/b/timestamp',
        (ms: number) => ({ a: { b: { timestamp: 1_000_000_000 + (ms - NOW_MS) / 10_000 } } }),
      ],
    ] as const;
    for (const [path, of] of counters) {
      const families = live(of, { known: false });
      expect(timeOf(families), path).toBeUndefined();
      expect(notesOf(families), path).toContain(`/${path} may be the time`);
    }
  });
});

describe('a time that is wrong', () => {
  test.each([
    ['an hour ahead', HOUR_MS, '1 h 0 min ahead of it'],
    ['six hours ahead', 6 * HOUR_MS, '6 h 0 min ahead of it'],
    ['ten days behind', -240 * HOUR_MS, '10 d 0 h behind it'],
    ['twenty minutes behind', -20 * MINUTE_MS, '20 min behind it'],
  ])('by as much all the time is told with the distance, and what helps: %s', (_, offsetMs, words) => {
    for (const [of, unit] of [
      [(ms: number) => (ms + offsetMs) / 1000, 's'],
      [(ms: number) => iso(ms + offsetMs), 'iso'],
    ] as const) {
      const families = live((ms) => ({ ts: of(ms) }));
      expect(timeOf(families)).toBeUndefined();
      expect(notesOf(families)).toContain(`moves with the arrival, but is always ${words}`);
      const remedy = `{"property": "ts", "unit": "${unit}", "clock": "correct"}`;
      expect(notesOf(families)).toContain(`"time": ${remedy}`);
      // It can be written so.
      const [family] = families;
      if (family?.draft == null) throw new Error('no draft');
      const text = family.draft.text.replace('"measurement"', `"time": ${remedy}, "measurement"`);
      const mended = [{ ...family, draft: { ...family.draft, text } }];
      const payload = JSON.stringify({ ts: of(NOW_MS), v: 1 });
      expect(readUnder(mended, [messageOf('x/d1', payload)])[0]).toMatch(
        /^x,device=d1 v=1,device_time=\d+i 1772366400000\d{6}$/,
      );
    }
  });

  test('by another time on each topic is told from the least to the greatest', () => {
    const families = live((ms, device) => ({ ts: (ms + (device === 0 ? -2 : 3) * HOUR_MS) / 1000 }));
    expect(notesOf(families)).toContain('2 h 0 min behind, and 3 h 0 min ahead of it');
  });

  test('is said not to move where it stands still, and neither where too little came', () => {
    expect(notesOf(live(() => ({ ts: S - 86_400 })))).toContain('does not move with the arrival');
    const one = live((ms) => ({ ts: (ms + 2 * HOUR_MS) / 1000 }), { rounds: 1 });
    expect(notesOf(one)).toContain('2 h 0 min ahead of the arrival; too little came to tell');
  });
});

describe('the zone of a time that says none', () => {
  test.each([
    [0, 'UTC'],
    [1, '+01:00'],
    [-5, '-05:00'],
    [5.5, '+05:30'],
    [5.75, '+05:45'],
    [-3.5, '-03:30'],
    [12.75, '+12:45'],
    [14, '+14:00'],
  ])('%s h from UTC is %s', (hours, zone) => {
    const families = live((ms) => ({ ts: local(ms - 100_000, hours) }));
    expect(timeOf(families)).toEqual({ property: 'ts', unit: 'iso', zone });
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 12 });
  });

  test.each([
    ['ten minutes late in New York', -5, 10],
    ['half an hour and more late in UTC', 0, 35],
    ['a quarter of an hour early in Berlin', 1, -15],
    ['where nobody lives', 15, 0],
  ])('is not invented: %s', (_, hours, lateMinutes) => {
    const families = live((ms) => ({ ts: local(ms - lateMinutes * MINUTE_MS, hours) }));
    expect(timeOf(families)).toBeUndefined();
    expect(notesOf(families)).toContain('/ts is a time without a zone, and its arrival shows none');
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 12 });
  });

  test('is that of most readings, also where the first was late', () => {
    let sent = 0;
    const families = live((ms) => {
      sent += 1;
      return { ts: local(ms - (sent < 3 ? 20 * MINUTE_MS : 0), 1) };
    });
    expect(timeOf(families)).toMatchObject({ zone: '+01:00' });
  });

  test('is told to be wrong after the clocks change, with the remedy', () => {
    expect(notesOf(live((ms) => ({ ts: local(ms, 1) })))).toContain(
      '+01:00 fits its arrival, check it. Where clocks change to summer time it is wrong by an hour from the next change on: if the device\'s clock does, name its zone, as in "zone": "Europe/Berlin"',
    );
    expect(notesOf(live((ms) => ({ ts: local(ms, 0) })))).toContain('"zone": "Europe/London"');
    expect(notesOf(live((ms) => ({ ts: local(ms, -5) })))).toContain('"zone": "America/New_York"');
  });
});

test('a number with decimals in a text is no time, and is not called a text', () => {
  const families = live((ms) => ({ dateTime: (ms / 1000).toFixed(1) }));
  expect(draftOf(families, 'x/{device}').properties.dateTime).toEqual({
    type: ['number', 'string'],
    format: 'double',
  });
  expect(notesOf(families)).toMatch(
    /\/dateTime is a time that no "time" of a schema reads: a number with decimals in a text \("\d+\.0"\)\. It is stored as a number,/,
  );
  expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 12 });
});

test('whatever tells the time, and however wrong: no reading is rejected for it', () => {
  const kind = fc.constantFrom<(ms: number) => unknown>(
    (ms) => ms,
    (ms) => ms / 1000,
    (ms) => `${Math.round(ms / 1000)}`,
    (ms) => (ms / 1000).toFixed(1),
    (ms) => ms * 1000,
    (ms) => iso(ms),
    (ms) => local(ms, 0),
    (ms) => iso(ms).slice(0, 10),
    () => null,
    () => 'unknown',
    () => 4711,
  );
  const offset = fc.oneof(
    fc.constantFrom(0, HOUR_MS, -5 * HOUR_MS, 5.5 * HOUR_MS, -240 * HOUR_MS),
    fc.integer({ min: -7 * HOUR_MS, max: 7 * HOUR_MS }),
  );
  const name = fc.constantFrom('ts', 'tst', 'date', 't_us', 'created_at', 'stamp', 'tmst', 'sampleTime');
  fc.assert(
    fc.property(
      fc.tuple(name, name),
      fc.tuple(kind, kind),
      fc.tuple(offset, offset),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), {
        minLength: 3,
        maxLength: 20,
      }),
      fc.boolean(),
      ([one, other], kinds, offsets, picks, known) => {
        const families = inferMessages(
          picks.map(([which, far], i) => {
            const atMs = NOW_MS + (i - picks.length) * 10_000;
            const offsetMs = offsets[far === 0 ? 1 : 0];
            // What is known of no arrival is held against the present.
            const told = kinds[which === 0 ? 1 : 0](atMs + (known ? offsetMs : Math.min(offsetMs, 0)));
            const payload = JSON.stringify({ [one]: told, a: { b: { [other]: told } }, v: i + 0.5 });
            return messageOf(`x/d${i % 2}`, payload, { atMs: known ? atMs : null });
          }),
        );
        const [family] = families;
        expect(family?.why).toBeNull();
        expect(family?.trial?.problems).toEqual([]);
        // Of numbers like others a note says what would be rejected.
        if (notesOf(families).includes('hold something else')) return;
        expect(family?.trial?.exceptions.map(({ why }) => why)).toEqual([]);
      },
    ),
    { numRuns: 300 },
  );
});
