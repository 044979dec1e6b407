import type { TransferKey } from '../store-contract.ts';
import { ByteReader, ByteWriter, damaged } from './bytes.ts';
import type { Reading, Writes } from './storage.ts';

/** Bytes of one transfer: u16 packet id, u32 and u32 hash, u16 readings, u8 state. */
const SLOT = 13;
const STATE_AT = 12;
const FIRST_SLOTS = 8;
/** However many clients there are, each keeps this many. */
const LEAST_SLOTS = 16;
/** Clients of one folded value. */
const BLOCK = 32;
const MAX_NAME_LENGTH = 1024;

const OPEN = 2;
const RELEASED = 0;

interface Window {
  readonly name: string;
  /** Its place among the clients; that of a client that was forgotten is given out again. */
  readonly place: number;
  /** The group that added last: for the choice of whom to forget. */
  usedSeq: number;
  /** A ring: the newest is written at `next`. */
  slots: Buffer;
  next: number;
  used: number;
}

export interface TransferLimits {
  readonly maxTransfersPerClient: number;
  readonly maxTransfers: number;
  readonly maxClients: number;
}

/**
 * The last transfers of each client, as they are committed, so that a resend is recognised after a restart.
 *
 * Bounds: `maxTransfersPerClient` of one client; when all clients together exceed `maxTransfers`, each keeps an equal
 * part (the newest, at least 16); beyond `maxClients`, the eighth of the clients that sent nothing for longest goes. What
 * is forgotten would be stored a second time if it were sent again.
 *
 * Folded as `transfers/<block>`: [u8 place, f64 group, u16 length, UTF-8 name, u16 n, n × 13 bytes, oldest first]…
 */
export class RememberedTransfers {
  readonly #limits: TransferLimits;
  readonly #windows = new Map<string, Window>();
  readonly #places: (Window | null)[] = [];
  readonly #freePlaces: number[] = [];
  readonly #dirtyBlocks = new Set<number>();
  #slots = 0;

  constructor(limits: TransferLimits) {
    const maxClients = Math.max(
      1,
      Math.min(limits.maxClients, Math.trunc(limits.maxTransfers / LEAST_SLOTS)),
    );
    this.#limits = { ...limits, maxClients };
  }

  remember(key: TransferKey, seq: number): void {
    if (key.client.length > MAX_NAME_LENGTH) return;
    let window = this.#windows.get(key.client);
    if (window === undefined) {
      if (key.state === RELEASED) return;
      window = this.#add(key.client, seq);
    }
    window.usedSeq = seq;
    this.#dirtyBlocks.add(Math.trunc(window.place / BLOCK));
    if (key.state === RELEASED) release(window, key.packetId);
    else this.#append(window, key);
  }

