import { Command, InvalidArgumentError, Option } from 'commander';
import { REJECTION_CODES } from '../contracts.ts';
import type { RejectionFilter } from '../store-contract.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { rejectedListText, rejectionText } from './rejected-text.ts';
import { withOperations } from './with-operations.ts';

const MAX_LIMIT = 1000;

export function rejectedCommand(io: CommandIo, parts: CommandParts): Command {
  const rejected = new Command('rejected').description('what was rejected, and why');
  withCommonOptions(rejected.command('list'))
    .description('newest first')
    .addOption(new Option('--code <code>', 'rejected for this reason').choices([...REJECTION_CODES]))
    .option('-d, --device <device>', 'of this device')
    .option('--client <client>', 'from this client')
    .option('-n, --limit <n>', 'at most so many (default: 100)', limitOf)
    .action(async (options: CommonOptions & RejectionFilter) => {
      const { code, device, client, limit } = options;
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const filter: RejectionFilter = {
          ...(code === undefined ? {} : { code }),
          ...(device === undefined ? {} : { device }),
          ...(client === undefined ? {} : { client }),
          ...(limit === undefined ? {} : { limit }),
        };
        writeAnswer(io, options, await operations.rejected(filter), rejectedListText);
      });
    });
  withCommonOptions(rejected.command('show <id>'))
    .description('all of one, with its raw payload')
    .action(async (id: string, options: CommonOptions) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        writeAnswer(io, options, await operations.rejection(id), rejectionText);
      });
    });
  return rejected;
}

function limitOf(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new InvalidArgumentError(`It must be a number from 1 to ${MAX_LIMIT}.`);
  return limit;
}
