import { brokerAddress } from '../broker-link/broker-stream.ts';
import { filtersOverlap, topicFilterProblem, topicNameProblem } from '../broker-link/topic-filter.ts';
import { brokerKey, normaliseConnection, type Report } from './broker-connection.ts';
import type { BrokerConfig, ForwardConfig, ListenerConfig } from './gateway-config.ts';
import { isLoopback } from './loopback.ts';
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
  return forwards.map((raw, i) => {
    const pointer = `/forward/${i}`;
    const key = raw.name.toLowerCase();
    if (names.has(key))
      report.problem(`${pointer}/name`, 'must differ from the names of the other forwards and of the sinks');
    names.add(key);
    const forward = normaliseOne(raw, pointer, surroundings, report);
    for (const { at, message } of topicProblems(forward)) report.problem(pointer + at, message);
    const loop = loopProblem(forward, surroundings);
    if (loop !== null) report.problem(pointer, loop);
    return forward;
  });
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

/** Its own, or that of an entry of `brokers:` under a client id of its own. The broker need not remember us: we do. */
function connectionOf(
  raw: RawForward,
  pointer: string,
  base: string,
  brokers: readonly BrokerConfig[],
  report: Report,
): ForwardConfig['connection'] {
  const named = brokers.find(({ name }) => name === raw.broker)?.connection;
  const url = raw.url ?? named?.url;
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
    const problem = topicFilterProblem(filter) ?? (filter.startsWith('$share/') ? 'cannot be shared' : null);
    if (problem !== null) found.push({ at: `/topics/${i}`, message: problem });
  }
  const problem = prefix === '' ? null : topicNameProblem(prefix);
  if (problem !== null) found.push({ at: '/prefix', message: problem });
  return found;
}

/** What is forwarded would come in again, and be forwarded again; null where it does not, as far as can be seen. */
function loopProblem(
  { connection, topics, prefix }: ForwardConfig,
  { brokers, listeners }: ForwardSurroundings,
): string | null {
  // What comes back under a topic that is not forwarded goes round once at most.
  const again = topics
    .map((filter) => underPrefix(prefix, filter))
    .filter((each) => topics.some((filter) => filtersOverlap(each, filter)));
  for (const { name, connection: from, subscribe } of brokers) {
    if (brokerKey(from) !== brokerKey(connection)) continue;
    if (subscribe.some(({ filter }) => again.some((each) => filtersOverlap(each, filter))))
      return `sends to the broker that is read as ${name} what is read from there: a loop. Give it a prefix, or other topics, that brokers: does not subscribe to`;
  }
  return isOwnListener(connection, listeners) && again.length > 0
    ? 'sends to this gateway itself what it forwards: a loop. Give it a prefix that its topics do not take in'
    : null;
}

/** The embedded broker, as far as a configuration shows. */
export function isOwnListener(
  { url }: { readonly url: string },
  listeners: readonly ListenerConfig[],
): boolean {
  const to = brokerAddress(url);
  if (to === null || !isLoopback(to.host)) return false;
  return listeners.some(({ port }) => port !== 0 && port === to.port);
}

/** A filter that takes at least what `filter` takes, with `prefix` before it. */
function underPrefix(prefix: string, filter: string): string {
  const isWholeLevel = prefix === '' || prefix.endsWith('/');
  if (isWholeLevel || !/^[+#]/.test(filter)) return prefix + filter;
  return prefix.slice(0, prefix.lastIndexOf('/') + 1) + filter;
}
