import type { TopicProfile } from './topic-profile.ts';
import { haveOneTime, likeness, tellsWhatItIs } from './topic-profile.ts';
import { isKindWord, isPlainValueWord, skeletonOf } from './topic-words.ts';
import { valueLevels } from './value-level.ts';

/** Topics that carry one kind of reading: the same but for the levels that are null. */
export interface TopicCluster {
  /** The text of each level that all have in common; null where they differ. */
  readonly levels: readonly (string | null)[];
  /** The level that names the value of a bare payload; null where none does. */
  readonly valueLevel: number | null;
  readonly members: readonly TopicProfile[];
  /** Levels that stay as they are, though the device could be one: opened, they would match what others send. */
  readonly kept?: ReadonlySet<number>;
}

/** A cluster on its way. */
interface Draft {
  levels: (string | null)[];
  readonly valueLevel: number | null;
  readonly reading: string;
  /** Names at the top of its readings; of bare values, the names of those. */
  readonly keys: Set<string>;
  readonly members: TopicProfile[];
}

/** Of two that differ in a name that repeats elsewhere too, so much must be alike. */
const ALIKE = 0.5;
/** Stands for the name of a value, which may differ within a cluster. */
const VALUE = '\u0000value';
const MAX_KEYS = 500;
/** Clusters under one first level that are compared with one another. */
const MAX_COMPARED = 50;

/**
 * Puts topics together that differ in names of things and carry the same kind of payload. Levels are joined one at a
 * time, until nothing changes: topics that differ in one level only, then what has become of them. Cost: topics × levels
 * for each of at most as many rounds as the longest topic has levels.
 */
export function clusterTopics(profiles: readonly TopicProfile[]): readonly TopicCluster[] {
  const values = valueLevels(profiles);
  let drafts = joinEqual(
    profiles.map((profile) => {
      const valueLevel = profile.kind === 'bare' ? (values.get(profile) ?? null) : null;
      const name = valueLevel === null ? undefined : profile.levels[valueLevel];
      return {
        levels: profile.levels.map((level, i) => (i === valueLevel ? VALUE : level)),
        valueLevel,
        reading: profile.reading,
        keys: name === undefined ? new Set(profile.keys) : new Set([name]),
        members: [profile],
      };
    }),
  );
  const rounds = Math.max(1, ...profiles.map(({ levels }) => levels.length));
  for (let round = 0; round < rounds; round += 1) {
    const before = drafts.length;
    drafts = joinEqual(joinByOneLevel(drafts));
    if (drafts.length === before) break;
  }
  drafts = joinEqual(joinScattered(drafts));
  return drafts.map(({ levels, valueLevel, members }) => ({
    levels: levels.map((level) => (level === VALUE ? null : level)),
    valueLevel,
    members,
  }));
}

/** Those that one pattern would match belong together, whatever they carry: only one schema can claim it. */
function joinEqual(drafts: readonly Draft[]): Draft[] {
  const known = new Map<string, Draft>();
  for (const draft of drafts) {
    const key = JSON.stringify([draft.reading, draft.levels]);
    const other = known.get(key);
    if (other === undefined) known.set(key, draft);
    else absorb(other, draft);
  }
  return [...known.values()];
}

function absorb(into: Draft, other: Draft): void {
  for (const member of other.members) into.members.push(member);
  for (const key of other.keys) if (into.keys.size < MAX_KEYS) into.keys.add(key);
  into.levels = into.levels.map((level, i) => (level === other.levels[i] ? level : null));
}

/** Drafts that are the same but for the level `at`. */
interface Row {
  readonly at: number;
  readonly drafts: readonly Draft[];
}

function joinByOneLevel(drafts: readonly Draft[]): Draft[] {
  const rows = rowsOf(drafts);
  const likenesses = likenessByLevel(rows);
  /** To which draft each was joined. */
  const joined = new Map<Draft, Draft>();
  const root = (draft: Draft): Draft => {
    let at = draft;
    for (let next = joined.get(at); next !== undefined; next = joined.get(at)) at = next;
    return at;
  };
  for (const { at, drafts: row } of rows) {
    const leaders: Draft[] = [];
    for (const draft of row) {
      const leader = leaders.find((each) => belongTogether(each, draft, at, likenesses));
      if (leader === undefined) {
        if (leaders.length < MAX_COMPARED) leaders.push(draft);
        continue;
      }
      const a = root(leader);
      const b = root(draft);
      if (a !== b) joined.set(b, a);
    }
  }
  const roots: Draft[] = [];
  for (const draft of drafts) {
    const to = root(draft);
    if (to === draft) roots.push(draft);
    else absorb(to, draft);
  }
  return roots;
}

