import type { Violation } from '../contracts.ts';
import type { RejectionReport } from '../operations-contract.ts';
import { printable } from '../printable.ts';
import type { RejectionSummary } from '../rejected-contract.ts';
import type { Resolution } from '../store-contract.ts';
import { hexDump } from './hex-dump.ts';
import { markedJson } from './json-view.ts';
import { lineDiff } from './line-diff.ts';
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

/** All of one: what it was, its bytes, what is wrong at its place, its schema then and now, what it would be today. */
export function rejectionText(rejection: RejectionReport): string {
  const { payloadBytes, violations, index, resolved } = rejection;
  const payload = Buffer.from(rejection.payloadBase64, 'base64');
  const facts: readonly (readonly [string, string | null])[] = [
    ['id', rejection.id],
    ['time', moment(rejection.atMs)],
    ['code', rejection.code],
    ['source', rejection.source],
    // A point that a sink refused came from no topic and no client.
    ['topic', rejection.code === 'sink-rejected' ? null : rejection.topic],
    ['client', rejection.code === 'sink-rejected' ? null : rejection.client],
    ['username', rejection.username],
    ['device', rejection.device],
    ['schema', rejection.schema],
    ['format', rejection.format],
    ['type', rejection.relay?.contentType ?? null],
    ...(rejection.relay?.userProperties ?? []).map(([name, value]): [string, string] => [
      'property',
      `${name}=${value}`,
    ]),
    ...(rejection.relay?.unread ?? []).map((name): [string, string] => [
      'property',
      `${name} (its text is not kept)`,
    ]),
    ['element', index === null ? null : `${index} of the array`],
    ['sink', rejection.sink],
    ['state', resolved === null ? 'open' : `${RESOLVED[resolved.kind]} ${moment(resolved.atMs)}`],
  ];
  const marked = payload.length > MAX_MARKED_BYTES ? null : markedJson(payload.toString('utf8'), violations);
  const parts = [
    facts
      .filter(([, value]) => value !== null)
      .map(([name, value]) => `${name.padEnd(8)} ${printable(value ?? '')}`),
    violations.map((violation) => `  ${violationText(violation)}`),
    [
      `payload (${bytes(payloadBytes)})`,
      ...(marked ?? [printable(rejection.payloadText, MAX_TEXT)]).map((line) => `  ${line}`),
    ],
    hexDump(payload).map((line) => `  ${line}`),
    schemaLines(rejection),
    todayLines(rejection),
  ];
  return parts
    .filter((lines) => lines.length > 0)
    .map((lines) => `${lines.join('\n')}\n`)
    .join('\n');
}

const MAX_MARKED_BYTES = 256 * 1024;
const MAX_TEXT = 4096;

const RESOLVED: Readonly<Record<Resolution['kind'], string>> = {
  stored: 'replayed: stored',
  duplicate: 'replayed: had been stored already, found',
  split: 'replayed: taken apart into its readings',
  written: 'replayed: written to its sink',
};

function schemaLines({ schema, schemaThen, schemaNow }: RejectionReport): readonly string[] {
  if (schema === null) return [];
  const name = printable(schema, 128);
  if (schemaNow === null) return [`schema ${name} is no longer in force`];
  if (schemaThen === null) return [`schema ${name}: which version was in force then is not known`];
  if (schemaThen.version === schemaNow.version) return [`schema ${name} is unchanged since`];
  const changed = `schema ${name} has changed since (${schemaThen.version} is now ${schemaNow.version})`;
  if (schemaThen.text === null || schemaNow.text === null)
    return [`${changed}; its text of then is no longer kept`];
  return [
    changed,
    ...lineDiff(schemaThen.text, schemaNow.text).map((line) => `  ${printable(line, MAX_LINE)}`),
  ];
}

const MAX_LINE = 160;
const READINGS_SHOWN = 20;

function todayLines({ code, today, resolved }: RejectionReport): readonly string[] {
  if (resolved !== null) return [];
  if (code === 'sink-rejected') return ['today: only its sink can say; `rejected replay` asks it'];
  const lines = today.slice(0, READINGS_SHOWN).flatMap((reading) => {
    if (reading.kind === 'bad')
      return [
        `  rejected: ${reading.code}`,
        ...reading.violations.map((violation) => `    ${violationText(violation)}`),
      ];
    return [`  ${reading.duplicate ? 'stored already' : 'stored'}: ${printable(reading.line, MAX_TEXT)}`];
  });
  const more = today.length - READINGS_SHOWN;
  return ['today', ...lines, ...(more > 0 ? [`  and ${more} more readings`] : [])];
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
