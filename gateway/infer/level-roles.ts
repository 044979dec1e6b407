import { RESERVED_CAPTURES } from './reserved-captures.ts';
import type { TopicCluster } from './topic-clusters.ts';
import { ownValueName } from './topic-profile.ts';
import {
  captureNameFrom,
  isCollectionWord,
  isIdLike,
  isKindWord,
  isSerial,
  isValueWord,
} from './topic-words.ts';

/** What a level of a family's topics is. */
export type LevelRole =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'capture'; readonly name: string; readonly values: number };

export interface Roles {
  readonly levels: readonly LevelRole[];
  /** As `telemetry.topics` has it. */
  readonly pattern: string;
  /** Captures besides device and field. */
  readonly tags: readonly string[];
  /** Null where no level names the device. */
  readonly deviceLevel: number | null;
  /** The device is a level that all these topics share: only one has been seen. */
  readonly isOneDevice: boolean;
}

/** Which level is the device, which names the value, which are tags; the rest stays as it is. */
export function rolesOf({ levels, valueLevel, members, kept }: TopicCluster): Roles {
  const values = levels.map((_, i) => new Set(members.map((member) => member.levels[i] ?? '')));
  const [first] = members;
  const ownName = first === undefined ? null : ownValueName(first);
  const open = levels.flatMap((level, i) => (level === null && i !== valueLevel ? [i] : []));
  const deviceLevel =
    open.length > 0
      ? mostVaried(open, values)
      : onlyDevice(levels, ownName === null ? valueLevel : levels.lastIndexOf(ownName), kept);
  const names = new Set<string>(['device', 'field']);
  const roles = levels.map((level, i): LevelRole => {
    const count = values[i]?.size ?? 0;
    if (i === valueLevel) return { kind: 'capture', name: 'field', values: count };
    if (i === deviceLevel) return { kind: 'capture', name: 'device', values: count };
    if (level !== null) return { kind: 'literal', text: level };
    const name = captureName(levels[i - 1] ?? null, [...(values[i] ?? [])], names);
    names.add(name);
    return { kind: 'capture', name, values: count };
  });
  return {
    levels: roles,
    pattern: roles.map((role) => (role.kind === 'literal' ? role.text : `{${role.name}}`)).join('/'),
    tags: roles.flatMap((role) =>
      role.kind === 'capture' && role.name !== 'device' && role.name !== 'field' ? [role.name] : [],
    ),
    deviceLevel,
    isOneDevice: open.length === 0,
  };
}

/** The level with most names, those that look like ids counting double; of equals, the deepest. */
function mostVaried(open: readonly number[], values: readonly ReadonlySet<string>[]): number | null {
  let best: { readonly at: number; readonly score: number } | null = null;
  for (const at of open) {
    const names = [...(values[at] ?? [])];
    const ids = names.filter(isIdLike).length;
    const score = names.length * (ids * 2 > names.length ? 2 : 1);
    if (best === null || score >= best.score) best = { at, score };
  }
  return best?.at ?? null;
}

/** Where only one device has been seen, its level looks like any other. */
function onlyDevice(
  levels: readonly (string | null)[],
  valueLevel: number | null,
  kept: ReadonlySet<number> | undefined,
): number | null {
  const candidates = levels.flatMap((level, i) =>
    level !== null && i !== valueLevel && kept?.has(i) !== true ? [i] : [],
  );
  const text = (i: number): string => levels[i] ?? '';
  const afterCollection = candidates.find((i) => i > 0 && isCollectionWord(text(i - 1)));
  const isName = (i: number): boolean => !isKindWord(text(i)) && !isValueWord(text(i));
  return (
    candidates.findLast((i) => isSerial(text(i))) ??
    candidates.findLast((i) => isIdLike(text(i))) ??
    afterCollection ??
    candidates.findLast((i) => i > 0 && isName(i)) ??
    candidates.findLast(isName) ??
    candidates.at(-1) ??
    null
  );
}

function captureName(before: string | null, values: readonly string[], taken: ReadonlySet<string>): string {
  // `line1`, `line2`: what the names have in common.
  const stems = new Set(values.map((value) => /^(\p{L}{2,})[-_ ]?\d+$/u.exec(value)?.[1]?.toLowerCase()));
  const [stem] = stems;
  const fromStem = stems.size === 1 && stem !== undefined ? captureNameFrom(stem) : null;
  const fromBefore = before === null || isSerial(before) ? null : captureNameFrom(before);
  const base = [fromStem, fromBefore, 'group'].find(
    (name): name is string => name !== null && !taken.has(name) && !RESERVED_CAPTURES.has(name),
  );
  if (base !== undefined) return base;
  for (let n = 2; ; n += 1) if (!taken.has(`group${n}`)) return `group${n}`;
}
