import {
  appendFileSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';

const HELD_RECORDS = 512;
const PIECE_RECORDS = 4096;

/**
 * Records of one size, spread over a number of temporary files, so that what belongs together can be read back
 * together. In memory are at most 512 records a bucket.
 */
export class BucketFiles {
  readonly folder: string;
  readonly recordBytes: number;
  private readonly held = new Map<number, { readonly buffer: Buffer; length: number }>();
  private readonly counts = new Map<number, number>();

  /** The folder is made. */
  constructor(folder: string, recordBytes: number) {
    mkdirSync(folder, { recursive: true });
    this.folder = folder;
    this.recordBytes = recordBytes;
  }

  /** Adds a record, which `fill` writes at `at`. */
  add(bucket: number, fill: (into: Buffer, at: number) => void): void {
    let held = this.held.get(bucket);
    if (held === undefined) {
      held = { buffer: Buffer.alloc(HELD_RECORDS * this.recordBytes), length: 0 };
      this.held.set(bucket, held);
    }
    if (held.length === held.buffer.length) this.write(bucket, held);
    fill(held.buffer, held.length);
    held.length += this.recordBytes;
    this.counts.set(bucket, this.count(bucket) + 1);
  }

  /** Frees its memory; to be called before records are read back. */
  flush(): void {
    for (const [bucket, held] of this.held) this.write(bucket, held);
    this.held.clear();
  }

  count(bucket: number): number {
    return this.counts.get(bucket) ?? 0;
  }

  /** In the order in which they were added. `buffer` is valid until the next is asked for. */
  *records(bucket: number): Generator<{ readonly buffer: Buffer; readonly at: number }, undefined> {
    const path = this.path(bucket);
    if (!existsSync(path)) return undefined;
    const size = statSync(path).size;
    const buffer = Buffer.alloc(Math.min(size, PIECE_RECORDS * this.recordBytes));
    const file = openSync(path, 'r');
    try {
      for (let from = 0; from < size; ) {
        let length = 0;
        const wanted = Math.min(buffer.length, size - from);
        while (length < wanted) {
          const read = readSync(file, buffer, length, wanted - length, from + length);
          if (read === 0) throw new Error(`${path} became shorter while it was read`);
          length += read;
        }
        for (let at = 0; at < length; at += this.recordBytes) yield { buffer, at };
        from += length;
      }
    } finally {
      closeSync(file);
    }
    return undefined;
  }

  /** From the disk; nothing can be added any more. */
  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  private write(bucket: number, held: { readonly buffer: Buffer; length: number }): void {
    appendFileSync(this.path(bucket), held.buffer.subarray(0, held.length));
    held.length = 0;
  }

  private path(bucket: number): string {
    return join(this.folder, String(bucket));
  }
}
