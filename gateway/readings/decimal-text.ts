/** A number as text, as firmware sends it that prints into strings; with an exponent or without. */
const DECIMAL = /^[+-]?(?:\d{1,30}\.?\d{0,30}|\.\d{1,30})(?:[eE][+-]?\d{1,3})?$/;

/** Whether a text is a number that a double can hold: the format `double` of strings. */
export function isDecimalText(text: string): boolean {
  return DECIMAL.test(text) && Number.isFinite(Number(text));
}

/** The limits that JSON Schema sets to numbers, and never looks at in a text. */
export interface NumberRange {
  readonly minimum: number;
  readonly maximum: number;
  readonly exclusiveMinimum: number;
  readonly exclusiveMaximum: number;
}

const LIMITS = ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'] as const;

/** @param keyword looks a keyword of the property's schema up */
export function numberRangeOf(keyword: (name: string) => unknown): NumberRange {
  const [minimum, maximum, exclusiveMinimum, exclusiveMaximum] = LIMITS.map(keyword);
  const or = (value: unknown, otherwise: number): number => (typeof value === 'number' ? value : otherwise);
  return {
    minimum: or(minimum, Number.NEGATIVE_INFINITY),
    maximum: or(maximum, Number.POSITIVE_INFINITY),
    exclusiveMinimum: or(exclusiveMinimum, Number.NEGATIVE_INFINITY),
    exclusiveMaximum: or(exclusiveMaximum, Number.POSITIVE_INFINITY),
  };
}

/** In words why a number is outside; null where it is within. */
export function rangeProblem(value: number, range: NumberRange): string | null {
  if (value < range.minimum) return `must be >= ${range.minimum}, got "${value}"`;
  if (value > range.maximum) return `must be <= ${range.maximum}, got "${value}"`;
  if (value <= range.exclusiveMinimum) return `must be > ${range.exclusiveMinimum}, got "${value}"`;
  if (value >= range.exclusiveMaximum) return `must be < ${range.exclusiveMaximum}, got "${value}"`;
  return null;
}
