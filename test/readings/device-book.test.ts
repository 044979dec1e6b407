import { describe, expect, it } from 'vitest';
import type { DeviceBook, DeviceSettings } from '../../gateway/ledger-contract.ts';
import { messageOn } from '../support/message.ts';
import {
  ARRIVAL_NS,
  inText,
  interpret,
  lineOf,
  NOW_MS,
  pointOf,
  readingsWith,
  schema,
} from './under-test.ts';

type Steps = DeviceSettings['calibration'] extends ReadonlyMap<string, infer S> ? S : never;

function settings(parts: {
  alias?: string;
  tags?: Record<string, string>;
  calibration?: Record<string, Steps>;
}): DeviceSettings {
  return {
    alias: parts.alias ?? null,
    tags: new Map(Object.entries(parts.tags ?? {})),
    calibration: new Map(Object.entries(parts.calibration ?? {})),
    expectEveryMs: null,
  };
}

/** A book that can be rewritten. */
class Book implements DeviceBook {
  version = 1;
  readonly devices: Map<string, DeviceSettings>;

  constructor(devices: Record<string, DeviceSettings>) {
    this.devices = new Map(Object.entries(devices));
  }

  of(device: string): DeviceSettings | null {
    return this.devices.get(device) ?? null;
  }

  rewrite(device: string, next: DeviceSettings): void {
    this.devices.set(device, next);
    this.version += 1;
  }
}

const scaled = (scale: number, offset: number, fromMs = 0): Steps => [{ scale, offset, fromMs }];

describe('what an operator has written down of a device', () => {
  it('is applied to its readings: alias in the device tag, extra tags sorted in; the account keeps its own name', () => {
    const book = new Book({ d1: settings({ alias: 'kitchen, north', tags: { room: 'k 1', area: 'a' } }) });
    const readings = readingsWith({ book }, schema());
    const point = pointOf(readings, 't/d1', { temperature: 1 });
    expect(point.line).toBe(`m,area=a,device=kitchen\\,\\ north,room=k\\ 1 temperature=1 ${ARRIVAL_NS}\n`);
    expect([point.device, point.series.device]).toEqual(['d1', 'd1']);
    expect(pointOf(readings, 't/d1', { temperature: 2 }).series).toBe(point.series);
    expect(lineOf(readings, 't/d2', { temperature: 1 })).toBe(`m,device=d2 temperature=1 ${ARRIVAL_NS}`);
    expect(readings.route('t/d1')?.deviceOf(messageOn('t/d1', ''))).toBe('d1');
  });

  it('is applied as well where the payload or the client names the device', () => {
    const book = new Book({
      '42': settings({ alias: 'boiler', tags: { a: 'x' }, calibration: { temperature: scaled(1, -2) } }),
    });
    const parts = { properties: { id: { type: 'integer' } } };
    const inPayload = readingsWith({ book }, schema({ telemetry: { device: '/id' }, ...parts }));
    for (let i = 0; i < 2; i += 1) {
      expect(lineOf(inPayload, 't/x', { temperature: 20, id: 42 })).toBe(
        `m,a=x,device=boiler temperature=18 ${ARRIVAL_NS}`,
      );
      expect(lineOf(inPayload, 't/x', { temperature: 20, id: 43 })).toBe(
        `m,device=43 temperature=20 ${ARRIVAL_NS}`,
      );
    }
    const series = pointOf(inPayload, 't/x', { temperature: 20, id: 42 }).series;
    expect(pointOf(inPayload, 't/x', { temperature: 20, id: 42 }).series).toBe(series);
    const byClient = readingsWith({ book }, schema({ telemetry: { device: 'clientId' } }));
    expect(lineOf(byClient, 't/x', { temperature: 20 }, { client: '42' })).toBe(
      `m,a=x,device=boiler temperature=18 ${ARRIVAL_NS}`,
    );
  });

  it('never replaces what schema, topic or payload tell; it fills in a tag that the topic does not capture', () => {
    const book = new Book({
      d: settings({
        tags: {
          site: 'book',
          kind: 'book',
          area: 'book',
          temperature: 'book',
          Site: 'book',
          time: 'x',
          'a\n': 'x',
          empty: '',
        },
      }),
    });
    const readings = readingsWith(
      { book },
      schema({
        telemetry: {
          topics: ['t/{device}', 's/{site}/{device}'],
          tags: ['site', 'kind'],
          constants: { area: 'schema' },
        },
        properties: { kind: { type: 'string' } },
      }),
    );
    expect(lineOf(readings, 's/topic/d', { temperature: 1, kind: 'p' })).toBe(
      `m,area=schema,device=d,kind=p,site=topic temperature=1 ${ARRIVAL_NS}`,
    );
    expect(lineOf(readings, 't/d', { temperature: 1 })).toBe(
      `m,area=schema,device=d,site=book temperature=1 ${ARRIVAL_NS}`,
    );
  });

  it('gives its alias to the device tag alone, not to another of the same text', () => {
    const book = new Book({ d: settings({ alias: 'kitchen' }) });
    const readings = readingsWith(
      { book },
      schema({ telemetry: { topics: ['t/{site}/{device}'], tags: ['site'], constants: { owner: 'd' } } }),
    );
    expect(lineOf(readings, 't/d/d', { temperature: 1 })).toBe(
      `m,device=kitchen,owner=d,site=d temperature=1 ${ARRIVAL_NS}`,
    );
  });

  it('leaves readings without a device tag without an alias', () => {
    const book = new Book({ d: settings({ alias: 'kitchen', tags: { room: 'k' } }) });
    const readings = readingsWith({ book }, schema({ telemetry: { deviceTag: false } }));
    expect(lineOf(readings, 't/d', { temperature: 1 })).toBe(`m,room=k temperature=1 ${ARRIVAL_NS}`);
  });

  it('takes effect with the next reading when it changes, also where it is taken away', () => {
    const book = new Book({});
    const readings = readingsWith({ book }, schema());
    expect(lineOf(readings, 't/d', { temperature: 1 })).toMatch(/^m,device=d /);
    book.rewrite('d', settings({ alias: 'one' }));
    expect(lineOf(readings, 't/d', { temperature: 1 })).toMatch(/^m,device=one /);
    book.rewrite('d', settings({ calibration: { temperature: scaled(2, 0) } }));
    expect(lineOf(readings, 't/d', { temperature: 1 })).toMatch(/^m,device=d temperature=2 /);
    book.rewrite('d', settings({}));
    expect(lineOf(readings, 't/d', { temperature: 1 })).toMatch(/^m,device=d temperature=1 /);
  });

  it('does not change which reading a resend is', () => {
    const parts = { telemetry: { identity: ['seq'] }, properties: { seq: { type: 'integer' } } };
    const book = new Book({ d: settings({ alias: 'kitchen' }) });
    const payload = { temperature: 1, seq: 1 };
    expect(pointOf(readingsWith({ book }, schema(parts)), 't/d', payload).identity).toEqual(
      pointOf(readingsWith({}, schema(parts)), 't/d', payload).identity,
    );
  });
});

