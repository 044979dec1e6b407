import { type DraftOptions, draftSchema, type SchemaDraft } from './draft-schema.ts';
import { rolesOf } from './level-roles.ts';
import { clusterTopics, type TopicCluster } from './topic-clusters.ts';
import { underFilters } from './topic-filters.ts';
import { ownValueName, profileOf, type TopicProfile } from './topic-profile.ts';
import { whyNoReadings } from './topic-words.ts';
import type { TopicTraffic } from './traffic.ts';
import { valueLevels } from './value-level.ts';
import {
  type DraftTrial,
  type DraftTrials,
  type TrialDeps,
  tryDrafts,
  whyUnloadable,
} from './verify-drafts.ts';

/** Topics that carry one kind of message. */
export interface TopicFamily {
  /** As `telemetry.topics` would have it. */
  readonly pattern: string;
  readonly topics: readonly TopicTraffic[];
  readonly draft: SchemaDraft | null;
  readonly trial: DraftTrial | null;
  /** In words why nothing is drafted; null where something is. */
  readonly why: string | null;
}

export interface InferDeps extends DraftOptions, TrialDeps {}

/**
 * From traffic to families of topics, and to a draft of a schema for each that carries readings: topics that differ in
 * names alone, carry the same kind of payload, and would be claimed by one schema. The drafts go together: the gateway
 * loads them as they are. Pure but for the clock, which judges times. Most messages first.
 */
export function inferSchemas(topics: readonly TopicTraffic[], deps: InferDeps): readonly TopicFamily[] {
  const open: TopicProfile[] = [];
  const closed = new Map<string, TopicTraffic[]>();
  for (const traffic of topics) {
    const profile = profileOf(traffic, deps.formats);
    const why = whyNoReadings(traffic.topic) ?? whyUnreadable(profile);
    if (why === null) {
      open.push(profile);
      continue;
    }
    const alike = closed.get(why);
    if (alike === undefined) closed.set(why, [traffic]);
    else alike.push(traffic);
  }
  const drafted = clustersByPattern(clusterTopics(withNames(open, deps))).map(
    ({ pattern, cluster, rival }) => ({
      pattern,
      topics: cluster.members.map(({ traffic }) => traffic),
      outcome:
        rival === null
          ? draftSchema(cluster, deps)
          : `its topics look like those of ${rival}, and its payloads do not: one schema cannot read both`,
    }),
  );
  const drafts = drafted.flatMap(({ outcome }) => (typeof outcome === 'string' ? [] : [outcome]));
  const { trials, claims, unusable } = triedDrafts(drafts, topics, deps);
  const families = drafted.map(({ pattern, topics: members, outcome }): TopicFamily => {
    const why = typeof outcome === 'string' ? outcome : (unusable.get(outcome.id) ?? null);
    if (typeof outcome === 'string' || why !== null)
      return {
        pattern,
        topics: members,
        draft: null,
        trial: null,
        why: (why ?? '').replace(/\.$/, '') + claimed(members, claims),
      };
    const trial = trials.get(outcome.id) ?? null;
    return { pattern: outcome.topic, topics: members, draft: outcome, trial, why: null };
  });
  const others = [...closed].flatMap(([why, members]) =>
    underFilters(members).map(
      ({ filter, topics: alike }): TopicFamily => ({
        ...{ pattern: filter, topics: alike, draft: null, trial: null },
        why: why + claimed(alike, claims),
      }),
    ),
  );
  return [...families, ...others].sort((a, b) => messagesOf(b) - messagesOf(a));
}

/**
 * What cannot be loaded, for whatever reason, is not handed out: the others are tried without it. Nor is what gets none of
 * its topics, because patterns of others fit them better.
 */
function triedDrafts(
  drafts: readonly SchemaDraft[],
  topics: readonly TopicTraffic[],
  deps: InferDeps,
): DraftTrials & { readonly unusable: ReadonlyMap<string, string> } {
  const unusable = new Map<string, string>();
  const all = tryDrafts(drafts, topics, deps);
  for (const draft of drafts) {
    if ((all.trials.get(draft.id)?.problems.length ?? 0) === 0) continue;
    const why = whyUnloadable(draft, deps.formatProblem);
    if (why !== null) unusable.set(draft.id, `what was drafted cannot be loaded (${why})`);
  }
  const loadable = drafts.filter(({ id }) => !unusable.has(id));
  const result = unusable.size === 0 ? all : tryDrafts(loadable, topics, deps);
  for (const { id } of loadable) {
    const trial = result.trials.get(id);
    if (trial?.samples === 0 && trial.problems.length === 0)
      unusable.set(id, 'another draft fits these topics better');
  }
  return { ...result, unusable };
}

