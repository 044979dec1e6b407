import type { OutboxLedger, SinkLedger } from '../store-contract.ts';

type Backlog = Pick<SinkLedger | OutboxLedger, 'name' | 'pending' | 'pendingBytes' | 'configured'>;

/**
 * What is kept for sinks and forwards that are in no configuration any more: nobody takes it, and it takes up room until
 * somebody says what to do with it. One that nothing waits for is not worth a word.
 */
export function unclaimedBacklogs(sinks: readonly Backlog[], forwards: readonly Backlog[]): string[] {
  return [
    ...wordsOf('sink', ['point', 'points'], sinks),
    ...wordsOf('forward', ['message', 'messages'], forwards),
  ];
}

/** Of peers, whose outboxes are called so, the other ones have to agree. */
function again(name: string): string {
  return name.startsWith('peer/')
    ? 'list that peer again, in all gateways (where it has another name now: with standIn and its new name)'
    : 'configure it again';
}

function wordsOf(
  kind: string,
  [one, many]: readonly [one: string, many: string],
  backlogs: readonly Backlog[],
): string[] {
  return backlogs
    .filter(({ configured, pending }) => !configured && pending > 0)
    .map(({ name, pending, pendingBytes }) => {
      const wait =
        pending === 1
          ? `1 ${one} (${pendingBytes} bytes) waits`
          : `${pending} ${many} (${pendingBytes} bytes) wait`;
      return `${kind} ${name} is no longer configured, and ${wait} for it: ${again(name)}, or throw that away with \`sinks forget ${name}\``;
    });
}
