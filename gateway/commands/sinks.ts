import { Command } from 'commander';
import type { Forgotten, ForwardReport, SinkReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { table } from './table.ts';
import { withOperations } from './with-operations.ts';
import { ago, bytes, count } from './wording.ts';

export function sinksCommand(io: CommandIo, parts: CommandParts): Command {
  const sinks = withCommonOptions(new Command('sinks'))
    .description('how far each database and each forward is, also those no longer configured')
    .action(async (options: CommonOptions) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const sinks = await operations.sinks();
        const forwards = await operations.forwards();
        const answer = [
          ...sinks.map((sink) => ({ kind: 'sink', ...sink })),
          ...forwards.map((forward) => ({ kind: 'forward', ...forward })),
        ];
        const nowMs = Date.now();
        writeAnswer(io, options, answer, () =>
          forwards.length === 0
            ? sinksText(sinks, nowMs)
            : `${sinksText(sinks, nowMs)}\n${forwardsText(forwards, nowMs)}`,
        );
      });
    });
  withCommonOptions(sinks.command('forget <name>'))
    .description(
      'throw away what waits for a sink or forward that is no longer configured, and say how much it was',
    )
    .action(async (name: string, _: unknown, command: Command) => {
      const options: CommonOptions = command.optsWithGlobals();
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const { name: forgotten, ...gone } = await operations.forgetSink(name);
        writeAnswer(io, options, { forgotten, ...gone }, () => forgottenText({ name: forgotten, ...gone }));
      });
    });
  return sinks;
}

export function forgottenText({ name, kind, pending, pendingBytes }: Forgotten): string {
  const forgot = `forgot ${printable(name, 64)}`;
  if (pending === 0) return `${forgot}; nothing waited for it\n`;
  const what = `${kind === 'sink' ? 'point' : 'message'}${pending === 1 ? '' : 's'}`;
  const are = pending === 1 ? 'is' : 'are';
  return `${forgot}; ${count(pending)} ${what} that waited for it ${are} thrown away (${bytes(pendingBytes)})\n`;
}

export function sinksText(sinks: readonly SinkReport[], nowMs: number): string {
  if (sinks.length === 0) return 'no sinks\n';
  const listed = table(
    [
      { title: 'sink' },
      { title: 'state' },
      { title: 'written', align: 'right' },
      { title: 'rejected', align: 'right' },
      { title: 'dropped', align: 'right' },
      { title: 'pending', align: 'right' },
      { title: 'backlog', align: 'right' },
      { title: 'oldest', align: 'right' },
      { title: 'last write', align: 'right' },
    ],
    sinks.map((sink) => [
      printable(sink.name, 64),
      sink.configured ? (sink.state ?? 'not running') : 'not configured',
      count(sink.written),
      count(sink.rejected),
      count(sink.dropped),
      count(sink.pending),
      bytes(sink.pendingBytes),
      ago(sink.oldestPendingMs, nowMs),
      ago(sink.lastWriteMs, nowMs),
    ]),
  );
  const notes = sinks.flatMap(({ name, configured, reason, pending }) => {
    const shown = printable(name, 64);
    if (!configured) {
      const held = pending === 0 ? 'will hold back what comes' : `holds ${count(pending)} readings back`;
      return [
        `${shown} is no longer configured and ${held}: \`telemetry-gateway sinks forget ${shown}\` lets them go\n`,
      ];
    }
    return reason === null ? [] : [`${shown}: ${printable(reason, 512)}\n`];
  });
  return notes.length === 0 ? listed : `${listed}\n${notes.join('')}`;
}

export function forwardsText(forwards: readonly ForwardReport[], nowMs: number): string {
  const listed = table(
    [
      { title: 'forward' },
      { title: 'state' },
      { title: 'taken', align: 'right' },
      { title: 'sent', align: 'right' },
      { title: 'dropped', align: 'right' },
      { title: 'pending', align: 'right' },
      { title: 'backlog', align: 'right' },
      { title: 'oldest', align: 'right' },
      { title: 'last sent', align: 'right' },
    ],
    forwards.map((forward) => [
      printable(forward.name, 64),
      forward.configured ? (forward.state ?? 'not running') : 'not configured',
      count(forward.taken),
      count(forward.sent),
      count(forward.dropped),
      count(forward.pending),
      bytes(forward.pendingBytes),
      ago(forward.oldestPendingMs, nowMs),
      ago(forward.lastSentMs, nowMs),
    ]),
  );
  const notes = forwards.flatMap(({ name, configured, reason, pending }) => {
    const shown = printable(name, 64);
    if (!configured && pending === 0) return [];
    if (!configured)
      return [
        `${shown} is no longer configured and keeps ${count(pending)} messages: \`telemetry-gateway sinks forget ${shown}\` lets them go\n`,
      ];
    return reason === null ? [] : [`${shown}: ${printable(reason, 512)}\n`];
  });
  return notes.length === 0 ? listed : `${listed}\n${notes.join('')}`;
}
