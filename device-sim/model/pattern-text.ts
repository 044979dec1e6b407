import type { Random } from '../random.ts';

/**
 * A text that a regular expression matches; null where it has what is not known here (look-around, back references,
 * Unicode classes). Made by walking the expression: of alternatives one is taken, of repetitions few.
 */
export function patternText(source: string, random: Random): string | null {
  try {
    const walker = new Walker(source, random);
    const text = walker.alternatives();
    return walker.isAtEnd ? text : null;
  } catch (error) {
    if (error instanceof Unknown) return null;
    throw error;
  }
}

class Unknown extends Error {}

const DIGITS = '0123456789';
const LETTERS = 'abcdefghijklmnopqrstuvwxyz';
const CAPITALS = LETTERS.toUpperCase();
const PRINTABLE = `${DIGITS}${LETTERS}${CAPITALS} -_.,:;/#+*()[]{}!?%&=<>@'"$^|~`;
const CLASSES: ReadonlyMap<string, string> = new Map([
  ['d', DIGITS],
  ['w', `${LETTERS}${CAPITALS}${DIGITS}_`],
  ['s', ' '],
  ['D', `${LETTERS}-`],
  ['W', ' -.'],
  ['S', `${LETTERS}${DIGITS}`],
]);
const ESCAPED: ReadonlyMap<string, string> = new Map([
  ['t', '\t'],
  ['n', '\n'],
  ['r', '\r'],
  ['f', '\f'],
  ['v', '\v'],
]);
/** Repetitions beyond the fewest, where there is no upper limit or a high one. */
const SPARE = 6;

class Walker {
  private readonly source: string;
  private readonly random: Random;
  private at = 0;

  constructor(source: string, random: Random) {
    this.source = source;
    this.random = random;
  }

  get isAtEnd(): boolean {
    return this.at === this.source.length;
  }

  /** All are walked, and one is taken. */
  alternatives(): string {
    const texts = [this.sequence()];
    while (this.source[this.at] === '|') {
      this.at += 1;
      texts.push(this.sequence());
    }
    return texts[this.random.below(texts.length)] ?? '';
  }

  private sequence(): string {
    let text = '';
    while (!this.isAtEnd && this.source[this.at] !== '|' && this.source[this.at] !== ')') {
      const start = this.at;
      let atom = this.atom();
      const end = this.at;
      const [least, most] = this.repetition();
      const after = this.at;
      const times = least + this.random.below(Math.min(most - least, SPARE) + 1);
      if (times === 0) atom = '';
      for (let i = 1; i < times; i += 1) {
        this.at = start;
        atom += this.atom();
        if (this.at !== end) throw new Unknown();
      }
      this.at = after;
      text += atom;
    }
    return text;
  }

  private atom(): string {
    const character = this.source[this.at] ?? '';
    this.at += 1;
    switch (character) {
      case '^':
      case '$':
        return '';
      case '.':
        return this.one(`${LETTERS}${DIGITS}`);
      case '[':
        return this.one(this.bracket());
      case '(': {
        if (this.source[this.at] === '?') {
          const name = /^\?(?::|<[A-Za-z]\w*>)/.exec(this.source.slice(this.at));
          if (name === null) throw new Unknown();
          this.at += name[0].length;
        }
        const text = this.alternatives();
        if (this.source[this.at] !== ')') throw new Unknown();
        this.at += 1;
        return text;
      }
      case '\\':
        return this.one(this.escaped());
      case '*':
      case '+':
      case '?':
      case '{':
        throw new Unknown();
      default:
        return character;
    }
  }

  private escaped(): string {
    const character = this.source[this.at] ?? '';
    this.at += 1;
    const known = CLASSES.get(character) ?? ESCAPED.get(character);
    if (known !== undefined) return known;
    if (/[A-Za-z0-9]/.test(character)) throw new Unknown();
    return character;
  }

  private bracket(): string {
    let characters = '';
    const isNegated = this.source[this.at] === '^';
    if (isNegated) this.at += 1;
    while (this.source[this.at] !== ']') {
      if (this.isAtEnd) throw new Unknown();
      let from = this.source[this.at] ?? '';
      this.at += 1;
      if (from === '\\') from = this.escaped();
      if (from.length === 1 && this.source[this.at] === '-' && this.source[this.at + 1] !== ']') {
        this.at += 1;
        let to = this.source[this.at] ?? '';
        this.at += 1;
        if (to === '\\') to = this.escaped();
        for (let code = from.charCodeAt(0); code <= to.charCodeAt(0) && characters.length < 500; code += 1) {
          characters += String.fromCharCode(code);
        }
      } else characters += from;
    }
    this.at += 1;
    if (!isNegated) return characters;
    return [...PRINTABLE].filter((character) => !characters.includes(character)).join('');
  }

  private repetition(): readonly [least: number, most: number] {
    const match = /^(?:[*+?]|\{(\d+)(?:(,)(\d*))?\})\??/.exec(this.source.slice(this.at));
    if (match === null) return [1, 1];
    this.at += match[0].length;
    switch (match[0][0]) {
      case '*':
        return [0, SPARE];
      case '+':
        return [1, SPARE];
      case '?':
        return [0, 1];
    }
    const least = Number(match[1]);
    if (least > 5000) throw new Unknown();
    if (match[2] === undefined) return [least, least];
    return [least, match[3] === '' || match[3] === undefined ? least + SPARE : Number(match[3])];
  }

  private one(characters: string): string {
    if (characters === '') throw new Unknown();
    return characters[this.random.below(characters.length)] ?? '';
  }
}
