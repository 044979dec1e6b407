import type { LoadedReadings } from './command-parts.ts';

/** The texts of the schemas that can be used. */
export function textsInForce({ readings, schemas }: LoadedReadings): readonly string[] {
  return schemas.flatMap((id) => readings.currentText(id) ?? []);
}

/** Their `$id`s and measurements, which a draft must not have. */
export function namesInForce(texts: readonly string[]): Set<string> {
  const names = new Set<string>();
  for (const text of texts) {
    const schema: unknown = JSON.parse(text);
    for (const name of [memberOf(schema, '$id'), memberOf(memberOf(schema, 'telemetry'), 'measurement')])
      if (typeof name === 'string') names.add(name);
  }
  return names;
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

/** The time zone of this machine, where its offset at that moment is the given one; else null. */
export function zoneOfMachine(offsetMs: number, atMs: number): string | null {
  if (-new Date(atMs).getTimezoneOffset() * 60_000 !== offsetMs) return null;
  return Intl.DateTimeFormat().resolvedOptions().timeZone;
}
