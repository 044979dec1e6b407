/** Reading schemas made up: whatever keywords may meet in one. */
import fc from 'fast-check';

const number = fc
  .record({
    type: fc.constantFrom('number', 'integer'),
    low: fc.integer({ min: -1000, max: 1000 }),
    // Room for one multiple of 3 also between open ends.
    span: fc.integer({ min: 4, max: 5000 }),
    form: fc.constantFrom('none', 'closed', 'open', 'low', 'high'),
    unit: fc.constantFrom(undefined, 'Cel', '%RH', 'V', 'A', 'W', 'lx', 'l/min'),
    multipleOf: fc.constantFrom(undefined, undefined, 1, 0.5, 0.1, 3),
  })
  .map(({ type, low, span, form, unit, multipleOf }) => ({
    type,
    ...(form === 'closed' ? { minimum: low, maximum: low + span } : {}),
    ...(form === 'open' ? { exclusiveMinimum: low, exclusiveMaximum: low + span } : {}),
    ...(form === 'low' ? { minimum: low } : {}),
    ...(form === 'high' ? { exclusiveMaximum: low } : {}),
    ...(unit === undefined ? {} : { unit }),
    ...(multipleOf === undefined ? {} : { multipleOf }),
  }));

const text = fc.oneof(
  fc.record({
    type: fc.constant('string'),
    minLength: fc.nat(20),
    maxLength: fc.integer({ min: 20, max: 60 }),
  }),
  fc.record({
    type: fc.constant('string'),
    format: fc.constantFrom(
      'date',
      'time',
      'date-time',
      'uuid',
      'ipv4',
      'ipv6',
      'email',
      'hostname',
      'uri',
      'duration',
      'int64',
      'double',
    ),
  }),
  fc.record({
    type: fc.constant('string'),
    pattern: fc.constantFrom(
      '^[a-z]{3}-\\d+$',
      '^(on|off)$',
      '\\d{2}',
      '^v\\d+(\\.\\d+){2}$',
      '^[^a-f]{4}$',
      '^\\w+@\\w+$',
      'ab?c*',
    ),
  }),
  fc.constant({ type: 'string' }),
);

const choice = fc.constantFrom<object>(
  { enum: ['a', 'b', 'c'] },
  { type: 'integer', enum: [1, 2, 5] },
  { const: 'fixed' },
  { type: 'boolean' },
  { type: ['number', 'null'], minimum: 0 },
  { type: ['number', 'string'], format: 'double', minimum: 0, maximum: 99 },
  { type: 'number', missing: [-127, 'nan', null], minimum: 0 },
  { allOf: [{ type: 'number', minimum: 5 }, { maximum: 10 }] },
  { $ref: '#/$defs/shared' },
  { type: 'integer', anyOf: [{ minimum: 10 }, { maximum: -10 }] },
  { type: 'integer', oneOf: [{ multipleOf: 4, minimum: 1 }, { const: 3 }] },
);

const array = fc.record({
  type: fc.constant('array'),
  items: fc.constantFrom({ type: 'number', minimum: 0 }, { type: 'string' }),
  minItems: fc.nat(4),
  maxItems: fc.integer({ min: 4, max: 12 }),
});

const name = fc.constantFrom(
  'temperature',
  'humidity',
  'dew_point',
  'voltage',
  'current',
  'power',
  'energy',
  'seq',
  'uptime',
  'battery',
  'light',
  'heading',
  'peak',
  'rms',
  'state',
  'x',
  'y1',
  'Note',
);

const leaf = fc.oneof(
  { weight: 4, arbitrary: number },
  { weight: 2, arbitrary: text },
  { weight: 3, arbitrary: choice },
  { weight: 1, arbitrary: array },
);

const object = fc.dictionary(name, leaf, { minKeys: 1, maxKeys: 6 }).chain((properties) =>
  fc.record({
    type: fc.constant('object'),
    properties: fc.constant(properties),
    required: fc.subarray(Object.keys(properties)),
    additionalProperties: fc.boolean(),
  }),
);

/** May be one that the gateway refuses at load. */
export const randomSchema = fc
  .record({
    properties: fc.dictionary(
      name,
      fc.oneof({ weight: 4, arbitrary: leaf }, { weight: 1, arbitrary: object }),
      { minKeys: 1, maxKeys: 8 },
    ),
    required: fc.double({ min: 0, max: 1, noNaN: true }),
    fork: fc.constantFrom('none', 'oneOf', 'anyOf', 'if', 'max', 'dependent'),
    time: fc.constantFrom(null, 's', 'ms', 'us'),
    closed: fc.boolean(),
  })
  .map(({ properties, required, fork, time, closed }) => {
    const names = Object.keys(properties);
    const [first = 'x', second = first] = names;
    const forks: Record<string, object> = {
      none: {},
      oneOf: first === second ? {} : { oneOf: [{ required: [first] }, { required: [second] }] },
      anyOf: { anyOf: [{ required: [first] }, { required: [second] }] },
      if: { if: { required: [first] }, else: { required: [second] } },
      max: { maxProperties: Math.max(2, names.length) },
      dependent: { dependentRequired: { [first]: [second] } },
    };
    const needed = fork === 'oneOf' ? [] : names.slice(0, Math.floor(required * names.length));
    return {
      $id: 'random.v1',
      telemetry: {
        measurement: 'random',
        topics: ['random/{device}'],
        ...(time === null ? {} : { time: { property: 'ts', unit: time } }),
      },
      type: 'object',
      properties: { ...properties, ...(time === null ? {} : { ts: { type: 'integer' } }) },
      required: needed,
      ...forks[fork],
      ...(closed ? { additionalProperties: false } : {}),
      $defs: { shared: { type: 'number', minimum: 1, maximum: 2 } },
    };
  });
