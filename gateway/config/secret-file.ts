import { closeSync, openSync, readSync } from 'node:fs';
import { systemWords } from './system-words.ts';

const MAX_BYTES = 64 * 1024;

/** The content of a secret's file without the white space around it, or why not. Never both, never thrown. */
export function readSecret(file: string): { readonly secret: string } | { readonly problem: string } {
  try {
    const text = readBounded(file, MAX_BYTES);
    if (text === null) return { problem: `names ${file}, which is larger than 64 KiB and so is no secret` };
    const secret = text.trim();
    return secret === '' ? { problem: `names ${file}, which is empty` } : { secret };
  } catch (error) {
    return { problem: `names ${file}, which cannot be read: ${systemWords(error)}` };
  }
}

/** The file's text; null where it has more than `maxBytes`. Also of a pipe, as `<(command)` gives one. */
export function readBounded(file: string, maxBytes: number): string | null {
  const descriptor = openSync(file, 'r');
  try {
    const buffer = Buffer.alloc(maxBytes + 1);
    let length = 0;
    for (;;) {
      const read = readSync(descriptor, buffer, length, buffer.length - length, null);
      if (read === 0) return buffer.toString('utf8', 0, length);
      length += read;
      if (length > maxBytes) return null;
    }
  } finally {
    closeSync(descriptor);
  }
}
