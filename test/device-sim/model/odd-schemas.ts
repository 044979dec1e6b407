/** Reading schemas that use what the shipped ones do not. */
const number = { type: 'number' };
const DIALECT = 'https://json-schema.org/draft/2020-12/schema';

function schema(
  $id: string,
  telemetry: Record<string, unknown>,
  properties: Record<string, unknown>,
  more: Record<string, unknown> = {},
): Record<string, unknown> {
  return { $schema: DIALECT, $id, telemetry, type: 'object', properties, ...more };
}

export const ODD_SCHEMAS: readonly Record<string, unknown>[] = [
  schema(
    'press.v1',
    { measurement: 'press', topics: ['plant/{line}/{device}/{field}'], tags: ['line'] },
    {
      temperature: { ...number, minimum: -20, maximum: 500, unit: 'Cel' },
      strokes: { type: 'integer' },
      running: { type: 'boolean' },
      state: { enum: ['idle', 'busy'] },
      probe: { ...number, missing: [-127] },
    },
  ),
  schema(
    'meter.v1',
    {
      measurement: 'meter',
      topics: ['meters/{device}'],
      select: { v: 1 },
      time: { property: 't', unit: 's' },
    },
    { v: { type: 'integer' }, t: { type: 'integer' }, p: { ...number, field: 'power', unit: 'W' } },
    { required: ['p', 't'] },
  ),
  schema(
    'meter.v2',
    {
      measurement: 'meter',
      topics: ['meters/{device}'],
      select: { v: 2 },
      time: { property: 't', unit: 'iso' },
      constants: { model: 'two' },
    },
    {
      v: { type: 'integer' },
      t: { type: 'string' },
      kilowatts: { ...number, field: 'kw' },
      phase: { type: 'object', properties: { a: number, b: { type: ['number', 'null'] } } },
    },
  ),
  schema(
    'probe.v1',
    {
      measurement: 'probe',
      topics: ['probes/{site}/{device}'],
      tags: ['site'],
      constants: { vendor: 'Acme Ltd' },
      time: { property: 'age', kind: 'age', unit: 's' },
    },
    {
      age: { type: 'integer', minimum: 0 },
      depth: { ...number, missing: [null, 'nan', -127] },
      note: { type: 'string', maxLength: 12 },
      open: { type: 'boolean' },
    },
    { required: ['depth'] },
  ),
  schema(
    'exact.v1',
    {
      measurement: 'exact',
      topics: ['exact/{device}'],
      time: { property: 'at', unit: 'ns' },
      identity: ['boot', 'seq'],
      tags: ['channel'],
    },
    {
      at: { type: 'string', format: 'int64' },
      boot: { type: 'integer', minimum: 0 },
      seq: { type: 'integer', minimum: 0 },
      channel: { type: 'integer', minimum: 1, maximum: 8 },
      big: { type: 'string', format: 'int64' },
      either: { type: ['integer', 'string'], format: 'int64' },
      printed: { type: ['number', 'string'], format: 'double', minimum: 0, maximum: 50 },
      text: { type: 'string', format: 'double' },
      step: { ...number, multipleOf: 0.25 },
      tenth: { ...number, multipleOf: 0.1, minimum: 0, maximum: 5 },
      narrow: { ...number, exclusiveMinimum: 0, exclusiveMaximum: 0.001 },
    },
    { required: ['boot', 'seq', 'big'] },
  ),
  schema(
    'named.v1',
    {
      measurement: '{kind}',
      topics: ['named/{kind}/readings/{rest+}'],
      device: '/serial',
      deviceTag: 'unit',
      tags: ['kind', 'rest', 'mode'],
      time: { property: '/meta/at', unit: 'us' },
    },
    {
      serial: { type: 'string', pattern: '^[A-Z]{2}\\d{6}$' },
      mode: { enum: ['eco', 'full'] },
      meta: { $ref: '#/$defs/meta' },
      code: { type: 'string', pattern: '^(ok|err-[0-9a-f]{2,4}) \\w+$', maxLength: 20 },
      url: { type: 'string', format: 'uri' },
      axes: { type: 'array', items: number, minItems: 3, maxItems: 3 },
      load: { allOf: [{ type: 'number', minimum: 0 }, { maximum: 100 }], unit: '%' },
      hidden: { type: 'string', field: false },
    },
    {
      required: ['serial', 'load'],
      additionalProperties: false,
      $defs: {
        meta: {
          type: 'object',
          required: ['at'],
          properties: { at: { type: 'integer' }, quality: { type: 'integer', minimum: 0, maximum: 100 } },
          additionalProperties: false,
        },
      },
    },
  ),
  schema(
    'forked.v1',
    { measurement: 'forked', topics: ['forked/{device}'], time: { property: 'ts', unit: 's' } },
    {
      ts: { type: 'number' },
      wind: { ...number, minimum: 0 },
      rain: { ...number, minimum: 0 },
      unit_name: { type: 'string', enum: ['mm', 'inch'] },
    },
    {
      oneOf: [{ required: ['wind'] }, { required: ['rain', 'unit_name'] }],
      required: ['ts'],
    },
  ),
  schema(
    'wrong-clock.v1',
    {
      measurement: 'wrong_clock',
      topics: ['clocks/{device}'],
      time: { property: 'ts', unit: 'ms', clock: 'correct', window: { ahead: '10m' } },
    },
    { ts: { type: 'integer' }, value: { ...number, minimum: 0, maximum: 10 } },
  ),
];
