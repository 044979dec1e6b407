import { ownValueName, type TopicProfile } from './topic-profile.ts';
import { isIdLike, namedValueLevel } from './topic-words.ts';

/** Without a word that tells, so many names under one level are those of things, not of values. */
const MAX_VALUES_OF_ONE = 30;

/**
 * Which level names the value where a topic carries a bare one: `temperature` of `plant/line1/press3/temperature`. Topics
 * that have none are left out.
 */
export function valueLevels(profiles: readonly TopicProfile[]): ReadonlyMap<TopicProfile, number> {
  const found = new Map<TopicProfile, number>();
  const open = new Map<string, TopicProfile[]>();
  for (const profile of profiles) {
    if (profile.kind !== 'bare' && ownValueName(profile) === null) continue;
    const at = namedValueLevel(profile.levels);
    if (at !== null) {
      found.set(profile, at);
      continue;
    }
    const key = JSON.stringify([profile.levels.length, profile.levels[0]]);
    const siblings = open.get(key);
    if (siblings === undefined) open.set(key, [profile]);
    else siblings.push(profile);
  }
  for (const siblings of open.values()) {
    const last = new Set(siblings.map(({ levels }) => levels.at(-1) ?? ''));
    const parents = new Set(siblings.map(({ levels }) => levels.slice(0, -1).join('/')));
    const ids = [...last].filter(isIdLike).length;
    const repeat = parents.size > 1 && siblings.length >= 1.5 * last.size;
    if (ids * 2 > last.size || (!repeat && last.size > MAX_VALUES_OF_ONE)) continue;
    // Of one or two topics nothing says that their last level is a value's name and not a thing's.
    if (!repeat && parents.size > 1 && last.size === siblings.length) continue;
    for (const profile of siblings) found.set(profile, profile.levels.length - 1);
  }
  return found;
}
