import { Command } from 'commander';
import { SYSTEM_ROOTS } from '../sources/serial/port-identity.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { runningStatus } from './running-status.ts';
import { reportPorts } from './serial-ports.ts';
import { portsText } from './serial-text.ts';
import { sniffCommand } from './sniff.ts';

export function serialCommand(io: CommandIo, parts: CommandParts, fail: () => void): Command {
  return withCommonOptions(new Command('serial'))
    .description('the serial ports: what is behind them, who uses them, and why one cannot be opened')
    .action(async (options: CommonOptions) => {
      const { serial, dataDir } = configOf(options, io);
      const report = await reportPorts(serial, await runningStatus(dataDir), SYSTEM_ROOTS);
      writeAnswer(io, options, report, portsText);
    })
    .addCommand(sniffCommand(io, parts, fail));
}
