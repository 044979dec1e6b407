import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { BrokerConnection } from '../broker-link/broker-connection.ts';
import { brokerAddress, shownUrl } from '../broker-link/broker-stream.ts';
import { topicFilterProblem } from '../broker-link/topic-filter.ts';
import { systemClock } from '../clocks/clock.ts';
import type { BrokerConfig, GatewayConfig } from '../config/gateway-config.ts';
import { outgoingOf } from '../config/peers.ts';
import { readSecret } from '../config/secret-file.ts';
import { parseDuration } from '../config/units.ts';
import { GatewayError } from '../errors.ts';
import { formatProblem } from '../formats/formats.ts';
import { inferSchemas } from '../infer/infer-schemas.ts';
import { type LiveReport, liveReport } from '../trial/live-report.ts';
import { TrialTally } from '../trial/trial-tally.ts';
import { readOnly, watchBroker } from '../trial/watch-broker.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, writeAnswer } from './common-options.ts';
import { unsavedText } from './family-text.ts';
import { liveJson, liveText } from './live-text.ts';
import { makeDraftFolder, saveDrafts } from './save-drafts.ts';
import { namesInForce, textsInForce, zoneOfMachine } from './schemas-in-force.ts';
import { count } from './wording.ts';

export interface LiveOptions extends CommonOptions {
  /** A URL, or the name of a configured broker; left out: `check` as it is otherwise. */
  readonly live?: string;
  readonly for: string;
  readonly topic: readonly string[];
  readonly save?: string;
  readonly clientId?: string;
  readonly protocol?: string;
  readonly username?: string;
  readonly passwordFile?: string;
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly serverName?: string;
  readonly insecure?: true;
}

const MAX_FOR_MS = 31 * 86_400_000;
const PROGRESS_MS = 1_000;
const KEEPALIVE_SECONDS = 30;
/** As of `clientId` in the configuration. */
const MAX_CLIENT_ID_BYTES = 128;

/** The options of `check --live`; without `--live` none of them means anything. */
export function withLiveOptions(command: Command): Command {
  const collect = (filter: string, before: readonly string[]): readonly string[] => [...before, filter];
  return command
    .option(
      '--live <url|name>',
      'try it on a broker that is in use: listens only, and says what would become of it',
    )
    .option('--for <duration>', 'with --live: how long to listen', '1min')
    .option(
      '--topic <filter>',
      'with --live: what to listen to (may be repeated; default: all, "#")',
      collect,
      [],
    )
    .option('--save <folder>', 'with --live: write drafts of schemas for topics that none claims')
    .option('--client-id <id>', 'with --live: connect under this id, where the broker asks for one')
    .option('--protocol <version>', 'with --live: 3.1.1 or 5')
    .option('--username <name>', 'with --live')
    .option('--password-file <file>', 'with --live')
    .option('--ca <file>', 'with --live: the authority of the certificate of the broker')
    .option('--cert <file>', "with --live: the client's certificate")
    .option('--key <file>', "with --live: the client's key")
    .option(
      '--server-name <name>',
      'with --live: the name in the certificate, where it is not that in the URL',
    )
    .option('--insecure', 'with --live: do not check the certificate of the broker');
}

/** What `check` does with `--live`; false without. `fail` is called where nothing could be subscribed. */
export async function checkedLive(
  options: LiveOptions,
  command: Command,
  io: CommandIo,
  parts: CommandParts,
  fail: () => void,
): Promise<boolean> {
  const { live, save } = options;
  if (live === undefined) {
    const alone = LIVE_ONLY.find((name) => command.getOptionValueSource(name) === 'cli');
    const flag = command.options.find((option) => option.attributeName() === alone)?.long;
    if (flag != null) throw new GatewayError('usage', `${flag} means something with --live <url|name> only`);
    return false;
  }
  const report = await tryLive({ ...options, live }, configOf(options, io), io, parts);
  const saved = save === undefined ? null : saveDrafts(report.families, save, io.cwd);
  writeAnswer(io, options, liveJson(report, saved), () => liveText(report, saved));
  const unsaved = unsavedText(saved, save);
  if (unsaved !== null && options.json !== true) io.writeError(unsaved);
  if (unsaved !== null || report.subscriptions.every(({ refused }) => refused !== null)) fail();
  return true;
}

