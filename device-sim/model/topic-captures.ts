const CAPTURE = /^\{([A-Za-z_][\w-]{0,63})(\+?)\}$/;

/** The capture that names the property which a bare value is. */
export const FIELD_CAPTURE = 'field';

export type Captures = ReadonlyMap<string, string>;

/** The captures of a pattern, in order: `{name}` takes one level, `{name+}` the rest. */
export function capturesIn(pattern: string): readonly string[] {
  return pattern.split('/').flatMap((level) => {
    const name = CAPTURE.exec(level)?.[1];
    return name === undefined ? [] : [name];
  });
}

/** The topic that a pattern becomes. */
export function filledTopic(pattern: string, textOf: (capture: string) => string): string {
  return pattern
    .split('/')
    .map((level) => {
      const name = CAPTURE.exec(level)?.[1];
      return name === undefined ? level : textOf(name);
    })
    .join('/');
}

/** What a pattern captures of a topic; null where they do not match. */
export function capturesOf(pattern: string, topic: string): Captures | null {
  const levels = pattern.split('/');
  const texts = topic.split('/');
  const captures = new Map<string, string>();
  for (const [i, level] of levels.entries()) {
    const text = texts[i];
    if (text === undefined) return null;
    const [, name, rest] = CAPTURE.exec(level) ?? [];
    if (name === undefined) {
      if (level !== text) return null;
    } else if (rest === '+') {
      captures.set(name, texts.slice(i).join('/'));
      return captures;
    } else captures.set(name, text);
  }
  return levels.length === texts.length ? captures : null;
}

/** The most specific pattern that matches a topic: from the left, text beats `{name}`, which beats `{name+}`. */
export function bestPattern(patterns: readonly string[], topic: string): string | null {
  const rank = (level: string): number => {
    const match = CAPTURE.exec(level);
    return match === null ? 0 : match[2] === '+' ? 2 : 1;
  };
  const ranks = (pattern: string): string => pattern.split('/').map(rank).join('');
  const matching = patterns.filter((pattern) => capturesOf(pattern, topic) !== null);
  return [...matching].sort((a, b) => (ranks(a) < ranks(b) ? -1 : 1))[0] ?? null;
}

/** Equal for patterns that match the same topics. */
export function patternShape(pattern: string): string {
  return pattern
    .split('/')
    .map((level) => {
      const match = CAPTURE.exec(level);
      return match === null ? level : match[2] === '+' ? '#' : '+';
    })
    .join('/');
}
