import { crc32 } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { ByteReader, ByteWriter } from '../../gateway/store/bytes.ts';
import { FORMAT_VERSION } from '../../gateway/store/format.ts';
import { MemoryStorage } from '../../gateway/store/memory-storage.ts';
import { createMemoryStore } from '../../gateway/store/memory-store.ts';
import { decodeRecord } from '../../gateway/store/record.ts';
import type { Entry, Table, Writes } from '../../gateway/store/storage.ts';
import type { Store } from '../../gateway/store-contract.ts';
import {
  addPoints,
  commitPoints,
  pendingLines,
  quiet,
  rejectionOf,
  testDeps,
} from '../contracts/store-harness.ts';

const BLOCK = { maxBacklogBytes: null, whenFull: 'block' } as const;
const OUTCOMES = 5;

/** Makes of every table what the program wrote before it counted `received`. */
async function toFormerLayout(storage: MemoryStorage): Promise<void> {
  const all = (table: Table): Entry[] => [...storage.entries(table)];
  await storage.commit((writes) => {
    for (const { key, value } of all('log')) writes.put('log', key, formerRecord(value));
    for (const { key, value } of all('rejected')) writes.put('rejected', key, formerRejected(value));
    for (const { key, value } of all('rejected-index'))
      writes.put('rejected-index', key, value.subarray(0, 12));
    for (const { key, value } of all('state')) formerState(writes, String(key), value);
  });
}

function formerState(writes: Writes, key: string, value: Buffer): void {
  if (key.startsWith('account/')) {
    writes.remove('state', key);
    writes.put('state', key.slice('account/'.length), formerTallies(value));
  } else if (key === 'format') {
    writes.put('state', key, Buffer.from(JSON.stringify({ ...JSON.parse(value.toString()), version: 1 })));
  } else if (key === 'log') {
    const { windowsSeq: _, provisional: __, ...former } = JSON.parse(value.toString());
    writes.put('state', key, Buffer.from(JSON.stringify(former)));
  } else if (/^(identit|rejected-(replayed|discarded|resolved))/.test(key)) writes.remove('state', key);
}

/** Five columns. */
function formerTallies(value: Buffer): Buffer {
  const reader = new ByteReader(value, 'tallies');
  const writer = new ByteWriter();
  while (reader.left > 0) {
    writer.shortText(reader.shortText());
    for (let i = 0; i < OUTCOMES; i += 1) writer.f64(reader.f64());
    reader.f64();
  }
  return Buffer.from(writer.written());
}

/** A header of 84 bytes, no identities, no `received`, and a checksum that begins at byte 8. */
function formerRecord(value: Buffer): Buffer {
  const sections = Array.from({ length: 7 }, (_, i) => value.readUInt32LE(60 + 4 * i));
  let at = 96;
  const parts = sections.map((bytes) => {
    at += bytes;
    return value.subarray(at - bytes, at);
  });
  const tallies: Buffer[] = [];
  const all = parts[1] ?? Buffer.alloc(0);
  for (let i = 0; i < all.length; i += 8) {
    if (all.readUInt8(i + 3) < OUTCOMES) tallies.push(all.subarray(i, i + 8));
  }
  parts[1] = Buffer.concat(tallies);
  parts.splice(5, 1);
  const record = Buffer.concat([value.subarray(0, 84), ...parts]);
  for (const [i, { length }] of parts.entries()) record.writeUInt32LE(length, 60 + 4 * i);
  record.writeUInt32LE(1, 0);
  record.writeUInt32LE(crc32(record.subarray(8)), 4);
  return record;
}

/** The JSON at 9, without what is new in it. */
function formerRejected(value: Buffer): Buffer {
  const jsonBytes = value.readUInt32LE(5);
  const from = 13 + value.readUInt32LE(9) * 9;
  const {
    username: _,
    format: __,
    own,
    ...shared
  } = JSON.parse(value.toString('utf8', from, from + jsonBytes));
  for (const each of own) delete each.schemaVersion;
  const json = Buffer.from(JSON.stringify({ ...shared, own }));
  const header = Buffer.alloc(9);
  header.writeUInt8(1, 0);
  header.writeUInt32LE(json.length, 5);
  const record = Buffer.concat([header, json, value.subarray(from + jsonBytes)]);
  record.writeUInt32LE(crc32(record.subarray(5)), 1);
  return record;
}

