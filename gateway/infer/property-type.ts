import type { PropertyProfile } from './property-profile.ts';
import { isCount, quantityOf } from './quantities.ts';

/** How a property is to be declared. */
export type PropertyType =
  | {
      readonly kind: 'number';
      readonly integer: boolean;
      readonly asText: boolean;
      readonly missing: readonly string[];
      /** Values of other types: they would be rejected. */
      readonly exceptions: number;
    }
  | { readonly kind: 'boolean' | 'string'; readonly missing: readonly string[] }
  | { readonly kind: 'object' }
  /** Not declared, and why. */
  | { readonly kind: 'none'; readonly why: string };

/** What is seldom of another type is an exception, not the rule. */
const EXCEPTION_SHARE = 0.02;
/** What is a number this often is one: a sensor that fails says so in its own words. */
const NUMBER_SHARE = 0.9;
/** Longer texts are documents, not values. */
const MAX_TEXT = 1024;

const NO_VALUE: PropertyType = { kind: 'none', why: 'it was never anything but empty' };

export function typeOfProperty(profile: PropertyProfile): PropertyType {
  const { integers, fractions, booleans, numberTexts, texts, objects, others, name } = profile;
  const absent = [...profile.absences.values()].reduce((sum, n) => sum + n, 0);
  const numbers = integers + fractions;
  const total = numbers + booleans + numberTexts + texts + objects + others;
  const allowed = (total + absent) * EXCEPTION_SHARE;
  if (total === 0)
    return absent > 0 && quantityOf(name) === null ? { kind: 'string', missing: [] } : NO_VALUE;
  const absences = [...profile.absences.keys()];
  // Whole numbers that JSON does not hold exactly are refused as integers.
  const isExact = profile.smallest >= 0 && profile.largest <= Number.MAX_SAFE_INTEGER;
  const integer = fractions === 0 && numberTexts === 0 && isExact && isCount(name);
  if (objects > 0 && total - objects + absent <= allowed) return { kind: 'object' };
  if (others > allowed) return { kind: 'none', why: 'it holds lists' };
  if (objects > allowed) return { kind: 'none', why: 'it is sometimes an object, sometimes a value' };
  const most = (total + absent) * (1 - NUMBER_SHARE);
  const numeric = { kind: 'number', missing: absences } as const;
  const unlike = total - numbers - numberTexts;
  if (numbers > 0 && numberTexts > 0 && unlike <= most && !isLabel(name))
    return { ...numeric, integer: false, asText: true, exceptions: unlike };
  if (numbers > 0 && total - numbers <= most)
    return { ...numeric, integer, asText: false, exceptions: total - numbers };
  if (booleans > 0 && total - booleans <= allowed) return { kind: 'boolean', missing: absences };
  const isText = numbers === 0 && booleans === 0;
  if (numberTexts > 0 && unlike <= most && !isLabel(name))
    return { ...numeric, integer: false, asText: true, exceptions: unlike };
  if (isText || numbers + booleans <= allowed) {
    if (profile.longestText > MAX_TEXT) return { kind: 'none', why: 'its texts are long' };
    if (profile.hasLineBreak) return { kind: 'none', why: 'its texts have line breaks' };
    return { kind: 'string', missing: [] };
  }
  return { kind: 'none', why: `it is sometimes ${kindsOf(profile).join(', sometimes ')}` };
}

function kindsOf({ integers, fractions, booleans, numberTexts, texts }: PropertyProfile): string[] {
  return [
    ...(integers + fractions > 0 ? ['a number'] : []),
    ...(booleans > 0 ? ['true or false'] : []),
    ...(numberTexts + texts > 0 ? ['a text'] : []),
  ];
}

/** Digits that name something. */
function isLabel(name: string): boolean {
  return /(?:^|[_\W])(?:id|version|ver|serial|sn|phone|code|mac|ip|ssid|imei|iccid|fw|firmware|build)$/i.test(
    name,
  );
}

/** Usual units alone: an address or a version may begin with digits too. */
const WITH_UNIT =
  /^[-+]?\d+(?:[.,]\d+)?\s*(?:°\s?[CFK]?|[CFK%‰]|[km]?[VAW]|[km]?Wh|[km]?Hz|[hkm]?Pa|m?bar|pp[mb]|lu?x|dBm?|m?s|min|h|[ckm]?m|m\/s|km\/h|[mk]?g|m?[lL]|m[³3]|rpm|[µu]g\/m[³3])$/u;
const WITH_COMMA = /^[-+]?\d+(?:\.\d{3})*,\d+$/;

/** In words why what looks like numbers is declared as a text; null where it does not. */
export function noteOnText({ words, path, name }: PropertyProfile): string | null {
  const all = [...words];
  const [first = ''] = all;
  if (all.length === 0 || isLabel(name)) return null;
  const what = all.every((word) => WITH_COMMA.test(word))
    ? 'have a decimal comma'
    : all.every((word) => WITH_UNIT.test(word) || WITH_COMMA.test(word))
      ? 'have a unit behind them'
      : null;
  return what === null
    ? null
    : `/${path.join('/')} is a text, because its numbers ${what} ("${first.slice(0, 24)}"), and a field keeps its type for ever: have it sent as a number before the first is stored, or take it out.`;
}
