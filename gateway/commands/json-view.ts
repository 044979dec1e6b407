import type { Violation } from '../contracts.ts';
import { printable } from '../printable.ts';

/** A line of JSON as it is shown, and where the value that begins in it stands (JSON Pointer). */
interface ShownLine {
  readonly text: string;
  readonly pointer: string | null;
}

interface Frame {
  readonly isObject: boolean;
  readonly pointer: string;
  index: number;
  /** Null: a key comes next. */
  key: string | null;
}

const MAX_DEPTH = 64;
const MAX_LINES = 20_000;
const MAX_LINE = 160;
/** Documents up to this are shown whole; of longer ones the beginning, and what is around each mark. */
const WHOLE_LINES = 60;
const AROUND = 3;
const MAX_POINTER = 200;
const TOKEN = /[ \t\r\n]+|"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/y;

/**
 * A JSON payload, indented, with each violation beside the value it is about (or beside what should hold it). Values
 * are shown exactly as they came. Null where it is no JSON, or too deep to read.
 */
export function markedJson(text: string, violations: readonly Violation[]): readonly string[] | null {
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  const lines = shownLines(text);
  if (lines === null) return null;
  const marks = new Map<number, string[]>();
  for (const violation of violations) {
    const { line, isExact } = placeOf(violation.pointer, lines);
    const words = isExact ? violation.message : `${violation.pointer} ${violation.message}`;
    marks.set(line, [...(marks.get(line) ?? []), printable(words, 512)]);
  }
  const shown: string[] = [];
  let isGap = false;
  for (const [i, line] of lines.entries()) {
    const isNear = AROUND_STEPS.some((step) => marks.has(i + step));
    if (lines.length > WHOLE_LINES && i >= WHOLE_LINES / 3 && !isNear) {
      if (!isGap) shown.push('…');
      isGap = true;
      continue;
    }
    isGap = false;
    const words = marks.get(i);
    shown.push(`${printable(line.text, MAX_LINE)}${words === undefined ? '' : `   <-- ${words.join('; ')}`}`);
  }
  return shown;
}

const AROUND_STEPS = Array.from({ length: 2 * AROUND + 1 }, (_, i) => i - AROUND);

/** The line of the value, or of the nearest one around it. */
function placeOf(pointer: string, lines: readonly ShownLine[]): { line: number; isExact: boolean } {
  const places = new Map<string, number>();
  for (const [i, line] of lines.entries()) {
    if (line.pointer === null) continue;
    const name = printable(line.pointer, MAX_POINTER);
    if (!places.has(name)) places.set(name, i);
  }
  for (let at = pointer; ; at = at.slice(0, at.lastIndexOf('/'))) {
    const line = places.get(at);
    if (line !== undefined) return { line, isExact: at === pointer };
    if (!at.includes('/')) return { line: 0, isExact: pointer === '' };
  }
}

/** `text` must be JSON. */
function shownLines(text: string): readonly ShownLine[] | null {
  const lines: ShownLine[] = [];
  const frames: Frame[] = [];
  let line = '';
  let pointer: string | null = null;
  let wasOpened = false;
  const nextLine = (): void => {
    lines.push({ text: line, pointer });
    line = '  '.repeat(frames.length);
    pointer = null;
  };
  for (const token of tokensOf(text)) {
    const frame = frames.at(-1);
    if (token === '}' || token === ']') {
      frames.pop();
      if (wasOpened) line = line.trimEnd();
      else nextLine();
      line += token;
      wasOpened = false;
      continue;
    }
    if (wasOpened) nextLine();
    wasOpened = false;
    if (token === ',') {
      line += ',';
      if (frame !== undefined) {
        frame.index += 1;
        frame.key = null;
      }
      nextLine();
    } else if (token === ':') {
      line += ': ';
    } else if (frame?.isObject === true && frame.key === null) {
      frame.key = String(JSON.parse(token));
      line += token;
    } else {
      pointer ??= pointerIn(frame);
      line += token;
      if (token === '{' || token === '[') {
        frames.push({ isObject: token === '{', pointer: pointerIn(frame), index: 0, key: null });
        wasOpened = true;
      }
    }
    if (frames.length > MAX_DEPTH || lines.length > MAX_LINES) return null;
  }
  nextLine();
  return lines;
}

function* tokensOf(text: string): Generator<string> {
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const [token] = match;
    if (!/^[ \t\r\n]/.test(token)) yield token;
  }
}

function pointerIn(frame: Frame | undefined): string {
  if (frame === undefined) return '';
  const step = frame.isObject ? (frame.key ?? '') : String(frame.index);
  return `${frame.pointer}/${step.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
