import type { ReplayedLines } from '../delivery/delivery-replay.ts';
import type { Rejection, Store } from '../store-contract.ts';
import type { ReplayTally } from './replay-tally.ts';

/** The way to each sink; a text says why there is none. */
export type SinkReplays = (
  sink: string,
) => { replay(lines: Buffer): Promise<ReplayedLines> } | { readonly why: string };

const LINE_FEED = 0x0a;

/**
 * Gives points that a sink once refused to that sink alone. What it takes is settled in its ledger; a crash between the
 * two writes them once more, with the same timestamps, so the sink keeps one copy.
 */
export async function replayToSinks(
  rejections: readonly Rejection[],
  dryRun: boolean,
  tally: ReplayTally,
  store: Pick<Store, 'settleReplayed'>,
  sinks: SinkReplays,
): Promise<void> {
  for (const [sink, ofSink] of bySink(rejections)) {
    const way = sinks(sink);
    const stays = (rejection: Rejection, message: string): void => {
      tally.still += 1;
      const { code, schema } = rejection;
      tally.causes.add(rejection, { code, schema, violations: [{ pointer: '', message }] });
    };
    if ('why' in way) {
      for (const each of ofSink) stays(each, way.why);
      continue;
    }
    if (dryRun) {
      tally.written += ofSink.length;
      continue;
    }
    const result = await way.replay(Buffer.concat(ofSink.map(({ payload }) => withLineFeed(payload))));
    if ('error' in result) {
      for (const each of ofSink) stays(each, result.error);
      continue;
    }
    const refused = new Map(result.refused.map(({ index, words }) => [index, words]));
    const taken: string[] = [];
    for (const [i, each] of ofSink.entries()) {
      const words = refused.get(i);
      if (words === undefined) taken.push(each.id);
      else stays(each, words);
    }
    const settled = taken.length === 0 ? 0 : await store.settleReplayed(sink, taken);
    tally.written += settled;
    tally.gone += taken.length - settled;
  }
}

function bySink(rejections: readonly Rejection[]): ReadonlyMap<string, readonly Rejection[]> {
  const found = new Map<string, Rejection[]>();
  for (const rejection of rejections) {
    const sink = rejection.sink ?? '';
    const known = found.get(sink);
    if (known === undefined) found.set(sink, [rejection]);
    else known.push(rejection);
  }
  return found;
}

function withLineFeed(line: Buffer): Buffer {
  return line.at(-1) === LINE_FEED ? line : Buffer.concat([line, Buffer.of(LINE_FEED)]);
}
