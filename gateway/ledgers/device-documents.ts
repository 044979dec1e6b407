import { setImmediate as yieldToOthers } from 'node:timers/promises';
import { REJECTION_CODES } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { Events } from '../monitoring/events.ts';
import type { Store } from '../store-contract.ts';
import type { DeviceClockBook } from './device-clocks.ts';
import { type DeviceEntry, MAX_SCHEMAS } from './device-entry.ts';
import type { DeviceRegistry } from './device-registry.ts';

export interface DeviceDocumentsDeps {
  readonly registry: DeviceRegistry;
  readonly clocks: DeviceClockBook;
  readonly store: Pick<Store, 'documents' | 'setDocuments'>;
  readonly events: Events;
}

const PREFIX = 'devices/';
/** Longer ago than anything is expected. */
const NEVER_TICK = -0x4000_0000;
/** So few devices that a change costs little, so many that 50,000 are 782 documents. */
const PER_DOCUMENT = 64;
/** Documents in one transaction, each up to some 50 KB. */
const PER_TRANSACTION = 16;
/** Of a client's id, which may be longer than a document holds 64 of: enough to be recognised. */
const MAX_CLIENT_CHARACTERS = 256;

/**
 * The registry on disk: 64 devices a document, by their places, which do not change while a device is known. Only
 * documents with a device that was heard since are written again.
 */
export class DeviceDocuments {
  readonly #deps: DeviceDocumentsDeps;
  #saving: Promise<void> = Promise.resolve();

  constructor(deps: DeviceDocumentsDeps) {
    this.#deps = deps;
  }

  /** Takes up what an earlier run kept. What cannot be read is passed over: it is learnt anew. */
  load(): void {
    const { registry, clocks, store, events } = this.#deps;
    const kept: { readonly place: number; readonly value: Record<string, unknown> }[] = [];
    for (const [name, text] of store.documents(PREFIX)) {
      const block = Number(name.slice(PREFIX.length));
      const list = parsed(text);
      if (!Number.isInteger(block) || list === null) {
        events.emit('hook.failed', { hook: 'devices', error: `document ${name} cannot be read` });
        continue;
      }
      for (const value of list) {
        const slot = isRecord(value) ? value.slot : null;
        if (isRecord(value) && typeof slot === 'number' && Number.isInteger(slot) && slot >= 0)
          if (slot < PER_DOCUMENT) kept.push({ place: block * PER_DOCUMENT + slot, value });
      }
    }
    kept.sort((a, b) => a.place - b.place);
    for (const { place, value } of kept) {
      const { device, firstSeenMs, clock } = value;
      if (typeof device !== 'string' || !isNumber(firstSeenMs)) continue;
      const entry = registry.restore(device, place, firstSeenMs);
      if (entry === null) continue;
      fill(entry, value);
      if (Array.isArray(clock)) clocks.restore(device, clock);
    }
  }

  /** Writes what has changed. Never rejects; what could not be written is written with the next. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  async #save(): Promise<void> {
    const { registry, store, events } = this.#deps;
    const blocks = new Map<number, DeviceEntry[]>();
    const changed = new Set<number>();
    for (const place of registry.vacated) changed.add(blockOf(place));
    registry.vacated.clear();
    for (const entry of registry.entries()) {
      const block = blockOf(entry.place);
      const entries = blocks.get(block);
      if (entries === undefined) blocks.set(block, [entry]);
      else entries.push(entry);
      if (entry.isChanged) changed.add(block);
    }
    const waiting = [...changed];
    while (waiting.length > 0) {
      const these = waiting.splice(0, PER_TRANSACTION);
      const documents = new Map<string, string | null>();
      for (const block of these) {
        documents.set(PREFIX + String(block).padStart(4, '0'), this.#textOf(blocks.get(block) ?? []));
        await yieldToOthers();
      }
      try {
        await store.setDocuments(documents);
      } catch (error) {
        for (const block of [...these, ...waiting]) registry.vacated.add(block * PER_DOCUMENT);
        events.emit('ledgers.not-kept', { what: 'devices', error: messageOf(error) });
        return;
      }
    }
  }

  /** Null where nobody is left. */
  #textOf(entries: readonly DeviceEntry[]): string | null {
    const held = entries.filter(({ isForgotten }) => !isForgotten);
    if (held.length === 0) return null;
    for (const entry of held) entry.isChanged = false;
    return JSON.stringify(held.map((entry) => keptOf(entry, this.#deps.clocks.dump(entry.device))));
  }
}

function blockOf(place: number): number {
  return Math.trunc(place / PER_DOCUMENT);
}

function keptOf(entry: DeviceEntry, clock: readonly number[] | null): object {
  const { device, firstSeenMs, lastSeenMs, source, address, client, schemas, readings, rejected } = entry;
  const { lastCode, ratePerMinute, rateFromS, rateCount, seq, gaps, missing } = entry;
  const { schemaSeqs, schemaGaps, schemaMissing, isSilent } = entry;
  return {
    slot: entry.place % PER_DOCUMENT,
    device,
    firstSeenMs,
    lastSeenMs,
    source,
    address,
    client: client.slice(0, MAX_CLIENT_CHARACTERS),
    schemas,
    readings,
    rejected,
    lastCode,
    rate: [Math.round(ratePerMinute * 1000) / 1000, rateFromS, rateCount],
    seq: [seq, gaps, missing, schemaGaps, schemaMissing, ...schemaSeqs],
    isSilent,
    ...(clock === null ? {} : { clock }),
  };
}

function fill(entry: DeviceEntry, value: Record<string, unknown>): void {
  const { source, address, client, lastCode } = value;
  entry.lastSeenMs = numberOr(value.lastSeenMs, entry.firstSeenMs);
  if (typeof source === 'string') entry.source = source;
  if (typeof address === 'string') entry.address = address;
  if (typeof client === 'string') entry.client = client;
  entry.readings = numberOr(value.readings, 0);
  entry.measuredReadings = entry.readings;
  entry.rejected = numberOr(value.rejected, 0);
  entry.lastCode = REJECTION_CODES.find((code) => code === lastCode) ?? null;
  const rate: readonly unknown[] = Array.isArray(value.rate) ? value.rate : [];
  entry.ratePerMinute = numberOr(rate[0], -1);
  entry.rateFromS = numberOr(rate[1], entry.rateFromS);
  entry.rateCount = numberOr(rate[2], -1);
  const seq: readonly unknown[] = Array.isArray(value.seq) ? value.seq : [];
  const schemas: readonly unknown[] = Array.isArray(value.schemas) ? value.schemas : [];
  for (const schema of schemas.slice(0, MAX_SCHEMAS)) if (typeof schema === 'string') entry.addSchema(schema);
  entry.seq = numberOr(seq[0], entry.seq);
  entry.gaps = numberOr(seq[1], 0);
  entry.missing = numberOr(seq[2], 0);
  entry.schemaGaps = numberOr(seq[3], 0);
  entry.schemaMissing = numberOr(seq[4], 0);
  for (const [i, none] of entry.schemaSeqs.entries()) entry.schemaSeqs[i] = numberOr(seq[5 + i], none);
  entry.isChanged = false;
  if (value.isSilent !== true) return;
  // It stays silent until it is heard.
  entry.isSilent = true;
  entry.validTick = NEVER_TICK;
}

function parsed(text: string): readonly unknown[] | null {
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value);
}

function numberOr(value: unknown, otherwise: number): number {
  return isNumber(value) ? value : otherwise;
}
