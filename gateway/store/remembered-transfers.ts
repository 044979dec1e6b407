import type { TransferKey } from '../store-contract.ts';
import { ByteReader, ByteWriter, damaged } from './bytes.ts';
import { BLOCK, type RingWindow, RingWindows, WRITE_BYTES } from './ring-windows.ts';
import type { Reading, Writes } from './storage.ts';

/** Bytes of one transfer: u16 packet id, u32 and u32 hash, u16 readings, u8 state. */
const SLOT = 13;
const STATE_AT = 12;
const WHAT = 'the memory of transfers';

const OPEN = 2;
const RELEASED = 0;

export interface TransferLimits {
  readonly maxTransfersPerClient: number;
  readonly maxTransfers: number;
  readonly maxClients: number;
}

/**
 * The last transfers of each client, as they are committed, so that a resend is recognised after a restart. Bounds: see
 * `RingWindows`. What is forgotten would be stored a second time if it were sent again.
 *
 * On disk as `transfers/<block>`: [u8 place, f64 group, u16 length, UTF-8 name, u16 n, n × 13 bytes, oldest first]…
 */
export class RememberedTransfers {
  readonly #windows: RingWindows;
  readonly #writer = new ByteWriter();

  constructor(limits: TransferLimits) {
    this.#windows = new RingWindows({
      slotBytes: SLOT,
      maxPerName: limits.maxTransfersPerClient,
      maxTotal: limits.maxTransfers,
      maxNames: limits.maxClients,
    });
  }

  remember(key: TransferKey, seq: number): void {
    const isRelease = key.state === RELEASED;
    const window = isRelease ? this.#windows.get(key.client) : this.#windows.open(key.client, seq);
    if (window === undefined || window === null || seq <= window.loadedSeq) return;
    this.#windows.use(window, seq);
    if (isRelease) this.#release(window, key.packetId);
    else this.#append(window, key);
  }

  /** Oldest first, for each client. One whose PUBREL came is over: it names nothing any more. */
  *[Symbol.iterator](): Generator<TransferKey> {
    for (const window of this.#windows.byUse()) {
      for (let back = window.used; back >= 1; back -= 1) {
        const key = this.#keyAt(window, back);
        if (key.state !== RELEASED) yield key;
      }
    }
  }

  /** See `RingWindows.flush`. */
  flush(writes: Writes, maxBytes: number, throughSeq: number): void {
    const writer = this.#writer;
    this.#windows.flush(maxBytes, throughSeq, (block) => {
      writer.reset();
      for (const [position, window] of this.#windows.inBlock(block)) {
        writer.u8(position);
        writer.f64(window.usedSeq);
        writer.shortText(window.name);
        writer.u16(window.used);
        for (const run of this.#windows.newest(window, window.used)) writer.bytes(run);
      }
      if (writer.at === 0) writes.remove('state', `transfers/${block}`);
      else writes.put('state', `transfers/${block}`, Buffer.from(writer.written()));
      return WRITE_BYTES + writer.at;
    });
  }

  flushFailed(): void {
    this.#windows.flushFailed();
  }

  cleanThrough(lastSeq: number): number {
    return this.#windows.cleanThrough(lastSeq);
  }

  load(reading: Reading): void {
    for (const { key, value } of reading.entries('state', { from: 'transfers/', through: 'transfers/~' })) {
      const block = Number(String(key).slice('transfers/'.length));
      const reader = new ByteReader(value, WHAT);
      while (reader.left > 0) {
        const place = block * BLOCK + reader.u8();
        const usedSeq = reader.f64();
        const name = reader.shortText();
        const count = reader.u16();
        const slots = Buffer.from(reader.bytes(count * SLOT));
        if (!Number.isSafeInteger(place) || place < 0) throw damaged(WHAT, 'a place in it');
        this.#windows.restore({ name, place, usedSeq, count, slots });
      }
    }
    this.#windows.restored();
  }

  #append(window: RingWindow, key: TransferKey): void {
    const at = this.#windows.append(window);
    const { slots } = window;
    slots.writeUInt16LE(key.packetId, at);
    slots.writeUInt32LE(key.hashHigh, at + 2);
    slots.writeUInt32LE(key.hashLow, at + 6);
    slots.writeUInt16LE(Math.min(key.readings, 0xffff), at + 10);
    slots.writeUInt8(key.state, at + STATE_AT);
  }

  /** Whatever is open under the id: a client that lost its state has left some behind. Id 0: whatever there is. */
  #release(window: RingWindow, packetId: number): void {
    for (let back = 1; back <= window.used; back += 1) {
      const at = this.#windows.slotAt(window, back);
      if (packetId === 0) window.slots.writeUInt8(RELEASED, at + STATE_AT);
      else if (window.slots.readUInt8(at + STATE_AT) === OPEN && window.slots.readUInt16LE(at) === packetId) {
        window.slots.writeUInt8(RELEASED, at + STATE_AT);
      }
    }
  }

  #keyAt(window: RingWindow, back: number): TransferKey {
    const at = this.#windows.slotAt(window, back);
    const { slots } = window;
    const state = slots.readUInt8(at + STATE_AT);
    if (state !== 0 && state !== 1 && state !== 2) throw damaged(WHAT, `a state ${state}`);
    return {
      client: window.name,
      packetId: slots.readUInt16LE(at),
      hashHigh: slots.readUInt32LE(at + 2),
      hashLow: slots.readUInt32LE(at + 6),
      readings: slots.readUInt16LE(at + 10),
      state,
    };
  }
}
