import { nameProblem } from '../line-protocol/encode.ts';
import type { PropertyProfile } from './property-profile.ts';
import { noteOnText, type PropertyType, typeOfProperty } from './property-type.ts';
import { quantityOfValues, wordsOf } from './quantities.ts';
import type { TimeGuess } from './told-times.ts';

/** A schema, or a part of one, on its way to a file. */
export type SchemaPart = Record<string, unknown>;

export interface DraftedProperties {
  readonly properties: SchemaPart;
  /** Names at the top that make the tags or name the device, where every reading had them. */
  readonly required: readonly string[];
  /** How many become fields. */
  readonly fields: number;
  /** What was left out, and why; what deserves a look. */
  readonly notes: readonly string[];
}

interface Context {
  readonly readings: number;
  readonly time: TimeGuess | null;
  readonly mixedTimes: readonly (readonly string[])[];
  /** Properties at the top that become tags. */
  readonly tags: ReadonlySet<string>;
  /** Those that name the device. */
  readonly devices: ReadonlySet<string>;
  /** Names in the database that are taken, in lower case. */
  readonly taken: Set<string>;
  readonly fahrenheit: boolean;
}

/** The databases' own. */
const RESERVED = ['time', '_time', '_field', '_measurement', '_value'];
/** A reading that says so of a tag is stored without it. */
const NO_TAG = [null, ''] as const;
const MAX_SHOWN_WORDS = 4;
/** Fewer do not show what every reading has. */
const LEAST_READINGS = 5;

/** Declares what was seen. What cannot be stored as one type is left out: it is then ignored, not refused. */
export function draftProperties(
  members: ReadonlyMap<string, PropertyProfile>,
  {
    readings,
    time,
    mixedTimes,
    taken,
    tagProperties: tags,
    deviceProperties: devices,
    unseen,
  }: {
    readonly readings: number;
    readonly time: TimeGuess | null;
    /** Left out without a note: one says already why. */
    readonly mixedTimes: readonly (readonly string[])[];
    /** Tags, by name: no field can be called so. */
    readonly taken: readonly string[];
    /** Properties at the top that become tags. */
    readonly tagProperties: readonly string[];
    /** Those that name the device. */
    readonly deviceProperties: readonly string[];
    /** Names that were too many to be looked at. */
    readonly unseen: ReadonlySet<string>;
  },
): DraftedProperties {
  const notes: string[] = [];
  const unitProperty = members.get('TempUnit') ?? members.get('temperature_unit');
  const context: Context = {
    readings,
    time,
    mixedTimes,
    tags: new Set(tags),
    devices: new Set(devices),
    taken: new Set([...RESERVED, ...taken.map((tag) => tag.toLowerCase())]),
    fahrenheit: unitProperty?.words.size === 1 && unitProperty.words.has('F'),
  };
  if (unseen.size > 0) notes.push(noteOnUnseen(unseen, members.size));
  const { properties, fields } = declare(members, context, notes);
  // A reading is of use without a field, and without its time: that of arrival counts. Without a tag it is another series.
  const required = [...members.values()]
    .filter(
      (member) =>
        readings >= LEAST_READINGS &&
        (context.tags.has(member.name) || context.devices.has(member.name)) &&
        Object.hasOwn(properties, member.name) &&
        member.seen === readings &&
        member.nulls === 0 &&
        member.absences.size === 0,
    )
    .map(({ name }) => name);
  return { properties, required, fields, notes };
}

function declare(
  members: ReadonlyMap<string, PropertyProfile>,
  context: Context,
  notes: string[],
): { readonly properties: SchemaPart; readonly fields: number } {
  const properties: SchemaPart = {};
  let fields = 0;
  for (const member of members.values()) {
    const pointer = `/${member.path.join('/')}`;
    const { time } = context;
    if (time !== null && samePath(time.path, member.path)) {
      properties[member.name] = timeProperty(member, time);
      continue;
    }
    if (context.mixedTimes.some((path) => samePath(path, member.path))) continue;
    const type = member.moreMembers
      ? ({ kind: 'none', why: 'it has very many members: those of a table, not of a reading' } as const)
      : typeOfProperty(member);
    if (member.name in Object.prototype || nameProblem(member.path.join('_')) !== null) {
      notes.push(`${pointer} is left out: its name cannot be stored.`);
      continue;
    }
    if (type.kind === 'none') {
      notes.push(`${pointer} is left out: ${type.why}.`);
      continue;
    }
    const note = noteOn(member, type, pointer);
    if (note !== null) notes.push(note);
    if (type.kind === 'object') {
      const inner = declare(member.members, context, notes);
      if (Object.keys(inner.properties).length === 0) continue;
      // Null besides: of a value it is none, and of an object it would be refused.
      properties[member.name] = { type: ['object', 'null'], properties: inner.properties };
      fields += inner.fields;
      continue;
    }
    const isTop = member.path.length === 1;
    const isTag = isTop && context.tags.has(member.name);
    const isDevice = isTop && context.devices.has(member.name);
    properties[member.name] = {
      ...property(member, type, context),
      ...(isTag ? { missing: NO_TAG } : {}),
      ...(isTag || isDevice ? {} : renamed(member, context.taken)),
    };
    if (!isTag && !isDevice) fields += 1;
  }
  return { properties, fields };
}

