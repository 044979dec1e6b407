#!/usr/bin/env node
/** `telemetry-gateway`: the only file that touches the process. What the commands do is in `commands/`. */
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { CommandIo } from './commands/command-io.ts';
import { realParts } from './commands/real-parts.ts';
import { errorText, runProgram } from './commands/run-program.ts';
import { GatewayError } from './errors.ts';
import { createLogDestination } from './monitoring/logger.ts';
import { PACKAGE_ROOT } from './package-root.ts';
import { printable } from './printable.ts';

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

const log = createLogDestination(process.stdout.fd);

/** Ends the process with everything written that can be. */
function end(code: number): never {
  log.flush();
  process.exit(code);
}

/** What was handed to stdout and stderr and has not gone out yet. */
const underWay = new Set<Promise<void>>();

/** A reader that went away (`| head`) is no error; nothing more is written to it. */
function writer(stream: NodeJS.WriteStream): (text: string) => void {
  let usable = true;
  stream.on('error', () => {
    usable = false;
  });
  return (text) => {
    if (!usable) return;
    const written = new Promise<void>((resolve) => {
      stream.write(text, () => resolve());
    }).then(() => {
      underWay.delete(written);
    });
    underWay.add(written);
  };
}

/** The first signal asks for an orderly stop; the second ends the process at once, as the signal itself would have. */
function stopSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of STOP_SIGNALS) {
    process.on(name, () => {
      if (controller.signal.aborted) end(128 + constants.signals[name]);
      controller.abort(name);
    });
  }
  return controller.signal;
}

async function readInput(maxBytes: number): Promise<Buffer | null> {
  if (process.stdin.isTTY) return null;
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxBytes) throw new GatewayError('usage', `standard input has more than ${maxBytes} bytes`);
    chunks.push(bytes);
  }
  return length === 0 ? null : Buffer.concat(chunks, length);
}

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8'));
  const hasVersion = typeof manifest === 'object' && manifest !== null && 'version' in manifest;
  return hasVersion ? String(manifest.version) : 'unknown';
}

const writeError = writer(process.stderr);

/** What nobody expected. What was acknowledged is on disk, so the safest thing is to stop and be started again. */
function unexpected(error: unknown): never {
  const words = error instanceof Error ? (error.stack ?? error.message) : String(error);
  writeError(
    `telemetry-gateway: unexpected, stopping: ${printable(words.replace(/\s*\n\s*/g, ' '), 4096)}\n`,
  );
  end(1);
}

// An unhandled rejection ends up here too.
process.on('uncaughtException', (error) => {
  if (error instanceof GatewayError) {
    writeError(errorText(error));
    end(1);
  }
  unexpected(error);
});

const io: CommandIo = {
  cwd: process.cwd(),
  environment: process.env,
  pid: process.pid,
  version: packageVersion(),
  nodeVersion: process.version,
  isTerminal: process.stdout.isTTY === true,
  stopSignal,
  write: writer(process.stdout),
  writeError,
  readInput,
};

try {
  const code = await runProgram(process.argv.slice(2), io, realParts, log);
  // A pipe takes 64 KiB at once and the rest as its reader goes on: to exit before that would cut it off.
  await Promise.all(underWay);
  end(code);
} catch (error) {
  unexpected(error);
}
