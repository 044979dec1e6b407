import type { DigestField } from '../field-digest.ts';
import { isInt64 } from './payload-judge.ts';
import { pathKey, propertyPath, type ReadingSchema, valueAt } from './reading-schemas.ts';
import { otherRoles, type StoredLeaf } from './stored-leaves.ts';
import { type Captures, capturesIn, FIELD_CAPTURE } from './topic-captures.ts';

/** What a valid value becomes in a database. */
export interface StoredReading {
  readonly measurement: string;
  /** Its fields; and its tags but that of the device, as `tag:<name>`. */
  readonly entries: readonly DigestField[];
}

/** The simulator's own view of what the gateway stores; null: nothing, the reading is rejected. */
export interface Mapping {
  /** Name of the device tag; null where there is none. */
  readonly deviceTag: string | null;
  /** Fields of all its readings, and tags as `tag:<name>`. */
  nameOf(path: readonly string[]): string | null;
  /** Tags that are the same in all readings of a topic. */
  fixedTags(captures: Captures): Readonly<Record<string, string>>;
  store(value: unknown, captures: Captures): StoredReading | null;
}

type TagSource =
  | { readonly capture: string }
  | { readonly path: readonly string[] }
  | { readonly text: string };

const MAX_TAG_BYTES = 256;
const CAPTURED = /^\{(.*)\}$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for them.
const NO_TAG = /[\u0000-\u001f\u007f-\u009f]|\\(?:[,= \\]|$)|\p{Surrogate}/u;
const NO_TEXT = /\n|\p{Surrogate}/u;

export function createMapping(schema: ReadingSchema, leaves: readonly StoredLeaf[]): Mapping {
  const { telemetry } = schema;
  const { topics, constants = {}, measurement } = telemetry;
  const inSome = (name: string): boolean => topics.some((topic) => capturesIn(topic).includes(name));
  const others = otherRoles(schema);
  const fields = leaves.filter(({ field, path }) => field !== null && !others.has(pathKey(path)));
  const deviceCapture = CAPTURED.exec(telemetry.device ?? '{device}')?.[1] ?? null;
  const deviceTag = telemetry.deviceTag === false ? null : (telemetry.deviceTag ?? 'device');

  const tags = new Map<string, TagSource>();
  for (const name of telemetry.tags ?? []) {
    if (typeof name !== 'string') continue;
    if (deviceCapture === name && deviceTag === name) continue;
    const path = propertyPath(name);
    const leaf = leaves.find((candidate) => pathKey(candidate.path) === pathKey(path));
    if (inSome(name)) tags.set(name, { capture: name });
    else if (leaf !== undefined) tags.set(leaf.field ?? path.join('_'), { path });
  }
  for (const [name, text] of Object.entries(constants)) tags.set(name, { text });

  /** Undefined: it has no such tag. Null: one that cannot be. */
  const tagText = (source: TagSource, value: unknown, captures: Captures): string | null | undefined => {
    const text =
      'text' in source
        ? source.text
        : 'capture' in source
          ? captures.get(source.capture)
          : textOf(valueAt(value, source.path));
    if (text === undefined) return undefined;
    return text === '' || NO_TAG.test(text) || Buffer.byteLength(text) > MAX_TAG_BYTES ? null : text;
  };

  return {
    deviceTag,
    nameOf(path) {
      const key = pathKey(path);
      const leaf = fields.find((candidate) => pathKey(candidate.path) === key);
      if (leaf !== undefined) return leaf.field;
      for (const [name, source] of tags)
        if ('path' in source && pathKey(source.path) === key) return `tag:${name}`;
      return null;
    },
    fixedTags(captures) {
      const fixed: [string, string][] = [];
      for (const [name, source] of tags) {
        const text = 'path' in source ? undefined : tagText(source, undefined, captures);
        if (typeof text === 'string') fixed.push([name, text]);
      }
      return Object.fromEntries(fixed);
    },
    store(value, captures) {
      const only = captures.get(FIELD_CAPTURE);
      const entries: DigestField[] = [];
      for (const leaf of fields) {
        if (
          only !== undefined &&
          topics.some((topic) => capturesIn(topic).includes(FIELD_CAPTURE)) &&
          leaf.path[0] !== only
        )
          continue;
        const found = leaf.read(value);
        if (found === undefined || found === null) continue;
        const entry = entryOf(leaf, found);
        if (entry === null) return null;
        entries.push(entry);
      }
      if (entries.length === 0) return null;
      for (const [name, source] of tags) {
        const text = tagText(source, value, captures);
        if (text === null) return null;
        if (text !== undefined) entries.push({ name: `tag:${name}`, kind: 's', value: text });
      }
      const table = CAPTURED.exec(measurement)?.[1];
      const name = table === undefined ? measurement : (captures.get(table) ?? '');
      return name === '' ? null : { measurement: name, entries };
    },
  };
}

function textOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : undefined;
}

function entryOf({ kind, field, path, asText, layers }: StoredLeaf, value: unknown): DigestField | null {
  const name = field ?? path.join('_');
  switch (kind) {
    case 'b':
      return typeof value === 'boolean' ? { name, kind, value } : null;
    case 's':
      return typeof value === 'string' && !NO_TEXT.test(value) ? { name, kind, value } : null;
    case 'i':
      if (typeof value === 'number')
        return Number.isSafeInteger(value) ? { name, kind, value: value + 0 } : null;
      return asText && typeof value === 'string' && isInt64(value) ? { name, kind, value } : null;
    case 'f': {
      const number = asText && typeof value === 'string' ? Number(value) : value;
      if (typeof number !== 'number' || !Number.isFinite(number)) return null;
      return typeof value === 'string' && !isWithin(number, layers) ? null : { name, kind, value: number };
    }
  }
}

/** JSON Schema holds no text against limits: the gateway does. */
function isWithin(value: number, layers: StoredLeaf['layers']): boolean {
  return layers.every(({ minimum, maximum, exclusiveMinimum, exclusiveMaximum }, i) => {
    const first = (keyword: string, limit: unknown): limit is number =>
      typeof limit === 'number' && layers.findIndex((layer) => layer[keyword] !== undefined) === i;
    if (first('minimum', minimum) && value < minimum) return false;
    if (first('maximum', maximum) && value > maximum) return false;
    if (first('exclusiveMinimum', exclusiveMinimum) && value <= exclusiveMinimum) return false;
    return !(first('exclusiveMaximum', exclusiveMaximum) && value >= exclusiveMaximum);
  });
}
