import { printable } from '../printable.ts';
import type { LiveReport } from '../trial/live-report.ts';
import { familyJson, familyText, savedText } from './family-text.ts';
import type { SavedDraft } from './save-drafts.ts';
import { table } from './table.ts';
import { bytes, count } from './wording.ts';

const MAX_CAUSES = 20;
const MAX_FAMILIES = 50;

/** The report for people. */
export function liveText(report: LiveReport, saved: readonly SavedDraft[] | null): string {
  const { broker, clientId, seconds, heardSeconds, messages, topics, retained, families, warnings } = report;
  const kept = retained === 0 ? '' : `, ${count(retained)} of them retained`;
  const parts = [
    `listened ${seconds} s at ${printable(broker, 256)} as ${printable(clientId, 64)}; nothing was published, nothing stored\n`,
    `${count(messages)} messages${kept}, ${bytes(report.bytes)}, on ${count(topics)} topics\n`,
    ...warnings.map((warning) => `WARNING: ${printable(warning, 600)}\n`),
    schemasText(report),
    causesText(report),
  ];
  if (families.length > 0) {
    parts.push(
      `\nno schema claims (${count(report.unrouted)} messages; they would be ${report.unroutedBecome}, not stored):\n\n`,
    );
    for (const family of families.slice(0, MAX_FAMILIES)) parts.push(familyText(family, heardSeconds));
    if (families.length > MAX_FAMILIES)
      parts.push(`… and ${count(families.length - MAX_FAMILIES)} more; --json tells all\n`);
  }
  parts.push(savedText(saved, families.filter(({ draft }) => draft !== null).length));
  return parts.join('');
}

/** What each schema makes of the topics that are its own. */
export function schemasText({ schemas }: Pick<LiveReport, 'schemas'>): string {
  if (schemas.length === 0) return '';
  const rows = schemas.map((share) => [
    share.schema,
    count(share.topics),
    count(share.messages),
    count(share.stored),
    count(share.rejected),
    `${count(share.series)}${share.seriesAtLeast ? '+' : ''}`,
  ]);
  const right = { align: 'right' } as const;
  return `\n${table(
    [
      { title: 'schema' },
      { title: 'topics', ...right },
      { title: 'messages', ...right },
      { title: 'would be stored', ...right },
      { title: 'rejected', ...right },
      { title: 'series', ...right },
    ],
    rows,
  )}`;
}

/** What they would reject, and why. */
export function causesText({ causes, rejected }: Pick<LiveReport, 'causes' | 'rejected'>): string {
  if (causes.length === 0) return '';
  const lines = causes
    .slice(0, MAX_CAUSES)
    .map(
      ({ code, schema, pointer, message, count: n, example }) =>
        `${count(n)} × ${code}${schema === null ? '' : ` under ${schema}`}: ${pointer === '' ? '' : `${pointer} `}${message}\n` +
        `    ${printable(example.id, 72)}  ${printable(example.payload, 120)}\n`,
    );
  if (causes.length > MAX_CAUSES) lines.push(`… and ${count(causes.length - MAX_CAUSES)} more causes\n`);
  return `\n${count(rejected)} would be rejected:\n${lines.join('')}`;
}

/** The report for programs: without samples, with every draft. */
export function liveJson(
  report: LiveReport,
  saved: readonly SavedDraft[] | null,
): Readonly<Record<string, unknown>> {
  return { ...report, families: report.families.map(familyJson), saved: saved ?? [] };
}
