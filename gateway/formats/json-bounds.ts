/** What a JSON payload may hold, checked on its bytes before anything is built from them. */
export interface JsonBounds {
  /** Arrays and objects within one another. */
  readonly maxDepth: number;
  /** Members of any one object. */
  readonly maxKeys: number;
  /** Array elements and object members in the whole payload. */
  readonly maxElements: number;
}

export const DEFAULT_JSON_BOUNDS: JsonBounds = Object.freeze({
  maxDepth: 32,
  maxKeys: 1000,
  maxElements: 20_000,
});

const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Answers what is too much, with its place, or null. Expects neither JSON nor UTF-8; one pass, no recursion. */
export function createBoundsCheck(bounds: JsonBounds): (payload: Uint8Array) => string | null {
  const { maxDepth, maxKeys, maxElements } = bounds;
  // Members of the object open at each depth. Shared by all calls: they do not overlap.
  const keysAt = new Uint32Array(maxDepth + 1);
  return (payload) => {
    const { length } = payload;
    let depth = 0;
    let elements = 0;
    for (let i = 0; i < length; i += 1) {
      switch (payload[i]) {
        case QUOTE:
          for (i += 1; i < length && payload[i] !== QUOTE; i += 1) if (payload[i] === BACKSLASH) i += 1;
          break;
        case OPEN_BRACKET:
        case OPEN_BRACE:
          if (depth === maxDepth) {
            return `nested deeper than ${maxDepth} levels at byte ${i}; send flatter readings`;
          }
          depth += 1;
          keysAt[depth] = 0;
          break;
        case CLOSE_BRACKET:
        case CLOSE_BRACE:
          if (depth > 0) depth -= 1;
          break;
        case COLON: {
          const keys = (keysAt[depth] ?? 0) + 1;
          if (keys > maxKeys) {
            return `an object with more than ${maxKeys} members at byte ${i}; send fewer with each reading`;
          }
          keysAt[depth] = keys;
          break;
        }
        case COMMA:
          elements += 1;
          if (elements > maxElements) {
            return `more than ${maxElements} values at byte ${i}; send fewer readings with each message`;
          }
          break;
        default:
      }
    }
    return null;
  };
}