/** As commander keeps them. */
const LIVE_ONLY = [
  ...['for', 'topic', 'save', 'clientId', 'protocol', 'username', 'passwordFile'],
  ...['ca', 'cert', 'key', 'serverName', 'insecure'],
];

type WithTarget = LiveOptions & { readonly live: string };

/** Listens, and judges what came. @throws GatewayError `usage`, `broker-unavailable`, `schema-invalid`. */
async function tryLive(
  options: WithTarget,
  config: GatewayConfig,
  io: CommandIo,
  parts: CommandParts,
): Promise<LiveReport> {
  const target = targetOf(options, config, io);
  // That nothing can be written there is told now, not when the listening is over.
  if (options.save !== undefined) makeDraftFolder(options.save, io.cwd);
  const loaded = parts.loadReadings(config);
  const formats = parts.createFormats(config);
  const maxPayloadBytes = config.limits.payloadBytes;
  const tally = new TrialTally(loaded.readings, { formats, clock: systemClock, maxPayloadBytes });
  const progress = startProgress(io, options, tally);
  const watched = await watchBroker(target.connection, {
    filters: target.filters,
    forMs: target.forMs,
    clock: systemClock,
    random: Math.random,
    signal: io.stopSignal(),
    onMessage: (message) => tally.take(message),
  }).finally(progress.end);
  const unrouted = tally.traffic.topics().filter(({ topic }) => !tally.isRouted(topic));
  const schemasInForce = textsInForce(loaded);
  const families = inferSchemas(unrouted, {
    ...{ formats, formatProblem, schemasInForce, clock: systemClock },
    zoneOf: zoneOfMachine,
    takenNames: namesInForce(schemasInForce),
  });
  const { connection } = target;
  const report = liveReport(
    {
      broker: shownUrl(connection),
      clientId: connection.clientId,
      unroutedBecome: config.mqtt.unrouted === 'forward' ? 'forwarded' : 'rejected',
    },
    watched,
    tally,
    families,
  );
  const broken = loaded.problems.length;
  return broken === 0
    ? report
    : {
        ...report,
        warnings: [`${broken} problem(s) in ${config.schemasDir}: \`check\` tells them`, ...report.warnings],
      };
}

interface Target {
  readonly connection: BrokerConnection;
  readonly filters: readonly string[];
  readonly forMs: number;
}

/** @throws GatewayError `usage`, also where it would take something away from somebody. */
function targetOf(options: WithTarget, config: GatewayConfig, io: CommandIo): Target {
  const forMs = durationOf(options.for);
  const configured = config.brokers.find(({ name }) => name === options.live) ?? null;
  const filters = options.topic.length > 0 ? options.topic : ownFilters(configured);
  for (const filter of filters) checkFilter(filter);
  const clientId = options.clientId ?? `tg-check-${randomBytes(6).toString('hex')}`;
  checkClientId(clientId, config);
  const connection = configured === null ? fromOptions(options, config) : configured.connection;
  return { connection: readOnly(withOptions(connection, options, io), clientId), filters, forMs };
}

/** What the configuration subscribes to, without its group. */
function ownFilters(configured: BrokerConfig | null): readonly string[] {
  const filters = configured?.subscribe.map(({ filter }) => filter) ?? [];
  return filters.length === 0 ? ['#'] : [...new Set(filters)];
}

function checkFilter(filter: string): void {
  if (/^\$(?:share|queue)(?:\/|$)/i.test(filter))
    throw new GatewayError(
      'usage',
      `--topic ${filter}: a shared subscription gives each message to one of its group, so this would take messages away from it; leave $share/<group>/ out`,
    );
  const problem = topicFilterProblem(filter);
  if (problem !== null) throw new GatewayError('usage', `--topic ${filter}: ${problem}`);
}

