/**
 * When a database is asked for the types of its fields: as soon as its sink is ready, again when it recovers, after it
 * refused a point for a type, and every hour. Nothing waits for the answer; without one, the next occasion comes.
 */
import type { SinkConfig } from '../config/gateway-config.ts';
import type { Clock } from '../contracts.ts';
import { messageOf } from '../errors.ts';
import type { EventFields, EventName, Events } from '../monitoring/events.ts';
import { type FieldTypes, readFieldTypes } from '../sinks/influxdb-field-types.ts';

export interface FieldTypesWatchDeps {
  readonly sinks: readonly SinkConfig[];
  readonly clock: Clock;
  readonly events: Events;
  /** Takes what a database answered. */
  readonly learn: (sink: string, types: FieldTypes) => void;
  /** Tests give their own. Null: it cannot be told now. */
  readonly read?: (sink: SinkConfig, signal: AbortSignal) => Promise<FieldTypes | null>;
}

export interface FieldTypesWatch {
  /** To be given to the deliveries in the place of the gateway's own: passes everything on, and listens. */
  readonly events: Events;
  /** Asks no more. Resolves when nothing is under way. */
  stop(): Promise<void>;
}

const EVERY_MS = 3_600_000;
/** One question in so long, however often a sink comes and goes, or refuses. */
const AT_MOST_EVERY_MS = 10_000;
const ANSWER_WITHIN_MS = 10_000;

/** In the words of InfluxDB 1 and 2, and of 3. */
const TYPE_CONFLICT = /field type conflict|invalid column type/i;

export function watchFieldTypes(deps: FieldTypesWatchDeps): FieldTypesWatch {
  const { events } = deps;
  const stopping = new AbortController();
  const watched = new Map<string, Watched>();
  const running: Promise<void>[] = [];
  for (const sink of deps.sinks) {
    if (sink.type !== 'influxdb') continue;
    const one = new Watched(sink, deps, stopping.signal);
    watched.set(sink.name, one);
    running.push(one.run());
  }

  function hear(name: EventName, fields: EventFields): void {
    if (typeof fields.sink !== 'string') return;
    const hasConflict =
      name === 'sink.refused' && typeof fields.words === 'string' && TYPE_CONFLICT.test(fields.words);
    if (name === 'sink.ready' || name === 'sink.recovered' || hasConflict) watched.get(fields.sink)?.ask();
  }

  return {
    events: {
      emit(name, fields) {
        events.emit(name, fields);
        if (fields !== undefined) hear(name, fields);
      },
    },
    stop: async () => {
      stopping.abort();
      await Promise.all(running);
    },
  };
}

/** One sink. Asks when it is told to, one question at a time. */
class Watched {
  private readonly sink: SinkConfig;
  private readonly deps: FieldTypesWatchDeps;
  private readonly stopping: AbortSignal;
  private wanted: boolean = false;
  /** Ends the wait for the next occasion. */
  private rouse: AbortController = new AbortController();

  constructor(sink: SinkConfig, deps: FieldTypesWatchDeps, stopping: AbortSignal) {
    this.sink = sink;
    this.deps = deps;
    this.stopping = stopping;
  }

  ask(): void {
    this.wanted = true;
    this.rouse.abort();
  }

  /** Until stopped. Never rejects. */
  async run(): Promise<void> {
    const { clock } = this.deps;
    // Before its sink is ready, there is nobody to ask.
    let everyMs = Number.POSITIVE_INFINITY;
    while (!this.stopping.aborted) {
      if (!this.wanted) await this.untilAsked(everyMs);
      if (this.stopping.aborted) return;
      this.wanted = false;
      await this.askOnce();
      everyMs = EVERY_MS;
      await clock.sleep(AT_MOST_EVERY_MS, this.stopping);
    }
  }

  private async untilAsked(ms: number): Promise<void> {
    this.rouse = new AbortController();
    const either = AbortSignal.any([this.rouse.signal, this.stopping]);
    if (Number.isFinite(ms)) await this.deps.clock.sleep(ms, either);
    else await aborted(either);
  }

  private async askOnce(): Promise<void> {
    const { read = readTypes, learn, events } = this.deps;
    try {
      const types = await read(this.sink, this.stopping);
      if (types !== null && !this.stopping.aborted) learn(this.sink.name, types);
    } catch (error) {
      events.emit('hook.failed', { hook: 'field types', error: messageOf(error) });
    }
  }
}

/** What the database of a sink holds; null where it cannot be told, or is the embedded one, which takes every type. */
export async function readTypes(sink: SinkConfig, signal: AbortSignal): Promise<FieldTypes | null> {
  if (sink.type !== 'influxdb') return null;
  const timeoutMs = Math.min(sink.timeoutMs, ANSWER_WITHIN_MS);
  return await readFieldTypes({ ...sink, timeoutMs }, signal);
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
