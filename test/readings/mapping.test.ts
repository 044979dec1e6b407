import { describe, expect, it } from 'vitest';
import { loadSchemas } from '../../gateway/readings/load-schemas.ts';
import { ARRIVAL_NS, inText, interpret, lineOf, NOW_MS, readingsOf, schema } from './under-test.ts';

describe('a reading becomes one line', () => {
  it('as the environment schema that ships says', () => {
    const { schemas } = loadSchemas('schemas/readings');
    expect(schemas.map(({ id }) => id)).toContain('environment.v1');
    const readings = readingsOf(JSON.parse(schemas.find(({ id }) => id === 'environment.v1')?.text ?? '{}'));
    const payload = { ts: NOW_MS - 5, temperature: 21, humidity: 48.2, seq: 7 };
    expect(lineOf(readings, 'sensors/press3/environment', payload)).toBe(
      `environment,device=press3 temperature=21,humidity=48.2,seq=7i ${NOW_MS - 5}000000`,
    );
    expect(lineOf(readings, 'site/north hall/press3/environment', { temperature: -4.25 })).toBe(
      `environment,device=press3,site=north\\ hall temperature=-4.25 ${ARRIVAL_NS}`,
    );
    expect(lineOf(readings, 'sensors/press3/environment', { temperature: 'warm', humidity: 101 })).toBe(
      'invalid: /temperature must be number, got string "warm"; /humidity must be <= 100, got number 101',
    );
  });

  it('with number always as float, and integer, string and boolean as themselves', () => {
    const readings = readingsOf(
      schema({
        properties: {
          n: { type: 'number' },
          i: { type: 'integer' },
          s: { type: 'string' },
          b: { type: 'boolean' },
          nullable: { type: ['number', 'null'] },
        },
      }),
    );
    expect(lineOf(readings, 't/d', { n: 5, i: -3, s: 'a "b" \\ c', b: false, nullable: 1e21 })).toBe(
      `m,device=d n=5,i=-3i,s="a \\"b\\" \\\\ c",b=false,nullable=1e+21 ${ARRIVAL_NS}`,
    );
    expect(lineOf(readings, 't/d', { n: 5, nullable: null })).toBe(`m,device=d n=5 ${ARRIVAL_NS}`);
  });

  it('with numbers sent as text stored as floats where the schema says double, within the same limits', () => {
    const readings = readingsOf(
      schema({
        properties: {
          t: { type: ['number', 'string'], format: 'double', minimum: -60, exclusiveMaximum: 125 },
        },
      }),
    );
    for (const [sent, stored] of [
      ['21.5', '21.5'],
      ['+21', '21'],
      ['-.5', '-0.5'],
      ['1.25e1', '12.5'],
      [21.5, '21.5'],
    ] as const)
      expect(lineOf(readings, 't/d', { t: sent })).toBe(`m,device=d t=${stored} ${ARRIVAL_NS}`);
    for (const text of ['', ' 21.5', '21,5', 'nan', 'Infinity', '0x10', '1e999', '21.5 C'])
      expect(lineOf(readings, 't/d', { t: text })).toMatch(/^invalid: \/t must be a number as text/);
    expect(lineOf(readings, 't/d', { t: '-61' })).toBe('invalid: /t must be >= -60, got "-61"');
    expect(lineOf(readings, 't/d', { t: '125' })).toBe('invalid: /t must be < 125, got "125"');
  });

  it('with integers beyond 2^53 invalid, and 64 bits exact as a string of digits', () => {
    const readings = readingsOf(
      schema({
        properties: { i: { type: 'integer' }, big: { type: ['integer', 'string'], format: 'int64' } },
      }),
    );
    expect(lineOf(readings, 't/d', '{"i":9007199254740993}')).toMatch(
      /^invalid: \/i must be within ±\(2\^53-1\)/,
    );
    expect(lineOf(readings, 't/d', { big: '9223372036854775807' })).toBe(
      `m,device=d big=9223372036854775807i ${ARRIVAL_NS}`,
    );
    expect(lineOf(readings, 't/d', { big: 12 })).toBe(`m,device=d big=12i ${ARRIVAL_NS}`);
    expect(lineOf(readings, 't/d', { big: '9223372036854775808' })).toBe(
      'invalid: /big must be an integer of 64 bits as decimal digits, got string "9223372036854775808"',
    );
  });

  it('with nested objects flattened, referenced ones too', () => {
    const axis = { type: 'object', properties: { rms: { type: 'number', unit: 'mm/s' } } };
    const readings = readingsOf(
      schema({
        $defs: { axis },
        properties: { x: axis, y: { $ref: '#/$defs/axis' }, z: { ...axis, field: 'up' }, temperature: true },
      }),
    );
    expect(lineOf(readings, 't/d', { x: { rms: 1 }, y: { rms: 2 }, z: { rms: 3 } })).toBe(
      `m,device=d x_rms=1,y_rms=2,up_rms=3 ${ARRIVAL_NS}`,
    );
    expect(readings.describe()[0]?.fields[1]).toEqual({ name: 'y_rms', type: 'float', unit: 'mm/s' });
  });

  it('with renamed fields, constants and tags from captures and properties, sorted', () => {
    const readings = readingsOf(
      schema({
        telemetry: {
          topics: ['plant/{line}/{device}'],
          tags: ['line', 'kind', 'ok'],
          constants: { area: 'north, 1' },
          deviceTag: 'machine',
        },
        properties: {
          temperature: { type: 'number', field: 'temp_c' },
          kind: { type: 'string' },
          ok: { type: 'boolean' },
        },
      }),
    );
    expect(lineOf(readings, 'plant/l=1/press3', { temperature: 1, kind: 'a b', ok: true })).toBe(
      `m,area=north\\,\\ 1,kind=a\\ b,line=l\\=1,machine=press3,ok=true temp_c=1 ${ARRIVAL_NS}`,
    );
    expect(lineOf(readings, 'plant/l1/press3', { temperature: 1 })).toBe(
      `m,area=north\\,\\ 1,line=l1,machine=press3 temp_c=1 ${ARRIVAL_NS}`,
    );
  });

  it('in the measurement a topic names', () => {
    const readings = readingsOf(
      schema({ telemetry: { measurement: '{kind}', topics: ['t/{kind}/{device}'] } }),
    );
    expect(lineOf(readings, 't/boiler/d', { temperature: 1 })).toBe(
      `boiler,device=d temperature=1 ${ARRIVAL_NS}`,
    );
    expect(lineOf(readings, 't/#x/d', { temperature: 1 })).toMatch(
      /^invalid: \{kind\} of the topic must not begin/,
    );
  });

  it('from the device that topic, payload, client, login or port name', () => {
    const by = (device: string, extra: object = {}): ReturnType<typeof readingsOf> =>
      readingsOf(schema({ telemetry: { topics: ['t/{id}'], device, ...extra }, properties: { meta: META } }));
    const META = { type: 'object', properties: { serial: { type: 'integer' } } };
    const line = (name: string, more = ''): string => `m,device=${name} temperature=1${more} ${ARRIVAL_NS}`;
    const payload = { temperature: 1, meta: { serial: 42 } };
    expect(lineOf(by('{id}'), 't/x', payload)).toBe(line('x', ',meta_serial=42i'));
    expect(lineOf(by('/meta/serial'), 't/x', payload)).toBe(line('42'));
    expect(lineOf(by('/meta/serial'), 't/x', { temperature: 1 })).toMatch(/\/meta\/serial is required/);
    expect(lineOf(by('clientId'), 't/x', { temperature: 1 })).toBe(line('c1'));
    expect(lineOf(by('username'), 't/x', { temperature: 1 }, { username: 'eve' })).toBe(line('eve'));
    expect(lineOf(by('username'), 't/x', { temperature: 1 })).toMatch(/did not log in/);
    expect(lineOf(by('port'), 't/x', { temperature: 1 }, { device: 'scale 1' })).toBe(line('scale\\ 1'));
    expect(lineOf(by('/meta/serial', { deviceTag: false }), 't/x', payload)).toBe(
      `m temperature=1,meta_serial=42i ${ARRIVAL_NS}`,
    );
  });

  it('for each element of an array, each on its own', () => {
    const readings = readingsOf(schema());
    const all = interpret(readings, 't/d', [
      { temperature: 1 },
      { temperature: 'x', seq: 9 },
      { temperature: 3 },
    ]);
    expect(all.map(inText)).toEqual([
      `m,device=d temperature=1 ${ARRIVAL_NS}`,
      'invalid: /temperature must be number, got string "x"',
      `m,device=d temperature=3 ${ARRIVAL_NS}`,
    ]);
    expect(all[1]).toMatchObject({ kind: 'bad', device: 'd', schema: 'test.v1', seq: 9 });
    expect(interpret(readings, 't/d', []).map(inText)).toEqual(['invalid: must be object, got nothing']);
  });

  it('or is invalid when nothing is left to store', () => {
    const readings = readingsOf(schema());
    expect(lineOf(readings, 't/d', {})).toBe(
      'invalid: must have at least one field to store, has no properties to store',
    );
    expect(lineOf(readings, 't/d', { temp: 3, x: [] })).toBe(
      'invalid: must have at least one field to store, has only properties 2 that the schema does not store',
    );
  });
});

