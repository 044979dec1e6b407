import { Command } from 'commander';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { devicesText } from './device-text.ts';
import { withOperations } from './with-operations.ts';

export function devicesCommand(io: CommandIo, parts: CommandParts): Command {
  return withCommonOptions(new Command('devices'))
    .description('every device that was heard: when, how often, how its clock is')
    .option('--silent', 'only those not heard when they should have been')
    .action(async (options: CommonOptions & { silent?: true }) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const devices = await operations.devices({ silent: options.silent === true });
        writeAnswer(io, options, devices, (reports) => devicesText(reports, Date.now()));
      });
    });
}
