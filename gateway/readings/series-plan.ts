import type { Message, Violation } from '../contracts.ts';
import {
  compareBytes,
  escapeName,
  measurementProblem,
  measurementToken,
  nameProblem,
} from '../line-protocol/encode.ts';
import { escapePointer } from './json-document.ts';
import { valueAt } from './property-path.ts';
import { inWords } from './violation-words.ts';

/** Where the text of a tag comes from. */
export type TagSource =
  | { readonly kind: 'constant'; readonly text: string }
  | { readonly kind: 'capture'; readonly name: string }
  | { readonly kind: 'property'; readonly path: readonly string[] }
  | { readonly kind: 'message'; readonly what: 'clientId' | 'username' | 'port' };

export interface SeriesRule {
  /** A name, or a capture. */
  readonly measurement: TagSource;
  readonly device: TagSource;
  /** Tag keys and where their texts come from; the device is among them where it is a tag. */
  readonly tags: ReadonlyMap<string, TagSource>;
}

/** The longest text of a tag, bytes: senders choose them, and each new one is a series that the database keeps. */
const MAX_TAG_BYTES = 256;

/** Everything before the fields, and who it is from; or the reasons why not. */
export type Series =
  | { readonly prefix: string; readonly device: string }
  | { readonly device: string | null; readonly violations: readonly Violation[] };

/** How the series of a reading is told, once its topic is known. */
export interface SeriesReader {
  /** The device, where the topic or the message tells it; else null. */
  deviceOf(message: Message): string | null;
  seriesOf(reading: unknown, message: Message): Series;
}

interface Piece {
  /** `,site=` */
  readonly key: string;
  readonly source: TagSource;
  readonly read: (reading: unknown, message: Message) => unknown;
}

/** What the topic tells is worked out here, once per topic. */
export function bindSeries(rule: SeriesRule, captures: ReadonlyMap<string, string>): SeriesReader {
  const violations: Violation[] = [];
  const fixed = (source: TagSource): string | null =>
    source.kind === 'constant'
      ? source.text
      : source.kind === 'capture'
        ? (captures.get(source.name) ?? null)
        : null;

  const measurement = fixed(rule.measurement) ?? '';
  const problem = measurementProblem(measurement) ?? lengthProblem(measurement);
  if (problem !== null) violations.push(violation(rule.measurement, measurement, problem));

  // Adjoining fixed tags become one text, the rest stays to be read.
  const pieces: (string | Piece)[] = [problem === null ? measurementToken(measurement) : ''];
  const tags = [...rule.tags].sort(([a], [b]) => compareBytes(a, b));
  for (const [name, source] of tags) {
    const key = `,${escapeName(name)}=`;
    if (source.kind === 'property' || source.kind === 'message') {
      pieces.push({ key, source, read: readerOf(source) });
      continue;
    }
    const text = fixed(source);
    // Only another of the schema's topics has this capture.
    if (text === null) continue;
    const wrong = tagProblem(text);
    if (wrong !== null) violations.push(violation(source, text, wrong));
    const last = pieces.pop();
    const token = key + escapeName(text);
    if (typeof last === 'string') pieces.push(last + token);
    else pieces.push(...(last === undefined ? [] : [last]), token);
  }

  const { device } = rule;
  const fixedDevice = fixed(device);
  const deviceProblem = fixedDevice === null ? null : tagProblem(fixedDevice);
  if (deviceProblem !== null && ![...rule.tags.values()].includes(device)) {
    violations.push(violation(device, fixedDevice ?? '', deviceProblem));
  }
  const deviceText = deviceProblem === null ? fixedDevice : null;
  const readDevice = readerOf(device);

  const deviceOf = (message: Message): string | null => {
    if (device.kind !== 'message') return deviceText;
    const text = readDevice(undefined, message);
    return typeof text === 'string' && tagProblem(text) === null ? text : null;
  };

  if (violations.length > 0) {
    return { deviceOf, seriesOf: (_, message) => ({ device: deviceOf(message), violations }) };
  }
  const [only] = pieces;
  if (pieces.length === 1 && typeof only === 'string' && deviceText !== null) {
    const series: Series = { prefix: only, device: deviceText };
    return { deviceOf, seriesOf: () => series };
  }
  return {
    deviceOf,
    seriesOf(reading, message) {
      const found: Violation[] = [];
      let prefix = '';
      for (const piece of pieces) {
        if (typeof piece === 'string') {
          prefix += piece;
          continue;
        }
        const text = textOf(piece.read(reading, message));
        if (text === null) continue;
        const wrong = tagProblem(text);
        if (wrong === null) prefix += piece.key + escapeName(text);
        else found.push(violation(piece.source, text, wrong));
      }
      const name = fixedDevice ?? textOf(readDevice(reading, message));
      if (name === null) found.push(noDevice(device));
      else if (fixedDevice === null && found.length === 0) {
        const wrong = tagProblem(name);
        if (wrong !== null) found.push(violation(device, name, wrong));
      }
      if (found.length > 0 || name === null) return { device: deviceOf(message), violations: found };
      return { prefix, device: name };
    },
  };
}

function readerOf(source: TagSource): (reading: unknown, message: Message) => unknown {
  switch (source.kind) {
    case 'property': {
      const read = valueAt(source.path);
      return (reading) => read(reading);
    }
    case 'message':
      switch (source.what) {
        case 'clientId':
          return (_, message) => message.client;
        case 'username':
          return (_, message) => message.username;
        case 'port':
          return (_, message) => message.device;
      }
  }
  return () => null;
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

function tagProblem(text: string): string | null {
  return nameProblem(text) ?? lengthProblem(text);
}

function lengthProblem(text: string): string | null {
  return text.length > MAX_TAG_BYTES || Buffer.byteLength(text) > MAX_TAG_BYTES
    ? `must have at most ${MAX_TAG_BYTES} bytes`
    : null;
}

function violation(source: TagSource, text: string, problem: string): Violation {
  const got = `${problem}, got ${inWords(text)}`;
  switch (source.kind) {
    case 'constant':
      return { pointer: '', message: `the schema's own text ${got}` };
    case 'capture':
      return { pointer: '', message: `{${source.name}} of the topic ${got}` };
    case 'property':
      return { pointer: pointerOf(source.path), message: `is stored as a tag: ${got}` };
    case 'message':
      return { pointer: '', message: `the ${source.what} names the device: it ${got}` };
  }
}

function noDevice(source: TagSource): Violation {
  if (source.kind === 'property') {
    return { pointer: pointerOf(source.path), message: 'is required, but missing: it names the device' };
  }
  const what = source.kind === 'message' ? source.what : source.kind;
  const why =
    what === 'username' ? 'the client did not log in' : 'the source it came through has no device configured';
  return { pointer: '', message: `the ${what} names the device, and there is none: ${why}` };
}

function pointerOf(path: readonly string[]): string {
  return path.map((name) => `/${escapePointer(name)}`).join('');
}
