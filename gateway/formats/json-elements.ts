const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * The bytes of each element of a JSON array, as views into `payload`, white space around them included; null where the
 * document is no array. The payload must have been decoded before: this only looks for where elements end.
 */
export function jsonElements(payload: Buffer): readonly Buffer[] | null {
  const start = payload.indexOf(OPEN_ARRAY);
  // A byte order mark and white space may come before it, nothing else of JSON can.
  if (start === -1 || /\S/.test(payload.toString('latin1', 0, start).replace('\xef\xbb\xbf', '')))
    return null;
  const elements: Buffer[] = [];
  let depth = 0;
  let from = start + 1;
  for (let at = start; at < payload.length; at += 1) {
    const byte = payload[at];
    if (byte === QUOTE) at = endOfString(payload, at);
    else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) depth -= 1;
    else if (byte !== COMMA || depth !== 1) continue;
    if (depth === 0 || (byte === COMMA && depth === 1)) {
      elements.push(payload.subarray(from, at));
      from = at + 1;
    }
    if (depth === 0) break;
  }
  return elements;
}

/** The place of the closing quote. */
function endOfString(payload: Buffer, openingQuote: number): number {
  let at = openingQuote + 1;
  while (at < payload.length && payload[at] !== QUOTE) at += payload[at] === BACKSLASH ? 2 : 1;
  return at;
}
