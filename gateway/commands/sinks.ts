import { Command } from 'commander';
import type { SinkReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { table } from './table.ts';
import { withOperations } from './with-operations.ts';
import { ago, bytes, count } from './wording.ts';

export function sinksCommand(io: CommandIo, parts: CommandParts): Command {
  const sinks = withCommonOptions(new Command('sinks'))
    .description('how far each database is, also those no longer configured')
    .action(async (options: CommonOptions) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        writeAnswer(io, options, await operations.sinks(), (reports) => sinksText(reports, Date.now()));
      });
    });
  withCommonOptions(sinks.command('forget <name>'))
    .description('give up the place of a sink that is no longer configured, and what waits for it')
    .action(async (name: string, _: unknown, command: Command) => {
      const options: CommonOptions = command.optsWithGlobals();
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        await operations.forgetSink(name);
        writeAnswer(io, options, { forgotten: name }, () => `forgot the sink ${printable(name, 64)}\n`);
      });
    });
  return sinks;
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
    if (!configured)
      return [
        `${shown} is no longer configured and holds ${count(pending)} readings back: \`telemetry-gateway sinks forget ${shown}\` lets them go\n`,
      ];
    return reason === null ? [] : [`${shown}: ${printable(reason, 512)}\n`];
  });
  return notes.length === 0 ? listed : `${listed}\n${notes.join('')}`;
}
