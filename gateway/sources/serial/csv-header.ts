/**
 * The header line of a device that sends CSV with one: kept, and put before each row, so that every frame tells its
 * columns by itself. A line none of whose cells is a number is a header; a device may send it again at any time.
 */
export class CsvHeader {
  #header: Buffer | null = null;

  /** The payload to hand on: the row behind its header, or the line as it is while there is no header; null: it was one. */
  take(line: Buffer): Buffer | null {
    if (isHeader(line)) {
      this.#header = Buffer.concat([line, NEW_LINE]);
      return null;
    }
    return this.#header === null ? line : Buffer.concat([this.#header, line]);
  }
}

const NEW_LINE = Buffer.from('\n');
/** Longer than any header that makes sense. */
const MAX_HEADER_BYTES = 4096;

function isHeader(line: Buffer): boolean {
  if (line.length > MAX_HEADER_BYTES) return false;
  const cells = line
    .toString('utf8')
    .split(/[,;\t]/)
    .map((cell) => cell.trim().replace(/^"(.*)"$/, '$1'));
  // One cell of several words is what a device says when it starts.
  if (cells.length === 1 && /\s/.test(cells[0] ?? '')) return false;
  return cells.every((cell) => /^[\p{L}_]/u.test(cell) && !/^(?:nan|null|inf|true|false)$/i.test(cell));
}
