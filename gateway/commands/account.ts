import { Command } from 'commander';
import { GatewayError } from '../errors.ts';
import { accountText } from './account-text.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { deviceText } from './device-text.ts';
import { fieldsText, seriesText } from './ledgers-text.ts';
import { withOperations } from './with-operations.ts';

interface AccountOptions extends CommonOptions {
  readonly device?: string;
  readonly series?: true;
  readonly fields?: true;
}

export function accountCommand(io: CommandIo, parts: CommandParts): Command {
  return withCommonOptions(new Command('account'))
    .description('where every reading went')
    .option('-d, --device <device>', 'all that is known of this device')
    .option('--series', 'how many series there are, and whose they are')
    .option('--fields', 'the type of each field, and who wrote it first')
    .action(async (options: AccountOptions) => {
      const { device, series, fields } = options;
      if ([device, series, fields].filter((each) => each !== undefined).length > 1)
        throw new GatewayError('usage', 'give one of --device, --series, --fields');
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        if (device !== undefined)
          writeAnswer(io, options, await operations.device(device), (detail) =>
            deviceText(detail, Date.now()),
          );
        else if (series === true) writeAnswer(io, options, await operations.series(), seriesText);
        else if (fields === true) writeAnswer(io, options, await operations.fields(), fieldsText);
        else writeAnswer(io, options, await operations.account(), accountText);
      });
    });
}
