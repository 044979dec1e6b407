import { setImmediate as turn } from 'node:timers/promises';
import type { BrokerSession, PublishResult } from '../broker-link/broker-session.ts';
import type { Clock } from '../contracts.ts';
import type { Outbox, OutboxMessage, OutboxPlace } from '../store-contract.ts';
import type { DeadlyMessage } from './deadly-message.ts';
import type { Flight } from './in-flight.ts';
import { sizeOf } from './largest-taken.ts';
import { decide, type Hold, messageProblem } from './refusals.ts';

export interface TrialDeps {
  readonly outbox: Outbox;
  readonly clock: Clock;
  readonly deadly: DeadlyMessage;
  readonly retain: boolean;
  /** The suspect may be sent again. */
  readonly goOn: () => void;
  /** It was acknowledged. */
  readonly taken: (message: Pick<Flight, 'topic' | 'bytes'>) => void;
  /** Nothing may be published on it. */
  readonly isRefused: (topic: string) => boolean;
  /** The other message was refused, for a reason that passes. */
  readonly holdAt: (topic: string, hold: Hold) => void;
  readonly drop: (reason: string) => void;
}

interface Probe extends OutboxMessage {
  readonly place: OutboxPlace;
}

const SLICE = { maxMessages: 256, maxBytes: 256 * 1024 };
const ANSWER_WITHIN_MS = 30_000;
/** Once there is one that will do, a better one is looked for among so many. */
const MOST_LOOKED_AT = 4_096;

/**
 * Whether the broker is well but for the suspect: sends nothing for a while, and over the next connection another message,
 * out of its turn. That one is not done with by it, and comes again in its turn.
 */
export async function tryConnection(to: BrokerSession, deps: TrialDeps, over: AbortSignal): Promise<void> {
  const { clock, deadly, goOn } = deps;
  const { suspect } = deadly;
  if (deadly.isToProbe && suspect !== null) {
    const probe = await findProbe(to, suspect, deps, over);
    if (over.aborted) return;
    if (probe !== null) {
      await send(to, probe, deps, over);
      return;
    }
  }
  await clock.sleep(deadly.quietMs, over);
  if (over.aborted) return;
  deadly.unprobed();
  goOn();
}

async function send(to: BrokerSession, probe: Probe, deps: TrialDeps, over: AbortSignal): Promise<void> {
  const { clock, deadly, retain } = deps;
  deadly.probing({ place: probe.place, size: sizeOf(measured(probe)) });
  to.publish(probe.topic, probe.payload, { qos: 1, retain: retain && to.limits.retain }, (result) => {
    if (!over.aborted) heard(to, probe, result, deps);
  });
  await clock.sleep(ANSWER_WITHIN_MS, over);
  if (!over.aborted && deadly.isProbing)
    deps.drop(`it has acknowledged nothing for ${ANSWER_WITHIN_MS / 1000} s`);
}

function heard(
  to: BrokerSession,
  probe: Probe,
  result: PublishResult,
  { deadly, goOn, taken, holdAt }: TrialDeps,
): void {
  if (!deadly.isProbing) return;
  // The connection has ended; the link says so in a moment.
  if (!result.ok && result.reasonCode === null && to.closed) return;
  const decision = result.ok ? null : decide(result);
  if (decision?.kind === 'hold') {
    deadly.unprobed();
    holdAt(probe.topic, decision);
    return;
  }
  if (result.ok) taken(measured(probe));
  deadly.probed(result.ok);
  goOn();
}

/**
 * The first message of another topic, which changes the order of none, and at least as large as the suspect; else one of
 * the same topic, else a smaller one, where that may show anything. Those that did not come through are the last choice.
 */
async function findProbe(
  to: BrokerSession,
  suspect: Flight,
  { outbox, deadly, isRefused }: TrialDeps,
  over: AbortSignal,
): Promise<Probe | null> {
  let best: Probe | null = null;
  let bestRank = Number.POSITIVE_INFINITY;
  let lookedAt = 0;
  let after = deadly.searchedTo ?? suspect.place;
  const rankOf = ranking(suspect, deadly.smallerProbes);
  while (!over.aborted) {
    const slice = readOrNull(outbox, after);
    if (slice === null) break;
    for (const [i, message] of slice.messages.entries()) {
      const place = slice.through[i];
      if (place === undefined) continue;
      after = place;
      const rank = rankOf(message) + (deadly.hasFailed(place) ? FAILED_RANK : 0);
      if (rank >= bestRank || isRefused(message.topic) || messageProblem(message, to.limits) !== null)
        continue;
      best = { ...message, place };
      bestRank = rank;
      if (rank === 0) return best;
    }
    if (bestRank < FAILED_RANK) lookedAt += slice.messages.length;
    if (lookedAt >= MOST_LOOKED_AT) break;
    await turn();
  }
  if (best === null && !over.aborted) deadly.lonely(after);
  return best;
}

const FAILED_RANK = 4;

/** How well a message will do, 0 the best; infinite: not at all. */
function ranking(
  suspect: Flight,
  smaller: DeadlyMessage['smallerProbes'],
): (message: OutboxMessage) => number {
  const size = sizeOf(suspect);
  return (message) => {
    const isSmaller = sizeOf(measured(message)) < size;
    if (isSmaller && smaller === 'nothing') return Number.POSITIVE_INFINITY;
    const isSecond = isSmaller !== (smaller === 'more than a larger one');
    return (message.topic === suspect.topic ? 1 : 0) + (isSecond ? 2 : 0);
  };
}

function measured({ topic, payload }: OutboxMessage): Pick<Flight, 'topic' | 'bytes'> {
  return { topic, bytes: payload.length };
}

/** Where it cannot be read, the forwarder says so as soon as it gets there. */
function readOrNull(outbox: Outbox, after: OutboxPlace): ReturnType<Outbox['read']> {
  try {
    return outbox.read(after, SLICE);
  } catch {
    return null;
  }
}
