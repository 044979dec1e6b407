/**
 * The load of the bench: QoS 0 or 1 readings on raw sockets, from packets encoded beforehand in which only the
 * digits of `ts` and `seq` change, so that the generator is not what is measured. It says what share of a core it
 * took. Run by itself: `node dist/bench/generator.js --port 1883 --connections 50 --window 50 --seconds 10`.
 */
import { connect, type Socket } from 'node:net';
import { parseArgs } from 'node:util';
import { generate } from 'mqtt-packet';
import { LatencyHistogram } from '../device-sim/measure/latency-histogram.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    connections: { type: 'string', default: '50' },
    /** Unacknowledged readings a connection may have. */
    window: { type: 'string', default: '50' },
    seconds: { type: 'string', default: '10' },
    /** Not measured: sent before the measured seconds. */
    warmup: { type: 'string', default: '1' },
    qos: { type: 'string', default: '1' },
    /** Readings per second over all connections; 0: as fast as acknowledgements come. */
    rate: { type: 'string', default: '0' },
    /** Only connect, and hold the connections until the measured seconds are over. */
    idle: { type: 'boolean', default: false },
    prefix: { type: 'string', default: 'bench' },
    /** Readings come from so many devices by turns, at most one for each place in the window; 0: one a connection. */
    devices: { type: 'string', default: '0' },
    /** They speak by so many schemas by turns, on `sensors/DEVICE/kind-0000` and on; 0: on `sensors/DEVICE/environment`. */
    schemas: { type: 'string', default: '0' },
    /** Bytes of a payload, which a text brings it to; 0: about 90 of numbers. */
    payload: { type: 'string', default: '0' },
    /** Seconds of a window of the result's `windows`; 0: none. */
    each: { type: 'string', default: '0' },
  },
});

const port = Number(values.port);
const connections = Number(values.connections);
const window = Math.min(Number(values.window), 65_535);
const measuredMs = Number(values.seconds) * 1000;
const warmupMs = Number(values.warmup) * 1000;
const qos = values.qos === '0' ? 0 : 1;
const rate = Number(values.rate);
const devicesEach = Math.min(window, Math.ceil(Number(values.devices) / connections));
const schemas = Number(values.schemas);
const eachMs = Number(values.each) * 1000;
const QUIET_MS = 5000;
const TS_DIGITS = 13;
const SEQ_DIGITS = 9;
const FIRST_SEQ = 100_000_000;
const ALPHABET = 'abcdefghijklmnopqrstuvwxyz 0123456789 ';
/** Of a payload with an empty text. */
const SMALLEST_PAYLOAD = 50;
const textCharacters = textCharactersOf(Number(values.payload));

const latencies = new LatencyHistogram();
const windowLatencies = eachMs > 0 ? new LatencyHistogram() : null;
let measuring = false;
let sending = true;
let sent = 0;
let acknowledged = 0;
let acknowledgedMeasured = 0;
let broken = 0;
let beforeWindow = 0;
const windows: { endMs: number; perSecond: number; p99Ms: number | null }[] = [];

/** One connection: `window` packets side by side in one buffer, reused as their acknowledgements come. */
class Device {
  readonly #socket: Socket;
  readonly #packets: Buffer;
  readonly #stride: number;
  readonly #tsAt: number;
  /** -1: it has none. */
  readonly #seqAt: number;
  readonly #sentAt = new Float64Array(window);
  readonly #baseTs = Date.now() - 60_000;
  #next = 0;
  #seq = 0;
  #credit = qos === 1 ? window : 0;
  /** Bytes of an acknowledgement cut in two by the transport. */
  #partial = 0;
  #partialId = 0;