/** A broker ends the older of two connections with one id. */
function checkClientId(clientId: string, config: GatewayConfig): void {
  if (clientId === '')
    throw new GatewayError(
      'usage',
      '--client-id: is empty; leave it out, unless the broker asks for a certain one',
    );
  if (Buffer.byteLength(clientId) > MAX_CLIENT_ID_BYTES || /\p{Cc}/u.test(clientId))
    throw new GatewayError(
      'usage',
      `--client-id: must have at most ${MAX_CLIENT_ID_BYTES} bytes, and no control characters`,
    );
  const owner = [...config.brokers, ...outgoingOf(config)].find(
    ({ connection }) => connection.clientId === clientId,
  );
  if (owner !== undefined)
    throw new GatewayError(
      'usage',
      `--client-id ${clientId} is that of "${owner.name}" in the configuration: the broker would throw out the gateway that runs with it`,
    );
}

function fromOptions({ live }: WithTarget, config: GatewayConfig): BrokerConnection {
  if (/@|%40|\uFF20/i.test(live))
    throw new GatewayError(
      'usage',
      '--live: give user and password with --username and --password-file, not in the URL',
    );
  const address = brokerAddress(live);
  if (address === null) {
    const names = config.brokers.map(({ name }) => name);
    const known = names.length === 0 ? 'none is configured' : `configured are ${names.join(', ')}`;
    throw new GatewayError(
      'usage',
      `--live ${shownUrl({ url: live })}: neither a URL such as mqtt://host:1883 nor a configured broker (${known})`,
    );
  }
  if (address.scheme.startsWith('mqtt') && !['', '/'].includes(new URL(live).pathname))
    throw new GatewayError('usage', '--live: the URL has a path, which only ws:// and wss:// have');
  return {
    url: live,
    protocolVersion: 4,
    clientId: '',
    username: null,
    password: null,
    passwordFile: null,
    keepaliveSeconds: KEEPALIVE_SECONDS,
    cleanStart: true,
    sessionExpirySeconds: 0,
    tls: { caFile: null, certFile: null, keyFile: null, serverName: null, insecure: false },
    will: null,
  };
}

/** What the command line says counts, also against what the configuration says of its broker. */
function withOptions(connection: BrokerConnection, options: LiveOptions, io: CommandIo): BrokerConnection {
  const { protocol } = options;
  if (protocol !== undefined && protocol !== '3.1.1' && protocol !== '5')
    throw new GatewayError('usage', '--protocol: must be 3.1.1 or 5');
  const path = (file: string | undefined, otherwise: string | null): string | null =>
    file === undefined ? otherwise : resolve(io.cwd, file);
  const { tls } = connection;
  return {
    ...connection,
    ...(protocol === undefined ? {} : { protocolVersion: protocol === '5' ? 5 : 4 }),
    username: options.username ?? connection.username,
    password:
      options.passwordFile === undefined
        ? connection.password
        : passwordIn(resolve(io.cwd, options.passwordFile)),
    passwordFile: options.passwordFile === undefined ? connection.passwordFile : null,
    tls: {
      caFile: path(options.ca, tls.caFile),
      certFile: path(options.cert, tls.certFile),
      keyFile: path(options.key, tls.keyFile),
      serverName: options.serverName ?? tls.serverName,
      insecure: options.insecure ?? tls.insecure,
    },
  };
}

function passwordIn(file: string): string {
  const read = readSecret(file);
  if ('problem' in read) throw new GatewayError('usage', `--password-file: ${read.problem}`);
  return read.secret;
}

function durationOf(text: string): number {
  const ms = parseDuration(text) ?? parseDuration(text.replace(/m$/, 'min'));
  if (ms === null || ms < 1 || ms > MAX_FOR_MS)
    throw new GatewayError(
      'usage',
      `--for ${text}: must be a duration such as 30s, 10min or 1h, at most 31d`,
    );
  return ms;
}

/** One line that is written over, on a terminal. */
function startProgress(
  io: CommandIo,
  { json }: CommonOptions,
  { traffic }: TrialTally,
): { readonly end: () => void } {
  if (!io.isTerminal || json === true) return { end: () => undefined };
  const timer = setInterval(() => {
    io.writeError(`\r\x1b[K${count(traffic.messages)} messages, Ctrl+C ends it with the report`);
  }, PROGRESS_MS);
  return {
    end: () => {
      clearInterval(timer);
      io.writeError('\r\x1b[K');
    },
  };
}
