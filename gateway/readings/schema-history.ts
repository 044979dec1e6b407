import { type ReadingSchema, versionOfText } from './reading-schema.ts';

/** Small texts that outlive the process; the store keeps them. */
export interface Documents {
  /** Null, or empty, where there is none. */
  get(name: string): string | null;
  set(name: string, text: string): Promise<void>;
  /** Several at once, all or none; null takes one away. */
  change(changes: ReadonlyMap<string, string | null>): Promise<void>;
}

/** Texts of schemas by version, so that a rejection can be shown beside the schema it came under. */
export interface SchemaHistory {
  /** Keeps the texts of a set that comes into force. Rejects where they cannot be kept. */
  keep(schemas: readonly ReadingSchema[]): Promise<void>;
  /** Null where it is not known, any more or at all. */
  textOf(version: string): string | null;
}

/** Newest versions kept; those in force are among them as far as they are this many. */
export const MAX_VERSIONS = 200;
const PREFIX = 'schema-version/';
const INDEX = `${PREFIX}index`;
const VERSION = /^[0-9a-f]{12}$/;

export function createSchemaHistory(documents: Documents): SchemaHistory {
  /** Oldest first. A damaged index is as good as none: its texts are written anew as they come. */
  const index = (): string[] => {
    let value: unknown = null;
    try {
      value = JSON.parse(documents.get(INDEX) ?? '[]');
    } catch {
      return [];
    }
    if (!Array.isArray(value)) return [];
    return value.filter((version): version is string => typeof version === 'string' && VERSION.test(version));
  };

  return {
    async keep(schemas) {
      const texts = new Map(schemas.map(({ version, text }) => [version, text]));
      const before = index();
      // What is in force counts as newest: a version that comes back is not the next to go.
      const order = [...before.filter((version) => !texts.has(version)), ...texts.keys()];
      const kept = order.slice(-MAX_VERSIONS);
      const names = new Set(kept);
      const changes = new Map<string, string | null>();
      for (const version of before) if (!names.has(version)) changes.set(PREFIX + version, null);
      for (const version of kept) {
        const text = texts.get(version);
        if (text !== undefined && documents.get(PREFIX + version) !== text)
          changes.set(PREFIX + version, text);
      }
      const next = JSON.stringify(kept);
      if (next !== documents.get(INDEX)) changes.set(INDEX, next);
      if (changes.size > 0) await documents.change(changes);
    },
    textOf(version) {
      if (!VERSION.test(version)) return null;
      const text = documents.get(PREFIX + version);
      return text !== null && versionOfText(text) === version ? text : null;
    },
  };
}
