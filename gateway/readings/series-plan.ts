import type { Message, SchemaField, Series, Violation } from '../contracts.ts';
import type { DeviceBook, DeviceSettings } from '../ledger-contract.ts';
import { compareBytes, escapeName, measurementProblem, measurementToken } from '../line-protocol/encode.ts';
import { type Columns, tagsFor } from './device-settings.ts';
import { valueAt } from './property-path.ts';
import type { SeriesCache } from './series-cache.ts';
import type { SeriesRule, TagSource } from './series-rule.ts';
import { lengthProblem, noDevice, tagProblem, unreadTag, violationOfTag } from './series-words.ts';
import { TwoGenerations } from './two-generations.ts';

/** What a rule is bound with, besides the topic. */
export interface SeriesContext {
  /** Of the schema: see `Series`. */
  readonly fields: readonly SchemaField[];
  readonly book: DeviceBook;
  /** Of the measurement. */
  readonly columns: Columns;
  readonly cache: SeriesCache;
}

/** Where a reading is stored and whose it is; or the reasons why not. */
export type ToldSeries =
  | Series
  | { readonly device: string | null; readonly violations: readonly Violation[] };

/** How the series of a reading is told, once its topic is known. */
export interface SeriesReader {
  /** The device, where the topic tells it to all readings. */
  readonly fixedDevice: string | null;
  /** The device, where the topic or the message tells it; else null. */
  deviceOf(message: Message): string | null;
  seriesOf(reading: unknown, message: Message): ToldSeries;
}

interface Piece {
  /** `,site=` */
  readonly key: string;
  readonly source: TagSource;
  readonly read: (reading: unknown, message: Message) => unknown;
}

/** The key of a series in order: texts, and what stays to be read from each reading. */
type Pieces = readonly (string | Piece)[];

/** Devices with settings of their own on one topic whose pieces are remembered. */
const REMEMBERED_DEVICES = 500;

/** What the topic tells is worked out here, once per topic. */
export function bindSeries(
  rule: SeriesRule,
  captures: ReadonlyMap<string, string>,
  { fields, book, columns, cache }: SeriesContext,
): SeriesReader {
  const violations: Violation[] = [];
  const fixed = (source: TagSource): string | null =>
    source.kind === 'constant'
      ? source.text
      : source.kind === 'capture'
        ? (captures.get(source.name) ?? null)
        : null;

  const measurement = fixed(rule.measurement) ?? '';
  const problem = measurementProblem(measurement) ?? lengthProblem(measurement);
  if (problem !== null) violations.push(violationOfTag(rule.measurement, measurement, problem));

  for (const source of rule.tags.values()) {
    const text = fixed(source);
    const wrong = text === null ? null : tagProblem(text);
    if (wrong !== null) violations.push(violationOfTag(source, text ?? '', wrong));
  }

  const { device } = rule;
  const fixedDevice = fixed(device);
  const deviceProblem = fixedDevice === null ? null : tagProblem(fixedDevice);
  if (deviceProblem !== null && ![...rule.tags.values()].includes(device)) {
    violations.push(violationOfTag(device, fixedDevice ?? '', deviceProblem));
  }
  const deviceText = deviceProblem === null ? fixedDevice : null;
  const readDevice = readerOf(device);

  const deviceOf = (message: Message): string | null => {
    if (device.kind !== 'message') return deviceText;
    const text = readDevice(undefined, message);
    return typeof text === 'string' && tagProblem(text) === null ? text : null;
  };

  if (violations.length > 0) {
    return {
      fixedDevice: deviceText,
      deviceOf,
      seriesOf: (_, message) => ({ device: deviceOf(message), violations }),
    };
  }

  /** Adjoining fixed tags become one text, the rest stays to be read. */
  const piecesFor = (settings: DeviceSettings | null): Pieces => {
    const pieces: (string | Piece)[] = [];
    let text = measurementToken(measurement);
    const tags = [...tagsFor(rule, settings, columns, captures)].sort(([a], [b]) => compareBytes(a, b));
    for (const [name, source] of tags) {
      const key = `,${escapeName(name)}=`;
      if (source.kind !== 'constant' && source.kind !== 'capture') {
        pieces.push(text, { key, source, read: readerOf(source) });
        text = '';
        continue;
      }
      // Where this topic does not have the capture, another of the schema's topics does.
      const value = fixed(source);
      if (value !== null) text += key + escapeName(value);
    }
    if (text !== '') pieces.push(text);
    return pieces.filter((piece) => piece !== '');
  };

  const common = piecesFor(deviceText === null ? null : book.of(deviceText));
  const [only] = common;
  if (common.length === 1 && typeof only === 'string' && deviceText !== null) {
    const series: Series = { key: only, measurement, device: deviceText, fields, known: null };
    return { fixedDevice: deviceText, deviceOf, seriesOf: () => series };
  }

  let special: TwoGenerations<Pieces> | null = null;
  const piecesOf = (name: string): Pieces => {
    if (fixedDevice !== null) return common;
    const settings = book.of(name);
    if (settings === null) return common;
    special ??= new TwoGenerations(REMEMBERED_DEVICES);
    const known = special.get(name);
    if (known !== undefined) return known;
    const pieces = piecesFor(settings);
    special.set(name, pieces);
    return pieces;
  };

  return {
    fixedDevice: deviceText,
    deviceOf,
    seriesOf(reading, message) {
      const name = fixedDevice ?? textOf(readDevice(reading, message));
      const wrongName = name === null || fixedDevice !== null ? null : tagProblem(name);
      const pieces = name === null || wrongName !== null ? common : piecesOf(name);
      let found: Violation[] | null = null;
      let key = '';
      for (const piece of pieces) {
        if (typeof piece === 'string') {
          key += piece;
          continue;
        }
        const text = textOf(piece.read(reading, message));
        const wrong = text === null ? unreadTag(piece.source, message) : tagViolation(piece.source, text);
        if (wrong !== null) {
          found ??= [];
          found.push(wrong);
        } else if (text !== null) key += piece.key + escapeName(text);
      }
      if (name === null) found = [...(found ?? []), noDevice(device, message)];
      else if (wrongName !== null && found === null) found = [violationOfTag(device, name, wrongName)];
      if (found !== null || name === null) return { device: deviceOf(message), violations: found ?? [] };
      return cache.of(key, measurement, name, fields);
    },
  };
}

function readerOf(source: TagSource): (reading: unknown, message: Message) => unknown {
  switch (source.kind) {
    case 'property': {
      const read = valueAt(source.path);
      return (reading) => read(reading);
    }
    case 'userProperty': {
      const { name } = source;
      // One that is empty says nothing, and could be no tag.
      return (_, message) => message.relay?.userProperties.get(name) || null;
    }
    case 'message':
      switch (source.what) {
        case 'clientId':
          // Of a message from another broker it is that broker's name, not the sender's.
          return (_, message) => (message.relay === null ? message.client : null);
        case 'username':
          return (_, message) => (message.relay === null ? message.username : null);
        case 'port':
          return (_, message) => message.device;
      }
  }
  return () => null;
}

function tagViolation(source: TagSource, text: string): Violation | null {
  const problem = tagProblem(text);
  return problem === null ? null : violationOfTag(source, text, problem);
}

function textOf(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}
