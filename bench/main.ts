/**
 * `npm run bench`: every contender by turns, in the same run, medians of the rounds, one table. Writes the table to
 * bench/README.md. `npm run bench -- --rounds 1 --seconds 3 --no-write` for a quick look.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { REPOSITORY } from '../test/support/gateway-process.ts';
import { endAndClean } from './clean.ts';
import { CONTENDERS, type ContenderName } from './contenders.ts';
import {
  idleConnectionBytes,
  latencyAt,
  startToListeningMs,
  type Throughput,
  throughputOf,
} from './measure.ts';
import { type Measured, machineLine, rateOf, replaceBetweenMarkers, tableOf } from './report.ts';
import { serialPorts } from './serial-ports.ts';

const { values } = parseArgs({
  allowNegative: true,
  options: {
    rounds: { type: 'string', default: '3' },
    seconds: { type: 'string', default: '8' },
    connections: { type: 'string', default: '50' },
    window: { type: 'string', default: '50' },
    /** Readings come from so many devices, over the connections; 0: one a connection. */
    devices: { type: 'string', default: '0' },
    idle: { type: 'string', default: '15000' },
    /** Only these contenders, comma-separated; then no latency, memory and start, and nothing is written. */
    only: { type: 'string' },
    write: { type: 'boolean', default: true },
  },
});

const load = {
  connections: Number(values.connections),
  window: Number(values.window),
  seconds: Number(values.seconds),
  devices: Number(values.devices),
};

function progress(text: string): void {
  process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);
}

const all = Object.keys(CONTENDERS).filter((name): name is ContenderName => Object.hasOwn(CONTENDERS, name));
const wanted = values.only?.split(',');
const names = all.filter((name) => wanted?.includes(name) ?? true);

async function main(): Promise<void> {
  const rounds: Record<ContenderName, Throughput[]> = {
    'gateway-influx': [],
    mosquitto: [],
    aedes: [],
    'gateway-paused': [],
    'node-stack': [],
  };
  for (let round = 0; round < Number(values.rounds); round += 1) {
    // Each round begins with another contender, so that no one always follows the same.
    for (const name of [...names.slice(round % names.length), ...names.slice(0, round % names.length)]) {
      const result = await throughputOf(name, load);
      rounds[name].push(result);
      const found = result.foundPerSecond === null ? '' : `, found ${Math.round(result.foundPerSecond)}/s`;
      progress(`round ${round + 1}: ${name}: acknowledged ${result.acknowledgedPerSecond}/s${found}`);
    }
  }
  const measured: Measured = {
    rounds,
    latency: null,
    idle: null,
    startMs: [],
    serial: null,
    seconds: load.seconds,
  };
  const complete = wanted === undefined ? await theRest(measured) : measured;
  const text = `${machineLine(new Date())}\n\n${tableOf(complete)}`;
  process.stdout.write(`${text}\n`);
  if (values.write && wanted === undefined) {
    replaceBetweenMarkers(join(REPOSITORY, 'bench', 'README.md'), 'bench', text);
  }
}

async function theRest(measured: Measured): Promise<Measured> {
  const startMs: number[] = [];
  for (let i = 0; i < 5; i += 1) startMs.push(await startToListeningMs());
  progress(`start to listening ${startMs.map(Math.round).join(', ')} ms`);
  const perSecond = rateOf(measured.rounds['gateway-influx']) / 4;
  const latency = { ...(await latencyAt(perSecond, load)), perSecond };
  progress(
    `latency at ${Math.round(perSecond)}/s: p99 ${latency.p99Ms} ms; the disk's own sync ${latency.syncP99Ms} ms`,
  );
  const serial = await serialPorts(50, 100, load.seconds);
  progress(
    `50 serial ports: ${serial.found} of ${serial.sent} lines found, ${serial.cores.toFixed(2)} cores`,
  );
  const connections = Number(values.idle);
  if (connections === 0) return { ...measured, startMs, latency, serial };
  const bytes = await idleConnectionBytes(connections);
  progress(`${connections} idle connections: ${Math.round(bytes.settled)} bytes each`);
  return { ...measured, startMs, latency, serial, idle: { connections, ...bytes } };
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await endAndClean();
}