describe('values that mean "no value"', () => {
  const readings = readingsOf(
    schema({
      required: ['temperature'],
      properties: {
        temperature: { type: 'number', minimum: -60, missing: [null, 'nan', -127] },
        humidity: { type: 'number' },
      },
    }),
  );

  it('are left out before the schema looks, also where the property is required, and counted', () => {
    for (const temperature of [null, 'nan', -127]) {
      expect(lineOf(readings, 't/d', { temperature, humidity: 40 })).toBe(
        `m,device=d humidity=40 ${ARRIVAL_NS}`,
      );
    }
    expect(readings.describe()[0]?.stats).toEqual({ ignored: 0, missing: 3 });
  });

  it('null is one for every property that may be left out, whatever its type, and for no other', () => {
    const optional = readingsOf(
      schema({
        required: ['a'],
        properties: {
          a: { type: 'number' },
          b: { type: 'integer', minimum: 1 },
          c: { type: 'object', properties: { d: { type: 'string', enum: ['x'] } } },
        },
      }),
    );
    const reading = { a: 1, b: null, c: { d: null } };
    expect(lineOf(optional, 't/d', reading)).toBe(`m,device=d a=1 ${ARRIVAL_NS}`);
    expect(optional.describe()[0]?.stats).toEqual({ ignored: 0, missing: 2 });
    expect(lineOf(optional, 't/d', { a: null, b: 2 })).toBe('invalid: /a is required, but missing');
  });

  describe('that are numbers', () => {
    const readings = readingsOf(
      schema({
        properties: {
          a: { type: 'number' },
          t: { type: ['number', 'string'], format: 'double', minimum: -60, missing: [-127, 0, 'nan'] },
          big: {
            type: ['integer', 'string'],
            format: 'int64',
            missing: [-1, -(2 ** 63), '9223372036854775807'],
          },
          s: { type: 'string', missing: [-127] },
        },
      }),
    );
    const only = `m,device=d a=1 ${ARRIVAL_NS}`;

    it.each([-127, '-127', '-127.0', '-1.27e2', '0', '-0', '+0.0', 'nan'])(
      'are known in a text of the same number: %j',
      (t) => {
        expect(lineOf(readings, 't/d', { a: 1, t })).toBe(only);
      },
    );

    it.each([-1, '-1', '-1.0', '-9223372036854775808', '9223372036854775807'])(
      'are known in whole numbers as text, to the last digit: %j',
      (big) => {
        expect(lineOf(readings, 't/d', { a: 1, big })).toBe(only);
      },
    );

    it('take nothing out that is another number, or no number', () => {
      expect(lineOf(readings, 't/d', { t: '-127.01' })).toBe('invalid: /t must be >= -60, got "-127.01"');
      expect(lineOf(readings, 't/d', { t: 'NaN' }), 'a text is compared as it is').toMatch(/^invalid: \/t /);
      expect(lineOf(readings, 't/d', { t: '' })).toMatch(/^invalid: \/t /);
      expect(lineOf(readings, 't/d', { big: '-9223372036854775807' })).toBe(
        `m,device=d big=-9223372036854775807i ${ARRIVAL_NS}`,
      );
      expect(lineOf(readings, 't/d', { big: '9223372036854775806' })).toContain('big=9223372036854775806i');
      expect(lineOf(readings, 't/d', { s: '-127' }), 'a text that is no number').toContain('s="-127"');
    });
  });

  it('say of a condition only what failed behind it', () => {
    const conditional = readingsOf(
      schema({
        properties: { fix: { type: 'string' } },
        if: { required: ['fix'], properties: { fix: { const: 'none' } } },
        else: { required: ['temperature'] },
      }),
    );
    expect(lineOf(conditional, 't/d', { fix: '3d' })).toBe('invalid: /temperature is required, but missing');
    expect(lineOf(conditional, 't/d', { fix: 'none' })).toContain('fix="none"');
  });

  it('do not excuse what was not sent, or is wrong', () => {
    expect(lineOf(readings, 't/d', { humidity: 40 })).toBe('invalid: /temperature is required, but missing');
    expect(lineOf(readings, 't/d', { temperature: -100, humidity: 40 })).toMatch(/must be >= -60/);
    expect(lineOf(readings, 't/d', { temperature: 'nan' })).toBe(
      'invalid: must have at least one field to store, the only one is null or declared missing',
    );
    expect(lineOf(readings, 't/d', { temperature: 'nan', humidity: null, other: 1 })).toBe(
      'invalid: must have at least one field to store, has only properties 2 null or declared missing and 1 that the schema does not store',
    );
  });
});

