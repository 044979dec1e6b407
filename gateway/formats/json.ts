import { isUtf8 } from 'node:buffer';
import type { Format } from '../contracts.ts';
import { GatewayError, messageOf } from '../errors.ts';
import { printable } from '../printable.ts';
import { createBoundsCheck, DEFAULT_JSON_BOUNDS, type JsonBounds } from './json-bounds.ts';
import { jsonElements } from './json-elements.ts';
import { syntaxProblem } from './json-syntax.ts';

const SHOWN_CHARACTERS = 24;
const REMEDY = 'send one JSON document, such as {"temperature":21.5}';

/**
 * JSON (RFC 8259), strictly: one document in UTF-8, a byte order mark is passed over. Numbers, strings and the other
 * bare values are documents too. `__proto__` is a key like any other. Depth, members and elements are bounded before
 * a value is built.
 */
export function createJsonFormat(bounds: JsonBounds = DEFAULT_JSON_BOUNDS): Format {
  const tooMuch = createBoundsCheck(bounds);
  return {
    name: 'json',
    elements: jsonElements,
    decode(payload) {
      const text = textOf(payload);
      const excess = tooMuch(payload);
      if (excess !== null) throw new GatewayError('undecodable', excess);
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new GatewayError('undecodable', whereAndWhy(text, error));
      }
    },
  };
}

/**
 * What `{field}` topics carry: a bare value. JSON where it is JSON (`21.5`, `true`, `"on"`), else a short text as a
 * string (`on`, `nan`), without the white space around it.
 */
export function createScalarFormat(bounds: JsonBounds = DEFAULT_JSON_BOUNDS): Format {
  const json = createJsonFormat(bounds);
  return {
    name: 'scalar',
    elements: () => null,
    decode(payload) {
      if (payload.length > MAX_TEXT_BYTES) return json.decode(payload);
      const text = textOf(payload).trim();
      if (JSON_BEGINNING.test(text)) return json.decode(payload);
      if (text === '') throw new GatewayError('undecodable', 'the payload is blank; send a value');
      try {
        return JSON.parse(text);
      } catch {
        return text;
      }
    },
  };
}

/** A text longer than this is no bare value. */
const MAX_TEXT_BYTES = 256;
/** What begins with one of these and is not JSON is broken JSON, not a word. */
const JSON_BEGINNING = /^[{["]/;

function textOf(payload: Buffer): string {
  if (payload.length === 0) throw new GatewayError('undecodable', `the payload is empty; ${REMEDY}`);
  if (!isUtf8(payload)) {
    throw new GatewayError(
      'undecodable',
      `not UTF-8 at byte ${firstBadByte(payload)}; text must be encoded as UTF-8`,
    );
  }
  const hasMark = payload[0] === 0xef && payload[1] === 0xbb && payload[2] === 0xbf;
  return payload.toString('utf8', hasMark ? 3 : 0);
}

/** By halving: `isUtf8` is fast, and a cut sequence at the end of a good part is passed over. */
function firstBadByte(payload: Buffer): number {
  let good = 0;
  let bad = payload.length;
  while (good < bad) {
    const middle = (good + bad + 1) >>> 1;
    const ok = [0, 1, 2, 3].some((cut) => cut <= middle && isUtf8(payload.subarray(0, middle - cut)));
    if (ok) good = middle;
    else bad = middle - 1;
  }
  // Up to three bytes of a sequence that was begun but not finished still counted as good.
  while (good > 0 && !isUtf8(payload.subarray(0, good))) good -= 1;
  return good;
}

function whereAndWhy(text: string, error: unknown): string {
  const problem = syntaxProblem(text);
  if (problem === null) return `not JSON: ${messageOf(error)}; ${REMEDY}`;
  const { offset, expected } = problem;
  const found = offset < text.length ? `"${printable(text.slice(offset), SHOWN_CHARACTERS)}"` : 'the end';
  return `not JSON at byte ${Buffer.byteLength(text.slice(0, offset))}: expected ${expected}, found ${found}; ${REMEDY}`;
}
