import { Command } from 'commander';
import { canonicalSpec } from '../canonical-spec.ts';
import type { GatewayConfig } from '../config/gateway-config.ts';
import { GatewayError } from '../errors.ts';
import { formatProblem } from '../formats/formats.ts';
import type { ExplainedHome, ExplainedReading, ExplainRequest, Explanation } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { explainOffline } from './explain-offline.ts';
import { violationText } from './rejected-text.ts';
import { createRemoteOperations } from './remote-operations.ts';
import { isRunning } from './with-operations.ts';

interface ExplainOptions extends CommonOptions {
  readonly topic: string;
  readonly payload?: string;
  readonly client: string;
  readonly format?: string;
  readonly contentType?: string;
  readonly userProperty?: readonly string[];
}

/** More than any payload that would be taken; the socket bounds it too. */
const MAX_PAYLOAD_BYTES = 1024 * 1024;

/** Ends with 1 where the message would be rejected: `reject` is called then. */
export function explainCommand(io: CommandIo, parts: CommandParts, reject: () => void): Command {
  return withCommonOptions(new Command('explain'))
    .description('what would happen to this message: its route, its points, or each violation')
    .requiredOption('-t, --topic <topic>', 'its topic')
    .option('-p, --payload <payload>', 'its payload (default: standard input, where that is no terminal)')
    .option(
      '--format <spec>',
      'read the payload as this format, whatever the schema says: csv, {"csv":{…}}, …',
    )
    .option('--client <id>', 'the client id it would come from', 'explain')
    .option('--content-type <type>', 'as if another broker passed it on (MQTT 5) with this content type')
    .option(
      '--user-property <name=value...>',
      'as if another broker passed it on (MQTT 5) with these user properties',
    )
    .action(async (options: ExplainOptions) => {
      const config = configOf(options, io);
      const payload =
        options.payload === undefined ? await io.readInput(MAX_PAYLOAD_BYTES) : Buffer.from(options.payload);
      if (payload !== null && payload.length > MAX_PAYLOAD_BYTES)
        throw new GatewayError('usage', 'the payload is larger than 1 MiB');
      const request = {
        topic: options.topic,
        payloadBase64: payload?.toString('base64') ?? null,
        client: options.client,
        format: options.format === undefined ? null : specOf(options.format),
        ...relayOf(options),
      };
      const { explanation, schemaErrors } = await explained(config, parts, request);
      const isUnclaimed = explanation.schemas.length === 0 && schemaErrors > 0;
      const answer = isUnclaimed ? { ...explanation, schemaErrors } : explanation;
      writeAnswer(io, options, answer, explanationText);
      if (explanation.outcome === 'rejected') reject();
    });
}

interface Explained {
  readonly explanation: Explanation;
  /** Schema files that cannot be used as they are; not asked for where a schema claims the topic. */
  readonly schemaErrors: number;
}

async function explained(
  config: GatewayConfig,
  parts: CommandParts,
  request: ExplainRequest,
): Promise<Explained> {
  if (!(await isRunning(config.dataDir))) return explainOffline(config, parts, request);
  const gateway = createRemoteOperations(config.dataDir);
  const explanation = await gateway.explain(request);
  const schemaErrors = explanation.schemas.length > 0 ? 0 : (await gateway.status()).schemaErrors;
  return { explanation, schemaErrors };
}

/** @throws GatewayError `usage` where there is no such format. */
function specOf(text: string): string {
  const spec = canonicalSpec(text);
  const problem = formatProblem(spec);
  if (problem !== null) throw new GatewayError('usage', `--format: ${problem}`);
  return spec;
}

/** @throws GatewayError `usage` for a user property that is no `name=value`. */
function relayOf({ contentType, userProperty }: ExplainOptions): Pick<ExplainRequest, 'relay'> {
  if (contentType === undefined && userProperty === undefined) return {};
  const userProperties = (userProperty ?? []).map((text): [string, string] => {
    const at = text.indexOf('=');
    if (at < 1) throw new GatewayError('usage', `--user-property must be name=value, got ${printable(text)}`);
    return [text.slice(0, at), text.slice(at + 1)];
  });
  return { relay: { contentType: contentType ?? null, userProperties } };
}

export function explanationText(explanation: Explanation & Partial<Pick<Explained, 'schemaErrors'>>): string {
  const { topic, outcome, schemas, format, nearest, readings, home, schemaErrors = 0 } = explanation;
  const lines = [`topic    ${printable(topic)}`];
  if (schemas.length === 0) {
    lines.push('schema   none claims this topic');
    if (schemaErrors > 0)
      lines.push(
        `         but ${schemaErrors} schema ${schemaErrors === 1 ? 'file is' : 'files are'} broken, and may be meant for it: see \`telemetry-gateway check\``,
      );
    if (nearest !== null) lines.push(`nearest  ${printable(nearest)}`);
  } else {
    lines.push(`schema   ${schemas.map((id) => printable(id)).join(' or ')} (${format ?? ''})`);
  }
  lines.push(`outcome  ${OUTCOME_WORDS[outcome]}`);
  if (home !== undefined) lines.push(`home     ${homeText(home, outcome)}`);
  if (readings.length > 0)
    lines.push('', ...readings.flatMap((reading, i) => readingLines(reading, i, readings.length)));
  return `${lines.join('\n')}\n`;
}

const OUTCOME_WORDS: Readonly<Record<Explanation['outcome'], string>> = {
  stored: 'stored',
  duplicate: 'duplicate: its identity has been stored before',
  rejected: 'rejected',
  forwarded: 'forwarded: handed to subscribers, not stored',
  route: 'depends on the payload; give one with --payload',
};

/** What clients send to the gateway itself is taken where it comes, whatever the home. */
function homeText(
  { gateway, isHere, passedOn, why }: ExplainedHome,
  outcome: Explanation['outcome'],
): string {
  const where = printable(gateway, 64);
  if (passedOn === null) return `${where}; ${why}: give a payload with --payload`;
  if (passedOn)
    return `${where}; what comes over a shared subscription is passed on to it, not stored here: ${why}`;
  const stays = outcome === 'stored' || outcome === 'route' ? 'is stored here' : 'stays here';
  return isHere
    ? `${where}, this gateway; what comes over a shared subscription ${stays}`
    : `${where}; what comes over a shared subscription ${stays} all the same: ${why}`;
}

function readingLines(reading: ExplainedReading, index: number, of: number): string[] {
  const prefix = of > 1 ? `[${index}] ` : '';
  const clock = reading.clock === null ? [] : [`  the clock of this device: ${printable(reading.clock)}`];
  if (reading.kind === 'point')
    return [`${prefix}${reading.duplicate ? 'duplicate: ' : ''}${printable(reading.line)}`, ...clock];
  return [
    `${prefix}${reading.code}${reading.schema === null ? '' : ` under ${printable(reading.schema)}`}`,
    ...reading.violations.map((violation) => `  ${violationText(violation)}`),
    ...clock,
  ];
}