  constructor(socket: Socket, name: string, connection: number) {
    this.#socket = socket;
    // All packets of a connection are equally long.
    const deviceOf = (slot: number): string =>
      devicesEach === 0 ? name : `${name}-${String(slot % devicesEach).padStart(5, '0')}`;
    const kindOf = (slot: number): string => {
      if (schemas === 0) return 'environment';
      const turn = devicesEach === 0 ? connection : connection * devicesEach + (slot % devicesEach);
      return `kind-${String(turn % schemas).padStart(4, '0')}`;
    };
    const payload =
      textCharacters === null
        ? `{"ts":${this.#baseTs},"temperature":21.53,"humidity":45.2,"pressure":1013.25,"seq":${FIRST_SEQ}}`
        : `{"ts":${this.#baseTs},"temperature":21.53,"note":"${ALPHABET.repeat(Math.ceil(textCharacters / ALPHABET.length)).slice(0, textCharacters)}"}`;
    const one = (messageId: number): Buffer =>
      generate({
        cmd: 'publish',
        topic: `sensors/${deviceOf(messageId)}/${kindOf(messageId)}`,
        payload,
        qos,
        dup: false,
        retain: false,
        ...(qos === 1 ? { messageId } : {}),
      });
    const first = one(1);
    this.#stride = first.length;
    this.#tsAt = first.indexOf('"ts":') + 5;
    const seqAt = first.indexOf('"seq":');
    this.#seqAt = seqAt < 0 ? -1 : seqAt + 6;
    this.#packets = Buffer.concat(Array.from({ length: window }, (_, slot) => one(slot + 1)));
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('close', () => {
      if (sending) broken += 1;
    });
  }

  get free(): number {
    return qos === 1 ? this.#credit : this.#socket.writableNeedDrain ? 0 : window;
  }

  get inFlight(): number {
    return qos === 1 ? window - this.#credit : 0;
  }

  /** Puts up to `n` more readings on the wire, as far as the window has room. */
  send(n: number): void {
    let left = Math.min(n, this.free);
    const now = performance.now();
    while (left > 0) {
      const run = Math.min(left, window - this.#next);
      for (let slot = this.#next; slot < this.#next + run; slot += 1) {
        const at = slot * this.#stride;
        digits(this.#packets, at + this.#tsAt, this.#baseTs + this.#seq, TS_DIGITS);
        if (this.#seqAt >= 0) digits(this.#packets, at + this.#seqAt, FIRST_SEQ + this.#seq, SEQ_DIGITS);
        this.#seq += 1;
        this.#sentAt[slot] = now;
      }
      this.#socket.write(
        this.#packets.subarray(this.#next * this.#stride, (this.#next + run) * this.#stride),
      );
      this.#next = (this.#next + run) % window;
      if (qos === 1) this.#credit -= run;
      left -= run;
      sent += run;
    }
  }

  end(): void {
    this.#socket.end(generate({ cmd: 'disconnect' }));
  }

  /** Only PUBACKs come (40 02 id id), in the order of the readings; also cut anywhere. */
  #take(chunk: Buffer): void {
    const now = performance.now();
    let count = 0;
    for (const byte of chunk) {
      if (this.#partial === 0 && byte !== 0x40) continue;
      if (this.#partial === 2) this.#partialId = byte << 8;
      if (this.#partial < 3) {
        this.#partial += 1;
        continue;
      }
      this.#partial = 0;
      count += 1;
      if (!measuring) continue;
      const tookMs = now - (this.#sentAt[(this.#partialId | byte) - 1] ?? now);
      latencies.record(tookMs);
      windowLatencies?.record(tookMs);
    }
    this.#credit += count;
    acknowledged += count;
    if (measuring) acknowledgedMeasured += count;
    if (sending && rate === 0) this.send(count);
  }
}

/** Characters of the text that brings a payload to `bytes`; null: it has no text. */
function textCharactersOf(bytes: number): number | null {
  if (bytes === 0) return null;
  if (!(bytes >= SMALLEST_PAYLOAD)) throw new Error(`--payload: ${SMALLEST_PAYLOAD} bytes at least`);
  return bytes - SMALLEST_PAYLOAD;
}

/** Overwrites a number's digits in place; it must have exactly `width` of them. */
function digits(buffer: Buffer, at: number, value: number, width: number): void {
  let rest = value;
  for (let i = at + width - 1; i >= at; i -= 1) {
    const tenth = Math.floor(rest / 10);
    buffer[i] = 48 + rest - tenth * 10;
    rest = tenth;
  }
}

function open(name: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1');
    socket.setNoDelay(true);
    socket.once('error', reject);
    socket.once('data', () => {
      socket.on('error', () => undefined);
      resolve(socket);
    });
    socket.write(
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion: 4,
        clean: true,
        clientId: name,
        keepalive: 0,
      }),
    );
  });
}

