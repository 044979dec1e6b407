/** What `check` looks at, one function each. None changes anything. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import { describeSink } from '../announce.ts';
import type { GatewayConfig, ListenerConfig, SinkConfig } from '../config/gateway-config.ts';
import { messageOf, type Problem, problemText } from '../errors.ts';
import type { CommandParts } from './command-parts.ts';
import { bytes } from './wording.ts';

/** One thing that was looked at. */
export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** What was found. */
  readonly detail: string;
  /** Where files are at fault. */
  readonly problems: readonly Problem[];
}

const PROBE_TIMEOUT_MS = 10_000;

export function good(name: string, detail: string, problems: readonly Problem[] = []): Check {
  return { name, ok: true, detail, problems };
}

export function wrong(name: string, detail: string, problems: readonly Problem[] = []): Check {
  return { name, ok: false, detail, problems };
}

export function checkSchemas(config: GatewayConfig, parts: CommandParts): Check {
  const name = 'schemas';
  try {
    const { schemas, problems, notes } = parts.loadReadings(config);
    if (problems.length > 0) return wrong(name, `problems in ${config.schemasDir}`, problems);
    if (schemas.length === 0) return wrong(name, `there is no schema in ${config.schemasDir}`);
    return good(name, schemas.join(', '), notes);
  } catch (error) {
    return wrong(name, messageOf(error));
  }
}

/** The folder, or the one in which it will be made, can be written and has room. */
export function checkDataFolder({ dataDir, store }: GatewayConfig): Check {
  const name = 'data';
  let folder = dataDir;
  while (!existsSync(folder) && dirname(folder) !== folder) folder = dirname(folder);
  try {
    if (!statSync(folder).isDirectory()) return wrong(name, `${folder} is no folder`);
    accessSync(folder, constants.R_OK | constants.W_OK | constants.X_OK);
    const { bavail, bsize } = statfsSync(folder);
    const freeBytes = bavail * bsize;
    if (freeBytes < store.minFreeDiskBytes)
      return wrong(
        name,
        `${dataDir} has ${bytes(freeBytes)} free disk, less than store.minFreeDisk (${bytes(store.minFreeDiskBytes)})`,
      );
    const state = folder === dataDir ? '' : ' (will be made)';
    return good(name, `${dataDir}${state}, ${bytes(freeBytes)} free`);
  } catch (error) {
    return wrong(name, `${folder} cannot be written: ${messageOf(error)}`);
  }
}

/** The address is free. Not to be asked while the gateway itself listens there. */
export function checkAddress(name: string, { host, port, anonymous }: ListenerConfig): Promise<Check> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      const inUse = 'code' in error && error.code === 'EADDRINUSE';
      resolve(
        wrong(
          name,
          `${host}:${port} ${inUse ? 'is taken by another program' : `cannot be used: ${error.message}`}`,
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => resolve(good(name, `${host}:${port}${anonymous ? ', anyone may connect' : ''}`)));
    });
  });
}

export async function checkSink(
  sink: SinkConfig,
  config: GatewayConfig,
  parts: CommandParts,
): Promise<Check> {
  const name = `sink ${sink.name}`;
  try {
    const problem = await parts.probeSink(sink, config, AbortSignal.timeout(PROBE_TIMEOUT_MS));
    return problem === null
      ? good(name, describeSink(sink))
      : wrong(name, `${describeSink(sink)}: ${problem}`);
  } catch (error) {
    return wrong(name, `${describeSink(sink)}: ${messageOf(error)}`);
  }
}

export function checkText({ name, ok, detail, problems }: Check): string {
  const lines = [`${ok ? 'ok  ' : 'FAIL'}  ${name}: ${detail}`];
  for (const problem of problems) lines.push(`      ${problemText(problem)}`);
  return `${lines.join('\n')}\n`;
}
