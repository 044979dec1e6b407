import { canonicalSpec } from '../canonical-spec.ts';
import type { Problem } from '../errors.ts';
import { measurementProblem, nameProblem } from '../line-protocol/encode.ts';
import { type LeafShape, leavesOf, type ObjectShape, type UnmappedShape, unmappedOf } from './field-shape.ts';
import { escapePointer, type JsonDocument } from './json-document.ts';
import type { FormatProblem } from './mapping-deps.ts';
import { propertyPath, samePath } from './property-path.ts';
import { durationMs } from './reading-time.ts';
import { RESERVED_NAMES } from './reserved-names.ts';
import type { SeriesRule, TagSource } from './series-rule.ts';
import { lengthProblem } from './series-words.ts';
import type { Telemetry } from './telemetry.ts';
import { planTime, type TimePlan } from './time-plan.ts';
import { FIELD_CAPTURE, parseTopicPattern, type TopicPattern } from './topic-pattern.ts';

/** What the `telemetry` section means for the declared properties: each has one role. */
export interface TelemetryPlan {
  readonly patterns: readonly TopicPattern[];
  readonly series: SeriesRule;
  /** The fixed measurement, or `{capture}`. */
  readonly measurement: string;
  readonly fields: readonly LeafShape[];
  readonly unmapped: readonly UnmappedShape[];
  readonly time: TimePlan | null;
  readonly select: readonly (readonly [name: string, value: string | number | boolean])[];
  readonly identity: readonly (readonly string[])[];
  /** The format spec; null: `json`, or `scalar` on a {field} topic. */
  readonly format: string | null;
  readonly expectEveryMs: number | null;
  /** Every reading is to have a receipt, not only a rejected one. */
  readonly receipt: boolean;
}

const CAPTURE = /^\{(.*)\}$/;

