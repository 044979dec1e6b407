import type { TopicTraffic } from './traffic.ts';

/** Topics, and a filter that takes in all of them. */
export interface FilteredTopics {
  readonly filter: string;
  readonly topics: readonly TopicTraffic[];
}

/** More groups tell less than one. */
const MAX_GROUPS = 8;

/**
 * Topics under filters that say something: one, or one for each first or last level, where those are few. `#` alone only
 * where nothing is common to them.
 */
export function underFilters(topics: readonly TopicTraffic[]): readonly FilteredTopics[] {
  const all = filterOf(topics);
  if (saysSomething(all)) return [{ filter: all, topics }];
  const [best] = [groupsBy(topics, 0), groupsBy(topics, -1)]
    .filter((groups) => groups.length <= MAX_GROUPS && groups.every(({ filter }) => saysSomething(filter)))
    .sort((a, b) => a.length - b.length);
  return best ?? [{ filter: all, topics }];
}

function groupsBy(topics: readonly TopicTraffic[], at: number): readonly FilteredTopics[] {
  const groups = new Map<string, TopicTraffic[]>();
  for (const traffic of topics) {
    const level = traffic.topic.split('/').at(at) ?? '';
    const known = groups.get(level);
    if (known === undefined) groups.set(level, [traffic]);
    else known.push(traffic);
  }
  return [...groups.values()].map((members) => ({ filter: filterOf(members), topics: members }));
}

function saysSomething(filter: string): boolean {
  return filter.split('/').some((level) => level !== '+' && level !== '#');
}

/** With `+` where they have equally many levels and few of them differ, else what they begin with. */
function filterOf(topics: readonly TopicTraffic[]): string {
  const [first = [], ...others] = topics.map(({ topic }) => topic.split('/'));
  if (others.length === 0) return first.join('/');
  const levels = others.every(({ length }) => length === first.length)
    ? first.map((level, i) => (others.every((other) => other[i] === level) ? level : '+'))
    : [];
  const open = levels.filter((level) => level === '+').length;
  if (levels.length > 0 && open * 2 <= levels.length) return levels.join('/');
  let common = first.length;
  for (const other of others) {
    let same = 0;
    while (same < common && other[same] === first[same]) same += 1;
    common = same;
  }
  return common === 0 && open < levels.length ? levels.join('/') : [...first.slice(0, common), '#'].join('/');
}
