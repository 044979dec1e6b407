/** Where text stops being JSON. The engine's own messages often do not say; this is only asked once it has failed. */

const SPACE = /[ \t\n\r]*/y;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

const ESCAPE = /["\\/bfnrt]|u[0-9a-fA-F]{4}/y;

export interface SyntaxProblem {
  /** UTF-16 units from the start. */
  readonly offset: number;
  readonly expected: string;
}

/** Null when the text is JSON. Keeps its own stack: depth is only bounded by memory. */
export function syntaxProblem(text: string): SyntaxProblem | null {
  let at = 0;
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const found = pattern.test(text);
    if (found) at = pattern.lastIndex;
    return found;
  };
  const take = (character: string): boolean => {
    skip(SPACE);
    if (text[at] !== character) return false;
    at += 1;
    return true;
  };
  /** A loop, not a pattern: the engine's stack would not hold a string of millions of escapes. */
  const string = (): boolean => {
    if (text[at] !== '"') return false;
    for (let i = at + 1; i < text.length; i += 1) {
      const character = text[i] ?? '';
      if (character === '"') {
        at = i + 1;
        return true;
      }
      if (character < ' ') return false;
      if (character === '\\') {
        ESCAPE.lastIndex = i + 1;
        if (!ESCAPE.test(text)) return false;
        i = ESCAPE.lastIndex - 1;
      }
    }
    return false;
  };
  const fail = (expected: string): SyntaxProblem => ({ offset: at, expected });
  /** The closing brackets still owed. */
  const open: ('}' | ']')[] = [];

  for (;;) {
    // A value stands next, unless a container turns out to be empty.
    let complete = false;
    if (take('{')) {
      if (take('}')) complete = true;
      else open.push('}');
    } else if (take('[')) {
      if (take(']')) complete = true;
      else open.push(']');
    } else if (skip(SCALAR) || string()) complete = true;
    else
      return fail(
        text[at] === '"' ? 'a string without a line break or a bad escape, and its closing "' : 'a value',
      );

    while (complete) {
      const closing = open.at(-1);
      if (closing === undefined) {
        skip(SPACE);
        return at === text.length ? null : fail('the end');
      }
      if (take(closing)) open.pop();
      else if (take(',')) complete = false;
      else return fail(`, or ${closing}`);
    }
    if (open.at(-1) === '}') {
      skip(SPACE);
      if (!string()) return fail('a property name in double quotes');
      if (!take(':')) return fail(':');
    }
  }
}
