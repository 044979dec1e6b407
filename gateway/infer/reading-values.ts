import { isPlainObject } from './plain-object.ts';
import { type ReadSample, readingOf, type TopicProfile } from './topic-profile.ts';

/** One reading of a family, as it came. */
export interface SeenReading {
  readonly topic: string;
  readonly value: unknown;
  /** ms since the epoch; null where it is not known, or says nothing (a retained message). */
  readonly atMs: number | null;
}

/** The readings of topics of one kind. A bare value is a reading with one property. */
export function readingsOf(
  members: readonly TopicProfile[],
  valueLevel: number | null,
): readonly SeenReading[] {
  return members.flatMap((member) =>
    member.samples
      .filter(({ shape }) => readingOf(shape) === member.reading)
      .flatMap((sample) => valuesOf(member, sample, valueLevel)),
  );
}

function valuesOf(
  { topic, levels }: TopicProfile,
  { message, shape }: ReadSample,
  valueLevel: number | null,
): SeenReading[] {
  const atMs = message.retained ? null : message.atMs;
  const name = valueLevel === null ? 'value' : (levels[valueLevel] ?? 'value');
  return shape.values.map((value) => ({
    topic,
    atMs,
    value: shape.kind === 'bare' ? Object.fromEntries([[name, value]]) : value,
  }));
}

/** What a path leads to; undefined where there is nothing. */
export function valueUnder(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const name of path) at = isPlainObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return at;
}
