import { rolesOf } from './level-roles.ts';
import type { TopicCluster } from './topic-clusters.ts';

/** A family, and the pattern that is to be its own. */
export interface Claim {
  readonly pattern: string;
  readonly cluster: TopicCluster;
  /** The pattern of another family that matches the same topics, and is read otherwise. */
  readonly rival: string | null;
}

/** Families that one pattern would match are one; where their payloads cannot be read alike, the larger has it. */
export function clustersByPattern(clusters: readonly TopicCluster[]): readonly Claim[] {
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
    kept: new Set([...(a.kept ?? []), ...(b.kept ?? [])]),
  };
}
