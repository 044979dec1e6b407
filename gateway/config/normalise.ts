import { dirname, join, resolve } from 'node:path';
import { PACKAGE_ROOT } from '../package-root.ts';
import { reportSharedClientIds } from './broker-connection.ts';
import { normaliseBrokers } from './brokers.ts';
import { normaliseForward } from './forward.ts';
import type { GatewayConfig, ListenerConfig } from './gateway-config.ts';
import { isLoopback } from './loopback.ts';
import { isOwnListener } from './own-listener.ts';
import { normalisePeers } from './peers.ts';
import type { RawConfig, RawListener } from './raw-config.ts';
import { normaliseSerial } from './serial.ts';
import { normaliseSinks } from './sinks.ts';
import { parseDuration, parseQuota, parseSize } from './units.ts';

/** Where the schemas that ship with the program lie. */
export const SHIPPED_SCHEMAS = join(PACKAGE_ROOT, 'schemas/readings');

/** It travels in two bytes (MQTT 3.1.1, 3.1.2.10). */
const MAX_KEEPALIVE_SECONDS = 65_535;

export interface NormaliseContext {
  /** Null: no file. */
  readonly file: string | null;
  /** Relative paths start at the file's folder, or here where there is none. */
  readonly cwd: string;
  /** The key is in the file. */
  has(pointer: string): boolean;
  problem(pointer: string, message: string): void;
}

/** Resolves units, paths and secrets, and checks what a schema cannot say. Problems go to the context. */
export function normalise(raw: RawConfig, context: NormaliseContext): GatewayConfig {
  const base = context.file === null ? context.cwd : dirname(resolve(context.cwd, context.file));
  const { mqtt, store, limits } = raw;
  const schemasDir = raw.schemas === undefined ? SHIPPED_SCHEMAS : resolve(base, raw.schemas);
  const commitDelayMs = duration(store.commitDelay);
  if (commitDelayMs > 1000) context.problem('/store/commitDelay', 'must be at most 1s');
  const keepaliveSeconds = duration(mqtt.limits.keepalive) / 1000;
  if (!Number.isInteger(keepaliveSeconds) || keepaliveSeconds < 1 || keepaliveSeconds > MAX_KEEPALIVE_SECONDS)
    context.problem('/mqtt/limits/keepalive', `must be whole seconds, from 1s to ${MAX_KEEPALIVE_SECONDS}s`);
  const brokers = normaliseBrokers(raw.brokers, base, context);
  const listeners = mqtt.listeners.map((each, i) => listener(each, `/mqtt/listeners/${i}`, context));
  for (const [i, { connection }] of brokers.entries())
    if (isOwnListener(connection, listeners))
      context.problem(
        `/brokers/${i}/url`,
        "is this gateway's own broker: each reading would come twice. Take the entry out, or give mqtt.listeners another port",
      );
  const sinks = normaliseSinks(raw.sinks, base, context);
  const sinkNames = sinks.map(({ name }) => name);
  const forward = normaliseForward(raw.forward, { base, brokers, sinkNames, listeners }, context);
  const peers = normalisePeers(
    raw.peers,
    {
      ...{ base, maxPacketBytes: size(mqtt.limits.packet), maxPayloadBytes: size(limits.payloadBytes) },
      ...{ maxTopicBytes: mqtt.limits.topicBytes, maxTopicLevels: mqtt.limits.topicLevels },
    },
    context,
  );
  reportSharedClientIds(
    [
      ...brokers.map(({ connection }, i) => ({ pointer: `/brokers/${i}`, connection })),
      ...forward.map(({ connection }, i) => ({ pointer: `/forward/${i}`, connection })),
      ...(peers?.others ?? []).map(({ link }, i) => ({
        pointer: `/peers/others/${i}`,
        connection: link.connection,
      })),
    ],
    context,
  );
  return {
    file: context.file === null ? null : resolve(context.cwd, context.file),
    dataDir: resolve(base, raw.data),
    schemasDir,
    shippedSchemas: schemasDir === SHIPPED_SCHEMAS,
    devicesFile: raw.devices === undefined ? null : resolve(base, raw.devices),
    mqtt: {
      listeners,
      unrouted: mqtt.unrouted,
      observers: mqtt.observers ?? [],
      limits: {
        maxPacketBytes: size(mqtt.limits.packet),
        maxConnections: mqtt.limits.connections,
        maxTopicBytes: mqtt.limits.topicBytes,
        maxTopicLevels: mqtt.limits.topicLevels,
        maxClientIdBytes: mqtt.limits.clientIdBytes,
        maxKeepaliveSeconds: keepaliveSeconds,
        maxInFlight: mqtt.limits.inFlight,
        maxSubscriptionsPerClient: mqtt.limits.subscriptions,
        maxSessions: mqtt.limits.sessions,
        maxOfflineMessages: mqtt.limits.offlineMessages,
        maxOfflineBytes: size(mqtt.limits.offline),
        maxRetainedMessages: mqtt.limits.retainedMessages,
        maxRetainedBytes: size(mqtt.limits.retained),
      },
    },
    brokers,
    forward,
    peers,
    serial: normaliseSerial(raw.serial, base, context),
    http: raw.http === false ? null : listener(raw.http, '/http', context),
    store: {
      maxBytes: size(store.maxBytes),
      maxBytesIsDefault: !context.has('/store/maxBytes'),
      minFreeDiskBytes: size(store.minFreeDisk),
      whenFull: store.whenFull,
      commitDelayMs,
      rejected: {
        maxBytes: parseQuota(store.rejected.maxBytes) ?? { percent: 0 },
        maxAgeMs: duration(store.rejected.maxAge),
      },
    },
    limits: {
      payloadBytes: size(limits.payloadBytes),
      payloadDepth: limits.payloadDepth,
      payloadKeys: limits.payloadKeys,
      series: limits.series,
      seriesPerMeasurement: limits.seriesPerMeasurement ?? null,
      seriesAgeMs: duration(limits.seriesAge),
    },
    sinks,
    measurementsEveryMs: measurementsEvery(raw.measurements, context),
    clock: { untilFile: raw.clock?.untilFile === undefined ? null : resolve(base, raw.clock.untilFile) },
    log: raw.log,
  };
}

function measurementsEvery(text: string | undefined, context: NormaliseContext): number | null {
  if (text === undefined) return null;
  const everyMs = duration(text);
  if (everyMs < 1000) context.problem('/measurements', 'must be at least 1s');
  return everyMs;
}

function listener(
  { host, port, anonymous }: RawListener,
  pointer: string,
  context: NormaliseContext,
): ListenerConfig {
  if (!isLoopback(host) && !anonymous)
    context.problem(
      `${pointer}/host`,
      `can be reached from the network, and nobody is asked for a password: write anonymous: true beside it if anyone who reaches ${host} may connect, or use 127.0.0.1`,
    );
  return { host, port, anonymous };
}

/** The schema's pattern let it through, so it parses; a size beyond 2⁵³ is the one exception, and is no limit. */
export function size(text: string): number {
  return parseSize(text) ?? Number.MAX_SAFE_INTEGER;
}

export function duration(text: string): number {
  return parseDuration(text) ?? Number.MAX_SAFE_INTEGER;
}
