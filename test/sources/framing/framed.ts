import fc from 'fast-check';
import { createFramer } from '../../../gateway/sources/framing/create-framer.ts';
import type { Discarded, Framer } from '../../../gateway/sources/framing/framer.ts';
import type { FramingOptions } from '../../../gateway/sources/framing/framing-options.ts';

export interface Framed {
  readonly frames: Buffer[];
  readonly discarded: Discarded[];
  readonly framer: Framer;
}

/** A framer whose output is collected. */
export function collecting(options: FramingOptions): Framed {
  const frames: Buffer[] = [];
  const discarded: Discarded[] = [];
  const framer = createFramer(options, {
    frame: (bytes) => frames.push(bytes),
    discarded: (run) => discarded.push(run),
  });
  return { frames, discarded, framer };
}

/** What comes of chunks; the connection ends behind them. */
export function framed(options: FramingOptions, ...chunks: (Uint8Array | string)[]): Framed {
  const result = collecting(options);
  for (const chunk of chunks) result.framer.push(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
  result.framer.end();
  return result;
}

export function texts({ frames }: Framed): string[] {
  return frames.map((frame) => frame.toString('latin1'));
}

/** `reason:bytes` of each stretch. */
export function reasons({ discarded }: Framed): string[] {
  return discarded.map(({ reason, bytes }) => `${reason}:${bytes}`);
}

/** The same bytes in pieces of these sizes, over and over. */
export function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    chunks.push(bytes.subarray(at, at + size));
    at += size;
  }
  return chunks;
}

export const chunkSizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });
