/** Serial ports into the whole gateway, over pseudo terminals: what is pulled out, noisy, killed, or many. */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { GatewayStatus, SerialPortStatus } from '../../gateway/operations-contract.ts';
import {
  accountOf,
  type GatewayProcess,
  startGateway,
  untilDrained,
  untilReceived,
} from '../support/gateway-process.ts';
import { until } from '../support/processes.ts';
import { type PtyDevice, type PtyPair, startPtyPair, writeLines } from '../support/pty-pair.ts';
import { RawMqtt } from '../support/raw-mqtt.ts';
import { type InfluxServer, startInfluxd } from '../support/servers.ts';
import { describeWith } from '../support/services.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { ENVIRONMENT, environmentReading, RESENT, writeSchemas } from '../support/test-schemas.ts';

/** `E2E_UNPLUGS=40` is the full number at each rate, and holds them to their times. */
const UNPLUGS = Number(process.env.E2E_UNPLUGS ?? 3);
const FULL = UNPLUGS >= 40;
const NOTICED_MS = FULL ? 1_000 : 5_000;
const BACK_MS = FULL ? 3_000 : 10_000;
/** `E2E_NOISE_SECONDS=30` is the full length. */
const NOISE_SECONDS = Number(process.env.E2E_NOISE_SECONDS ?? 4);
const KILL_ROUNDS = Number(process.env.E2E_KILL_ROUNDS ?? 4);
const PORTS = 50;
const MIB = 2 ** 20;
const CLOCK_TICKS = 100;

interface Bench {
  readonly gateway: GatewayProcess;
  readonly influx: InfluxServer;
  stop(): Promise<void>;
}

async function startBench(serial: readonly Record<string, unknown>[]): Promise<Bench> {
  const influx = await startInfluxd();
  await influx.createDatabase('t');
  const gateway = await startGateway({
    config: {
      schemas: writeSchemas(temporaryFolder('schemas'), ENVIRONMENT, RESENT),
      sinks: [{ name: 'influx', type: 'influxdb', url: influx.url, version: 1, database: 't' }],
      serial,
    },
  });
  return {
    gateway,
    influx,
    async stop() {
      expect(await gateway.stop()).toBe(0);
      await influx.stop();
    },
  };
}

async function portsOf(gateway: GatewayProcess): Promise<readonly SerialPortStatus[]> {
  // The shape is the program's own; a wrong one fails the test that reads it.
  const { sources } = (await gateway.get('/api/status')) as GatewayStatus;
  return sources.find(({ name }) => name === 'serial')?.ports ?? [];
}

async function untilState(gateway: GatewayProcess, isOpen: boolean, timeoutMs: number): Promise<void> {
  await until(
    `the port is ${isOpen ? 'open' : 'lost'}`,
    async () => {
      const [port] = await portsOf(gateway);
      if ((port?.state === 'open') !== isOpen) throw new Error(JSON.stringify(port));
      return true;
    },
    { timeoutMs, everyMs: 20 },
  );
}

/** Of what the device has written everything has come. */
async function untilFrames(gateway: GatewayProcess, frames: number): Promise<void> {
  await until('every line has come', async () => {
    const ports = await portsOf(gateway);
    const came = ports.reduce((sum, port) => sum + port.frames, 0);
    if (came !== frames) throw new Error(`${came} of ${frames}: ${JSON.stringify(ports[0])}`);
    return true;
  });
}

/** Processor time of a process so far, s. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

/** A reading in which every part follows from its seq: a glued line cannot look like one. */
function lineOf(seq: number): string {
  return `{"seq":${seq},"temperature":${temperatureOf(seq)},"humidity":${seq % 100}}\n`;
}

function temperatureOf(seq: number): number {
  return ((seq * 7) % 1000) / 10;
}

async function storedSeqs(influx: InfluxServer, device: string): Promise<number[]> {
  const rows = await influx.query(
    `SELECT seq, temperature, humidity FROM environment WHERE device = '${device}'`,
    't',
  );
  const wrong = rows.filter(({ seq, temperature, humidity }) => {
    const n = Number(seq);
    return temperature !== temperatureOf(n) || humidity !== n % 100;
  });
  expect(wrong).toEqual([]);
  return rows.map(({ seq }) => Number(seq));
}

