import { GatewayError } from '../errors.ts';
import type { Reading } from './storage.ts';
import type { Change } from './transaction.ts';

const MAX_BYTES = 1024 * 1024;
const MAX_DOCUMENTS = 2000;
const MAX_NAME_BYTES = 512;

/** Small named texts beside the data. */
export class Documents {
  readonly #reading: Reading;
  readonly #names = new Set<string>();

  constructor(reading: Reading) {
    this.#reading = reading;
    for (const { key } of reading.entries('documents')) this.#names.add(String(key));
  }

  get(name: string): string | null {
    return this.#names.has(name) ? (this.#reading.get('documents', name)?.toString() ?? null) : null;
  }

  /** @throws GatewayError `too-large` above 1 MiB, 2,000 documents or a name of 512 bytes; `usage` without a name. */
  set(name: string, text: string): Change {
    const value = Buffer.from(text);
    if (name === '') throw new GatewayError('usage', 'a document needs a name');
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
      throw new GatewayError('too-large', `the name of a document may have ${MAX_NAME_BYTES} bytes`);
    }
    if (value.length > MAX_BYTES) {
      throw new GatewayError(
        'too-large',
        `document ${name} has ${value.length} bytes; at most ${MAX_BYTES} are kept`,
      );
    }
    if (!this.#names.has(name) && this.#names.size >= MAX_DOCUMENTS) {
      throw new GatewayError('too-large', `there are ${MAX_DOCUMENTS} documents already`);
    }
    return {
      write: (writes) => writes.put('documents', name, value),
      done: () => {
        this.#names.add(name);
      },
    };
  }
}
