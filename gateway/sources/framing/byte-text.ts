/** Bytes written in hexadecimal, in pairs with or without spaces between them: `42 4D`. Null where that is not so. */
export function bytesOf(text: string): Buffer | null {
  return /^ *[0-9A-Fa-f]{2}(?: *[0-9A-Fa-f]{2})* *$/.test(text)
    ? Buffer.from(text.replaceAll(' ', ''), 'hex')
    : null;
}
