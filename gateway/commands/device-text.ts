import type { DeviceDetail, DeviceReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import { devicesText as talliesText } from './account-text.ts';
import { causeText } from './causes-text.ts';
import { table } from './table.ts';
import { ago, count, moment } from './wording.ts';

/** The registry for people. */
export function devicesText(devices: readonly DeviceReport[], nowMs: number): string {
  if (devices.length === 0) return 'no devices\n';
  return table(
    [
      { title: 'device' },
      { title: 'state' },
      { title: 'last heard', align: 'right' },
      { title: 'per minute', align: 'right' },
      { title: 'readings', align: 'right' },
      { title: 'rejected', align: 'right' },
      { title: 'missing', align: 'right' },
      { title: 'clock' },
      { title: 'schemas' },
    ],
    devices.map((each) => [
      nameOf(each),
      each.state ?? '-',
      ago(each.lastSeenMs, nowMs),
      rateOf(each),
      count(each.readings),
      count(each.rejected),
      count(each.missing),
      printable(each.clock.words ?? each.clock.diagnosis, 48),
      printable(each.schemas.join(', '), 64),
    ]),
  );
}

/** All that is known of one. */
export function deviceText(detail: DeviceDetail, nowMs: number): string {
  const { known, series, causes } = detail;
  const parts = [talliesText([detail])];
  if (known !== null) parts.push(factsText(known, series, nowMs));
  if (causes.length > 0) parts.push('why its readings were rejected\n', ...causes.map(causeText));
  return parts.join('\n');
}

function factsText(known: DeviceReport, series: number, nowMs: number): string {
  const { clock, expectEveryMs, state } = known;
  const expected = expectEveryMs === null ? '' : `, expected every ${count(expectEveryMs / 1000)} s`;
  const facts: readonly (readonly [string, string | null])[] = [
    ['stored as', known.alias],
    ['state', state === null ? null : `${state}${expected}`],
    ['first', moment(known.firstSeenMs)],
    ['last', `${moment(known.lastSeenMs)} (${ago(known.lastSeenMs, nowMs)} ago)`],
    ['rate', `${rateOf(known)} a minute`],
    ['source', known.source],
    ['address', known.address],
    ['client', known.client],
    ['schemas', known.schemas.join(', ')],
    ['series', count(series)],
    [
      'gaps',
      known.seqGaps === 0 ? null : `${count(known.seqGaps)} in seq, ${count(known.missing)} readings missing`,
    ],
    ['rejected', known.lastCode === null ? null : `the last one as ${known.lastCode}`],
    ['clock', clock.words ?? clock.diagnosis],
    ['jumps', clock.jumps === 0 ? null : count(clock.jumps)],
  ];
  return facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(9)}  ${printable(value ?? '', 256)}\n`)
    .join('');
}

function nameOf({ device, alias }: DeviceReport): string {
  return printable(alias === null ? device : `${device} (${alias})`, 64);
}

function rateOf({ ratePerMinute }: DeviceReport): string {
  return ratePerMinute < 10 ? ratePerMinute.toFixed(1) : count(ratePerMinute);
}
