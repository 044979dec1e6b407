import { basename, resolve } from 'node:path';
import type { SerialPortConfig } from './gateway-config.ts';
import type { RawSerialPort } from './raw-config.ts';
import { parseDuration, parseSize } from './units.ts';

type Report = { problem(pointer: string, message: string): void };

/** What a framing bounds itself is not bounded again. */
const BOUNDED_BY_THEMSELVES = new Set(['fixed', 'pms5003', 'sds011']);
const WINDOWS_PORT = /^(?:COM\d+|\\\\\.\\.*)$/i;
const MAX_TOPIC_BYTES = 1024;

/** Completes the entries of `serial:` and checks what a schema cannot say. */
export function normaliseSerial(
  ports: readonly RawSerialPort[],
  base: string,
  report: Report,
): readonly SerialPortConfig[] {
  const names = new Set<string>();
  const devices = new Set<string>();
  return ports.map((raw, i) => {
    const pointer = `/serial/${i}`;
    const port = normalisePort(raw, i, base);
    for (const { at, message } of contradictions(raw, port)) report.problem(pointer + at, message);
    if (names.has(port.name))
      report.problem(pointer, `needs a name of its own: another port is ${port.name}`);
    else if (devices.has(port.device))
      report.problem(pointer, `needs a device of its own: another port is the device ${port.device}`);
    names.add(port.name);
    devices.add(port.device);
    return port;
  });
}

function normalisePort(raw: RawSerialPort, index: number, base: string): SerialPortConfig {
  const { path, match } = raw;
  const name = raw.name ?? raw.device ?? nameFor(path, index);
  const framing = typeof raw.framing === 'string' ? { kind: raw.framing } : raw.framing;
  const maxFrameBytes = parseSize(raw.maxFrame) ?? 0;
  return {
    name,
    path: path === undefined || WINDOWS_PORT.test(path) ? (path ?? null) : resolve(base, path),
    match:
      match === undefined
        ? null
        : {
            vendorId: match.vendorId ?? null,
            productId: match.productId ?? null,
            serialNumber: match.serialNumber ?? null,
          },
    each: raw.each,
    baudRate: raw.baudRate,
    dataBits: raw.dataBits,
    parity: raw.parity,
    stopBits: raw.stopBits,
    rtscts: raw.rtscts,
    framing: bounded(framing, maxFrameBytes),
    format: raw.format ?? null,
    topic: raw.topic,
    device: raw.device ?? name,
    settleMs: parseDuration(raw.settle) ?? 0,
    silenceMs: raw.silence === undefined ? null : (parseDuration(raw.silence) ?? Number.MAX_SAFE_INTEGER),
    ack: raw.ack,
    downlink: raw.downlink ?? [],
  };
}

function bounded(framing: { readonly kind: string }, maxFrameBytes: number): { readonly kind: string } {
  if (BOUNDED_BY_THEMSELVES.has(framing.kind)) return framing;
  const whole = { maxFrameBytes, ...framing };
  return whole;
}

function nameFor(path: string | undefined, index: number): string {
  const name =
    path === undefined
      ? ''
      : basename(path)
          .replace(/[^A-Za-z0-9._-]/g, '')
          .slice(0, 64);
  return /^[A-Za-z0-9]/.test(name) ? name : `serial${index}`;
}

function contradictions(
  raw: RawSerialPort,
  { settleMs, silenceMs }: SerialPortConfig,
): { readonly at: string; readonly message: string }[] {
  const found: { at: string; message: string }[] = [];
  const { path, match, topic } = raw;
  if (path === undefined && match === undefined)
    found.push({ at: '', message: 'needs path, or match with vendorId, productId or serialNumber' });
  if (path !== undefined && match !== undefined)
    found.push({ at: '/match', message: 'cannot stand beside path: keep one of them' });
  if (match !== undefined && Object.keys(match).length === 0)
    found.push({ at: '/match', message: 'needs vendorId, productId or serialNumber' });
  if (path !== undefined && /[*?].*\//.test(path))
    found.push({ at: '/path', message: 'may hold * and ? only in its last part' });
  if (/[+#]|\p{Cc}/u.test(topic) || /\{(?!device\})/.test(topic))
    found.push({ at: '/topic', message: 'must be a topic without wildcards; only {device} is filled in' });
  if (Buffer.byteLength(topic) > MAX_TOPIC_BYTES)
    found.push({ at: '/topic', message: `must have at most ${MAX_TOPIC_BYTES} bytes` });
  if (/^(?:gateway|\$[^/]*)(?:\/|$)/.test(topic))
    found.push({ at: '/topic', message: 'is reserved: readings do not go under gateway/ or $…' });
  const maxFrameBytes = parseSize(raw.maxFrame) ?? 0;
  if (maxFrameBytes < 1 || maxFrameBytes > 65_536)
    found.push({ at: '/maxFrame', message: 'must be from 1B to 64KiB' });
  if (settleMs > 60_000) found.push({ at: '/settle', message: 'must be at most 60s' });
  if (silenceMs !== null && silenceMs < 1000) found.push({ at: '/silence', message: 'must be at least 1s' });
  return found;
}
