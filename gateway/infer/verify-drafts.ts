import { createArrivalClock } from '../clocks/arrival-clock.ts';
import type { Clock, Formats, Message, Reading, Readings, Relay } from '../contracts.ts';
import { createInterpret } from '../ingest/interpret.ts';
import { CauseCounter } from '../operations/rejection-causes.ts';
import { compileReadings } from '../readings/compile-readings.ts';
import { compileSchemas } from '../readings/load-schemas.ts';
import type { SchemaDraft } from './draft-schema.ts';
import { shapeOfPayload } from './payload-shape.ts';
import { isPlainObject } from './plain-object.ts';
import { isAbsence } from './property-profile.ts';
import type { TopicTraffic, TrafficMessage } from './traffic.ts';

/** What a draft makes of what was seen. */
export interface DraftTrial {
  /** In words why it cannot be used beside the schemas in force; then the rest is empty. */
  readonly problems: readonly string[];
  /** Topics that its pattern matches and no more specific one does, whatever family they are of. */
  readonly matchedTopics: number;
  /** Samples on those, and those whose readings are all accepted. */
  readonly samples: number;
  readonly accepted: number;
  /** Of those that are not: each value in them says that there is none. */
  readonly withoutValue: number;
  /** Readings that would be taken for repeats of others, and not be stored again. */
  readonly repeats: number;
  /** Different series in the samples. */
  readonly series: number;
  /** What it would reject, by cause, the most frequent first. */
  readonly exceptions: readonly DraftException[];
}

/** Samples that are rejected for one cause. */
export interface DraftException {
  readonly count: number;
  /** The first of them. */
  readonly topic: string;
  readonly payload: Buffer;
  readonly why: string;
}

/** What becomes of a topic under a draft. */
export interface TopicClaim {
  /** `$id` of the draft. */
  readonly draft: string;
  readonly samples: number;
  readonly rejected: number;
}

const MAX_EXCEPTIONS = 10;
const MAX_SERIES = 100_000;

export interface TrialDeps {
  readonly formats: Formats;
  readonly formatProblem: (spec: string) => string | null;
  /** Texts of the schemas that the drafts are to go together with. */
  readonly schemasInForce: readonly string[];
  readonly clock: Clock;
}

const NOTHING_LEFT = /^must have at least one field/;
const IN_FORCE = ' in force ';

interface Tally {
  matchedTopics: number;
  samples: number;
  accepted: number;
  withoutValue: number;
  repeats: number;
  readonly series: Set<string>;
  /** By device: a repeat is one of the same device. */
  readonly identities: Set<string>;
  readonly causes: CauseCounter;
  readonly rejected: TrafficMessage[];
}

export interface DraftTrials {
  /** By `$id`. */
  readonly trials: ReadonlyMap<string, DraftTrial>;
  /** By topic: those that a draft claims. */
  readonly claims: ReadonlyMap<string, TopicClaim>;
}

/** In words why a draft cannot be loaded, whatever is beside it; null where it can. */
export function whyUnloadable(
  { file, text }: SchemaDraft,
  formatProblem: TrialDeps['formatProblem'],
): string | null {
  const [problem] = compileSchemas(new Map([[file, text]]), formatProblem).problems;
  return problem === undefined ? null : `${problem.pointer} ${problem.message}`.trim();
}

