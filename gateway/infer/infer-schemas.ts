import { type DraftOptions, draftSchema, type SchemaDraft } from './draft-schema.ts';
import { notesOnPattern, valueLost, withNotes } from './family-notes.ts';
import { type Claim, clustersByPattern } from './pattern-claims.ts';
import { alternatives, type Conflict } from './settle-claims.ts';
import { splitByType, withoutCatchAlls } from './split-clusters.ts';
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
  /** In words that the draft takes the messages and not what matters in them. */
  readonly warning: string | null;
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
  const clusters = withoutCatchAlls(clusterTopics(withNames(open, deps)).flatMap(splitByType));
  const { drafted, trials, claims, unusable } = settled(clusters, topics, deps);
  for (const { outcome } of drafted) if (typeof outcome !== 'string') take(outcome, deps.takenNames);
  const families = drafted.map(({ pattern, cluster, outcome }): TopicFamily => {
    const members = cluster.members.map(({ traffic }) => traffic);
    const found = typeof outcome === 'string' ? outcome : (unusable.get(outcome.id) ?? null);
    const isRejected = members.some(({ topic }) => (claims.get(topic)?.rejected ?? 0) > 0);
    const why = found === NO_SAMPLES && isRejected ? 'another pattern goes first on these topics' : found;
    if (typeof outcome === 'string' || why !== null)
      return {
        pattern,
        topics: members,
        draft: null,
        trial: null,
        why: (why ?? '').replace(/\.$/, '') + claimed(members, claims),
        warning: null,
      };
    const trial = trials.get(outcome.id) ?? null;
    const draft = withNotes(outcome, notesOnPattern(outcome.topic, members));
    return {
      ...{ pattern: draft.topic, topics: members, draft, trial, why: null },
      warning: valueLost(draft),
    };
  });
  const others = [...closed].flatMap(([why, members]) =>
    underFilters(members).map(
      ({ filter, topics: alike }): TopicFamily => ({
        ...{ pattern: filter, topics: alike, draft: null, trial: null, warning: null },
        why: why + claimed(alike, claims),
      }),
    ),
  );
  return [...families, ...others].sort((a, b) => messagesOf(b) - messagesOf(a));
}

/** A family on its way: its draft, or in words why it has none. */
interface Drafted extends Claim {
  readonly outcome: SchemaDraft | string;
}

interface Tried extends DraftTrials {
  readonly drafted: readonly Drafted[];
  readonly unusable: ReadonlyMap<string, string>;
}

const NO_SAMPLES = 'another draft fits these topics better';
/** Each costs a trial. */
const MAX_ALTERNATIVES = 24;
/** So many of each topic show whether another arrangement is the better one. */
const SAMPLES_TO_COMPARE = 3;

/**
 * Families whose drafts are not in each other's way, as far as that can be had: where the pattern of one has topics of
 * another and rejects what comes there, other patterns are tried, and stand where more samples are taken by them.
 */
function settled(clusters: readonly TopicCluster[], topics: readonly TopicTraffic[], deps: InferDeps): Tried {
  const known = new Map<TopicCluster, SchemaDraft | string>();
  const few = topics.map((traffic) => ({
    ...traffic,
    samples: traffic.samples.slice(0, SAMPLES_TO_COMPARE),
  }));
  const tryOut = (from: readonly TopicCluster[], on: readonly TopicTraffic[]): Tried => {
    const drafted = draftAll(clustersByPattern(from), known, deps);
    const drafts = drafted.flatMap(({ outcome }) => (typeof outcome === 'string' ? [] : [outcome]));
    return { drafted, ...triedDrafts(drafts, on, deps) };
  };
  const whole = tryOut(clusters, topics);
  if (firstConflict(whole, new Set()) === null) return whole;
  let best = tryOut(clustersOf(whole), few);
  let left = MAX_ALTERNATIVES;
  const given: Set<string> = new Set();
  let conflict = firstConflict(best, given);
  while (conflict !== null && left > 0) {
    const { winner, loser } = conflict;
    const rest = clustersOf(best).filter((each) => each !== winner && each !== loser);
    let better: Tried | null = null;
    for (const pieces of alternatives(conflict)) {
      if (better !== null || left === 0) break;
      left -= 1;
      const tried = tryOut([...rest, ...pieces], few);
      if (takenBy(tried) > takenBy(best) && tried.unusable.size <= best.unusable.size) better = tried;
    }
    if (better === null) given.add(nameOf(conflict));
    else best = better;
    conflict = firstConflict(best, given);
  }
  return tryOut(clustersOf(best), topics);
}

function clustersOf({ drafted }: Tried): readonly TopicCluster[] {
  return drafted.map(({ cluster }) => cluster);
}

function nameOf({ winner, loser }: Conflict): string {
  return JSON.stringify([winner, loser].map(({ members }) => [members[0]?.topic, members.length]));
}

/** Samples that their schema would take. */
function takenBy({ trials, unusable }: Tried): number {
  let sum = 0;
  for (const [id, { accepted }] of trials) if (!unusable.has(id)) sum += accepted;
  return sum;
}

/** Topics of one family that the draft of another has, and would reject. */
function firstConflict({ drafted, claims }: Tried, given: ReadonlySet<string>): Conflict | null {
  const byId = new Map(
    drafted.flatMap(({ outcome, cluster }) =>
      typeof outcome === 'string' ? [] : [[outcome.id, cluster] as const],
    ),
  );
  for (const { cluster: loser } of drafted) {
    for (const { topic } of loser.members) {
      const claim = claims.get(topic);
      const winner = claim === undefined || claim.rejected === 0 ? undefined : byId.get(claim.draft);
      if (winner === undefined || winner === loser) continue;
      const conflict = { winner, loser };
      if (!given.has(nameOf(conflict))) return conflict;
    }
  }
  return null;
}

/** What is known is not drafted again. */
function draftAll(
  claims: readonly Claim[],
  known: Map<TopicCluster, SchemaDraft | string>,
  deps: InferDeps,
): readonly Drafted[] {
  const takenNames = new Set(deps.takenNames);
  for (const { cluster, rival } of claims) {
    const outcome = rival === null ? known.get(cluster) : undefined;
    if (outcome !== undefined && typeof outcome !== 'string') take(outcome, takenNames);
  }
  return claims.map((claim) => {
    const { cluster, rival } = claim;
    if (rival !== null) {
      const outcome = `its topics look like those of ${rival}, and its payloads do not: one schema cannot read both`;
      return { ...claim, outcome };
    }
    const outcome = known.get(cluster) ?? draftSchema(cluster, { ...deps, takenNames });
    known.set(cluster, outcome);
    return { ...claim, outcome };
  });
}

/** Its names are in use. */
function take({ id }: SchemaDraft, names: Set<string>): void {
  names.add(id);
  names.add(id.replace(/\.v1$/, '').replaceAll('-', '_'));
}

/**
 * What cannot be loaded, for whatever reason, is not handed out: the others are tried without it. Nor is what gets none of
 * its topics, because patterns of others fit them better.
 */
function triedDrafts(
  drafts: readonly SchemaDraft[],
  topics: readonly TopicTraffic[],
  deps: InferDeps,
): Omit<Tried, 'drafted'> {
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
    if (trial?.samples === 0 && trial.problems.length === 0) unusable.set(id, NO_SAMPLES);
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
