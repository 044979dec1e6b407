import { describe, expect, it } from 'vitest';
import { TickCounter } from '../../gateway/readings/tick-counter.ts';
import { inText, interpret, NOW_MS, pointOf, readingsOf, readingsWith, schema } from './under-test.ts';

describe('the series of a point', () => {
  it('is one object for every reading of a topic whose tags the payload does not tell', () => {
    const readings = readingsOf(schema({ telemetry: { topics: ['t/{site}/{device}'], tags: ['site'] } }));
    const { series } = pointOf(readings, 't/north/d', { temperature: 1 });
    expect(series).toEqual({
      key: 'm,device=d,site=north',
      measurement: 'm',
      device: 'd',
      fields: [{ name: 'temperature', type: 'float' }],
      known: null,
    });
    expect(pointOf(readings, 't/north/d', { temperature: 2 }).series).toBe(series);
    const other = pointOf(readings, 't/south/d', { temperature: 2 }).series;
    expect(other).not.toBe(series);
    expect(other.fields).toBe(series.fields);
  });

  it('is one object for the same tags where the payload tells them, so that what is known of it survives', () => {
    const readings = readingsOf(
      schema({ telemetry: { tags: ['kind'] }, properties: { kind: { type: 'string' } } }),
    );
    const { series } = pointOf(readings, 't/d', { temperature: 1, kind: 'a' });
    series.known = {};
    expect(pointOf(readings, 't/d', { temperature: 1, kind: 'b' }).series).not.toBe(series);
    expect(pointOf(readings, 't/d', { temperature: 1, kind: 'a' }).series).toBe(series);
    expect(series.key).toBe('m,device=d,kind=a');
  });

  it('belongs to one device, also where no tag names it', () => {
    const readings = readingsOf(
      schema({ telemetry: { deviceTag: false, tags: ['kind'] }, properties: { kind: { type: 'string' } } }),
    );
    const a = pointOf(readings, 't/a', { temperature: 1, kind: 'x' }).series;
    const b = pointOf(readings, 't/b', { temperature: 1, kind: 'x' }).series;
    expect([a.key, a.device, b.key, b.device]).toEqual(['m,kind=x', 'a', 'm,kind=x', 'b']);
  });

  it('is forgotten where a sender makes ever new ones, and made anew: memory is bounded', () => {
    const readings = readingsOf(
      schema({ telemetry: { tags: ['kind'] }, properties: { kind: { type: 'string' } } }),
    );
    const first = pointOf(readings, 't/d', { temperature: 1, kind: 'first' }).series;
    for (let i = 0; i < 51_000; i += 1) interpret(readings, 't/d', { temperature: 1, kind: `k${i}` });
    expect(pointOf(readings, 't/d', { temperature: 1, kind: 'first' }).series).not.toBe(first);
    const long = { temperature: 1, kind: 'x'.repeat(256) };
    expect(pointOf(readings, `t/${'d'.repeat(256)}`, long).series.key).toHaveLength(527);
  });

  it('knows every field its schema may write, the kept device time too', () => {
    const readings = readingsOf(
      schema({
        telemetry: {
          time: { property: 'ts', unit: 'ms', clock: 'correct', original: 'sent_at' },
          tags: ['kind'],
        },
        properties: {
          ts: { type: 'integer' },
          kind: { type: 'string' },
          count: { type: 'integer', field: 'n' },
          on: { type: 'boolean' },
          text: { type: 'string' },
        },
      }),
    );
    expect(pointOf(readings, 't/d', { temperature: 1 }).series.fields).toEqual([
      { name: 'temperature', type: 'float' },
      { name: 'n', type: 'integer' },
      { name: 'on', type: 'boolean' },
      { name: 'text', type: 'string' },
      { name: 'sent_at', type: 'integer' },
    ]);
    expect(readings.describe()[0]?.fields.at(-1)).toEqual({ name: 'sent_at', type: 'integer', unit: 'us' });
  });
});

