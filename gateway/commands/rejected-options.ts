import { type Command, InvalidArgumentError, Option } from 'commander';
import { REJECTION_CODES } from '../contracts.ts';
import { parseMoment } from '../operations/rejected-query.ts';
import type { RejectedQuery } from '../rejected-contract.ts';

const MAX_LIMIT = 1000;

/** The options that choose rejected readings. */
export function withFilterOptions(command: Command): Command {
  return command
    .addOption(new Option('--code <code>', 'rejected for this reason').choices([...REJECTION_CODES]))
    .option('-d, --device <device>', 'of this device')
    .option('--client <client>', 'from this client')
    .option('--topic <topic>', 'under this topic, or MQTT topic filter')
    .option('--schema <id>', 'by this schema')
    .option('--sink <name>', 'refused by this sink')
    .option('--since <time>', 'since 2h ago, or since 2026-03-01T12:00:00Z')
    .option('--until <time>', 'before that time');
}

/** `--state`, where more than the open ones can be meant. */
export function withStateOption(command: Command): Command {
  return command.addOption(
    new Option('--state <state>', 'open, resolved or all (default: open)').choices([
      'open',
      'resolved',
      'all',
    ]),
  );
}

/**
 * What was chosen. A time that counts back from now is made an absolute one here, so that it means the same for every page.
 * @throws GatewayError `usage`.
 */
export function queryOf(options: RejectedQuery, nowMs: number): RejectedQuery {
  const { code, device, client, topic, schema, sink, since, until, state, limit } = options;
  return {
    ...(code === undefined ? {} : { code }),
    ...(device === undefined ? {} : { device }),
    ...(client === undefined ? {} : { client }),
    ...(topic === undefined ? {} : { topic }),
    ...(schema === undefined ? {} : { schema }),
    ...(sink === undefined ? {} : { sink }),
    ...(since === undefined ? {} : { since: absolute(since, nowMs) }),
    ...(until === undefined ? {} : { until: absolute(until, nowMs) }),
    ...(state === undefined ? {} : { state }),
    ...(limit === undefined ? {} : { limit }),
  };
}

/** For `--limit`. */
export function parseLimit(text: string): number {
  const limit = Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_LIMIT)
    throw new InvalidArgumentError(`It must be a number from 1 to ${MAX_LIMIT}.`);
  return limit;
}

function absolute(text: string, nowMs: number): string {
  return new Date(parseMoment(text, nowMs)).toISOString();
}
