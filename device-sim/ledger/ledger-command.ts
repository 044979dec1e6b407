import type { Command } from 'commander';
import { openLedger } from './read-ledger.ts';

/** What a ledger holds, in figures. */
export interface LedgerSummary {
  readonly folder: string;
  readonly scenario: string;
  readonly seed: number;
  readonly url: string;
  readonly start: string;
  readonly devices: number;
  readonly sent: number;
  readonly acknowledged: number;
  readonly refused: number;
  readonly unanswered: number;
  /** By what the gateway must do with them. */
  readonly fates: Readonly<Record<'stored' | 'rejected' | 'either', number>>;
  /** By fault, of the payload and on the way. */
  readonly faults: Readonly<Record<string, number>>;
  /** SHA-256 of what was sent. */
  readonly sha256: string;
}

/** @throws Error where there is no ledger, or it is damaged. */
export function summariseLedger(folder: string): LedgerSummary {
  const ledger = openLedger(folder);
  const fates = { stored: 0, rejected: 0, either: 0 };
  const faults = new Map<string, number>();
  for (const { fate, payloadFault, wayFault } of ledger.readings()) {
    fates[fate] += 1;
    for (const fault of [payloadFault, wayFault]) {
      if (fault !== null) faults.set(fault, (faults.get(fault) ?? 0) + 1);
    }
  }
  const answered = new Uint8Array(ledger.count);
  for (const { number, kind } of ledger.answers()) {
    // Acknowledged after all, once it was sent again.
    answered[number] = kind === 'acknowledged' ? 1 : answered[number] || 2;
  }
  const acknowledged = countOf(answered, 1);
  const refused = countOf(answered, 2);
  return {
    folder,
    scenario: ledger.run.scenario,
    seed: ledger.run.seed,
    url: ledger.run.url,
    start: new Date(ledger.run.startMs).toISOString(),
    devices: ledger.run.devices.length,
    sent: ledger.count,
    acknowledged,
    refused,
    unanswered: ledger.count - acknowledged - refused,
    fates,
    faults: Object.fromEntries([...faults].sort(([a], [b]) => (a < b ? -1 : 1))),
    sha256: ledger.digest(),
  };
}

/** `device-sim ledger PATH`. */
export function addLedgerCommand(program: Command, io: { say(text: string): void }): void {
  program
    .command('ledger <path>')
    .description('what the ledger of a run holds; two runs with the same sha256 sent the same')
    .option('--json', 'as JSON')
    .action((path: string, options: { json?: true }) => {
      const summary = summariseLedger(path);
      io.say(options.json === true ? JSON.stringify(summary) : textOf(summary));
    });
}

function textOf(summary: LedgerSummary): string {
  const faults = Object.entries(summary.faults).map(([fault, count]) => `${fault} ${count}`);
  return [
    `scenario      ${summary.scenario}, seed ${summary.seed}, ${summary.devices} devices, to ${summary.url}`,
    `start         ${summary.start}`,
    `sent          ${summary.sent}`,
    `acknowledged  ${summary.acknowledged}`,
    `refused       ${summary.refused}`,
    `unanswered    ${summary.unanswered}`,
    `must be       stored ${summary.fates.stored}, rejected ${summary.fates.rejected}, either ${summary.fates.either}`,
    `faults        ${faults.length === 0 ? 'none' : faults.join(', ')}`,
    `sha256        ${summary.sha256}`,
  ].join('\n');
}

function countOf(bytes: Uint8Array, value: number): number {
  let count = 0;
  for (const byte of bytes) if (byte === value) count += 1;
  return count;
}