describe('a point says', () => {
  const named = (parts: readonly string[], telemetry: object = {}): ReturnType<typeof readingsOf> =>
    readingsOf(
      schema({
        telemetry: { identity: parts, ...telemetry },
        properties: {
          boot: { type: 'integer' },
          seq: { type: 'integer' },
          id: { type: ['integer', 'string'], format: 'int64', missing: ['0'] },
          ok: { type: 'boolean' },
        },
      }),
    );

  it('its identity: of the declared properties, the device and the measurement, whatever else is in it', () => {
    const readings = named(['boot', 'seq']);
    const { identity } = pointOf(readings, 't/d', { temperature: 1, boot: 1, seq: 2 });
    expect(identity).toEqual({ high: expect.any(Number), low: expect.any(Number) });
    expect(pointOf(readings, 't/d', { temperature: 9, boot: 1, seq: 2, ok: true }).identity).toEqual(
      identity,
    );
    expect(pointOf(readings, 't/d', { temperature: 1, boot: 2, seq: 1 }).identity).not.toEqual(identity);
    expect(pointOf(readings, 't/e', { temperature: 1, boot: 1, seq: 2 }).identity).not.toEqual(identity);
    const elsewhere = named(['boot', 'seq'], { measurement: 'other' });
    expect(pointOf(elsewhere, 't/d', { temperature: 1, boot: 1, seq: 2 }).identity).not.toEqual(identity);
  });

  it('none where the schema declares none, or a part has no value', () => {
    expect(pointOf(readingsOf(schema()), 't/d', { temperature: 1, boot: 1, seq: 2 }).identity).toBeNull();
    expect(pointOf(named(['boot', 'seq']), 't/d', { temperature: 1, seq: 2 }).identity).toBeNull();
    expect(
      pointOf(named(['boot', 'seq']), 't/d', { temperature: 1, boot: null, seq: 2 }).identity,
    ).toBeNull();
    expect(pointOf(named(['id']), 't/d', { temperature: 1, id: '0' }).identity).toBeNull();
    expect(pointOf(named(['id']), 't/d', { temperature: 1, id: '7' }).identity).not.toEqual(
      pointOf(named(['id']), 't/d', { temperature: 1, id: 7 }).identity,
    );
  });

  it('its seq where it has an integer one, declared or not', () => {
    const readings = readingsOf(schema());
    expect(pointOf(readings, 't/d', { temperature: 1, seq: 7 }).seq).toBe(7);
    expect(pointOf(readings, 't/d', { temperature: 1, seq: 7.5 }).seq).toBeNull();
    expect(pointOf(readings, 't/d', { temperature: 1, seq: '7' }).seq).toBeNull();
    expect(pointOf(readings, 't/d', { temperature: 1 }).seq).toBeNull();
  });

  it('whether its schema asks for a receipt of each', () => {
    expect(pointOf(readingsOf(schema()), 't/d', { temperature: 1 }).receipt).toBe(false);
    for (const [receipts, asked] of [
      ['all', true],
      ['rejected', false],
    ] as const) {
      expect(
        pointOf(readingsOf(schema({ telemetry: { receipts } })), 't/d', { temperature: 1 }).receipt,
      ).toBe(asked);
    }
  });
});

describe('a route says', () => {
  it('the format of its payloads: json, a bare value on a {field} topic, or what the schema says', () => {
    const format = (telemetry: object): string | undefined =>
      readingsOf(schema({ telemetry })).route('t/temperature/d')?.format;
    expect(format({ topics: ['t/{kind}/{device}'] })).toBe('json');
    expect(format({ topics: ['t/{field}/{device}'] })).toBe('scalar');
    expect(format({ topics: ['t/{field}/{device}'], format: 'json' })).toBe('scalar');
    expect(format({ topics: ['t/{kind}/{device}'], format: 'cbor' })).toBe('cbor');
    expect(format({ topics: ['t/{kind}/{device}'], format: { cbor: {} } })).toBe('cbor');
    const options = { delimiter: ';', columns: [{ b: 1, a: 2 }] };
    expect(format({ topics: ['t/{kind}/{device}'], format: { csv: options } })).toBe(
      '{"csv":{"columns":[{"a":2,"b":1}],"delimiter":";"}}',
    );
  });
});

describe('asking what would happen', () => {
  it('leaves no trace: no digits are used up, nothing is counted', () => {
    const readings = readingsWith(
      { ticks: new TickCounter({ fresh: true }) },
      schema({
        telemetry: { time: { property: 'ts', unit: 'ms' } },
        properties: { ts: { type: 'integer' } },
      }),
    );
    const payload = { temperature: 1, ts: NOW_MS, unknown: 1 };
    const ns = (source: string): string =>
      pointOf(readings, 't/d', payload, { source }).line.trimEnd().slice(-6);
    expect(ns('mqtt')).toBe('000000');
    expect([ns('explain'), ns('explain')]).toEqual(['000001', '000001']);
    expect(ns('mqtt')).toBe('000001');
    expect(readings.describe()[0]?.stats.ignored).toBe(2);
    const list = interpret(readings, 't/d', [payload, payload], { source: 'explain' }).map(inText);
    expect(list.map((line) => line.slice(-6))).toEqual(['000002', '000003']);
    expect(ns('mqtt')).toBe('000002');
  });
});
