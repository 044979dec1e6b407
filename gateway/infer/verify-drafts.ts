import { createArrivalClock } from '../clocks/arrival-clock.ts';
import type { Clock, Formats, Message, Reading, Readings } from '../contracts.ts';
import { createInterpret } from '../ingest/interpret.ts';
import { compileReadings } from '../readings/compile-readings.ts';
import { compileSchemas } from '../readings/load-schemas.ts';
import type { SchemaDraft } from './draft-schema.ts';
import type { TopicTraffic, TrafficMessage } from './traffic.ts';

/** What a draft makes of what was seen. */
export interface DraftTrial {
  /** In words why it cannot be used beside the schemas in force; then the rest is empty. */
  readonly problems: readonly string[];
  /** Samples that its topics match, and those whose readings are all accepted. */
  readonly samples: number;
  readonly accepted: number;
  /** Values that say there is none, on a topic that carries nothing else. */
  readonly withoutValue: number;
  /** Different series in the samples. */
  readonly series: number;
  /** The first few that it would reject. */
  readonly exceptions: readonly DraftException[];
}

export interface DraftException {
  readonly topic: string;
  readonly payload: Buffer;
  readonly why: string;
}

const MAX_EXCEPTIONS = 5;
const MAX_SERIES = 100_000;
const NOTHING_LEFT = /^must have at least one field/;

export interface TrialDeps {
  readonly formats: Formats;
  readonly formatProblem: (spec: string) => string | null;
  /** Texts of the schemas that the drafts are to go together with. */
  readonly schemasInForce: readonly string[];
  readonly clock: Clock;
}

const IN_FORCE = ' in force ';

interface Tally {
  samples: number;
  accepted: number;
  withoutValue: number;
  readonly series: Set<string>;
  readonly exceptions: DraftException[];
}

/** Loads the drafts as the gateway would, together, and has them read every sample. By `$id`. */
export function tryDrafts(
  drafts: readonly SchemaDraft[],
  topics: readonly TopicTraffic[],
  deps: TrialDeps,
): ReadonlyMap<string, DraftTrial> {
  // Of two that do not go together, the later file by name is at fault: what is in force comes first.
  const inForce = deps.schemasInForce.map((text, i): [string, string] => [`${IN_FORCE}${i}`, text]);
  const { schemas, problems } = compileSchemas(
    new Map([...inForce, ...drafts.map(({ file, text }): [string, string] => [file, text])]),
    deps.formatProblem,
  );
  const readings = compileReadings(schemas);
  const read = reader(readings, deps);
  const tallies = new Map<string, Tally>();
  for (const { topic, samples } of topics) {
    const id = readings.route(topic)?.schemas[0];
    if (id === undefined) continue;
    const tally = tallies.get(id) ?? emptyTally();
    tallies.set(id, tally);
    for (const message of samples) count(tally, message, read(message));
  }
  return new Map(
    drafts.map(({ id, file }) => {
      const { series, ...tally } = tallies.get(id) ?? emptyTally();
      return [
        id,
        {
          ...tally,
          problems: problems
            .filter((problem) => problem.file === file)
            .map(({ pointer, message }) =>
              `${pointer} ${message.replaceAll(/ in {2}in force \d+/g, '')}`.trim(),
            ),
          series: series.size,
        },
      ];
    }),
  );
}

function emptyTally(): Tally {
  return { samples: 0, accepted: 0, withoutValue: 0, series: new Set(), exceptions: [] };
}

function count(tally: Tally, { topic, payload }: TrafficMessage, readings: readonly Reading[]): void {
  tally.samples += 1;
  const bad = readings.find((reading) => reading.kind === 'bad');
  for (const reading of readings)
    if (reading.kind === 'point' && tally.series.size < MAX_SERIES) tally.series.add(reading.series.key);
  if (bad === undefined) {
    tally.accepted += 1;
    return;
  }
  const [violation] = bad.violations;
  const why = `${bad.code}: ${violation?.pointer ?? ''} ${violation?.message ?? ''}`
    .replace(/ +/g, ' ')
    .trim();
  if (NOTHING_LEFT.test(violation?.message ?? '')) tally.withoutValue += 1;
  if (tally.exceptions.length < MAX_EXCEPTIONS) tally.exceptions.push({ topic, payload, why });
}

/**
 * Reads a message as one from another broker. Its time is that of its arrival, where that is known. Left out,
 * `maxPayloadBytes` is no limit.
 */
export function reader(
  readings: Readings,
  {
    formats,
    clock,
    maxPayloadBytes = Number.MAX_SAFE_INTEGER,
  }: { readonly formats: Formats; readonly clock: Clock; readonly maxPayloadBytes?: number },
): (message: TrafficMessage) => readonly Reading[] {
  const interpret = createInterpret({ formats, maxPayloadBytes });
  const arrival = createArrivalClock(clock, 0);
  return (message) =>
    interpret(asMessage(message), readings.route(message.topic), arrival, message.atMs ?? clock.nowMs());
}

const NO_PROPERTIES: ReadonlyMap<string, string> = new Map();

function asMessage({ topic, payload, contentType, retained }: TrafficMessage): Message {
  return {
    source: 'explain',
    topic,
    payload,
    client: 'another broker',
    username: null,
    device: null,
    transfer: null,
    retain: retained,
    address: null,
    format: null,
    receipts: false,
    relay: { contentType, userProperties: NO_PROPERTIES },
  };
}
