/** Reads line protocol as `encode.ts` writes it, and is as strict: what InfluxDB might read in another way is refused. */
import { GatewayError } from '../errors.ts';
import { type FieldValue, isInt64, type LinePoint } from './encode.ts';

const SPACE = 0x20;
const LF = 0x0a;
const QUOTE = 0x22;
const HASH = 0x23;
const COMMA = 0x2c;
const MINUS = 0x2d;
const EQUALS = 0x3d;
const BACKSLASH = 0x5c;
const DELETE = 0x7f;
const LAST_C1 = 0x9f;
const SMALL_i = 0x69;

const FLOAT = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const ESCAPE = /\\([,= ])/g;
const ESCAPE_IN_STRING = /\\(["\\])/g;
const BOOLEANS: ReadonlyMap<string, boolean> = new Map([
  ...['t', 'T', 'true', 'True', 'TRUE'].map((word) => [word, true] as const),
  ...['f', 'F', 'false', 'False', 'FALSE'].map((word) => [word, false] as const),
]);

/**
 * One line, with or without its "\n".
 * @throws GatewayError `line-protocol`, with the position (characters from 1).
 */
export function decodeLine(line: Buffer | string): LinePoint {
  const text = typeof line === 'string' ? line : line.toString('utf8');
  const reader = new LineReader(text);
  const point = reader.point();
  if (!reader.atEnd()) throw reader.fail('the end of the line');
  return point;
}

/**
 * Any number of lines, each ending in "\n" (the last may do without). `each` is called in order, `index` from 0.
 * @throws GatewayError `line-protocol` at the first bad line; what came before it has been handed over.
 */
export function decodeLines(lines: Buffer | string, each: (point: LinePoint, index: number) => void): void {
  const reader = new LineReader(typeof lines === 'string' ? lines : lines.toString('utf8'));
  for (let index = 0; !reader.atEnd(); index += 1) each(reader.point(), index);
}

class LineReader {
  private readonly text: string;
  private at = 0;
  private lineStart = 0;
  private line = 1;

  constructor(text: string) {
    this.text = text;
  }

  atEnd(): boolean {
    return this.at >= this.text.length;
  }

  point(): LinePoint {
    if (this.text.charCodeAt(this.at) === HASH) throw this.fail('a measurement (# begins a comment)');
    const measurement = this.name(COMMA, 'a measurement');
    const tags: [string, string][] = [];
    while (this.take(COMMA)) {
      const start = this.at;
      const key = this.name(EQUALS, 'a tag key');
      if (!this.take(EQUALS)) throw this.fail('= after the tag key');
      for (const [known] of tags)
        if (known === key) throw this.fail('another tag key (this is a repeat)', start);
      tags.push([key, this.name(COMMA, 'a tag value')]);
    }
    if (!this.take(SPACE)) throw this.fail('a space before the fields');
    const fields: [string, FieldValue][] = [];
    do {
      const key = this.name(EQUALS, 'a field key');
      if (!this.take(EQUALS)) throw this.fail('= after the field key');
      fields.push([key, this.value()]);
    } while (this.take(COMMA));
    const timestampNs = this.take(SPACE) ? this.timestamp() : null;
    this.endOfLine();
    return { measurement, tags, fields, timestampNs };
  }

  fail(expected: string, at = this.at): GatewayError {
    const found = at < this.text.length ? JSON.stringify(this.text.slice(at, at + 20)) : 'the end';
    return new GatewayError(
      'line-protocol',
      `line ${this.line}, character ${at - this.lineStart + 1}: expected ${expected}, found ${found}`,
    );
  }

  private take(code: number): boolean {
    if (this.text.charCodeAt(this.at) !== code) return false;
    this.at += 1;
    return true;
  }

  /** Up to an unescaped comma or space, or `=` where `stop` is that. */
  private name(stop: number, what: string): string {
    const { text } = this;
    const start = this.at;
    let i = start;
    let escaped = false;
    for (; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code === COMMA || code === SPACE || (code === EQUALS && stop === EQUALS)) break;
      if (code === BACKSLASH) {
        const next = text.charCodeAt(i + 1);
        if (next === COMMA || next === SPACE || next === EQUALS) {
          escaped = true;
          i += 1;
        } else if (next === BACKSLASH || next === LF || Number.isNaN(next)) {
          throw this.fail('no backslash here', i);
        }
      } else if (code === EQUALS && what !== 'a measurement') {
        throw this.fail('an escaped =', i);
      } else if (code < SPACE || (code >= DELETE && code <= LAST_C1)) {
        break;
      }
    }
    if (i === start) throw this.fail(what, i);
    this.at = i;
    const raw = text.slice(start, i);
    return escaped ? raw.replace(ESCAPE, '$1') : raw;
  }

  private value(): FieldValue {
    const { text } = this;
    const start = this.at;
    if (text.charCodeAt(start) === QUOTE) return { type: 'string', value: this.string() };
    let i = start;
    for (; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code === COMMA || code === SPACE || code === LF) break;
    }
    const raw = text.slice(start, i);
    const first = text.charCodeAt(start);
    if (first === MINUS || (first >= 0x30 && first <= 0x39)) {
      if (text.charCodeAt(i - 1) === SMALL_i) {
        const digits = raw.slice(0, -1);
        if (!isInt64(digits)) throw this.fail('an integer of 64 bits');
        this.at = i;
        return { type: 'integer', value: digits };
      }
      const value = FLOAT.test(raw) ? Number(raw) : Number.NaN;
      if (!Number.isFinite(value)) throw this.fail('a finite number');
      this.at = i;
      return { type: 'float', value };
    }
    const value = BOOLEANS.get(raw);
    if (value === undefined) throw this.fail('a field value');
    this.at = i;
    return { type: 'boolean', value };
  }

  private string(): string {
    const { text } = this;
    const start = this.at + 1;
    let escaped = false;
    for (let i = start; i < text.length; i += 1) {
      const code = text.charCodeAt(i);
      if (code === QUOTE) {
        this.at = i + 1;
        const raw = text.slice(start, i);
        return escaped ? raw.replace(ESCAPE_IN_STRING, '$1') : raw;
      }
      if (code === LF) break;
      if (code === BACKSLASH) {
        const next = text.charCodeAt(i + 1);
        if (next !== QUOTE && next !== BACKSLASH) throw this.fail('\\" or \\\\ in the string', i);
        escaped = true;
        i += 1;
      }
    }
    throw this.fail('a closing quote');
  }

  private timestamp(): string {
    const { text } = this;
    const start = this.at;
    let i = text.charCodeAt(start) === MINUS ? start + 1 : start;
    while (text.charCodeAt(i) >= 0x30 && text.charCodeAt(i) <= 0x39) i += 1;
    const digits = text.slice(start, i);
    if (!isInt64(digits)) throw this.fail('a timestamp in nanoseconds');
    this.at = i;
    return digits;
  }

  private endOfLine(): void {
    if (this.atEnd()) return;
    if (!this.take(LF)) throw this.fail('the end of the line');
    this.lineStart = this.at;
    this.line += 1;
  }
}
