import type { SchemaDraft } from './draft-schema.ts';
import { isPlainObject } from './plain-object.ts';
import type { TopicTraffic } from './traffic.ts';

/** On fewer topics it may be chance that none was heard twice. */
const LEAST_TOPICS = 10;
/** What stores more than that has not lost its values. */
const FEW_FIELDS = 2;
const MAX_DESCRIPTION = 2000;
const LEFT_OUT = /^\/([^/]+) is left out: it is (sometimes .*)\.$/;

/** In words what its pattern would bring about; none where that is nothing bad. */
export function notesOnPattern(pattern: string, topics: readonly TopicTraffic[]): readonly string[] {
  const levels = pattern.split('/');
  const notes: string[] = [];
  if (levels.every((level) => level.startsWith('{')) && !levels.includes('{field}'))
    notes.push(
      levels.length === 1
        ? 'No level of its pattern is a word: it claims every topic of one level, whatever is sent there.'
        : `No level of its pattern is a word: it claims every topic of ${levels.length} levels, whatever is sent there. Write a word where all have the same.`,
    );
  // What a broker repeats comes once from every topic.
  const heard = topics.filter(({ messages, retained, empty }) => messages - empty > retained);
  if (heard.length >= LEAST_TOPICS && heard.every(({ messages, retained }) => messages - retained === 1))
    notes.push(
      `Each of ${heard.length} topics was heard once, and none twice: if a level is the name of a message (an order, a job, an address that changes) and not of a thing, this makes a series for each message. Listen for longer, or leave such topics out.`,
    );
  return notes;
}

/** The draft with further notes, in its description too. */
export function withNotes(draft: SchemaDraft, notes: readonly string[]): SchemaDraft {
  if (notes.length === 0) return draft;
  const schema: unknown = JSON.parse(draft.text);
  if (!isPlainObject(schema)) return draft;
  const description = [String(schema.description ?? ''), ...notes].join(' ').slice(0, MAX_DESCRIPTION);
  return {
    ...draft,
    text: `${JSON.stringify({ ...schema, description }, null, 2)}\n`,
    notes: [...draft.notes, ...notes],
  };
}

/** In words, as they follow its name, that it stores little besides a value that is left out; null where it stores what there is. */
export function valueLost({ text, notes }: SchemaDraft): string | null {
  const schema: unknown = JSON.parse(text);
  if (!isPlainObject(schema) || !isPlainObject(schema.properties)) return null;
  const telemetry = isPlainObject(schema.telemetry) ? schema.telemetry : {};
  const time = isPlainObject(telemetry.time) ? telemetry.time.property : null;
  const tags = Array.isArray(telemetry.tags) ? telemetry.tags : [];
  const stored = Object.keys(schema.properties).filter(
    (name) => name !== time && !tags.includes(name) && telemetry.device !== `/${name}`,
  );
  const lost = notes.flatMap((note) => {
    const [, name, kinds] = LEFT_OUT.exec(note) ?? [];
    return name === undefined ? [] : [`${name}, which is ${kinds}`];
  });
  if (lost.length === 0 || stored.length > FEW_FIELDS) return null;
  return `stores ${stored.join(' and ')} alone: ${lost.join('; ')}, is left out`;
}
