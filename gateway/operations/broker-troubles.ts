import type { BrokerStatus } from '../operations-contract.ts';

/** What keeps a broker from being read, in words: which one, since when, why. Empty when all is well. */
export function brokerTroubles({ name, state, reason, sinceMs, refusedFilters }: BrokerStatus): string[] {
  if (state === 'stopped') return [];
  const troubles = refusedFilters.map(({ filter, words, grantedQos }) =>
    grantedQos === null
      ? `broker ${name} refuses the topic filter ${filter}: ${words}`
      : `broker ${name} takes the topic filter ${filter} ${words}`,
  );
  if (state === 'connected') return troubles;
  const since = new Date(sinceMs).toISOString();
  return [`broker ${name} is ${state} since ${since}: ${reason ?? 'it has not answered yet'}`, ...troubles];
}
