import type { PropertyProfile } from './property-profile.ts';
import { isCount, quantityOf } from './quantities.ts';

/** How a property is to be declared. */
export type PropertyType =
  | {
      readonly kind: 'number';
      readonly integer: boolean;
      readonly asText: boolean;
      readonly missing: readonly string[];
    }
  | { readonly kind: 'boolean' | 'string'; readonly missing: readonly string[] }
  | { readonly kind: 'object' }
  /** Not declared, and why. */
  | { readonly kind: 'none'; readonly why: string };

/** What is seldom of another type is an exception, not the rule. */
const EXCEPTION_SHARE = 0.02;
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
  const integer = fractions === 0 && numberTexts === 0 && profile.smallest >= 0 && isCount(name);
  if (objects > 0 && total - objects + absent <= allowed) return { kind: 'object' };
  if (others > allowed) return { kind: 'none', why: 'it holds lists' };
  if (objects > allowed) return { kind: 'none', why: 'it is sometimes an object, sometimes a value' };
  if (numbers > 0 && total - numbers <= allowed)
    return { kind: 'number', integer, asText: false, missing: absences };
  if (booleans > 0 && total - booleans <= allowed) return { kind: 'boolean', missing: absences };
  const isText = numbers === 0 && booleans === 0;
  if (numberTexts > 0 && total - numbers - numberTexts <= allowed && !isLabel(name))
    return { kind: 'number', integer: false, asText: true, missing: absences };
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
