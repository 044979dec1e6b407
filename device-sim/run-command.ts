/** `device-sim run` and `device-sim scenarios`. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, Option } from 'commander';
import { GatewayError, messageOf } from '../gateway/errors.ts';
import {
  type AuditIo,
  type AuditOptions,
  auditLedger,
  auditProblem,
  countsNow,
  withAuditOptions,
} from './audit/audit-command.ts';
import { auditText } from './audit/audit-text.ts';
import { writeCountsBefore } from './audit/counts-before.ts';
import type { Scenario } from './contracts.ts';
import type { Display } from './measure/progress.ts';
import { describeSummary, type Summary } from './measure/summary.ts';
import {
  parseBytes,
  parseCount,
  parseDevices,
  parseDuration,
  parsePort,
  parseQos,
  parseRate,
  parseSeed,
  parseShare,
} from './quantities.ts';
import { run } from './run.ts';
import { loadScenario } from './scenario/load-scenario.ts';
import {
  plainScenario,
  type ScenarioOptions,
  withAddress,
  withOptions,
} from './scenario/scenario-options.ts';
import { scenarioFile, shippedScenarios } from './scenario/shipped.ts';
import { serialConfig } from './serial-config.ts';

/** What the commands need of the process. */
export interface SimIo extends AuditIo {
  readonly display: Display;
  /** Of this package. */
  readonly version: string;
}

interface RunFlags extends ScenarioOptions, Omit<AuditOptions, 'json' | 'all'> {
  readonly host?: string;
  readonly port?: number;
  readonly count?: number;
  /** ms, as the three after it. */
  readonly interval?: number;
  readonly connectInterval?: number;
  readonly settle?: number;
  readonly ledger?: string;
  readonly ports?: string;
  readonly printSerial?: true;
  readonly audit?: true;
  readonly all?: true;
  readonly json?: true;
}

export function addRunCommand(program: Command, io: SimIo): void {
  const command = program
    .command('run')
    .description('devices that send readings: by a scenario, or by what is said here')
    .argument('[scenario]', 'one that ships (see `device-sim scenarios`), or a file')
    .helpOption('--help', 'show this')
    .option('--url <url>', 'where to: mqtt, mqtts, ws, wss')
    .option('-h, --host <host>', 'instead of --url')
    .option('-p, --port <port>', 'instead of --url', parsePort)
    .option('-u, --username <name>')
    .option('-P, --password <password>', 'better in DEVICE_SIM_PASSWORD')
    .option('--ca <file>', 'certificates to trust, PEM')
    .option('--insecure', 'take any certificate')
    .option('-c, --devices <n>', 'how many in all, each with a connection of its own', parseDevices)
    .addOption(new Option('--count <n>').argParser(parseDevices).hideHelp())
    .option('-i, --connect-interval <ms>', 'between two connections that are opened', parseCount)
    .option('--rate <rate>', 'of each device: 1/s, 6/min, 1/10s', parseRate)
    .option('-I, --interval <ms>', 'instead of --rate: between two readings of a device', parseCount)
    .option('-t, --topic <topic>', 'instead of that of the schema; %i: number, %c: client id')
    .option('-q, --qos <qos>', '0, 1 or 2', parseQos)
    .option('--client-id <pattern>', '%d: name of the device, %i: its number')
    .option('-s, --size <size>', 'bring each payload up to so many bytes', parseBytes)
    .option('--max-in-flight <n>', 'unacknowledged at once, for each connection', parseCount)
    .option('--devices-per-connection <n>', 'how many share a connection', parseCount)
    .option(
      '--for <duration>',
      'how long; without it as the scenario says, or until interrupted',
      parseDuration,
    )
    .option('--settle <duration>', 'how long to wait at the end for acknowledgements', parseDuration)
    .option(
      '--faults <share>',
      'how often each fault of the scenario strikes; without one: every fault',
      parseShare,
    )
    .option('--bad <share>', 'of readings that are bad on purpose', parseShare)
    .option('--schemas <paths...>', 'folders or files of reading schemas')
    .option('--seed <n>', 'the same seed gives the same readings', parseSeed)
    .option('--serial <n>', 'so many devices on serial cables', parseDevices)
    .option('--serial-ack', 'the gateway acknowledges each line')
    .option('--ports <folder>', 'where serial devices make their ports')
    .option('--print-serial', "print the serial: part of the gateway's configuration for them, and end")
    .option('--ledger <folder>', 'write down what was sent and acknowledged, for `audit`')
    .option('--audit', 'afterwards compare the ledger with the database; exit code as that of `audit`')
    .option('--json', 'nothing but the summary, as JSON');
  withAuditOptions(command).action(async (name: string | undefined, flags: RunFlags) => {
    await runCommand(name, flags, io);
  });

  program
    .command('scenarios')
    .description('the scenarios that ship')
    .option('--json', 'as JSON')
    .action((flags: { json?: boolean }) => {
      io.say(describeScenarios(flags.json === true));
    });
}

