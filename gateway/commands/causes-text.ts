import { printable } from '../printable.ts';
import type { CausesPage, RejectionCause } from '../rejected-contract.ts';
import { count, moment, rejectedReadings } from './wording.ts';

const DEVICES_SHOWN = 5;
const PAYLOAD_SHOWN = 160;

/** The causes of rejections for people, each with an example. */
export function causesText({ causes, looked, others }: CausesPage): string {
  const [first] = causes;
  if (first === undefined) return 'no rejected readings\n';
  const parts = [
    `${rejectedReadings(looked)}, ${count(causes.length)} ${causes.length === 1 ? 'cause' : 'causes'}\n`,
    ...causes.map(causeText),
  ];
  if (others > 0) parts.push(`and ${count(others)} for other causes\n`);
  parts.push(
    `\`rejected show ${first.example.id}\` tells all of one; when the cause is mended, \`rejected replay --dry-run …\` says what it would bring\n`,
  );
  return parts.join('\n');
}

/** What, where, who and when, and one of them. */
export function causeText(cause: RejectionCause): string {
  const { code, schema, sink, pointer, example } = cause;
  const where = [
    schema === null ? null : `under ${printable(schema, 128)}`,
    sink === null ? null : `by sink ${printable(sink, 64)}`,
  ].filter((each) => each !== null);
  return [
    [`${count(cause.count)} × ${code}`, ...where].join(' '),
    // In the example's own words: the group's leave out the very names and numbers that say what to do.
    `    ${printable(pointer === '' ? example.message : `${pointer} ${example.message}`, 1024)}`,
    `    from ${devicesOf(cause)}; ${moment(cause.firstMs)} to ${moment(cause.lastMs)}`,
    `    such as ${printable(example.id)}: ${shortened(example.payload)}`,
    '',
  ].join('\n');
}

/** Already made printable, so only to be cut. */
function shortened(payload: string): string {
  return payload.length > PAYLOAD_SHOWN ? `${payload.slice(0, PAYLOAD_SHOWN)}…` : payload;
}

function devicesOf({ devices, moreDevices }: RejectionCause): string {
  if (devices.length === 0) return 'no known device';
  const named = devices.slice(0, DEVICES_SHOWN).map((device) => printable(device, 64));
  const rest = devices.length - named.length;
  if (rest === 0 && !moreDevices) return named.join(', ');
  return `${named.join(', ')} and ${moreDevices ? `more than ${count(rest)}` : count(rest)} others`;
}
