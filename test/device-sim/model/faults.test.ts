import { expect, test } from 'vitest';
import type { PayloadFault, PlannedReading } from '../../../device-sim/contracts.ts';
import { createModel } from '../../../device-sim/model/create-model.ts';
import { loadReadingSchemas, readingSchema } from '../../../device-sim/model/reading-schemas.ts';
import { createSchemaModel } from '../../../device-sim/model/schema-model.ts';
import { ODD_SCHEMAS } from './odd-schemas.ts';
import { fleetOf, scenarioOf } from './scenario-under-test.ts';

const SHIPPED = loadReadingSchemas([new URL('../../../schemas/readings', import.meta.url).pathname]);
const START_MS = Date.UTC(2026, 4, 1, 12);

function say(schema: string, fault: PayloadFault, rate: number, readings = 400): (PlannedReading | null)[] {
  const fleet = fleetOf({ schema, faults: { [fault]: rate } });
  const [device] = createModel(scenarioOf([fleet]), SHIPPED, START_MS).devices;
  return Array.from({ length: readings }, (_, n) => device?.next(n * 1_000_000) ?? null);
}

function struck(readings: readonly (PlannedReading | null)[]): PlannedReading[] {
  return readings.filter((reading): reading is PlannedReading => reading !== null && reading.fault !== null);
}

function jsonOf({ payload }: PlannedReading): Record<string, unknown> {
  return JSON.parse(payload.toString());
}

test.each([
  'violation',
  'type-flip',
  'undecodable',
  'wrong-unit',
  'stuck',
  'clock-skew',
  'clock-drift',
  'clock-1970',
] as const)('%s strikes the share of readings that it should', (fault) => {
  const share = struck(say('power-meter.v1', fault, 0.2, 8000)).length / 8000;
  expect(share).toBeGreaterThan(0.15);
  expect(share).toBeLessThan(0.25);
});

test('a type flip leaves the name of the device alone: under another one nobody would look for the reading', () => {
  const schemas = ODD_SCHEMAS.map(readingSchema).filter((schema) => schema !== null);
  const named = schemas.find(({ telemetry }) => telemetry.device === '/serial');
  const fleet = fleetOf({ schema: named?.$id ?? '', faults: { 'type-flip': 1 } });
  const [device] = createModel(scenarioOf([fleet]), schemas, START_MS).devices;
  const name = `"serial":${/"serial":("[^"]*"|[0-9]+)/.exec(device?.next(0)?.payload.toString() ?? '')?.[1]}`;
  for (let n = 1; n < 200; n += 1) expect(device?.next(n * 1_000_000)?.payload.toString()).toContain(name);
});

test('silence is no reading at all, for a while', () => {
  const silent = say('power-meter.v1', 'silence', 0.2, 8000).filter((reading) => reading === null).length;
  expect(silent / 8000).toBeGreaterThan(0.15);
  expect(silent / 8000).toBeLessThan(0.25);
});

test('violations are of many kinds, and each is really one', () => {
  const exact = ODD_SCHEMAS.map(readingSchema).filter((schema) => schema !== null);
  const kinds = new Set<string>();
  for (const schema of [...SHIPPED, ...exact]) {
    const { faults } = createSchemaModel(schema, [schema]);
    for (const { kind } of faults.violations) kinds.add(kind);
  }
  expect([...kinds].sort()).toEqual([
    'above maximum',
    'at exclusive maximum',
    'at exclusive minimum',
    'below minimum',
    'beyond 53 bits',
    'format',
    'line break',
    'missing',
    'not a multiple',
    'not an integer',
    'not an object',
    'not in enum',
    'null though required',
    'pattern',
    'too few items',
    'too long',
    'too many items',
    'too short',
    'undeclared',
    'wrong type',
  ]);
  for (const schema of SHIPPED) {
    for (const { fault, fate, payload } of struck(say(schema.$id, 'violation', 1, 100))) {
      expect(fault).toBe('violation');
      expect(fate, payload.toString()).toBe('rejected');
    }
  }
});

test('a stuck sensor says the same again, while time and counter go on', () => {
  const readings = struck(say('environment.v1', 'stuck', 0.5, 200));
  let pairs = 0;
  for (const [i, reading] of readings.entries()) {
    const before = readings[i - 1];
    if (before === undefined || before.n !== reading.n - 1) continue;
    const { ts, seq, ...values } = jsonOf(reading);
    const { ts: tsBefore, seq: seqBefore, ...valuesBefore } = jsonOf(before);
    if (JSON.stringify(values) === JSON.stringify(valuesBefore)) pairs += 1;
    expect(Number(ts)).toBeGreaterThan(Number(tsBefore));
    expect(Number(seq)).toBe(Number(seqBefore) + 1);
  }
  expect(pairs).toBeGreaterThan(readings.length * 0.7);
});

test('a clock that was never set counts from its start, and is refused; one that is hours ahead is too', () => {
  for (const reading of struck(say('environment.v1', 'clock-1970', 0.3))) {
    expect(Number(jsonOf(reading).ts)).toBeLessThan(86_400_000);
    expect(reading).toMatchObject({ fate: 'rejected', expected: null });
  }
  for (const reading of struck(say('environment.v1', 'clock-skew', 0.5))) {
    const aheadMs = Number(jsonOf(reading).ts) - START_MS - reading.n * 1000;
    expect(Math.abs(aheadMs)).toBeGreaterThan(60_000);
    expect(reading.fate).toBe(aheadMs > 3_600_000 ? 'rejected' : 'stored');
    if (reading.expected !== null) {
      expect(Number((reading.expected.time?.ns ?? 0n) / 1_000_000n)).toBe(
        aheadMs + reading.n * 1000 + (aheadMs < 0 ? 1 : 0),
      );
    }
  }
});

test('what is too large is beyond the limit of the gateway; what is large and allowed is stored', () => {
  const readings = struck(say('environment.v1', 'oversized', 1, 30));
  const fates = new Set(readings.map(({ fate }) => fate));
  expect([...fates].sort()).toEqual(['rejected', 'stored']);
  for (const { fate, payload } of readings) expect(payload.length > 256 * 1024).toBe(fate === 'rejected');
});

test('what cannot be read cannot be read', () => {
  for (const { payload, fate } of struck(say('environment.v1', 'undecodable', 1, 100))) {
    expect(fate).toBe('rejected');
    expect(() => JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(payload))).toThrow();
  }
});

test('a flipped type that the schema takes all the same is stored, as what it is then', () => {
  const fates = struck(say('environment.v1', 'type-flip', 1, 200)).map(({ fate, payload }) => [
    fate,
    payload.toString(),
  ]);
  expect(fates.filter(([fate]) => fate === 'rejected').some(([, text]) => text?.includes('NaN'))).toBe(true);
  expect(fates.filter(([fate]) => fate === 'stored').some(([, text]) => text?.includes('null'))).toBe(true);
});
