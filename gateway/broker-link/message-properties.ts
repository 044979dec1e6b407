import { MAX_USER_PROPERTIES, type Relay, type UnreadProperties, type UnreadReason } from '../contracts.ts';

/** A longer one is none of a format of ours. */
export const MAX_CONTENT_TYPE_BYTES = 256;
/** Of a user property's name and text, in UTF-8. A tag can have no longer one, and a schema ask for none. */
export const MAX_PROPERTY_BYTES = 256;
/** Beyond either it is not known what else a message had. */
const MAX_UNREAD_NAMES = 32;
const MAX_UNREAD_BYTES = 2048;

/** What a message may bring beside its payload (MQTT 5). */
export type MessageProperties = Pick<Relay, 'contentType' | 'userProperties' | 'unread'>;

interface PacketProperties {
  readonly contentType?: string | undefined;
  readonly userProperties?: Readonly<Record<string, string | string[]>> | undefined;
}

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
    // What came once more, and could be read then, leaves no name behind.
    if (this.#names === null || (this.#names.size === 0 && this.#others === null)) return { userProperties };
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
  for (const [name, text] of pairs) {
    // No schema can ask for one whose name is too long.
    if (!isTooLong(name)) properties.add(name, isTooLong(text) ? null : text);
  }
  return properties.relay;
}

/** What a message brought, as mqtt.js tells it. */
export function relayOfPacket({ contentType, userProperties }: PacketProperties): MessageProperties {
  const pairs = Object.entries(userProperties ?? {}).flatMap(([name, texts]) =>
    [texts].flat().map((text): [string, string] => [name, text]),
  );
  // A broker that gives it twice breaks the protocol: then it is a list.
  const isKept = typeof contentType === 'string' && Buffer.byteLength(contentType) <= MAX_CONTENT_TYPE_BYTES;
  return { contentType: isKept ? contentType : null, ...relayOfProperties(pairs) };
}

function isTooLong(text: string): boolean {
  return Buffer.byteLength(text) > MAX_PROPERTY_BYTES;
}
