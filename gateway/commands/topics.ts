import { Command } from 'commander';
import type { TopicReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { table } from './table.ts';
import { withOperations } from './with-operations.ts';
import { ago, count } from './wording.ts';

export function topicsCommand(io: CommandIo, parts: CommandParts): Command {
  return withCommonOptions(new Command('topics'))
    .description('what arrives, and which schema takes it (since the gateway started)')
    .action(async (options: CommonOptions) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        writeAnswer(io, options, await operations.topics(), (topics) => topicsText(topics, Date.now()));
      });
    });
}

export function topicsText(topics: readonly TopicReport[], nowMs: number): string {
  if (topics.length === 0) return 'nothing has arrived since the gateway started\n';
  const listed = table(
    [
      { title: 'topic' },
      { title: 'count', align: 'right' },
      { title: 'last', align: 'right' },
      { title: 'schema' },
      { title: 'payload' },
    ],
    topics.map(({ topic, count: n, lastMs, schemas, sample }) => [
      printable(topic, 64),
      count(n),
      ago(lastMs, nowMs),
      schemas.length === 0 ? '(none)' : schemas.join(', '),
      printable(sample, 48),
    ]),
  );
  const hints = topics
    .filter(({ nearest }) => nearest !== null)
    .slice(0, 10)
    .map(
      ({ topic, nearest }) => `no schema claims ${printable(topic, 64)}: ${printable(nearest ?? '', 256)}\n`,
    );
  return hints.length === 0 ? listed : `${listed}\n${hints.join('')}`;
}
