import type { Format } from '../contracts.ts';
import type { JsonBounds } from './json-bounds.ts';
import { byteAt, found, textOf, undecodable } from './payload-text.ts';
import { setMember, type TextValue, textValue } from './text-values.ts';

const REMEDY = 'send pairs such as t=21.5 h=40';

const SEPARATORS = /[\s;,&]*/y;
const KEY = /[^\s=:;,&"]+/y;
const ASSIGNMENT = /[ \t]*[=:]/y;
const BLANKS = /[ \t]*/y;
const BARE = /[^\s;,&]*/y;
const QUOTED = /"([^"]*)"/y;
/** A word with another assignment in it, behind blanks: the value before it was left out. */
const NEXT_PAIR = /[^\s=:;,&"]+[=:]/y;

/**
 * `key=value` or `key:value`, parted by blanks, commas, semicolons, ampersands or line breaks. A value in double quotes
 * is a text; one that is left out is null. Of two with the same key the last counts.
 */
export function createKeyValueFormat(bounds: JsonBounds): Format {
  return {
    name: 'key-value',
    elements: () => null,
    decode(payload) {
      const text = textOf(payload, REMEDY);
      const reading: Record<string, TextValue> = {};
      let pairs = 0;
      for (let at = skip(SEPARATORS, text, 0); at < text.length; at = skip(SEPARATORS, text, at)) {
        if (pairs === bounds.maxKeys)
          throw undecodable(
            `more than ${bounds.maxKeys} pairs at ${byteAt(text, at)}; send fewer with each reading`,
          );
        pairs += 1;
        const keyEnd = skip(KEY, text, at);
        const valueAt = skip(ASSIGNMENT, text, keyEnd);
        if (keyEnd === at || valueAt === keyEnd) {
          const where = `expected ${keyEnd === at ? 'a key' : '= or :'} at ${byteAt(text, keyEnd)}`;
          throw undecodable(`${where}, found ${found(text, keyEnd)}; ${REMEDY}`);
        }
        const key = text.slice(at, keyEnd);
        const from = skip(BLANKS, text, valueAt);
        if (text[from] === '"') {
          const to = skip(QUOTED, text, from);
          if (to === from) throw undecodable(`the quote at ${byteAt(text, from)} is not closed; ${REMEDY}`);
          setMember(reading, key, text.slice(from + 1, to - 1));
          at = to;
          continue;
        }
        const isLeftOut = from > valueAt && skip(NEXT_PAIR, text, from) > from;
        const to = isLeftOut ? from : skip(BARE, text, from);
        setMember(reading, key, textValue(text.slice(from, to)));
        at = to;
      }
      if (pairs === 0) throw undecodable(`blank at byte 0; ${REMEDY}`);
      return reading;
    },
  };
}

/** Behind what the pattern takes there; the same place where it takes nothing. */
function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}
