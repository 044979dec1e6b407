import { MAX_USER_PROPERTIES, type Message, type UnreadReason, type Violation } from '../contracts.ts';
import { nameProblem } from '../line-protocol/encode.ts';
import { escapePointer } from './json-document.ts';
import type { TagSource } from './series-rule.ts';
import { inWords } from './violation-words.ts';

/** The longest text of a tag, bytes: senders choose them, and each new one is a series that the database keeps. */
const MAX_TAG_BYTES = 256;
const TOO_LONG = `must have at most ${MAX_TAG_BYTES} bytes`;

/** Where the device of a reading from another broker can come from. */
export const SENDER_REMEDY =
  'let the schema take the device from the topic ("{device}") or from the payload ("/id")';

/** In words why a text can be no tag; null where it can. */
export function tagProblem(text: string): string | null {
  return nameProblem(text) ?? lengthProblem(text);
}

export function lengthProblem(text: string): string | null {
  return text.length > MAX_TAG_BYTES || Buffer.byteLength(text) > MAX_TAG_BYTES ? TOO_LONG : null;
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
      return violationOfProperty(source.name, got);
  }
}

function violationOfProperty(name: string, problem: string): Violation {
  return { pointer: '', message: `the user property ${JSON.stringify(name)} is stored as a tag: ${problem}` };
}

const WHY_UNREAD: Readonly<Record<UnreadReason, string>> = {
  'too-long': TOO_LONG,
  'too-many': `must be among the first ${MAX_USER_PROPERTIES} user properties of the message`,
  'not-kept': 'was not kept with the rejected reading, which keeps 1 KiB of user properties',
};

/** Where the message had this user property, or may have had it, and its text is not known. Null: it had none. */
export function unreadTag(source: TagSource, { relay }: Pick<Message, 'relay'>): Violation | null {
  if (source.kind !== 'userProperty' || relay?.unread === undefined) return null;
  const { name } = source;
  const { names, others } = relay.unread;
  const why = names.get(name);
  if (why !== undefined) return violationOfProperty(name, WHY_UNREAD[why]);
  // One that is empty was read.
  if (others === null || relay.userProperties.has(name)) return null;
  return violationOfProperty(
    name,
    `${WHY_UNREAD[others]}, and there are too many to tell whether it is one of the others`,
  );
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
