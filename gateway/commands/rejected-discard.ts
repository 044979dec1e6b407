import type { Command } from 'commander';
import { GatewayError } from '../errors.ts';
import type { DiscardReport, RejectedQuery } from '../rejected-contract.ts';
import { allCauses } from './all-causes.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { withFilterOptions, withStateOption } from './rejected-options.ts';
import { selectionOf } from './rejected-replay.ts';
import { withOperations } from './with-operations.ts';
import { rejectedReadings } from './wording.ts';

const REJECTIONS_A_CALL = 500;

interface DiscardOptions extends CommonOptions, RejectedQuery {
  readonly all?: true;
  readonly yes?: true;
}

export function addDiscardCommand(rejected: Command, io: CommandIo, parts: CommandParts): void {
  withStateOption(withFilterOptions(withCommonOptions(rejected.command('discard [id...]'))))
    .description('delete rejected readings for good')
    .option('--all', 'all that are open')
    .option('--yes', 'really')
    .action(async (ids: string[], options: DiscardOptions) => {
      const selection = selectionOf(ids, options, Date.now());
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        if (options.yes !== true) {
          const looked =
            selection.ids?.length ?? (await allCauses(operations, selection.filter ?? {})).looked;
          throw new GatewayError(
            'usage',
            `this would delete ${rejectedReadings(looked)} for good; say so with --yes`,
          );
        }
        let discarded = 0;
        let after: string | null = null;
        do {
          const page: DiscardReport = await operations.discardRejected({
            selection,
            after,
            limit: REJECTIONS_A_CALL,
          });
          discarded += page.discarded;
          after = page.next;
        } while (after !== null);
        writeAnswer(io, options, { discarded }, () => `${rejectedReadings(discarded)} discarded\n`);
      });
    });
}