describe('what is not stored', () => {
  it('is counted: undeclared properties, arrays, and those with "field": false', () => {
    const readings = readingsOf(
      schema({ properties: { list: { type: 'array' }, v: { type: 'integer', field: false } } }),
    );
    expect(lineOf(readings, 't/d', { temperature: 1, list: [1], v: 2, other: 3, more: {} })).toBe(
      `m,device=d temperature=1 ${ARRIVAL_NS}`,
    );
    expect(readings.describe()[0]).toMatchObject({
      ignored: [{ pointer: '/list', why: 'an array' }],
      stats: { ignored: 4, missing: 0 },
    });
  });
});

describe('{field} topics', () => {
  const readings = readingsOf(
    schema({
      telemetry: { topics: ['plant/{line}/{device}/{field}', 'plant/{line}/{device}'], tags: ['line'] },
      required: ['temperature', 'state'],
      properties: {
        temperature: { type: 'number', maximum: 90, missing: ['nan'], field: 'temp' },
        state: { type: 'string', enum: ['on', 'off'] },
        count: { type: 'integer' },
        ok: { type: 'boolean' },
      },
    }),
  );
  const line = (field: string): string => `m,device=p3,line=l1 ${field} ${ARRIVAL_NS}`;

  it('take a bare value for the property that the topic names', () => {
    expect(lineOf(readings, 'plant/l1/p3/temperature', ' 21.5\n')).toBe(line('temp=21.5'));
    expect(lineOf(readings, 'plant/l1/p3/count', '7')).toBe(line('count=7i'));
    expect(lineOf(readings, 'plant/l1/p3/ok', 'true')).toBe(line('ok=true'));
    expect(lineOf(readings, 'plant/l1/p3/state', '"on"')).toBe(line('state="on"'));
    expect(lineOf(readings, 'plant/l1/p3/state', 'on')).toBe(line('state="on"'));
  });

  it('hold it against that property alone', () => {
    expect(lineOf(readings, 'plant/l1/p3/temperature', '91')).toBe(
      'invalid: /temperature must be <= 90, got number 91',
    );
    expect(lineOf(readings, 'plant/l1/p3/state', 'maybe')).toBe(
      'invalid: /state must be one of "on", "off", got string "maybe"',
    );
  });

  it('say of a value that is declared missing that it was the only one, quoted or not, and never what it is not', () => {
    for (const sent of ['nan', ' nan\n', '"nan"']) {
      expect(lineOf(readings, 'plant/l1/p3/temperature', sent)).toBe(
        'invalid: must have at least one field to store, the only one is declared missing: got string "nan"',
      );
    }
    for (const field of ['temperature', 'state', 'count', 'ok']) {
      expect(lineOf(readings, `plant/l1/p3/${field}`, 'null')).toBe(
        'invalid: must have at least one field to store, the only one is null',
      );
    }
    expect(lineOf(readings, 'plant/l1/p3/count', 'nan')).toBe(
      'invalid: /count must be integer, got string "nan"',
    );
  });

  it('know a word that is declared missing also where the schema says that they are JSON', () => {
    const told = readingsOf(
      schema({
        telemetry: { topics: ['t/{device}/{field}', 't/{device}'], format: 'json' },
        properties: { temperature: { type: 'number', missing: ['unavailable', '-'] } },
      }),
    );
    for (const word of ['unavailable', '-'])
      expect(lineOf(told, 't/d/temperature', word)).toMatch(/the only one is declared missing/);
    expect(lineOf(told, 't/d/temperature', 'off')).toBe(
      'invalid: /temperature must be number, got string "off"',
    );
    expect(lineOf(told, 't/d/temperature', '21.5')).toBe(`m,device=d temperature=21.5 ${ARRIVAL_NS}`);
    expect(told.route('t/d')?.format).toBe('json');
  });

  it('leave topics to others whose last level is no property', () => {
    expect(readings.route('plant/l1/p3/pressure')).toBeNull();
    expect(readings.route('plant/l1/p3/__proto__')).toBeNull();
    expect(readings.route('plant/l1/p3/constructor')).toBeNull();
    expect(readings.route('plant/l1/p3')?.format).toBe('json');
    expect(readings.route('plant/l1/p3/count')?.format).toBe('scalar');
  });
});

