import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { whyNoReadings } from '../../gateway/infer/topic-words.ts';
import {
  bareValues,
  espHome,
  plainJson,
  type Sent,
  tasmota,
  zigbee2mqtt,
} from '../support/broker-traffic.ts';
import { draftOf, infer, inferMessages, messageOf, NOW_MS, readUnder } from './inference.ts';

const OPTIONS = { rounds: 6, startMs: NOW_MS - 60_000 };
const ALL = [
  ...plainJson(OPTIONS),
  ...bareValues(OPTIONS),
  ...tasmota(OPTIONS),
  ...zigbee2mqtt(OPTIONS),
  ...espHome(OPTIONS),
];

describe('traffic of usual firmware, all on one broker', () => {
  const families = infer(ALL);

  test('falls into the families that its authors had in mind, and into no others', () => {
    const drafted = families.filter(({ draft }) => draft !== null).map(({ pattern }) => pattern);
    expect(drafted.toSorted()).toEqual(
      [
        'site/{site}/{device}/air',
        'plant/{line}/{device}/{field}',
        'tele/{device}/{field}',
        'tele/{device}/STATE',
        'tele/{device}/SENSOR',
        'stat/{device}/RESULT',
        'stat/{device}/{field}',
        'zigbee2mqtt/{device}',
        'zigbee2mqtt/{device}/availability',
        '{device}/{field}',
        '{device}/sensor/{field}/state',
        '{device}/binary_sensor/{field}/state',
        '{device}/switch/{field}/state',
      ].toSorted(),
    );
  });

  test('what is no reading gets no draft, and the reason', () => {
    const others = families.filter(({ draft }) => draft === null);
    expect(others.map(({ pattern, why }) => [pattern, why])).toEqual([
      ['+/debug', expect.stringContaining('log lines')],
      ['zigbee2mqtt/bridge/+', expect.stringContaining('about itself')],
      ['homeassistant/sensor/0x00158d0001a2b3c4/temperature/config', expect.stringContaining('discovery')],
    ]);
  });

  test('the drafts load together and take every message but a bare value that is none', () => {
    for (const { draft, trial } of families) {
      if (draft === null) continue;
      expect(trial?.problems, draft.id).toEqual([]);
      expect((trial?.accepted ?? 0) + (trial?.withoutValue ?? 0), draft.id).toBe(trial?.samples);
    }
    expect(
      families
        .flatMap(({ trial }) => trial?.exceptions ?? [])
        .map(({ count, payload }) => `${count} ${payload.toString()}`),
    ).toEqual(['2 nan']);
  });

  test('make points as one would write them by hand', () => {
    const at = (topic: string): Sent =>
      ALL.find((each) => each.topic === topic) ?? { topic, payload: '', retain: false };
    const lines = [
      'site/berlin/a1/air',
      'plant/line1/press3/temperature',
      'tele/tasmota_0A1B2C/SENSOR',
      'zigbee2mqtt/heater plug',
      'garage/sensor/garage_temperature/state',
    ].map((topic) => readUnder(families, [messageOf(topic, at(topic).payload)])[0]);
    expect(lines).toEqual([
      expect.stringMatching(
        /^site_air,device=a1,room=office,site=berlin temperature=.*,co2=\d+,seq=0i 1772366340000\d{6}$/,
      ),
      expect.stringMatching(/^plant,device=press3,line=line1 temperature=[\d.]+ \d{19}$/),
      expect.stringMatching(
        /^tele_sensor,device=tasmota_0A1B2C AM2301_Temperature=.*TempUnit="C" 1772366340000\d{6}$/,
      ),
      expect.stringMatching(
        /^zigbee2mqtt,device=heater\\ plug .*update_state="idle",update_installed_version=268513381/,
      ),
      expect.stringMatching(/^sensor_state,device=garage garage_temperature=[-\d.]+ \d{19}$/),
    ]);
  });

  test('time, zone, tags and units are those that are meant', () => {
    expect(draftOf(families, 'site/{site}/{device}/air').telemetry).toMatchObject({
      time: { property: 'ts', unit: 'ms' },
      tags: ['site', 'room'],
    });
    expect(draftOf(families, 'tele/{device}/SENSOR').telemetry).toMatchObject({
      time: { property: 'Time', unit: 'iso', zone: 'UTC' },
    });
    const { properties } = draftOf(families, 'zigbee2mqtt/{device}');
    expect(properties).toMatchObject({
      humidity: { type: 'number', minimum: 0, maximum: 100, unit: '%RH' },
      voltage: { type: 'number', unit: 'mV' },
      contact: { type: 'boolean' },
    });
    expect(draftOf(families, 'plant/{line}/{device}/{field}').properties.temperature).toEqual({
      type: 'number',
      minimum: -273.15,
      unit: 'Cel',
    });
  });
});

