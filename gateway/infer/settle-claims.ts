import { type LevelRole, rolesOf } from './level-roles.ts';
import { fewNamesAt, splitAt } from './split-clusters.ts';
import type { TopicCluster } from './topic-clusters.ts';
import { likeness, tellsWhatItIs } from './topic-profile.ts';

/** Two families of which one has topics of the other, and rejects what comes there. */
export interface Conflict {
  /** The one whose pattern is the more specific. */
  readonly winner: TopicCluster;
  /** The one whose topics these are. */
  readonly loser: TopicCluster;
}

const MAX_PIECES = 8;
const ALIKE = 0.5;

/**
 * Other families in place of two that are in each other's way; the simplest change first: the winner's tag or device stays
 * a word (one family for each, where there are few), a word of the winner's becomes a tag, or words stay in the loser's
 * pattern too. Which of these helps, a trial has to show.
 */
export function* alternatives({ winner, loser }: Conflict): Generator<readonly TopicCluster[]> {
  const wins = rolesOf(winner).levels;
  const loses = rolesOf(loser).levels;
  const words = wins.filter(({ kind }) => kind === 'literal').length;
  const isFree = (roles: readonly LevelRole[], at: number): boolean => {
    const role = roles[at];
    return role?.kind === 'capture' && role.name !== 'field';
  };
  const isDevice = (at: number): boolean => wins[at]?.kind === 'capture' && wins[at].name === 'device';
  const namesOfWinner = new Map<number, ReadonlySet<string>>();
  for (let at = wins.length - 1; at >= 0; at -= 1) {
    const names = isFree(wins, at) ? fewNamesAt(winner, at, MAX_PIECES) : null;
    if (names === null || (isDevice(at) && areAlike(winner, names))) continue;
    if (!loser.members.some(({ levels }) => names.has(levels[at] ?? ''))) namesOfWinner.set(at, names);
  }
  const levels = [...namesOfWinner.keys()].sort((a, b) => Number(isDevice(a)) - Number(isDevice(b)));
  for (const at of levels) yield [...splitAt(winner, at), loser];
  for (let at = wins.length - 1; at >= 0; at -= 1)
    if (wins[at]?.kind === 'literal' && isFree(loses, at) && words > 1 && winner.kept?.has(at) !== true)
      yield [opened(winner, at), loser];
  for (let at = loses.length - 1; at >= 0; at -= 1) {
    const names = new Set(loser.members.map(({ levels }) => levels[at] ?? ''));
    if (!isFree(loses, at) || names.size > MAX_PIECES) continue;
    const pieces = splitAt(loser, at);
    if (fewNamesAt(loser, at, MAX_PIECES) !== null) yield [winner, ...pieces];
    if (namesOfWinner.has(at)) yield [...splitAt(winner, at), ...pieces];
  }
}

/** Devices that tell the same: a schema for each would be many for one. */
function areAlike({ members }: TopicCluster, names: ReadonlySet<string>): boolean {
  const [first, ...rest] = members;
  if (first === undefined || names.size < 2 || !tellsWhatItIs(first.keys)) return false;
  return rest.some(({ keys }) => likeness(first.keys, keys) >= ALIKE);
}

function opened(cluster: TopicCluster, at: number): TopicCluster {
  return { ...cluster, levels: cluster.levels.map((level, i) => (i === at ? null : level)) };
}
