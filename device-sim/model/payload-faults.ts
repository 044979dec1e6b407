/** What may be wrong with one payload. Each gives bytes; what becomes of them is for the verdict to say. */
import type { PayloadFault } from '../contracts.ts';
import type { Random } from '../random.ts';
import type { OwnTime } from './own-time.ts';
import { filler, jsonWithLiteral, padded, withValue } from './payload-edit.ts';
import { pathKey, valueAt } from './reading-schemas.ts';
import { everyPlan, type ObjectPlan, type ScalarPlan } from './value-plan.ts';
import type { Place } from './verdict.ts';
import { type Violation, violationsOf } from './violations.ts';

/** Faults of a single payload, as against those that stay for a while. */
export const SINGLE_FAULTS = ['violation', 'type-flip', 'undecodable', 'oversized', 'wrong-unit'] as const;
export type SingleFault = Extract<PayloadFault, (typeof SINGLE_FAULTS)[number]>;

/** A good payload, before it is spoiled. */
export interface GoodPayload {
  readonly reading: unknown;
  readonly json: string;
  readonly place: Place;
  /** Serial: no line break can be in it, and a frame has a limit of its own. */
  readonly isLine: boolean;
  /** A text property that the schema ignores; null where there can be none. */
  readonly padding: string | null;
}

/** The gateway's `limits.payloadBytes` unless configured. */
export const PAYLOAD_LIMIT = 256 * 1024;
/** The longest line of a serial port unless configured. */
export const FRAME_LIMIT = 8192;

/** Other units of the same thing: what a value becomes in them. */
const OTHER_UNITS: ReadonlyMap<string, (value: number) => number> = new Map([
  ['Cel', (value) => (value * 9) / 5 + 32],
  ['K', (value) => value - 273.15],
  ['%RH', (value) => value / 100],
  ['%EL', (value) => value / 100],
  ['%', (value) => value / 100],
  ['hPa', (value) => value * 100],
  ['bar', (value) => value * 1000],
  ['V', (value) => value * 1000],
  ['A', (value) => value * 1000],
  ['W', (value) => value / 1000],
  ['Wh', (value) => value / 1000],
  ['m/s', (value) => value * 3.6],
  ['mm/s', (value) => value / 1000],
  ['m/s2', (value) => value / 9.80665],
  ['l/min', (value) => value * 60],
  ['l', (value) => value / 1000],
  ['m', (value) => value * 3.280_84],
  ['deg', (value) => value * 0.017_453_292_52],
  ['/min', (value) => value / 60],
  ['ppm', (value) => value / 10_000],
]);

export interface PayloadFaults {
  /** All ways to break the schema, those of the first turns first. */
  readonly violations: readonly Violation[];
  violation(good: GoodPayload, turn: number): Buffer | null;
  typeFlip(good: GoodPayload, turn: number, random: Random): Buffer | null;
  undecodable(good: GoodPayload, turn: number, random: Random): Buffer;
  oversized(good: GoodPayload, turn: number, random: Random): Buffer;
  wrongUnit(good: GoodPayload, turn: number): Buffer | null;
}

/**
 * @param ofRun paths whose values differ from run to run: what becomes of a reading must not
 * @param device path of the property that names the device, which says no other name; null: none does
 */
