import { relayOfProperties } from '../broker-link/message-properties.ts';
import { createArrivalClock } from '../clocks/arrival-clock.ts';
import type { Clock, Message, Reading, Readings, Relay } from '../contracts.ts';
import { formatOf } from '../ingest/format-of.ts';
import type { Homes } from '../ingest/homes.ts';
import type { Interpret } from '../ingest/interpret.ts';
import type { DeviceClocks, Ledgers } from '../ledger-contract.ts';
import type { ExplainedReading, ExplainRequest, Explanation } from '../operations-contract.ts';
import { explainHome } from './explain-home.ts';

export interface ExplainDeps {
  readonly readings: Readings;
  readonly interpret: Interpret;
  /** Of a topic that no schema claims: the schema that comes nearest and what differs, in words. */
  readonly nearest: (topic: string) => string | null;
  readonly ledgers: Pick<Ledgers, 'judge'>;
  readonly clocks: Pick<DeviceClocks, 'words'>;
  readonly isProvisional: boolean;
  readonly clock: Clock;
  readonly unrouted: 'forward' | 'reject';
  /** Null where this gateway has no peers. */
  readonly homes: Pick<Homes, 'name' | 'memberOf'> | null;
}

const NO_PROPERTIES: Relay = { contentType: null, userProperties: new Map() };

/**
 * What would happen to a message: the path of `ingest` with nothing kept, counted or acknowledged at its end. Not whether
 * it repeats a transfer: that is between a client and its connection.
 */
export function explain(request: ExplainRequest, deps: ExplainDeps): Explanation {
  const { topic, payloadBase64, client, format } = request;
  const { homes } = deps;
  const relay: Relay | null =
    request.relay === undefined
      ? null
      : { contentType: request.relay.contentType, ...relayOfProperties(request.relay.userProperties) };
  const route = deps.readings.route(topic);
  const answer = {
    topic,
    schemas: route?.schemas ?? [],
    format: route === null ? format : formatOf({ format, relay }, route),
    nearest: route === null ? deps.nearest(topic) : null,
  };
  const withHome = (held: readonly Reading[] | null): Pick<Explanation, 'home'> =>
    homes === null ? {} : { home: explainHome(topic, route, held, homes) };
  if (route === null && deps.unrouted === 'forward')
    return { ...answer, outcome: 'forwarded', readings: [], ...withHome(null) };
  if (route !== null && payloadBase64 === null)
    return { ...answer, outcome: 'route', readings: [], ...withHome(null) };
  const message: Message = {
    source: 'explain',
    topic,
    payload: Buffer.from(payloadBase64 ?? '', 'base64'),
    client,
    username: null,
    device: null,
    transfer: null,
    retain: false,
    address: null,
    format,
    receipts: false,
    relay,
  };
  // A clock of its own: asking a question must not move the one that dates arrivals.
  const arrival = { ...createArrivalClock(deps.clock, 0), isProvisional: deps.isProvisional };
  const read = (as: Message): readonly Reading[] => deps.interpret(as, route, arrival, deps.clock.nowMs());
  const readings = read(message).map((reading) => explained(reading, deps));
  const shared = { ...message, relay: { ...(relay ?? NO_PROPERTIES), isShared: true } };
  const home = withHome(homes === null ? null : read(shared));
  return { ...answer, outcome: outcomeOf(readings), readings, ...home };
}

function outcomeOf(readings: readonly ExplainedReading[]): Explanation['outcome'] {
  if (readings.some(({ kind }) => kind === 'bad')) return 'rejected';
  return readings.every((reading) => reading.kind === 'point' && reading.duplicate) ? 'duplicate' : 'stored';
}

function explained(reading: Reading, { ledgers, clocks }: ExplainDeps): ExplainedReading {
  const words = reading.device === null ? null : clocks.words(reading.device);
  if (reading.kind === 'bad') {
    const { kind, device, schema, code, violations } = reading;
    return { kind, device, schema, code, violations, clock: words };
  }
  const { device, schema, line } = reading;
  const judgement = ledgers.judge(reading);
  if (judgement?.kind === 'bad') {
    const { kind, code, violations } = judgement;
    return { kind, device, schema, code, violations, clock: words };
  }
  return {
    kind: 'point',
    device,
    schema,
    line: line.trimEnd(),
    duplicate: judgement?.kind === 'duplicate',
    clock: words,
  };
}
