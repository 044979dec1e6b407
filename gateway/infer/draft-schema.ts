import {
  type DraftedProperties,
  draftProperties,
  type SchemaPart,
  tagProperties,
} from './draft-properties.ts';
import { noteOnIdentity } from './identity-note.ts';
import { type Roles, rolesOf } from './level-roles.ts';
import type { FormatSpec } from './payload-shape.ts';
import { isPlainObject } from './plain-object.ts';
import { type PropertyProfile, ReadingProfile } from './property-profile.ts';
import { readingsOf, type SeenReading, valueUnder } from './reading-values.ts';
import { noteOnSender } from './sender-note.ts';
import { guessTime } from './time-guess.ts';
import { timePart } from './time-part.ts';
import type { TimeGuess } from './told-times.ts';
import type { TopicCluster } from './topic-clusters.ts';
import { isIdLike } from './topic-words.ts';

/** A schema for a family of topics, to be looked at by somebody before it is used. */
export interface SchemaDraft {
  readonly id: string;
  /** Its file's name. */
  readonly file: string;
  /** As `telemetry.topics` has it. */
  readonly topic: string;
  readonly text: string;
  /** What was guessed or left out, and deserves a look. */
  readonly notes: readonly string[];
}

export interface DraftOptions {
  /** Names this machine's time zone where its offset at that moment is the given one; null where it is another. */
  readonly zoneOf: (offsetMs: number, atMs: number) => string | null;
  /** `$id`s and measurements that are in use; what is drafted is added. */
  readonly takenNames: Set<string>;
}

const DEVICE_PROPERTY =
  /^(?:device_?id|device|dev_?id|dev_?eui|sensor_?id|node_?id|mac|serial|serial_?number|sn|id)$/i;

/** A name that tells nothing: a UUID, an EUI. */
const LONG_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$|^(?=.*\d)[0-9a-f]{12,}$/i;
const MAX_MEASUREMENT = 60;

/** In fewer readings no device need have come twice. */
const LEAST_TO_REPEAT = 5;

/** The draft, or in words why there is none. */
export function draftSchema(cluster: TopicCluster, options: DraftOptions): SchemaDraft | string {
  const { members, valueLevel } = cluster;
  const [first] = members;
  if (first === undefined) return 'no topic';
  const readings = readingsOf(members, valueLevel);
  const profile = new ReadingProfile();
  for (const { value } of readings) profile.add(value);
  if (profile.readings === 0) return 'nothing came that could be read as values';
  const roles = rolesOf(cluster);
  const device = deviceOf(cluster, roles, profile.members);
  if (device === null) return 'no level of the topic, and no property, names the device';
  const isBare = first.kind === 'bare';
  const leaves = profile.leaves();
  const guess = isBare ? NO_TIME : guessTime(leaves, readings, options.zoneOf);
  const propertyTags = isBare ? [] : tagProperties(profile.members, [...roles.tags, ...device.taken]);
  const declared = (withTime: TimeGuess | null): DraftedProperties =>
    draftProperties(profile.members, {
      readings: profile.readings,
      time: withTime,
      mixedTimes: guess.mixed,
      taken: [...device.tags, ...propertyTags, 'device', ...(withTime?.hasWrongTimes ? ['device_time'] : [])],
      tagProperties: propertyTags,
      deviceProperties: device.taken,
      unseen: profile.unseen,
    });
  const attempt = declared(guess.time);
  // What holds the time may be nothing that can be declared.
  const time = guess.time !== null && isDeclared(guess.time.path, attempt.properties) ? guess.time : null;
  const drafted = time === guess.time ? attempt : declared(null);
  if (drafted.fields === 0) return `nothing to store as a field: ${drafted.notes.join(' ')}`;
  const measurement = unused(measurementOf(device.pattern, isBare), options.takenNames);
  const id = `${measurement.replaceAll('_', '-')}.v1`;
  const isTagged = new Set([...propertyTags, ...device.taken]);
  const sender =
    isBare || device.pointer !== null
      ? null
      : noteOnSender(
          leaves,
          readings,
          ({ name, path }) =>
            !(path.length === 1 && isTagged.has(name)) && isDeclared(path, drafted.properties),
        );
  const notes = [
    ...device.notes,
    ...(sender === null ? [] : [sender]),
    ...guess.notes,
    ...[noteOnIdentity(leaves, readings, namerOf(device, roles))].filter((note) => note !== null),
    ...drafted.notes,
    ...noteOnFormat(first.format),
    ...(valueLevel === null && isBare ? ['No level names the value: it is stored as "value".'] : []),
  ];
  const format = isBare && valueLevel === null ? { csv: { columns: ['value'] } } : first.format;
  const schema: SchemaPart = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    $id: id,
    title: title(measurement),
    description: description(notes),
    telemetry: {
      measurement,
      topics: [device.pattern],
      ...(device.pointer === null ? {} : { device: device.pointer }),
      ...tagsPart([...device.tags, ...propertyTags]),
      ...(time === null ? {} : { time: timePart({ ...time, clock: time.hasWrongTimes ? 'arrival' : null }) }),
      ...formatPart(format),
    },
    type: 'object',
    ...(isBare || drafted.required.length === 0 ? {} : { required: drafted.required }),
    properties: drafted.properties,
  };
  return {
    id,
    file: `${id}.json`,
    topic: device.pattern,
    text: `${JSON.stringify(schema, null, 2)}\n`,
    notes,
  };
}

