import { Command } from 'commander';
import { printable } from '../printable.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { fieldsText } from './ledgers-text.ts';
import { withOperations } from './with-operations.ts';

export function fieldsCommand(io: CommandIo, parts: CommandParts): Command {
  const fields = withCommonOptions(new Command('fields'))
    .description('the type of each field, and who wrote it first')
    .action(async (options: CommonOptions) => {
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        writeAnswer(io, options, await operations.fields(), fieldsText);
      });
    });
  withCommonOptions(fields.command('forget <measurement> <field>'))
    .description('after the database was changed: let the next reading say what type the field has')
    .action(async (measurement: string, field: string, _: unknown, command: Command) => {
      const options: CommonOptions = command.optsWithGlobals();
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        await operations.forgetField(measurement, field);
        const name = `${printable(field, 64)} in ${printable(measurement, 64)}`;
        writeAnswer(io, options, { forgotten: { measurement, field } }, () => `forgot the type of ${name}\n`);
      });
    });
  return fields;
}