export function createPayloadFaults(
  plan: ObjectPlan,
  time: OwnTime | null,
  select: readonly string[],
  ofRun: ReadonlySet<string>,
  device: string | null,
): PayloadFaults {
  const parts = everyPlan(plan);
  // Without its constant it may be another schema's reading.
  const violations = violationsOf(plan).filter(
    ({ path }) => !(path.length === 1 && select.includes(path[0] ?? '')),
  );
  const scalars = parts.filter(
    (part): part is ScalarPlan => part.kind !== 'object' && part.kind !== 'array' && part.kind !== 'choice',
  );
  const measured = scalars.filter(
    ({ rules, kind }) => OTHER_UNITS.has(rules.unit) && (kind === 'number' || kind === 'integer'),
  );
  const timeKey = time === null || time.isAge || time.unitNs === 1 ? null : pathKey(time.path);

  const isThere = ({ field }: Place, path: readonly string[]): boolean =>
    field === null || (path.length === 1 && path[0] === field);
  const jsonOf = (reading: unknown, { field }: Place): string =>
    JSON.stringify(field === null ? reading : (valueAt(reading, [field]) ?? null));

  return {
    violations,
    violation({ reading, place }, turn) {
      const { field } = place;
      const fitting = field === null ? violations : violations.filter(({ path }) => isThere(place, path));
      const chosen = fitting[turn % Math.max(1, fitting.length)];
      if (chosen === undefined) return null;
      return Buffer.from(jsonOf(chosen.apply(reading), place));
    },
    typeFlip({ reading, place }, turn, random) {
      const there = scalars.filter(
        ({ path }) =>
          isThere(place, path) && pathKey(path) !== device && valueAt(reading, path) !== undefined,
      );
      const part = there[random.below(Math.max(1, there.length))];
      if (part === undefined) return null;
      const value = valueAt(reading, part.path);
      const literals = ofRun.has(pathKey(part.path)) ? flipsOf(value).slice(0, FLIPS_OF_ANY) : flipsOf(value);
      const literal = literals[turn % literals.length] ?? 'null';
      return Buffer.from(place.field === null ? jsonWithLiteral(reading, part.path, literal) : literal);
    },
    undecodable({ json, isLine }, turn, random) {
      const whole = Buffer.from(json);
      switch (turn % 4) {
        case 0:
          return whole.subarray(0, 1 + random.below(Math.max(1, whole.length - 1)));
        case 1:
          return Buffer.from(
            Array.from({ length: 1 + random.below(64) }, (_, i) => {
              const byte = i === 0 ? 0xff : random.below(256);
              return isLine && (byte === 0x0a || byte === 0x0d) ? 0 : byte;
            }),
          );
        case 2: {
          // The first byte of two, and no second.
          const broken = Buffer.from(whole);
          broken[random.below(broken.length)] = 0xc3;
          return broken;
        }
        default:
          return isLine ? Buffer.from('{') : Buffer.alloc(0);
      }
    },
    oversized({ json, isLine, padding }, turn, random) {
      if (isLine) return Buffer.from(filler(FRAME_LIMIT + 1 + random.below(1000)));
      const beyond = PAYLOAD_LIMIT + 1 + random.below(32_768);
      if (padding === null || turn % 3 === 0) return Buffer.from(filler(beyond));
      const bytes = turn % 3 === 1 ? beyond : PAYLOAD_LIMIT - random.below(PAYLOAD_LIMIT / 2);
      return Buffer.from(padded(json, padding, bytes));
    },
    wrongUnit({ reading, place }, turn) {
      const candidates = measured.filter(
        ({ path }) => isThere(place, path) && typeof valueAt(reading, path) === 'number',
      );
      const hasTime =
        timeKey !== null &&
        time !== null &&
        place.field === null &&
        valueAt(reading, time.path) !== undefined;
      const index = turn % Math.max(1, candidates.length + (hasTime ? 1 : 0));
      const part = candidates[index];
      if (part !== undefined) {
        const convert = OTHER_UNITS.get(part.rules.unit) ?? Number;
        const converted = convert(Number(valueAt(reading, part.path)));
        const rounded = part.kind === 'integer' ? Math.round(converted) : Number(converted.toFixed(4));
        return Buffer.from(jsonOf(withValue(reading, part.path, rounded), place));
      }
      if (!hasTime) return null;
      const said = valueAt(reading, time.path);
      if (typeof said !== 'number') return null;
      // A clock in s where ms are wanted, and the other way round.
      const other = time.unitNs === 1e9 ? said * 1000 : Math.floor(said / 1000);
      return Buffer.from(JSON.stringify(withValue(reading, time.path, other)));
    },
  };
}

/** The first flips are the same whatever the number is. */
const FLIPS_OF_ANY = 6;

/** What firmware and drivers make of a value by mistake, as it stands in JSON. */
function flipsOf(value: unknown): readonly string[] {
  const text = JSON.stringify(String(value));
  switch (typeof value) {
    case 'number':
      return [
        text,
        '"nan"',
        'NaN',
        '"OK"',
        'null',
        'true',
        Number.isInteger(value) ? `${value}.0` : String(Math.round(value) + 0),
        Number.isInteger(value) ? `${value}.5` : `${value}e0`,
        '-inf',
        '""',
        `[${value}]`,
      ];
    case 'boolean':
      return [text, value ? '1' : '0', value ? '"on"' : '"off"', 'null', 'NaN'];
    default:
      return ['0', 'null', 'true', 'NaN', `[${text}]`, '"\\ud800"', '{}'];
  }
}
