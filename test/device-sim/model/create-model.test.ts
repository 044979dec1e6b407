import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { PAYLOAD_FAULTS, type PayloadFault, type PlannedReading } from '../../../device-sim/contracts.ts';
import { digestOf } from '../../../device-sim/field-digest.ts';
import { createModel } from '../../../device-sim/model/create-model.ts';
import {
  loadReadingSchemas,
  type ReadingSchema,
  readingSchema,
} from '../../../device-sim/model/reading-schemas.ts';
import { compileReadingSchema } from '../../../gateway/readings/reading-schema.ts';
import { ODD_SCHEMAS } from './odd-schemas.ts';
import { randomSchema } from './random-schemas.ts';
import { fleetOf, scenarioOf } from './scenario-under-test.ts';

const SHIPPED = loadReadingSchemas([new URL('../../../schemas/readings', import.meta.url).pathname]);
const ODD = ODD_SCHEMAS.map(schemaOf);
const ALL = [...SHIPPED, ...ODD];
const START_MS = Date.UTC(2026, 4, 1, 12);
const EVERY_FAULT = Object.fromEntries(
  PAYLOAD_FAULTS.map((fault) => [fault, fault === 'oversized' ? 0.002 : 0.05]),
);

function schemaOf(value: unknown): ReadingSchema {
  const schema = readingSchema(value);
  if (schema === null) throw new Error('no reading schema');
  return schema;
}

function say(
  schemas: readonly ReadingSchema[],
  readings: number,
  options: {
    seed?: number;
    startMs?: number;
    faults?: Partial<Record<PayloadFault, number>>;
    devices?: number;
  } = {},
): PlannedReading[] {
  const { seed = 1, startMs = START_MS, faults = {}, devices = schemas.length } = options;
  const model = createModel(scenarioOf([fleetOf({ devices, faults })], seed), schemas, startMs);
  const said: PlannedReading[] = [];
  for (let n = 0; n < readings; n += 1) {
    for (const device of model.devices) {
      const reading = device.next(n * 1_000_000 + 123);
      if (reading !== null) said.push(reading);
    }
  }
  return said;
}

function digestOfAll(readings: readonly PlannedReading[]): string {
  const { high, low } = digestOf(
    readings.map(({ topic, payload }) => `${topic} ${payload.toString('base64')}`).join('\n'),
  );
  return `${high.toString(16)} ${low.toString(16)}`;
}

/** What may not depend on when a run is made. */
function withoutTime({ payload: _, ...rest }: PlannedReading): unknown {
  return rest;
}

/** Lists are not stored, and these are what random schemas declare as missing. */
function saysNothing(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === null || value === -127 || value === 'nan';
  return Array.isArray(value) || Object.values(value).every(saysNothing);
}

/** Of some no reading has anything to store (two properties at most, a list and a time): that is said, and right. */
function readingsOf(root: unknown, seed: number): readonly PlannedReading[] {
  try {
    return say([schemaOf(root)], 20, { seed });
  } catch (error) {
    fc.pre(!String(error).endsWith('it has no field to store'));
    throw error;
  }
}

