/** Many serial ports on one gateway: `socat` is each one's cable, and their devices write at a rate of their own. */
import { setTimeout as sleep } from 'node:timers/promises';
import { accountOf, startGateway, untilDrained } from '../test/support/gateway-process.ts';
import { until } from '../test/support/processes.ts';
import { startPtyPair, writeLines } from '../test/support/pty-pair.ts';
import { startInfluxd } from '../test/support/servers.ts';
import { endAndClean } from './clean.ts';
import { benchSchemas } from './contenders.ts';
import { cpuSeconds } from './measure.ts';

export interface SerialRun {
  readonly ports: number;
  /** Lines a second of each port. */
  readonly perSecond: number;
  readonly sent: number;
  /** In InfluxDB, once all is written. */
  readonly found: number;
  /** Of the gateway alone. */
  readonly cores: number;
}

const DATABASE = 'bench';

/** Every port of one gateway brings so many lines a second for so long. */
export async function serialPorts(ports: number, perSecond: number, seconds: number): Promise<SerialRun> {
  const influx = await startInfluxd();
  await influx.createDatabase(DATABASE);
  const cables = await Promise.all(Array.from({ length: ports }, (_, i) => startPtyPair(`tty${i}`)));
  const gateway = await startGateway({
    config: {
      schemas: benchSchemas(),
      sinks: [{ type: 'influxdb', url: influx.url, version: 1, database: DATABASE }],
      serial: cables.map(({ path }, i) => ({
        name: `port-${i}`,
        path,
        topic: 'sensors/{device}/environment',
        framing: { kind: 'line', first: true },
      })),
    },
  });
  try {
    await until('all ports are open', async () => {
      const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
      return metrics.match(/^gateway_serial_open\{.*\} 1$/gm)?.length === ports;
    });
    const before = cpuSeconds([gateway.pid()]);
    const began = performance.now();
    const startMs = Date.now() - 3_600_000;
    let on = true;
    const writing = cables.map((cable) =>
      writeLines(cable.device(), { perSecond, line: (n) => lineOf(n, startMs), while: () => on }),
    );
    await sleep(seconds * 1000);
    const cores = (cpuSeconds([gateway.pid()]) - before) / ((performance.now() - began) / 1000);
    on = false;
    const sent = (await Promise.all(writing)).reduce((sum, each) => sum + each, 0);
    // What is lost never comes: then it is found missing.
    await until('every line is taken', async () => (await accountOf(gateway)).total.received >= sent).catch(
      () => undefined,
    );
    await untilDrained(gateway);
    return { ports, perSecond, sent, cores, found: await influx.count(DATABASE, 'environment', 'seq') };
  } finally {
    await gateway.stop();
    await Promise.all(cables.map(async (cable) => await cable.unplug()));
    await endAndClean();
  }
}

function lineOf(seq: number, startMs: number): string {
  return `{"ts":${startMs + seq},"temperature":${20 + (seq % 100) / 10},"humidity":45.5,"pressure":1013.2,"seq":${seq}}\n`;
}