async function runCommand(name: string | undefined, flags: RunFlags, io: SimIo): Promise<void> {
  const scenario = scenarioOf(name, flags, io);
  if (flags.printSerial === true) {
    const yaml = flags.ports === undefined ? null : serialConfig(scenario, flags.ports);
    if (yaml === null)
      throw new GatewayError('usage', '--print-serial needs serial devices, and --ports FOLDER');
    io.say(yaml);
    return;
  }
  const problem = flags.audit === true ? auditProblem(flags) : null;
  if (problem !== null) throw new GatewayError('usage', problem);
  const ledger =
    flags.ledger ??
    (flags.audit === true ? join(mkdtempSync(join(tmpdir(), 'device-sim-')), 'ledger') : null);
  const before = ledger === null ? null : await countsNow(flags, io);
  const summary = await run(
    {
      scenario,
      ledger,
      ports: flags.ports ?? null,
      version: io.version,
      display: flags.json === true ? null : io.display,
      ...(flags.settle === undefined ? {} : { settleMs: flags.settle }),
      ...(flags.connectInterval === undefined ? {} : { connectIntervalMs: flags.connectInterval }),
    },
    io.signal,
  );
  if (ledger !== null && before !== null) writeCountsBefore(ledger, before);
  if (flags.json !== true) io.say(describeSummary(summary));
  if (flags.audit === true && ledger !== null) {
    await auditAfter(ledger, summary, flags, io);
    return;
  }
  if (flags.json === true) io.say(JSON.stringify(summary));
  if (summary.unacknowledged > 0 || summary.waiting > 0) io.setExitCode(1);
}

/** Also after an interrupted run. A ledger that nobody asked for is kept only where something was found. */
async function auditAfter(ledger: string, summary: Summary, flags: RunFlags, io: SimIo): Promise<void> {
  let good = false;
  try {
    const signal = new AbortController().signal;
    const result = await auditLedger(ledger, flags, { nodePath: io.nodePath, env: io.env, signal });
    good = result.good;
    io.say(flags.json === true ? JSON.stringify({ run: summary, audit: result }) : `\n${auditText(result)}`);
    if (!good) io.setExitCode(1);
  } catch (error) {
    if (flags.json === true) io.say(JSON.stringify({ run: summary, audit: null }));
    io.complain(`device-sim: the audit could not be made: ${messageOf(error)}`);
    io.setExitCode(2);
  }
  if (flags.ledger !== undefined) return;
  if (good) rmSync(join(ledger, '..'), { recursive: true, force: true });
  else if (flags.json !== true) io.say(`The ledger is kept: ${ledger}`);
}

/** @throws GatewayError `usage`, `config-invalid`. */
function scenarioOf(name: string | undefined, flags: RunFlags, io: SimIo): Scenario {
  const scenario = name === undefined ? plainScenario() : loadScenario(scenarioFile(name));
  const { host, port, count, interval, ...options } = flags;
  const url =
    flags.url ??
    (host === undefined && port === undefined ? undefined : withAddress(scenario.url, host, port));
  const password = flags.password ?? io.env.DEVICE_SIM_PASSWORD;
  const devices = options.devices ?? count;
  const rate = options.rate ?? (interval === undefined ? undefined : 1000 / interval);
  const said = {
    ...options,
    ...(url === undefined ? {} : { url }),
    ...(password === undefined ? {} : { password }),
    ...(devices === undefined ? {} : { devices }),
    ...(rate === undefined ? {} : { rate }),
  };
  const result = withOptions(scenario, said, name === undefined);
  const several =
    result.fleets.reduce((sum, fleet) => sum + (fleet.link.kind === 'mqtt' ? fleet.devices : 0), 0) > 1;
  if (options.clientId !== undefined && several && !/%[di]/.test(options.clientId))
    throw new GatewayError('usage', '--client-id needs %d or %i: clients of one id throw each other out');
  return result;
}

function describeScenarios(json: boolean): string {
  const all = shippedScenarios().map((name) => loadScenario(scenarioFile(name)));
  if (json) return JSON.stringify(all, null, 2);
  return all
    .map(({ name, description, fleets, stages }) => {
      const devices = fleets.reduce((sum, fleet) => sum + fleet.devices, 0);
      const perSecond = fleets.reduce((sum, fleet) => sum + fleet.devices * fleet.ratePerSecond, 0);
      const ms = stages.reduce((sum, stage) => sum + (stage.durationMs ?? Number.POSITIVE_INFINITY), 0);
      const lasts = Number.isFinite(ms) ? `${Math.round(ms / 1000)} s` : 'until interrupted';
      return `${name.padEnd(15)} ${devices} devices, ${Math.round(perSecond * 10) / 10} readings/s, ${lasts}\n${' '.repeat(16)}${description}`;
    })
    .join('\n');
}
