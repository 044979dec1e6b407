import type { Formats } from '../contracts.ts';
import { hasDecimalCommas, type PayloadKind, type PayloadShape, shapeOfPayload } from './payload-shape.ts';
import { isPlainObject } from './plain-object.ts';
import { timeName } from './time-names.ts';
import { namedValueLevel } from './topic-words.ts';
import type { TopicTraffic, TrafficMessage } from './traffic.ts';

/** A sample that has been read. */
export interface ReadSample {
  readonly message: TrafficMessage;
  readonly shape: PayloadShape;
}

/** A topic, and what its payloads are like. */
export interface TopicProfile {
  readonly topic: string;
  readonly levels: readonly string[];
  readonly traffic: TopicTraffic;
  /** Of most of its samples. */
  readonly kind: PayloadKind;
  /** The format of most of them, as one text; `bare` and `other` for those. */
  readonly reading: string;
  readonly format: PayloadShape['format'];
  /** Names at the top of its readings. */
  readonly keys: ReadonlySet<string>;
  /** In words what its payloads are, where no format of this gateway reads them and it is known. */
  readonly foreign: string | null;
  /** All of its samples, also those that are not like most. */
  readonly samples: readonly ReadSample[];
}

/** More names than that tell nothing more of what a topic is like. */
const MAX_KEYS = 200;
const STORABLE = /^[\p{L}_][\p{L}\p{N}_ -]{0,60}$/u;

/** `valueName`: what a bare number with a decimal comma is called, where the topic does not tell. */
export function profileOf(traffic: TopicTraffic, formats: Formats, valueName = 'value'): TopicProfile {
  const levels = traffic.topic.split('/');
  const isDecimalComma = hasDecimalCommas(traffic.samples.map(({ payload }) => payload));
  const name = levels[namedValueLevel(levels) ?? levels.length] ?? valueName;
  const samples = traffic.samples.map((message) => {
    const { payload, contentType } = message;
    return {
      message,
      shape: shapeOfPayload(
        payload,
        { contentType, isDecimalComma, valueName: STORABLE.test(name) ? name : 'value' },
        formats,
      ),
    };
  });
  const counts = new Map<string, number>();
  for (const { shape } of samples) counts.set(readingOf(shape), (counts.get(readingOf(shape)) ?? 0) + 1);
  const [most] = [...counts].sort(([, a], [, b]) => b - a);
  const reading = most?.[0] ?? 'other';
  const like = samples.filter(({ shape }) => readingOf(shape) === reading);
  const keys = new Set<string>();
  for (const { shape } of like)
    for (const value of shape.values)
      if (isPlainObject(value)) for (const key of Object.keys(value)) if (keys.size < MAX_KEYS) keys.add(key);
  return {
    topic: traffic.topic,
    levels,
    traffic,
    kind: like[0]?.shape.kind ?? 'other',
    reading,
    format: like[0]?.shape.format ?? null,
    keys,
    foreign: like[0]?.shape.why ?? null,
    samples,
  };
}

/** The name of the one value that a payload is, where its format gives it one: a number with a decimal comma. */
export function ownValueName({ format }: Pick<TopicProfile, 'format'>): string | null {
  const csv = isPlainObject(format) ? format.csv : null;
  const columns = isPlainObject(csv) && Array.isArray(csv.columns) ? csv.columns : [];
  return columns.length === 1 ? String(columns[0]) : null;
}

export function readingOf({ kind, format }: PayloadShape): string {
  return kind === 'object' ? JSON.stringify(format) : kind;
}

/** Every message has some of these: they do not tell kinds of messages apart. */
const EVERYWHERE = /^(?:time|ts|timestamp|date|datetime|id|device|device_id|name|seq|type|mac)$/i;

/** Names of any value: what it is of, the topic tells. */
const ANY_VALUE = /^(?:v|val|value\d*|wert)$/i;

/** False where both tell a time, and never under the same name: one schema reads the time of one of them only. */
export function haveOneTime(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  const times = [...a].filter(isTime);
  return times.length === 0 || times.some((key) => b.has(key)) || ![...b].some(isTime);
}

function isTime(key: string): boolean {
  return timeName(key)?.isAmbiguous === false || /^(?:time|date)$/i.test(key);
}

export function isAnyValueName(key: string): boolean {
  return ANY_VALUE.test(key);
}

/** Whether the names themselves show what is told, whatever the topic is called. */
export function tellsWhatItIs(keys: ReadonlySet<string>): boolean {
  return [...keys].some((key) => !EVERYWHERE.test(key) && !ANY_VALUE.test(key));
}

/** From 0 (nothing in common) to 1. Of two without a name that tells anything, 1. */
export function likeness(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let both = 0;
  let either = 0;
  for (const key of a) {
    if (EVERYWHERE.test(key)) continue;
    either += 1;
    if (b.has(key)) both += 1;
  }
  for (const key of b) if (!EVERYWHERE.test(key) && !a.has(key)) either += 1;
  return either === 0 ? 1 : both / either;
}
