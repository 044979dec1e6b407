import { isHidden } from './topics.ts';

interface Node<T> {
  levels: Map<string, Node<T>> | null;
  plus: Node<T> | null;
  /** Under a filter that ends in `#` at this place. */
  rest: Set<T> | null;
  /** Under a filter that ends here. */
  here: Set<T> | null;
}

/**
 * Things filed under topic filters: finds those whose filter takes in a topic. The filters must be valid; their depth
 * is the depth of the recursion. What is hidden from wildcards (`isHidden`) is not found through a first level wildcard.
 */
export class TopicFilters<T> {
  readonly #root: Node<T> = emptyNode();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(filter: string, thing: T): void {
    const levels = filter.split('/');
    let node = this.#root;
    for (const level of levels) {
      if (level === '#') {
        node.rest ??= new Set();
        this.#size -= node.rest.size;
        this.#size += node.rest.add(thing).size;
        return;
      }
      node = child(node, level);
    }
    node.here ??= new Set();
    this.#size -= node.here.size;
    this.#size += node.here.add(thing).size;
  }

  remove(filter: string, thing: T): void {
    removeFrom(this.#root, filter.split('/'), 0, thing, () => {
      this.#size -= 1;
    });
  }

  has(topic: string): boolean {
    if (this.#size === 0) return false;
    let found = false;
    this.visit(topic, () => {
      found = true;
    });
    return found;
  }

  /** Calls back for each thing, once per filter it is filed under. */
  visit(topic: string, found: (thing: T) => void): void {
    if (this.#size === 0) return;
    walk(this.#root, topic.split('/'), 0, isHidden(topic), found);
  }
}

function emptyNode<T>(): Node<T> {
  return { levels: null, plus: null, rest: null, here: null };
}

function child<T>(node: Node<T>, level: string): Node<T> {
  if (level === '+') {
    node.plus ??= emptyNode();
    return node.plus;
  }
  node.levels ??= new Map();
  let next = node.levels.get(level);
  if (next === undefined) {
    next = emptyNode();
    node.levels.set(level, next);
  }
  return next;
}

function walk<T>(
  node: Node<T>,
  levels: readonly string[],
  depth: number,
  hidden: boolean,
  found: (thing: T) => void,
): void {
  const wildcards = !(hidden && depth === 0);
  if (wildcards && node.rest !== null) for (const thing of node.rest) found(thing);
  const level = levels[depth];
  if (level === undefined) {
    if (node.here !== null) for (const thing of node.here) found(thing);
    return;
  }
  if (wildcards && node.plus !== null) walk(node.plus, levels, depth + 1, hidden, found);
  const next = node.levels?.get(level);
  if (next !== undefined) walk(next, levels, depth + 1, hidden, found);
}

/** Returns whether the node is of no more use. */
function removeFrom<T>(
  node: Node<T>,
  levels: readonly string[],
  depth: number,
  thing: T,
  removed: () => void,
): boolean {
  const level = levels[depth];
  if (level === undefined) {
    if (node.here?.delete(thing) === true) removed();
    if (node.here?.size === 0) node.here = null;
  } else if (level === '#') {
    if (node.rest?.delete(thing) === true) removed();
    if (node.rest?.size === 0) node.rest = null;
  } else if (level === '+') {
    if (node.plus !== null && removeFrom(node.plus, levels, depth + 1, thing, removed)) node.plus = null;
  } else {
    const next = node.levels?.get(level);
    if (next !== undefined && removeFrom(next, levels, depth + 1, thing, removed)) node.levels?.delete(level);
    if (node.levels?.size === 0) node.levels = null;
  }
  return node.here === null && node.rest === null && node.plus === null && node.levels === null;
}
