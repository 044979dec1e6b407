import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { arch } from 'node:os';
import { damaged } from './bytes.ts';

/**
 * What LMDB's file begins with: two meta pages, used by turns. Little-endian, on 64-bit machines; on 32-bit ones the page
 * header is shorter, and only the magic number is looked for.
 */
const MAGIC = Buffer.from([0xde, 0xc0, 0xef, 0xbe]);
const MAGIC_AT = 24;
const PAGE_SIZE_AT = 48;
const LAST_PAGE_AT = 144;
const TXN_ID_AT = 152;
const META_BYTES = 160;
const LEAST_PAGE_BYTES = 512;
const MOST_PAGE_BYTES = 65_536;

/**
 * Looks at LMDB's file before LMDB does. lmdb 3.5.6 ends the process with a segmentation fault when it is given a file
 * that it refuses to open, and with a bus error when pages are missing at the end.
 *
 * @throws GatewayError `store-damaged`; an Error of node:fs.
 */
export function checkLmdbFile(file: string): void {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    // An empty one is a new one.
    if (size === 0) return;
    const head = Buffer.alloc(MOST_PAGE_BYTES + META_BYTES);
    readSync(descriptor, head, 0, head.length, 0);
    check(file, head, size);
  } finally {
    closeSync(descriptor);
  }
}

function check(file: string, head: Buffer, size: number): void {
  const what = `the file ${file}`;
  if (arch() === 'arm' || arch() === 'ia32') {
    if (head.subarray(0, 64).includes(MAGIC)) return;
    throw damaged(what, 'it is not an LMDB file');
  }
  const pageBytes = head.readUInt32LE(PAGE_SIZE_AT);
  const isPageSize = pageBytes >= LEAST_PAGE_BYTES && pageBytes <= MOST_PAGE_BYTES;
  if (!isPageSize || !hasMagic(head, 0) || !hasMagic(head, pageBytes)) {
    throw damaged(what, 'it is not an LMDB file');
  }
  const [first, second] = [metaAt(head, 0), metaAt(head, pageBytes)];
  const { lastPage } = first.txnId >= second.txnId ? first : second;
  const needed = (lastPage + 1) * pageBytes;
  if (size < needed) throw damaged(what, `it was cut short: it has ${size} bytes of ${needed}`);
}

function hasMagic(head: Buffer, page: number): boolean {
  return head.subarray(page + MAGIC_AT, page + MAGIC_AT + MAGIC.length).equals(MAGIC);
}

function metaAt(head: Buffer, page: number): { lastPage: number; txnId: number } {
  // Six bytes are as much as a double holds exactly, and more than there will ever be.
  return { lastPage: head.readUIntLE(page + LAST_PAGE_AT, 6), txnId: head.readUIntLE(page + TXN_ID_AT, 6) };
}
