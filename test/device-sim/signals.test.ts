import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDevice } from '../../device-sim/device.ts';
import { badPayload } from '../../device-sim/faults.ts';
import { seededRandom } from '../../device-sim/random.ts';
import { loadReadingSchemas, type ReadingSchema } from '../../device-sim/reading-schemas.ts';
import { signalFor } from '../../device-sim/signals.ts';

const ajv = new Ajv2020({ strict: false, validateFormats: false });
const SHIPPED = new URL('../../schemas/readings', import.meta.url).pathname;

const numeric = fc
  .record({
    type: fc.constantFrom('number', 'integer'),
    low: fc.integer({ min: -1000, max: 1000 }),
    span: fc.integer({ min: 2, max: 5000 }),
    exclusive: fc.boolean(),
  })
  .map(({ type, low, span, exclusive }) =>
    exclusive
      ? { type, exclusiveMinimum: low, exclusiveMaximum: low + span }
      : { type, minimum: low, maximum: low + span },
  );

test('a number never leaves the range its schema allows', () => {
  fc.assert(
    fc.property(numeric, fc.nat(), (schema, seed) => {
      const signal = signalFor('x', schema, seededRandom(seed), () => 0);
      const valid = ajv.compile(schema);
      for (let i = 0; i < 50; i += 1) {
        const value = signal();
        expect(valid(value), `${String(value)} under ${JSON.stringify(schema)}`).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

const example: ReadingSchema = {
  $id: 'example.v1',
  telemetry: { topics: ['sensors/{device}/example'], time: { property: 'ts', unit: 'ms' } },
  type: 'object',
  required: ['temperature'],
  properties: {
    ts: { type: 'integer' },
    temperature: { type: 'number', minimum: -60, maximum: 125, examples: [21.5] },
    on: { type: 'boolean' },
    mode: { enum: ['auto', 'manual'] },
    seq: { type: 'integer', minimum: 0 },
  },
};

test('the same seed gives the same readings, another seed others', () => {
  const readings = (seed: number): string =>
    JSON.stringify(
      Array.from({ length: 20 }, (_, i) => {
        const device = createDevice({ index: i, schema: example, seed, badShare: 0.3, nowMs: () => 5 });
        return [device.next(), device.next()];
      }),
    );
  expect(readings(1)).toBe(readings(1));
  expect(readings(1)).not.toBe(readings(2));
});

test('a bad reading is refused by its schema, or is no JSON', () => {
  const valid = ajv.compile(example);
  const device = createDevice({ index: 0, schema: example, seed: 3, badShare: 0, nowMs: Date.now });
  const random = seededRandom(4);
  const seen = new Set<string>();
  for (let i = 0; i < 200; i += 1) {
    const reading: unknown = JSON.parse(device.next().payload);
    expect(valid(reading)).toBe(true);
    const { fault, payload } = badPayload(example, { ...Object(reading) }, random);
    seen.add(fault);
    if (fault === 'undecodable') expect(() => void JSON.parse(payload)).toThrow();
    else expect(valid(JSON.parse(payload)), payload).toBe(false);
  }
  expect(seen).toEqual(new Set(['out-of-range', 'undecodable', 'wrong-type']));
});

test('every shipped schema can be imitated: good readings are valid, bad ones are not', () => {
  for (const [index, schema] of loadReadingSchemas(SHIPPED).entries()) {
    // The vocabulary is the gateway's to check.
    const { required = [], properties = {} } = schema;
    const valid = ajv.compile({ type: 'object', required, properties });
    const device = createDevice({ index, schema, seed: 1, badShare: 0.2, nowMs: Date.now });
    for (let i = 0; i < 300; i += 1) {
      const { payload, fault, topic } = device.next();
      expect(topic).not.toMatch(/[{}]/);
      if (fault === 'undecodable') continue;
      expect(valid(JSON.parse(payload)), `${schema.$id} ${fault ?? 'good'} ${payload}`).toBe(fault === null);
    }
  }
});
