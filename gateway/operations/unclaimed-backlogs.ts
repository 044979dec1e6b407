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
      return `${kind} ${name} is no longer configured, and ${wait} for it: configure it again, or throw that away with \`sinks forget ${name}\``;
    });
}