describe('a calibration', () => {
  const properties = {
    ts: { type: 'integer' },
    n: { type: 'integer' },
    big: { type: 'string', format: 'int64' },
    text: { type: 'string' },
    raw: { type: 'number', field: 'level', missing: [-1] },
    nested: { type: 'object', properties: { a: { type: 'number' } } },
  };
  const values = (calibration: Record<string, Steps>, payload: object, more: object = {}): string => {
    const book = new Book({ d: settings({ calibration }) });
    const telemetry = { time: { property: 'ts', unit: 'ms', ...more } };
    const readings = readingsWith({ book }, schema({ telemetry, properties }));
    const [reading] = interpret(readings, 't/d', payload);
    return reading?.kind === 'point'
      ? (reading.line.split(' ')[1] ?? '')
      : reading === undefined
        ? ''
        : inText(reading);
  };

  it('is value × scale + offset, by the name of the field, nested and renamed ones too', () => {
    expect(values({ temperature: scaled(2, -0.5) }, { temperature: 10 })).toBe('temperature=19.5');
    expect(values({ level: scaled(0.5, 0), nested_a: scaled(1, 1) }, { raw: 3, nested: { a: 1 } })).toBe(
      'level=1.5,nested_a=2',
    );
    expect(values({ raw: scaled(9, 9), level: scaled(1, 1) }, { raw: -1, temperature: 1 })).toBe(
      'temperature=1',
    );
  });

  it('keeps integers whole, 64 bits exact, and leaves out what would not be', () => {
    expect(values({ n: scaled(3, -1) }, { n: 5 })).toBe('n=14i');
    expect(values({ big: scaled(2, 1) }, { big: '4611686018427387903' })).toBe('big=9223372036854775807i');
    expect(values({ big: scaled(2, 2) }, { big: '4611686018427387903' })).toMatch(
      /^invalid: \/big must be an integer/,
    );
    expect(values({ n: scaled(2, 0) }, { n: Number.MAX_SAFE_INTEGER })).toMatch(
      /^invalid: \/n must be within/,
    );
    expect(values({ n: scaled(0.1, 0), text: scaled(2, 0) }, { n: 5, text: 'x' })).toBe('n=5i,text="x"');
    expect(values({ temperature: scaled(1e308, 0) }, { temperature: 1e308 })).toMatch(
      /^invalid: \/temperature/,
    );
  });

  it('is the last that was valid when the reading was measured', () => {
    const steps: Steps = [
      { scale: 2, offset: 0, fromMs: NOW_MS - 2000 },
      { scale: 3, offset: 0, fromMs: NOW_MS - 1000 },
    ];
    const at = (ts: number | undefined): string => values({ temperature: steps }, { temperature: 1, ts });
    expect(at(NOW_MS - 2001)).toBe('temperature=1');
    expect(at(NOW_MS - 2000)).toBe('temperature=2');
    expect(at(NOW_MS - 1001)).toBe('temperature=2');
    expect(at(NOW_MS - 1000)).toBe('temperature=3');
    expect(at(undefined)).toBe('temperature=3');
    const wrong = values(
      { temperature: steps },
      { temperature: 1, ts: NOW_MS - 3_600_000 },
      { clock: 'arrival' },
    );
    expect(wrong).toBe(`temperature=3,device_time=${NOW_MS - 3_600_000}000i`);
  });

  it('counts for a bare value as well', () => {
    const book = new Book({ d: settings({ calibration: { temperature: scaled(1, 1) } }) });
    const readings = readingsWith({ book }, schema({ telemetry: { topics: ['t/{device}/{field}'] } }));
    expect(lineOf(readings, 't/d/temperature', '20')).toBe(`m,device=d temperature=21 ${ARRIVAL_NS}`);
    expect(lineOf(readings, 't/e/temperature', '20')).toBe(`m,device=e temperature=20 ${ARRIVAL_NS}`);
  });
});

