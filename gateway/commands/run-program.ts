import { Command, CommanderError } from 'commander';
import { hidePasswords } from '../broker-link/hide-passwords.ts';
import { isGatewayError, messageOf, problemText } from '../errors.ts';
import type { LogDestination } from '../monitoring/logger.ts';
import { printable } from '../printable.ts';
import { accountCommand } from './account.ts';
import { checkCommand } from './check.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { devicesCommand } from './devices.ts';
import { explainCommand } from './explain.ts';
import { fieldsCommand } from './fields.ts';
import { rejectedCommand } from './rejected.ts';
import { schemaCommand } from './schema-infer.ts';
import { serialCommand } from './serial.ts';
import { sinksCommand } from './sinks.ts';
import { startCommand } from './start.ts';
import { topicsCommand } from './topics.ts';

export const EXIT_OK = 0;
export const EXIT_ERROR = 1;
export const EXIT_USAGE = 2;

/**
 * Runs the command that the arguments name. Resolves with the exit code: 0; 1 where something is wrong, with one clear
 * line (or one per problem) on standard error; 2 where the command line is not understood.
 * @throws what nobody expected.
 */
export async function runProgram(
  args: readonly string[],
  io: CommandIo,
  parts: CommandParts,
  log: LogDestination,
): Promise<number> {
  let code = EXIT_OK;
  const fail = (): void => {
    code = EXIT_ERROR;
  };
  const program = new Command('telemetry-gateway')
    .description(
      'Receives sensor readings over MQTT, validates and keeps them, and delivers each to a database.\nWithout a command it starts.',
    )
    .version(io.version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .showHelpAfterError('(--help tells more)');
  for (const command of [
    startCommand(io, parts, log),
    checkCommand(io, parts, fail),
    explainCommand(io, parts, fail),
    topicsCommand(io, parts),
    rejectedCommand(io, parts),
    accountCommand(io, parts),
    devicesCommand(io, parts),
    fieldsCommand(io, parts),
    sinksCommand(io, parts),
    serialCommand(io, parts, fail),
    schemaCommand(io, parts, fail),
  ])
    program.addCommand(command);
  forAll(program, (command) =>
    command.exitOverride().configureOutput({
      writeOut: (text) => io.write(text),
      writeErr: (text) => io.writeError(hidePasswords(text)),
    }),
  );
  try {
    await program.parseAsync(withCommand(args), { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_OK : EXIT_USAGE;
    if (!isGatewayError(error)) throw error;
    io.writeError(args.includes('--json') ? jsonError(error) : errorText(error));
    return error.code === 'usage' ? EXIT_USAGE : EXIT_ERROR;
  }
}

const ABOUT_THE_PROGRAM = ['-h', '--help', '-V', '--version'];

/** Without a command it is `start`: what `npm start` means, with or without options. */
function withCommand(args: readonly string[]): string[] {
  const [first] = args;
  const isNamed = first !== undefined && (!first.startsWith('-') || ABOUT_THE_PROGRAM.includes(first));
  return isNamed ? [...args] : ['start', ...args];
}

function forAll(command: Command, action: (command: Command) => void): void {
  action(command);
  for (const sub of command.commands) forAll(sub, action);
}

/** One line, without the password of an address that was mistyped; or, where files are at fault, one per problem and nothing else. */
export function errorText(error: unknown): string {
  if (isGatewayError(error) && error.problems.length > 0)
    return error.problems.map((problem) => `${printable(problemText(problem))}\n`).join('');
  return `telemetry-gateway: ${printable(hidePasswords(messageOf(error)))}\n`;
}

function jsonError(error: unknown): string {
  if (!isGatewayError(error)) return '';
  const { code, problems } = error;
  const message = hidePasswords(error.message);
  return `${JSON.stringify({ error: { code, message, problems } })}\n`;
}
