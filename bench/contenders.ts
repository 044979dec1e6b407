/** What is measured side by side. Each starts fresh, takes the generator's load on a port, and says what it did. */
import { fileURLToPath } from 'node:url';
import { startGateway } from '../test/support/gateway-process.ts';
import { freePort, type Running, start, until } from '../test/support/processes.ts';
import { type InfluxServer, startInfluxd, startMosquitto } from '../test/support/servers.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { ENVIRONMENT, writeSchemas } from '../test/support/test-schemas.ts';

export interface Contender {
  readonly port: number;
  /** Readings really found in InfluxDB; null where it has none. */
  found(): Promise<number | null>;
  /** All its processes, for their CPU time. */
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

export const CONTENDERS = {
  'gateway-influx': async () => await gatewayWithInflux(),
  mosquitto: async () => await mosquittoAlone(),
  aedes: async () => await bareAedes(),
  'gateway-paused': async () => await gatewayPaused(),
  'node-stack': async () => await nodeStack(),
} satisfies Record<string, () => Promise<Contender>>;

export type ContenderName = keyof typeof CONTENDERS;

export const CONTENDER_TITLES: Readonly<Record<ContenderName, string>> = {
  'gateway-influx': 'gateway + InfluxDB 1.6.7: acknowledged after the sync, validated, written',
  mosquitto: 'Mosquitto 2.0.11 that only acknowledges',
  aedes: 'bare aedes that only acknowledges',
  'gateway-paused': 'gateway, sink away: acknowledged after the sync, validated, stored',
  'node-stack': 'Mosquitto + mqtt.js subscriber + ajv + official client',
};

/** The readings of the generator, as the other contender with a database validates them too. */
export function benchSchemas(): string {
  const properties = {
    ...Object(ENVIRONMENT.properties),
    pressure: { type: 'number', minimum: 300, maximum: 1200, unit: 'hPa' },
  };
  return writeSchemas(temporaryFolder('schemas'), { ...ENVIRONMENT, properties });
}

const DATABASE = 'bench';
const MEASUREMENT = 'environment';

async function foundIn(influx: InfluxServer): Promise<number> {
  return await influx.count(DATABASE, MEASUREMENT, 'seq');
}

async function gatewayWithInflux(): Promise<Contender> {
  const influx = await startInfluxd();
  await influx.createDatabase(DATABASE);
  const sink = { type: 'influxdb', name: 'influx', url: influx.url, version: 1, database: DATABASE };
  const gateway = await startGateway({ config: { schemas: benchSchemas(), sinks: [sink] } });
  return {
    port: gateway.port,
    found: async () => await foundIn(influx),
    pids: [gateway.pid(), influx.pid()],
    stop: async () => {
      await gateway.stop();
      await influx.stop();
    },
  };
}

async function gatewayPaused(): Promise<Contender> {
  const nobody = await freePort();
  const sink = { type: 'influxdb', url: `http://127.0.0.1:${nobody}`, version: 1, database: DATABASE };
  const gateway = await startGateway({ config: { schemas: benchSchemas(), sinks: [sink] } });
  return {
    port: gateway.port,
    found: async () => null,
    pids: [gateway.pid()],
    stop: async () => void (await gateway.stop()),
  };
}

async function mosquittoAlone(): Promise<Contender> {
  const mosquitto = await startMosquitto();
  return {
    port: mosquitto.port,
    found: async () => null,
    pids: [mosquitto.pid()],
    stop: mosquitto.stop,
  };
}

async function bareAedes(): Promise<Contender> {
  const port = await freePort();
  const child = await startProgram('bare-aedes.js', [String(port)]);
  return {
    port,
    found: async () => null,
    pids: [child.pid],
    stop: async () => void (await child.stop()),
  };
}

async function nodeStack(): Promise<Contender> {
  const influx = await startInfluxd();
  await influx.createDatabase(DATABASE);
  const mosquitto = await startMosquitto();
  const child = await startProgram('node-stack.js', [mosquitto.url, influx.url, DATABASE]);
  return {
    port: mosquitto.port,
    found: async () => await foundIn(influx),
    pids: [mosquitto.pid(), child.pid, influx.pid()],
    stop: async () => {
      await child.stop();
      await mosquitto.stop();
      await influx.stop();
    },
  };
}

/** A program of this folder; ready when it has said so on stderr. */
async function startProgram(file: string, args: readonly string[]): Promise<Running> {
  const path = fileURLToPath(new URL(file, import.meta.url));
  const child = start(process.execPath, [path, ...args]);
  await until(`${file} is ready`, () => {
    if (child.ended() !== null) throw new Error(child.stderr());
    return child.stderr().includes('ready');
  });
  return child;
}