describe('what would not be applied is told in words', () => {
  const readings = readingsWith(
    {},
    schema({
      telemetry: { tags: ['site', 'kind'], topics: ['t/{site}/{device}', 'u/{device}'] },
      properties: { n: { type: 'integer' }, text: { type: 'string' }, kind: { type: 'string' } },
    }),
  );
  const told = (parts: Parameters<typeof settings>[0]): readonly string[] =>
    readings.settingsProblems(settings(parts));

  it('for names that cannot be or are taken', () => {
    expect(told({ alias: 'kitchen', tags: { room: 'k', site: 'x' } })).toEqual([]);
    expect(told({ alias: 'a\nb' })).toEqual(['the alias must not contain control characters']);
    expect(told({ tags: { temperature: 'x' } })).toEqual([
      'the tag "temperature" is left out in measurement m: test.v1 has a tag or field of that name',
    ]);
    expect(told({ tags: { kind: 'x', Site: 'x' } })).toHaveLength(2);
    expect(told({ tags: { time: 'x' } })).toEqual(['the tag "time" has a name of the database\'s own']);
    expect(told({ tags: { room: '' } })).toEqual(['the tag "room" must not be empty']);
  });

  it('for calibrations without a field, or of one that cannot have them', () => {
    expect(told({ calibration: { temperature: scaled(0.1, 0), n: scaled(10, 1) } })).toEqual([]);
    expect(told({ calibration: { temprature: scaled(1, 0) } })).toEqual([
      'the calibration of "temprature" has no effect: no schema has this field',
    ]);
    expect(told({ calibration: { n: scaled(0.1, 0) } })).toEqual([
      'the calibration is not applied: "n" of test.v1 is an integer: its scale and offset must be whole numbers, or the schema must declare it as "number"',
    ]);
    expect(told({ calibration: { text: scaled(1, 0) } })).toEqual([
      'the calibration is not applied: "text" of test.v1 is a string: only numbers can be calibrated',
    ]);
    expect(told({ calibration: { temperature: scaled(Number.NaN, 0) } })).toHaveLength(1);
  });
});