const NO_TIME = { time: null, mixed: [], notes: [] } as const;

function isDeclared([name, ...rest]: readonly string[], properties: SchemaPart): boolean {
  if (name === undefined || !Object.hasOwn(properties, name)) return false;
  const property = properties[name];
  if (rest.length === 0) return true;
  return (
    isPlainObject(property) && isPlainObject(property.properties) && isDeclared(rest, property.properties)
  );
}

/** Which device a reading is of, as the gateway will tell. */
function namerOf({ pointer, names }: Device, { deviceLevel }: Roles): (reading: SeenReading) => string {
  return ({ topic, value }) =>
    pointer === null ? (topic.split('/')[deviceLevel ?? 0] ?? '') : String(valueUnder(value, names));
}

function noteOnFormat(format: FormatSpec | null): readonly string[] {
  const csv = isPlainObject(format) && isPlainObject(format.csv) ? format.csv : null;
  if (csv === null || !Array.isArray(csv.columns)) return [];
  const [only] = csv.columns;
  if (csv.columns.length > 1)
    return [
      `Read as ${csv.columns.length} columns without names: give them names in "format" and in "properties".`,
    ];
  return [
    `The comma is taken for that of decimals ("11,97" is 11.97), and the value is called "${only}". If it parts two columns, name both in "format".`,
  ];
}

interface Device {
  readonly pattern: string;
  /** JSON Pointer; null: the level of the topic. */
  readonly pointer: string | null;
  /** The names on its way. */
  readonly names: readonly string[];
  readonly tags: readonly string[];
  /** Names that no tag can have. */
  readonly taken: readonly string[];
  readonly notes: readonly string[];
}

/** By the topic where it can be; by a property that holds different names on a topic that does not vary. */
function deviceOf(
  { members, valueLevel }: TopicCluster,
  roles: Roles,
  properties: ReadonlyMap<string, PropertyProfile>,
): Device | null {
  const text = roles.deviceLevel === null ? null : (members[0]?.levels[roles.deviceLevel] ?? null);
  if (roles.isOneDevice && (text === null || !isIdLike(text))) {
    // Texts alone: a number that names a device would be declared as one that measures.
    const named = [...properties.values()].find(
      (each) => DEVICE_PROPERTY.test(each.name) && each.texts === each.seen && namesDevices(each),
    );
    if (named !== undefined && valueLevel === null && properties.size > 1)
      return {
        pattern: members[0]?.topic ?? '',
        pointer: `/${escaped(named.name)}`,
        names: [named.name],
        tags: [],
        taken: [named.name],
        notes: [`The device is told by /${named.name}: its topic is the same for all.`],
      };
  }
  if (roles.deviceLevel === null) return null;
  const only = `Only one device was seen, and "${text ?? ''}" is taken for its name: check that the right level is {device}.`;
  return {
    pattern: roles.pattern,
    pointer: null,
    names: [],
    tags: roles.tags,
    taken: [],
    notes: roles.isOneDevice ? [only] : [],
  };
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

/** An `id` that is another one each time is that of the message, and would make a series of each. */
function namesDevices({ name, words, seen }: PropertyProfile): boolean {
  if (words.size < 2) return false;
  return words.size < seen || seen < LEAST_TO_REPEAT || name.toLowerCase() !== 'id';
}

function tagsPart(tags: readonly string[]): SchemaPart {
  return tags.length === 0 ? {} : { tags };
}

function formatPart(format: FormatSpec | null): SchemaPart {
  return format === null ? {} : { format };
}

function measurementOf(pattern: string, isBare: boolean): string {
  const words = pattern.split('/').filter((level) => !level.startsWith('{'));
  const plain = words.map((word) =>
    word
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, '_')
      .replace(/^_+|_+$/g, ''),
  );
  const telling = plain.filter((word, i) => word !== '' && !LONG_ID.test(words[i] ?? ''));
  const kept = telling.length > 0 ? telling : plain.filter((word) => word !== '');
  // The last levels tell kinds of messages apart.
  while (kept.length > 1 && kept.join('_').length > MAX_MEASUREMENT) kept.shift();
  const name = kept.join('_').slice(0, MAX_MEASUREMENT).replace(/_+$/, '');
  if (name === '') return isBare ? 'values' : 'readings';
  return /^\d/.test(name) ? `m_${name}` : name;
}

function unused(base: string, taken: Set<string>): string {
  let name = base;
  const isTaken = (): boolean => taken.has(name) || taken.has(`${name.replaceAll('_', '-')}.v1`);
  for (let n = 2; isTaken(); n += 1) name = `${base}_${n}`;
  taken.add(name);
  taken.add(`${name.replaceAll('_', '-')}.v1`);
  return name;
}

function title(measurement: string): string {
  const words = measurement.replaceAll('_', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function description(notes: readonly string[]): string {
  const always =
    'Drafted from what was seen. Units and limits are told by names; numbers that were whole so far are still declared as number, because an integer field would refuse the first fraction.';
  return [always, ...notes].join(' ').slice(0, 2000);
}