  /** Oldest first, for each client. One whose PUBREL came is over: it names nothing any more. */
  *[Symbol.iterator](): Generator<TransferKey> {
    for (const window of [...this.#windows.values()].sort((a, b) => a.usedSeq - b.usedSeq)) {
      for (let back = window.used; back >= 1; back -= 1) {
        const key = keyAt(window, back);
        if (key.state !== RELEASED) yield key;
      }
    }
  }

  fold(writes: Writes): void {
    const writer = new ByteWriter();
    for (const block of this.#dirtyBlocks) {
      writer.reset();
      for (let i = 0; i < BLOCK; i += 1) {
        const window = this.#places[block * BLOCK + i];
        if (window !== undefined && window !== null) encodeWindow(writer, i, window);
      }
      if (writer.at === 0) writes.remove('state', `transfers/${block}`);
      else writes.put('state', `transfers/${block}`, Buffer.from(writer.written()));
    }
    this.#dirtyBlocks.clear();
  }

  /** After a fold that could not be committed: everything is to be written again. */
  foldFailed(): void {
    for (let from = 0; from < this.#places.length; from += BLOCK) this.#dirtyBlocks.add(from / BLOCK);
  }

  load(reading: Reading): void {
    for (const { key, value } of reading.entries('state', { from: 'transfers/', through: 'transfers/~' })) {
      const block = Number(String(key).slice('transfers/'.length));
      const reader = new ByteReader(value, 'the memory of transfers');
      while (reader.left > 0) this.#decodeWindow(reader, block);
    }
    for (let place = 0; place < this.#places.length; place += 1) {
      if ((this.#places[place] ?? null) === null) {
        this.#places[place] = null;
        this.#freePlaces.push(place);
      }
    }
  }

  #add(name: string, seq: number): Window {
    if (this.#windows.size >= this.#limits.maxClients) this.#forgetIdlest();
    const place = this.#freePlaces.pop() ?? this.#places.length;
    const window: Window = {
      name,
      place,
      usedSeq: seq,
      slots: Buffer.alloc(FIRST_SLOTS * SLOT),
      next: 0,
      used: 0,
    };
    this.#slots += FIRST_SLOTS;
    this.#places[place] = window;
    this.#windows.set(name, window);
    return window;
  }

  #append(window: Window, key: TransferKey): void {
    const slots = window.slots.length / SLOT;
    const most = this.#slotsPerClient();
    if (window.used === slots && slots < most) this.#resize(window, Math.min(slots * 2, most));
    const at = window.next * SLOT;
    const { slots: bytes } = window;
    bytes.writeUInt16LE(key.packetId, at);
    bytes.writeUInt32LE(key.hashHigh, at + 2);
    bytes.writeUInt32LE(key.hashLow, at + 6);
    bytes.writeUInt16LE(Math.min(key.readings, 0xffff), at + 10);
    bytes.writeUInt8(key.state, at + STATE_AT);
    const size = bytes.length / SLOT;
    window.next = (window.next + 1) % size;
    window.used = Math.min(window.used + 1, size);
    if (this.#slots > this.#limits.maxTransfers) this.#shrinkAll();
  }

  #slotsPerClient(): number {
    const share = Math.trunc(this.#limits.maxTransfers / Math.max(1, this.#windows.size));
    return Math.min(this.#limits.maxTransfersPerClient, Math.max(LEAST_SLOTS, share));
  }

  /** To three quarters of the share, so that this is paid for seldom. */
  #shrinkAll(): void {
    const most = Math.max(LEAST_SLOTS, Math.trunc((this.#slotsPerClient() * 3) / 4));
    for (const window of this.#windows.values()) {
      if (window.slots.length / SLOT > most) this.#resize(window, most);
    }
  }

  #resize(window: Window, wanted: number): void {
    const size = Math.min(wanted, this.#limits.maxTransfersPerClient);
    const slots = Buffer.alloc(size * SLOT);
    const kept = Math.min(window.used, size);
    let at = 0;
    for (const run of newest(window, kept)) at += run.copy(slots, at);
    this.#slots += size - window.slots.length / SLOT;
    window.slots = slots;
    window.used = kept;
    window.next = kept % size;
  }

  #forgetIdlest(): void {
    const byUse = [...this.#windows.values()].sort((a, b) => a.usedSeq - b.usedSeq);
    for (const window of byUse.slice(0, Math.max(1, Math.trunc(byUse.length / 8)))) {
      this.#windows.delete(window.name);
      this.#places[window.place] = null;
      this.#freePlaces.push(window.place);
      this.#slots -= window.slots.length / SLOT;
      this.#dirtyBlocks.add(Math.trunc(window.place / BLOCK));
    }
  }

  #decodeWindow(reader: ByteReader, block: number): void {
    const place = block * BLOCK + reader.u8();
    const usedSeq = reader.f64();
    const name = reader.shortText();
    const used = reader.u16();
    const slots = Buffer.from(reader.bytes(used * SLOT));
    if (!Number.isSafeInteger(place) || place < 0) throw damaged('the memory of transfers', 'a place in it');
    const window: Window = { name, place, usedSeq, slots, next: 0, used };
    this.#slots += used;
    this.#places[place] = window;
    this.#windows.set(name, window);
    if (used < FIRST_SLOTS) this.#resize(window, FIRST_SLOTS);
  }
}

/** `back` = 1 is the newest. */
function slotAt(window: Window, back: number): number {
  const size = window.slots.length / SLOT;
  return ((window.next - back + size) % size) * SLOT;
}

/** The newest `n`, oldest first, in the two pieces in which they lie in the ring. */
function newest(window: Window, n: number): [Buffer, Buffer] {
  const end = window.next * SLOT;
  const start = end - n * SLOT;
  const { slots } = window;
  return start >= 0
    ? [slots.subarray(start, end), slots.subarray(0, 0)]
    : [slots.subarray(slots.length + start), slots.subarray(0, end)];
}

/** Whatever is open under the id: a client that lost its state has left some behind. */
function release(window: Window, packetId: number): void {
  for (let back = 1; back <= window.used; back += 1) {
    const at = slotAt(window, back);
    if (window.slots.readUInt8(at + STATE_AT) === OPEN && window.slots.readUInt16LE(at) === packetId) {
      window.slots.writeUInt8(RELEASED, at + STATE_AT);
    }
  }
}

function keyAt(window: Window, back: number): TransferKey {
  const at = slotAt(window, back);
  const { slots } = window;
  const state = slots.readUInt8(at + STATE_AT);
  if (state !== 0 && state !== 1 && state !== 2) throw damaged('the memory of transfers', `a state ${state}`);
  return {
    client: window.name,
    packetId: slots.readUInt16LE(at),
    hashHigh: slots.readUInt32LE(at + 2),
    hashLow: slots.readUInt32LE(at + 6),
    readings: slots.readUInt16LE(at + 10),
    state,
  };
}

function encodeWindow(writer: ByteWriter, place: number, window: Window): void {
  writer.u8(place);
  writer.f64(window.usedSeq);
  writer.shortText(window.name);
  writer.u16(window.used);
  for (const run of newest(window, window.used)) writer.bytes(run);
}
