import { FIELD_CAPTURE, type TopicPattern } from './topic-pattern.ts';

export interface TopicMatch<T> {
  readonly target: T;
  readonly pattern: TopicPattern;
  readonly captures: ReadonlyMap<string, string>;
}

interface Leaf<T> {
  readonly target: T;
  readonly pattern: TopicPattern;
  /** What `{field}` may be; null where the pattern has none. */
  readonly fields: ReadonlySet<string> | null;
}

interface Node<T> {
  readonly literals: Map<string, Node<T>>;
  one: Node<T> | null;
  /** Ends here. */
  leaf: Leaf<T> | null;
  /** `{name+}` from here. */
  rest: Leaf<T> | null;
}

/**
 * Finds the most specific pattern: level by level from the left, a literal beats `{name}`, which beats `{name+}`. A
 * pattern with `{field}` matches only where that level is one of its properties. Visits each node at most once, so a
 * topic cannot make it slow.
 */
export class TopicRouter<T> {
  private readonly root: Node<T> = emptyNode();

  /** A pattern of the same shape is replaced: find those first. */
  add(pattern: TopicPattern, target: T, fields: ReadonlySet<string> | null): void {
    const leaf: Leaf<T> = { target, pattern, fields };
    let node = this.root;
    for (const level of pattern.levels) {
      if (level.kind === 'rest') {
        node.rest = leaf;
        return;
      }
      if (level.kind === 'one') {
        node.one ??= emptyNode();
        node = node.one;
        continue;
      }
      let next = node.literals.get(level.text);
      if (next === undefined) {
        next = emptyNode();
        node.literals.set(level.text, next);
      }
      node = next;
    }
    node.leaf = leaf;
  }

  find(topic: string): TopicMatch<T> | null {
    const levels = topic.split('/');
    const leaf = descend(this.root, levels, 0);
    if (leaf === null) return null;
    return { target: leaf.target, pattern: leaf.pattern, captures: capturesOf(leaf.pattern, levels) };
  }
}

function emptyNode<T>(): Node<T> {
  return { literals: new Map(), one: null, leaf: null, rest: null };
}

function descend<T>(node: Node<T>, levels: readonly string[], depth: number): Leaf<T> | null {
  const text = levels[depth];
  if (text === undefined) return accepts(node.leaf, levels) ? node.leaf : null;
  const literal = node.literals.get(text);
  return (
    (literal === undefined ? null : descend(literal, levels, depth + 1)) ??
    (node.one === null ? null : descend(node.one, levels, depth + 1)) ??
    (accepts(node.rest, levels) ? node.rest : null)
  );
}

function accepts<T>(leaf: Leaf<T> | null, levels: readonly string[]): boolean {
  if (leaf === null) return false;
  if (leaf.fields === null) return true;
  const { fields, pattern } = leaf;
  return pattern.levels.some(
    (level, i) => level.kind === 'one' && level.name === FIELD_CAPTURE && fields.has(levels[i] ?? ''),
  );
}

function capturesOf(pattern: TopicPattern, levels: readonly string[]): ReadonlyMap<string, string> {
  const captures = new Map<string, string>();
  for (const [i, level] of pattern.levels.entries()) {
    if (level.kind === 'one') captures.set(level.name, levels[i] ?? '');
    if (level.kind === 'rest') captures.set(level.name, levels.slice(i).join('/'));
  }
  return captures;
}
