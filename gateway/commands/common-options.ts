import type { Command } from 'commander';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { loadConfig } from '../config/load-config.ts';
import type { CommandIo } from './command-io.ts';

export interface CommonOptions {
  readonly config?: string;
  readonly json?: true;
}

/** `--config` and `--json`, which every command takes. */
export function withCommonOptions(command: Command): Command {
  return command
    .option('-c, --config <file>', 'configuration (default: ./gateway.yaml, else the embedded defaults)')
    .option('--json', 'answer in JSON');
}

/** @throws GatewayError `config-invalid`. */
export function configOf(options: CommonOptions, io: CommandIo): GatewayConfig {
  return loadConfig({ file: options.config ?? null, cwd: io.cwd, environment: io.environment });
}

/** Writes an answer: as JSON where that was asked for, else as text for people. */
export function writeAnswer<T>(
  io: CommandIo,
  options: CommonOptions,
  answer: T,
  text: (answer: T) => string,
): void {
  io.write(options.json === true ? `${JSON.stringify(answer, null, 2)}\n` : text(answer));
}
