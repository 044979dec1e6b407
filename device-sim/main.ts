#!/usr/bin/env node
/** The simulator's command line; the only file of it that touches `process`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command } from 'commander';
import { PACKAGE_ROOT } from '../gateway/package-root.ts';
import { addAuditCommand } from './audit/audit-command.ts';
import { runDemo } from './demo.ts';
import { addLedgerCommand } from './ledger/ledger-command.ts';
import { parseCount, parseRate } from './quantities.ts';
import { addRunCommand, type SimIo } from './run-command.ts';

const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    if (stop.signal.aborted) process.exit(130);
    stop.abort();
  });
}
// Whoever read the output has gone (`| head`): nobody is left to tell.
process.stdout.on('error', () => stop.abort());

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Moves to the beginning of the line and clears it. */
const CLEAR_LINE = '\r\u001b[2K';

const io: SimIo = {
  say,
  display: {
    live: process.stdout.isTTY === true,
    // Some terminals say 0.
    columns: process.stdout.columns > 0 ? process.stdout.columns : 80,
    draw: (line) => process.stdout.write(`${CLEAR_LINE}${line}`),
    say,
  },
  complain: (text) => {
    process.stderr.write(`${text}\n`);
  },
  env: process.env,
  nodePath: process.execPath,
  signal: stop.signal,
  version: String(JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8')).version),
  setExitCode: (code) => {
    process.exitCode = code;
  },
};

const program = new Command('device-sim').description('Simulated sensors for telemetry-gateway.');
addRunCommand(program, io);
addAuditCommand(program, io);
addLedgerCommand(program, io);

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
      home: PACKAGE_ROOT,
      nodePath: process.execPath,
      seconds: options.seconds ?? null,
      devices: options.devices,
      readingsPerSecond: options.rate,
      version: io.version,
      say,
      signal: stop.signal,
    });
    process.exitCode = good ? 0 : 1;
  });

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`device-sim: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