function noteOnUnseen(unseen: ReadonlySet<string>, seen: number): string {
  const names = [...unseen].map((name) => name.slice(0, 40));
  const shown = names.length > 3 ? `${names[0]}, ${names[1]}, … ${names.at(-1)}` : names.join(', ');
  return `It has more properties than the ${seen} that are looked at: ${names.length} are left out (${shown}), and ignored unless you declare them.`;
}

function noteOn(member: PropertyProfile, type: PropertyType, pointer: string): string | null {
  if (type.kind === 'string') return noteOnText(member);
  if (type.kind !== 'number' || type.exceptions === 0) return null;
  const example = [...member.words].find((word) => !Number.isFinite(Number(word)));
  const shown = example === undefined ? '' : `, such as "${example.slice(0, 24)}"`;
  return `${pointer} is a number in most readings; ${type.exceptions} of ${member.seen} hold something else${shown}, and would be rejected. List it as "missing" to take them without this value.`;
}

function samePath(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i]);
}

function timeProperty({ fractions, absences }: PropertyProfile, { unit, asText }: TimeGuess): SchemaPart {
  const description = { description: 'When it was measured.', ...missing([...absences.keys()]) };
  if (unit === 'iso') return { type: 'string', ...description };
  if (asText === 'all') return { type: 'string', format: 'int64', ...description };
  if (asText === 'some') return { type: ['integer', 'string'], format: 'int64', ...description };
  return { type: fractions > 0 || unit === 's' ? 'number' : 'integer', ...description };
}

/** Another name, where its own is taken. */
function renamed({ path }: PropertyProfile, taken: Set<string>): SchemaPart {
  const flat = path.join('_');
  let name = flat;
  for (let n = 1; taken.has(name.toLowerCase()); n += 1)
    name = n === 1 ? `${flat}_value` : `${flat}_value${n}`;
  taken.add(name.toLowerCase());
  return name === flat ? {} : { field: name };
}

function property(member: PropertyProfile, type: PropertyType, context: Context): SchemaPart {
  switch (type.kind) {
    case 'number': {
      const { unit, minimum, maximum } = limitsOf(member, context);
      return {
        ...(type.asText
          ? { type: ['number', 'string'], format: 'double' }
          : { type: type.integer ? 'integer' : 'number' }),
        ...(minimum === null ? {} : { minimum }),
        ...(maximum === null ? {} : { maximum }),
        ...(unit === null ? {} : { unit }),
        ...missing(type.missing),
      };
    }
    case 'boolean':
      return { type: 'boolean', ...missing(type.missing) };
    case 'string':
      return { type: 'string', ...wordsSeen(member) };
    default:
      return {};
  }
}

function limitsOf(
  { name, path, smallest, largest }: PropertyProfile,
  { fahrenheit }: Context,
): { readonly unit: string | null; readonly minimum: number | null; readonly maximum: number | null } {
  const known =
    quantityOfValues(name, smallest, largest) ?? quantityOfValues(path.join(' '), smallest, largest);
  if (known === null) return { unit: null, minimum: null, maximum: null };
  if (fahrenheit && known.unit === 'Cel') return { unit: '[degF]', minimum: null, maximum: null };
  return known;
}

/** What was seen, and what comes in its company. */
function missing(seen: readonly string[]): SchemaPart {
  const words = new Set(seen);
  for (const word of seen) {
    if (/^nan$/i.test(word)) for (const each of ['nan', 'NaN']) words.add(each);
    if (/^(?:unavailable|unknown)$/.test(word))
      for (const each of ['unavailable', 'unknown']) words.add(each);
  }
  return words.size === 0 ? {} : { missing: [...words].slice(0, 20) };
}

function wordsSeen({ words, moreWords }: PropertyProfile): SchemaPart {
  if (moreWords || words.size === 0 || words.size > MAX_SHOWN_WORDS) return {};
  const shown = [...words].filter((word) => word.length <= 24);
  return shown.length === words.size
    ? { description: `Seen: ${shown.map((word) => `"${word}"`).join(', ')}.` }
    : {};
}

/** Texts that name where or what a thing is, and are few. Tags make series, so ids are never taken. */
export function tagProperties(
  members: ReadonlyMap<string, PropertyProfile>,
  captures: readonly string[],
): readonly string[] {
  const taken = new Set([...captures, 'device'].map((name) => name.toLowerCase()));
  return [...members.values()]
    .filter((member) => {
      const isPlace =
        /^(?:room|site|area|zone|location|floor|building|hall|plant|line|machine|model|sensor type|type|kind)$/.test(
          wordsOf(member.name),
        );
      const isText = member.texts === member.seen && member.texts > 0;
      const few = !member.moreWords && (member.words.size <= 10 || member.words.size * 10 <= member.seen);
      const short = member.longestText <= 40 && !member.hasLineBreak;
      const name = member.name.toLowerCase();
      if (!isPlace || !isText || !few || !short || taken.has(name) || nameProblem(member.name) !== null)
        return false;
      taken.add(name);
      return true;
    })
    .map(({ name }) => name);
}
