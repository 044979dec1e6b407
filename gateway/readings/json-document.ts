/**
 * A schema file as text: its value, and where in the file each part of it stands, so that whatever is wrong with it
 * can be told as `file:line:column`. Strict JSON; a property given twice is a problem (JSON.parse would keep the last).
 */
import type { Problem } from '../errors.ts';
import { printable } from '../printable.ts';

export interface JsonDocument {
  readonly file: string;
  readonly value: unknown;
  /** A problem at the value under the pointer, or at the nearest part of it that the file has. */
  problem(pointer: string, message: string): Problem;
  /** A problem at the name of a property. */
  problemAtKey(pointer: string, key: string, message: string): Problem;
}

export type ParsedDocument =
  | { readonly document: JsonDocument; readonly problems: readonly Problem[] }
  | { readonly document: null; readonly problems: readonly Problem[] };

const MAX_DEPTH = 64;
const SPACE = /[ \t\n\r]*/y;
const TOKEN = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
const WORD = /[^\s,:[\]{}]+/y;

class Stop extends Error {
  readonly offset: number;

  constructor(offset: number, message: string) {
    super(message);
    this.offset = offset;
  }
}

export function parseJsonDocument(file: string, source: string): ParsedDocument {
  const text = source.startsWith('\ufeff') ? source.slice(1) : source;
  const at = (offset: number, pointer: string, message: string): Problem => {
    const before = text.slice(0, offset);
    const line = before.split('\n').length;
    return { file, line, column: offset - before.lastIndexOf('\n'), pointer, message };
  };
  const parser = new PositionParser(text);
  let value: unknown;
  try {
    parser.parse();
    value = JSON.parse(text);
  } catch (error) {
    const offset = error instanceof Stop ? error.offset : 0;
    const message = error instanceof Error ? error.message : String(error);
    return { document: null, problems: [at(offset, '', `is not JSON: ${message}`)] };
  }
  const document: JsonDocument = {
    file,
    value,
    problem(pointer, message) {
      let known = pointer;
      while (known !== '' && !parser.values.has(known)) known = known.slice(0, known.lastIndexOf('/'));
      return at(parser.values.get(known) ?? 0, pointer, message);
    },
    problemAtKey(pointer, key, message) {
      const full = `${pointer}/${escapePointer(key)}`;
      return at(parser.keys.get(full) ?? parser.values.get(pointer) ?? 0, full, message);
    },
  };
  const repeated = parser.repeated.map(({ offset, pointer }) =>
    at(offset, pointer, 'is given twice; keep one of them'),
  );
  return { document, problems: repeated };
}

/** One level of a JSON Pointer (RFC 6901). */
export function escapePointer(level: string): string {
  return level.replaceAll('~', '~0').replaceAll('/', '~1');
}

export function splitPointer(pointer: string): string[] {
  return pointer
    .split('/')
    .slice(1)
    .map((level) => level.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** Recursive descent, for offsets only; JSON.parse makes the value. */
class PositionParser {
  readonly values = new Map<string, number>();
  readonly keys = new Map<string, number>();
  readonly repeated: { offset: number; pointer: string }[] = [];
  private readonly text: string;
  private at = 0;

  constructor(text: string) {
    this.text = text;
  }

  parse(): void {
    this.value('', 0);
    this.space();
    if (this.at < this.text.length) throw this.stop('the end');
  }

  private value(pointer: string, depth: number): void {
    this.space();
    if (depth > MAX_DEPTH) throw new Stop(this.at, `nested deeper than ${MAX_DEPTH} levels`);
    this.values.set(pointer, this.at);
    const character = this.text[this.at];
    if (character === '{') this.members(pointer, depth);
    else if (character === '[') this.elements(pointer, depth);
    else if (character === '"') this.string();
    else if (!this.skip(TOKEN)) throw this.stop('a value');
  }

  private members(pointer: string, depth: number): void {
    this.at += 1;
    if (this.take('}')) return;
    do {
      this.space();
      const offset = this.at;
      if (this.text[offset] !== '"') throw this.stop('a property name in double quotes');
      const full = `${pointer}/${escapePointer(this.string())}`;
      if (this.keys.has(full)) this.repeated.push({ offset, pointer: full });
      this.keys.set(full, offset);
      if (!this.take(':')) throw this.stop(':');
      this.value(full, depth + 1);
    } while (this.take(','));
    if (!this.take('}')) throw this.stop(', or }');
  }

  private elements(pointer: string, depth: number): void {
    this.at += 1;
    if (this.take(']')) return;
    let index = 0;
    do {
      this.value(`${pointer}/${index}`, depth + 1);
      index += 1;
    } while (this.take(','));
    if (!this.take(']')) throw this.stop(', or ]');
  }

  private string(): string {
    const start = this.at;
    let end = start + 1;
    while (end < this.text.length && this.text[end] !== '"' && this.text[end] !== '\n') {
      end += this.text[end] === '\\' ? 2 : 1;
    }
    if (this.text[end] !== '"') throw this.stop('a closing " on the same line');
    this.at = end + 1;
    try {
      const value: unknown = JSON.parse(this.text.slice(start, this.at));
      return String(value);
    } catch {
      throw new Stop(start, 'a string with a control character or a bad escape');
    }
  }

  private space(): void {
    this.skip(SPACE);
  }

  private skip(pattern: RegExp): boolean {
    pattern.lastIndex = this.at;
    const found = pattern.test(this.text);
    if (found) this.at = pattern.lastIndex;
    return found;
  }

  private take(character: string): boolean {
    this.space();
    if (this.text[this.at] !== character) return false;
    this.at += 1;
    return true;
  }

  private stop(expected: string): Stop {
    WORD.lastIndex = this.at;
    const found = WORD.exec(this.text)?.[0] ?? this.text[this.at] ?? '';
    return new Stop(
      this.at,
      `expected ${expected}, found ${found === '' ? 'the end' : printable(found, 20)}`,
    );
  }
}