/** Problems are added to `problems`; with any, the plan is not to be used. */
export function planTelemetry(
  document: JsonDocument,
  telemetry: Telemetry,
  shape: ObjectShape,
  problems: Problem[],
  formatProblem: FormatProblem,
): TelemetryPlan {
  const at = (key: string, message: string): void => {
    problems.push(document.problem(`/telemetry${key}`, message));
  };
  const leaves = leavesOf(shape);
  const leafAt = (path: readonly string[]): LeafShape | undefined =>
    leaves.find((leaf) => samePath(leaf.path, path));
  const patterns = patternsOf(telemetry, at);
  const inAll = (name: string): boolean => patterns.every(({ captures }) => captures.includes(name));
  const inSome = (name: string): boolean => patterns.some(({ captures }) => captures.includes(name));
  const hasFieldTopic = inSome(FIELD_CAPTURE);

  const measurementCapture = CAPTURE.exec(telemetry.measurement)?.[1];
  const measurement: TagSource =
    measurementCapture === undefined
      ? { kind: 'constant', text: telemetry.measurement }
      : { kind: 'capture', name: measurementCapture };
  if (measurementCapture === undefined) {
    const problem = measurementProblem(telemetry.measurement);
    if (problem !== null) at('/measurement', problem);
  } else if (!inAll(measurementCapture)) {
    at('/measurement', `every topic must capture {${measurementCapture}}`);
  }

  const device = deviceSource(telemetry.device ?? '{device}');
  if (device.kind === 'capture' && !inAll(device.name)) {
    const missing = patterns.find(({ captures }) => !captures.includes(device.name))?.text ?? '';
    at(
      telemetry.device === undefined ? '' : '/device',
      `no device: the topic ${missing} does not capture {${device.name}}; capture it, or set "device" to a JSON Pointer, "clientId", "username" or "port"`,
    );
  }
  if (device.kind === 'property') {
    const leaf = leafAt(device.path);
    if (leaf === undefined) at('/device', 'names no declared property');
    else if (leaf.type === 'float') at('/device', 'a number is no name: declare it as integer or string');
    if (hasFieldTopic)
      at('/device', 'a {field} topic carries one bare value: it has no property that names the device');
  }

  const tags = new Map<string, TagSource>();
  const tagPaths: (readonly string[])[] = [];
  const addTag = (key: string, source: TagSource, where: string): void => {
    const problem = nameProblem(key);
    if (problem !== null) at(where, `tag "${key}" ${problem}`);
    else if (RESERVED_NAMES.has(key.toLowerCase())) at(where, `"${key}" is a name of the database's own`);
    else if ([...tags.keys()].some((known) => known.toLowerCase() === key.toLowerCase())) {
      at(where, `the tag "${key}" is there already`);
    } else tags.set(key, source);
  };
  const deviceTag = telemetry.deviceTag ?? 'device';
  if (deviceTag !== false) addTag(deviceTag, device, telemetry.deviceTag === undefined ? '' : '/deviceTag');
  for (const [i, name] of (telemetry.tags ?? []).entries()) {
    const where = `/tags/${i}`;
    if (typeof name !== 'string') {
      const { userProperty, as = userProperty } = name;
      const problem = lengthProblem(userProperty);
      if (problem !== null) at(where, `the name of the user property ${problem}`);
      addTag(as, { kind: 'userProperty', name: userProperty }, where);
      continue;
    }
    const path = propertyPath(name);
    if (device.kind === 'capture' && device.name === name && deviceTag === name) continue;
    if (inSome(name)) addTag(name, { kind: 'capture', name }, where);
    const leaf = leafAt(path);
    if (leaf !== undefined) {
      tagPaths.push(path);
      if (leaf.type === 'float') at(where, 'a number makes a poor tag: every new value is a new series');
      else if (!inSome(name)) addTag(leaf.field ?? path.join('_'), { kind: 'property', path }, where);
    } else if (!inSome(name)) at(where, `"${name}" is neither captured by a topic nor a declared property`);
  }
  for (const [key, text] of Object.entries(telemetry.constants ?? {})) {
    const problem = nameProblem(text);
    const where = `/constants/${escapePointer(key)}`;
    if (problem !== null) at(where, problem);
    addTag(key, { kind: 'constant', text }, where);
  }

  const time = planTime(telemetry, leafAt, at);
  const select = Object.entries(telemetry.select ?? {});
  if (select.length > 0 && hasFieldTopic)
    at('/select', 'a {field} topic carries one bare value: it has no properties to select by');
  for (const [name] of select) {
    if (name in Object.prototype) at(`/select/${escapePointer(name)}`, 'is a name that every object has');
  }
  const identity = (telemetry.identity ?? []).map(propertyPath);
  for (const [i, path] of identity.entries()) {
    if (leafAt(path) === undefined) at(`/identity/${i}`, 'names no declared property');
  }

  const format = telemetry.format === undefined ? null : canonicalSpec(telemetry.format);
  const wrongFormat = format === null ? null : formatProblem(format);
  if (wrongFormat !== null) at('/format', wrongFormat);
  const expectEveryMs = telemetry.expectEvery === undefined ? null : durationMs(telemetry.expectEvery);
  if (expectEveryMs === 0) at('/expectEvery', 'must be more than nothing');

  const isOther = (leaf: LeafShape): boolean =>
    (time !== null && samePath(leaf.path, time.path)) ||
    tagPaths.some((path) => samePath(leaf.path, path)) ||
    (device.kind === 'property' && deviceTag !== false && samePath(leaf.path, device.path));
  const fields = leaves.filter((leaf) => leaf.field !== null && !isOther(leaf));
  checkFieldNames(document, fields, new Set([...tags.keys()].map((key) => key.toLowerCase())), problems);
  if (time !== null && time.original !== null) {
    const taken = new Set([...tags.keys(), ...fields.map(({ field, name }) => field ?? name)].map(lowerCase));
    const problem = nameProblem(time.original);
    const own =
      problem ?? (RESERVED_NAMES.has(lowerCase(time.original)) ? "is a name of the database's own" : null);
    if (own !== null) at('/time/original', own);
    else if (taken.has(lowerCase(time.original))) {
      at('/time/original', `"${time.original}" is a field or a tag already; set "original" to another name`);
    }
  }
  if (fields.length === 0 && problems.length === 0) {
    at('', 'leaves no property to store as a field');
  }
  return {
    patterns,
    series: { measurement, device, tags },
    measurement: telemetry.measurement,
    fields,
    unmapped: unmappedOf(shape),
    time,
    select,
    identity,
    format,
    expectEveryMs,
    receipt: telemetry.receipts === 'all',
  };
}

function lowerCase(text: string): string {
  return text.toLowerCase();
}

function patternsOf(telemetry: Telemetry, at: (key: string, message: string) => void): TopicPattern[] {
  return telemetry.topics.flatMap((text, i) => {
    const pattern = parseTopicPattern(text);
    if (typeof pattern !== 'string') return [pattern];
    at(`/topics/${i}`, pattern);
    return [];
  });
}

function deviceSource(device: string): TagSource {
  if (device === 'clientId' || device === 'username' || device === 'port')
    return { kind: 'message', what: device };
  const capture = CAPTURE.exec(device)?.[1];
  return capture === undefined
    ? { kind: 'property', path: propertyPath(device) }
    : { kind: 'capture', name: capture };
}

function checkFieldNames(
  document: JsonDocument,
  fields: readonly LeafShape[],
  tags: ReadonlySet<string>,
  problems: Problem[],
): void {
  const names = new Map<string, LeafShape>();
  for (const leaf of fields) {
    const name = leaf.field ?? '';
    const at = (message: string): void => {
      problems.push(document.problem(leaf.pointer, message));
    };
    const lower = name.toLowerCase();
    const problem = nameProblem(name);
    const other = names.get(lower);
    if (problem !== null) at(`its field name "${name}" ${problem}`);
    else if (RESERVED_NAMES.has(lower))
      at(`"${name}" is a name of the database's own; set "field" to another`);
    else if (tags.has(lower)) at(`"${name}" is a tag already; set "field" to another name`);
    else if (other !== undefined) {
      at(`its field name "${name}" is taken by /${other.path.join('/')}; set "field" to another`);
    } else names.set(lower, leaf);
  }
}