async function main(): Promise<void> {
  const devices: Device[] = [];
  const sockets: Socket[] = [];
  for (let i = 0; i < connections; i += 100) {
    const names = Array.from(
      { length: Math.min(100, connections - i) },
      (_, k) => `${values.prefix}-${i + k}`,
    );
    const opened = await Promise.all(names.map(open));
    for (const [k, socket] of opened.entries()) {
      sockets.push(socket);
      if (!values.idle) devices.push(new Device(socket, names[k] ?? '', i + k));
    }
  }
  // The bench waits for this line before it measures memory.
  process.stderr.write('connected\n');
  if (values.idle) {
    await wait(measuredMs);
    sending = false;
    for (const socket of sockets) socket.destroy();
    return;
  }

  const pace = rate > 0 ? paced(devices) : null;
  if (pace === null) for (const device of devices) device.send(window);
  if (pace === null && qos === 0) pump(devices);
  await wait(warmupMs);
  measuring = true;
  const cpu = process.cpuUsage();
  const began = performance.now();
  const cut = windowLatencies === null ? null : setInterval(cutWindow, eachMs);
  await untilOver(measuredMs);
  if (cut !== null) clearInterval(cut);
  const seconds = (performance.now() - began) / 1000;
  const used = process.cpuUsage(cpu);
  measuring = false;
  sending = false;
  if (pace !== null) clearInterval(pace);
  const deadline = performance.now() + QUIET_MS;
  while (devices.some(({ inFlight }) => inFlight > 0) && performance.now() < deadline) await wait(20);
  for (const device of devices) device.end();

  process.stdout.write(
    `${JSON.stringify({
      sent,
      acknowledged,
      unacknowledged: qos === 1 ? sent - acknowledged : 0,
      seconds: Number(seconds.toFixed(3)),
      perSecond: Math.round(acknowledgedMeasured / seconds),
      p50Ms: latencies.percentile(50),
      p99Ms: latencies.percentile(99),
      maxMs: latencies.percentile(100),
      coreShare: Number(((used.user + used.system) / 1e6 / seconds).toFixed(3)),
      broken,
      windows,
    })}\n`,
  );
}

/** Ends a window: what was acknowledged in it, and how soon. */
function cutWindow(): void {
  const count = acknowledgedMeasured - beforeWindow;
  beforeWindow = acknowledgedMeasured;
  windows.push({
    endMs: Date.now(),
    perSecond: Math.round((count * 1000) / eachMs),
    p99Ms: windowLatencies?.percentile(99) ?? null,
  });
  windowLatencies?.reset();
}

/** QoS 0 has no acknowledgements to go by: sends whenever the socket takes more. */
function pump(devices: readonly Device[]): void {
  if (!sending) return;
  for (const device of devices) device.send(window);
  setImmediate(pump, devices);
}

/** Sends `rate` readings a second, spread over the devices, a few every millisecond. */
function paced(devices: readonly Device[]): NodeJS.Timeout {
  const began = performance.now();
  let due = 0;
  let turn = 0;
  return setInterval(() => {
    const target = Math.floor(((performance.now() - began) / 1000) * rate);
    while (due < target) {
      devices[turn]?.send(1);
      turn = (turn + 1) % devices.length;
      due += 1;
    }
  }, 1);
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** SIGTERM ends it early; the result is printed all the same. */
function untilOver(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    process.once('SIGTERM', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

await main();
