#!/usr/bin/env node
/** The simulator's command line; the only file of it that touches `process`. */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { runDemo } from './demo.ts';
import { runFleet } from './fleet.ts';
import { parseCount, parseDuration, parseQos, parseRate, parseSeed, parseShare } from './quantities.ts';
import { loadReadingSchemas } from './reading-schemas.ts';
import { describeSummary } from './summary.ts';

/** The folder of package.json, seen from `dist/device-sim/`. */
const HOME = fileURLToPath(new URL('../..', import.meta.url));
const SHIPPED_SCHEMAS = fileURLToPath(new URL('../../schemas/readings', import.meta.url));

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

const program = new Command('device-sim').description('Simulated sensors for telemetry-gateway.');

program
  .command('run')
  .description('devices that send readings of the shipped schemas, some of them bad')
  .option('--url <url>', 'where to', 'mqtt://127.0.0.1:1883')
  .option('--devices <n>', 'how many, each with a connection of its own', parseCount, 10)
  .option('--rate <rate>', 'of each device', parseRate, 1)
  .option('--qos <qos>', '0, 1 or 2', parseQos, 1)
  .option('--for <duration>', 'how long; without it until interrupted', parseDuration)
  .option('--bad <share>', 'of readings that are bad on purpose', parseShare, 0)
  .option('--schemas <folder>', 'reading schemas', SHIPPED_SCHEMAS)
  .option('--seed <n>', 'the same seed gives the same readings', parseSeed, 1)
  .option('--username <name>')
  .option('--password <password>', 'better in DEVICE_SIM_PASSWORD')
  .option('--json', 'the summary as JSON')
  .action(async (options: RunOptions) => {
    const password = options.password ?? process.env.DEVICE_SIM_PASSWORD;
    const summary = await runFleet(
      {
        url: options.url,
        devices: options.devices,
        readingsPerSecond: options.rate,
        qos: options.qos,
        durationMs: options.for ?? null,
        badShare: options.bad,
        seed: options.seed,
        schemas: loadReadingSchemas(options.schemas),
        ...(options.username === undefined ? {} : { username: options.username }),
        ...(password === undefined ? {} : { password }),
      },
      stop.signal,
    );
    say(options.json === true ? JSON.stringify(summary) : describeSummary(summary));
    if (summary.unacknowledged > 0) process.exitCode = 1;
  });

program
  .command('demo')
  .description('a gateway on the embedded store with a small fleet, and where to look')
  .option(
    '--seconds <n>',
    'end by itself, and check that every acknowledged reading is in the store',
    parseCount,
  )
  .option('--devices <n>', 'how many', parseCount, 10)
  .option('--rate <rate>', 'of each device', parseRate, 2)
  .action(async (options: { seconds?: number; devices: number; rate: number }) => {
    const good = await runDemo({
      home: HOME,
      nodePath: process.execPath,
      seconds: options.seconds ?? null,
      devices: options.devices,
      readingsPerSecond: options.rate,
      schemas: loadReadingSchemas(SHIPPED_SCHEMAS),
      say,
      signal: stop.signal,
    });
    process.exitCode = good ? 0 : 1;
  });

interface RunOptions {
  readonly url: string;
  readonly devices: number;
  readonly rate: number;
  readonly qos: 0 | 1 | 2;
  readonly for?: number;
  readonly bad: number;
  readonly schemas: string;
  readonly seed: number;
  readonly username?: string;
  readonly password?: string;
  readonly json?: boolean;
}

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`device-sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
