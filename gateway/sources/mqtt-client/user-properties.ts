import {
  MAX_USER_PROPERTIES,
  type Relay,
  type UnreadProperties,
  type UnreadReason,
} from '../../contracts.ts';

/** Of a user property's name and text, in UTF-8. A tag can have no longer one, and a schema ask for none. */
export const MAX_PROPERTY_BYTES = 256;
/** Beyond either it is not known what else a message had. */
const MAX_UNREAD_NAMES = 32;
const MAX_UNREAD_BYTES = 2048;

/**
 * Gathers the user properties of one message, in the order they come: of a name that comes twice, the last one. What is too
 * long or too many leaves its name, so that nobody takes it for absent.
 */
export class UserProperties {
  readonly #texts = new Map<string, string>();
  #names: Map<string, UnreadReason> | null = null;
  #namesBytes = 0;
  #others: UnreadReason | null = null;

  /** @param text null where it is longer than `MAX_PROPERTY_BYTES` */
  add(name: string, text: string | null): void {
    if (text === null) {
      this.#texts.delete(name);
      this.#addUnread(name, 'too-long');
    } else if (this.#texts.has(name) || this.#texts.size < MAX_USER_PROPERTIES) {
      this.#texts.set(name, text);
      this.#names?.delete(name);
    } else this.#addUnread(name, 'too-many');
  }

  get relay(): Pick<Relay, 'userProperties' | 'unread'> {
    const userProperties = this.#texts;
    if (this.#names === null) return { userProperties };
    const unread: UnreadProperties = { names: this.#names, others: this.#others };
    return { userProperties, unread };
  }

  #addUnread(name: string, why: UnreadReason): void {
    this.#names ??= new Map();
    if (!this.#names.has(name)) {
      const bytes = this.#namesBytes + Buffer.byteLength(name);
      if (this.#names.size >= MAX_UNREAD_NAMES || bytes > MAX_UNREAD_BYTES) {
        this.#others = why;
        return;
      }
      this.#namesBytes = bytes;
    }
    this.#names.set(name, why);
  }
}

/** Of properties given as texts: what a message with them would bring. */
export function relayOfProperties(
  pairs: readonly (readonly [name: string, text: string])[],
): Pick<Relay, 'userProperties' | 'unread'> {
  const properties = new UserProperties();
  for (const [name, text] of pairs) properties.add(name, isTooLong(text) ? null : text);
  return properties.relay;
}

function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > MAX_PROPERTY_BYTES;
}
