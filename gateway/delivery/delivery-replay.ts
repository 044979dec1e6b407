import type { Decision } from '../sink-contract.ts';
import type { Lines } from './delivery-lines.ts';
import { deliverSlice, type RefusedLine } from './delivery-slice.ts';

/** What a sink made of lines that it once refused; `error`: it could not be asked, or not to the end. */
export type ReplayedLines =
  | { readonly written: number; readonly refused: readonly RefusedLine[] }
  | { readonly error: string };

/**
 * Writes lines as a slice is written, but waits for no trouble to pass: somebody is waiting for the answer. After an
 * `error` some may be written all the same; their timestamps are fixed, so to write them again leaves one copy.
 */
export async function replayLines(
  lines: Lines,
  send: (part: Buffer, count: number) => Promise<Decision>,
): Promise<ReplayedLines> {
  let reason = 'it was interrupted';
  const result = await deliverSlice(lines, send, async (trouble) => {
    reason = trouble.reason;
    return false;
  });
  if (result.kind === 'done')
    return { written: lines.count - result.refused.length, refused: result.refused };
  return { error: result.kind === 'stopped' ? reason : result.reason };
}
