const WIDTH = 16;
const MAX_BYTES = 2_048;

/** Bytes with their places and what of them is ASCII, 16 a line; of more than 2 KiB the beginning. */
export function hexDump(bytes: Buffer): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < Math.min(bytes.length, MAX_BYTES); at += WIDTH) {
    const part = bytes.subarray(at, at + WIDTH);
    const hex = (part.toString('hex').match(/../g) ?? []).join(' ');
    const text = part.toString('latin1').replace(/[^\x20-\x7e]/g, '.');
    lines.push(`${at.toString(16).padStart(6, '0')}  ${hex.padEnd(3 * WIDTH - 1)}  ${text}`);
  }
  if (bytes.length > MAX_BYTES)
    lines.push(`…  ${bytes.length - MAX_BYTES} more bytes; \`rejected export\` has all`);
  return lines;
}
