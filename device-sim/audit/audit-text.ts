import type { Finding } from './audit-contract.ts';
import type { AuditResult } from './run-audit.ts';
import type { UnitCounts } from './tally.ts';

const MOST_DEVICES = 20;

const WORDS = {
  stored: 'stored as sent',
  rejected: 'rejected',
  lost: 'LOST: acknowledged, and nowhere',
  'altered-value': 'ALTERED: another value or type',
  'altered-time': 'ALTERED: another time',
  'stored-though-bad': 'stored, though bad',
  'rejected-though-good': 'rejected, though good',
  'not-arrived': 'never acknowledged, and nowhere',
  'no-promise': 'sent without acknowledgement (QoS 0), and nowhere',
  'not-looked-for': 'may have been rejected; give --gateway to know',
  double: 'DOUBLE: stored more often than sent',
  'unrecognisable-double': 'double, without time or identity to tell a resend by',
  'allowed-repeat': 'sent twice on purpose, and there or rejected twice',
  unexpected: 'unexpected: nobody sent it',
  'unexpected-rejection': 'unexpected rejections',
} as const satisfies Record<Finding['kind'], string>;

/** The result for people. */
export function auditText(result: AuditResult): string {
  const { total } = result;
  const lines = [
    `${result.scenario}, seed ${result.seed}, against ${result.store}${result.gateway === null ? '' : ` and the gateway ${result.gateway}`}`,
    '',
    row(total.sent, 'sent'),
    row(total.acknowledged, 'acknowledged'),
    '',
  ];
  for (const kind of KINDS) {
    if (total[kind] > 0 || ALWAYS.has(kind)) lines.push(row(total[kind], WORDS[kind]));
  }
  if (result.dropped > 0) {
    lines.push(
      row(
        result.dropped,
        'of the lost ones the gateway says that it dropped, or no longer keeps, since the run began',
      ),
    );
  }
  if (result.droppedUnknown > 0) {
    lines.push(
      row(
        result.droppedUnknown,
        'may have been dropped: it is not known what was before the run (run --gateway)',
      ),
    );
  }
  if (result.pending > 0)
    lines.push(row(result.pending, 'points still wait in the gateway: audit again later'));
  if (result.strangers > 0) lines.push(row(result.strangers, 'rows of devices that are not in the ledger'));
  if (result.latestMs > 0) {
    lines.push('', `The latest arrival was ${result.latestMs} ms after its time; ${result.late} were late.`);
  }
  lines.push(...deviceLines(result.devices), ...findingLines(result));
  const parts = Object.entries(result.acknowledged).map(([end, count]) => `${end} ${count}`);
  lines.push('', `acknowledged ${total.acknowledged} = ${parts.join(' + ') || '0'}`, verdict(result));
  return lines.join('\n');
}

const ALWAYS: ReadonlySet<Finding['kind']> = new Set([
  'stored',
  'rejected',
  'lost',
  'altered-value',
  'altered-time',
  'double',
]);
// The keys of the table above, in its order.
const KINDS = Object.keys(WORDS) as (keyof typeof WORDS)[];
const WRONG = [
  'lost',
  'altered-value',
  'altered-time',
  'double',
  'unrecognisable-double',
  'unexpected',
  'stored-though-bad',
  'rejected-though-good',
] as const;

function row(count: number, words: string): string {
  return `${String(count).padStart(12)}  ${words}`;
}

function deviceLines(devices: readonly UnitCounts[]): string[] {
  const wrong = devices.filter((counts) => WRONG.some((kind) => counts[kind] > 0));
  if (wrong.length === 0) return [];
  const shown = wrong.slice(0, MOST_DEVICES).map((counts) => {
    const parts = WRONG.filter((kind) => counts[kind] > 0).map((kind) => `${kind} ${counts[kind]}`);
    return `  ${counts.device}: sent ${counts.sent}, ${parts.join(', ')}`;
  });
  if (wrong.length > MOST_DEVICES)
    shown.push(`  and ${wrong.length - MOST_DEVICES} more devices (--json has all)`);
  return ['', 'By device:', ...shown];
}

function findingLines({ findings }: AuditResult): string[] {
  if (findings.length === 0) return [];
  return ['', 'By name (--all for more):', ...findings.map((finding) => `  ${findingText(finding)}`)];
}

function findingText({
  kind,
  device,
  n,
  saidAt,
  storedAt,
  expectedAt,
  measurement,
  faults,
  rejectedAt,
}: Finding): string {
  return [
    kind,
    device,
    ...(n === null ? [] : [`reading ${n}`]),
    ...(measurement === null ? [] : [measurement]),
    ...(saidAt === null ? [] : [`said ${saidAt}`]),
    ...(expectedAt === null ? [] : [`its time ${expectedAt}`]),
    ...(rejectedAt === null ? [] : [`rejected ${rejectedAt}`]),
    ...(storedAt === null ? [] : [`stored at ${storedAt}`]),
    ...(faults.length === 0 ? [] : [`(${faults.join(', ')})`]),
  ].join('  ');
}

function verdict({ good, total, lostUnexplained }: AuditResult): string {
  if (good) return `Nothing that was acknowledged is lost or altered.`;
  const altered = total['altered-value'] + total['altered-time'];
  return `${lostUnexplained} acknowledged readings are lost, ${altered} readings are altered.`;
}
