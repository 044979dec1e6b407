import type { ForwardConfig } from '../config/gateway-config.ts';
import type { Message, Outcome, Reading } from '../contracts.ts';
import { TwoGenerations } from '../readings/two-generations.ts';
import { matches } from '../sources/mqtt-broker/topics.ts';
import type { Group } from '../store-contract.ts';
import { readingJson } from './reading-json.ts';

/**
 * Which messages go on to other brokers: puts them into the outboxes, in the group that holds their readings. What was
 * taken before (a repeated transfer, a retained message that a broker repeats, a reading of a known identity) went out
 * then, and does not go out again; what is refused does not go out at all.
 */
export interface Forwards {
  /** A message that was taken, and what became of each of its readings. */
  took(message: Message, readings: readonly Reading[], outcomes: readonly Outcome[], group: Group): void;
  /** As `took`, of a rejected reading that is replayed: as it came, it went out the first time. */
  replayed(message: Message, readings: readonly Reading[], outcomes: readonly Outcome[], group: Group): void;
  /** A message that holds no readings: no schema claims its topic, or it clears a retained one. */
  passed(message: Message, group: Group): void;
  /** Whether a message that holds no readings goes out: then it must not be acknowledged where it cannot be kept. */
  wants(topic: string): boolean;
}

type Target = Pick<ForwardConfig, 'name' | 'topics' | 'send' | 'prefix'>;

/** The forwards that take a topic, by what they send. */
type Targets = Readonly<Record<ForwardConfig['send'], readonly Target[]>>;

/** Topics whose forwards are remembered; twice as many at most. Longer ones are looked up each time. */
const REMEMBERED_TOPICS = 10_000;
const REMEMBERED_TOPIC_CHARS = 256;
const NONE: Targets = Object.freeze({ valid: [], readings: [], raw: [] });

/** Null where nothing is forwarded. */
export function createForwards(configs: readonly Target[]): Forwards | null {
  if (configs.length === 0) return null;
  const known = new TwoGenerations<Targets>(REMEMBERED_TOPICS);

  function targetsOf(topic: string): Targets {
    const remembered = known.get(topic);
    if (remembered !== undefined) return remembered;
    const of = (send: Target['send']): readonly Target[] =>
      configs.filter(
        (config) => config.send === send && config.topics.some((filter) => matches(filter, topic)),
      );
    const found: Targets = { valid: of('valid'), readings: of('readings'), raw: of('raw') };
    const targets = found.valid.length + found.readings.length + found.raw.length === 0 ? NONE : found;
    if (topic.length <= REMEMBERED_TOPIC_CHARS) known.set(topic, targets);
    return targets;
  }

  function stored(
    targets: Targets,
    { topic, payload }: Message,
    readings: readonly Reading[],
    outcomes: readonly Outcome[],
    group: Group,
  ): void {
    if (targets.valid.length > 0 && isValid(outcomes)) put(targets.valid, topic, payload, group);
    if (targets.readings.length === 0) return;
    for (const [i, reading] of readings.entries()) {
      if (reading.kind === 'point' && outcomes[i]?.kind === 'stored')
        put(targets.readings, topic, readingJson(reading), group);
    }
  }

  return {
    took(message, readings, outcomes, group) {
      const targets = targetsOf(message.topic);
      if (targets === NONE) return;
      if (targets.raw.length > 0) put(targets.raw, message.topic, message.payload, group);
      stored(targets, message, readings, outcomes, group);
    },
    replayed(message, readings, outcomes, group) {
      const targets = targetsOf(message.topic);
      if (targets !== NONE) stored(targets, message, readings, outcomes, group);
    },
    passed({ topic, payload }, group) {
      put(targetsOf(topic).raw, topic, payload, group);
    },
    wants: (topic) => targetsOf(topic).raw.length > 0,
  };
}

function put(targets: readonly Target[], topic: string, payload: Buffer, group: Group): void {
  for (const { name, prefix } of targets) group.forward(name, prefix + topic, payload);
}

/** Every reading in it was stored, now or before, and at least one now. */
function isValid(outcomes: readonly Outcome[]): boolean {
  let hasNew = false;
  for (const { kind } of outcomes) {
    if (kind === 'rejected') return false;
    hasNew ||= kind === 'stored';
  }
  return hasNew;
}
