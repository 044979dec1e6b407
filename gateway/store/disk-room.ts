import { type FileHandle, open, stat, statfs } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import type { Shortage } from './storage.ts';

const MIB = 1024 * 1024;
/** The file is kept this much longer than what is used of it, ... */
const HEADROOM_BYTES = 8 * MIB;
/** ... and grows by this much at a time, beside the commits. */
const STEP_BYTES = 4 * MIB;
const ZEROS = Buffer.alloc(MIB);

export interface DiskRoomOptions {
  readonly dir: string;
  readonly file: string;
  readonly minFreeDiskBytes: number;
  /** The file is never longer than the memory map. */
  readonly maxFileBytes: number;
  /** Where the used part of the file ends, asked of LMDB. */
  readonly endOfData: () => number;
}

/**
 * Room in LMDB's file, taken from the disk ahead of its use by writing zeros behind the end.
 *
 * Why: when a write of LMDB itself meets a full disk, lmdb 3.5.6 formats its error message into a buffer that is too
 * small for it, and the process is aborted. So LMDB is never let onto bytes that the disk has not already given: a
 * transaction starts only if an upper bound of what it may write ends within the file. As a bonus, a commit into
 * existing blocks is cheaper to sync than one that lengthens the file.
 *
 * What LMDB frees it uses again, so `used` stands still while the log turns over, and the file with it. It never shrinks.
 */
export class DiskRoom {
  readonly #options: DiskRoomOptions;
  #handle: FileHandle | null = null;
  #allocated = 0;
  /** An upper bound: raised by each transaction's bound, lowered again by asking LMDB. */
  #used = 0;
  #growing: Promise<void> | null = null;
  #closed: boolean = false;
  /** Somebody deleted or moved the file: what is written to it from then on is not found again. */
  #isLost: boolean = false;
  shortage: Shortage | null = null;
  freeBytes = 0;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
  }

  get usedBytes(): number {
    return this.#used;
  }

  async open(): Promise<void> {
    this.#handle = await open(this.#options.file, 'r+');
    this.#allocated = (await this.#handle.stat()).size;
    this.#used = this.#options.endOfData();
    await this.refresh();
  }

  /** Whether a transaction of at most so many bytes ends within the file, with `reserveBytes` to spare. */
  fits(bytes: number, reserveBytes: number): boolean {
    if (this.#isLost) return false;
    if (this.#used + bytes + reserveBytes > this.#allocated) this.#used = this.#options.endOfData();
    return this.#used + bytes + reserveBytes <= this.#allocated;
  }

  /** A transaction of at most so many bytes begins. */
  taken(bytes: number): void {
    this.#used += bytes;
    if (this.#allocated - this.#used >= HEADROOM_BYTES) return;
    this.#used = Math.max(this.#options.endOfData() + bytes, 0);
    if (this.#allocated - this.#used < HEADROOM_BYTES) void this.#grow(STEP_BYTES);
  }

  /** Makes the file long enough for `bytes` and `reserveBytes`. False: `shortage` says why not. */
  async make(bytes: number, reserveBytes: number): Promise<boolean> {
    while (!this.fits(bytes, reserveBytes)) {
      const missing = this.#used + bytes + reserveBytes - this.#allocated;
      await this.#grow(Math.max(STEP_BYTES, missing));
      if (this.shortage !== null || this.#closed) return this.fits(bytes, reserveBytes);
    }
    return true;
  }

  /** Looks at the disk, and grows if the headroom is low. Never rejects. */
  async refresh(): Promise<void> {
    try {
      this.#isLost = !(await this.#isInPlace());
      if (this.#isLost) return await this.#grow(0);
      const { bavail, bsize } = await statfs(this.#options.dir);
      this.freeBytes = bavail * bsize;
    } catch (error) {
      this.shortage = { state: 'unavailable', reason: `the disk cannot be asked: ${messageOf(error)}` };
      return;
    }
    if (this.#closed) return;
    this.#used = this.#options.endOfData();
    const missing = this.#used + HEADROOM_BYTES - this.#allocated;
    if (missing > 0) await this.#grow(missing);
    else this.shortage = null;
  }

  /** Whether the path still leads to the open file. */
  async #isInPlace(): Promise<boolean> {
    const opened = await this.#handle?.stat();
    if (opened === undefined) return true;
    const found = await stat(this.#options.file).catch(() => null);
    return found !== null && found.dev === opened.dev && found.ino === opened.ino;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#growing;
    await this.#handle?.close();
    this.#handle = null;
  }

  async #grow(bytes: number): Promise<void> {
    this.#growing ??= this.#lengthen(bytes).finally(() => {
      this.#growing = null;
    });
    await this.#growing;
  }

  /** Writes only behind `#allocated`, where LMDB never writes: so it may run beside a transaction. */
  async #lengthen(bytes: number): Promise<void> {
    const handle = this.#handle;
    if (handle === null || this.#closed) return;
    if (this.#isLost) {
      this.shortage = { state: 'unavailable', reason: `its file ${this.#options.file} was deleted or moved` };
      return;
    }
    const { minFreeDiskBytes, maxFileBytes, dir } = this.#options;
    if (this.#allocated + bytes > maxFileBytes) {
      this.shortage = { state: 'full', reason: `its file may not be longer than ${maxFileBytes} bytes` };
      return;
    }
    try {
      const { bavail, bsize } = await statfs(dir);
      this.freeBytes = bavail * bsize;
      if (this.freeBytes < bytes) {
        this.shortage = { state: 'unavailable', reason: `the disk is full (${this.freeBytes} bytes free)` };
        return;
      }
      if (this.freeBytes < bytes + minFreeDiskBytes) {
        const reason = `the disk has ${this.freeBytes} bytes free, and ${minFreeDiskBytes} are to stay free (store.minFreeDisk)`;
        this.shortage = { state: 'full', reason };
        return;
      }
      let end = this.#allocated;
      while (end < this.#allocated + bytes) {
        const length = Math.min(ZEROS.length, this.#allocated + bytes - end);
        const { bytesWritten } = await handle.write(ZEROS, 0, length, end);
        if (bytesWritten === 0) throw new Error('nothing could be written');
        end += bytesWritten;
      }
      await handle.datasync();
      this.#allocated = end;
      this.shortage = null;
    } catch (error) {
      const reason = `the disk gives no more room: ${messageOf(error)}`;
      this.shortage = { state: 'unavailable', reason };
    }
  }
}
