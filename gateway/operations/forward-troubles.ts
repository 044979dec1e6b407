import type { ForwardStatus } from '../operations-contract.ts';

/** A broker that is there answers sooner. */
const CONNECTS_WITHIN_MS = 5_000;
/** One that takes anything at all has acknowledged something by then. */
const SILENT_MS = 30_000;

/** What keeps a forward, or what is for a peer, from being sent, in words: since when, why. Empty when all is well. */
export function forwardTroubles(status: ForwardStatus, nowMs: number): string[] {
  const { name, state, reason, sinceMs } = status;
  if (state === 'connected') return silence(status, nowMs);
  const isTrouble =
    state === 'retrying' ||
    state === 'refused' ||
    (state === 'connecting' && nowMs - sinceMs > CONNECTS_WITHIN_MS);
  if (!isTrouble) return [];
  const why = reason ?? (state === 'connecting' ? 'it has not answered yet' : 'no reason given');
  return [`forward ${name} is ${state} since ${new Date(sinceMs).toISOString()}: ${why}`];
}

/** Something has waited, the connection has stood, and all the while nothing was acknowledged. */
function silence(
  { name, pending, oldestPendingMs, lastSentMs, sinceMs }: ForwardStatus,
  nowMs: number,
): string[] {
  if (pending === 0 || oldestPendingMs === null) return [];
  const silentMs = nowMs - Math.max(oldestPendingMs, lastSentMs ?? 0, sinceMs);
  if (silentMs <= SILENT_MS) return [];
  const seconds = Math.trunc(silentMs / 1000);
  const wait = pending === 1 ? '1 message waits' : `${pending} messages wait`;
  return [`forward ${name} is connected, but has not answered for ${seconds} s; ${wait}`];
}
