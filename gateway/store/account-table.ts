import { OUTCOMES, REJECTION_CODES, type RejectionCode } from '../contracts.ts';
import type { Account, Tally } from '../store-contract.ts';
import { ByteReader, ByteWriter } from './bytes.ts';
import { Names } from './names.ts';
import { RECEIVED, type RecordContents, type RecordName, tallyKey, tallyParts } from './record.ts';
import type { Reading, Writes } from './storage.ts';

const MAX_SOURCES = 250;
const WIDTH = OUTCOMES.length + 1;
/** Before there was `received`. */
const OLD_WIDTH = OUTCOMES.length;
/** Devices of one folded value: what changes together on disk. */
const BLOCK = 64;

type Column = keyof Tally;

const COLUMN_INDEX: Readonly<Record<Column, number>> = {
  stored: 0,
  duplicate: 1,
  rejected: 2,
  forwarded: 3,
  refused: 4,
  received: RECEIVED,
};
const COLUMNS: readonly Column[] = [...OUTCOMES, 'received'];
const REFUSED = COLUMN_INDEX.refused;

/**
 * Readings received and by outcome, per source and per device, of what is committed. Numbers in flat arrays: ten thousand devices
 * are half a megabyte. Device names come from senders, so they are keys of maps, never of objects.
 *
 * Folded as `account/devices/<block>`: [u16 length, UTF-8, f64 × columns]… for 64 devices; `account/sources`: the same.
 * `devices/<block>` and `sources` are the same without `received`, from before it was counted: what is found there is
 * taken up, `received` being the sum, and written anew by the next fold.
 */
export class AccountTable {
  readonly #devices: Names;
  readonly #sources = new Names(MAX_SOURCES);
  #byDevice = new Float64Array(BLOCK * WIDTH);
  readonly #bySource = new Float64Array((MAX_SOURCES + 1) * WIDTH);
  readonly #codes = new Map<number, number>();
  readonly #dirtyBlocks = new Set<number>();
  #sourcesDirty: boolean = false;
  /** State keys of the former layout that the next fold replaces. */
  #outdated: string[] = [];
  /** Readings of one device mostly come together. */
  #last = { source: '', sourceIndex: -1, device: '', deviceIndex: -1 };

  constructor(maxDevices: number) {
    this.#devices = new Names(maxDevices);
  }

  /** Names one kind of count; for `Group.count` and `Group.receive`. */
  key(source: string, device: string, column: Column): number {
    const last = this.#last;
    if (last.deviceIndex === -1 || device !== last.device) {
      last.deviceIndex = this.#devices.indexOf(device);
      last.device = device;
    }
    if (last.sourceIndex === -1 || source !== last.source) {
      last.sourceIndex = this.#sources.indexOf(source);
      last.source = source;
    }
    return tallyKey(last.deviceIndex, last.sourceIndex, COLUMN_INDEX[column]);
  }