describe('a draft', () => {
  test('makes no limit of what was seen, and no integer of what was whole so far', () => {
    const families = infer(
      [20, 21, 22, 23, 24, 25].map((level) => ({
        topic: 'tank/t1',
        payload: JSON.stringify({ level, speed: 3 }),
      })),
    );
    const { properties } = draftOf(families, 'tank/{device}');
    expect(properties).toEqual({ level: { type: 'number' }, speed: { type: 'number' } });
    expect(readUnder(families, [messageOf('tank/t1', '{"level":-4.5,"speed":9999.25}')])).toEqual([
      expect.stringContaining('level=-4.5,speed=9999.25'),
    ]);
  });

  test('makes integers of counts', () => {
    const payloads = [1, 2, 3].map((seq) => JSON.stringify({ boot: 1, seq, v: 1.5 }));
    const { properties } = draftOf(
      infer(payloads.map((payload) => ({ topic: 'b/a7', payload }))),
      'b/{device}',
    );
    expect(properties).toMatchObject({ boot: { type: 'integer' }, seq: { type: 'integer' } });
  });

  test('makes no integer of what JSON does not hold exactly: it would be refused', () => {
    const families = infer([{ topic: 'b/a7', payload: '{"count":9007199254740993,"v":1}' }]);
    expect(families[0]?.trial).toMatchObject({ samples: 1, accepted: 1 });
  });

  test('declares words for "no value" as missing, and numbers in texts as numbers', () => {
    const payloads = [
      '{"t":21.5,"u":"230.1"}',
      '{"t":"unavailable","u":"229"}',
      '{"t":"nan","u":"231.0"}',
      '{"t":null,"u":"230"}',
    ];
    const families = infer(payloads.map((payload) => ({ topic: 'x/d1', payload })));
    expect(draftOf(families, 'x/{device}').properties).toEqual({
      t: { type: 'number', missing: ['unavailable', 'nan', 'unknown', 'NaN'] },
      u: { type: ['number', 'string'], format: 'double' },
    });
    expect(families[0]?.trial).toMatchObject({ samples: 4, accepted: 4 });
  });

  test('leaves out what has no one type, lists and tables, and says so', () => {
    const table = Object.fromEntries(Array.from({ length: 150 }, (_, i) => [`node${i}`, i]));
    const payloads = [
      { a: 1, b: [1], c: table, ok: 1 },
      { a: 'x', b: [2], c: table, ok: 2 },
    ];
    const families = infer(payloads.map((payload) => ({ topic: 'x/d1', payload: JSON.stringify(payload) })));
    expect(Object.keys(draftOf(families, 'x/{device}').properties)).toEqual(['ok']);
    expect(families[0]?.draft?.notes.join(' ')).toMatch(
      /\/a is left out.*\/b is left out: it holds lists.*\/c is left out/,
    );
  });

  test('survives names that collide, that databases reserve, and that every object has', () => {
    const payload =
      '{"device":"x","time":"noon","Temp":1,"temp":2,"a_b":1,"a":{"b":2},"constructor":1,"__proto__":2,"toString":3,"a b,c=d":4}';
    const families = infer([
      { topic: 'x/d1', payload },
      { topic: 'x/d2', payload },
    ]);
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 2 });
  });

  test('takes the time of arrival where a clock is not set now and then', () => {
    const times = [
      '2026-03-01T12:00:00Z',
      '1970-01-01T00:00:04Z',
      ...Array.from({ length: 8 }, () => '2026-03-01T11:59:58Z'),
    ];
    const families = infer(times.map((ts) => ({ topic: 'x/d1', payload: JSON.stringify({ ts, v: 1 }) })));
    expect(draftOf(families, 'x/{device}').telemetry.time).toEqual({
      property: 'ts',
      unit: 'iso',
      clock: 'arrival',
    });
    expect(families[0]?.trial).toMatchObject({ samples: 10, accepted: 10 });
  });

  test('takes no property for the time that does not move with the arrival', () => {
    const stale = [1, 2, 3].map((v) => ({
      topic: 'x/d1',
      payload: JSON.stringify({ ts: NOW_MS - 86_400_000, v }),
    }));
    expect(draftOf(infer(stale), 'x/{device}').telemetry).not.toHaveProperty('time');
  });

  test('finds the zone of a time without one by its arrival', () => {
    const payload = JSON.stringify({ Time: '2026-03-01T17:30:02', v: 1 });
    const families = infer([{ topic: 'x/d1', payload }]);
    expect(draftOf(families, 'x/{device}').telemetry.time).toMatchObject({ zone: '+05:30' });
    expect(readUnder(families, [messageOf('x/d1', payload)])).toEqual([
      expect.stringMatching(/ 1772366402000\d{6}$/),
    ]);
  });

  test('tells the device by a property where all send to one topic', () => {
    const families = infer(
      ['a1', 'b2', 'c3'].map((id) => ({ topic: 'uplink', payload: JSON.stringify({ id, v: 1 }) })),
    );
    expect(draftOf(families, 'uplink').telemetry).toMatchObject({ topics: ['uplink'], device: '/id' });
    expect(readUnder(families, [messageOf('uplink', '{"id":"z9","v":2}')])[0]).toMatch(
      /^uplink,device=z9 v=2 /,
    );
  });

  test('is never the id of the message: one that is new each time would be a series each time', () => {
    const families = inferMessages(
      [1, 2, 3, 4, 5, 6].map((n) => messageOf('receipts/one', `{"id":"r${n}","v":${n}.5}`)),
    );
    expect(draftOf(families, 'receipts/{device}').telemetry).not.toHaveProperty('device');
  });

  test('does not take a number in the payload for the name of a device', () => {
    const families = infer(
      [1, 2, 3].map((id) => ({ topic: 'uplink', payload: JSON.stringify({ id, sn: `${id}7`, v: 1 }) })),
    );
    expect(draftOf(families, '{device}').telemetry).not.toHaveProperty('device');
    expect(families[0]?.trial).toMatchObject({ problems: [], accepted: 3 });
  });

  test('never makes a tag of an id', () => {
    const payloads = Array.from({ length: 40 }, (_, i) =>
      JSON.stringify({ type: `uuid-${i}`, room: 'hall', v: i }),
    );
    const { telemetry } = draftOf(
      infer(payloads.map((payload) => ({ topic: 'x/d1', payload }))),
      'x/{device}',
    );
    expect(telemetry.tags).toEqual(['room']);
  });

  test('reads other formats than JSON', () => {
    for (const [payload, format] of [
      ['t=21.5;h=40', 'key-value'],
      ['temperature,humidity\n21.5,40\n', 'csv'],
      ['21.5;40;1', { csv: { columns: ['value1', 'value2', 'value3'] } }],
    ] as const) {
      const families = infer([{ topic: 'x/d1', payload }]);
      expect(draftOf(families, 'x/{device}').telemetry.format).toEqual(format);
      expect(families[0]?.trial).toMatchObject({ problems: [], samples: 1, accepted: 1 });
    }
    const cbor = Buffer.from('a26174f94d606168182a', 'hex');
    const [family] = inferMessages([messageOf('x/d1', '', { payload: cbor })]);
    expect(JSON.parse(family?.draft?.text ?? '{}')).toMatchObject({
      telemetry: { format: 'cbor' },
      properties: { t: {}, h: {} },
    });
    expect(family?.trial).toMatchObject({ accepted: 1 });
  });

  test('stores a bare value on a topic that names none as "value"', () => {
    const families = infer(
      ['4711', '4712', '4713'].map((id) => ({ topic: `counters/${id}`, payload: '21.5' })),
    );
    expect(draftOf(families, 'counters/{device}').properties).toEqual({ value: { type: 'number' } });
    expect(families[0]?.trial).toMatchObject({ accepted: 3 });
  });

  test('that would claim the topics of a schema in force says that it cannot be used beside it', () => {
    const [inForce] = infer([{ topic: 'x/d1', payload: '{"v":1}' }]);
    const [family] = infer([{ topic: 'x/d2', payload: '{"v":1}' }], [inForce?.draft?.text ?? '']);
    expect(family?.trial?.problems.join()).toContain('matches the same topics as');
  });
});

