import { type DraftOptions, draftSchema, type SchemaDraft } from './draft-schema.ts';
import { rolesOf } from './level-roles.ts';
import { clusterTopics, type TopicCluster } from './topic-clusters.ts';
import { profileOf, type TopicProfile } from './topic-profile.ts';
import { whyNoReadings } from './topic-words.ts';
import type { TopicTraffic } from './traffic.ts';
import { type DraftTrial, type TrialDeps, tryDrafts } from './verify-drafts.ts';

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
  const drafted = clustersByPattern(clusterTopics(open)).map(({ pattern, cluster, rival }) => ({
    pattern,
    topics: cluster.members.map(({ traffic }) => traffic),
    outcome:
      rival === null
        ? draftSchema(cluster, deps)
        : `its topics look like those of ${rival}, and its payloads do not: one schema cannot read both`,
  }));
  const drafts = drafted.flatMap(({ outcome }) => (typeof outcome === 'string' ? [] : [outcome]));
  const trials = tryDrafts(drafts, topics, deps);
  const families = drafted.map(({ pattern, topics: members, outcome }): TopicFamily => {
    if (typeof outcome === 'string')
      return { pattern, topics: members, draft: null, trial: null, why: outcome };
    const trial = trials.get(outcome.id) ?? null;
    return { pattern: outcome.topic, topics: members, draft: outcome, trial, why: null };
  });
  const others = [...closed].map(
    ([why, members]): TopicFamily => ({
      pattern: commonFilter(members.map(({ topic }) => topic)),
      topics: members,
      draft: null,
      trial: null,
      why,
    }),
  );
  return [...families, ...others].sort((a, b) => messagesOf(b) - messagesOf(a));
}

export function messagesOf({ topics }: Pick<TopicFamily, 'topics'>): number {
  return topics.reduce((sum, { messages }) => sum + messages, 0);
}

function whyUnreadable({ kind, traffic, levels }: TopicProfile): string | null {
  if (traffic.samples.length === 0 && traffic.empty === traffic.messages) return 'only empty payloads came';
  if (traffic.samples.length === 0) return 'none of their payloads was kept to be looked at';
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

/** A filter that takes in all of them. */
function commonFilter(topics: readonly string[]): string {
  const [first = '', ...others] = topics;
  if (others.length === 0) return first;
  const levels = first.split('/');
  let common = levels.length;
  for (const topic of others) {
    const other = topic.split('/');
    let same = 0;
    while (same < common && other[same] === levels[same]) same += 1;
    common = same;
  }
  return [...levels.slice(0, common), '#'].join('/');
}