describe('what devices say', () => {
  test('depends on the seed alone: the same bytes again, on every machine', () => {
    const once = say(ALL, 40, { faults: EVERY_FAULT });
    expect(digestOfAll(say(ALL, 40, { faults: EVERY_FAULT }))).toBe(digestOfAll(once));
    expect(digestOfAll(say(ALL, 40, { faults: EVERY_FAULT, seed: 2 }))).not.toBe(digestOfAll(once));
    // Found on x64 under Node 20: another machine or version must find the same.
    expect(digestOfAll(say(ODD, 40))).toBe('1830aa9a 96482212');
  });

  test('is the same in another run but for its times and identities', () => {
    const later = say(ALL, 60, { faults: EVERY_FAULT, startMs: START_MS + 86_400_123 });
    expect(later.map(withoutTime)).toEqual(say(ALL, 60, { faults: EVERY_FAULT }).map(withoutTime));
  });

  test('is not the same of two devices', () => {
    const [environment] = SHIPPED.filter(({ $id }) => $id === 'environment.v1');
    const said = say(environment === undefined ? [] : [environment], 1, { devices: 50 });
    expect(new Set(said.map(({ expected }) => `${expected?.fields.high} ${expected?.fields.low}`)).size).toBe(
      50,
    );
  });

  test('is not changed by faults of other readings', () => {
    const good = new Map(
      say(SHIPPED, 50).map((reading) => [`${reading.device} ${reading.n}`, reading.payload.toString()]),
    );
    const spoilt = say(SHIPPED, 50, { faults: { violation: 0.2, undecodable: 0.2 } });
    for (const { device, n, fault, payload } of spoilt) {
      if (fault === null) expect(payload.toString()).toBe(good.get(`${device} ${n}`));
    }
  });

  test('is always valid, of every schema that ships and of odd ones', () => {
    for (const { fault, fate, payload, topic } of say(ALL, 300, { devices: ALL.length * 2 })) {
      expect(fault).toBe(null);
      expect(fate, `${topic} ${payload.toString()}`).toBe('stored');
    }
  });

  test('is always valid for schemas nobody has thought of, as the gateway itself compiles them', {
    timeout: 120_000,
  }, () => {
    fc.assert(
      fc.property(randomSchema, fc.nat(), (root, seed) => {
        const { schema: compiled } = compileReadingSchema('random.json', JSON.stringify(root));
        fc.pre(compiled !== null);
        for (const { payload, fate } of readingsOf(root, seed)) {
          expect(
            compiled?.whole.payload.check(JSON.parse(payload.toString())),
            `${JSON.stringify(root)}\n${payload.toString()}`,
          ).toEqual([]);
          // Where all that could be stored happens to be missing at once, there is nothing to store.
          expect(fate).toBe(saysNothing(JSON.parse(payload.toString())) ? 'rejected' : 'stored');
        }
      }),
      { numRuns: Number(process.env.MODEL_SCHEMAS ?? 60) },
    );
  });

  test('follows itself: power is voltage times current, humid air is cool, counters grow', () => {
    const [meter] = SHIPPED.filter(({ $id }) => $id === 'power-meter.v1');
    const readings = say(meter === undefined ? [] : [meter], 200).map(
      ({ payload }): Record<string, number> => JSON.parse(payload.toString()),
    );
    for (const { power = 0, voltage = 0, current = 0, power_factor = 0 } of readings) {
      expect(Math.abs(power - voltage * current * power_factor)).toBeLessThan(0.06);
    }
    const energies = readings.map(({ energy_import = 0 }) => energy_import);
    expect(energies).toEqual([...energies].sort((a, b) => a - b));
  });

  test('is named by topic, payload or client id as its schema wants', () => {
    const named = (device: string, properties: object) =>
      schemaOf({
        $id: 'x',
        telemetry: { measurement: 'x', topics: ['x/{id}'], device },
        type: 'object',
        properties,
      });
    const value = { value: { type: 'number' } };
    const name = (schema: ReadingSchema, topic: string | null = null) =>
      createModel(scenarioOf([fleetOf({ topic })]), [schema], START_MS).devices[0]?.name;
    expect(name(named('{id}', value))).toBe('sim-0001');
    expect(name(named('clientId', value))).toBe('sim-0001');
    expect(name(named('/serial', { ...value, serial: { type: 'string', pattern: '^[A-F]{3}$' } }))).toMatch(
      /^[A-F]{3}$/,
    );
    expect(() => name(named('username', value))).toThrow('user name');
    expect(() => name(named('port', value))).toThrow('serial');
  });
});

