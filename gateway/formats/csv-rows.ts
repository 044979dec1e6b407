import { byteAt, found, undecodable } from './payload-text.ts';

export type Delimiter = ',' | ';' | '\t' | ' ';

export interface Cell {
  readonly text: string;
  /** It stood in quotes: it is a text whatever it looks like. */
  readonly isQuoted: boolean;
}

/** A row that is not blank. `from` and `to` are places in the text, without the end of the line. */
export interface Row {
  readonly cells: readonly Cell[];
  readonly from: number;
  readonly to: number;
}

const REMEDY = 'part values by the delimiter, and write quotes inside of quotes twice';

/**
 * Comma-separated values (RFC 4180) with any of the delimiters; blanks around cells are no part of them. Several blanks
 * are one delimiter where that is a blank.
 * @throws GatewayError `undecodable` with a place.
 */
export function readRows(text: string, delimiter: Delimiter, maxCells: number): readonly Row[] {
  const rows: Row[] = [];
  let cellsLeft = maxCells;
  for (let at = 0; at < text.length; ) {
    at = skipBlanks(text, at, delimiter);
    if (at >= text.length) break;
    if (isLineEnd(text[at])) {
      at += 1;
      continue;
    }
    const from = at;
    const cells: Cell[] = [];
    for (;;) {
      if (cellsLeft === 0)
        throw undecodable(
          `more than ${maxCells} values at ${byteAt(text, at)}; send fewer with each message`,
        );
      cellsLeft -= 1;
      at = text[at] === '"' ? readQuoted(text, at, cells) : readPlain(text, at, delimiter, cells);
      at = skipBlanks(text, at, delimiter);
      if (at >= text.length || isLineEnd(text[at])) break;
      // A blank as delimiter was skipped as a blank.
      if (delimiter === ' ') continue;
      if (text[at] !== delimiter)
        throw undecodable(
          `expected the delimiter at ${byteAt(text, at)}, found ${found(text, at)}; ${REMEDY}`,
        );
      at = skipBlanks(text, at + 1, delimiter);
    }
    rows.push({ cells, from, to: at });
  }
  return rows;
}

/** The first of tab, semicolon and comma that the first line has outside of quotes; a comma where it has none. */
export function guessDelimiter(text: string, isCommaDecimal: boolean): Delimiter {
  let quoted = false;
  let hasSemicolon = false;
  for (let at = text.search(/[^ \r\n]/); at >= 0 && at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') quoted = !quoted;
    if (quoted) continue;
    if (character === '\t') return '\t';
    if (character === ';') hasSemicolon = true;
    if (isLineEnd(character)) break;
  }
  return hasSemicolon || isCommaDecimal ? ';' : ',';
}

/** A delimiter is never skipped as a blank, but where blanks are the delimiter. */
function skipBlanks(text: string, from: number, delimiter: Delimiter): number {
  let at = from;
  while (text[at] === ' ' || (text[at] === '\t' && delimiter !== '\t')) at += 1;
  return at;
}

function readPlain(text: string, from: number, delimiter: Delimiter, cells: Cell[]): number {
  let at = from;
  while (at < text.length && text[at] !== delimiter && !isLineEnd(text[at])) {
    if (delimiter === ' ' && text[at] === '\t') break;
    at += 1;
  }
  cells.push({ text: text.slice(from, at).trimEnd(), isQuoted: false });
  return at;
}

function readQuoted(text: string, openingQuote: number, cells: Cell[]): number {
  let cell = '';
  for (let at = openingQuote + 1; ; ) {
    const quote = text.indexOf('"', at);
    if (quote === -1)
      throw undecodable(`the quote at ${byteAt(text, openingQuote)} is not closed; ${REMEDY}`);
    cell += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      cells.push({ text: cell, isQuoted: true });
      return quote + 1;
    }
    cell += '"';
    at = quote + 2;
  }
}

function isLineEnd(character: string | undefined): boolean {
  return character === '\n' || character === '\r';
}
