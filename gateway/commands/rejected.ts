import { Command } from 'commander';
import type { RejectedQuery, RejectionRecordPage } from '../rejected-contract.ts';
import { allCauses } from './all-causes.ts';
import { causesText } from './causes-text.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { addDiscardCommand } from './rejected-discard.ts';
import { parseLimit, queryOf, withFilterOptions, withStateOption } from './rejected-options.ts';
import { addReplayCommand } from './rejected-replay.ts';
import { rejectedListText, rejectionText } from './rejected-text.ts';
import { withOperations } from './with-operations.ts';

const RECORDS_A_PAGE = 100;

export function rejectedCommand(io: CommandIo, parts: CommandParts): Command {
  const rejected = new Command('rejected').description('what was rejected, why, and what to do about it');
  withStateOption(withFilterOptions(withCommonOptions(rejected.command('list'))))
    .description('by cause, most frequent first; --flat: one by one, newest first')
    .option('--flat', 'each by itself')
    .option('-n, --limit <n>', 'at most so many (default: 100)', parseLimit)
    .action(async (options: CommonOptions & RejectedQuery & { flat?: true }) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const query = queryOf(options, Date.now());
        if (options.flat === true)
          writeAnswer(io, options, await operations.rejected(query), rejectedListText);
        else writeAnswer(io, options, await allCauses(operations, query), causesText);
      });
    });
  withCommonOptions(rejected.command('show <id>'))
    .description(
      'all of one: its bytes, its violations at their places, its schema then and now, what it would be today',
    )
    .action(async (id: string, options: CommonOptions) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        writeAnswer(io, options, await operations.rejection(id), rejectionText);
      });
    });
  addReplayCommand(rejected, io, parts);
  withStateOption(withFilterOptions(withCommonOptions(rejected.command('export'))))
    .description('one JSON object a line, oldest first, with the whole payload in base64')
    .action(async (options: CommonOptions & RejectedQuery) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const query = queryOf(options, Date.now());
        let after: string | null = null;
        do {
          const page: RejectionRecordPage = await operations.rejectedRecords(query, after, RECORDS_A_PAGE);
          for (const record of page.rejections) io.write(`${JSON.stringify(record)}\n`);
          after = page.next;
        } while (after !== null);
      });
    });
  addDiscardCommand(rejected, io, parts);
  return rejected;
}
