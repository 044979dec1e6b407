import { Command } from 'commander';
import { hidePasswords } from '../broker-link/hide-passwords.ts';
import type { GatewayConfig, SinkConfig } from '../config/gateway-config.ts';
import { GatewayError, isGatewayError } from '../errors.ts';
import { printable } from '../printable.ts';
import { checkBroker, checkPeer, checkReadBroker, checkShares } from './check-brokers.ts';
import { checkedLive, type LiveOptions, withLiveOptions } from './check-live.ts';
import { checkSerial } from './check-serial.ts';
import {
  type Check,
  checkAddress,
  checkDataFolder,
  checkFieldTypes,
  checkObservers,
  checkSchemas,
  checkSink,
  checkText,
  good,
  wrong,
} from './checks.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { isRunning } from './with-operations.ts';

interface CheckOptions extends LiveOptions {
  readonly offline?: true;
}

/** Ends with 1 where something is wrong: `fail` is called then. */
export function checkCommand(io: CommandIo, parts: CommandParts, fail: () => void): Command {
  return withLiveOptions(withCommonOptions(new Command('check')))
    .description(
      'configuration, schemas, folders, addresses, sinks and brokers; every problem with its place',
    )
    .option('--offline', 'do not ask the sinks, nor other brokers')
    .action(async (options: CheckOptions, command: Command) => {
      if (await checkedLive(options, command, io, parts, fail)) return;
      const checks = await allChecks(options, io, parts);
      const ok = checks.every((check) => check.ok);
      writeAnswer(io, options, { ok, checks }, () =>
        checks.map((check) => printableLines(checkText(check))).join(''),
      );
      if (!ok) fail();
    });
}

async function allChecks(
  options: CheckOptions,
  io: CommandIo,
  parts: CommandParts,
): Promise<readonly Check[]> {
  let config: GatewayConfig;
  try {
    config = configOf(options, io);
  } catch (error) {
    if (!isGatewayError(error, 'config-invalid')) throw error;
    const { problems } = error;
    return [
      wrong(
        'config',
        problems.length === 0 ? hidePasswords(error.message) : `${problems.length} problem(s)`,
        problems,
      ),
    ];
  }
  const checks = [
    good('config', config.file ?? 'no gateway.yaml here: the embedded defaults, loopback only'),
    checkSchemas(config, parts),
    checkDataFolder(config),
  ];
  if (await runs(config.dataDir))
    checks.push(good('gateway', 'one runs on this data folder: its addresses are taken'));
  else {
    for (const listener of config.mqtt.listeners) checks.push(await checkAddress('mqtt', listener));
    if (config.http !== null) checks.push(await checkAddress('http', config.http));
  }
  const observers = checkObservers(config);
  if (observers !== null) checks.push(observers);
  const shares = checkShares(config);
  if (shares !== null) checks.push(shares);
  const serial = checkSerial(config, parts);
  if (serial !== null) checks.push(serial);
  if (options.offline === true) return checks;
  const asked = await Promise.all(config.sinks.map((sink) => askSink(sink, config, parts)));
  const brokers = await Promise.all([
    ...config.brokers.map(({ name, connection }) => checkReadBroker(`broker ${name}`, connection, parts)),
    ...config.forward.map(({ name, connection }) => checkBroker(`forward ${name}`, connection, parts)),
    ...(config.peers?.others ?? []).map((peer) => checkPeer(peer, config, parts)),
  ]);
  return [...checks, ...asked.flat(), ...brokers];
}

/** A sink that does not answer has no types to tell. */
async function askSink(
  sink: SinkConfig,
  config: GatewayConfig,
  parts: CommandParts,
): Promise<readonly Check[]> {
  const ready = await checkSink(sink, config, parts);
  const types = ready.ok ? await checkFieldTypes(sink, config, parts) : null;
  return types === null ? [ready] : [ready, types];
}

/** A data folder that cannot be looked into is another check's to report. */
async function runs(dataDir: string): Promise<boolean> {
  try {
    return await isRunning(dataDir);
  } catch (error) {
    return error instanceof GatewayError;
  }
}

/** File names and schema texts are not ours. */
function printableLines(text: string): string {
  return text
    .split('\n')
    .map((line) => printable(line, 2048))
    .join('\n');
}
