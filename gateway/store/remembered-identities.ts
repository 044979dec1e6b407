import type { IdentityKey } from '../store-contract.ts';
import { ByteReader, ByteWriter, damaged } from './bytes.ts';
import { BLOCK, type RingWindow, RingWindows, WRITE_BYTES } from './ring-windows.ts';
import type { Reading, Writes } from './storage.ts';

/** Bytes of one identity: u32 high, u32 low. */
const SLOT = 8;
/** Identities of one piece. */
const PIECE = 128;
const PIECE_COST = SLOT + PIECE * SLOT + WRITE_BYTES;
const WHAT = 'the memory of identities';

export interface IdentityLimits {
  readonly maxIdentitiesPerDevice: number;
  readonly maxIdentities: number;
  readonly maxIdentityDevices: number;
}

/**
 * The last identities of each device, as they are committed, so that a resend is recognised after a restart. Bounds: see
 * `RingWindows`. What is forgotten would be stored a second time if it were sent again.
 *
 * A device's identities are numbered as they come. Every 128 that are complete are a piece, which is written once; only
 * those behind the last piece are written again with every flush: a card that wears out sees each identity twice or so,
 * not the window of 32 KiB for every reading.
 *
 * On disk as `identities/<block>`: [u8 place, f64 group, u16 length, UTF-8 device, f64 count, u16 held, the newest
 * `count mod 128` (or `held`, if that is less) × 8 bytes, oldest first]… and `identity-pieces/<place>/<number mod pieces
 * of a window>`: [f64 number, 128 × 8 bytes]. A piece that is not the one expected there is an older one: the window
 * begins behind it.
 */
export class RememberedIdentities {
  readonly #windows: RingWindows;
  readonly #pieces: number;
  readonly #writer = new ByteWriter();
  /** Of each window, up to which piece they are on disk. */
  readonly #saved = new WeakMap<RingWindow, number>();
  /** How many keys of pieces there are on disk at a place, of whichever window. */
  readonly #keys = new Map<number, number>();
  /** Takes back what the last flush has noted. */
  #before: (() => void)[] = [];

