import type { Command } from 'commander';
import { GatewayError } from '../errors.ts';
import { CauseCounter } from '../operations/rejection-causes.ts';
import type { Operations } from '../operations-contract.ts';
import type { RejectedQuery, RejectedSelection, ReplayReport } from '../rejected-contract.ts';
import { causeText } from './causes-text.ts';
import type { CommandIo } from './command-io.ts';
import type { CommandParts } from './command-parts.ts';
import { type CommonOptions, configOf, withCommonOptions, writeAnswer } from './common-options.ts';
import { queryOf, withFilterOptions } from './rejected-options.ts';
import { withOperations } from './with-operations.ts';
import { count, rejectedReadings } from './wording.ts';

interface ReplayOptions extends CommonOptions, RejectedQuery {
  readonly all?: true;
  readonly dryRun?: true;
}

/** Many short calls rather than a long one: live readings go on in between. */
const REJECTIONS_A_CALL = 500;
const CAUSES_SHOWN = 10;

export function addReplayCommand(rejected: Command, io: CommandIo, parts: CommandParts): void {
  withFilterOptions(withCommonOptions(rejected.command('replay [id...]')))
    .description('store after all what today’s schemas accept, with its first times; each is stored once')
    .option('--all', 'all that are open')
    .option('--dry-run', 'only say what would happen')
    .action(async (ids: string[], options: ReplayOptions) => {
      const selection = selectionOf(ids, options, Date.now());
      const dryRun = options.dryRun === true;
      await withOperations(configOf(options, io), io, parts, async (operations) => {
        const total = new Total();
        try {
          await replayAll(operations, selection, { dryRun, run: `command-${io.pid}` }, total, (so) => {
            if (io.isTerminal && options.json !== true) io.writeError(`\r${progress(so)}`);
          });
        } catch (error) {
          // What was done until then is done.
          if (total.report().looked > 0 && options.json !== true)
            io.writeError(`\n${replayText(total.report(), dryRun)}`);
          throw error;
        }
        if (io.isTerminal && options.json !== true) io.writeError('\r\u001b[K');
        writeAnswer(io, options, total.report(), (report) => replayText(report, dryRun));
      });
    });
}

/** @throws GatewayError `usage` where nothing is chosen. */
export function selectionOf(
  ids: readonly string[],
  options: RejectedQuery & { readonly all?: true },
  nowMs: number,
): RejectedSelection {
  const filter = queryOf(options, nowMs);
  const isFiltered = Object.keys(filter).length > 0;
  if (ids.length > 0 && (isFiltered || options.all === true))
    throw new GatewayError('usage', 'give ids, or options that choose, not both');
  if (ids.length > 0) return { ids };
  if (!isFiltered && options.all !== true)
    throw new GatewayError(
      'usage',
      'say which: ids, or --code, --device, --client, --topic, --schema, --sink, --since, --until; or --all',
    );
  return isFiltered ? { filter } : { all: true };
}

/** Replays page after page what was open when it began: what is rejected meanwhile is for the next replay. */
async function replayAll(
  operations: Pick<Operations, 'replay' | 'status'>,
  selection: RejectedSelection,
  how: { readonly dryRun: boolean; readonly run: string },
  total: Total,
  onPage: (total: ReplayReport) => void,
): Promise<void> {
  const { store } = await operations.status();
  const atMost = selection.ids?.length ?? store.rejectedOpenCount;
  let after: string | null = null;
  do {
    const page: ReplayReport = await operations.replay({
      selection,
      ...how,
      after,
      limit: REJECTIONS_A_CALL,
    });
    total.add(page);
    after = page.next;
    onPage(total.report());
  } while (after !== null && total.report().looked < atMost);
}

const COUNTS = ['looked', 'stored', 'duplicate', 'written', 'still', 'anew', 'gone'] as const;

class Total {
  readonly #counts = { looked: 0, stored: 0, duplicate: 0, written: 0, still: 0, anew: 0, gone: 0 };
  readonly #causes = new CauseCounter();
  #atMost = false;

  add(page: ReplayReport): void {
    for (const key of COUNTS) this.#counts[key] += page[key];
    this.#atMost ||= page.atMost;
    this.#causes.merge(page.causes);
  }

  report(): ReplayReport {
    return { ...this.#counts, atMost: this.#atMost, causes: this.#causes.list(), next: null };
  }
}

function progress({ looked, stored, still }: ReplayReport): string {
  return `${count(looked)} looked at: ${count(stored)} stored, ${count(still)} still rejected `;
}

export function replayText(report: ReplayReport, dryRun: boolean): string {
  const { looked, stored, duplicate, written, still, anew, gone, atMost, causes } = report;
  const rows: readonly (readonly [number, string])[] = [
    [
      stored,
      dryRun ? `would be stored${atMost ? ', at most: some may be repeats of others' : ''}` : 'stored',
    ],
    [duplicate, dryRun ? 'would be found stored already' : 'were stored already'],
    [written, dryRun ? 'would be given to their sink' : 'written to their sink'],
    [
      anew,
      dryRun ? 'would be rejected by themselves, out of a list' : 'rejected by themselves, out of a list',
    ],
    [still, 'still rejected'],
    [gone, 'no longer there, or replayed before'],
  ];
  const width = Math.max(...rows.map(([n]) => count(n).length));
  const shown = rows.filter(([n]) => n > 0).map(([n, words]) => `  ${count(n).padStart(width)}  ${words}\n`);
  const why = causes.slice(0, CAUSES_SHOWN).map((cause) => `\n${causeText(cause)}`);
  const more = causes.length - why.length;
  return [
    `${dryRun ? 'dry run, nothing was changed: ' : ''}${rejectedReadings(looked)}\n`,
    ...shown,
    ...why,
    ...(more > 0 ? [`\nand ${count(more)} more causes\n`] : []),
  ].join('');
}
