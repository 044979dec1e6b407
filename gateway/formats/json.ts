import type { Format } from '../contracts.ts';
import { GatewayError, messageOf } from '../errors.ts';
import { createBoundsCheck, DEFAULT_JSON_BOUNDS, type JsonBounds } from './json-bounds.ts';
import { jsonElements } from './json-elements.ts';
import { syntaxProblem } from './json-syntax.ts';
import { byteAt, found, textOf } from './payload-text.ts';

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
      const text = textOf(payload, REMEDY);
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
    elements: jsonElements,
    decode(payload) {
      if (payload.length > MAX_TEXT_BYTES) return json.decode(payload);
      const text = textOf(payload, REMEDY).trim();
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

function whereAndWhy(text: string, error: unknown): string {
  const problem = syntaxProblem(text);
  if (problem === null) return `not JSON: ${messageOf(error)}; ${REMEDY}`;
  const { offset, expected } = problem;
  return `not JSON at ${byteAt(text, offset)}: expected ${expected}, found ${found(text, offset)}; ${REMEDY}`;
}