  constructor(limits: IdentityLimits) {
    const maxPerName = Math.min(limits.maxIdentitiesPerDevice, 0xffff);
    this.#pieces = Math.ceil(maxPerName / PIECE) + 1;
    this.#windows = new RingWindows({
      slotBytes: SLOT,
      maxPerName,
      maxTotal: limits.maxIdentities,
      maxNames: limits.maxIdentityDevices,
    });
  }

  remember(device: string, high: number, low: number, seq: number): void {
    const window = this.#windows.open(device, seq);
    if (window === null || seq <= window.loadedSeq) return;
    this.#windows.use(window, seq);
    const at = this.#windows.append(window);
    window.slots.writeUInt32LE(high, at);
    window.slots.writeUInt32LE(low, at + 4);
  }

  /** Oldest first, for each device. */
  *[Symbol.iterator](): Generator<IdentityKey> {
    for (const window of this.#windows.byUse()) {
      for (let back = window.used; back >= 1; back -= 1) {
        const at = this.#windows.slotAt(window, back);
        const { slots } = window;
        yield { device: window.name, high: slots.readUInt32LE(at), low: slots.readUInt32LE(at + 4) };
      }
    }
  }

  /** See `RingWindows.flush`. */
  flush(writes: Writes, maxBytes: number, throughSeq: number): void {
    this.#before = [];
    const writer = this.#writer;
    this.#windows.flush(maxBytes, throughSeq, (block, left) => {
      let bytes = this.#removePieces(writes, block);
      for (const [, window] of this.#windows.inBlock(block)) {
        bytes += this.#flushPieces(writes, window, left - bytes);
        if (bytes >= left) return null;
      }
      writer.reset();
      for (const [position, window] of this.#windows.inBlock(block)) {
        writer.u8(position);
        writer.f64(window.usedSeq);
        writer.shortText(window.name);
        writer.f64(window.count);
        writer.u16(window.used);
        const unfinished = Math.min(window.count % PIECE, window.used);
        for (const run of this.#windows.newest(window, unfinished)) writer.bytes(run);
      }
      if (writer.at === 0) writes.remove('state', `identities/${block}`);
      else writes.put('state', `identities/${block}`, Buffer.from(writer.written()));
      return bytes + WRITE_BYTES + writer.at;
    });
  }

  /**
   * Those not on disk yet, as far as `left` bytes go; returns how many it took. They may be there before their block is:
   * were that all, a start would go through the log from the block's group on, and come to the same.
   */
  #flushPieces(writes: Writes, window: RingWindow, left: number): number {
    const { place, count, used } = window;
    const complete = Math.trunc(count / PIECE);
    const saved = this.#saved.get(window) ?? 0;
    const first = Math.max(saved, Math.trunc((count - used) / PIECE));
    const last = Math.min(complete, first + Math.ceil(left / PIECE_COST));
    if (saved === complete) return 0;
    for (let piece = first; piece < last; piece += 1) {
      const value = Buffer.alloc(SLOT + PIECE * SLOT);
      value.writeDoubleLE(piece, 0);
      for (let i = 0; i < PIECE; i += 1) {
        const back = count - (piece * PIECE + i);
        // Of the oldest, some may be forgotten already: their places stay empty, and are not read.
        if (back > used) continue;
        const at = this.#windows.slotAt(window, back);
        window.slots.copy(value, SLOT + i * SLOT, at, at + SLOT);
      }
      writes.put('state', this.#pieceKey(place, piece), value);
    }
    this.#note(window, last);
    this.#noteKeys(place, Math.max(this.#keys.get(place) ?? 0, Math.min(last, this.#pieces)));
    return Math.max(0, last - first) * PIECE_COST;
  }

  /** Of devices that were forgotten. */
  #removePieces(writes: Writes, block: number): number {
    let bytes = 0;
    for (let place = block * BLOCK; place < (block + 1) * BLOCK; place += 1) {
      const keys = this.#windows.at(place) === null ? (this.#keys.get(place) ?? 0) : 0;
      if (keys === 0) continue;
      for (let piece = 0; piece < keys; piece += 1) writes.remove('state', this.#pieceKey(place, piece));
      this.#noteKeys(place, 0);
      bytes += keys * WRITE_BYTES;
    }
    return bytes;
  }

  #note(window: RingWindow, saved: number): void {
    const before = this.#saved.get(window) ?? 0;
    this.#before.push(() => this.#saved.set(window, before));
    this.#saved.set(window, saved);
  }

  #noteKeys(place: number, keys: number): void {
    const before = this.#keys.get(place) ?? 0;
    this.#before.push(() => this.#keys.set(place, before));
    if (keys === 0) this.#keys.delete(place);
    else this.#keys.set(place, keys);
  }

  flushFailed(): void {
    for (const undo of this.#before.reverse()) undo();
    this.#before = [];
    this.#windows.flushFailed();
  }

  cleanThrough(lastSeq: number): number {
    return this.#windows.cleanThrough(lastSeq);
  }

  load(reading: Reading): void {
    for (const { key, value } of reading.entries('state', { from: 'identities/', through: 'identities/~' })) {
      const block = Number(String(key).slice('identities/'.length));
      const reader = new ByteReader(value, WHAT);
      while (reader.left > 0) this.#loadWindow(reading, reader, block);
    }
    this.#windows.restored();
  }

  #loadWindow(reading: Reading, reader: ByteReader, block: number): void {
    const place = block * BLOCK + reader.u8();
    const usedSeq = reader.f64();
    const name = reader.shortText();
    const count = reader.f64();
    const held = reader.u16();
    if (!Number.isSafeInteger(place) || place < 0 || !(count >= held)) throw damaged(WHAT, 'a place in it');
    const unfinished = Math.min(count % PIECE, held);
    const parts = [reader.bytes(unfinished * SLOT)];
    let missing = held - unfinished;
    for (let piece = Math.trunc(count / PIECE) - 1; missing > 0; piece -= 1) {
      const value = reading.get('state', this.#pieceKey(place, piece));
      if (value === null || value.length !== SLOT + PIECE * SLOT || value.readDoubleLE(0) !== piece) break;
      const taken = Math.min(missing, PIECE);
      parts.unshift(value.subarray(value.length - taken * SLOT));
      missing -= taken;
    }
    const window = this.#windows.restore({ name, place, usedSeq, count, slots: Buffer.concat(parts) });
    const saved = Math.trunc(count / PIECE);
    this.#saved.set(window, saved);
    if (saved > 0) this.#keys.set(place, Math.min(saved, this.#pieces));
  }

  #pieceKey(place: number, piece: number): string {
    return `identity-pieces/${place}/${piece % this.#pieces}`;
  }
}
