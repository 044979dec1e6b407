import { Counter, type Registry } from 'prom-client';
import type { Clock } from '../contracts.ts';
import { printable } from '../printable.ts';
import {
  EVENTS,
  type EventFields,
  type EventName,
  type EventRule,
  type Events,
  type Level,
} from './events.ts';

/** The part of a logger that is used: fields, then the message. */
export type EventLog = Readonly<
  Record<Level, (fields: Readonly<Record<string, unknown>>, message: string) => void>
>;

export interface LoggedEvents extends Events {
  /** Tells what is held back; nothing is told later any more but what comes. */
  stop(): void;
}

/** A sender may have chosen it: cut, so that one field cannot fill a log. */
const MAX_FIELD_CHARACTERS = 512;

/**
 * Fields that name what an event is about. Where its text has some of them, each combination has a rate of its own: trouble
 * with one broker must not hide that of another, which may be told of but once. Clients and addresses are none: whoever
 * connects has as many as he likes.
 */
const SUBJECTS = [
  ...['broker', 'forward', 'peer', 'sink', 'port', 'device', 'measurement', 'field'],
  ...['scope', 'hook', 'what', 'file'],
] as const;

/** So many subjects of one event have a rate of their own at a time; all others share one. */
const MAX_SUBJECTS = 32;
const MAX_SUBJECT_CHARACTERS = 512;

/** One rate: since when, and what was held back since then. */
interface Window {
  readonly name: EventName;
  readonly key: string;
  readonly endMs: number;
  /** The last one held back; null where none is. */
  last: { readonly fields: EventFields; readonly atMs: number } | null;
  count: number;
}

/**
 * Each event is counted (`gateway_events_total{event}`) and logged; one with a rate is logged at most so often for each
 * thing that it is about, and the next line says how many were held back. Where none comes, the last one held back is
 * that line, when its time is over, and says how long ago that was: whoever reads the log knows of all. The count is
 * always exact.
 */
export function createEvents(log: EventLog, registry: Registry, clock: Clock): LoggedEvents {
  const counter = new Counter({
    name: 'gateway_events_total',
    help: 'Events by name; each is one log line, unless so many came that lines were held back.',
    labelNames: ['event'],
    registers: [registry],
  });
  const windows = new Map<EventName, Map<string, Window>>();
  const stopping = new AbortController();
  /** The one timer: until when, and what ends it before. */
  let timer: { readonly endMs: number; readonly over: AbortController } | null = null;

  /** `ageMs`: other lines may have come after what this one tells. */
  function write(name: EventName, fields: EventFields, heldBack: number, ageMs = 0): void {
    const rule: EventRule = EVENTS[name];
    const text = fillIn(rule.text, fields);
    const agoSeconds = Math.round(ageMs / 1000);
    if (heldBack === 0 && agoSeconds === 0) {
      log[rule.level]({ event: name, ...fields }, text);
      return;
    }
    const ago = agoSeconds === 0 ? [] : [`${agoSeconds} s ago`];
    const more = heldBack === 0 ? [] : [`and ${heldBack} more like it before`];
    log[rule.level](
      { event: name, ...fields, ...(heldBack > 0 && { heldBack }), ...(agoSeconds > 0 && { agoSeconds }) },
      `${text} (${[...ago, ...more].join(', ')})`,
    );
  }

  function emitAtRate(name: EventName, fields: EventFields, everyMs: number): void {
    const nowMs = clock.monotonicMs();
    const ofName = windows.get(name) ?? new Map<string, Window>();
    windows.set(name, ofName);
    let key = subjectOf(name, fields);
    if (!ofName.has(key) && ofName.size >= MAX_SUBJECTS) {
      forget(ofName, nowMs);
      if (ofName.size >= MAX_SUBJECTS) key = '';
    }
    const window = ofName.get(key);
    if (window !== undefined && nowMs < window.endMs) {
      window.last = { fields, atMs: nowMs };
      window.count += 1;
      if (window.count === 1) wakeBy(window.endMs);
      return;
    }
    ofName.set(key, { name, key, endMs: nowMs + everyMs, last: null, count: 0 });
    write(name, fields, window?.count ?? 0);
  }

  /** Those whose time is over without anything held back. */
  function forget(ofName: Map<string, Window>, nowMs: number): void {
    for (const { key, endMs, last } of ofName.values())
      if (last === null && endMs <= nowMs) ofName.delete(key);
  }

  function wakeBy(endMs: number): void {
    if (stopping.signal.aborted || (timer !== null && timer.endMs <= endMs)) return;
    timer?.over.abort();
    const mine = { endMs, over: new AbortController() };
    timer = mine;
    void clock.sleep(Math.max(1, endMs - clock.monotonicMs()), mine.over.signal).then(() => {
      if (timer !== mine) return;
      timer = null;
      if (!stopping.signal.aborted) tell(clock.monotonicMs());
    });
  }

  /** What was held back in windows that are over by then. */
  function tell(byMs: number): void {
    let nextMs: number | null = null;
    for (const ofName of windows.values()) {
      for (const { name, key, endMs, last, count } of [...ofName.values()]) {
        if (last === null) continue;
        if (endMs > byMs) {
          nextMs = nextMs === null ? endMs : Math.min(nextMs, endMs);
          continue;
        }
        const { atMostEveryMs = 0 }: EventRule = EVENTS[name];
        ofName.set(key, { name, key, endMs: clock.monotonicMs() + atMostEveryMs, last: null, count: 0 });
        write(name, last.fields, count - 1, clock.monotonicMs() - last.atMs);
      }
    }
    if (nextMs !== null) wakeBy(nextMs);
  }

  function stop(): void {
    if (stopping.signal.aborted) return;
    stopping.abort();
    timer?.over.abort();
    tell(Number.POSITIVE_INFINITY);
  }

  return {
    emit(name, fields = {}) {
      // It is the last line.
      if (name === 'gateway.stopped') stop();
      const { atMostEveryMs }: EventRule = EVENTS[name];
      counter.inc({ event: name });
      if (atMostEveryMs === undefined) write(name, fields, 0);
      else emitAtRate(name, fields, atMostEveryMs);
    },
    stop,
  };
}

/** By event: the fields in its text that name what it is about. */
const SUBJECT_FIELDS: ReadonlyMap<string, readonly string[]> = new Map(
  Object.entries<EventRule>(EVENTS).map(([name, { text }]) => [
    name,
    SUBJECTS.filter((field) => text.includes(`{${field}}`)),
  ]),
);

function subjectOf(name: EventName, fields: EventFields): string {
  const names = SUBJECT_FIELDS.get(name) ?? [];
  let subject = '';
  for (const field of names) subject += `${String(fields[field] ?? '').slice(0, MAX_SUBJECT_CHARACTERS)}\n`;
  return subject;
}

function fillIn(text: string, fields: EventFields): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) =>
    printable(String(fields[name] ?? '?'), MAX_FIELD_CHARACTERS),
  );
}
