import type { Message, Violation } from '../contracts.ts';
import { nameProblem } from '../line-protocol/encode.ts';
import { escapePointer } from './json-document.ts';
import type { TagSource } from './series-rule.ts';
import { inWords } from './violation-words.ts';

/** The longest text of a tag, bytes: senders choose them, and each new one is a series that the database keeps. */
const MAX_TAG_BYTES = 256;

/** Where the device of a reading from another broker can come from. */
export const SENDER_REMEDY =
  'let the schema take the device from the topic ("{device}") or from the payload ("/id")';

/** In words why a text can be no tag; null where it can. */
export function tagProblem(text: string): string | null {
  return nameProblem(text) ?? lengthProblem(text);
}

export function lengthProblem(text: string): string | null {
  return text.length > MAX_TAG_BYTES || Buffer.byteLength(text) > MAX_TAG_BYTES
    ? `must have at most ${MAX_TAG_BYTES} bytes`
    : null;
}

export function violationOfTag(source: TagSource, text: string, problem: string): Violation {
  const got = `${problem}, got ${inWords(text)}`;
  switch (source.kind) {
    case 'constant':
      return { pointer: '', message: `the schema's own text ${got}` };
    case 'capture':
      return { pointer: '', message: `{${source.name}} of the topic ${got}` };
    case 'property':
      return { pointer: pointerOf(source.path), message: `is stored as a tag: ${got}` };
    case 'message':
      return { pointer: '', message: `the ${source.what} names the device: it ${got}` };
    case 'userProperty':
      return {
        pointer: '',
        message: `the user property ${JSON.stringify(source.name)} is stored as a tag: ${got}`,
      };
  }
}

export function noDevice(source: TagSource, { relay }: Pick<Message, 'relay'>): Violation {
  if (source.kind === 'property') {
    return { pointer: pointerOf(source.path), message: 'is required, but missing: it names the device' };
  }
  const what = source.kind === 'message' ? source.what : source.kind;
  if (relay !== null) {
    const message = `the ${what} names the device, and another broker does not tell it: ${SENDER_REMEDY}`;
    return { pointer: '', message };
  }
  const why =
    what === 'username' ? 'the client did not log in' : 'the source it came through has no device configured';
  return { pointer: '', message: `the ${what} names the device, and there is none: ${why}` };
}

function pointerOf(path: readonly string[]): string {
  return path.map((name) => `/${escapePointer(name)}`).join('');
}
