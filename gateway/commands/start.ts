import { Command } from 'commander';
import { Registry } from 'prom-client';
import { systemClock } from '../clocks/clock.ts';
import { createEvents } from '../monitoring/create-events.ts';
import type { LogDestination } from '../monitoring/logger.ts';
import { createLogger } from '../monitoring/logger.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions } from './common-options.ts';

/** `log` is where log lines go: they are its output. */
export function startCommand(io: CommandIo, parts: CommandParts, log: LogDestination): Command {
  return withCommonOptions(new Command('start'))
    .description('run the gateway until it is told to stop (SIGTERM, SIGINT)')
    .action(async (options: CommonOptions) => {
      const config = configOf(options, io);
      const format = options.json === true ? 'json' : config.log.format;
      const registry = new Registry();
      const logger = createLogger({ level: config.log.level, format, isTerminal: io.isTerminal }, log);
      const events = createEvents(
        {
          debug: (fields, message) => logger.debug(fields, message),
          info: (fields, message) => logger.info(fields, message),
          warn: (fields, message) => logger.warn(fields, message),
          error: (fields, message) => logger.error(fields, message),
        },
        registry,
        systemClock,
      );
      const { version, nodeVersion, pid } = io;
      try {
        await parts.runGateway(
          config,
          { clock: systemClock, events, registry, version, nodeVersion, pid },
          io.stopSignal(),
        );
      } finally {
        events.stop();
      }
    });
}