/** In words that a draft made for other topics has these too. */
function claimed(topics: readonly TopicTraffic[], claims: DraftTrials['claims']): string {
  const found = topics.flatMap(({ topic }) => claims.get(topic) ?? []);
  const [first] = found;
  if (first === undefined) return '';
  const samples = found.reduce((sum, each) => sum + each.samples, 0);
  const rejected = found.reduce((sum, each) => sum + each.rejected, 0);
  const which = found.length === topics.length ? 'these topics' : `${found.length} of these topics`;
  const what =
    rejected === 0 ? 'and takes their samples' : `and would reject ${rejected} of ${samples} samples`;
  return `; the draft ${first.draft} claims ${which} too, ${what}`;
}

/** Numbers with a decimal comma have a name, as bare ones have: that of the level which names the value. */
function withNames(profiles: readonly TopicProfile[], { formats }: InferDeps): readonly TopicProfile[] {
  const named = valueLevels(profiles);
  return profiles.map((profile) => {
    const level = profile.levels[named.get(profile) ?? -1];
    return level === undefined || ownValueName(profile) === null
      ? profile
      : profileOf(profile.traffic, formats, level);
  });
}

export function messagesOf({ topics }: Pick<TopicFamily, 'topics'>): number {
  return topics.reduce((sum, { messages }) => sum + messages, 0);
}

function whyUnreadable({ kind, traffic, levels, foreign }: TopicProfile): string | null {
  if (traffic.samples.length === 0 && traffic.empty === traffic.messages) return 'only empty payloads came';
  if (traffic.samples.length === 0) return 'none of their payloads was kept to be looked at';
  if (kind === 'other' && foreign !== null) return foreign;
  if (kind === 'other') return 'payloads that are no values: binary, long texts, or lists';
  if (levels.some((level) => level === '' || /[{}]/.test(level) || /[+#\p{Cc}]/u.test(level)))
    return 'topics with an empty level, or characters that a schema cannot name';
  if (levels.length > 32) return 'topics with more than 32 levels';
  return null;
}

interface Claim {
  readonly pattern: string;
  readonly cluster: TopicCluster;
  /** The pattern of another family that matches the same topics, and is read otherwise. */
  readonly rival: string | null;
}

/** Families that one pattern would match are one; where their payloads cannot be read alike, the larger has it. */
function clustersByPattern(clusters: readonly TopicCluster[]): readonly Claim[] {
  const byShape = new Map<string, TopicCluster[]>();
  for (const cluster of clusters) {
    const shape = rolesOf(cluster)
      .levels.map((role) => (role.kind === 'literal' ? `=${role.text}` : '+'))
      .join('/');
    const sharing = byShape.get(shape);
    if (sharing === undefined) byShape.set(shape, [cluster]);
    else sharing.push(cluster);
  }
  return [...byShape.values()].flatMap((sharing) => {
    const byReading = new Map<string, TopicCluster>();
    for (const cluster of sharing) {
      const key = `${cluster.members[0]?.reading} ${cluster.valueLevel}`;
      const known = byReading.get(key);
      byReading.set(key, known === undefined ? cluster : merged(known, cluster));
    }
    const [largest, ...rest] = [...byReading.values()].sort((a, b) => b.members.length - a.members.length);
    if (largest === undefined) return [];
    const { pattern } = rolesOf(largest);
    return [
      { pattern, cluster: largest, rival: null },
      ...rest.map((cluster) => ({ pattern: rolesOf(cluster).pattern, cluster, rival: pattern })),
    ];
  });
}

function merged(a: TopicCluster, b: TopicCluster): TopicCluster {
  return {
    levels: a.levels.map((level, i) => (level === b.levels[i] ? level : null)),
    valueLevel: a.valueLevel,
    members: [...a.members, ...b.members],
  };
}
