import { RE2JS } from 're2js';
import type { Format } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import { byteAt, found, textOf, undecodable } from './payload-text.ts';
import { type SpecOptions, SpecProblem } from './spec-options.ts';
import { setMember, type TextValue, textValue } from './text-values.ts';

export const REGEX_OPTIONS = ['pattern'] as const;
const REMEDY = 'send what the pattern describes, or change the pattern';
const MAX_PATTERN_CHARACTERS = 512;
/** Of the compiled program: the price of one character. */
const MAX_PROGRAM = 512;
/** Characters times program: the worst case takes less than 100 ms. */
const MAX_STEPS = 500_000;
const MAX_TEXT = 8192;

/**
 * A regular expression with named groups, `T=(?<temperature>[-0-9.]+)`: each group is a value. Found anywhere in the
 * text unless it says `^` and `$`. RE2's syntax and engine: its time grows with the text and not with its tricks.
 */
export function createRegexFormat(options: SpecOptions): Format {
  const pattern = options.text('pattern', MAX_PATTERN_CHARACTERS);
  const compiled = compile(pattern);
  const names = Object.keys(compiled.namedGroups());
  if (names.length === 0)
    options.fail('pattern', 'needs named groups, one for each value: T=(?<temperature>[-0-9.]+)');
  const size = compiled.programSize();
  if (size > MAX_PROGRAM) options.fail('pattern', 'is too large: use fewer or smaller repetitions');
  const maxCharacters = Math.min(MAX_TEXT, Math.floor(MAX_STEPS / size));
  return {
    name: 'regex',
    elements: () => null,
    decode(payload) {
      const text = textOf(payload, REMEDY);
      if (text.length > maxCharacters)
        throw undecodable(
          `longer than the ${maxCharacters} characters that this pattern may search, at ${byteAt(text, maxCharacters)}; send less at a time`,
        );
      const matcher = compiled.matcher(text);
      if (!matcher.find())
        throw undecodable(`the pattern does not match from byte 0 on, found ${found(text, 0)}; ${REMEDY}`);
      const reading: Record<string, TextValue> = {};
      for (const name of names) setMember(reading, name, textValue((matcher.group(name) ?? '').trim()));
      return reading;
    },
  };
}

function compile(pattern: string): RE2JS {
  try {
    return RE2JS.compile(RE2JS.translateRegExp(pattern));
  } catch (error) {
    throw new SpecProblem(
      `regex.pattern cannot be used: ${messageOf(error)} (patterns are RE2: no look-around, no back references)`,
    );
  }
}