/** Loads the drafts as the gateway would, together, and has them read every sample. */
export function tryDrafts(
  drafts: readonly SchemaDraft[],
  topics: readonly TopicTraffic[],
  deps: TrialDeps,
): DraftTrials {
  // Of two that do not go together, the later file by name is at fault: what is in force comes first.
  const inForce = deps.schemasInForce.map((text, i): [string, string] => [`${IN_FORCE}${i}`, text]);
  const { schemas, problems } = compileSchemas(
    new Map([...inForce, ...drafts.map(({ file, text }): [string, string] => [file, text])]),
    deps.formatProblem,
  );
  const readings = compileReadings(schemas);
  const read = reader(readings, deps);
  const ids = new Set(drafts.map(({ id }) => id));
  const tallies = new Map<string, Tally>();
  const claims = new Map<string, TopicClaim>();
  for (const { topic, samples } of topics) {
    const id = readings.route(topic)?.schemas[0];
    if (id === undefined || !ids.has(id)) continue;
    const tally = tallies.get(id) ?? emptyTally();
    tallies.set(id, tally);
    tally.matchedTopics += 1;
    const before = tally.accepted;
    for (const message of samples) count(tally, message, read(message), deps);
    const rejected = samples.length - (tally.accepted - before);
    claims.set(topic, { draft: id, samples: samples.length, rejected });
  }
  const trials = new Map(
    drafts.map(({ id, file }): [string, DraftTrial] => {
      const tally = tallies.get(id) ?? emptyTally();
      const { matchedTopics, samples, accepted, withoutValue, repeats, series } = tally;
      const own = problems.filter((problem) => problem.file === file);
      return [
        id,
        {
          problems: own.map(({ pointer, message }) =>
            `${pointer} ${message.replaceAll(/ in {2}in force \d+/g, '')}`.trim(),
          ),
          ...{ matchedTopics, samples, accepted, withoutValue, repeats, series: series.size },
          exceptions: exceptionsOf(tally),
        },
      ];
    }),
  );
  return { trials, claims };
}

function emptyTally(): Tally {
  return {
    ...{ matchedTopics: 0, samples: 0, accepted: 0, withoutValue: 0, repeats: 0 },
    ...{ series: new Set(), identities: new Set(), causes: new CauseCounter(), rejected: [] },
  };
}

function count(
  tally: Tally,
  message: TrafficMessage,
  readings: readonly Reading[],
  { formats, clock }: Pick<TrialDeps, 'formats' | 'clock'>,
): void {
  tally.samples += 1;
  for (const reading of readings) {
    if (reading.kind !== 'point') continue;
    if (tally.series.size < MAX_SERIES) tally.series.add(reading.series.key);
    if (reading.identity === null) continue;
    const { high, low } = reading.identity;
    const key = `${high} ${low} ${reading.device}`;
    if (tally.identities.has(key)) tally.repeats += 1;
    else tally.identities.add(key);
  }
  const bad = readings.find((reading) => reading.kind === 'bad');
  if (bad === undefined) {
    tally.accepted += 1;
    return;
  }
  const { device, code, schema, violations } = bad;
  if (NOTHING_LEFT.test(violations[0]?.message ?? '') && saysNothing(message, formats))
    tally.withoutValue += 1;
  const id = String(tally.rejected.length);
  tally.rejected.push(message);
  const { payload } = message;
  tally.causes.add({ id, sink: null, device, atMs: clock.nowMs(), payload, code, schema, violations });
}

/** Every value in it is missing. */
function saysNothing({ payload, contentType, topic }: TrafficMessage, formats: Formats): boolean {
  const { values } = shapeOfPayload(
    payload,
    { contentType, isDecimalComma: false, valueName: topic },
    formats,
  );
  return values.length > 0 && values.every(isNothing);
}

function isNothing(value: unknown): boolean {
  if (typeof value === 'string') return isAbsence(value);
  return value === null || (isPlainObject(value) && Object.values(value).every(isNothing));
}

function exceptionsOf({ causes, rejected }: Pick<Tally, 'causes' | 'rejected'>): readonly DraftException[] {
  return causes
    .list()
    .slice(0, MAX_EXCEPTIONS)
    .flatMap(({ code, pointer, count: n, example }): DraftException[] => {
      const message = rejected[Number(example.id)];
      if (message === undefined) return [];
      const why = `${code}: ${pointer} ${example.message}`.replace(/ +/g, ' ').trim();
      return [{ count: n, topic: message.topic, payload: message.payload, why }];
    });
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

const NO_PROPERTIES: Pick<Relay, 'userProperties'> = { userProperties: new Map() };

function asMessage({ topic, payload, contentType, properties, retained }: TrafficMessage): Message {
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
    relay: { contentType, ...(properties ?? NO_PROPERTIES) },
  };
}
