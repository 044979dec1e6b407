import { editDistance } from '../edit-distance.ts';
/**
 * The topics of a schema: levels as they are, `{name}` for one level, `{name+}` for all the rest (at least one).
 */
export type Level =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'rest'; readonly name: string };

export interface TopicPattern {
  readonly text: string;
  readonly levels: readonly Level[];
  /** Names of its captures, in order. */
  readonly captures: readonly string[];
}

/** The capture whose text names the property that a bare value is. */
export const FIELD_CAPTURE = 'field';

const CAPTURE = /^\{([A-Za-z_][\w-]{0,63})(\+?)\}$/;
const MAX_LEVELS = 32;

/** The pattern, or in words why it is none. */
export function parseTopicPattern(text: string): TopicPattern | string {
  const parts = text.split('/');
  if (parts.length > MAX_LEVELS) return `has more than ${MAX_LEVELS} levels`;
  const levels: Level[] = [];
  const captures: string[] = [];
  for (const [i, part] of parts.entries()) {
    const match = CAPTURE.exec(part);
    if (match === null) {
      const problem = literalProblem(part);
      if (problem !== null) return problem;
      levels.push({ kind: 'literal', text: part });
      continue;
    }
    const [, name = '', plus] = match;
    if (captures.includes(name)) return `captures {${name}} twice`;
    if (plus === '+' && i !== parts.length - 1) return `{${name}+} takes all the rest, so it must come last`;
    if (plus === '+' && name === FIELD_CAPTURE) return '{field+} is not possible: a property is one level';
    captures.push(name);
    levels.push(plus === '+' ? { kind: 'rest', name } : { kind: 'one', name });
  }
  return { text, levels, captures };
}

function literalProblem(part: string): string | null {
  if (part === '') return 'has an empty level';
  if (part === '+' || part === '#') {
    return `has the MQTT wildcard ${part}; capture the level instead: ${part === '+' ? '{device}' : '{rest+}'}`;
  }
  if (/[{}]/.test(part)) return `has "${part}"; a capture is a whole level: {name} or {name+}`;
  if (/[+#\p{Cc}]/u.test(part)) return `has "${part}", which no topic can have`;
  return null;
}

/** Equal for patterns that match the same topics. */
export function shapeOf({ levels }: TopicPattern): string {
  return levels
    .map((level) => (level.kind === 'literal' ? level.text : level.kind === 'one' ? '+' : '#'))
    .join('/');
}

/** Words that differ in more of their letters have nothing to do with each other. */
const NEAR_SHARE = 1 / 3;

/**
 * Whether a topic may have been meant for a pattern that does not match it: one level at most is another, missing or too
 * many, others are mistyped; and at least half of the levels that the pattern has as they are, are there.
 */
export function isNear(pattern: TopicPattern, topicLevels: readonly string[]): boolean {
  const literals = pattern.levels.filter(({ kind }) => kind === 'literal');
  const found = literals.filter((level) => topicLevels.some((text) => levelDistance(level, text) < 1));
  return found.length > 0 && found.length * 2 >= literals.length && distance(pattern, topicLevels) <= 1;
}

/**
 * How far a topic is from a pattern: 0 matches; each level too many, missing or different adds 1, a mistyped one less.
 */
export function distance(pattern: TopicPattern, topicLevels: readonly string[]): number {
  let previous = topicLevels.map((_, j) => j + 1);
  previous.unshift(0);
  for (const [i, level] of pattern.levels.entries()) {
    const row = [i + 1];
    for (const [j, text] of topicLevels.entries()) {
      const replaced = (previous[j] ?? 0) + levelDistance(level, text);
      const removed = (previous[j + 1] ?? 0) + 1;
      const added = (row[j] ?? 0) + (level.kind === 'rest' ? 0 : 1);
      row.push(Math.min(replaced, removed, added));
    }
    previous = row;
  }
  return previous.at(-1) ?? 0;
}

function levelDistance(level: Level, text: string): number {
  if (level.kind !== 'literal' || level.text === text) return 0;
  const a = level.text.toLowerCase();
  const b = text.slice(0, 64).toLowerCase();
  if (a === b) return 0.1;
  const edits = editDistance(a, b);
  const length = Math.max(a.length, b.length);
  return edits > Math.max(1, length * NEAR_SHARE) ? 1 : Math.min(0.9, 0.1 + edits / length);
}