describeWith(['socat', 'influxd'], 'a serial port', () => {
  test('stores its readings, keeps its bad ones, and takes what an MQTT client may send to it', async () => {
    const cable = await startPtyPair();
    const { gateway, influx, stop } = await startBench([
      {
        name: 'shed',
        path: cable.path,
        topic: 'sensors/{device}/environment',
        framing: { kind: 'line', first: true },
        downlink: ['dashboard'],
      },
    ]);
    await untilState(gateway, true, 10_000);
    const heard: string[] = [];
    const dashboard = await RawMqtt.connect({ port: gateway.port, clientId: 'dashboard' });
    await dashboard.subscribe('gateway/serial/+/result');
    await dashboard.subscribe('sensors/#');
    dashboard.onPacket = (packet) => {
      if (packet.cmd === 'publish') heard.push(`${packet.topic} ${packet.payload}`);
    };
    cable.device().write(`${lineOf(1)}{"temperature":999,"seq":2}\n\xff\xfe\n${lineOf(3)}`);
    await untilReceived(gateway, 4);
    await untilDrained(gateway);
    expect(await storedSeqs(influx, 'shed')).toEqual([1, 3]);
    expect((await accountOf(gateway)).sources.serial).toMatchObject({ stored: 2, rejected: 2, refused: 0 });
    const listed = await gateway.command('rejected', 'list', '--json');
    expect(listed.stdout).toContain('undecodable');
    expect(listed.stdout).toContain('invalid');

    const received: string[] = [];
    cable.device().onLine = (line) => received.push(line);
    await dashboard.publish('gateway/serial/shed/write', 'relay on\n', { qos: 2 });
    await until('the device has it', () => received.length === 1);
    await until('the result came', () => heard.length === 3);
    expect(received).toEqual(['relay on']);
    expect(heard).toEqual([
      `sensors/shed/environment ${lineOf(1).trim()}`,
      `sensors/shed/environment ${lineOf(3).trim()}`,
      'gateway/serial/shed/result {"ok":true,"bytes":9}',
    ]);

    const stranger = await RawMqtt.connect({ port: gateway.port, clientId: 'stranger' });
    await expect(stranger.publish('gateway/serial/shed/write', 'relay off\n')).rejects.toThrow();
    await cable.unplug();
    await untilState(gateway, false, 5_000);
    await dashboard.publish('gateway/serial/shed/write', 'relay off\n');
    await until('it is refused', () => heard.at(-1)?.includes('"ok":false'));
    await cable.plug();
    await untilState(gateway, true, BACK_MS);
    await sleep(300);
    expect(received, 'nothing is sent later').toEqual(['relay on']);
    dashboard.destroy();
    await stop();
    await cable.unplug();
  });

  for (const perSecond of [10, 100, 1000, 5000]) {
    test(`pulled out ${UNPLUGS} times at ${perSecond} lines/s is noticed, comes back, and stores each line once`, {
      timeout: 60_000 + UNPLUGS * 15_000,
    }, async () => {
      const cable = await startPtyPair();
      const { gateway, influx, stop } = await startBench([
        { name: 'uno', path: cable.path, topic: 'sensors/{device}/environment' },
      ]);
      await untilState(gateway, true, 10_000);
      const rss = { before: gateway.rssAnonBytes() };
      /** Of each connection, its first seq and the first that was not sent. */
      const runs: { from: number; to: number; whole: boolean }[] = [];
      let next = 0;
      for (let round = 0; round < UNPLUGS; round += 1) {
        const whole = round % 2 === 1;
        const before = (await portsOf(gateway))[0]?.frames ?? 0;
        let on = true;
        const from = next;
        cable.device().write('\n');
        const writing = writeLines(cable.device(), {
          perSecond,
          line: (n) => lineOf(from + n),
          while: () => on,
        });
        await sleep(300 + Math.random() * 300);
        if (whole) {
          // All is read before the plug is pulled: then all of it is to be there.
          on = false;
          next = from + (await writing);
          await untilFrames(gateway, before + next - from);
        }
        await cable.unplug();
        on = false;
        next = from + (await writing);
        runs.push({ from, to: next, whole });
        await untilState(gateway, false, NOTICED_MS);
        await cable.plug();
        await untilState(gateway, true, BACK_MS);
      }
      await untilDrained(gateway);
      const [port] = await portsOf(gateway);
      const { total } = await accountOf(gateway);
      const settled = { cpu: cpuSeconds(gateway.pid()), rss: gateway.rssAnonBytes() };
      await sleep(2000);
      const cores = (cpuSeconds(gateway.pid()) - settled.cpu) / 2;
      expect(cores, 'a reader that spins takes a whole one').toBeLessThan(0.4);
      expect(gateway.rssAnonBytes() - settled.rss).toBeLessThan(8 * MIB);
      expect(gateway.rssAnonBytes() - rss.before).toBeLessThan(96 * MIB);

      const seqs = await storedSeqs(influx, 'uno');
      const stored = new Set(seqs);
      expect(stored.size).toBe(seqs.length);
      for (const { from, to, whole } of runs) {
        const own = seqs.filter((seq) => seq >= from && seq < to).sort((a, b) => a - b);
        // What was in the cable when it was pulled is gone; nothing before that.
        expect(own).toEqual(own.map((_, i) => from + i));
        expect(own.length).toBeGreaterThan(0);
        if (whole) expect(own.length).toBe(to - from);
      }
      expect(port).toMatchObject({ reopened: UNPLUGS, frames: seqs.length, refused: 0 });
      expect(total).toMatchObject({ stored: seqs.length, rejected: 0 });
      await stop();
      await cable.unplug();
    });
  }

  test(`that sends noise without a delimiter for ${NOISE_SECONDS} s costs neither memory nor others their turn`, {
    timeout: 60_000 + NOISE_SECONDS * 2000,
  }, async () => {
    const cable = await startPtyPair();
    const { gateway, stop } = await startBench([
      { name: 'noisy', path: cable.path, topic: 'sensors/{device}/environment' },
    ]);
    await untilState(gateway, true, 10_000);
    const noise = Buffer.from(randomBytes(256 * 1024).map((byte) => (byte === 0x0a ? 0x0b : byte)));
    const client = await RawMqtt.connect({ port: gateway.port, clientId: 'good' });
    const startMs = Date.now() - 3_600_000;
    const rss = { early: 0, most: 0 };
    const deadline = performance.now() + NOISE_SECONDS * 1000;
    await longestHoldMs(gateway);
    let published = 0;
    while (performance.now() < deadline) {
      const device: PtyDevice = cable.device();
      if (device.waitingBytes < noise.length) device.write(noise);
      const { topic, payload } = environmentReading('good', published, startMs);
      await client.publish(topic, payload);
      published += 1;
      if (performance.now() < deadline - NOISE_SECONDS * 800) rss.early = gateway.rssAnonBytes();
      rss.most = Math.max(rss.most, gateway.rssAnonBytes());
    }
    // By the clock on the wall, so a busy machine counts too; `real-port.test.ts` holds the work itself to 50 ms.
    expect(await longestHoldMs(gateway)).toBeLessThan(500);
    expect(rss.most - rss.early).toBeLessThan(64 * MIB);
    const [port] = await portsOf(gateway);
    expect(port?.frames).toBe(0);
    expect(port?.discardedBytes).toBeGreaterThan(1_000_000);
    expect(Buffer.from(port?.lastDiscardedHex ?? '', 'hex').length).toBeGreaterThan(1000);
    expect(published).toBeGreaterThan(NOISE_SECONDS * 5);
    // Behind the noise a line is a line again.
    await until('the cable has taken all', () => cable.device().waitingBytes === 0);
    cable.device().write(`\n${lineOf(5)}`);
    await untilReceived(gateway, published + 1);
    expect((await accountOf(gateway)).sources.serial).toMatchObject({ stored: 1, rejected: 0 });
    client.destroy();
    await stop();
    await cable.unplug();
  });

  test(`killed ${KILL_ROUNDS} times under load loses nothing that it acknowledged and stores nothing twice`, {
    timeout: 120_000,
  }, async () => {
    const cable = await startPtyPair();
    const { gateway, influx, stop } = await startBench([
      { name: 'uno', path: cable.path, topic: 'resent/{device}', ack: true },
    ]);
    const firmware = new ResendingFirmware(cable);
    for (let round = 0; round < KILL_ROUNDS; round += 1) {
      const before = firmware.acknowledged.size;
      await until('readings are acknowledged', () => firmware.acknowledged.size > before + 100);
      await sleep(Math.random() * 300);
      await gateway.kill('SIGKILL');
      await gateway.restart();
    }
    firmware.finish();
    await until('everything is acknowledged', () => firmware.open === 0);
    firmware.stop();
    await untilDrained(gateway);
    const rows = await influx.query(`SELECT boot, seq, value FROM resent WHERE device = 'uno'`, 't');
    const seqs = rows.map(({ seq }) => Number(seq)).sort((a, b) => a - b);
    expect(seqs).toEqual(Array.from({ length: firmware.sent }, (_, seq) => seq));
    expect(firmware.acknowledged.size).toBe(firmware.sent);
    expect(firmware.resent).toBeGreaterThan(0);
    await stop();
    await cable.unplug();
  });

  test(`is one of ${PORTS} at 100 lines/s each`, { timeout: 120_000 }, async () => {
    const cables = await Promise.all(Array.from({ length: PORTS }, (_, i) => startPtyPair(`tty${i}`)));
    const { gateway, stop } = await startBench(
      cables.map(({ path }, i) => ({
        name: `port-${i}`,
        path,
        topic: 'sensors/{device}/environment',
        framing: { kind: 'line', first: true },
      })),
    );
    await until('all are open', async () => {
      const ports = await portsOf(gateway);
      return ports.length === PORTS && ports.every(({ state }) => state === 'open');
    });
    let on = true;
    const writing = cables.map((cable) =>
      writeLines(cable.device(), { perSecond: 100, line: lineOf, while: () => on }),
    );
    await sleep(3000);
    on = false;
    const sent = await Promise.all(writing);
    const total = sent.reduce((sum, each) => sum + each, 0);
    await untilReceived(gateway, total);
    await untilDrained(gateway);
    const account = await accountOf(gateway);
    expect(account.sources.serial).toMatchObject({ stored: total, rejected: 0, refused: 0 });
    const byDevice = new Map(account.devices.map(({ device, stored }) => [device, stored]));
    expect(sent.map((_, i) => byDevice.get(`port-${i}`))).toEqual(sent);
    await stop();
    await Promise.all(cables.map((cable) => cable.unplug()));
  });
});

