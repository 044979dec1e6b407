import { createArrivalClock } from './arrival-clock.ts';
import type { Clock, Message, Reading, Readings } from './contracts.ts';
import type { Interpret } from './interpret.ts';
import type { ExplainedReading, ExplainRequest, Explanation } from './operations-contract.ts';

export interface ExplainDeps {
  readonly readings: Readings;
  readonly interpret: Interpret;
  /** Of a topic that no schema claims: the schema that comes nearest and what differs, in words. */
  readonly nearest: (topic: string) => string | null;
  readonly clock: Clock;
  readonly unrouted: 'forward' | 'reject';
}

/** What would happen to a message: the path of `ingest` with nothing kept, counted or acknowledged at its end. */
export function explain({ topic, payloadBase64, client }: ExplainRequest, deps: ExplainDeps): Explanation {
  const route = deps.readings.route(topic);
  const answer = {
    topic,
    schemas: route?.schemas ?? [],
    format: route?.format ?? null,
    nearest: route === null ? deps.nearest(topic) : null,
  };
  if (route === null && deps.unrouted === 'forward') return { ...answer, outcome: 'forwarded', readings: [] };
  if (route !== null && payloadBase64 === null) return { ...answer, outcome: 'route', readings: [] };
  const message: Message = {
    source: 'explain',
    topic,
    payload: Buffer.from(payloadBase64 ?? '', 'base64'),
    client,
    username: null,
    device: null,
    transfer: null,
    retain: false,
  };
  // A clock of its own: asking a question must not move the one that dates arrivals.
  const arrival = createArrivalClock(deps.clock, 0);
  const readings = deps.interpret(message, route, arrival, deps.clock.nowMs()).map(explained);
  const isGood = readings.every(({ kind }) => kind === 'point');
  return { ...answer, outcome: isGood ? 'stored' : 'rejected', readings };
}

function explained(reading: Reading): ExplainedReading {
  if (reading.kind === 'point') {
    const { kind, device, schema, line } = reading;
    return { kind, device, schema, line: line.trimEnd() };
  }
  const { kind, device, schema, code, violations } = reading;
  return { kind, device, schema, code, violations };
}
