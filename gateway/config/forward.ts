import { topicFilterProblem, topicNameProblem } from '../broker-link/topic-filter.ts';
import { normaliseConnection, type Report } from './broker-connection.ts';
import { loopProblem } from './forward-loops.ts';
import type { BrokerConfig, ForwardConfig, ListenerConfig } from './gateway-config.ts';
import type { RawForward } from './raw-config.ts';
import { parseSize } from './units.ts';

/** What else the configuration says, as far as a forward must fit to it. */
export interface ForwardSurroundings {
  /** Relative paths start here. */
  readonly base: string;
  readonly brokers: readonly BrokerConfig[];
  readonly sinkNames: readonly string[];
  /** Of the embedded broker. */
  readonly listeners: readonly ListenerConfig[];
}

/** Completes the entries of `forward:` and checks what a schema cannot say. */
export function normaliseForward(
  forwards: readonly RawForward[],
  surroundings: ForwardSurroundings,
  report: Report,
): readonly ForwardConfig[] {
  const names = new Set(surroundings.sinkNames.map((name) => name.toLowerCase()));
  const made = forwards.map((raw, i) => {
    const pointer = `/forward/${i}`;
    const key = raw.name.toLowerCase();
    if (names.has(key))
      report.problem(`${pointer}/name`, 'must differ from the names of the other forwards and of the sinks');
    names.add(key);
    const forward = normaliseOne(raw, pointer, surroundings, report);
    for (const { at, message } of topicProblems(forward)) report.problem(pointer + at, message);
    return forward;
  });
  // Where to the others send has been complained of.
  const placed = made.filter((_, i) => addressOf(forwards[i], surroundings.brokers) !== undefined);
  for (const [i, forward] of made.entries()) {
    const loop = placed.includes(forward) ? loopProblem(forward, placed, surroundings) : null;
    if (loop !== null) report.problem(`/forward/${i}`, loop);
  }
  return made;
}

function normaliseOne(
  raw: RawForward,
  pointer: string,
  { base, brokers }: ForwardSurroundings,
  report: Report,
): ForwardConfig {
  return {
    name: raw.name,
    connection: connectionOf(raw, pointer, base, brokers, report),
    topics: raw.topics,
    send: raw.send,
    prefix: raw.prefix,
    retain: raw.retain,
    maxInFlight: raw.maxInFlight,
    maxBacklogBytes: parseSize(raw.maxBacklog) ?? Number.MAX_SAFE_INTEGER,
    whenFull: raw.whenFull,
    givesUp: true,
  };
}

function addressOf(raw: RawForward | undefined, brokers: readonly BrokerConfig[]): string | undefined {
  return raw?.url ?? brokers.find(({ name }) => name === raw?.broker)?.connection.url;
}

/** Its own, or that of an entry of `brokers:` under a client id of its own. The broker need not remember us: we do. */
function connectionOf(
  raw: RawForward,
  pointer: string,
  base: string,
  brokers: readonly BrokerConfig[],
  report: Report,
): ForwardConfig['connection'] {
  const named = brokers.find(({ name }) => name === raw.broker)?.connection;
  const url = addressOf(raw, brokers);
  if (raw.broker === undefined && url === undefined) report.problem(pointer, 'needs url, or broker');
  if (raw.broker !== undefined && named === undefined)
    report.problem(`${pointer}/broker`, `is no entry of brokers: ${raw.broker}`);
  if (raw.broker !== undefined) {
    for (const key of ITS_OWN)
      if (raw[key] !== undefined)
        report.problem(`${pointer}/${key}`, 'cannot stand beside broker, which says it already');
  }
  const own = normaliseConnection(
    { ...raw, url: url ?? 'mqtt://localhost', cleanStart: true, sessionExpiry: '0s' },
    { pointer, base, name: `forward-${raw.name}` },
    report,
  );
  if (named === undefined) return own;
  const { protocolVersion, username, password, tls } = named;
  return { ...own, protocolVersion, username, password, tls };
}

const ITS_OWN = [
  'url',
  'username',
  'password',
  'passwordFile',
  'caFile',
  'certFile',
  'keyFile',
  'serverName',
] as const;

function topicProblems({ topics, prefix }: ForwardConfig): { at: string; message: string }[] {
  const found: { at: string; message: string }[] = [];
  for (const [i, filter] of topics.entries()) {
    const problem = topicFilterProblem(filter) ?? forwardedProblem(filter);
    if (problem !== null) found.push({ at: `/topics/${i}`, message: problem });
  }
  const problem = prefix === '' ? null : (topicNameProblem(prefix) ?? prefixProblem(prefix));
  if (problem !== null) found.push({ at: '/prefix', message: problem });
  return found;
}

function forwardedProblem(filter: string): string | null {
  const [first] = filter.split('/');
  if (first === '$share') return 'cannot be shared';
  return first === 'gateway' ? 'takes in nothing: what is under gateway/ is not forwarded' : null;
}

function prefixProblem(prefix: string): string | null {
  const [first] = prefix.split('/');
  if (first === 'gateway' && prefix !== first)
    return 'begins with gateway/, where gateways speak of themselves, and take no readings from one another';
  return first === '$SYS' || first === '$share'
    ? `begins with ${first}/, where brokers take nothing from their clients`
    : null;
}
