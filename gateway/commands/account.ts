import { Command } from 'commander';
import { accountText, devicesText } from './account-text.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { withOperations } from './with-operations.ts';

export function accountCommand(io: CommandIo, parts: CommandParts): Command {
  return withCommonOptions(new Command('account'))
    .description('where every reading went')
    .option('-d, --device <device>', 'of this device alone')
    .action(async (options: CommonOptions & { device?: string }) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        if (options.device === undefined) writeAnswer(io, options, await operations.account(), accountText);
        else
          writeAnswer(io, options, await operations.deviceAccount(options.device), (device) =>
            devicesText([device]),
          );
      });
    });
}
