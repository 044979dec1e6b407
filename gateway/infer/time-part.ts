import type { NumberUnit } from './told-times.ts';

export interface TimePart {
  readonly path: readonly string[];
  readonly unit: NumberUnit | 'iso';
  readonly zone?: string | null;
  readonly clock?: 'arrival' | 'correct' | null;
}

/** `telemetry.time` of a schema. */
export function timePart({
  path,
  unit,
  zone = null,
  clock = null,
}: TimePart): Readonly<Record<string, string>> {
  const [only] = path;
  const property =
    path.length === 1 && only !== undefined && !only.startsWith('/') ? only : path.map(step).join('');
  return { property, unit, ...(zone === null ? {} : { zone }), ...(clock === null ? {} : { clock }) };
}

/** The same, as it is written into a schema. */
export function timePartText(part: TimePart): string {
  const members = Object.entries(timePart(part)).map(
    ([key, value]) => `${JSON.stringify(key)}: ${JSON.stringify(value)}`,
  );
  return `"time": {${members.join(', ')}}`;
}

function step(name: string): string {
  return `/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}
