import type { Format } from '../contracts.ts';
import type { JsonBounds } from './json-bounds.ts';
import { byteAt, found, textOf, undecodable } from './payload-text.ts';
import { numberOf, setMember } from './text-values.ts';

const REMEDY = 'send numbers, each with its label: temperature:21.5 humidity:40';
const WORD = /[^\s,;]+/g;
/** How Arduino prints what is no number; a schema may list them as `missing`. */
const NO_NUMBER = /^(?:nan|[+-]?inf|[+-]?ovf)$/i;

/**
 * What the Arduino Serial Plotter reads: `label:value` parted by blanks, tabs or commas. Values without a label are
 * value1, value2, … Values are numbers; `nan`, `inf` and `ovf` stay text.
 */
export function createPlotterFormat(bounds: JsonBounds): Format {
  return {
    name: 'plotter',
    elements: () => null,
    decode(payload) {
      const text = textOf(payload, REMEDY);
      const reading: Record<string, number | string> = {};
      /** A label whose value is the next word. */
      let label: string | null = null;
      let words = 0;
      let bare = 0;
      for (const { 0: word, index } of text.matchAll(WORD)) {
        words += 1;
        if (words > bounds.maxKeys)
          throw undecodable(
            `more than ${bounds.maxKeys} values at ${byteAt(text, index)}; send fewer with each reading`,
          );
        const colon = word.lastIndexOf(':');
        if (label === null && colon > 0 && colon === word.length - 1) {
          label = word.slice(0, colon);
          continue;
        }
        let name = label;
        let valueAt = 0;
        if (name === null && colon > 0) {
          name = word.slice(0, colon);
          valueAt = colon + 1;
        }
        const value = word.slice(valueAt);
        const number = numberOf(value);
        if (number === null && !NO_NUMBER.test(value)) {
          const at = index + valueAt;
          throw undecodable(`expected a number at ${byteAt(text, at)}, found ${found(text, at)}; ${REMEDY}`);
        }
        if (name === null) bare += 1;
        setMember(reading, name ?? `value${bare}`, number ?? value);
        label = null;
      }
      if (label !== null)
        throw undecodable(`expected a number at ${byteAt(text, text.length)}, found the end; ${REMEDY}`);
      if (words === 0) throw undecodable(`blank at byte 0; ${REMEDY}`);
      return reading;
    },
  };
}
