import type { Violation } from '../contracts.ts';
import type { RejectionReport, RejectionSummary } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import { table } from './table.ts';
import { bytes, moment } from './wording.ts';

export function rejectedListText(rejections: readonly RejectionSummary[]): string {
  if (rejections.length === 0) return 'no rejected readings\n';
  return table(
    [
      { title: 'id' },
      { title: 'time' },
      { title: 'code' },
      { title: 'device' },
      { title: 'topic' },
      { title: 'why' },
    ],
    rejections.map(({ id, atMs, code, device, topic, violations }) => [
      printable(id),
      moment(atMs),
      code,
      printable(device ?? '-', 32),
      printable(topic, 48),
      whyText(violations),
    ]),
  );
}

export function rejectionText(rejection: RejectionReport): string {
  const { payloadBytes, payloadText, violations, index } = rejection;
  const facts: readonly (readonly [string, string | null])[] = [
    ['id', rejection.id],
    ['time', moment(rejection.atMs)],
    ['code', rejection.code],
    ['source', rejection.source],
    ['topic', rejection.topic],
    ['client', rejection.client],
    ['device', rejection.device],
    ['schema', rejection.schema],
    ['element', index === null ? null : `${index} of the array`],
    ['sink', rejection.sink],
  ];
  const lines = facts
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name.padEnd(8)} ${printable(value ?? '')}`);
  return `${[
    ...lines,
    '',
    ...violations.map((violation) => `  ${violationText(violation)}`),
    '',
    `payload (${bytes(payloadBytes)})`,
    `  ${payloadText}`,
  ].join('\n')}\n`;
}

export function violationText({ pointer, message }: Violation): string {
  return printable(pointer === '' ? message : `${pointer} ${message}`, 1024);
}

function whyText(violations: readonly Violation[]): string {
  const [first] = violations;
  if (first === undefined) return '';
  const more = violations.length > 1 ? ` (+${violations.length - 1})` : '';
  return `${printable(violationText(first), 80)}${more}`;
}
