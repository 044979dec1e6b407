/** What is brought under load: the gateway with and without its database, and Mosquitto beside it. */
import { accountOf, type GatewayProcess, startGateway } from '../../test/support/gateway-process.ts';
import { freePort } from '../../test/support/processes.ts';
import { startInfluxd, startMosquitto } from '../../test/support/servers.ts';

export interface Subject {
  readonly port: number;
  /** The process that takes the readings. */
  readonly pid: number;
  /** From the start of the process until it listens; null where it was not measured. */
  readonly startMs: number | null;
  /** Readings that its database has taken so far; null where it has none. */
  written(): Promise<number | null>;
  stop(): Promise<void>;
}

export const SUBJECT_TITLES = {
  gateway: 'gateway + InfluxDB',
  'gateway-paused': 'gateway, sink away',
  mosquitto: 'Mosquitto, stores nothing',
} as const;

export type SubjectName = keyof typeof SUBJECT_TITLES;

const DATABASE = 'bench';
const READY_TIMEOUT_MS = 120_000;

/** @param schemas folder of the reading schemas, for the gateway. */
export async function startSubject(name: SubjectName, schemas: string): Promise<Subject> {
  if (name === 'mosquitto') return await mosquitto();
  return name === 'gateway' ? await gatewayWithInflux(schemas) : await gatewayPaused(schemas);
}

async function gatewayWithInflux(schemas: string): Promise<Subject> {
  const influx = await startInfluxd();
  await influx.createDatabase(DATABASE);
  const { gateway, startMs } = await timedGateway(schemas, influx.url);
  return {
    ...partsOf(gateway, startMs),
    written: async () => (await accountOf(gateway)).sinks[0]?.written ?? 0,
    stop: async () => {
      await gateway.stop();
      await influx.stop();
    },
  };
}

async function gatewayPaused(schemas: string): Promise<Subject> {
  const { gateway, startMs } = await timedGateway(schemas, `http://127.0.0.1:${await freePort()}`);
  return {
    ...partsOf(gateway, startMs),
    written: async () => null,
    stop: async () => void (await gateway.stop()),
  };
}

function partsOf(gateway: GatewayProcess, startMs: number): Pick<Subject, 'port' | 'pid' | 'startMs'> {
  return { port: gateway.port, pid: gateway.pid(), startMs };
}

async function timedGateway(
  schemas: string,
  influxUrl: string,
): Promise<{ gateway: GatewayProcess; startMs: number }> {
  const sink = { type: 'influxdb', name: 'influx', url: influxUrl, version: 1, database: DATABASE };
  const began = performance.now();
  const gateway = await startGateway({
    config: { schemas, store: { maxBytes: '16GiB' }, sinks: [sink] },
    pollMs: 5,
    // A thousand schemas on a busy machine take their time, and that is measured.
    readyTimeoutMs: READY_TIMEOUT_MS,
  });
  return { gateway, startMs: performance.now() - began };
}

async function mosquitto(): Promise<Subject> {
  const server = await startMosquitto();
  return {
    port: server.port,
    pid: server.pid(),
    startMs: null,
    written: async () => null,
    stop: server.stop,
  };
}
