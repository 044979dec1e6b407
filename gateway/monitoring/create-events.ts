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

/** A sender may have chosen it: cut, so that one field cannot fill a log. */
const MAX_FIELD_CHARACTERS = 512;

/**
 * Each event is counted (`gateway_events_total{event}`) and logged; one with a rate is logged at most so often, and the
 * next line says how many were held back. The count is always exact.
 */
export function createEvents(log: EventLog, registry: Registry, clock: Clock): Events {
  const counter = new Counter({
    name: 'gateway_events_total',
    help: 'Events by name; each is one log line, unless so many came that lines were held back.',
    labelNames: ['event'],
    registers: [registry],
  });
  const held = new Map<EventName, { sinceMs: number; count: number }>();

  /** How many lines were held back before this one; null where this one is held back too. */
  function admit(name: EventName, everyMs: number): number | null {
    const nowMs = clock.monotonicMs();
    const last = held.get(name);
    if (last !== undefined && nowMs - last.sinceMs < everyMs) {
      last.count += 1;
      return null;
    }
    held.set(name, { sinceMs: nowMs, count: 0 });
    return last?.count ?? 0;
  }

  return {
    emit(name, fields = {}) {
      const rule: EventRule = EVENTS[name];
      counter.inc({ event: name });
      const heldBack = rule.atMostEveryMs === undefined ? 0 : admit(name, rule.atMostEveryMs);
      if (heldBack === null) return;
      const text = fillIn(rule.text, fields);
      if (heldBack === 0) log[rule.level]({ event: name, ...fields }, text);
      else
        log[rule.level](
          { event: name, ...fields, heldBack },
          `${text} (and ${heldBack} more like it before)`,
        );
    },
  };
}

function fillIn(text: string, fields: EventFields): string {
  return text.replace(/\{(\w+)\}/g, (_, name: string) =>
    printable(String(fields[name] ?? '?'), MAX_FIELD_CHARACTERS),
  );
}
