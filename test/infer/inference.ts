import { createFormats, formatProblem } from '../../gateway/formats/formats.ts';
import { inferSchemas, type TopicFamily } from '../../gateway/infer/infer-schemas.ts';
import { Traffic, type TrafficMessage } from '../../gateway/infer/traffic.ts';
import { reader } from '../../gateway/infer/verify-drafts.ts';
import { compileReadings } from '../../gateway/readings/compile-readings.ts';
import { compileSchemas } from '../../gateway/readings/load-schemas.ts';
import { LeapingClock } from '../support/leaping-clock.ts';

export const NOW_MS = Date.UTC(2026, 2, 1, 12);

/** A moment that stands still. */
export function stillClock(nowMs = NOW_MS): LeapingClock {
  return new LeapingClock(nowMs);
}

export function messageOf(
  topic: string,
  payload: string,
  more: Partial<TrafficMessage> = {},
): TrafficMessage {
  return { topic, payload: Buffer.from(payload), contentType: null, retained: false, atMs: NOW_MS, ...more };
}

/** Each arrives a moment after the last. */
export function infer(
  sent: readonly { readonly topic: string; readonly payload: string }[],
  schemasInForce: readonly string[] = [],
): readonly TopicFamily[] {
  return inferMessages(
    sent.map(({ topic, payload }) => messageOf(topic, payload)),
    schemasInForce,
  );
}

export function inferMessages(
  messages: readonly TrafficMessage[],
  schemasInForce: readonly string[] = [],
): readonly TopicFamily[] {
  const traffic = new Traffic();
  for (const message of messages) traffic.add(message);
  return inferSchemas(traffic.topics(), {
    ...{ formats: createFormats(), formatProblem, schemasInForce, clock: stillClock() },
    zoneOf: () => null,
    takenNames: new Set(),
  });
}

/** The family of this pattern, and its schema as JSON. @throws Error with the patterns there are. */
export function draftOf(families: readonly TopicFamily[], pattern: string): DraftedSchema {
  const family = families.find((each) => each.pattern === pattern);
  if (family?.draft == null)
    throw new Error(`no draft for ${pattern}; there are ${families.map((each) => each.pattern).join(' ')}`);
  return JSON.parse(family.draft.text);
}

export interface DraftedSchema {
  readonly $id: string;
  readonly description: string;
  readonly telemetry: Readonly<Record<string, unknown>>;
  readonly required?: readonly string[];
  // biome-ignore lint/suspicious/noExplicitAny: whatever a schema declares, looked into by tests
  readonly properties: Readonly<Record<string, any>>;
}

/** What the gateway would make of messages with these drafts alone: lines, or the words of what is wrong. */
export function readUnder(
  families: readonly TopicFamily[],
  messages: readonly TrafficMessage[],
): readonly string[] {
  const files = new Map(
    families.flatMap(({ draft }) => (draft === null ? [] : [[draft.file, draft.text] as const])),
  );
  const { schemas, problems } = compileSchemas(files, formatProblem);
  if (problems.length > 0) throw new Error(JSON.stringify(problems));
  const readings = compileReadings(schemas);
  const read = reader(readings, { formats: createFormats(), clock: stillClock() });
  return messages.flatMap((message) =>
    readings.route(message.topic) === null
      ? ['unrouted']
      : read(message).map((reading) =>
          reading.kind === 'point'
            ? reading.line.trimEnd()
            : `${reading.code} ${JSON.stringify(reading.violations)}`,
        ),
  );
}
