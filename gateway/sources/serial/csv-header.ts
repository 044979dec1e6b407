/** What parts the names of a header: blanks, or comma, semicolon or tab. */
export type HeaderKind = 'blanks' | 'marks';

/**
 * The header line of a device that sends CSV with one: kept, and put before each row, so that every frame tells its
 * columns by itself. A line none of whose cells is a number is a header; a device may send it again at any time.
 */
export class CsvHeader {
  readonly #kind: HeaderKind;
  #header: Buffer | null = null;

  constructor(kind: HeaderKind) {
    this.#kind = kind;
  }

  /** The payload to hand on: the row behind its header, or the line as it is while there is no header; null: it was one. */
  take(line: Buffer): Buffer | null {
    if (isHeader(line, this.#kind)) {
      this.#header = Buffer.concat([line, NEW_LINE]);
      return null;
    }
    return this.#header === null ? line : Buffer.concat([this.#header, line]);
  }
}

const NEW_LINE = Buffer.from('\n');
/** Longer than any header that makes sense. */
const MAX_HEADER_BYTES = 4096;

function isHeader(line: Buffer, kind: HeaderKind): boolean {
  if (line.length > MAX_HEADER_BYTES) return false;
  const cells = line
    .toString('utf8')
    .trim()
    // Sketches often print a delimiter behind the last name too.
    .replace(/[,;]$/, '')
    .split(kind === 'blanks' ? /\s+/ : /[,;\t]/)
    .map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
  // One cell of several words is what a device says when it starts.
  if (cells.length === 1 && /\s/.test(cells[0] ?? '')) return false;
  return cells.every((cell) => /^[\p{L}_]/u.test(cell) && !/^(?:nan|null|inf|true|false)$/i.test(cell));
}
