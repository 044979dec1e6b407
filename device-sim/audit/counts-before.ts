/**
 * What a gateway had dropped before a run began: it counts since its store was made, and only what it dropped since can
 * explain what is missing of this run. Kept beside the ledger, for audits that come later.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayCounts } from './audit-contract.ts';

const NAME = 'gateway-before.json';

/** `ledger`: its folder. */
export function writeCountsBefore(ledger: string, counts: GatewayCounts): void {
  writeFileSync(join(ledger, NAME), `${JSON.stringify(counts)}\n`);
}

/** Null: nobody asked the gateway before the run. @throws Error where the file is damaged. */
export function readCountsBefore(ledger: string): GatewayCounts | null {
  const path = join(ledger, NAME);
  if (!existsSync(path)) return null;
  let counts: unknown;
  try {
    counts = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new Error(`${path} is damaged`, { cause: error });
  }
  if (!isCounts(counts)) throw new Error(`${path} is of another version of device-sim`);
  return counts;
}

function isCounts(value: unknown): value is GatewayCounts {
  return (
    typeof value === 'object' &&
    value !== null &&
    'rejectionsGone' in value &&
    typeof value.rejectionsGone === 'number' &&
    'sinks' in value &&
    Array.isArray(value.sinks)
  );
}