async function fill(store: Store, groups: number): Promise<void> {
  for (let i = 0; i < groups; i += 1) {
    const group = store.group();
    addPoints(group, 3, `d${i % 70}`);
    group.receive('serial', 'd1', 2);
    group.count('serial', 'd1', 'duplicate', 2);
    for (const index of [0, 1]) group.reject(rejectionOf({ client: `c${i % 3}`, index }));
    group.receive('mqtt', 'd1', 2);
    group.count('mqtt', 'd1', 'rejected', 2);
    group.remember({ client: 'c', packetId: i, hashHigh: i, hashLow: 1, readings: 1, state: 1 });
    await group.committed;
  }
}

describe('a store of the former layout', () => {
  async function former(): Promise<{ storage: MemoryStorage; before: Store; lines: string[] }> {
    const storage = new MemoryStorage();
    const before = createMemoryStore({ storage, foldGroups: 90 }, testDeps());
    before.openSink('a', BLOCK);
    await fill(before, 100);
    await quiet(before);
    const lines = pendingLines(before, 'a');
    await toFormerLayout(storage);
    return { storage, before, lines };
  }

  it('is read with all that is in it, folded and not: received is the sum of the outcomes', async () => {
    const { storage, before, lines } = await former();
    expect([...storage.entries('state')].some(({ key }) => key === 'devices/1')).toBe(true);
    expect(storage.get('log', 100)?.readUInt8(0)).toBe(1);
    for (let round = 0; round < 2; round += 1) {
      const store = createMemoryStore({ storage, foldGroups: 90 }, testDeps());
      expect(store.account()).toEqual(before.account());
      expect([...store.transfers]).toEqual([...before.transfers]);
      expect(store.sinks()).toMatchObject([{ stored: 300, pending: 300 }]);
      expect(pendingLines(store, 'a')).toEqual(lines);
      expect(store.rejections({ limit: 1000 })).toEqual(before.rejections({ limit: 1000 }));
      expect(store.status()).toMatchObject({ rejectedCount: 200, rejectedOpenCount: 200 });
    }
  });

  it('is gone on with, becoming one of today with the next fold, and is then left alone by an older program', async () => {
    const { storage } = await former();
    const store = createMemoryStore({ storage, foldGroups: 5 }, testDeps());
    const [first, second] = store.rejections({ limit: 2 });
    const group = store.group();
    group.resolve(first?.id ?? '', 'stored');
    group.identify('d1', { high: 1, low: 2 });
    await group.committed;
    await store.discardRejections([second?.id ?? '']);
    for (let i = 0; i < 6; i += 1) await commitPoints(store, 1, 'd69');
    await quiet(store);
    const keys = [...storage.entries('state')].map(({ key }) => key);
    expect(keys).toContain('account/devices/1');
    expect(keys.filter((key) => /^(devices|sources)/.test(String(key)))).toEqual([]);
    expect(storage.get('state', 'format')?.toString()).toContain(`"version":${FORMAT_VERSION}`);
    const later = createMemoryStore({ storage }, testDeps());
    expect(later.account()).toEqual(store.account());
    expect(later.account().total).toMatchObject({
      received: 706,
      stored: 306,
      duplicate: 200,
      rejected: 200,
    });
    expect(later.account()).toMatchObject({ rejectedReplayed: 1, rejectedDiscarded: 1 });
    expect(later.status()).toMatchObject({ rejectedCount: 199, rejectedOpenCount: 198 });
    expect(later.rejection(first?.id ?? '')).toMatchObject({ resolved: { kind: 'stored' }, username: null });
    expect([...later.identities]).toEqual([{ device: 'd1', high: 1, low: 2 }]);
    expect(
      await later.discardRejections(later.rejections({ limit: 1000, state: 'all' }).map(({ id }) => id)),
    ).toBe(199);
    expect(later.status()).toMatchObject({ rejectedCount: 0, rejectedBytes: 0 });
  });

  it('has records whose received is told from their outcomes alone', async () => {
    const { storage } = await former();
    const { tallies } = decodeRecord(storage.get('log', 100) ?? Buffer.alloc(0), 100);
    const columns = [...tallies].map(([key, n]) => [key & 0b111, n]);
    expect(columns.filter(([column]) => column === OUTCOMES).reduce((sum, [, n = 0]) => sum + n, 0)).toBe(7);
  });
});
