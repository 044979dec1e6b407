import { Command, InvalidArgumentError } from 'commander';
import { systemClock } from '../clocks/clock.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import { isObject } from '../sniff/guess-lines.ts';
import { sniffPort, USUAL_BAUD_RATES } from '../sniff/sniff-port.ts';
import { findPorts } from '../sources/serial/find-ports.ts';
import { openPort } from '../sources/serial/open-port.ts';
import { openingTrouble } from '../sources/serial/opening-trouble.ts';
import { realPathOf, SYSTEM_ROOTS } from '../sources/serial/port-identity.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { portUsers, pseudoTerminalOf } from './port-users.ts';
import { runningStatus } from './running-status.ts';
import { gatewayOn, inUseBy } from './serial-ports.ts';
import { sniffedConfig } from './sniff-config.ts';
import { fittingSchema } from './sniff-schema.ts';
import { type SniffReport, shownSample, sniffText } from './sniff-text.ts';

interface SniffOptions extends CommonOptions {
  readonly seconds: number;
  readonly baud?: number;
}

const MAX_SECONDS = 3600;
const MAX_BAUD_RATE = 12_000_000;

/** Ends with 1 where nothing came, or nothing that makes sense: `fail` is called then. */
export function sniffCommand(io: CommandIo, parts: CommandParts, fail: () => void): Command {
  return withCommonOptions(new Command('sniff'))
    .description('listen at a port: what it sends, and the configuration for it')
    .argument('<path>', 'the port')
    .option('--seconds <n>', 'listen for so long, at each rate that is tried', wholeUpTo(MAX_SECONDS), 10)
    .option('--baud <rate>', 'listen at this rate only', wholeUpTo(MAX_BAUD_RATE))
    .action(async (path: string, _: unknown, command: Command) => {
      const options: SniffOptions = command.optsWithGlobals();
      const report = await sniff(path, options, io, parts);
      writeAnswer(io, options, report, sniffText);
      if (report.config === null) fail();
    });
}

/** @throws GatewayError `port-unavailable`, `not-found`. */
async function sniff(
  path: string,
  { seconds, baud, ...common }: SniffOptions,
  io: CommandIo,
  parts: CommandParts,
): Promise<SniffReport> {
  const config = configOf(common, io);
  const realPath = await freePort(path, config);
  // It has no line that could be too fast.
  const isPseudo = pseudoTerminalOf(realPath) !== null;
  const usual = isPseudo ? USUAL_BAUD_RATES.slice(0, 1) : USUAL_BAUD_RATES;
  const baudRates = baud === undefined ? usual : [baud];
  const deps = { openPort, clock: systemClock, signal: io.stopSignal() };
  const { guess, beginning, baudRate, tried } = await sniffPort(
    path,
    { listenMs: seconds * 1000, baudRates },
    deps,
  ).catch(async (error: unknown) => {
    if (isGatewayError(error)) throw error;
    throw new GatewayError('port-unavailable', `${path}: ${await openingTrouble(path, error)}`);
  });
  const last = guess.samples.at(-1)?.reading;
  const reading = Array.isArray(last) ? last.at(-1) : last;
  const values = isObject(reading) ? reading : null;
  const schema = values === null ? null : fittingSchema(values, config, parts);
  const topic = schema?.topic ?? 'boards/{device}';
  return {
    path,
    baudRate,
    baudRateIsGuessed: baud === undefined && !isPseudo,
    baudRateMatters: !isPseudo,
    tried,
    kind: guess.kind,
    framing: guess.framing,
    format: guess.format,
    bytes: guess.bytes,
    explainedBytes: guess.explainedBytes,
    frames: guess.frames,
    samples: guess.samples.map(shownSample),
    beginningHex: beginning.toString('hex'),
    config: sniffedConfig({ path: lastingPath(realPath) ?? path, baudRate, topic }, guess),
    schema: schema?.id ?? null,
    unknown: schema?.unknown ?? [],
    values,
  };
}

/** Of a port that is there and that nobody uses. @throws GatewayError `not-found`, `port-unavailable`. */
async function freePort(path: string, config: GatewayConfig): Promise<string> {
  const realPath = realPathOf(path);
  if (realPath === null)
    throw new GatewayError('not-found', `${path} is not there; \`serial\` lists the ports`);
  const device = gatewayOn(realPath, await runningStatus(config.dataDir));
  if (device !== null)
    throw new GatewayError(
      'port-unavailable',
      `${path}: the running gateway has it open, as ${device}; stop the gateway, or take the port out of its configuration`,
    );
  const holders = await portUsers(path, SYSTEM_ROOTS);
  if (holders.length > 0) throw new GatewayError('port-unavailable', `${path}: ${inUseBy(holders)}`);
  return realPath;
}

/** The by-id link, where it names this port alone; else the by-path link; null where there is none. */
function lastingPath(realPath: string): string | null {
  const [port] = findPorts({ path: realPath, match: null }, SYSTEM_ROOTS);
  const byId = port?.identity?.byId[0];
  if (byId !== undefined && findPorts({ path: byId, match: null }, SYSTEM_ROOTS).length === 1) return byId;
  return port?.identity?.byPath[0] ?? null;
}

function wholeUpTo(most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!Number.isInteger(value) || value < 1 || value > most)
      throw new InvalidArgumentError(`It must be a whole number from 1 to ${most}.`);
    return value;
  };
}
