/**
 * Text that somebody else chose, made safe to show: on a terminal, in a log, on a page. A leaf.
 *
 * Everything that does not print is written as an escape: control characters (so no escape sequence reaches the
 * terminal), line breaks (so one thing stays on one line), and characters that reorder or hide others.
 */

const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** Controls, formats (bidi, zero width), surrogates without a partner, unassigned, and both line separators. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

function escapeCharacter(character: string): string {
  const short = SHORT[character];
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code <= 0xff) return `\\x${code.toString(16).padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${code.toString(16).padStart(4, '0')}` : `\\u{${code.toString(16)}}`;
}

/** One line of harmless text. Cut after `maxCharacters`, and then says so with an ellipsis. */
export function printable(text: string, maxCharacters = Number.POSITIVE_INFINITY): string {
  const cut = text.length > maxCharacters;
  const shown = (cut ? text.slice(0, maxCharacters) : text).replace(UNPRINTABLE, escapeCharacter);
  return cut ? `${shown}…` : shown;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The same for bytes: as text where they are UTF-8, else each byte beyond ASCII as `\xHH`. */
export function printableBytes(bytes: Uint8Array, maxBytes = Number.POSITIVE_INFINITY): string {
  const cut = bytes.length > maxBytes;
  const part = cut ? bytes.subarray(0, wholeCharacters(bytes, maxBytes)) : bytes;
  let shown: string;
  try {
    shown = printable(utf8.decode(part));
  } catch {
    shown = Buffer.from(part.buffer, part.byteOffset, part.length)
      .toString('latin1')
      .replace(/[^\x20-\x7e]/g, escapeCharacter);
  }
  return cut ? `${shown}…` : shown;
}

/** The last place at or before `end` that does not cut a UTF-8 sequence (RFC 3629: at most three bytes continue one). */
function wholeCharacters(bytes: Uint8Array, end: number): number {
  let at = end;
  while (at > 0 && end - at < 3 && ((bytes[at] ?? 0) & 0xc0) === 0x80) at -= 1;
  return at;
}
