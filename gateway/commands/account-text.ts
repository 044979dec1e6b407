import { OUTCOMES } from '../contracts.ts';
import { imbalanceWords } from '../operations/account-balance.ts';
import type { AccountReport, DeviceAccount, Imbalance } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { Tally } from '../store-contract.ts';
import { type Column, table } from './table.ts';
import { count } from './wording.ts';

const DEVICES_SHOWN = 20;
const IMBALANCES_SHOWN = 20;

const TALLY_COLUMNS: readonly Column[] = ['received', ...OUTCOMES].map((title) => ({
  title,
  align: 'right',
}));

/** The account for people: where every reading went. */
export function accountText(account: AccountReport): string {
  const { total, sources, devices, deviceCount, sinks } = account;
  const parts = [
    `${count(total.received)} readings received\n\n${outcomes(account)}`,
    balanceText(account.imbalances),
  ];
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

/** Silence would be read as "all is well" too: both are said. */
export function balanceText(imbalances: readonly Imbalance[]): string {
  if (imbalances.length === 0) return 'the account closes\n';
  const shown = imbalances
    .slice(0, IMBALANCES_SHOWN)
    .map((each) => `  ${printable(imbalanceWords(each), 256)}\n`);
  const more = imbalances.length - shown.length;
  return [
    'THE ACCOUNT DOES NOT CLOSE: this is a bug of the gateway, please report it\n',
    ...shown,
    ...(more > 0 ? [`  and ${count(more)} more\n`] : []),
  ].join('');
}

function outcomes({ total, codes, rejections }: AccountReport): string {
  const width = Math.max(...OUTCOMES.map((outcome) => count(total[outcome]).length));
  const why = Object.entries(codes)
    .filter(([, n]) => n > 0)
    .sort(([, a], [, b]) => b - a)
    .map(([code, n]) => `${code} ${count(n)}`)
    .join(', ');
  const { open, replayed, discarded, evicted } = rejections;
  const became = [
    [open, 'open'],
    [replayed, 'replayed'],
    [discarded, 'discarded'],
    [evicted, 'no longer kept'],
  ] as const;
  const states = became.filter(([n]) => n > 0).map(([n, words]) => `${count(n)} ${words}`);
  const notes: Partial<Record<string, string>> = {
    rejected: states.length === 0 ? why : `${why} (${states.join(', ')})`,
  };
  return OUTCOMES.map((outcome) =>
    `  ${outcome.padEnd(9)}  ${count(total[outcome]).padStart(width)}  ${notes[outcome] ?? ''}`.trimEnd(),
  )
    .join('\n')
    .concat('\n');
}

function cells(tally: Tally): string[] {
  return [count(tally.received), ...OUTCOMES.map((outcome) => count(tally[outcome]))];
}
