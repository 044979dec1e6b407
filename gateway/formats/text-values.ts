/** What one value is that came as bare text. */
export type TextValue = string | number | boolean | null;

const NUMBER = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?$/;
const WHOLE = /^[+-]?\d+$/;
/** A longer text is no number. */
const MAX_NUMBER_CHARACTERS = 64;

/**
 * A number where it is one in decimal notation, `true` and `false` as themselves, null where nothing is there, else the
 * text. Whole numbers that a JSON number would not hold exactly stay text: their digits can be stored (`int64`).
 */
export function textValue(text: string, decimal: '.' | ',' = '.'): TextValue {
  if (text === '') return null;
  // With a decimal comma, a point parts thousands, or is of something else: not to be guessed at.
  const value =
    decimal === '.' ? numberOf(text) : text.includes('.') ? null : numberOf(text.replace(',', '.'));
  if (value !== null) return value;
  if (text === 'true') return true;
  return text === 'false' ? false : text;
}

/** Null where it is no number, or none that can be held. */
export function numberOf(text: string): number | null {
  if (text.length > MAX_NUMBER_CHARACTERS || !NUMBER.test(text)) return null;
  const value = Number(text);
  if (!Number.isFinite(value)) return null;
  return Math.abs(value) > Number.MAX_SAFE_INTEGER && WHOLE.test(text) ? null : value;
}

/** Sets a member of a plain object under a name that the sender chose: `__proto__` is a name like any other. */
export function setMember(object: Record<string, unknown>, name: string, value: unknown): void {
  if (name === '__proto__')
    Object.defineProperty(object, name, { value, enumerable: true, configurable: true, writable: true });
  else object[name] = value;
}
