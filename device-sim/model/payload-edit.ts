import { isSchemaObject } from './reading-schemas.ts';

/** Stands for "take it out". */
export const REMOVED: unique symbol = Symbol('removed');

/** A copy with another value at a path; `REMOVED` takes the property out. The path must be there up to its last name. */
export function withValue(value: unknown, [name, ...rest]: readonly string[], put: unknown): unknown {
  if (name === undefined) return put;
  if (Array.isArray(value)) {
    const items: readonly unknown[] = value;
    return items.map((item, i) => (String(i) === name ? withValue(item, rest, put) : item));
  }
  if (!isSchemaObject(value)) return value;
  if (rest.length > 0 || put !== REMOVED) return { ...value, [name]: withValue(value[name], rest, put) };
  const { [name]: _, ...others } = value;
  return others;
}

const MARK = '\u0001literal\u0001';
const MARK_IN_JSON = JSON.stringify(MARK);

/** The JSON of a value in which a literal stands at a path, whether JSON has such a literal or not. */
export function jsonWithLiteral(value: unknown, path: readonly string[], literal: string): string {
  return JSON.stringify(withValue(value, path, MARK)).replace(MARK_IN_JSON, () => literal);
}

const FILLERS = new Map<number, string>();
const FILLER_STEP = 65_536;

/** So many `x`. */
export function filler(length: number): string {
  const size = Math.max(1, Math.ceil(length / FILLER_STEP)) * FILLER_STEP;
  let text = FILLERS.get(size);
  if (text === undefined) {
    text = 'x'.repeat(size);
    // A run has one size, and those of its faults.
    if (FILLERS.size < 16) FILLERS.set(size, text);
  }
  return text.slice(0, Math.max(0, length));
}

/** The JSON of an object, brought up to `bytes` by a text property; as it is where it has as many already. */
export function padded(json: string, property: string, bytes: number): string {
  if (!json.startsWith('{')) return json;
  const key = `${json === '{}' ? '' : ','}"${property}":"`;
  const missing = bytes - Buffer.byteLength(json) - key.length - 1;
  return missing < 0 ? json : `${json.slice(0, -1)}${key}${filler(missing)}"}`;
}
