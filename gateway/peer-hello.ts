/**
 * What one gateway asks of another before it sends anything: who it is, with whom it shares, and what it takes. The question is
 * a SUBSCRIBE to `gateway/peers/hello/{who asks}/{a number never used before}`, and whoever asked is answered on that topic, alone.
 * So nothing that only knows what was once said there (a broker that copies `gateway/#` from a gateway) can answer.
 */
import { createHash } from 'node:crypto';
import { printable } from './printable.ts';

export interface PeerHello {
  /** Null: it has no peers. */
  readonly name: string | null;
  readonly others: readonly string[];
  /** A larger one ends the connection. */
  readonly maxPacketBytes: number;
  readonly schemas: SchemaDigests;
  /** Why it takes nothing now, in words; null when it does. */
  readonly full: string | null;
}

/** Of the schemas in force. */
export interface SchemaDigests {
  /** Equal where all are. */
  readonly all: string;
  /** By `$id`. */
  readonly each: ReadonlyMap<string, string>;
  /** None is left out of `each`. */
  readonly complete: boolean;
}

const PREFIX = 'gateway/peers/hello/';
const QUESTION = /^gateway\/peers\/hello\/([A-Za-z0-9][A-Za-z0-9._-]{0,63})\/[0-9a-f]{32}$/;
/** What a question must fit into, at the gateway that is asked. */
export const QUESTION_LEVELS = 5;
export const QUESTION_BYTES = PREFIX.length + 64 + 1 + 32;

const MAX_NAMES = 100;
const MAX_DIGESTS = 256;
const MAX_ID_CHARS = 200;
const MAX_REASON_CHARS = 300;
const MAX_IDS_SHOWN = 8;

/** @param nonce 32 hexadecimal digits that nobody can guess */
export function helloTopic(asker: string, nonce: string): string {
  return `${PREFIX}${asker}/${nonce}`;
}

/** Nobody may subscribe to anything there but to ask. */
export function isUnderHello(filter: string): boolean {
  return filter.startsWith(PREFIX);
}

/** Who asks, as it calls itself; null where the filter is no question. */
export function helloAsker(filter: string): string | null {
  return QUESTION.exec(filter)?.[1] ?? null;
}

/** @param versions of the schemas in force, by `$id` */
export function digestsOf(versions: ReadonlyMap<string, string>): SchemaDigests {
  const sorted = [...versions].sort(([a], [b]) => (a < b ? -1 : 1));
  const shown = sorted.filter(([id]) => id.length <= MAX_ID_CHARS).slice(0, MAX_DIGESTS);
  return {
    all: createHash('sha256').update(JSON.stringify(sorted)).digest('hex').slice(0, 16),
    each: new Map(shown),
    complete: shown.length === sorted.length,
  };
}

/** Which schemas are not the same here and there, in words; null where all are. */
export function schemasThatDiffer(ours: SchemaDigests, theirs: SchemaDigests): string | null {
  if (ours.all === theirs.all) return null;
  const found: string[] = [];
  for (const [id, digest] of ours.each) {
    const there = theirs.each.get(id);
    if (there === undefined) {
      if (theirs.complete) found.push(`${printable(id, MAX_ID_CHARS)} is not there`);
    } else if (there !== digest) found.push(`${printable(id, MAX_ID_CHARS)} is another there`);
  }
  if (ours.complete)
    for (const id of theirs.each.keys())
      if (!ours.each.has(id)) found.push(`${printable(id, MAX_ID_CHARS)} is not here`);
  const more = found.length - MAX_IDS_SHOWN;
  const shown = found.slice(0, MAX_IDS_SHOWN).join(', ');
  if (found.length === 0) return 'one of many';
  return more > 0 ? `${shown}, and ${more} more` : shown;
}

export function packHello({ name, others, maxPacketBytes, schemas, full }: PeerHello): Buffer {
  const { all, each, complete } = schemas;
  return Buffer.from(
    JSON.stringify({ name, others, maxPacketBytes, schemas: { all, each: [...each], complete }, full }),
  );
}

/** Null where it is none. */
export function readHello(bytes: Buffer): PeerHello | null {
  let hello: unknown;
  try {
    hello = JSON.parse(bytes.toString('utf8'));
  } catch {
    return null;
  }
  if (typeof hello !== 'object' || hello === null) return null;
  const { name, others, maxPacketBytes, schemas, full } = hello as Readonly<Record<string, unknown>>;
  if (name !== null && typeof name !== 'string') return null;
  if (!Array.isArray(others) || others.length > MAX_NAMES) return null;
  const names: readonly unknown[] = others;
  if (!names.every((each) => typeof each === 'string')) return null;
  if (typeof maxPacketBytes !== 'number' || !Number.isSafeInteger(maxPacketBytes)) return null;
  const digests = readDigests(schemas);
  if (digests === null || (full !== null && typeof full !== 'string')) return null;
  return {
    name,
    others: names,
    maxPacketBytes,
    schemas: digests,
    full: full === null ? null : printable(full, MAX_REASON_CHARS),
  };
}

function readDigests(value: unknown): SchemaDigests | null {
  if (typeof value !== 'object' || value === null) return null;
  const { all, each, complete } = value as Readonly<Record<string, unknown>>;
  if (typeof all !== 'string' || typeof complete !== 'boolean') return null;
  if (!Array.isArray(each) || each.length > MAX_DIGESTS) return null;
  const digests = new Map<string, string>();
  for (const pair of each) {
    if (!Array.isArray(pair)) return null;
    const [id, digest]: readonly unknown[] = pair;
    if (typeof id !== 'string' || typeof digest !== 'string') return null;
    digests.set(id, digest);
  }
  return { all, each: digests, complete };
}
