import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { GatewayError, type Problem, problemText } from '../errors.ts';
import { deepFreeze } from './deep-freeze.ts';
import type { GatewayConfig } from './gateway-config.ts';
import type { Environment } from './interpolate.ts';
import { normalise } from './normalise.ts';
import type { RawConfig } from './raw-config.ts';
import { readBounded } from './secret-file.ts';
import { systemWords } from './system-words.ts';
import { validateConfig } from './validate.ts';
import { parseYaml } from './yaml-source.ts';

export const DEFAULT_CONFIG_FILE = 'gateway.yaml';
const MAX_FILE_BYTES = 1024 * 1024;

export interface ConfigOrigin {
  /** As the user named it; null: `gateway.yaml` in `cwd` where there is one, else the embedded defaults. */
  readonly file: string | null;
  readonly cwd: string;
  readonly environment: Environment;
}

/**
 * Reads, checks, completes and freezes the configuration.
 * @throws GatewayError `config-invalid` whose `problems` lists every problem with its place.
 */
export function loadConfig(origin: ConfigOrigin): GatewayConfig {
  const file =
    origin.file ?? (existsSync(resolve(origin.cwd, DEFAULT_CONFIG_FILE)) ? DEFAULT_CONFIG_FILE : null);
  return parseConfig(file === null ? '' : read(resolve(origin.cwd, file), file), { ...origin, file });
}

/** The same for a text. `file` only names it and is where relative paths start. */
export function parseConfig(text: string, { file, cwd, environment }: ConfigOrigin): GatewayConfig {
  const name = file ?? '(defaults)';
  const source = parseYaml(text, name, environment);
  const problems = [...source.problems];
  if (problems.length === 0) problems.push(...validateConfig(source));
  if (problems.length > 0) throw invalid(name, problems);
  const config = normalise(
    // The schema let it through and filled its defaults in; a test holds the types to the schema.
    source.value as RawConfig,
    {
      file,
      cwd,
      has: source.has,
      problem: (pointer, message) => problems.push(source.problem(pointer, message)),
    },
  );
  if (problems.length > 0) throw invalid(name, problems);
  return deepFreeze(config);
}

function read(path: string, name: string): string {
  let text: string | null;
  try {
    text = readBounded(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new GatewayError('config-invalid', `${name} cannot be read: ${systemWords(error)}`, {
      cause: error,
    });
  }
  if (text === null) throw new GatewayError('config-invalid', `${name} is larger than 1 MiB`);
  return text;
}

function invalid(name: string, problems: readonly Problem[]): GatewayError {
  const [first] = problems;
  const message =
    first !== undefined && problems.length === 1
      ? problemText(first)
      : `${name} has ${problems.length} problems:\n${problems.map(problemText).join('\n')}`;
  return new GatewayError('config-invalid', message, { problems });
}
