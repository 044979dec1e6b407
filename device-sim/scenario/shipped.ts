/** What ships with the program: reading schemas and scenarios. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { GatewayError } from '../../gateway/errors.ts';
import { PACKAGE_ROOT } from '../../gateway/package-root.ts';
import { nearest } from './validate-scenario.ts';

export const SHIPPED_SCHEMAS = join(PACKAGE_ROOT, 'schemas/readings');
export const SHIPPED_SCENARIOS = join(PACKAGE_ROOT, 'device-sim/scenarios');

/** The names of the scenarios that ship. */
export function shippedScenarios(): readonly string[] {
  return readdirSync(SHIPPED_SCENARIOS)
    .filter((name) => name.endsWith('.yaml'))
    .map((name) => name.slice(0, -'.yaml'.length))
    .sort();
}

/** The file of a scenario: one that ships, by its name, or any file. @throws GatewayError `usage`. */
export function scenarioFile(nameOrFile: string): string {
  const known = shippedScenarios();
  if (known.includes(nameOrFile)) return join(SHIPPED_SCENARIOS, `${nameOrFile}.yaml`);
  if (existsSync(nameOrFile)) return nameOrFile;
  const near = nearest(nameOrFile, known);
  throw new GatewayError(
    'usage',
    `there is no scenario or file ${nameOrFile}${near === null ? '.' : `; did you mean ${near}?`} Scenarios that ship: ${known.join(', ')}`,
  );
}
