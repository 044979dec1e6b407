import type { FieldType } from '../contracts.ts';
import type { DeviceSettings } from '../ledger-contract.ts';

/** What an operator has written down of the fields of one device. */
export type Calibration = DeviceSettings['calibration'];
export type CalibrationSteps = readonly {
  readonly scale: number;
  readonly offset: number;
  readonly fromMs: number;
}[];

/** A value as it is to be stored, of a reading of that time; what is no number comes back as it is. */
export type Calibrate = (value: unknown, atMs: number) => unknown;

/**
 * In words why a field cannot be calibrated so; null where it can. An integer stays an integer for ever, and rounding
 * would lose what was measured: only whole numbers fit it.
 */
export function calibrationProblem(type: FieldType, steps: CalibrationSteps): string | null {
  if (type !== 'float' && type !== 'integer') return `is a ${type}: only numbers can be calibrated`;
  if (steps.some(({ scale, offset }) => !Number.isFinite(scale) || !Number.isFinite(offset))) {
    return 'needs a scale and an offset that are numbers';
  }
  if (type === 'float') return null;
  return steps.every(({ scale, offset }) => Number.isSafeInteger(scale) && Number.isSafeInteger(offset))
    ? null
    : 'is an integer: its scale and offset must be whole numbers, or the schema must declare it as "number"';
}

/** value × scale + offset by the last step that is valid at the time of the reading. Null: as it is, always. */
export function calibrateOf(type: FieldType, steps: CalibrationSteps | undefined): Calibrate | null {
  if (steps === undefined || calibrationProblem(type, steps) !== null) return null;
  return (value, atMs) => {
    const step = steps.findLast(({ fromMs }) => fromMs <= atMs);
    if (step === undefined) return value;
    const { scale, offset } = step;
    if (typeof value === 'number') return value * scale + offset;
    // Digits of 64 bits, which a number would round.
    if (type === 'integer' && typeof value === 'string' && INTEGER.test(value)) {
      return String(BigInt(value) * BigInt(scale) + BigInt(offset));
    }
    return value;
  };
}

const INTEGER = /^-?\d{1,19}$/;