  /** The names that a record with these tallies must carry: those that are not folded yet. */
  newNames(tallies: ReadonlyMap<number, number>): RecordName[] {
    const names: RecordName[] = [];
    const seenDevices = new Set<number>();
    const seenSources = new Set<number>();
    for (const key of tallies.keys()) {
      const { device, source } = tallyParts(key);
      if (device >= this.#devices.folded && !seenDevices.has(device)) {
        seenDevices.add(device);
        names.push({ kind: 'device', index: device, name: this.#devices.nameOf(device) });
      }
      if (source >= this.#sources.folded && !seenSources.has(source)) {
        seenSources.add(source);
        names.push({ kind: 'source', index: source, name: this.#sources.nameOf(source) });
      }
    }
    return names;
  }

  /** Counts what was committed. */
  apply(tallies: ReadonlyMap<number, number>, codes: ReadonlyMap<number, number>): void {
    for (const [key, n] of tallies) {
      const { device, source, column } = tallyParts(key);
      this.#makeRoom(device);
      const at = device * WIDTH + column;
      this.#byDevice[at] = (this.#byDevice[at] ?? 0) + n;
      const from = source * WIDTH + column;
      this.#bySource[from] = (this.#bySource[from] ?? 0) + n;
      this.#dirtyBlocks.add(Math.trunc(device / BLOCK));
      this.#sourcesDirty = true;
    }
    for (const [code, n] of codes) this.#codes.set(code, (this.#codes.get(code) ?? 0) + n);
  }

  /** Counts again what a record holds, behind the folded state. */
  replay(record: RecordContents): void {
    for (const { kind, index, name } of record.names) {
      (kind === 'device' ? this.#devices : this.#sources).restore(index, name);
    }
    this.apply(record.tallies, record.codes);
  }

  account(sinkRejected: number): Pick<Account, 'total' | 'sources' | 'devices' | 'codes'> {
    const total = tallyAt(new Float64Array(WIDTH), 0);
    // No prototype: a source's name is the operator's choice.
    const sources: Record<string, Tally> = Object.create(null);
    for (let index = 0; index < this.#sources.size; index += 1) {
      const tally = tallyAt(this.#bySource, index);
      if (!isEmpty(tally)) sources[this.#sources.nameOf(index)] = tally;
      for (const column of COLUMNS) total[column] += tally[column];
    }
    const devices = new Map<string, Tally>();
    for (let index = 0; index < this.#devices.size; index += 1) {
      const tally = tallyAt(this.#byDevice, index);
      if (!isEmpty(tally)) devices.set(this.#devices.nameOf(index), tally);
    }
    return { total, sources, devices, codes: this.#codesByName(sinkRejected) };
  }

  #codesByName(sinkRejected: number): Record<RejectionCode, number> {
    const count = (code: RejectionCode): number =>
      (this.#codes.get(REJECTION_CODES.indexOf(code)) ?? 0) + (code === 'sink-rejected' ? sinkRejected : 0);
    return {
      undecodable: count('undecodable'),
      'no-route': count('no-route'),
      invalid: count('invalid'),
      'time-out-of-range': count('time-out-of-range'),
      'type-conflict': count('type-conflict'),
      cardinality: count('cardinality'),
      'too-large': count('too-large'),
      'sink-rejected': count('sink-rejected'),
    };
  }

  /** Writes what has changed since the last fold; call the answer when that is committed. */
  fold(writes: Writes): () => void {
    const blocks = [...this.#dirtyBlocks];
    const devices = this.#devices.size;
    // A name given out since, without a count yet, must not be missed: its block is written as well.
    for (let block = Math.trunc(this.#devices.folded / BLOCK); block * BLOCK < devices; block += 1) {
      if (!this.#dirtyBlocks.has(block)) blocks.push(block);
    }
    for (const block of blocks) {
      const from = block * BLOCK;
      const value = encodeTallies(this.#devices, this.#byDevice, from, Math.min(from + BLOCK, devices));
      writes.put('state', `account/devices/${block}`, value);
    }
    const sources = this.#sources.size;
    if (this.#sourcesDirty || sources > this.#sources.folded) {
      writes.put('state', 'account/sources', encodeTallies(this.#sources, this.#bySource, 0, sources));
    }
    writes.put('state', 'codes', Buffer.from(JSON.stringify([...this.#codes])));
    for (const key of this.#outdated) writes.remove('state', key);
    this.#dirtyBlocks.clear();
    this.#sourcesDirty = false;
    return () => {
      this.#outdated = [];
      this.#devices.folded = devices;
      this.#sources.folded = sources;
    };
  }

  /** After a fold that could not be committed: everything is to be written again. */
  foldFailed(): void {
    for (let from = 0; from < this.#devices.size; from += BLOCK) this.#dirtyBlocks.add(from / BLOCK);
    this.#sourcesDirty = true;
  }

  load(reading: Reading): void {
    if (reading.get('state', 'account/sources') === null) this.#loadTallies(reading, '', OLD_WIDTH);
    else this.#loadTallies(reading, 'account/', WIDTH);
    const codes = reading.get('state', 'codes');
    if (codes === null) return;
    // Written by `fold` above.
    for (const [code, n] of JSON.parse(codes.toString()) as [number, number][]) this.#codes.set(code, n);
  }

  #loadTallies(reading: Reading, prefix: string, width: number): void {
    const found: string[] = [];
    const valueAt = (name: string): Buffer | null => {
      const value = reading.get('state', `${prefix}${name}`);
      if (value !== null) found.push(`${prefix}${name}`);
      return value;
    };
    for (let block = 0; ; block += 1) {
      const value = valueAt(`devices/${block}`);
      if (value === null) break;
      this.#makeRoom((block + 1) * BLOCK);
      decodeTallies(this.#devices, this.#byDevice, value, block * BLOCK, width);
    }
    const sources = valueAt('sources');
    if (sources !== null) decodeTallies(this.#sources, this.#bySource, sources, 0, width);
    this.#devices.folded = this.#devices.size;
    this.#sources.folded = this.#sources.size;
    if (width === WIDTH || found.length === 0) return;
    this.#outdated = found;
    this.foldFailed();
  }

  #makeRoom(device: number): void {
    if ((device + 1) * WIDTH <= this.#byDevice.length) return;
    const larger = new Float64Array(Math.max((device + 1) * WIDTH, this.#byDevice.length * 2));
    larger.set(this.#byDevice);
    this.#byDevice = larger;
  }
}

/** The readings of a group that was not committed: each of them was received, and is refused. */
export function refusedInstead(tallies: ReadonlyMap<number, number>): Map<number, number> {
  const refused = new Map<number, number>();
  for (const [key, n] of tallies) {
    const { device, source, column } = tallyParts(key);
    const instead = column === RECEIVED ? key : tallyKey(device, source, REFUSED);
    refused.set(instead, (refused.get(instead) ?? 0) + n);
  }
  return refused;
}

function tallyAt(table: Float64Array, index: number): Tally {
  const at = index * WIDTH;
  return {
    received: table[at + COLUMN_INDEX.received] ?? 0,
    stored: table[at + COLUMN_INDEX.stored] ?? 0,
    duplicate: table[at + COLUMN_INDEX.duplicate] ?? 0,
    rejected: table[at + COLUMN_INDEX.rejected] ?? 0,
    forwarded: table[at + COLUMN_INDEX.forwarded] ?? 0,
    refused: table[at + COLUMN_INDEX.refused] ?? 0,
  };
}

function isEmpty(tally: Tally): boolean {
  return COLUMNS.every((column) => tally[column] === 0);
}

function encodeTallies(names: Names, table: Float64Array, from: number, to: number): Buffer {
  const writer = new ByteWriter();
  for (let index = from; index < to; index += 1) {
    writer.shortText(names.nameOf(index));
    for (let i = 0; i < WIDTH; i += 1) writer.f64(table[index * WIDTH + i] ?? 0);
  }
  return Buffer.from(writer.written());
}

function decodeTallies(names: Names, table: Float64Array, value: Buffer, from: number, width: number): void {
  const reader = new ByteReader(value, 'the account');
  for (let index = from; reader.left > 0; index += 1) {
    const name = reader.shortText();
    names.restore(index, name);
    let sum = 0;
    for (let i = 0; i < width; i += 1) {
      const n = reader.f64();
      table[index * WIDTH + i] = n;
      sum += n;
    }
    if (width === OLD_WIDTH) table[index * WIDTH + RECEIVED] = sum;
  }
}
