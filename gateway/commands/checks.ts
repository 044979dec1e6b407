/** What `check` looks at, one function each. None changes anything. */
import { accessSync, constants, existsSync, statfsSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { GatewayConfig, ListenerConfig, SinkConfig } from '../config/gateway-config.ts';
import { isLoopback } from '../config/loopback.ts';
import { messageOf, type Problem, problemText } from '../errors.ts';
import { describeSink } from '../wiring/announce.ts';
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
const MAX_PORT = 65_535;
/** Of listeners that name none. */
const DEFAULT_HOST = '127.0.0.1';

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

/** The address is free. Not to be asked while the gateway itself listens there. `name`: what in the configuration gives it. */
export function checkAddress(name: 'mqtt' | 'http', listener: ListenerConfig): Promise<Check> {
  const { host, port, anonymous } = listener;
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error) => {
      const inUse = 'code' in error && error.code === 'EADDRINUSE';
      resolve(
        wrong(
          name,
          `${host}:${port} ${inUse ? `is taken by another program; another port in gateway.yaml: ${onAnotherPort(name, listener)}` : `cannot be used: ${error.message}`}`,
        ),
      );
    });
    server.listen({ host, port, exclusive: true }, () => {
      server.close(() => resolve(good(name, `${host}:${port}${anonymous ? ', anyone may connect' : ''}`)));
    });
  });
}

/** As configuration: the next port of the same host. */
function onAnotherPort(name: 'mqtt' | 'http', { host, port, anonymous }: ListenerConfig): string {
  const at = host === DEFAULT_HOST ? '' : `host: "${host}", `;
  const entry = `{ ${at}port: ${port < MAX_PORT ? port + 1 : port - 1}${anonymous ? ', anonymous: true' : ''} }`;
  return name === 'http' ? `http: ${entry}` : `mqtt: { listeners: [${entry}] }`;
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

/** What the schemas write fits what the database holds. Null where there is nothing to compare. */
export async function checkFieldTypes(
  sink: SinkConfig,
  config: GatewayConfig,
  parts: CommandParts,
): Promise<Check | null> {
  if (sink.type !== 'influxdb') return null;
  const name = `field types ${sink.name}`;
  try {
    const problems = await parts.fieldTypeProblems(sink, config, AbortSignal.timeout(PROBE_TIMEOUT_MS));
    if (problems === null) return good(name, 'not compared: the database does not tell its types');
    if (problems.length === 0) return good(name, 'nothing that the database holds with another type');
    return wrong(name, `the database holds ${problems.length} field(s) with another type`, problems);
  } catch (error) {
    return wrong(name, messageOf(error));
  }
}

/** Who may read everybody's receipts, and whether that is anybody. Null where nobody may. */
export function checkObservers({ mqtt }: GatewayConfig): Check | null {
  if (mqtt.observers.length === 0) return null;
  const open = mqtt.listeners
    .filter(({ host }) => !isLoopback(host))
    .map(({ host, port }) => `${host}:${port}`);
  const warning =
    open.length === 0
      ? ''
      : `; nobody is asked for a password on ${open.join(', ')}, so whoever reaches it may call itself so`;
  return good('observers', `${mqtt.observers.join(', ')} may read the receipts of every client${warning}`);
}

export function checkText({ name, ok, detail, problems }: Check): string {
  const lines = [`${ok ? 'ok  ' : 'FAIL'}  ${name}: ${detail}`];
  for (const problem of problems) lines.push(`      ${problemText(problem)}`);
  return `${lines.join('\n')}\n`;
}
