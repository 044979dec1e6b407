import { OUTCOMES } from '../contracts.ts';
import type { AccountReport, DeviceAccount } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { Tally } from '../store-contract.ts';
import { type Column, table } from './table.ts';
import { count } from './wording.ts';

const DEVICES_SHOWN = 20;

const TALLY_COLUMNS: readonly Column[] = OUTCOMES.map((title) => ({ title, align: 'right' }));

/** The account for people: where every reading went. */
export function accountText(account: AccountReport): string {
  const { total, sources, devices, deviceCount, sinks } = account;
  const parts = [`${count(received(total))} readings received\n\n${outcomes(account)}`];
  if (Object.keys(sources).length > 0)
    parts.push(
      table(
        [{ title: 'source' }, ...TALLY_COLUMNS],
        Object.entries(sources).map(([source, tally]) => [printable(source, 64), ...cells(tally)]),
      ),
    );
  if (devices.length > 0) {
    const shown = devices.slice(0, DEVICES_SHOWN);
    parts.push(devicesText(shown));
    if (deviceCount > shown.length)
      parts.push(
        `the busiest ${shown.length} of ${count(deviceCount)} devices; --json has more, --device D has one\n`,
      );
  }
  if (sinks.length > 0)
    parts.push(
      table(
        [
          { title: 'sink' },
          ...['stored', 'written', 'rejected', 'dropped', 'pending'].map(
            (title): Column => ({ title, align: 'right' }),
          ),
        ],
        sinks.map(({ name, stored, written, rejected, dropped, pending }) => [
          printable(name),
          ...[stored, written, rejected, dropped, pending].map(count),
        ]),
      ),
    );
  return parts.join('\n');
}

export function devicesText(devices: readonly DeviceAccount[]): string {
  return table(
    [{ title: 'device' }, ...TALLY_COLUMNS],
    devices.map((each) => [printable(each.device, 64), ...cells(each)]),
  );
}

function outcomes({ total, codes, rejectedEvicted }: AccountReport): string {
  const width = Math.max(...OUTCOMES.map((outcome) => count(total[outcome]).length));
  const why = Object.entries(codes)
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([code, n]) => `${code} ${count(n)}`)
    .join(', ');
  const notes: Partial<Record<string, string>> = {
    rejected: `${why}${rejectedEvicted > 0 ? `; ${count(rejectedEvicted)} no longer kept` : ''}`,
  };
  return OUTCOMES.map((outcome) =>
    `  ${outcome.padEnd(9)}  ${count(total[outcome]).padStart(width)}  ${notes[outcome] ?? ''}`.trimEnd(),
  )
    .join('\n')
    .concat('\n');
}

function cells(tally: Tally): string[] {
  return OUTCOMES.map((outcome) => count(tally[outcome]));
}

function received(tally: Tally): number {
  return OUTCOMES.reduce((sum, outcome) => sum + tally[outcome], 0);
}
