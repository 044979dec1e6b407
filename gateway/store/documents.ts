import { GatewayError } from '../errors.ts';
import type { Reading } from './storage.ts';
import type { Change } from './transaction.ts';

const MAX_BYTES = 1024 * 1024;
/** What groups may add: senders have a hand in that. */
const MAX_NOTE_BYTES = 16 * 1024;
export const MAX_NOTES = 512;
/** A key of LMDB has at most 1,978 bytes, and some characters take two there. */
const MAX_NAME_BYTES = 512;
/** Kept free of notes, for what the gateway itself keeps. */
const OWN_DOCUMENTS = 2000;
/** Half a surrogate pair would become another character, and NUL ends a name within a key. */
const UNSTORABLE = /[\0\p{Surrogate}]/u;

export interface DocumentLimits {
  readonly maxDocuments: number;
  readonly maxNoteBytes: number;
}

/** Small named texts beside the data: those that the gateway sets, and those that a group notes in its own transaction. */
export class Documents {
  readonly #reading: Reading;
  readonly #limits: DocumentLimits;
  #count = 0;
  #bytes = 0;

  constructor(reading: Reading, limits: DocumentLimits) {
    this.#reading = reading;
    this.#limits = limits;
    for (const { value } of reading.entries('documents')) {
      this.#count += 1;
      this.#bytes += value.length;
    }
  }

  get(name: string): string | null {
    return isName(name) ? (this.#reading.get('documents', name)?.toString() ?? null) : null;
  }

  *startingWith(prefix: string): Generator<readonly [name: string, text: string]> {
    for (const { key, value } of this.#reading.entries('documents', prefix === '' ? {} : { from: prefix })) {
      const name = String(key);
      if (!name.startsWith(prefix)) return;
      yield [name, value.toString()];
    }
  }

  /**
   * @throws GatewayError `usage` for a name of no or of more than 512 bytes, or one that is no text; `too-large` above
   * 1 MiB, or when there are `maxDocuments` and 2,000 more.
   */
  set(changes: ReadonlyMap<string, string | null>): Change {
    const values = new Map<string, Buffer | null>();
    for (const [name, text] of changes) {
      if (!isName(name)) {
        throw new GatewayError('usage', `the name of a document is a text of 1 to ${MAX_NAME_BYTES} bytes`);
      }
      const value = text === null ? null : Buffer.from(text);
      if (value !== null && value.length > MAX_BYTES) {
        throw new GatewayError(
          'too-large',
          `document ${name} has ${value.length} bytes; at most ${MAX_BYTES} are kept`,
        );
      }
      values.set(name, value);
    }
    const change = this.#plan(values, () => true);
    const most = this.#limits.maxDocuments + OWN_DOCUMENTS;
    if (change.count > Math.max(most, this.#count)) {
      throw new GatewayError(
        'too-large',
        `there are ${this.#count} documents already; at most ${most} are kept`,
      );
    }
    return change;
  }

  /** What a group has noted. That for which there is no room is left out; `lost`: how many that are. */
  note(notes: ReadonlyMap<string, Buffer>): Change & { readonly lost: number } {
    const { maxDocuments, maxNoteBytes } = this.#limits;
    return this.#plan(notes, (count, bytes) => count <= maxDocuments && bytes <= maxNoteBytes);
  }

  #plan(
    changes: ReadonlyMap<string, Buffer | null>,
    fits: (count: number, bytes: number) => boolean,
  ): Change & { readonly count: number; readonly lost: number } {
    let count = this.#count;
    let bytes = this.#bytes;
    let lost = 0;
    const kept: [string, Buffer | null][] = [];
    for (const [name, value] of changes) {
      const before = this.#reading.get('documents', name);
      const nextCount = count + (value === null ? 0 : 1) - (before === null ? 0 : 1);
      const nextBytes = bytes + (value?.length ?? 0) - (before?.length ?? 0);
      const isMore = nextCount > count || nextBytes > bytes;
      if (isMore && !fits(nextCount, nextBytes)) {
        lost += 1;
        continue;
      }
      count = nextCount;
      bytes = nextBytes;
      if (before !== null || value !== null) kept.push([name, value]);
    }
    return {
      count,
      lost,
      write: (writes) => {
        for (const [name, value] of kept) {
          if (value === null) writes.remove('documents', name);
          else writes.put('documents', name, value);
        }
      },
      done: () => {
        this.#count = count;
        this.#bytes = bytes;
      },
    };
  }
}

/** A note as it is kept; null where it cannot be. */
export function noteOf(name: string, text: string): Buffer | null {
  if (text.length > MAX_NOTE_BYTES || !isName(name)) return null;
  const value = Buffer.from(text);
  return value.length > MAX_NOTE_BYTES ? null : value;
}

function isName(name: string): boolean {
  return (
    name !== '' &&
    name.length <= MAX_NAME_BYTES &&
    Buffer.byteLength(name) <= MAX_NAME_BYTES &&
    !UNSTORABLE.test(name)
  );
}