describe('schemas that share a topic', () => {
  const version = (v: number | null, more: object): object =>
    schema({
      $id: `test.v${v ?? 0}`,
      telemetry: { measurement: `m${v ?? 0}`, ...(v === null ? {} : { select: { v } }) },
      ...more,
    });

  it('are told apart by their constants', () => {
    const readings = readingsOf(
      version(1, { properties: { t: { type: 'number' } } }),
      version(2, { properties: { t: { type: 'string' } } }),
    );
    expect(readings.route('t/d')?.schemas).toEqual(['test.v1', 'test.v2']);
    expect(lineOf(readings, 't/d', { v: 1, t: 3 })).toBe(`m1,device=d t=3 ${ARRIVAL_NS}`);
    expect(lineOf(readings, 't/d', { v: 2, t: 'x' })).toBe(`m2,device=d t="x" ${ARRIVAL_NS}`);
    const [neither] = interpret(readings, 't/d', { v: 3, t: 3, seq: 4 });
    expect(neither).toMatchObject({ kind: 'bad', schema: null, device: 'd', code: 'invalid', seq: 4 });
    expect(lineOf(readings, 't/d', '{"__proto__":{"v":1},"t":3}')).toBe(
      'invalid: matches no schema of this topic: must have v = 1 (test.v1) or v = 2 (test.v2)',
    );
    expect(lineOf(readings, 't/d', '5')).toMatch(/matches no schema/);
  });

  it('leave to the one without constants what the others do not claim', () => {
    const readings = readingsOf(version(null, {}), version(2, {}));
    expect(lineOf(readings, 't/d', { temperature: 1 })).toMatch(/^m0,/);
    expect(lineOf(readings, 't/d', { temperature: 1, v: 2 })).toMatch(/^m2,/);
  });

  it('may name the captures differently', () => {
    const readings = readingsOf(
      version(1, { telemetry: { measurement: 'a', topics: ['t/{device}'], select: { v: 1 } } }),
      version(2, { telemetry: { measurement: 'b', topics: ['t/{id}'], device: '{id}', select: { v: 2 } } }),
    );
    expect(lineOf(readings, 't/x', { temperature: 1, v: 2 })).toBe(`b,device=x temperature=1 ${ARRIVAL_NS}`);
  });
});