/** The longest time the event loop was held since the last call, ms (the metric is reset when it is read). */
async function longestHoldMs(gateway: GatewayProcess): Promise<number> {
  const metrics = await (await fetch(`${gateway.url}/metrics`)).text();
  const seconds = /^nodejs_eventloop_lag_max_seconds(?:\{[^}]*\})? (\S+)$/m.exec(metrics)?.[1];
  expect(seconds, 'the metric nodejs_eventloop_lag_max_seconds').toBeDefined();
  return Number(seconds) * 1000;
}

/** Keeps a few readings open, and sends each again until it is acknowledged. */
class ResendingFirmware {
  readonly acknowledged = new Set<number>();
  sent = 0;
  resent = 0;
  readonly #cable: PtyPair;
  /** Open readings, and when each was last sent. */
  readonly #open = new Map<number, number>();
  readonly #timer: NodeJS.Timeout;
  #finishing: boolean = false;

  constructor(cable: PtyPair) {
    this.#cable = cable;
    cable.device().onLine = (line) => this.#onAnswer(line);
    this.#timer = setInterval(() => this.#turn(), 5);
  }

  get open(): number {
    return this.#open.size;
  }

  finish(): void {
    this.#finishing = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #turn(): void {
    const nowMs = performance.now();
    while (!this.#finishing && this.#open.size < 10) {
      this.#send(this.sent, nowMs);
      this.sent += 1;
    }
    for (const [seq, sinceMs] of this.#open) {
      if (nowMs - sinceMs < 300) continue;
      this.resent += 1;
      this.#send(seq, nowMs);
    }
  }

  #send(seq: number, nowMs: number): void {
    this.#open.set(seq, nowMs);
    // The line feed before it ends what a killed gateway may have read half of.
    this.#cable.device().write(`\n{"boot":3,"seq":${seq},"value":${seq / 10}}\n`);
  }

  #onAnswer(line: string): void {
    const [verb, n] = line.split(' ');
    if (verb !== 'ACK' || n === undefined || n.startsWith('#')) return;
    this.acknowledged.add(Number(n));
    this.#open.delete(Number(n));
  }
}