describe('whatever is sent', () => {
  /** None that tells what is no reading. */
  const prefix = fc
    .stringMatching(/^[a-z]{3,8}$/)
    .filter((word) => whyNoReadings(`a/${word}/b`) === null && whyNoReadings(`${word}/b`) === null);
  const key = fc.stringMatching(/^[a-z][a-z_]{0,9}$/);
  const value = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer(),
    fc.boolean(),
    fc.string({ maxLength: 20 }),
    fc.constantFrom(null, 'unavailable', 'nan', 'ON', 'OFF', '21.5', '21,5', '12:03', '40 %'),
  );
  const time = fc.oneof(
    fc.integer({ min: -2, max: 3 }).map((n) => NOW_MS + n * 3_600_000),
    fc.constantFrom(
      NOW_MS / 1000,
      `${NOW_MS}`,
      NOW_MS * 1000,
      0,
      1.5,
      null,
      'unknown',
      'noon',
      true,
      {},
      [1],
    ),
    fc.constantFrom(
      '2026-03-01T12:00:00Z',
      '2026-03-01 13:00:00',
      '1970-01-01T00:00:00Z',
      '2026-03-01T14:30:00Z',
    ),
  );

  test('infer throws nothing, and its drafts always load', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.array(fc.string({ maxLength: 8 }), { minLength: 1, maxLength: 5 }),
            fc.oneof(fc.jsonValue(), value, fc.string()),
          ),
          { maxLength: 30 },
        ),
        (messages) => {
          const families = infer(
            messages.map(([levels, payload]) => ({
              topic: levels.join('/'),
              payload: typeof payload === 'string' ? payload : JSON.stringify(payload),
            })),
          );
          for (const { trial, why } of families) {
            expect(trial?.problems ?? []).toEqual([]);
            expect(why ?? '').not.toContain('cannot be loaded');
          }
        },
      ),
      { numRuns: 150 },
    );
  });

  test('a draft rejects no reading for its time, in whatever forms that comes', () => {
    fc.assert(
      fc.property(
        fc.tuple(time, time, time),
        fc.array(fc.integer({ min: 0, max: 15 }), { minLength: 1, maxLength: 24 }),
        ([most, some, few], picks) => {
          // Forms that are rare are those that a majority would be declared against.
          const pick = (n: number): unknown => (n === 0 ? few : n === 1 ? some : most);
          const [family] = infer(
            picks.map((n, v) => ({
              topic: `x/d${v % 3}`,
              payload: JSON.stringify({ ts: pick(n), sub: { time: pick(n % 8) }, v: v + 0.5 }),
            })),
          );
          expect(family?.why).toBeNull();
          const rejected = family?.trial?.exceptions.map(({ why }) => why) ?? [];
          // Numbers that are no times at all are numbers like others, and a note says what would be rejected.
          const isTold = family?.draft?.notes.some((note) => note.includes('hold something else')) ?? false;
          if (isTold) expect([most, some, few].some((each) => each === 0 || each === 1.5)).toBe(true);
          else expect(rejected).toEqual([]);
        },
      ),
      {
        numRuns: 300,
        examples: [
          [
            [`${NOW_MS}`, NOW_MS, true],
            [2, 2, 2, 2, 0, 2, 2, 2, 2, 2, 2],
          ],
        ],
      },
    );
  });

  test('a draft made from a fleet takes what the fleet sends later', () => {
    const kinds = fc.uniqueArray(fc.tuple(key, fc.constantFrom('float', 'boolean', 'text', 'count')), {
      minLength: 1,
      maxLength: 8,
      selector: ([name]) => name,
    });
    const valueFor = (kind: string, seed: number): unknown => {
      if (kind === 'boolean') return seed % 2 === 0;
      if (kind === 'text') return `word${seed % 7}x`;
      return kind === 'count' ? seed : seed / 3;
    };
    fc.assert(
      fc.property(
        fc.uniqueArray(prefix, { minLength: 1, maxLength: 3 }),
        fc.uniqueArray(fc.stringMatching(/^dev-[a-z0-9]{3,6}$/), { minLength: 2, maxLength: 12 }),
        kinds,
        fc.boolean(),
        (prefix, devices, properties, hasTime) => {
          const readings = (round: number) =>
            devices.map((device, i) => {
              const body = Object.fromEntries(
                properties.map(([name, kind]) => [name, valueFor(kind, i + round * 5)]),
              );
              return messageOf(
                [...prefix, device].join('/'),
                JSON.stringify(hasTime ? { ...body, timestamp: NOW_MS - 1000 + round } : body),
              );
            });
          const families = inferMessages([0, 1, 2, 3].flatMap(readings));
          const later = [4, 5, 6].flatMap(readings);
          expect(families).toHaveLength(1);
          for (const line of readUnder(families, later)) expect(line).toMatch(/^[a-z0-9_]+,.*\d{19}$/);
        },
      ),
      { numRuns: 40 },
    );
  });
});