describe('topics', () => {
  test('of a fleet take the place of those of the schema, and tell it what they capture', () => {
    const fleet = fleetOf({ schema: 'environment.v1', devices: 2, topic: 'site/roof/box-%i/environment' });
    const [, second] = createModel(scenarioOf([fleet]), SHIPPED, START_MS).devices;
    expect(second?.next(0)).toMatchObject({ topic: 'site/roof/box-1/environment', fate: 'stored' });
    expect(second?.tags).toEqual({ site: 'roof' });
    expect(second?.name).toBe('box-1');
  });

  test('that the schema does not claim leave it open what becomes of a reading', () => {
    const fleet = fleetOf({ schema: 'environment.v1', topic: 'elsewhere/%c' });
    const [device] = createModel(scenarioOf([fleet]), SHIPPED, START_MS).devices;
    expect(device?.next(0)).toMatchObject({ topic: 'elsewhere/sim-0001', fate: 'either', expected: null });
  });
});

describe('payloads', () => {
  test('are brought up to a size where the schema ignores what it does not know', () => {
    const model = createModel(
      scenarioOf([fleetOf({ devices: ALL.length, payloadBytes: 700 })]),
      ALL,
      START_MS,
    );
    for (const device of model.devices) {
      const reading = device.next(0);
      const isPadded = device.schema !== 'named.v1' && device.schema !== 'press.v1';
      if (isPadded) expect(reading?.payload.length, device.schema).toBe(700);
      else expect(reading?.payload.length).toBeLessThan(700);
      expect(reading?.fate).toBe('stored');
    }
  });
});

describe('identities', () => {
  test('never come twice, in one run or in two', () => {
    const seen = new Set<string>();
    for (const startMs of [START_MS, START_MS + 1000, START_MS + 86_400_000]) {
      for (const { payload } of say(
        ODD.filter(({ $id }) => $id === 'exact.v1'),
        200,
        { startMs },
      )) {
        const { boot, seq }: { boot: number; seq: number } = JSON.parse(payload.toString());
        seen.add(`${boot} ${seq}`);
      }
    }
    expect(seen.size).toBe(600);
  });

  test('are left out of what two runs are compared by', () => {
    const [device] = createModel(scenarioOf([fleetOf({ schema: 'exact.v1' })]), ALL, START_MS).devices;
    expect(device?.undigested).toEqual(['boot']);
  });

  test('of one number alone hold the run and the reading, as far as the number reaches', () => {
    const one = (more: object) =>
      schemaOf({
        $id: 'one',
        telemetry: { measurement: 'one', topics: ['one/{device}'], identity: ['id'] },
        type: 'object',
        properties: { id: { type: 'integer', ...more }, value: { type: 'number' } },
      });
    const wide = say([one({})], 5).map(({ payload }): number => JSON.parse(payload.toString()).id);
    const next = say([one({})], 5, { startMs: START_MS + 1000 }).map(
      ({ payload }): number => JSON.parse(payload.toString()).id,
    );
    expect(Math.min(...next)).toBeGreaterThan(Math.max(...wide));
    expect(say([one({ minimum: 1, maximum: 3 })], 5).map(({ fate }) => fate)).toEqual([
      'stored',
      'stored',
      'stored',
      'either',
      'either',
    ]);
  });
});

test('a schema of which no device can be made says which property it is about', () => {
  const schema = (properties: object) =>
    schemaOf({
      $id: 'hard.v1',
      telemetry: { measurement: 'h', topics: ['h/{device}'] },
      type: 'object',
      required: ['code'],
      properties,
    });
  expect(() => say([schema({ code: { type: 'string', pattern: '^\\p{L}+$' } })], 1)).toThrow(
    /hard\.v1.*"code".*examples/,
  );
  expect(
    say(
      [schema({ code: { type: 'string', pattern: '^\\p{L}+$', examples: ['Größe'] } })],
      1,
    )[0]?.payload.toString(),
  ).toBe('{"code":"Größe"}');
});
