import { isPlainObject } from './plain-object.ts';

/** What was seen of one property. */
export interface PropertyProfile {
  readonly name: string;
  /** From the top of a reading. */
  readonly path: readonly string[];
  /** Readings that have it, nulls included. */
  seen: number;
  nulls: number;
  integers: number;
  fractions: number;
  booleans: number;
  /** Texts that are numbers: `"21.5"`. */
  numberTexts: number;
  /** Texts that say there is no value, as they were written. */
  readonly absences: Map<string, number>;
  /** All other texts. */
  texts: number;
  objects: number;
  /** Lists, and objects that are not looked into. */
  others: number;
  smallest: number;
  largest: number;
  /** The first different texts. */
  readonly words: Set<string>;
  moreWords: boolean;
  longestText: number;
  hasLineBreak: boolean;
  readonly members: Map<string, PropertyProfile>;
  moreMembers: boolean;
}

const MAX_WORDS = 50;
const MAX_ABSENCES = 10;
const MAX_DEPTH = 8;
/** More names in one object are those of things: a table, not a reading. */
const MAX_MEMBERS = 100;
/** At the top, where the channels of a logger are. */
const MAX_TOP_MEMBERS = 500;
/** Of a whole reading. */
const MAX_PROPERTIES = 1_000;
/** Names beyond that are not even counted. */
const MAX_UNSEEN = 2_000;

const ABSENCE = /^(?:nan|-?inf(?:inity)?|unavailable|unknown|none|null|undefined|n\/a|na|error|-|)$/i;
const DECIMAL = /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?$/;
/** A number with zeros before it is a name. */
const LEADING_ZERO = /^[-+]?0\d/;

/** A text that says there is no value: `unavailable`. */
export function isAbsence(text: string): boolean {
  return ABSENCE.test(text);
}

/** Gathers what readings hold; bounded, whatever they invent. */
export class ReadingProfile {
  readings = 0;
  readonly members = new Map<string, PropertyProfile>();
  /** At the top: names that are not looked at, because they were too many. */
  readonly unseen = new Set<string>();
  #properties = 0;

  add(reading: unknown): void {
    if (!isPlainObject(reading)) return;
    this.readings += 1;
    this.#addMembers(this.members, reading, [], MAX_TOP_MEMBERS, (name) => {
      if (this.unseen.size < MAX_UNSEEN) this.unseen.add(name);
    });
  }

  /** Every property that holds a value itself, in the order they were first seen. */
  leaves(): readonly PropertyProfile[] {
    const found: PropertyProfile[] = [];
    const visit = (members: ReadonlyMap<string, PropertyProfile>): void => {
      for (const member of members.values()) {
        if (member.members.size > 0) visit(member.members);
        else found.push(member);
      }
    };
    visit(this.members);
    return found;
  }

  #addMembers(
    members: Map<string, PropertyProfile>,
    object: Readonly<Record<string, unknown>>,
    path: readonly string[],
    maxMembers: number,
    onUnseen: (name: string) => void,
  ): void {
    for (const [name, value] of Object.entries(object)) {
      let member = members.get(name);
      if (member === undefined) {
        if (members.size >= maxMembers || this.#properties >= MAX_PROPERTIES) {
          onUnseen(name);
          continue;
        }
        this.#properties += 1;
        member = emptyProfile(name, [...path, name]);
        members.set(name, member);
      }
      this.#addValue(member, value);
    }
  }

  #addValue(profile: PropertyProfile, value: unknown): void {
    profile.seen += 1;
    if (value === null) profile.nulls += 1;
    else if (typeof value === 'boolean') profile.booleans += 1;
    else if (typeof value === 'number') addNumber(profile, value);
    else if (typeof value === 'string') addText(profile, value);
    else if (isPlainObject(value) && profile.path.length < MAX_DEPTH) {
      profile.objects += 1;
      this.#addMembers(profile.members, value, profile.path, MAX_MEMBERS, () => {
        profile.moreMembers = true;
      });
    } else profile.others += 1;
  }
}

function addNumber(profile: PropertyProfile, value: number): void {
  if (Number.isInteger(value)) profile.integers += 1;
  else profile.fractions += 1;
  profile.smallest = Math.min(profile.smallest, value);
  profile.largest = Math.max(profile.largest, value);
}

function addText(profile: PropertyProfile, text: string): void {
  profile.longestText = Math.max(profile.longestText, text.length);
  if (text.includes('\n')) profile.hasLineBreak = true;
  if (ABSENCE.test(text) && (profile.absences.has(text) || profile.absences.size < MAX_ABSENCES)) {
    profile.absences.set(text, (profile.absences.get(text) ?? 0) + 1);
    return;
  }
  if (DECIMAL.test(text) && !LEADING_ZERO.test(text) && text.length <= 24) {
    profile.numberTexts += 1;
    profile.smallest = Math.min(profile.smallest, Number(text));
    profile.largest = Math.max(profile.largest, Number(text));
  } else profile.texts += 1;
  if (profile.words.size < MAX_WORDS) profile.words.add(text.slice(0, 64));
  else if (!profile.words.has(text.slice(0, 64))) profile.moreWords = true;
}

function emptyProfile(name: string, path: readonly string[]): PropertyProfile {
  return {
    ...{ name, path, seen: 0, nulls: 0, integers: 0, fractions: 0, booleans: 0, numberTexts: 0, texts: 0 },
    ...{ objects: 0, others: 0, smallest: Number.POSITIVE_INFINITY, largest: Number.NEGATIVE_INFINITY },
    absences: new Map(),
    words: new Set(),
    moreWords: false,
    longestText: 0,
    hasLineBreak: false,
    members: new Map(),
    moreMembers: false,
  };
}
