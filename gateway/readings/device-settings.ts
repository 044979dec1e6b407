import type { DeviceSettings } from '../ledger-contract.ts';
import { nameProblem } from '../line-protocol/encode.ts';
import { RESERVED_NAMES } from './reserved-names.ts';
import type { SeriesRule, TagSource } from './series-rule.ts';
import { tagProblem } from './series-words.ts';

/** The tags and fields of one measurement, by name in lower case. */
export type Columns = ReadonlyMap<string, { readonly name: string; readonly isTag: boolean }>;
export const NO_COLUMNS: Columns = new Map();

/**
 * The tags of a rule as a device with these settings has them: the alias is the text of the device tag, the extra tags
 * join. They win over nothing: one that the schema tells itself keeps the schema's text, but where a topic does not capture
 * a tag, the extra one fills its place. What cannot be is left out, and `settingsProblems` tells of it.
 */
export function tagsFor(
  { device, tags }: SeriesRule,
  settings: DeviceSettings | null,
  columns: Columns,
  captures: ReadonlyMap<string, string>,
): ReadonlyMap<string, TagSource> {
  if (settings === null) return tags;
  const { alias } = settings;
  const own = new Map(tags);
  if (alias !== null && tagProblem(alias) === null) {
    for (const [key, source] of tags) {
      // The very source that names the device; a tag of the same text is another thing.
      if (source === device) own.set(key, { kind: 'constant', text: alias });
    }
  }
  for (const [key, text] of settings.tags) {
    if (extraTagProblem(key, text) !== null || clashes(key, columns)) continue;
    const source = tags.get(key);
    if (source !== undefined && !(source.kind === 'capture' && !captures.has(source.name))) continue;
    own.set(key, { kind: 'constant', text });
  }
  return own;
}

/** It is a field there, or a tag in another spelling: one name would mean two things. */
export function clashes(key: string, columns: Columns): boolean {
  const column = columns.get(key.toLowerCase());
  return column !== undefined && !(column.isTag && column.name === key);
}

/** In words why an extra tag cannot be; null where it can. */
export function extraTagProblem(key: string, text: string): string | null {
  const problem = nameProblem(key);
  if (problem !== null) return `the tag "${key}" ${problem}`;
  if (RESERVED_NAMES.has(key.toLowerCase())) return `the tag "${key}" has a name of the database's own`;
  const wrong = tagProblem(text);
  return wrong === null ? null : `the tag "${key}" ${wrong}`;
}
