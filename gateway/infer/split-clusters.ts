import { isPlainObject } from './plain-object.ts';
import type { TopicCluster } from './topic-clusters.ts';
import { isAnyValueName, readingOf, type TopicProfile, tellsWhatItIs } from './topic-profile.ts';
import { isIdLike } from './topic-words.ts';

/** A draft for each of so many names at most. */
const MAX_PIECES = 12;
/** So many systems may stand side by side without a level in common. */
const MAX_SYSTEMS = 30;

/** One for each name at a level, which then stays as it is. */
export function splitAt(cluster: TopicCluster, at: number): readonly TopicCluster[] {
  const byName = new Map<string, TopicProfile[]>();
  for (const member of cluster.members) {
    const name = member.levels[at] ?? '';
    const known = byName.get(name);
    if (known === undefined) byName.set(name, [member]);
    else known.push(member);
  }
  const kept = new Set([...(cluster.kept ?? []), at]);
  return [...byName].map(([name, members]) => ({
    levels: cluster.levels.map((level, i) => (i === at ? name : level)),
    valueLevel: cluster.valueLevel,
    members,
    kept,
  }));
}

/** Names at a level, where those are few, and names of kinds rather than of things. */
export function fewNamesAt({ members }: TopicCluster, at: number, max: number): ReadonlySet<string> | null {
  const names = new Set(members.map(({ levels }) => levels[at] ?? ''));
  const ids = [...names].filter(isIdLike).length;
  return names.size <= max && ids * 2 <= names.size ? names : null;
}

/** No word of its own is in its pattern, so that it claims whatever has as many levels. */
export function isCatchAll({ levels, valueLevel }: TopicCluster): boolean {
  return valueLevel === null && levels.length > 1 && levels.every((level) => level === null);
}

/**
 * What would be claimed by a pattern of captures alone is parted by its first level, unless nothing else that came has as
 * many levels.
 */
export function withoutCatchAlls(clusters: readonly TopicCluster[]): readonly TopicCluster[] {
  return clusters.flatMap((cluster) => {
    if (!isCatchAll(cluster)) return [cluster];
    const depth = cluster.levels.length;
    const isAlone = clusters.every((other) => other === cluster || other.levels.length !== depth);
    const systems = new Set(cluster.members.map(({ levels }) => levels[0]));
    return isAlone || systems.size > MAX_SYSTEMS ? [cluster] : splitAt(cluster, 0);
  });
}

/** What a member holds on one topic, as far as it was seen; `null` where nothing but null was. */
type Kind = 'number' | 'boolean' | 'text' | 'object' | 'list' | 'several' | null;

/**
 * Parts topics by the name that tells them apart, where they are records of one form about values of several types: no
 * schema can store `v` of all of them. So are texts and what was never anything but null, where the topic alone says what
 * the value is of. Topics whose names are many, or ids, stay together.
 */
export function splitByType(cluster: TopicCluster): readonly TopicCluster[] {
  const { members, levels } = cluster;
  const [first] = members;
  if (first === undefined || first.kind !== 'object' || members.length < 2) return [cluster];
  const kinds = new Map(members.map((member) => [member, kindsOf(member)] as const));
  const differing = differingKey(cluster, kinds);
  if (differing === null) return [cluster];
  const kindOf = (member: TopicProfile): Kind => kinds.get(member)?.get(differing) ?? null;
  for (let at = levels.length - 1; at >= 0; at -= 1) {
    if (levels[at] !== null || fewNamesAt(cluster, at, MAX_PIECES) === null) continue;
    const pieces = splitAt(cluster, at);
    if (pieces.every((piece) => new Set(piece.members.map(kindOf)).size === 1)) return pieces;
  }
  return [cluster];
}

/** The one member whose type differs by topic, where all topics have the same members. */
function differingKey(
  { members }: TopicCluster,
  kinds: ReadonlyMap<TopicProfile, ReadonlyMap<string, Kind>>,
): string | null {
  const [first] = members;
  if (first === undefined) return null;
  if (
    members.some(({ keys }) => keys.size !== first.keys.size || [...keys].some((key) => !first.keys.has(key)))
  )
    return null;
  const found = [...first.keys].filter((key) => {
    const seen = new Set(members.map((member) => kinds.get(member)?.get(key) ?? null));
    if (seen.has('several')) return false;
    const hasUnseen = seen.delete(null);
    if (seen.size > 1) return true;
    return (
      hasUnseen &&
      (seen.has('text') || seen.has('boolean')) &&
      isAnyValueName(key) &&
      !tellsWhatItIs(first.keys)
    );
  });
  const [only] = found;
  return found.length === 1 && only !== undefined ? only : null;
}

function kindsOf(member: TopicProfile): ReadonlyMap<string, Kind> {
  const kinds = new Map<string, Kind>();
  for (const { shape } of member.samples) {
    if (readingOf(shape) !== member.reading) continue;
    for (const value of shape.values) {
      if (!isPlainObject(value)) continue;
      for (const [key, each] of Object.entries(value)) {
        if (!member.keys.has(key)) continue;
        const kind = kindOfValue(each);
        const known = kinds.get(key) ?? null;
        kinds.set(key, known === null || known === kind ? kind : kind === null ? known : 'several');
      }
    }
  }
  return kinds;
}

function kindOfValue(value: unknown): Kind {
  if (typeof value === 'number') return 'number';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string')
    return value.trim() !== '' && Number.isFinite(Number(value)) ? 'number' : 'text';
  if (Array.isArray(value)) return 'list';
  return isPlainObject(value) ? 'object' : null;
}