function rowsOf(drafts: readonly Draft[]): readonly Row[] {
  const rows = new Map<string, { at: number; drafts: Draft[] }>();
  for (const draft of drafts) {
    for (let at = 0; at < draft.levels.length; at += 1) {
      const level = draft.levels[at];
      if (level === VALUE) continue;
      const key = JSON.stringify([draft.reading, at, draft.levels.map((each, i) => (i === at ? 0 : each))]);
      const row = rows.get(key);
      if (row === undefined) rows.set(key, { at, drafts: [draft] });
      else row.drafts.push(draft);
    }
  }
  return [...rows.values()].filter((row) => row.drafts.length > 1);
}

/** How alike neighbours are on average that differ at a level, for each level of each family of the same first level. */
function likenessByLevel(rows: readonly Row[]): (draft: Draft, at: number) => number {
  const sums = new Map<string, { sum: number; n: number }>();
  const keyOf = ({ levels, reading }: Draft, at: number): string =>
    JSON.stringify([reading, levels.length, at === 0 ? null : levels[0], at]);
  for (const { at, drafts } of rows) {
    const [first] = drafts;
    if (first === undefined) continue;
    const key = keyOf(first, at);
    const entry = sums.get(key) ?? { sum: 0, n: 0 };
    for (let i = 1; i < Math.min(drafts.length, MAX_COMPARED); i += 1) {
      const a = drafts[i - 1];
      const b = drafts[i];
      if (a === undefined || b === undefined) continue;
      entry.sum += likeness(a.keys, b.keys);
      entry.n += 1;
    }
    sums.set(key, entry);
  }
  return (draft, at) => {
    const entry = sums.get(keyOf(draft, at));
    return entry === undefined || entry.n === 0 ? 0 : entry.sum / entry.n;
  };
}

function belongTogether(
  a: Draft,
  b: Draft,
  at: number,
  likenessAt: (draft: Draft, at: number) => number,
): boolean {
  const one = a.levels[at];
  const other = b.levels[at];
  if (isKind(one) || isKind(other) || !haveOneTime(a.keys, b.keys)) return false;
  const alike = likeness(a.keys, b.keys);
  if (alike >= ALIKE) return true;
  const isSkeleton = one != null && other != null && skeletonOf(one) === skeletonOf(other);
  // Systems of different makers, of which both have a name such as `room`.
  if (at === 0 && !isSkeleton) return false;
  if (one == null || other == null || isSkeleton) return alike > 0;
  // Little in common: things of several kinds under one level, or several kinds of message of one thing. The latter
  // repeat for each thing, and then it is another level at which neighbours are alike.
  const here = likenessAt(a, at);
  const isBest = a.levels.every(
    (level, i) => i === at || level === VALUE || level === null || likenessAt(a, i) <= here,
  );
  return isBest && alike > 0;
}

function isKind(level: string | null | undefined): boolean {
  return level != null && (isKindWord(level) || isPlainValueWord(level));
}

/** Things of which no two share all levels but one: alike in what they carry, and under the same words. */
function joinScattered(drafts: readonly Draft[]): Draft[] {
  const buckets = new Map<string, Draft[]>();
  const kept: Draft[] = [];
  for (const draft of drafts) {
    const { levels, reading } = draft;
    const words = levels.map((level) => (level === VALUE || isKind(level) ? level : null));
    const fixed = words.filter((word) => word !== null).length;
    // Under a first level of its own, or, where that is the name of a thing, under at least two words.
    const key = JSON.stringify([reading, levels.length, fixed >= 2 ? null : levels[0], words]);
    const bucket = buckets.get(key) ?? [];
    buckets.set(key, bucket);
    const isValue = draft.valueLevel !== null;
    const home = bucket.find(
      (each) => (isValue && fixed >= 2) || (tellsWhatItIs(draft.keys) && areAlike(each, draft)),
    );
    if (home !== undefined) absorb(home, draft);
    else {
      if (bucket.length < MAX_COMPARED) bucket.push(draft);
      kept.push(draft);
    }
  }
  return kept;
}

function areAlike(a: Draft, b: Draft): boolean {
  return likeness(a.keys, b.keys) >= ALIKE && haveOneTime(a.keys, b.keys);
}
